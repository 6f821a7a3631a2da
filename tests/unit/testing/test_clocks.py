"""Wall clocks that jump and drift."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.testing.simulator.clocks import EPOCH_MS, SimulatedClock
from mesh.testing.simulator.trace import JOURNAL_MAX, Trace
from mesh.units import MS, SECOND

HOUR_NS = 3_600 * SECOND


def test_a_true_clock_counts_from_the_epoch():
    assert SimulatedClock().wall_ms(90 * SECOND) == EPOCH_MS + 90_000


def test_a_jump_is_at_once_and_stays():
    clock = SimulatedClock()
    clock.jump(-60)
    clock.jump(0.5)
    assert clock.wall_ms(SECOND) == EPOCH_MS + 1_000 - 59_500


def test_a_drift_grows_and_what_it_gained_stays_when_it_ends():
    clock = SimulatedClock()
    clock.drift(100, HOUR_NS)
    assert clock.wall_ms(HOUR_NS) == EPOCH_MS + 3_600_000
    assert clock.wall_ms(2 * HOUR_NS) == EPOCH_MS + 7_200_360
    clock.drift(0, 2 * HOUR_NS)
    assert clock.wall_ms(3 * HOUR_NS) == EPOCH_MS + 10_800_360


@given(st.floats(-500, 500), st.integers(0, HOUR_NS), st.integers(0, HOUR_NS))
def test_a_drift_alone_never_makes_a_clock_jump(ppm, since_ns, later_ns):
    clock = SimulatedClock()
    before = clock.wall_ms(since_ns)
    clock.drift(ppm, since_ns)
    assert clock.wall_ms(since_ns) == before
    gained = clock.wall_ms(since_ns + later_ns) - before - later_ns // MS
    assert abs(gained - later_ns * ppm / 1e6 / MS) <= 2


def test_a_journal_is_bounded_and_a_trace_is_not_fooled_by_it():
    traces = [Trace(), Trace()]
    for number in range(JOURNAL_MAX + 5):
        for place, trace in enumerate(traces):
            trace.note(number, "first" if place and not number else "again")
    assert len(traces[0].journal) == JOURNAL_MAX
    assert traces[0].journal == traces[1].journal
    assert traces[0].hexdigest() != traces[1].hexdigest()
    assert str(traces[0].journal[0]).endswith("s  again")
