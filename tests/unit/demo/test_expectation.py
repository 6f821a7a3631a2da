"""The application's rule does what the ground truth expects, and the two know nothing in common."""

import subprocess
import sys
from functools import lru_cache

import pytest

from mesh.choreography.places import Places
from mesh.demo.acts.expectation import Incident, expected_reactions, watched_incident
from mesh.demo.boxes.rule import reaction_to
from mesh.demo.city.generator import City, generate_city, neighbourhood
from mesh.demo.city.records import place_records


@lru_cache(maxsize=4)
def city_of(seed: int) -> City:
    return generate_city(seed)


def by_rule(city: City, places: Places, incident: Incident) -> dict[str, tuple[str, float]]:
    """What each box of the city asks for, by its own rule."""
    asked = {
        name: reaction_to(places, name, incident.place, incident.approach) for name in city.names
    }
    return {name: (one.kind, one.seconds) for name, one in asked.items() if one is not None}


@pytest.mark.parametrize("seed", [1, 247])
def test_each_box_of_a_part_asks_for_what_is_expected_of_it(seed: int) -> None:
    for city in (neighbourhood(city_of(seed)), neighbourhood(city_of(seed), 40)):
        places = Places(place_records(city))
        for name in city.names:
            for direction in city.entering(name):
                incident = Incident(place=name, approach=direction.origin)
                expected = {
                    one.box: (one.kind, one.seconds) for one in expected_reactions(city, incident)
                }
                assert by_rule(city, places, incident) == expected


def test_rule_and_expectation_agree_at_the_rim_of_the_city() -> None:
    """There blocks are long: some of the chain lies beyond the interest radius."""
    city = city_of(247)
    places = Places(place_records(city))
    shortened = 0
    for place in city.places:
        incident = watched_incident(city, place.name)
        assert incident is not None
        expected = {one.box: (one.kind, one.seconds) for one in expected_reactions(city, incident)}
        shortened += len(expected) < 3
        near = dict.fromkeys([*city.neighbours(place.name), *expected])
        asked = {
            name: reaction_to(places, name, incident.place, incident.approach) for name in near
        }
        found = {name: (one.kind, one.seconds) for name, one in asked.items() if one is not None}
        assert found == expected
    assert shortened


def test_box_247_makes_three_boxes_react() -> None:
    city = neighbourhood(city_of(247))
    incident = watched_incident(city, city.hero.name)
    assert incident is not None
    reactions = expected_reactions(city, incident)
    assert sorted((one.kind, one.seconds) for one in reactions) == [
        ("advance_yellow", 2.0),
        ("extend_red", 4.0),
        ("extend_red", 4.0),
    ]
    assert incident.place not in {one.box for one in reactions}
    assert incident.approach in {one.box for one in reactions if one.kind == "extend_red"}


def test_an_approach_that_is_none_concerns_nobody() -> None:
    city = neighbourhood(city_of(247))
    apart = Incident(place=city.hero.name, approach=city.hero.name)
    assert expected_reactions(city, apart) == ()
    places = Places(place_records(city))
    assert by_rule(city, places, apart) == {}
    assert reaction_to(places, city.names[0], "nowhere", city.names[1]) is None


def test_a_place_without_traffic_has_no_incident() -> None:
    city = City(seed=0, places=(_without_traffic(city_of(1)),))
    assert watched_incident(city, city.names[0]) is None


def _without_traffic(city: City):
    from dataclasses import replace

    return replace(city.hero, directions=(), watched=None)


def test_the_expectation_never_loads_the_code_it_judges() -> None:
    script = (
        "import sys, mesh.demo.acts.expectation; print([m for m in sys.modules if 'choreo' in m])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
