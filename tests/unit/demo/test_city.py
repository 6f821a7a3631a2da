"""Cities: what the demo relies on holds for any seed."""

from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.capability import is_name
from mesh.choreography.places import Places, check_place
from mesh.demo.city.generator import CityError, generate_city, neighbourhood
from mesh.demo.city.lattice import draw_ground_plan
from mesh.demo.city.model import City, ground_distance_m, watched_chain
from mesh.demo.city.records import place_records

SEEDS = (1, 7, 247)
seeds = st.sampled_from(SEEDS)


@lru_cache(maxsize=8)
def city_of(seed: int) -> City:
    return generate_city(seed)


def reached_from(city: City, start: str) -> set[str]:
    reached, frontier = {start}, [start]
    while frontier:
        for near in city.neighbours(frontier.pop()):
            if near not in reached:
                reached.add(near)
                frontier.append(near)
    return reached


@pytest.mark.parametrize("seed", SEEDS)
def test_a_city_is_whole(seed: int) -> None:
    city = city_of(seed)
    assert len(city.places) == 500
    assert reached_from(city, city.names[0]) == set(city.names)
    assert [place.number for place in city.places] == list(range(1, 501))
    assert all(is_name(name) for name in city.names)
    assert {place.bank for place in city.places} == {"north", "south"}
    assert len({place.district for place in city.places}) == 4
    bridges = [one for place in city.places for one in place.directions if one.bridge]
    assert bridges
    assert all(one.arterial for one in bridges)
    assert all(city.place(one.origin).bank != city.place(one.to).bank for one in bridges)


@pytest.mark.parametrize("seed", SEEDS)
def test_traffic_enters_and_leaves_each_place(seed: int) -> None:
    city = city_of(seed)
    one_ways = 0
    for place in city.places:
        assert place.directions
        assert place.watched in {one.origin for one in city.entering(place.name)}
        for one in place.directions:
            assert 0 <= one.bearing_degrees < 360
            assert one.length_m == round(
                ground_distance_m(place.position, city.place(one.to).position)
            )
            one_ways += city.direction(one.to, place.name) is None
    assert one_ways
    chains = [len(watched_chain(city, place)) for place in city.places]
    assert chains.count(3) > 350
    assert len(watched_chain(city, city.hero)) == 3


def test_one_seed_is_one_city() -> None:
    assert generate_city(7) == city_of(7)
    assert city_of(1) != city_of(7)
    assert generate_city(7, 320).names[-1].endswith("box-320")


@settings(max_examples=25)
@given(seeds, st.integers(6, 60), st.none() | st.integers(0, 499))
def test_a_neighbourhood_is_a_city_of_its_own(seed: int, size: int, index: int | None) -> None:
    city = city_of(seed)
    around = None if index is None else city.names[index]
    part = neighbourhood(city, size, around)
    assert part == neighbourhood(city, size, around)
    assert len(part.places) == size
    assert reached_from(part, part.names[0]) == set(part.names)
    assert set(part.names) <= set(city.names)
    middle = part.hero if around is None else part.place(around)
    assert len(watched_chain(part, middle)) >= len(watched_chain(city, city.place(middle.name))) * (
        around is None
    )
    assert all(place.watched for place in part.places) or around is not None


def test_a_compass_direction_is_the_nearest_of_eight() -> None:
    for place in city_of(1).places:
        for one in place.directions:
            assert one.compass == ("N", "NE", "E", "SE", "S", "SW", "W", "NW")[
                (one.bearing_degrees + 22) // 45 % 8
            ] or one.bearing_degrees % 45 in (22, 23)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_records_say_what_the_city_is(seed: int) -> None:
    city = city_of(seed)
    records = place_records(city)
    assert all(check_place(value) for value in records.values())
    places = Places(records)
    assert tuple(sorted(city.names)) == tuple(places.all)
    for place in city.places:
        assert places.downstream(place.name) == tuple(sorted(one.to for one in place.directions))
        assert places.neighbours(place.name) == tuple(sorted(city.neighbours(place.name)))


@pytest.mark.parametrize(
    "ask",
    [
        lambda: generate_city(1, 299),
        lambda: neighbourhood(city_of(1), 5),
        lambda: neighbourhood(city_of(1), 501),
        lambda: neighbourhood(city_of(1), 12, "north/nobody"),
        lambda: draw_ground_plan(_Worst(), 4),
    ],
)
def test_an_impossible_city_is_an_error(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(CityError):
        ask()


class _Worst:
    """Randomness that leaves out every side street: nothing but arterials, in a tiny lattice."""

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2

    def gauss(self, mean: float, deviation: float) -> float:
        return mean + 0 * deviation

    def random(self) -> float:
        return 0.0


def test_a_city_prints_for_people() -> None:
    assert repr(city_of(7)) == "<City seed=7 500 places>"
