"""A fault that does nothing must be noticed: the library, with one kind of fault or deed idle.

A scenario that holds although its cut cuts nothing has shown nothing about cuts. So each scenario
is played once for each kind of thing that is done in it, with that kind idle: it is noted and
counted as ever, and has no effect. It must not be held then: vacuous or broken, either is right.

    python -m tools.idle_faults [NAME]…

plays those of the library that take seconds, or the named ones; the exit status is 1 if one held.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import msgspec

from mesh.testing.fleets.fleet import Fleet
from mesh.testing.scenarios.deeds import Deeds
from mesh.testing.scenarios.library import library, read_scenario
from mesh.testing.scenarios.runner import Result, run_scenario
from mesh.testing.scenarios.scenario import Scenario
from mesh.testing.simulator.disk import SimulatedDisk
from mesh.testing.simulator.network import Network, _Cut
from mesh.testing.simulator.sim import Simulation

__all__ = ["EXCUSED", "kinds_of", "main", "play_idle"]

LONG = frozenset({"busy-quarter", "centre-dark", "flapping-link", "liars", "rush-hour"})
"""They take a minute and more each; name them to have them played."""
LOSS = "loss"
"""The one fault that stands in `fleet` and not in the steps."""
AIDS = frozenset(
    {"run", "settle", "heal", "restart", "backup", "check_trust", "check_runs", "approve_model"}
)
"""Verbs that let time pass, look, or mend."""
EXCUSED = {
    ("lossy-air", "links"): "it ends the losses, which the scenario outlives anyway",
}
"""What may be idle unnoticed, and why."""


def kinds_of(scenario: Scenario) -> list[str]:
    """Return what is done in a scenario, each kind once."""
    verbs = dict.fromkeys(step.verb for step in scenario.steps if step.verb not in AIDS)
    return [*verbs, *([LOSS] if scenario.fleet.loss else [])]


def play_idle(scenario: Scenario, kind: str) -> Result:
    """Play a scenario with one kind of thing idle."""
    if kind == LOSS:
        calm = msgspec.structs.replace(scenario.fleet, loss=0.0)
        return run_scenario(msgspec.structs.replace(scenario, fleet=calm))
    with _idle(kind):
        return run_scenario(scenario)


def _nothing(*_: object, **__: object) -> None:
    return None


@contextmanager
def _idle(kind: str) -> Iterator[None]:
    """Have a verb be noted, and do nothing."""
    where = {
        "behind_nat": (Network, "behind_nat"),
        "links": (Network, "shape"),
        "crash": (Simulation, "crash"),
        "power_cut": (Simulation, "cut_power"),
        "restore": (SimulatedDisk, "restore"),
        "slow": (Fleet, "slow"),
        "clock": (Fleet, "clock"),
        "turn": (Fleet, "turn"),
    }
    if kind in ("cut", "cut_one_way", "blackhole"):
        with patch.object(_Cut, "blocks", lambda *_: False):
            yield
    else:
        owner, name = where.get(kind, (Deeds, f"_{kind}"))
        with patch.object(owner, name, _nothing):
            yield


def main() -> int:
    """Play the scenarios; returns 1 if one held although something of it was idle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = parser.parse_args().names or sorted(library().keys() - LONG)
    unnoticed = 0
    for name in names:
        scenario = read_scenario(library()[name])
        for kind in kinds_of(scenario):
            result = play_idle(scenario, kind)
            excuse = EXCUSED.get((name, kind), "")
            is_wrong = result.word == "held" and not excuse
            unnoticed += is_wrong
            told = "HELD" if is_wrong else excuse or f"{result.word}: {result.sentences[0]}"
            print(f"{name:20} {kind:14} {told:.120}", flush=True)
    print(f"{unnoticed} were held with something idle")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
