"""Rows to detections, suppression, and the way from an image point to the watched zone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import Calibration, Detection, Detector, FixedRuntime, RunError
from inference.detector import CAR, VAN, decode, intersection_over_union, suppress
from inference.runtime import IMAGE_SHAPE
from tests.unit.inference.strategies import MODEL, best_first, detections, rows_of

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
ZONE = (10.0, 20.0, 30.0, 40.0)
BLANK = np.zeros(IMAGE_SHAPE, np.uint8)


def van_at(u: float, v: float, *, score: float = 0.9, kind: int = VAN) -> Detection:
    return Detection(kind, score, (u - 5, v - 5, u + 5, v + 5), (u, v))


def are_rivals(a: Detection, b: Detection) -> bool:
    return a.kind == b.kind or (a.is_vehicle and b.is_vehicle)


@given(st.lists(detections(), max_size=12))
def test_decoding_gives_back_what_the_rows_say(found: list[Detection]):
    assert decode(rows_of(found)) == best_first(found)


@given(st.lists(detections(), max_size=12), st.floats(0.3, 1))
def test_weak_detections_are_dropped(found: list[Detection], score_min: float):
    kept = decode(rows_of(found), score_min=score_min)
    assert kept == [d for d in best_first(found) if d.score >= score_min]


@pytest.mark.parametrize(
    "row",
    [
        (4, 0.9, 0, 0, 1, 1, 0, 0),
        (-1, 0.9, 0, 0, 1, 1, 0, 0),
        (0.5, 0.9, 0, 0, 1, 1, 0, 0),
        (2, 1.5, 0, 0, 1, 1, 0, 0),
        (2, float("nan"), 0, 0, 1, 1, 0, 0),
        (2, 0.9, 0, 0, float("inf"), 1, 0, 0),
    ],
)
def test_an_answer_that_is_none_is_named(row: tuple[float, ...]):
    with pytest.raises(RunError, match="withdraw this model"):
        decode(np.array([row], np.float32))


def test_rows_of_another_width_are_named():
    with pytest.raises(RunError, match=r"\[1, 7\]"):
        decode(np.zeros((1, 7), np.float32))


def test_an_empty_box_is_no_detection():
    assert decode(np.array([(2, 0.9, 5, 5, 5, 9, 0, 0)], np.float32)) == []


@given(detections(), detections())
def test_overlap_is_a_share_and_symmetric(a: Detection, b: Detection):
    overlap = intersection_over_union(a.box, b.box)
    assert 0 <= overlap <= 1 + 1e-9
    assert overlap == pytest.approx(intersection_over_union(b.box, a.box))
    assert intersection_over_union(a.box, a.box) == pytest.approx(1)


@given(st.lists(detections(), max_size=12), st.floats(0.05, 0.95))
def test_suppression_keeps_one_of_each_object(found: list[Detection], iou: float):
    ordered = best_first(found)
    kept = suppress(ordered, iou=iou)
    identities = [id(detection) for detection in kept]
    assert kept == [d for d in ordered if id(d) in identities]
    assert suppress(kept, iou=iou) == kept
    assert kept[:1] == ordered[:1]
    for index, one in enumerate(kept):
        for other in kept[:index]:
            assert not are_rivals(one, other) or intersection_over_union(one.box, other.box) <= iou
    for dropped in ordered:
        assert id(dropped) in identities or any(
            are_rivals(dropped, other)
            and other.score >= dropped.score
            and intersection_over_union(dropped.box, other.box) > iou
            for other in kept
        )


def test_a_car_and_a_van_in_one_place_are_one_vehicle_but_a_cyclist_is_not():
    van, car = van_at(50, 50), van_at(51, 50, score=0.8, kind=CAR)
    cyclist = van_at(50, 51, score=0.7, kind=1)
    assert suppress([van, car, cyclist]) == [van, cyclist]


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_the_zone_is_where_the_homography_says(x: float, y: float):
    scaled = Calibration(((2.0, 0.0, 1.0), (0.0, 2.0, -1.0), (0.0, 0.0, 1.0)), ZONE)
    point = scaled.ground((x - 1) / 2, (y + 1) / 2)
    assert point == pytest.approx((x, y), abs=1e-9)
    inside = 9.91 < x < 19.99 and 30.01 < y < 39.99
    outside = x < 9.89 or x > 20.01 or y < 29.99 or y > 40.01
    seen = scaled.is_in_zone((x - 1) / 2, (y + 1) / 2)
    assert seen or not inside
    assert not (seen and outside)


def test_the_horizon_is_on_no_ground():
    tilted = Calibration(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 1.0, -35.0)), ZONE)
    assert tilted.ground(15, 35) is None
    assert not tilted.is_in_zone(15, 35)


@pytest.mark.parametrize(
    ("to_ground", "zone"),
    [
        (IDENTITY, (20.0, 10.0, 30.0, 40.0)),
        (IDENTITY, (10.0, 20.0, 40.0, 40.0)),
        (((1.0, 0.0, 0.0), (0.0, float("nan"), 0.0), (0.0, 0.0, 1.0)), ZONE),
    ],
)
def test_a_calibration_without_sense_is_refused(to_ground: tuple, zone: tuple):
    with pytest.raises(ValueError, match=r"expected x from|must be finite"):
        Calibration(to_ground, zone)


@pytest.mark.parametrize(
    ("found", "confidence"),
    [
        ([], 0.0),
        ([van_at(15, 35)], 0.9),
        ([van_at(15, 35, kind=CAR)], 0.9),
        ([van_at(15, 35, kind=1)], 0.0),
        ([van_at(5, 35)], 0.0),
        ([van_at(9.95, 35)], 0.9),
        ([van_at(15, 35, score=0.2)], 0.0),
        ([van_at(15, 35, score=0.31)], 0.31),
        ([van_at(15, 35, score=0.6), van_at(17, 31, score=0.5), van_at(5, 5)], 0.6),
    ],
)
def test_only_a_vehicle_in_the_zone_counts(found: list[Detection], confidence: float):
    detector = Detector(FixedRuntime(rows_of(found), MODEL), Calibration(IDENTITY, ZONE))
    sighting = detector.look(BLANK)
    assert sighting.confidence == pytest.approx(confidence)
    assert sighting.in_zone == (confidence > 0)
    assert detector.model is MODEL
    assert "test 0" in repr(detector)
