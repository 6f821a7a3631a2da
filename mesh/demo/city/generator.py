"""A generated city: places, street directions and the one approach that each camera watches.

A city is 500 boxes by default, named `<district>/box-<number>`; the districts are the four quarters
between the river and the middle meridian. Box 247 always exists. It lies in the Atlantic, where no
street can be mistaken for a real one, and everything in it follows from the seed.

What "upstream" means in it, and which approach a camera watches, is in `mesh.demo.city.model`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random

from mesh.demo.city.lattice import (
    CityError,
    Crossing,
    GroundPlan,
    Piece,
    draw_ground_plan,
    river_offset_m,
)
from mesh.demo.city.model import (
    EARTH_RADIUS_M,
    HERO_NUMBER,
    INTEREST_RADIUS_M,
    UPSTREAM_BOXES,
    City,
    CityPlace,
    StreetDirection,
    ground_distance_m,
    watched_chain,
    with_watched,
)

__all__ = [
    "INTEREST_RADIUS_M",
    "UPSTREAM_BOXES",
    "City",
    "CityError",
    "CityPlace",
    "StreetDirection",
    "generate_city",
    "ground_distance_m",
    "neighbourhood",
]

SIZE_DEFAULT = 500
"""Boxes of a city."""
SIZE_MIN = 300
"""Fewest boxes of a city: box 247 must exist, and lie well inside."""
PART_SIZE_MIN = 6
"""Fewest boxes of a neighbourhood: the chain of four, and someone who must do nothing."""
PART_SIZE_DEFAULT = 12
"""Boxes of a neighbourhood."""
ONE_WAY_PROBABILITY = 0.15
"""Share of the side streets that run one way."""
ORIGIN_DEGREES = (47.0, -30.0)
"""The city's centre, degrees north and east: open sea."""


def generate_city(seed: int, size: int = SIZE_DEFAULT) -> City:
    """The city of a seed.

    Args:
        seed: any integer.
        size: how many boxes, at least `SIZE_MIN`.

    Raises:
        CityError: the size is too small.
    """
    if size < SIZE_MIN:
        raise CityError(f"a city of {size} boxes; ask for at least {SIZE_MIN}")
    random = Random(seed)
    plan = draw_ground_plan(random, size)
    ways = _draw_ways(random, plan)
    numbers = {at: number for number, at in enumerate(plan.points, start=1)}
    city = _assemble(seed, plan, ways, numbers)
    hero = _best_hero(city)
    if hero.number != HERO_NUMBER:
        by_number = {number: at for at, number in numbers.items()}
        numbers[by_number[HERO_NUMBER]] = hero.number
        numbers[by_number[hero.number]] = HERO_NUMBER
        city = _assemble(seed, plan, ways, numbers)
    return city


def neighbourhood(city: City, size: int = PART_SIZE_DEFAULT, around: str | None = None) -> City:
    """A connected part of a city, grown around one box and its watched approach.

    Args:
        city: the whole.
        size: how many boxes, at least `PART_SIZE_MIN`.
        around: a box's name; box 247 unless given.

    Returns:
        The part, as a city of its own: streets that leave it end, watched approaches are chosen
        anew, names stay.

    Raises:
        CityError: the size is too small or too large, or there is no such box.
    """
    if not PART_SIZE_MIN <= size <= len(city.places):
        raise CityError(
            f"a part of {size} boxes; ask for {PART_SIZE_MIN} to {len(city.places)} boxes"
        )
    middle = city.hero if around is None else city.place(around)
    part = dict.fromkeys([middle.name, *watched_chain(city, middle)])
    while len(part) < size:
        part[_next_of_part(city, part, middle)] = None
    return with_watched(
        city.seed,
        (
            replace(place, directions=tuple(one for one in place.directions if one.to in part))
            for place in city.places
            if place.name in part
        ),
    )


def _next_of_part(city: City, part: Mapping[str, None], middle: CityPlace) -> str:
    """The box by which a part grows: one that brings traffic in, then the best connected one."""

    def is_fed(name: str) -> bool:
        return any(direction.origin in part for direction in city.entering(name))

    dry = [name for name in part if not is_fed(name)]

    def rank(name: str) -> tuple[int, bool, int, float, int]:
        place = city.place(name)
        return (
            -sum(direction.to in dry for direction in place.directions),
            not is_fed(name),
            -sum(near in part for near in city.neighbours(name)),
            ground_distance_m(place.position, middle.position),
            place.number,
        )

    rim = dict.fromkeys(near for name in part for near in city.neighbours(name))
    return min((name for name in rim if name not in part), key=rank)


