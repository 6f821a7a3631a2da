"""Rollouts: the oracle, the world in which boxes meet, the histories and the invariant."""
