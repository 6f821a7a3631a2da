"""What the conductor tells its box, and what the box answers.

A goal names, for one slot, what to run now and why. The slots fetch, verify, load and test what a
goal names; they swap when it says `swap`, and answer with an outcome. What the conductor wants done
otherwise is an effect.
"""

from dataclasses import dataclass

from mesh.orchestration.blob_tree import Reference
from mesh.orchestration.halt import Halt
from mesh.orchestration.report import UNMEASURED, Metrics, Report

__all__ = [
    "Answer",
    "Effect",
    "Failed",
    "Fetch",
    "Goal",
    "Good",
    "Keep",
    "Run",
    "Say",
    "Sign",
    "Started",
    "Unsay",
    "Waiting",
    "Wake",
]


@dataclass(frozen=True, slots=True)
class Goal:
    """What one slot is to run.

    Attributes:
        slot: such as "model/detector".
        artefact: its digest, 32 bytes; None for nothing, where nothing is left to go back to.
        intent: by which intent, 16 bytes; None for what was delivered or approved.
        attempt: the box's number of its attempt at that intent; 0 without one.
        why: for people.
        swap: whether to swap to it now; before, it is loaded and tested in the spare slot.
    """

    slot: str
    artefact: bytes | None
    intent: bytes | None
    attempt: int
    why: str
    swap: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """Bytes or room are wanting before the swap; the slots try again by themselves."""

    reason: str


@dataclass(frozen=True, slots=True)
class Started:
    """Loaded into the spare slot and self-tested: ready to swap."""


@dataclass(frozen=True, slots=True)
class Good:
    """The first good live inference by the intended digest, and what was measured."""

    metrics: Metrics = UNMEASURED


@dataclass(frozen=True, slots=True)
class Failed:
    """The self-test, the swap or the first inference failed; the old slot runs."""

    reason: str


Answer = Waiting | Started | Good | Failed
"""What became of a goal."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Write the conductor's memory down, durably, before any effect after this one."""

    memory: bytes


@dataclass(frozen=True, slots=True)
class Say:
    """State a report in the FLEET lane, under its topic, replacing the one before."""

    report: Report


@dataclass(frozen=True, slots=True)
class Unsay:
    """Leave a topic of ours out of the next snapshot: nobody counts that report any more."""

    topic: str


@dataclass(frozen=True, slots=True)
class Sign:
    """Write a halt into the AUTH lane."""

    halt: Halt


@dataclass(frozen=True, slots=True)
class Run:
    """Hand a changed goal to its slot."""

    goal: Goal


@dataclass(frozen=True, slots=True)
class Fetch:
    """Get these bytes from neighbours: an artefact, or the list of a cohort."""

    reference: Reference


@dataclass(frozen=True, slots=True)
class Wake:
    """Look again at that monotonic time, ns: a soak ends then, or a report should show by then."""

    at_ns: int


Effect = Keep | Say | Unsay | Sign | Run | Fetch | Wake
"""What the conductor wants done."""
