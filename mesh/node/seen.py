"""What an application gets to see of an event, and of its own place."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mesh.choreography.places import Places
from mesh.choreography.reactions import Delivery, RequestDecision

__all__ = ["NodePlace", "Seen"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """One verified, authorised and deduplicated event.

    Attributes:
        value: the event, an instance of its class.
        author: name under which it was published.
        key: public key of the author, 32 bytes.
        place: where the author stands, as a name of a place; its own name where it has none.
        at_ms: when it was sealed, the author's wall clock, ms since 1970.
        event_id: 32 bytes; name it in `because` of what follows from it.
        incident_id: the event that began what this one updates; its own id if it began it.
        model: digest of the model it was made with, 32 bytes, or None.
    """

    value: T
    author: str
    key: bytes
    place: str
    at_ms: int
    event_id: bytes
    incident_id: bytes
    model: bytes | None
    _delivery: Delivery = field(repr=False)
    _claim: Callable[[Delivery], RequestDecision] = field(repr=False)

    def claim(self) -> bool:
        """Whether to make a request because of this event, now: in time, and once an incident.

        False also where this node only observes.
        """
        return self._claim(self._delivery) is RequestDecision.MAKE


class NodePlace:
    """Where this node stands on the places graph, as of the current view.

    Args:
        name: the name of its place.
        places: returns the places graph.
    """

    __slots__ = ("_places", "name")

    def __init__(self, name: str, places: Callable[[], Places]) -> None:
        self.name = name
        self._places = places

    def __repr__(self) -> str:
        return f"<NodePlace {self.name}>"

    @property
    def degrees(self) -> tuple[float, float] | None:
        """Latitude and longitude; None while no place record is known."""
        place = self._places().get(self.name)
        return place.degrees if place else None

    @property
    def cell(self) -> bytes | None:
        """The H3 cell of the place, 8 bytes; None while no place record is known."""
        place = self._places().get(self.name)
        return place.cell if place else None

    def is_upstream_of(self, other: str) -> bool:
        """Whether traffic flows from here to another place within a few streets."""
        return self._places().is_upstream_of(self.name, other)

    def is_downstream_of(self, other: str) -> bool:
        """Whether traffic flows from another place to here within a few streets."""
        return self._places().is_downstream_of(self.name, other)

    @property
    def graph(self) -> Places:
        """The whole places graph."""
        return self._places()
