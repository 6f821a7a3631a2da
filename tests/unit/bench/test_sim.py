"""What the simulator's benchmark computes of what it measured."""

import json
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report import Report
from bench.rooms import ROOMS, ROOT, Sampler, room_of, shares
from bench.sim import exponent, growing, told
from bench.sim_fleet import Point
from bench.sim_page import growth_page


def point(boxes: int, **more: object) -> Point:
    figures = {
        "boot_s": boxes * 0.1,
        "idle": boxes * boxes * 1e-5,
        "busy": boxes * 0.01,
        "frames_idle": 0.5,
        "frames_event": 250.0,
        "deliveries": 30.0,
        "box_kb": 300.0,
        "rooms": {"boot": {"crdt": 60.0, "mind": 40.0}, "events": {"gossip": 99.5, "mind": 0.5}},
    }
    return Point(boxes=boxes, **{**figures, **more})


@given(
    st.floats(-3, 3), st.floats(1e-6, 1e3), st.sets(st.integers(1, 10_000), min_size=2, max_size=8)
)
def test_the_exponent_of_a_power_is_its_own(power: float, scale: float, sizes: set[int]) -> None:
    points = [(size, scale * size**power) for size in sizes]
    assert exponent(points) == pytest.approx(power, abs=1e-6)


def test_there_is_no_exponent_of_one_size_nor_of_what_cost_nothing() -> None:
    assert exponent([]) is None
    assert exponent([(50, 1.0)]) is None
    assert exponent([(50, 1.0), (50, 2.0)]) is None
    assert exponent([(50, 1.0), (100, 0.0)]) is None


def test_rows_hold_each_size_against_the_budgets() -> None:
    report = Report("fleets")
    told(report, [point(50), point(500, idle=0.0005, busy=0.02, box_kb=59.0)], [point(50)])
    rows = {row.figure: row for row in report.rows}
    assert rows["50 boxes: idle"].value == pytest.approx(40)
    assert rows["50 boxes: idle"].met is False
    assert rows["500 boxes: idle"].met is True
    assert rows["500 boxes: 10 events/s"].value == pytest.approx(50)
    assert rows["500 boxes: resident a box"].met is True
    assert rows["50 boxes: resident a box"].met is False
    assert rows["exponent: boot"].value == pytest.approx(1)
    assert "exponent: boot of strangers" not in rows, "one size has no slope"


def test_larger_fleets_are_not_tried_after_one_that_takes_too_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[int] = []

    def measured(boxes: int, _seconds: float, *_flags: str) -> Point | None:
        asked.append(boxes)
        return point(boxes) if boxes < 100 else None

    monkeypatch.setattr("bench.sim.measured", measured)
    assert [each.boxes for each in growing([500, 20, 100, 50], 1.0)] == [20, 50]
    assert asked == [20, 50, 100]


def test_a_stack_belongs_to_its_innermost_room() -> None:
    inside = f"{ROOT}/mesh/mind/mind.py"
    assert room_of(["/usr/lib/python3/heapq.py", inside, f"{ROOT}/bench/sim.py"]) == "mind"
    assert room_of([f"{ROOT}/mesh/testing/simulator/trace.py", inside]) == "trace"
    assert room_of([f"{ROOT}/mesh/testing/fleets/fleet.py", inside]) == "fleet"
    assert room_of([f"{ROOT}/.venv/site-packages/nacl/bindings.py", inside]) == "signatures"
    assert room_of(["/usr/lib/python3/heapq.py"]) == room_of([]) == "elsewhere"


@pytest.mark.parametrize("place", ROOMS)
def test_every_room_is_there(place: str) -> None:
    assert (ROOT / place).exists()


@given(st.dictionaries(st.text(max_size=8), st.integers(1, 1000), max_size=8))
def test_shares_are_of_the_whole_and_the_largest_goes_first(samples: dict[str, int]) -> None:
    found = shares(Counter(samples))
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert sum(found.values()) == pytest.approx(100 if samples else 0)


def test_the_sampler_counts_what_the_processor_does_and_stops() -> None:
    sampler = Sampler()
    with sampler.running() as samples:
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass
    seen = sum(samples.values())
    assert seen > 5
    end = time.process_time() + 0.05
    while time.process_time() < end:
        pass
    assert sum(samples.values()) == seen


def test_the_page_shows_every_size_and_every_room() -> None:
    text = growth_page([point(50), point(500)], [point(50)])
    for shown in ("50", "500", "gossip", "99.5 %", "strangers", "<polyline"):
        assert shown in text
    assert "size that was measured" in growth_page([], [])


def test_a_point_is_what_another_process_prints() -> None:
    assert Point(**json.loads(json.dumps(point(50).__dict__))) == point(50)
