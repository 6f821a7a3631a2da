"""The ways between boxes: order, delay, and what a cut lets through, which is nothing."""

from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mesh.testing.simulator.network import (
    BACKLOG_BYTES_MAX,
    NOTICED_NS,
    LinkModel,
    Network,
    NetworkModelError,
)
from mesh.units import MS, SECOND

BOXES = [bytes([number]) * 32 for number in range(6)]
A, B, C, *_ = BOXES
SHARES = st.floats(0, 1)
MODELS = st.builds(
    LinkModel,
    latency_ms=st.floats(0, 500),
    jitter_ms=st.floats(0, 500),
    loss=SHARES,
    duplication=SHARES,
    reordering=SHARES,
    kbit_s=st.none() | st.floats(1, 1e6),
)
SIDES = st.lists(st.sampled_from(BOXES), min_size=1, unique=True)


@dataclass
class Way:
    sent_ns: int = 0
    ready_ns: int = 0


def network(model: LinkModel | None = None, seed: int = 0) -> Network:
    return Network(Random(seed), model or LinkModel())


def arrival(ways: Network, way: Way, size: int = 100, now_ns: int = 0) -> int | None:
    return ways.arrival_ns(way, A, B, size, now_ns)


@given(
    MODELS, st.integers(0, 99), st.lists(st.tuples(st.integers(0, SECOND), st.integers(1, 99_999)))
)
def test_frames_of_one_stream_arrive_in_order_over_any_link(model, seed, frames):
    ways, way, now_ns, last_ns = network(model, seed), Way(), 0, 0
    for pause_ns, size in frames:
        now_ns += pause_ns
        due_ns = arrival(ways, way, size, now_ns)
        if due_ns is None:
            assert model.loss > 0
            return
        assert due_ns >= last_ns
        assert due_ns >= now_ns + int(model.latency_ms * MS)
        last_ns = due_ns


@given(MODELS, st.integers(0, 99), st.integers(1, 99_999))
def test_the_same_seed_gives_the_same_delays(model, seed, size):
    one, two = (arrival(network(model, seed), Way(), size) for _ in range(2))
    assert one == two


@given(SIDES, SIDES, st.sampled_from(BOXES), st.sampled_from(BOXES))
def test_what_each_kind_of_cut_blocks(side, to, sender, receiver):
    assume(len({*side, *to}) > 1)  # one box from itself is refused
    ways = network()
    ways.cut("river", side)
    assert ways.crosses(sender, receiver) == ((sender in side) == (receiver in side))
    ways.heal("river")
    ways.cut_one_way("deaf", side, to)
    assert ways.crosses(sender, receiver) != (sender in side and receiver in to)
    ways.heal()
    ways.blackhole("hole", side)
    assert ways.crosses(sender, receiver) != (sender in side or receiver in side)
    assert ways.is_whole(sender, receiver) == ways.is_whole(receiver, sender)


def test_cuts_stand_side_by_side_and_are_healed_by_name():
    ways = network()
    ways.cut("one", [A])
    ways.cut("two", [A, B])
    assert not ways.crosses(A, B)
    ways.heal("one")
    assert ways.crosses(A, B)
    assert not ways.crosses(B, C)
    assert ways.cuts() == ["two"]
    ways.heal()
    assert ways.crosses(B, C)


def test_a_new_box_stands_where_the_one_it_replaces_does():
    ways = network()
    ways.cut("river", [A])
    ways.behind_nat(A)
    ways.stands_with(C, A)
    assert ways.crosses(A, C)
    assert not ways.crosses(B, C)
    ways.heal()
    assert ways.may_dial(C, B)
    assert not ways.may_dial(B, C)


def test_a_link_with_a_rate_sends_one_frame_after_the_other():
    ways, way = network(LinkModel(latency_ms=5, jitter_ms=0, kbit_s=800)), Way()
    assert arrival(ways, way, 1_000) == 15 * MS
    assert arrival(ways, way, 1_000) == 25 * MS
    assert arrival(ways, way, 1_000, 100 * MS) == 115 * MS


