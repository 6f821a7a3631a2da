"""The places graph: where boxes stand, and which way the traffic runs between them.

A place is a signed record {cell, position, edges}: the H3 cell as 8 bytes, the position in whole
microdegrees, and one edge for each street direction that *leaves* the place: traffic flows from the
place to `to`. "Nearby" is a disc; "upstream" is this graph, because a disc knows no direction.

Most streets carry both directions, so in a plain graph all places would be upstream of each other.
Two questions are kept apart:

- `is_upstream_of(a, b)` asks of places: does a street direction lead from a to b within so many
  blocks? In a city of two-way streets neighbours are mostly upstream *and* downstream.
- `upstream_along(place, approach)` asks of one stream of traffic: who stands, one block after the
  other, along the street that enters `place` from its neighbour `approach`? `downstream_along` goes
  on beyond the place. This is the question of a camera that watches one approach.

*Along the street* means edges with one `street` text, never straight back. Where a street forks,
the branch that turns least is the street, then the smaller name: each box computes the same chain
from the same records.

Everything is pure and built once from the records. A malformed record is left out, and so is an
edge to a place that has no record: a partial view gives partial answers, never an error.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from identity.capability import is_cell, is_name
from mesh.choreography.cells import distance_m

__all__ = ["EDGES_MAX", "Edge", "Place", "Places", "check_place"]

EDGES_MAX = 32
"""Most street directions that leave one place."""
HOPS_DEFAULT = 2
"""Blocks that "upstream" and "downstream" reach unless asked otherwise."""
_LATITUDE_MAX_E6 = 90_000_000
_LONGITUDE_MAX_E6 = 180_000_000


@dataclass(frozen=True, slots=True)
class Edge:
    """One street direction, from the place that has it to the place `to`.

    Attributes:
        to: name of the place the traffic flows to.
        attributes: what else the record says of it, text or integers, such as `street`.
    """

    to: str
    attributes: Mapping[str, int | str]

    @property
    def street(self) -> str | None:
        """The street's name, if the record gives one."""
        street = self.attributes.get("street")
        return street if isinstance(street, str) else None


@dataclass(frozen=True, slots=True)
class Place:
    """One place.

    Attributes:
        name: the name of the box that stands there.
        cell: its H3 cell, 8 bytes.
        position: latitude and longitude in microdegrees.
        edges: the street directions that leave it, in the record's order.
    """

    name: str
    cell: bytes
    position: tuple[int, int]
    edges: tuple[Edge, ...]

    @property
    def degrees(self) -> tuple[float, float]:
        """Latitude and longitude in degrees."""
        return self.position[0] / 1e6, self.position[1] / 1e6


def check_place(value: object) -> bool:
    """Whether a decoded value is the body of a place record; total, unknown fields allowed."""
    return _parse_place("", value) is not None


