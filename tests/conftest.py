"""Hypothesis profiles: `dev` by default, `ci` and `nightly` by MESH_HYPOTHESIS."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "dev", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=120, derandomize=True)
settings.register_profile("nightly", settings.get_profile("dev"), max_examples=3000)
settings.load_profile(os.environ.get("MESH_HYPOTHESIS", "dev"))