def test_jitter_is_spread_over_all_that_it_may_be():
    ways = network(LinkModel(latency_ms=5, jitter_ms=10))
    late_ms = [(arrival(ways, Way()) - 5 * MS) / MS for _ in range(400)]
    assert 0 <= min(late_ms) < 0.5
    assert 9.5 < max(late_ms) <= 10
    assert 4 < sum(late_ms) / len(late_ms) < 6


def test_duplicates_cost_their_bytes_and_nothing_else():
    model = LinkModel(latency_ms=5, jitter_ms=0, kbit_s=800, duplication=1)
    assert arrival(network(model), Way(), 1_000) == 25 * MS


def test_a_lost_packet_costs_a_timeout_and_the_next_one_twice_that():
    ways = network(LinkModel(latency_ms=5, jitter_ms=0, loss=0.5))
    delays = {arrival(ways, Way()) for _ in range(300)} - {None}
    timeouts_ms = [0, 200, 600, 1_400, 3_000, 6_200]
    assert delays <= {(5 + each) * MS for each in timeouts_ms}
    assert {5 * MS, 205 * MS, 605 * MS} <= delays


def test_who_is_lost_for_ten_seconds_is_lost_for_good():
    dead = network(LinkModel(loss=1))
    assert arrival(dead, Way()) is None
    assert dead.handshake_ns(A, B) is None
    model = LinkModel(loss=0.9)
    found = [arrival(network(model, seed), Way()) for seed in range(50)]
    assert None in found
    assert all(due_ns is None or due_ns < 2 * NOTICED_NS for due_ns in found)


def test_a_reordered_packet_comes_late_and_large_frames_lose_more():
    calm = LinkModel(jitter_ms=0)
    late = network(LinkModel(jitter_ms=0, reordering=1))
    assert arrival(late, Way()) > arrival(network(calm), Way())
    rare = LinkModel(jitter_ms=0, loss=0.01)

    def lost(size: int) -> int:
        return sum(arrival(network(rare, seed), Way(), size) > 5 * MS for seed in range(200))

    assert lost(100_000) > 3 * lost(100)


def test_links_between_two_sides_are_shaped_alone_and_the_last_word_counts():
    ways = network()
    ways.shape(LinkModel(latency_ms=50), ([A], [B, C]))
    ways.shape(LinkModel(latency_ms=90), ([C], [A]))
    found = [ways.latency_ns(*pair) // MS for pair in ((A, B), (B, A), (A, C), (C, B))]
    assert found == [50, 50, 90, 5]
    ways.shape(LinkModel(latency_ms=1))
    assert ways.latency_ns(A, C) == MS


def test_before_a_slow_link_only_so_much_waits():
    ways, way = network(LinkModel(kbit_s=8)), Way()
    assert ways.fits(way, A, B, BACKLOG_BYTES_MAX, 0)
    arrival(ways, way, BACKLOG_BYTES_MAX - 10)
    assert not ways.fits(way, A, B, 100, 0)
    assert ways.fits(way, A, B, 100, SECOND)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"loss": 1.1}, "loss=1.1"),
        ({"duplication": -1}, "duplication=-1"),
        ({"reordering": 2}, "reordering=2"),
        ({"latency_ms": -1}, "latency_ms=-1"),
        ({"jitter_ms": -1}, "jitter_ms=-1"),
        ({"kbit_s": 0}, "kbit_s=0"),
    ],
)
def test_a_link_model_that_makes_no_sense_is_refused(fields, word):
    with pytest.raises(NetworkModelError, match=word):
        LinkModel(**fields)


def test_a_cut_that_makes_no_sense_is_refused():
    ways = network()
    ways.cut("river", [A])
    with pytest.raises(NetworkModelError, match="already"):
        ways.blackhole("river", [B])
    with pytest.raises(NetworkModelError, match="nobody"):
        ways.cut("none", [])
    with pytest.raises(NetworkModelError, match="nobody"):
        ways.cut_one_way("none", [A], [])
    with pytest.raises(NetworkModelError, match="no cut is called 'motorway'"):
        ways.heal("motorway")
