"""Stage stamps: kept per event, joined, and summed up by nearest rank."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.choreography.trace import Stage, Trace, TraceRecorder, percentiles, summarise

EVENT = bytes(32)
STAGES = tuple(Stage)
STAMPS = st.dictionaries(st.sampled_from(STAGES), st.integers(0, 10**12))


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=300))
def test_percentiles_were_seen_and_are_nearest_ranks(durations: list[int]):
    spread = percentiles(durations)
    assert spread is not None
    for share, value_ms in ((0.5, spread.p50_ms), (0.99, spread.p99_ms), (1, spread.max_ms)):
        not_above = sum(duration / 1e6 <= value_ms for duration in durations)
        below = sum(duration / 1e6 < value_ms for duration in durations)
        assert value_ms in [duration / 1e6 for duration in durations]
        assert below < share * len(durations) <= not_above
    assert spread.count == len(durations)


def test_nothing_has_no_percentiles():
    assert percentiles([]) is None
    assert summarise([]) == {}


@given(st.lists(STAMPS, max_size=10))
def test_a_summary_accounts_for_the_whole_way(stamps: list[dict[Stage, int]]):
    traces = [Trace(EVENT, one) for one in stamps]
    summary = summarise(traces)
    spans = sum(max(0, len(one) - 1) for one in stamps)
    assert sum(spread.count for spread in summary.values()) == spans
    assert list(summary) == [stage for stage in STAGES if stage in summary]


@given(STAMPS, STAMPS)
def test_joining_keeps_every_stamp_in_order(mine: dict[Stage, int], theirs: dict[Stage, int]):
    joined = Trace(EVENT, mine).joined(Trace(EVENT, theirs))
    assert joined.stamps == {**theirs, **mine}
    assert list(joined.stamps) == [stage for stage in STAGES if stage in joined.stamps]


def test_spans_are_not_made_up():
    trace = Trace(EVENT, {Stage.SEALED: 10, Stage.REQUESTED: 35})
    assert trace.span_ns(Stage.SEALED, Stage.REQUESTED) == 25
    assert trace.span_ns(Stage.FRAME_GRABBED, Stage.REQUESTED) is None
    assert summarise([trace])[Stage.REQUESTED].max_ms == 25 / 1e6
    with pytest.raises(ValueError, match="same event"):
        trace.joined(Trace(bytes(31) + b"x", {}))


def test_a_recorder_keeps_the_first_stamp_and_drops_the_oldest_event():
    recorder = TraceRecorder(traces_max=2)
    for number in range(3):
        recorder.mark(bytes([number]), Stage.SENT, number)
    recorder.mark(b"\x02", Stage.SENT, 99)
    recorder.mark(b"\x02", Stage.SEALED, 1)
    assert recorder.dropped == 1
    assert recorder.trace(b"\x00") is None
    assert recorder.trace(b"\x02") == Trace(b"\x02", {Stage.SEALED: 1, Stage.SENT: 2})
    assert [trace.event_id for trace in recorder.traces()] == [b"\x01", b"\x02"]
