"""Hypothesis profiles: `dev` by default, `ci` and `nightly` by MESH_HYPOTHESIS.

Everything in tests/live, tests/contract and tests/netns opens real sockets, and so carries the mark
`live`.
"""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "dev", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True)
settings.register_profile("nightly", settings.get_profile("dev"), max_examples=3000)
settings.load_profile(os.environ.get("MESH_HYPOTHESIS", "dev"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A job in the background of a shell ignores Ctrl-C, and so would all programs that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

LIVE = tuple(Path(__file__).parent / name for name in ("live", "contract", "netns"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in LIVE):
            item.add_marker(pytest.mark.live)
