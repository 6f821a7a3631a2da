"""Figures over canary frames, against the plain definition of average precision."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.canary import (
    PPM,
    Answer,
    CanaryFrame,
    Label,
    ShadowTally,
    average_precision_ppm,
    measure,
)
from inference.detector import Calibration, Detection, intersection_over_union
from inference.runtime import CLASSES
from tests.unit.inference.strategies import best_first, detections

FLAT = Calibration(((1, 0, 0), (0, 1, 0), (0, 0, 1)), (0, 10, 0, 10))
"""A camera whose pixels are metres."""

CAR, VAN = CLASSES.index("car"), CLASSES.index("van")


@st.composite
def labels(draw: st.DrawFn) -> Label:
    seen = draw(detections())
    return Label(seen.kind, seen.box, draw(st.booleans()))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[list[Label]], list[list[Detection]]]:
    """Frames whose detections are mostly near their labels."""
    truth: list[list[Label]] = []
    found: list[list[Detection]] = []
    for _ in range(draw(st.integers(1, 4))):
        row = draw(st.lists(labels(), max_size=4))
        seen = draw(st.lists(detections(), max_size=2))
        for label in row:
            for _ in range(draw(st.integers(0, 2))):
                shift = draw(st.integers(-6, 6))
                left, top, right, bottom = label.box
                box = (left + shift, top, right + shift, bottom)
                kind = draw(st.sampled_from([label.kind, label.kind, CAR]))
                seen.append(Detection(kind, draw(st.floats(0.3125, 1, width=32)), box, (0, 0)))
        truth.append(row)
        found.append(best_first(seen))
    return truth, found


def plain_average_precision(
    truth: list[list[Label]], found: list[list[Detection]], kind: int
) -> Fraction | None:
    """The best precision at each step of recall or beyond it, averaged over the steps."""
    wanted = sum(label.judged and label.kind == kind for row in truth for label in row)
    if wanted == 0:
        return None
    ranked = sorted(
        ((f, d) for f, row in enumerate(found) for d in row if d.kind == kind),
        key=lambda pair: -pair[1].score,
    )
    taken: set[tuple[int, int]] = set()
    right: list[bool] = []
    for frame, detection in ranked:
        scored = [
            (intersection_over_union(detection.box, label.box), -number)
            for number, label in enumerate(truth[frame])
            if label.judged and label.kind == kind and (frame, number) not in taken
        ]
        best, number = max(scored, default=(0.0, 0))
        if best >= 0.5:
            taken.add((frame, -number))
            right.append(True)
        elif not any(
            not label.judged and intersection_over_union(detection.box, label.box) > 0.3
            for label in truth[frame]
        ):
            right.append(False)
    total = Fraction(0)
    for step in range(1, wanted + 1):
        reached = [
            Fraction(sum(right[: n + 1]), n + 1)
            for n in range(len(right))
            if sum(right[: n + 1]) >= step
        ]
        total += max(reached, default=Fraction(0))
    return total / wanted


@given(scenes())
def test_average_precision_is_that_of_the_definition(
    scene: tuple[list[list[Label]], list[list[Detection]]],
):
    truth, found = scene
    for kind in range(len(CLASSES)):
        plain = plain_average_precision(truth, found, kind)
        ours = average_precision_ppm(truth, found, kind)
        if plain is None:
            assert ours is None
        else:
            assert ours is not None
            assert abs(ours - plain * PPM) <= 1


@given(scenes())
def test_a_perfect_answer_scores_all_and_an_empty_one_nothing(
    scene: tuple[list[list[Label]], list[list[Detection]]],
):
    truth = [[label for label in row if label.judged] for row in scene[0]]
    perfect = [[Detection(x.kind, 0.9, x.box, (0, 0)) for x in row] for row in truth]
    for kind in range(len(CLASSES)):
        assert average_precision_ppm(truth, perfect, kind) in (PPM, None)
        assert average_precision_ppm(truth, [[] for _ in truth], kind) in (0, None)


def frame(condition: str = "day", *, in_lane: bool | None = False, kind: int = VAN) -> CanaryFrame:
    label = Label(kind, (2, 2, 8, 8), judged=True)
    return CanaryFrame(condition=condition, calibration=FLAT, in_lane=in_lane, labels=(label,))


def answer(*, inside: bool, microseconds: int = 1000, error: str | None = None) -> Answer:
    point = (5.0, 5.0) if inside else (50.0, 50.0)
    return Answer((Detection(VAN, 0.9, (2, 2, 8, 8), point),), microseconds, error)


def test_the_worst_condition_counts():
    frames = [frame("day"), frame("day"), frame("night", in_lane=True)]
    blind = Answer((), 1000)
    metrics = measure(frames, [answer(inside=False), answer(inside=False), blind])
    assert metrics.of("day").map50_ppm == PPM
    assert metrics.of("night").map50_ppm == metrics.map50_ppm == 0
    assert metrics.found_ppm == 0
    with pytest.raises(KeyError, match="there is: day, night"):
        metrics.of("fog")


def test_a_failed_frame_was_answered_with_nothing():
    frames = [frame(in_lane=True), frame(in_lane=True)]
    metrics = measure(frames, [answer(inside=True), answer(inside=True, error="RunError")])
    assert metrics.errors == 1
    day = metrics.of("day")
    assert (day.incident_frames, day.incidents_found, day.found_ppm) == (2, 1, PPM // 2)
    assert day.map50_ppm == PPM // 2


def test_frames_that_nobody_could_judge_count_for_neither():
    metrics = measure([frame(in_lane=None)], [answer(inside=True)])
    day = metrics.of("day")
    assert (day.incident_frames, day.clear_frames, day.false_alarms) == (0, 0, 0)
    assert day.found_ppm == PPM


def test_a_vehicle_seen_in_an_empty_lane_is_a_false_alarm():
    day = measure([frame(in_lane=False)], [answer(inside=True)]).of("day")
    assert (day.clear_frames, day.false_alarms) == (1, 1)


def test_durations_are_percentiles_by_nearest_rank():
    frames = [frame() for _ in range(20)]
    answers = [answer(inside=False, microseconds=100 * n) for n in range(1, 21)]
    metrics = measure(frames, answers)
    assert (metrics.p50_us, metrics.p95_us) == (1000, 1900)


@pytest.mark.parametrize(("frames", "answers"), [(0, 0), (2, 1)])
def test_every_frame_has_one_answer(frames: int, answers: int):
    with pytest.raises(ValueError, match="expected one for each"):
        measure([frame()] * frames, [answer(inside=True)] * answers)


@given(st.lists(st.sampled_from(["same", "other", "failed"]), max_size=30))
def test_disagreement_is_the_share_of_frames_on_which_they_differ(live: list[str]):
    tally = ShadowTally()
    for said in live:
        if said == "failed":
            tally.failed()
        else:
            tally.compare(True, said == "same")
    assert tally.frames == len(live)
    assert tally.errors == live.count("failed")
    if live:
        assert tally.disagreement_ppm == PPM * (len(live) - live.count("same")) // len(live)
    else:
        assert tally.disagreement_ppm is None
