"""Rendered intersections: seeded cameras, traffic, and a van that veers into the bike lane."""
