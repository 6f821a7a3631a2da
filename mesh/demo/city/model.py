"""The model of a city: places, street directions and the one approach that each camera watches.

**What "upstream" means here.** Traffic runs in street directions: "12th Street from box-246 to
box-247, going east". Most streets have both, so no box as such is upstream of another; a stream of
traffic is. Each camera therefore watches one *approach*: the street direction that enters its
crossing P from one neighbour A. For that stream of traffic

- *upstream* are A and then the box Z before A on the same street: Z → A → P;
- *downstream* is the next box B beyond P on the same street: P → B.

A van that blocks the bike lane at P stands on the watched approach, so Z and A hold their traffic
back (more red) and B lets the traffic that already passed clear out (yellow earlier). A street runs
on without interruption until it ends or a box of it is missing; at each crossing it has at most
one continuation, so the chain Z, A, P, B is never a matter of choice. The watched approach is the
one with the most of that chain within the interest radius; box 247 has all of it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mesh.demo.city.lattice import CityError

__all__ = [
    "EARTH_RADIUS_M",
    "HERO_NUMBER",
    "INTEREST_RADIUS_M",
    "UPSTREAM_BOXES",
    "City",
    "CityPlace",
    "StreetDirection",
    "ground_distance_m",
    "watched_chain",
    "with_watched",
]

INTEREST_RADIUS_M = 600.0
"""How far from an incident a box can be concerned, metres."""
UPSTREAM_BOXES = 2
"""Boxes upstream that react."""
HERO_NUMBER = 247
"""The box of which the story is told."""
EARTH_RADIUS_M = 6_371_007.180918475
"""Radius of the authalic sphere, metres."""
_COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


@dataclass(frozen=True, slots=True)
class StreetDirection:
    """The traffic of one street from one box to the next.

    Attributes:
        origin: name of the box it comes from.
        to: name of the box it flows to.
        street: the street's name.
        bearing_degrees: which way it flows, 0 to 359 clockwise from north.
        length_m: metres, whole.
        arterial: whether the street is an arterial.
        bridge: whether it crosses the river.
    """

    origin: str
    to: str
    street: str
    bearing_degrees: int
    length_m: int
    arterial: bool
    bridge: bool

    @property
    def compass(self) -> str:
        """The nearest of eight compass directions it flows to, such as `NE`."""
        return _COMPASS[round(self.bearing_degrees / 45) % 8]


@dataclass(frozen=True, slots=True)
class CityPlace:
    """One crossing with a box.

    Attributes:
        name: the box's name, `<district>/box-<number>`.
        position: latitude and longitude, microdegrees.
        bank: `north` or `south`, the side of the river.
        directions: the street directions that leave it, by the name of their end.
        watched: the neighbour whose approach the camera watches; None if no traffic enters.
    """

    name: str
    position: tuple[int, int]
    bank: str
    directions: tuple[StreetDirection, ...]
    watched: str | None = None

    @property
    def district(self) -> str:
        """The first segment of the name."""
        return self.name.partition("/")[0]

    @property
    def number(self) -> int:
        """The box's number."""
        return int(self.name.rpartition("-")[2])


@dataclass(frozen=True, slots=True)
class City:
    """A city, or a part of one: what is not in `places` does not exist in it.

    Attributes:
        seed: what it was generated from.
        places: by box number.
    """

    seed: int
    places: tuple[CityPlace, ...]
    _by_name: Mapping[str, CityPlace] = field(init=False, repr=False, compare=False)
    _entering: Mapping[str, tuple[StreetDirection, ...]] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        entering: dict[str, list[StreetDirection]] = {place.name: [] for place in self.places}
        for place in self.places:
            for direction in place.directions:
                entering[direction.to].append(direction)
        object.__setattr__(self, "_by_name", {place.name: place for place in self.places})
        object.__setattr__(self, "_entering", {to: tuple(all_) for to, all_ in entering.items()})

    def __repr__(self) -> str:
        return f"<City seed={self.seed} {len(self.places)} places>"

    @property
    def names(self) -> tuple[str, ...]:
        """Every box's name, by number."""
        return tuple(self._by_name)

    @property
    def hero(self) -> CityPlace:
        """Box 247."""
        return next(place for place in self.places if place.number == HERO_NUMBER)

    def place(self, name: str) -> CityPlace:
        """The place of that name.

        Raises:
            CityError: there is none.
        """
        if name not in self._by_name:
            raise CityError(f"no place {name!r} in {self!r}; its names are in City.names")
        return self._by_name[name]

    def entering(self, name: str) -> tuple[StreetDirection, ...]:
        """The street directions that flow to a place, by the number of their origin."""
        return self._entering[self.place(name).name]

    def direction(self, origin: str, to: str) -> StreetDirection | None:
        """The street direction between two neighbours, or None."""
        return next((one for one in self.place(origin).directions if one.to == to), None)

    def before(self, direction: StreetDirection) -> StreetDirection | None:
        """What the same street brings to the origin of `direction`, or None."""
        for one in self.entering(direction.origin):
            if one.street == direction.street and one.origin != direction.to:
                return one
        return None

    def beyond(self, direction: StreetDirection) -> StreetDirection | None:
        """How the same street goes on after the end of `direction`, or None."""
        for one in self.place(direction.to).directions:
            if one.street == direction.street and one.to != direction.origin:
                return one
        return None

    def neighbours(self, name: str) -> tuple[str, ...]:
        """The places one street direction away, whichever way it runs, by number."""
        near = {one.to for one in self.place(name).directions}
        near.update(one.origin for one in self.entering(name))
        return tuple(sorted(near, key=lambda other: self.place(other).number))


def ground_distance_m(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Metres along the ground between two positions in microdegrees (haversine)."""
    north_a, east_a, north_b, east_b = (math.radians(angle / 1e6) for angle in (*a, *b))
    chord = (
        math.sin((north_b - north_a) / 2) ** 2
        + math.cos(north_a) * math.cos(north_b) * math.sin((east_b - east_a) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(chord))


def with_watched(seed: int, places: Iterable[CityPlace]) -> City:
    """A city of these places, in which each camera watches its best approach."""
    city = City(seed, tuple(places))

    def rank(direction: StreetDirection) -> tuple[int, int, bool, int, str]:
        upstream, downstream = _chain(city, direction)
        return (
            -len(upstream),
            -len(downstream),
            not direction.arterial,
            direction.length_m,
            direction.origin,
        )

    return City(
        seed,
        tuple(
            replace(place, watched=min(city.entering(place.name), key=rank).origin)
            if city.entering(place.name)
            else replace(place, watched=None)
            for place in city.places
        ),
    )


def _chain(city: City, direction: StreetDirection) -> tuple[list[str], list[str]]:
    """Upstream and downstream boxes of one approach within the interest radius."""
    middle = city.place(direction.to).position
    upstream = [direction.origin]
    before = city.before(direction)
    if before is not None and before.origin != direction.to:
        upstream.append(before.origin)
    beyond = city.beyond(direction)
    downstream = [] if beyond is None or beyond.to in upstream else [beyond.to]

    def near(names: list[str]) -> list[str]:
        return [
            name
            for name in names
            if ground_distance_m(city.place(name).position, middle) <= INTEREST_RADIUS_M
        ]

    return near(upstream), near(downstream)


def watched_chain(city: City, place: CityPlace) -> list[str]:
    """The boxes that react to an incident on a place's watched approach: upstream, downstream."""
    direction = None if place.watched is None else city.direction(place.watched, place.name)
    if direction is None:
        return []
    upstream, downstream = _chain(city, direction)
    return [*upstream, *downstream]
