"""The world of a scenario on wires: real processes, a switch between them, and real time.

    with Processes(PRELOAD) as processes:
        result = run_on_wires(processes, scenario)

The same steps, checkers and results as in simulation. A second is a second; what a scenario does at
a pace of its own is said in its file (`wires.plan`). Between two runs the machine and
its scheduler differ, so there is no trace, and nothing is repeated exactly.
"""

import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mesh.node.processes import Processes
from mesh.testing.checkers import Checker
from mesh.testing.checkers.registry import CHECKERS
from mesh.testing.fleets.reckoning import Reckoning
from mesh.testing.fleets.sight import Delivered, Sight
from mesh.testing.scenarios.deeds import ScenarioError
from mesh.testing.scenarios.runner import Result, run_scenario
from mesh.testing.scenarios.scenario import Scenario
from mesh.testing.scenarios.steps import Step
from mesh.testing.scenarios.world import LISTENING_S
from mesh.testing.wires.plan import check_wires, on_wires
from mesh.testing.wires.process_deeds import DONE, ProcessDeeds
from mesh.testing.wires.process_fleet import ProcessFleet
from mesh.units import SECOND

__all__ = ["ProcessWorld", "fits_wires", "open_world", "run_on_wires"]

LATE_S = 30.0
"""How much later than `at` says a step may come: processes take seconds to start."""


class ProcessWorld:
    """A fleet of processes that stands, whose boxes listen around themselves.

    Args:
        fleet: the processes; it stands.
        directory: an empty one, for copies of disks.
    """

    def __init__(self, fleet: ProcessFleet, directory: Path) -> None:
        self.fleet = fleet
        self.deeds = ProcessDeeds(fleet, directory)
        self._reckoning = Reckoning(self.deeds.counts)
        self.deeds.begin(after_s=LISTENING_S)

    @property
    def now_s(self) -> float:
        """Seconds since the scenario began."""
        return self.deeds.now_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.deeds.advance(seconds)

    def perform(self, step: Step) -> None:
        """Do what a step says."""
        self._look()  # what is killed now will not tell of itself any more
        self.deeds.perform(step)

    def look(self, step: str, *, is_last: bool = False) -> Sight:
        """Return what there is to see."""
        self._look()
        deeds, boxes = self.deeds, self.fleet.boxes
        deliveries = [
            Delivered((heard.at_ns - deeds.began_ns) / SECOND, name, heard.event, heard.decision)
            for name, box in boxes.items()
            for heard in box.take_heard()
        ]
        sight = Sight(
            now_s=self.now_s,
            step=step,
            is_last=is_last,
            is_whole=deeds.is_whole,
            is_idle=deeds.is_idle,
            calm_s=(time.monotonic_ns() - deeds.disturbed_ns) / SECOND,
            boxes=list(boxes.values()),
            deliveries=deliveries,
            facts=deeds.facts,
            spoken=deeds.spoken,
            cuts=self.fleet.cuts,
            places=self.fleet.town.places,
            listen_m=self.fleet.listen_m,
        )
        self._reckoning.look(sight)
        return sight

    def told(self) -> tuple[Mapping[str, int], str]:
        """Return what was counted; there is no trace of what no two runs have in common."""
        carried = self.fleet.switch.count()
        facts = len(self.deeds.facts)
        told = self._reckoning.told(
            facts=facts, packets=carried.copied, packets_lost=carried.dropped
        )
        return told, ""

    def _look(self) -> None:
        self.fleet.look()
        for name in self.fleet.up():
            box = self.fleet.boxes[name]
            self._reckoning.take(box.key, box.life, box.statistics)


def fits_wires(scenario: Scenario) -> None:
    """Refuse a scenario that cannot be played on wires.

    Raises:
        UnfitForWiresError: it asks for something that cannot be done there.
    """
    check_wires(scenario, DONE)


@contextmanager
def open_world(
    processes: Processes, scenario: Scenario, seed: int | None = None
) -> Generator[ProcessWorld]:
    """Have the fleet of a scenario stand for the time of a block; nothing of it is left behind.

    Raises:
        NamespacesUnavailableError: this machine gives us none.
        ScenarioError: the fleet does not stand.
    """
    swaps = sum(step.verb == "swap_hardware" for step in scenario.steps)
    with tempfile.TemporaryDirectory(prefix="mesh-net-") as made:
        files, copies = Path(made) / "fleet", Path(made) / "copies"
        files.mkdir()
        copies.mkdir()
        decided = scenario.seed if seed is None else seed
        fleet = ProcessFleet(processes, scenario.fleet, decided, files, spares=swaps)
        try:
            fleet.stand()
            yield ProcessWorld(fleet, copies)
        finally:
            fleet.end()


def run_on_wires(
    processes: Processes,
    scenario: Scenario,
    *,
    seed: int | None = None,
    checkers: Mapping[str, Callable[[], Checker]] = CHECKERS,
    watch: Callable[[Sight], None] = lambda _sight: None,
) -> Result:
    """Run a scenario on real processes, at the pace that it declares.

    Raises:
        UnfitForWiresError: it cannot be played there.
        NamespacesUnavailableError: this machine gives us none.
        ProcessFailedError: the switch ended.
    """
    fits_wires(scenario)
    paced, began_s = on_wires(scenario), time.monotonic()
    try:
        with open_world(processes, paced, seed) as world:
            return run_scenario(
                paced, seed=seed, world=world, checkers=checkers, watch=watch, late_s=LATE_S
            )
    except ScenarioError as error:
        return Result(
            scenario=paced, word="broken", invariants={}, missing=(), trouble=str(error),
            counts={}, trace="", virtual_s=0.0, wall_s=time.monotonic() - began_s,
        )  # fmt: skip
