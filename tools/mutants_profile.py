"""A pytest plugin for mutants: hypothesis without shrinking, and the same examples in every run.

A failing example need not be small here, only found; and a mutant that was caught once must be
caught again. The profile is the one that tests/conftest.py loads by MESH_HYPOTHESIS=mutants.
"""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutants",
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
