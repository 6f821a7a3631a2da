"""What a simulated box runs: its artefacts, its slots, and what an artefact does to it.

A slot is tried in steps, as `inference.slots` does it: loaded and tested beside what runs, then
swapped in, then proven by its first good inference. What an artefact does is its fate; without one
it is good. All of this lies on the box's disk and survives a crash.
"""

from dataclasses import dataclass, field
from typing import Literal

from mesh.orchestration.goals import Answer, Failed, Goal, Good, Started, Waiting
from mesh.orchestration.report import Metrics

__all__ = ["Fate", "Workshop"]

Fate = Literal["good", "fails", "kills", "blind", "slow"]
"""Good; fails its self-test; ends its process when it is swapped in; finds too little; is late."""

MEASURED = Metrics(p95_us=4_000, map50_ppm=800_000, disagreement_ppm=10_000, errors=0)
BLIND = Metrics(p95_us=4_000, map50_ppm=300_000, disagreement_ppm=200_000, errors=0)
SLOW = Metrics(p95_us=90_000, map50_ppm=800_000, disagreement_ppm=10_000, errors=0)
_SHOWN = {"blind": BLIND, "slow": SLOW}


@dataclass(slots=True)
class Workshop:
    """The slots of one box.

    Attributes:
        shelf: artefacts and lists of names, by digest.
        runs: what each slot runs.
        goals: what the conductor wants, by slot.
        fates: what artefacts do here.
        swaps: every swap, in order: (slot, digest).
    """

    shelf: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    runs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    goals: dict[str, Goal] = field(default_factory=dict[str, Goal])
    fates: dict[bytes, Fate] = field(default_factory=dict[bytes, Fate])
    swaps: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    _killed_by: set[bytes] = field(default_factory=set[bytes])

    def work(self, goal: Goal) -> Answer | None:
        """Do one step towards a goal; None if that ended the process."""
        artefact = goal.artefact
        assert artefact is not None
        fate = self.fates.get(artefact, "good")
        if self.runs.get(goal.slot) != artefact:
            if artefact not in self.shelf:
                return Waiting("its bytes are not here yet")
            if fate == "fails":
                return Failed("its golden outputs differ")
            if artefact in self._killed_by:
                return Failed("it ended its process")
            if not goal.swap:
                return Started()
            self.swaps.append((goal.slot, artefact))
            if fate == "kills":
                self._killed_by.add(artefact)
                return None
            self.runs[goal.slot] = artefact
        return Good(_SHOWN.get(fate, MEASURED))
