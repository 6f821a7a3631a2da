"""The verbs that every fleet has: cuts by a label, disks and clocks of boxes, and questions.

`Fleet` is a simulation that time is passed to by hand; `LiveFleet` runs real shells under trio.
What can be told to both in the same words is here, so that it means the same, and is refused alike.
Each cut is a line of the journal, and part of the trace.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Generic, NamedTuple, Protocol, TypeVar

from mesh.coordination.enrolment import holders
from mesh.coordination.trust import PeerClass
from mesh.files.form import nearest
from mesh.mind import Mind
from mesh.testing.fleets.sides import check_cut, check_sides, network_says
from mesh.testing.fleets.sight import still_cut
from mesh.testing.fleets.town import FleetError, Town
from mesh.testing.simulator.clocks import SimulatedClock
from mesh.testing.simulator.disk import Backup, SimulatedDisk
from mesh.testing.simulator.network import Network, NetworkModelError, changed
from mesh.units import SECOND

__all__ = ["LISTEN_M", "STANDING_S", "AnyBox", "Delivered", "FleetVerbs"]

STANDING_S = 60
"""Virtual seconds a fleet gets to stand, at most."""
LISTEN_M = 600.0
"""How far a box listens unless the caller says, metres."""


class Delivered(NamedTuple):
    """One event that reached one box's application.

    Attributes:
        at_ns: virtual time.
        receiver: name of the box.
        event: id of the event, 32 bytes.
        author: public key of the speaker.
        name: the name under which it spoke.
        model: digest of the model that it was made with, if any.
    """

    at_ns: int
    receiver: str
    event: bytes
    author: bytes
    name: str
    model: bytes | None


class AnyBox(Protocol):
    """A box of a fleet, whichever fleet it is."""

    @property
    def name(self) -> str:
        """The name it holds."""
        ...

    @property
    def public(self) -> bytes:
        """Its public key."""
        ...

    @property
    def is_up(self) -> bool:
        """Whether it is running."""
        ...

    @property
    def mind(self) -> Mind:
        """The running mind."""
        ...

    @property
    def disk(self) -> SimulatedDisk:
        """What it keeps."""
        ...

    @property
    def clock(self) -> SimulatedClock:
        """Its wall clock."""
        ...


BoxT = TypeVar("BoxT", bound=AnyBox)
Side = Iterable[BoxT | str]
"""Boxes, or the names of boxes."""


class FleetVerbs(ABC, Generic[BoxT]):
    """What a fleet can be told and asked; the fleet adds the boxes and what carries the bytes.

    Attributes:
        boxes: every node by name; replaced hardware is called "… (old)", what replaced it and is
            replaced too "… (old 2)".
        town: where they stand.
        deliveries: what reached the applications of all boxes, in order.
    """

    boxes: dict[str, BoxT]
    town: Town
    deliveries: list[Delivered]
    _cuts_made = 0
    _link_fields: tuple[str, ...] = ()
    """The fields of links that may be changed; all where there are none."""

    def __init__(self) -> None:
        self.boxes = {}
        self.deliveries = []
        self._said: dict[bytes, str] = {}
        """The type of each event that was published, by its id."""

    @property
    @abstractmethod
    def now_ns(self) -> int:
        """Virtual time, nanoseconds."""

    @property
    @abstractmethod
    def ways(self) -> Network:
        """Who reaches whom, and how."""

    @abstractmethod
    def ways_changed(self, words: str) -> None:
        """Note what was done, and have every link looked at."""

    @abstractmethod
    def note(self, words: str) -> None:
        """Write a line into the journal, and into the trace."""

    def box(self, name: str) -> BoxT:
        """The node that holds a name.

        Raises:
            FleetError: nobody of the fleet is called so.
        """
        if name not in self.boxes:
            meant = "" if "*" in name else name  # no pattern is near to a name
            raise FleetError(f"nobody is called {name!r}: {nearest(meant, list(self.boxes))}")
        return self.boxes[name]

    def _those(self, side: Side[BoxT]) -> list[BoxT]:
        named = (side,) if isinstance(side, str) else side
        return [self.box(each) if isinstance(each, str) else each for each in named]

    def names(self) -> list[str]:
        """Every name of the fleet."""
        return list(self.boxes)

    def position(self, name: str) -> tuple[float, float]:
        """Where a box stands: latitude and longitude in degrees."""
        return self.town.places[name]

    def split(self, line: str = "river") -> tuple[list[BoxT], list[BoxT]]:
        """Return the two sides of the river; the centre stands on the south bank."""
        if line != "river":
            raise FleetError(f"the town is split by its river only, not by {line!r}")
        north = [box for box in self.boxes.values() if box.name.startswith("north/")]
        south = [box for box in self.boxes.values() if box not in north]
        return north, south

    # --------------------------------------------------------------------------------- network

    def cut(self, label: str, side: Side[BoxT]) -> None:
        """Cut a side off from everybody else; links across are noticed dead after ten seconds.

        Raises:
            FleetError: a cut is called so already, the side is empty or everybody, or nobody is
                called so.
        """
        boxes = self._those(side)
        check_cut(boxes, self.boxes)
        with network_says():
            self.ways.cut(label, _keys(boxes))
        self.ways_changed(f"{label}: {_names(boxes)} cut off")

    def cut_one_way(self, label: str, from_: Side[BoxT], to: Side[BoxT]) -> None:
        """Lose whatever the first send to the second, and not what those send to them.

        No link lasts over such a way: an answer is missing in either direction.

        Raises:
            FleetError: a cut is called so already, or a side is empty.
        """
        senders, receivers = self._those(from_), self._those(to)
        with network_says():
            self.ways.cut_one_way(label, _keys(senders), _keys(receivers))
        self.ways_changed(f"{label}: {_names(senders)} unheard by {_names(receivers)}")

    def blackhole(self, label: str, boxes: Side[BoxT]) -> None:
        """Lose all that these boxes send and are sent, each of them alone.

        Raises:
            FleetError: a cut is called so already, or there are no boxes.
        """
        swallowed = self._those(boxes)
        with network_says():
            self.ways.blackhole(label, _keys(swallowed))
        self.ways_changed(f"{label}: {_names(swallowed)} in a black hole")

    def heal(self, label: str | None = None) -> None:
        """Take one cut away, or all.

        Raises:
            FleetError: there is no such cut.
        """
        with network_says():
            self.ways.heal(label)
        self.ways_changed(f"healed {'all cuts' if label is None else label}")

    @contextmanager
    def partition(self, side: Side[BoxT], other: Side[BoxT]) -> Generator[None]:
        """Cut two sides off from each other for the time of the block.

        Raises:
            FleetError: a box is on both sides, or on neither.
        """
        self._cuts_made += 1
        label, boxes = f"partition {self._cuts_made}", self._those(side)
        check_sides(boxes, self._those(other), self.boxes)
        self.cut(label, boxes)
        try:
            yield
        finally:
            self.heal(label)

    def links(
        self,
        *,
        between: tuple[Side[BoxT], Side[BoxT]] | None = None,
        **changes: float | None,
    ) -> None:
        """Change how links behave: `latency_ms`, `jitter_ms`, `loss`, `duplication`, ….

        The fields are those of `simulator.network.LinkModel`; what is not named stays.

        Args:
            between: two sides; only the links between them are changed. None for all links.
            changes: the fields to change.

        Raises:
            FleetError: there is no such field, or it cannot have that value.
        """
        network = self.ways
        other = [word for word in changes if word not in (self._link_fields or changes)]
        if other:
            known = ", ".join(self._link_fields)
            raise FleetError(f"links({other[0]}=…): the links of this fleet have {known} alone")
        try:
            model = changed(network.model, changes)
        except (TypeError, NetworkModelError) as error:
            raise FleetError(f"links({changes}): {error}") from None
        sides = None
        if between is not None:
            sides = _keys(self._those(between[0])), _keys(self._those(between[1]))
        network.shape(model, sides)
        words = ", ".join(f"{word}={value}" for word, value in changes.items())
        self.note(f"links {'everywhere' if sides is None else 'between two'}: {words}")

    def behind_nat(self, name: str) -> None:
        """Nobody can dial this box from now on; it dials, and links that stand stay."""
        self.ways.behind_nat(self.box(name).public)
        self.note(f"{name} is behind a NAT")

    # ------------------------------------------------------------------------- disks and clocks

    def disk(self, name: str) -> SimulatedDisk:
        """Return the disk of a box: `is_full` and `sync_ms` may be set."""
        return self.box(name).disk

    def backup(self, name: str) -> Backup:
        """Return a copy of what a box's disk holds durably now."""
        return self.disk(name).backup()

    def restore(self, name: str, backup: Backup) -> None:
        """Put an old copy back onto the disk of a box that is down.

        Raises:
            FleetError: the box is running.
        """
        self._down(name, "switch it off before its disk is replaced")
        self.disk(name).restore(backup)
        self.note(f"{name} gets an old copy of its disk")

    def clock(self, name: str, *, jump_s: float = 0.0, drift_ppm: float | None = None) -> None:
        """Set the wall clock of a box forward or back, or have it drift from now on.

        Args:
            name: the box.
            jump_s: seconds, negative for back.
            drift_ppm: microseconds that it gains each second; None leaves it as it is.
        """
        clock = self.box(name).clock
        clock.jump(jump_s)
        if drift_ppm is not None:
            clock.drift(drift_ppm, self.now_ns)
        self.note(f"clock of {name}: jumps {jump_s:g} s, drift {drift_ppm} ppm")

    # ----------------------------------------------------------------------------- questions

    @property
    def now_s(self) -> float:
        """Virtual seconds since the fleet was made."""
        return self.now_ns / SECOND

    def up(self) -> list[BoxT]:
        """The boxes that are running."""
        return [box for box in self.boxes.values() if box.is_up]

    def views_agree(self) -> bool:
        """Whether every current member that is up holds the same authority view."""
        return len({mind.replica.authority.digest for mind in self._members()}) == 1

    def anyone_trusts(self, name: str) -> bool:
        """Whether a box that is up takes some key of a name for a member.

        Raises:
            FleetError: no view knows that name.
        """
        if name not in self.boxes and not any(
            holders(mind.replica, name) for mind in self._minds()
        ):
            raise FleetError(f"nobody was ever called {name!r}: {nearest(name, self.names())}")
        return any(
            standing.current for mind in self._members() for standing in holders(mind.replica, name)
        )

    def heard(self, event: bytes) -> list[str]:
        """The boxes whose applications heard an event, by name, sorted.

        Args:
            event: its id, as `publish` returned it.

        Raises:
            FleetError: it is no such id, or no box listens to events of its type.
        """
        found = sorted(each.receiver for each in self.deliveries if each.event == event)
        if not found and event not in self._said:
            raise FleetError(f"{event!r:.40} is no event of this fleet: expected what publish gave")
        if not found and not self._listens_to(self._said[event]):
            raise FleetError(f"nobody listens to {self._said[event]}: call listen_everywhere first")
        return found

    def stands(self) -> bool:
        """Whether every box that is up sees every other, and their views agree."""
        minds = self._minds()
        return self.views_agree() and all(
            len(mind.presence.together) == len(minds) for mind in minds
        )

    def differ(self, seconds: float) -> str:
        """Say that views differ after so long, which, and what may be why."""
        views = ", ".join(
            f"{box.name}={box.mind.replica.authority.digest.hex()[:8]}" for box in self.up()
        )
        told, cuts = f"views differ after {seconds} virtual seconds: {views}", self.ways.cuts()
        return f"{told}; {still_cut(cuts)}" if cuts else told

    # -------------------------------------------------------------------------------- inside

    @abstractmethod
    def _listens_to(self, type_name: str) -> bool:
        """Whether anybody listens to events of a type."""

    def _minds(self) -> list[Mind]:
        return [box.mind for box in self.up()]

    def _members(self) -> list[Mind]:
        """The minds of those that take themselves for members."""
        return [
            mind
            for mind in self._minds()
            if mind.trust.peer_class(mind.public).peer_class is PeerClass.MEMBER
        ]

    def _may_be_new(self, name: str) -> None:
        if name in self.boxes:
            raise FleetError(f"{name} is there already: choose a name that nobody holds")

    def _place(self, name: str, beside: str | None) -> BoxT:
        """Give a new box a place; returns beside whom, if there is somebody."""
        if beside is not None:
            self.box(beside)
        return self.box(self.town.add(name, beside))

    def _down(self, name: str, otherwise: str) -> None:
        if self.box(name).is_up:
            raise FleetError(f"{name} is running: {otherwise}")


def _keys(boxes: Iterable[AnyBox]) -> list[bytes]:
    return [box.public for box in boxes]


def _names(boxes: Sequence[AnyBox]) -> str:
    return ", ".join(box.name for box in boxes)
