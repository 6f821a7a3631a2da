"""Benchmarks: one file each, run beside their peers; see docs/budgets.md."""
