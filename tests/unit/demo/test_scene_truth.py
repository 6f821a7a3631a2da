"""What the scene says is true: clear lanes stay clear, and an incident lasts as long as asked."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.demo.scenes import (
    BETWEEN,
    CLEAR,
    FRAMES_IN_LANE_MIN,
    IN_LANE,
    IncidentSpec,
    Kind,
    RoadUser,
    incident_frames,
    truth_of,
)
from mesh.demo.scenes.traffic import NORTH, zone_state, zone_truth
from mesh.demo.scenes.users import extent

seeds = st.integers(0, 1_000_000)


def van(x: float, y: float, heading: float = NORTH) -> RoadUser:
    return RoadUser(kind=Kind.VAN, x=x, y=y, heading=heading, seed=5)


@pytest.mark.parametrize(
    ("users", "state"),
    [
        ([], CLEAR),
        ([van(1.75, 6)], CLEAR),
        ([van(4.6, 6)], IN_LANE),
        ([van(3.4, 6)], BETWEEN),
        ([van(4.6, 20)], CLEAR),
        ([van(1.75, 6), van(4.6, 6)], IN_LANE),
        ([RoadUser(kind=Kind.CYCLIST, x=4.6, y=6, heading=NORTH, seed=5)], CLEAR),
        ([RoadUser(kind=Kind.PEDESTRIAN, x=4.6, y=6, heading=NORTH, seed=5)], CLEAR),
    ],
)
def test_the_state_of_the_zone(users: list[RoadUser], state: int):
    assert zone_state(users) == state
    assert zone_truth(users) == state


def test_a_vehicle_that_rolls_in_from_below_is_neither():
    entering = van(4.6, 0.0)
    assert extent(entering)[0] > 1
    assert zone_state([entering]) == CLEAR
    assert zone_truth([entering]) == BETWEEN


def test_a_vehicle_that_turns_its_nose_in_is_neither():
    assert zone_state([van(2.3, 6, heading=0.9)]) == CLEAR
    assert zone_truth([van(2.3, 6, heading=0.9)]) == BETWEEN


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_without_an_incident_the_lane_is_clear_in_every_frame(seed: int):
    assert set(truth_of(seed, 60)) == {CLEAR}


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(-4, 12), st.integers(FRAMES_IN_LANE_MIN, 30))
def test_an_incident_comes_stays_and_goes(seed: int, first_frame: int, frames_in_lane: int):
    incident = IncidentSpec(first_frame=first_frame, frames_in_lane=frames_in_lane)
    frames = incident_frames(seed, incident)
    truth = truth_of(seed, frames + 4, (incident,))
    inside = [index for index, state in enumerate(truth) if state == IN_LANE]
    touched = [index for index, state in enumerate(truth) if state != CLEAR]
    assert frames_in_lane <= len(inside) <= frames_in_lane + 4
    assert inside == list(range(inside[0], inside[-1] + 1))
    assert touched == list(range(touched[0], touched[-1] + 1))
    assert first_frame < touched[0] < inside[0] <= touched[0] + 6
    assert set(truth[frames - 1 :]) == {CLEAR}


def test_incidents_of_one_clip_follow_each_other():
    first = IncidentSpec(first_frame=2)
    second = IncidentSpec(first_frame=60, kind=Kind.CAR)
    truth = truth_of(9, 100, (first, second))
    assert truth[:40].count(IN_LANE) >= FRAMES_IN_LANE_MIN
    assert set(truth[40:60]) == {CLEAR}
    assert truth[60:].count(IN_LANE) >= FRAMES_IN_LANE_MIN


def test_an_incident_too_short_to_be_confirmed_is_refused():
    with pytest.raises(ValueError, match="frames_in_lane=9"):
        IncidentSpec(frames_in_lane=9)


def test_a_cyclist_blocks_no_bike_lane():
    with pytest.raises(ValueError, match="kind=CYCLIST"):
        IncidentSpec(kind=Kind.CYCLIST)
