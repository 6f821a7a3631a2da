"""Scenarios: files that people write, what their steps do, and the run that judges them."""
