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
