"""Scenarios written in a test: short ones, on a town of two boxes and three others."""

from collections.abc import Callable, Mapping

from mesh.testing.checkers import Checker
from mesh.testing.checkers.registry import CHECKERS
from mesh.testing.scenarios.runner import Result, run_scenario
from mesh.testing.scenarios.scenario import Scenario, parse_scenario


def scenario(steps: str, invariants: str, *, expect: str = "{}", fleet: str = "{boxes: 2}"):
    """A scenario of these steps; what it expects need not be said, for nothing is to be vacuous."""
    lines = "".join(f"  - {line.strip()}\n" for line in steps.strip().splitlines())
    expected = "{entries_exchanged: 1}" if expect == "{}" else expect
    text = (
        f"name: short\nwhy: a test\nseed: 5\nfleet: {fleet}\nsteps:\n{lines}"
        f"invariants: [{invariants}]\nexpect: {expected}\n"
    )
    return parse_scenario(text.encode(), "short.yaml", checkers=(*CHECKERS, "Own"))


def play(found: Scenario, own: Callable[[], Checker] | None = None, **options) -> Result:
    """Run it in virtual time."""
    checkers: Mapping[str, Callable[[], Checker]] = CHECKERS
    return run_scenario(found, checkers=checkers if own is None else {"Own": own}, **options)
