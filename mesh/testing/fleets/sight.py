"""What checkers look at: the boxes as they are now, and what happened since the last look.

A sight is taken after each step of a scenario and after each virtual second. It holds nothing that
a real box could not tell over its console, so that the same checkers can judge real processes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from crdt.entry import Entry, Lane
from crdt.standing import Authority
from mesh.choreography.event import SealedEvent
from mesh.choreography.reactions import RequestDecision
from mesh.mind.statistics import MindStatistics
from mesh.testing.fleets.sight_rollouts import Move, Standing

__all__ = [
    "BoxSight", "Delivered", "Fact", "Sight", "Spoken", "agreement", "differences", "still_cut",
]  # fmt: skip


class BoxSight(Protocol):
    """One box as it is now; all but the first four only while it is up."""

    @property
    def name(self) -> str:
        """The name it holds."""
        ...

    @property
    def key(self) -> bytes:
        """Its public key, 32 bytes."""
        ...

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        ...

    @property
    def is_honest(self) -> bool:
        """Whether it does what its code says; False once the scenario turned it."""
        ...

    @property
    def authority(self) -> Authority:
        """Who holds what, in its view. The same object until something of it changes."""
        ...

    @property
    def seen(self) -> Collection[bytes]:
        """The members that it sees, by key."""
        ...

    @property
    def statistics(self) -> MindStatistics:
        """What it counted since it started."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Every entry that it keeps."""
        ...

    def rollouts(self) -> Iterator[Standing]:
        """How the rollouts over it stand in its view."""
        ...


@dataclass(frozen=True, slots=True)
class Delivered:
    """An event that was handed to an application.

    Attributes:
        at_s: when.
        receiver: name of the box that heard it.
        event: what was heard.
        decision: what became of the wish to react to it.
        ahead_s: by how much the receiver's wall clock was ahead of the true time.
    """

    at_s: float
    receiver: str
    event: SealedEvent
    decision: RequestDecision
    ahead_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """An event that a box published.

    Attributes:
        at_s: when.
        key: of the speaker.
        name: under which it spoke.
        incident: id of the event that began the incident; empty if it began one itself.
        ttl_s: for how long somebody may react.
        ahead_s: by how much the speaker's wall clock was ahead of the true time.
    """

    at_s: float
    key: bytes
    name: str
    incident: bytes = b""
    ttl_s: float = 1.0
    ahead_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that a person wrote at a box, and that the box said to be durable."""

    at_s: float
    by: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Sight:
    """One look at the world.

    Attributes:
        now_s: virtual seconds since the fleet stood.
        step: what was just done; empty between two steps.
        is_last: whether the scenario ends here.
        is_whole: whether no cut stands.
        is_idle: whether nothing waits to be published or to become durable.
        calm_s: for how many seconds nothing was broken or mended.
        boxes: every box, up or down.
        deliveries: what was heard since the last look.
        facts: every fact so far.
        spoken: every event that was published so far, by id.
        moves: what boxes did in rollouts since the last look, in order.
        cuts: the labels of those that stand.
        places: where boxes stand, latitude and longitude in degrees, by name.
        listen_m: how far every box listens.
    """

    now_s: float
    step: str
    is_last: bool
    is_whole: bool
    is_idle: bool
    calm_s: float
    boxes: Sequence[BoxSight]
    deliveries: Sequence[Delivered]
    facts: Sequence[Fact]
    spoken: Mapping[bytes, Spoken]
    moves: Sequence[Move] = ()
    cuts: Sequence[str] = ()
    places: Mapping[str, tuple[float, float]] = field(
        default_factory=dict[str, tuple[float, float]]
    )
    listen_m: float = 0.0

    @property
    def members(self) -> list[BoxSight]:
        """The honest boxes that are up and take themselves for current members."""
        return [box for box in self.boxes if box.is_up and box.is_honest and _is_member(box)]


def agreement(boxes: Sequence[BoxSight]) -> bool:
    """Whether all boxes hold the same authority view and the same AUTH entries."""
    digests = {box.authority.digest for box in boxes}
    return len(digests) <= 1 and len({_held(box) for box in boxes}) <= 1


def differences(boxes: Sequence[BoxSight]) -> str:
    """Say who stands apart from whom, for people."""
    sides: dict[tuple[bytes, frozenset[bytes]], list[str]] = {}
    for box in boxes:
        sides.setdefault((box.authority.digest, _held(box)), []).append(box.name)
    told = (
        f"{', '.join(names[:4])}{' …' if len(names) > 4 else ''} hold {len(held)} facts, view "
        f"{digest.hex()[:8]}"
        for (digest, held), names in sides.items()
    )
    return "; ".join(told)


def still_cut(labels: Sequence[str]) -> str:
    """Say which cuts keep a fleet from agreeing, for people."""
    named = " and ".join(map(repr, labels)) or "it"
    return f"a cut stands: heal {named}, or run instead of settling"


def _is_member(box: BoxSight) -> bool:
    authority = box.authority
    return any(authority.current(pair) for pair in authority.pairs_of(box.key))


def _held(box: BoxSight) -> frozenset[bytes]:
    return frozenset(entry.id for entry in box.entries() if entry.lane == Lane.AUTH)
