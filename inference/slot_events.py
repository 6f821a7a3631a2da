"""What happens to a box's slots, and what is to be done about it; see `inference.slots`.

Events carry no time: the machine gets `now` beside them. Effects are performed one after another in
the order given; each that has an answer is answered with one event.
"""

import enum
from dataclasses import dataclass, field

from inference.slot_record import Key, SlotRecord

__all__ = [
    "Activate",
    "Effect",
    "Event",
    "Go",
    "Install",
    "Installed",
    "NotActivated",
    "NotInstalled",
    "Outcome",
    "OutcomeKind",
    "Persist",
    "Report",
    "Seen",
    "Stopped",
    "Test",
    "Tested",
    "Tick",
    "Want",
    "Withdraw",
]


class OutcomeKind(enum.StrEnum):
    """What became of what was asked for."""

    STARTED = "started"
    GOOD = "good"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer to a `Want`.

    Attributes:
        kind: started (tested, not swapped in), good (gave a good live inference), failed (given up,
            the box runs something else), waiting (for bytes or room; no failure).
        key: what was asked for; `Key(None)` where nobody asked and the factory's own failed.
        reason: why, for failed and waiting.
        metrics: figures of the self-test here, for started and good; good tells them as the live
            frames in its shadow left them.
    """

    kind: OutcomeKind
    key: Key
    reason: str = ""
    metrics: dict[str, int] | None = None


# Events: what happened.


@dataclass(frozen=True, slots=True)
class Want:
    """This shall run; `digest` None asks for the factory's own."""

    key: Key


@dataclass(frozen=True, slots=True)
class Installed:
    """The artefact lies whole on the spare side."""

    digest: bytes


@dataclass(frozen=True, slots=True)
class NotInstalled:
    """The artefact could not be put there, for want of bytes or room."""

    digest: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Tested:
    """The self-test's result; `problem` None is a pass."""

    digest: bytes
    problem: str | None
    metrics: dict[str, int]


@dataclass(frozen=True, slots=True)
class Go:
    """What was tested may be swapped in.

    Attributes:
        digest: of it.
        figures: what live frames in its shadow made of those of its self-test, by the same names.
    """

    digest: bytes
    figures: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class NotActivated:
    """What should run cannot be loaded."""

    digest: bytes | None
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A live frame was looked at by this artefact; `problem` None is a good inference."""

    digest: bytes | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """These digests must never be loaded again."""

    digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The process ends in good order: that start is no evidence."""


Event = (
    Want | Installed | NotInstalled | Tested | Go | NotActivated | Seen | Withdraw | Tick | Stopped
)

# Effects: what is to be done, in order.


@dataclass(frozen=True, slots=True)
class Persist:
    """Make this record durable, then say `persisted` or `persist_failed`; nothing before that."""

    record: SlotRecord


@dataclass(frozen=True, slots=True)
class Install:
    """Put the artefact into this side, then say `Installed` or `NotInstalled`."""

    side: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Test:
    """Self-test what lies on this side beside what runs, then say `Tested`."""

    __test__ = False
    side: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Activate:
    """Run what lies on this side, from the next frame on; None is the factory's own.

    What cannot be loaded is answered with `NotActivated`.
    """

    side: int | None
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Report:
    """Tell whoever asked."""

    outcome: Outcome


Effect = Persist | Install | Test | Activate | Report
