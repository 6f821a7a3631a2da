"""Tests of the gossip core."""
