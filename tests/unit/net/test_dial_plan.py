"""The dial plan against its promises: bounds, fairness of attention, and no dial too many."""

import random

from hypothesis import given
from hypothesis import strategies as st

from mesh.net.dial_plan import (
    FIRST_DELAY_NS,
    LOSS_DELAY_NS,
    NEIGHBOUR_DELAY_MAX_NS,
    OTHER_DELAY_MAX_NS,
    YOUNG_CONNECTION_NS,
    DialPlan,
    Nearness,
)

NEIGHBOUR, OTHER = Nearness.NEIGHBOUR, Nearness.OTHER
A, B, C = (bytes([number]) * 32 for number in range(3))


def plan(degree_max: int = 100, seed: int = 1) -> DialPlan:
    return DialPlan(random.Random(seed), degree_max=degree_max)


def fail_once(subject: DialPlan, peer: bytes, now_ns: int) -> int:
    """Lets a due dial fail at once; returns the delay to the next."""
    assert peer in subject.due(now_ns, room=100)
    subject.started(peer)
    subject.failed(peer, now_ns)
    due_ns = subject.next_due_ns()
    assert due_ns is not None
    return due_ns - now_ns


@given(st.integers(0, 2**32), st.sampled_from(Nearness), st.integers(1, 40))
def test_the_delay_doubles_up_to_its_bound_and_jitter_only_shortens_it(
    seed: int, nearness: Nearness, failures: int
) -> None:
    subject, now_ns = plan(seed=seed), 0
    subject.want({A: nearness}, now_ns)
    bound = NEIGHBOUR_DELAY_MAX_NS if nearness is NEIGHBOUR else OTHER_DELAY_MAX_NS
    for count in range(failures):
        delay_ns = fail_once(subject, A, now_ns)
        nominal_ns = min(FIRST_DELAY_NS * 2**count, bound)
        assert nominal_ns / 2 <= delay_ns <= nominal_ns
        now_ns += delay_ns


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["fail", "connect", "inbound", "lose", "want"]),
        st.integers(0, 7),
        st.integers(0, 3_000_000_000),
    ),
    max_size=60,
)


@given(st.integers(0, 2**32), st.integers(0, 6), _STEPS)
def test_whatever_happens_the_promises_hold(
    seed: int, degree_max: int, steps: list[tuple[str, int, int]]
) -> None:
    subject, now_ns = plan(degree_max, seed), 0
    peers = [bytes([number]) * 32 for number in range(8)]
    wanted = {peer: NEIGHBOUR if number < 3 else OTHER for number, peer in enumerate(peers)}
    connected: set[bytes] = set()
    subject.want(wanted, now_ns)
    for action, number, pause_ns in steps:
        now_ns += pause_ns
        peer = peers[number]
        due = subject.due(now_ns, room=4)
        assert len(due) == len(set(due)) <= 4
        assert not connected & set(due)
        assert set(due) <= set(wanted)
        others = [one for one in due if wanted[one] is OTHER]
        assert not others or len(connected) + due.index(others[-1]) < degree_max
        assert due == sorted(due, key=lambda one: wanted[one] is OTHER)
        if due:
            first = subject.next_due_ns()
            assert first is not None
            assert first <= now_ns
        if action == "fail" and due:
            subject.started(due[0])
            assert due[0] not in subject.due(now_ns, room=8)
            subject.failed(due[0], now_ns)
        elif action == "connect" and due:
            subject.started(due[0])
            subject.connected(due[0], now_ns)
            connected.add(due[0])
        elif action == "inbound":
            subject.connected(peer, now_ns)
            connected.add(peer)
        elif action == "lose":
            subject.disconnected(peer, now_ns)
            connected.discard(peer)
        elif action == "want":
            wanted = {one: wanted.get(one, OTHER) for one in peers[number:]}
            subject.want(wanted, now_ns)
    # Nobody is forgotten: a missing neighbour is due within its bound, whatever happened.
    due = subject.due(now_ns + NEIGHBOUR_DELAY_MAX_NS, room=100)
    missing = {one for one, near in wanted.items() if near is NEIGHBOUR} - connected
    assert missing <= set(due)


def test_the_same_seed_makes_the_same_decisions() -> None:
    def run() -> list[int]:
        subject, now_ns, delays = plan(seed=7), 0, []
        subject.want({A: OTHER}, 0)
        for _ in range(10):
            delays.append(fail_once(subject, A, now_ns))
            now_ns += delays[-1]
        return delays

    assert run() == run()


def test_neighbours_go_first_then_who_waits_longest_then_the_smaller_key() -> None:
    subject = plan()
    subject.want({C: OTHER, B: NEIGHBOUR}, 0)
    subject.want({C: OTHER, B: NEIGHBOUR, A: OTHER}, 5)
    assert subject.due(10, room=9) == [B, C, A]
    assert subject.due(10, room=2) == [B, C]
    assert subject.due(10, room=0) == []


def test_at_the_full_degree_only_neighbours_are_dialled() -> None:
    subject = plan(degree_max=1)
    subject.want({A: OTHER, B: NEIGHBOUR, C: NEIGHBOUR}, 0)
    assert subject.due(0, room=9) == [B, C]
    subject.started(B)
    assert subject.due(0, room=9) == [C]
    subject.connected(B, 0)
    subject.connected(C, 0)
    assert subject.due(0, room=9) == []
    assert subject.next_due_ns() is None


def test_a_connection_that_had_stood_is_replaced_at_once() -> None:
    subject = plan()
    subject.want({A: OTHER}, 0)
    for _ in range(5):
        fail_once(subject, A, OTHER_DELAY_MAX_NS)
        subject.want({}, 0)
        subject.want({A: OTHER}, 0)
    subject.connected(A, 0)
    now_ns = YOUNG_CONNECTION_NS
    subject.disconnected(A, now_ns)
    due_ns = subject.next_due_ns()
    assert due_ns is not None
    assert now_ns <= due_ns < now_ns + LOSS_DELAY_NS


def test_a_connection_that_dies_young_counts_as_a_failure() -> None:
    subject, now_ns, delays = plan(), 0, []
    subject.want({A: NEIGHBOUR}, 0)
    for _ in range(6):
        subject.started(A)
        subject.connected(A, now_ns)
        subject.disconnected(A, now_ns + 1)
        due_ns = subject.next_due_ns()
        assert due_ns is not None
        delays.append(due_ns - now_ns)
        now_ns = due_ns
    assert delays[0] >= FIRST_DELAY_NS / 2
    assert delays[-1] >= NEIGHBOUR_DELAY_MAX_NS / 2


def test_who_becomes_a_neighbour_does_not_wait_out_an_old_delay() -> None:
    subject, now_ns = plan(), 0
    subject.want({A: OTHER}, 0)
    for _ in range(10):
        now_ns += fail_once(subject, A, now_ns)
    subject.failed(A, now_ns)
    subject.want({A: NEIGHBOUR}, now_ns)
    due_ns = subject.next_due_ns()
    assert due_ns is not None
    assert due_ns <= now_ns + NEIGHBOUR_DELAY_MAX_NS


def test_who_is_not_wanted_is_ignored() -> None:
    subject = plan()
    subject.started(A)
    subject.failed(A, 0)
    subject.connected(A, 0)
    subject.disconnected(A, 1)
    assert subject.due(10, room=9) == []
    assert "wanted=0" in repr(subject)
