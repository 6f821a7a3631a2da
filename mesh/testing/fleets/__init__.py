"""Simulated fleets: the town they stand in, and what may happen to them."""