class Places:
    """The graph of all well-formed place records.

    Args:
        records: place name → decoded body, {cell, position, edges}. Whatever is malformed is
            left out, whole.
    """

    __slots__ = ("_incoming", "_places")

    def __init__(self, records: Mapping[str, object]) -> None:
        places: dict[str, Place] = {}
        for name in sorted(records):
            place = _parse_place(name, records[name]) if is_name(name) else None
            if place is not None:
                places[name] = place
        incoming: dict[str, list[str]] = {name: [] for name in places}
        for name, place in places.items():
            for edge in place.edges:
                if edge.to in incoming and edge.to != name and name not in incoming[edge.to]:
                    incoming[edge.to].append(name)
        self._places = places
        self._incoming = {name: tuple(origins) for name, origins in incoming.items()}

    def __repr__(self) -> str:
        return f"<Places {len(self._places)}>"

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    @property
    def all(self) -> Mapping[str, Place]:
        """Every place by name, in order of the names."""
        return MappingProxyType(self._places)

    def get(self, name: str) -> Place | None:
        """The place of that name, or None."""
        return self._places.get(name)

    def edge(self, origin: str, to: str) -> Edge | None:
        """The street direction from one place to another, or None."""
        place = self._places.get(origin)
        if place is None or to not in self._places or to == origin:
            return None
        return next((edge for edge in place.edges if edge.to == to), None)

    def downstream(self, name: str, *, hops: int = 1) -> tuple[str, ...]:
        """The places that traffic reaches from `name` within `hops` blocks, sorted."""
        return self._spread(name, hops, self._outgoing)

    def upstream(self, name: str, *, hops: int = 1) -> tuple[str, ...]:
        """The places from which traffic reaches `name` within `hops` blocks, sorted."""
        return self._spread(name, hops, lambda place: self._incoming.get(place, ()))

    def neighbours(self, name: str) -> tuple[str, ...]:
        """The places one street direction away, whichever way it runs, sorted."""
        return tuple(sorted({*self.upstream(name), *self.downstream(name)}))

    def is_upstream_of(self, name: str, other: str, *, hops: int = HOPS_DEFAULT) -> bool:
        """Whether traffic reaches `other` from `name` within `hops` blocks."""
        return name in self.upstream(other, hops=hops)

    def is_downstream_of(self, name: str, other: str, *, hops: int = HOPS_DEFAULT) -> bool:
        """Whether traffic reaches `name` from `other` within `hops` blocks."""
        return name in self.downstream(other, hops=hops)

    def upstream_along(self, name: str, approach: str, *, hops: int) -> tuple[str, ...]:
        """The places along the street that enters `name` from `approach`, nearest first.

        Args:
            name: the place that the traffic flows to.
            approach: the upstream neighbour from which that street direction leads to `name`.
            hops: how many places at most; `approach` itself is the first.

        Returns:
            Place names; empty if no street direction leads from `approach` to `name`.
        """
        chain: list[str] = []
        head, origin = name, approach
        while len(chain) < hops and self.edge(origin, head) is not None and origin != name:
            chain.append(origin)
            before = self._before(origin, head)
            if before is None or before in chain:
                break
            head, origin = origin, before
        return tuple(chain)

    def downstream_along(self, name: str, approach: str, *, hops: int) -> tuple[str, ...]:
        """The places along the same street beyond `name`, nearest first.

        Args:
            name: the place that the traffic flows through.
            approach: the upstream neighbour it comes from.
            hops: how many places at most.

        Returns:
            Place names; empty if the street ends at `name`, or does not come from `approach`.
        """
        chain: list[str] = []
        origin, head = approach, name
        while len(chain) < hops:
            beyond = self._beyond(origin, head)
            if beyond is None or beyond in chain or beyond == name:
                break
            chain.append(beyond)
            origin, head = head, beyond
        return tuple(chain)

    def distance_m(self, name: str, other: str) -> float | None:
        """Metres between two places as the crow flies, or None if one is not known."""
        a, b = self._places.get(name), self._places.get(other)
        return None if a is None or b is None else distance_m(a.degrees, b.degrees)

    def within(self, name: str, radius_m: float) -> tuple[str, ...]:
        """The other places at most `radius_m` metres from `name`, sorted by name."""
        centre = self._places.get(name)
        if centre is None:
            return ()
        return tuple(
            other
            for other, place in self._places.items()
            if other != name and distance_m(centre.degrees, place.degrees) <= radius_m
        )

    def _outgoing(self, name: str) -> tuple[str, ...]:
        place = self._places.get(name)
        if place is None:
            return ()
        return tuple(edge.to for edge in place.edges if edge.to in self._places and edge.to != name)

    def _spread(
        self, name: str, hops: int, step: Callable[[str], tuple[str, ...]]
    ) -> tuple[str, ...]:
        reached: dict[str, None] = {name: None}
        frontier: list[str] = [name]
        for _ in range(hops):
            found = dict.fromkeys(near for place in frontier for near in step(place))
            frontier = [near for near in found if near not in reached]
            if not frontier:
                break
            reached.update(dict.fromkeys(frontier))
        return tuple(sorted(place for place in reached if place != name))

    def _before(self, origin: str, head: str) -> str | None:
        """Who comes before `origin` on the street from `origin` to `head`."""
        options = [
            before
            for before in self._incoming[origin]
            if before != head and self._is_one_street(before, origin, head)
        ]
        return min(
            options, key=lambda place: (self._turn(place, origin, head), place), default=None
        )

    def _beyond(self, origin: str, head: str) -> str | None:
        """Who comes after `head` on the street from `origin` to `head`."""
        options = [
            beyond
            for beyond in self._outgoing(head)
            if beyond != origin and self._is_one_street(origin, head, beyond)
        ]
        return min(
            options, key=lambda place: (self._turn(origin, head, place), place), default=None
        )

    def _is_one_street(self, a: str, b: str, c: str) -> bool:
        first, second = self.edge(a, b), self.edge(b, c)
        if first is None or second is None:
            return False
        return first.street is not None and first.street == second.street

    def _turn(self, a: str, b: str, c: str) -> float:
        """Degrees, 0 to 180, by which the way from a over b to c turns at b."""
        first = _bearing(self._places[a].degrees, self._places[b].degrees)
        second = _bearing(self._places[b].degrees, self._places[c].degrees)
        return abs((second - first + 180) % 360 - 180)


def _bearing(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Degrees clockwise from north in which b lies, seen from a; good to 0.1 over a few km."""
    east = (b[1] - a[1] + 180) % 360 - 180
    return math.degrees(math.atan2(east * math.cos(math.radians(a[0])), b[0] - a[0]))


def _parse_place(name: str, value: object) -> Place | None:
    if not isinstance(value, dict):
        return None
    fields = cast("dict[object, object]", value)
    cell, edges = fields.get("cell"), fields.get("edges")
    position = _parse_position(fields.get("position"))
    if not isinstance(cell, bytes) or not is_cell(cell) or position is None:
        return None
    if not isinstance(edges, list):
        return None
    listed = cast("list[object]", edges)
    parsed = [edge for edge in map(_parse_edge, listed[: EDGES_MAX + 1]) if edge is not None]
    if len(parsed) != len(listed) or len(parsed) > EDGES_MAX:
        return None
    return Place(name=name, cell=cell, position=position, edges=tuple(parsed))


def _parse_position(value: object) -> tuple[int, int] | None:
    if not isinstance(value, list):
        return None
    match cast("list[object]", value):
        case [int() as latitude, int() as longitude]:
            pass
        case _:
            return None
    if isinstance(latitude, bool) or isinstance(longitude, bool):
        return None
    inside = abs(latitude) <= _LATITUDE_MAX_E6 and abs(longitude) <= _LONGITUDE_MAX_E6
    return (latitude, longitude) if inside else None


def _parse_edge(value: object) -> Edge | None:
    if not isinstance(value, dict):
        return None
    fields = cast("dict[object, object]", value)
    to = fields.get("to")
    if not isinstance(to, str) or not is_name(to):
        return None
    attributes = {
        key: item
        for key, item in fields.items()
        if isinstance(key, str) and isinstance(item, int | str) and key != "to"
    }
    return Edge(to=to, attributes=MappingProxyType(attributes))