def _draw_ways(random: Random, plan: GroundPlan) -> list[tuple[Crossing, Crossing, Piece]]:
    """The street directions (from, to, piece): two for most pieces, one on one-way streets."""
    lines = sorted({(piece.is_row, piece.line) for piece in plan.pieces.values()})
    way = {line: random.choice((1, -1)) * (random.random() < ONE_WAY_PROBABILITY) for line in lines}
    open_ways: dict[tuple[Crossing, Crossing], Piece] = {}
    for (a, b), piece in plan.pieces.items():
        allowed = 0 if piece.arterial else way[piece.is_row, piece.line]
        if allowed >= 0:
            open_ways[a, b] = piece
        if allowed <= 0:
            open_ways[b, a] = piece
    into, out_of = {b for _, b in open_ways}, {a for a, _ in open_ways}
    for (a, b), piece in plan.pieces.items():
        if not {a, b} <= into & out_of:  # Nobody may be locked in or out by one-way streets.
            open_ways[a, b] = open_ways[b, a] = piece
    return [(a, b, piece) for (a, b), piece in sorted(open_ways.items(), key=lambda way: way[0])]


def _assemble(
    seed: int,
    plan: GroundPlan,
    ways: Iterable[tuple[Crossing, Crossing, Piece]],
    numbers: Mapping[Crossing, int],
) -> City:
    names = {at: f"{_district(plan.points[at])}/box-{numbers[at]}" for at in plan.points}
    positions = {at: _position(*point) for at, point in plan.points.items()}
    leaving: dict[Crossing, list[StreetDirection]] = {at: [] for at in plan.points}
    for a, b, piece in ways:
        leaving[a].append(
            StreetDirection(
                origin=names[a],
                to=names[b],
                street=_street_name(piece),
                bearing_degrees=_bearing(plan.points[a], plan.points[b]),
                length_m=round(ground_distance_m(positions[a], positions[b])),
                arterial=piece.arterial,
                bridge=piece.bridge,
            )
        )
    places = (
        CityPlace(
            name=names[at],
            position=positions[at],
            bank=_bank(plan.points[at]),
            directions=tuple(sorted(leaving[at], key=lambda direction: direction.to)),
        )
        for at in sorted(plan.points, key=lambda at: numbers[at])
    )
    return with_watched(seed, places)


def _best_hero(city: City) -> CityPlace:
    """The place nearest the centre with a whole chain of `UPSTREAM_BOXES` and one downstream."""
    centre = _position(0.0, 0.0)
    whole = [
        place for place in city.places if len(watched_chain(city, place)) == UPSTREAM_BOXES + 1
    ]
    return min(whole, key=lambda place: (ground_distance_m(place.position, centre), place.number))


def _position(east_m: float, north_m: float) -> tuple[int, int]:
    """Microdegrees of a point in the plan."""
    latitude, longitude = ORIGIN_DEGREES
    metres_per_degree = math.radians(1) * EARTH_RADIUS_M
    latitude += north_m / metres_per_degree
    longitude += east_m / (metres_per_degree * math.cos(math.radians(ORIGIN_DEGREES[0])))
    return round(latitude * 1e6), round(longitude * 1e6)


def _bearing(a: tuple[float, float], b: tuple[float, float]) -> int:
    return round(math.degrees(math.atan2(b[0] - a[0], b[1] - a[1]))) % 360


def _bank(point: tuple[float, float]) -> str:
    return "north" if point[1] > river_offset_m(point[0]) else "south"


def _district(point: tuple[float, float]) -> str:
    return f"{_bank(point)}-{'east' if point[0] > 0 else 'west'}"


def _street_name(piece: Piece) -> str:
    number = piece.line + 1
    tens, ones = divmod(number, 10)
    ending = "th" if tens % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(ones, "th")
    return f"{number}{ending} {'Street' if piece.is_row else 'Avenue'}"
