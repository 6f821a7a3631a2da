"""Latencies and errors, counted."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import Health
from inference.health import ERROR_KINDS_MAX


def test_before_the_first_frame_nothing_is_known():
    report = Health().report()
    assert (report.frames, report.errors, report.p50_ms, report.p95_ms) == (0, 0, None, None)


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=50), st.integers(1, 60))
def test_percentiles_are_of_the_last_frames(latencies: list[float], window: int):
    health = Health(window=window)
    for latency in latencies:
        health.record(latency)
    report, recent = health.report(), latencies[-window:]
    assert report.frames == len(latencies)
    for value, percent in ((report.p50_ms, 50), (report.p95_ms, 95)):
        assert value in recent
        assert sum(latency <= value for latency in recent) >= len(recent) * percent / 100
        assert sum(latency < value for latency in recent) < max(1, len(recent) * percent / 100)


def test_errors_are_counted_by_kind_and_bounded():
    health = Health()
    health.record(1.0)
    for number in range(ERROR_KINDS_MAX + 5):
        health.record_error(f"Error{number:02}")
    health.record_error("Error00")
    report = health.report()
    assert report.frames == ERROR_KINDS_MAX + 7
    assert report.errors == ERROR_KINDS_MAX + 6
    assert report.errors_by_kind["other"] == 5
    assert report.errors_by_kind["Error00"] == 2


@pytest.mark.parametrize("latency", [-1.0, math.nan, math.inf])
def test_a_latency_without_sense_is_refused(latency: float):
    with pytest.raises(ValueError, match="latency_ms"):
        Health().record(latency)


def test_an_empty_window_is_refused():
    with pytest.raises(ValueError, match="window=0"):
        Health(window=0)


def test_late_and_dropped_frames_and_memory_are_gate_inputs():
    health = Health(deadline_ms=40.0)
    assert health.report().gate_inputs() == {"frames": 0, "errors": 0, "late": 0, "dropped": 0}
    for latency_ms in (1.0, 40.0, 40.5):
        health.record(latency_ms)
    health.record_dropped(2)
    health.record_dropped()
    health.record_memory(1 << 20)
    health.record_error("RunError")
    assert health.report().gate_inputs() == {
        "frames": 4,
        "errors": 1,
        "late": 1,
        "dropped": 3,
        "p50_us": 40_000,
        "p95_us": 40_500,
        "memory_bytes": 1 << 20,
    }


def test_counts_without_sense_are_refused():
    with pytest.raises(ValueError, match="frames=-1"):
        Health().record_dropped(-1)
    with pytest.raises(ValueError, match="memory_bytes=-1"):
        Health().record_memory(-1)
