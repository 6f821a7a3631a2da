"""When processors were slowed, as their own looks tell; waiting is no slowness."""

import sys
import time
from statistics import median_low

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.demo.stage.pace import REACH_NS, SLOW_FACTOR, Look, PaceWitness, Slowed
from mesh.units import MS

OWN_NS = 40_000
LOOKS = st.lists(
    st.builds(Look, st.integers(0, 1000 * MS), st.sampled_from([OWN_NS, 10 * OWN_NS, 2 * OWN_NS])),
    max_size=12,
)
SPANS = st.tuples(st.integers(0, 1000 * MS), st.integers(0, 60 * MS))


def reached(looks: list[Look]) -> list[tuple[int, int]]:
    """What looks find slowed, by the definition."""
    own_ns = median_low([look.took_ns for look in looks]) if looks else 0
    return [
        (look.at_ns - REACH_NS, look.at_ns + look.took_ns + REACH_NS)
        for look in looks
        if look.took_ns > SLOW_FACTOR * own_ns
    ]


@given(looks=st.lists(LOOKS, max_size=3), span=SPANS)
def test_a_span_is_disturbed_if_a_slow_look_of_any_processor_reaches_it(
    looks: list[list[Look]], span: tuple[int, int]
) -> None:
    start, end = span[0], sum(span)
    reaches = [one for of_one in looks for one in reached(of_one)]
    slowed = Slowed(looks)
    assert slowed.meets(start, end) == any(a <= end and start <= b for a, b in reaches)
    longest = max((b - a for a, b in reaches), default=0)
    assert longest <= slowed.total_ns <= sum(b - a for a, b in reaches)


def test_looks_in_turn_make_one_span() -> None:
    well = [Look(at * 10 * MS, OWN_NS) for at in range(20)]
    slow = [Look(at * 10 * MS, 5 * OWN_NS) for at in (20, 21, 22)]
    assert Slowed([well + slow]).total_ns == 20 * MS + 5 * OWN_NS + 2 * REACH_NS


def test_a_processor_is_held_against_its_own_pace_and_not_against_a_faster_one() -> None:
    fast = [Look(at * 10 * MS, OWN_NS) for at in range(5)]
    slower = [Look(at * 10 * MS, 10 * OWN_NS) for at in range(5)]
    assert Slowed([fast, slower]).total_ns == 0


@pytest.fixture
def rude() -> None:
    """Let a thread keep the interpreter for a tenth of a second."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.1)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("rude")
def test_waiting_for_others_is_no_time_of_a_look() -> None:
    """Each look waits for the interpreter far longer than it works."""
    with PaceWitness() as witness:
        end = time.process_time() + 1.0
        while time.process_time() < end:
            pass
    for looks in witness.looks():
        assert 0 < median_low(look.took_ns for look in looks) < 20 * MS
