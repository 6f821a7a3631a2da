"""Packets between the sides of a switch: the rules of the simulated network, one at a time."""

import random
import struct

from hypothesis import given
from hypothesis import strategies as st

from mesh.testing.simulator.network import LinkModel, Network
from mesh.testing.wires.packets import ETHERNET, PACKET, Ways, destination, is_dial, side_key
from mesh.units import MS, SECOND

SYN, ACK, FIN = 0x02, 0x10, 0x01
IDEAL = LinkModel(latency_ms=0, jitter_ms=0)


def frame_to(address: tuple[int, int, int, int], *, flags: int = ACK, words: int = 5) -> memoryview:
    """A frame as a packet socket gives it, with a TCP segment; `words` of IPv4 header."""
    ip = struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, 0, 0, 0, 64, 6, 0, bytes(4), bytes(address))
    tcp = struct.pack("!HHIIBBHHH", 1, 2, 3, 4, 0x50, flags, 0, 0, 0)
    return memoryview(bytes(PACKET) + ip + bytes(words * 4 - 20) + tcp)


def ways(model: LinkModel = IDEAL, seed: int = 0) -> Ways:
    rng = random.Random(seed)
    return Ways(Network(rng, model), rng)


@given(st.integers(0, 253), st.integers(5, 15))
def test_a_packet_goes_to_the_side_of_its_address(side: int, words: int):
    frame = frame_to((10, 77, side + 1, 1), words=words)
    assert destination(frame) == side


@given(st.binary(max_size=120))
def test_whatever_a_frame_holds_is_read_without_a_fault(data: bytes):
    frame = memoryview(data)
    side = destination(frame)
    assert side is None or -1 <= side <= 254
    if side is not None:
        assert is_dial(frame) in (True, False)


def test_what_is_no_ipv4_or_goes_elsewhere_has_no_side():
    good = bytes(frame_to((10, 77, 1, 1)))
    assert destination(memoryview(good)) == 0
    assert destination(memoryview(good[: PACKET + 19])) is None
    assert destination(memoryview(good[:PACKET] + b"\x60" + good[PACKET + 1 :])) is None
    for address in ((10, 78, 1, 1), (11, 77, 1, 1), (10, 77, 1, 2)):
        assert destination(frame_to(address)) is None
    assert PACKET - ETHERNET == 14


@given(st.integers(0, 255), st.integers(5, 15))
def test_a_dial_is_a_syn_without_an_ack(flags: int, words: int):
    frame = frame_to((10, 77, 1, 1), flags=flags, words=words)
    assert is_dial(frame) == (bool(flags & SYN) and not flags & ACK)
    assert not is_dial(frame[: PACKET + words * 4])
    udp = bytearray(frame)
    udp[PACKET + 9] = 17
    assert not is_dial(memoryview(udp))


def test_a_cut_lets_nothing_through_and_one_way_only_the_other():
    way = ways()
    way.network.cut_one_way("deaf", [side_key(0)], [side_key(1)])
    assert way.due_ns(0, 1, 100, 5) == ()
    assert way.due_ns(1, 0, 100, 5) == (5,)
    assert way.due_ns(0, 2, 100, 5) == (5,)
    way.network.heal("deaf")
    assert way.due_ns(0, 1, 100, 7) == (7,)


def test_who_is_behind_a_nat_dials_and_is_not_dialled():
    way = ways()
    way.network.behind_nat(side_key(1))
    assert way.due_ns(0, 1, 60, 5, dials=True) == ()
    assert way.due_ns(0, 1, 60, 5) == (5,), "a connection that stands stays"
    assert way.due_ns(1, 0, 60, 5, dials=True) == (5,)


@given(st.integers(0, 1000), st.floats(0, 50), st.floats(0, 50))
def test_packets_take_latency_and_jitter_and_stay_in_order(seed: int, late: float, jitter: float):
    way = ways(LinkModel(latency_ms=late, jitter_ms=jitter), seed)
    due = [way.due_ns(0, 1, 100, now)[0] for now in range(0, 20 * MS, MS)]
    assert due == sorted(due)
    for number, at_ns in enumerate(due):
        assert at_ns - number * MS >= int(late * MS)
        assert at_ns <= 20 * MS + (late + jitter) * MS


def test_jitter_of_packets_is_spread_over_all_that_it_may_be():
    firsts = [ways(LinkModel(latency_ms=5, jitter_ms=10), seed) for seed in range(200)]
    late_ms = [(way.due_ns(0, 1, 100, 0)[0] - 5 * MS) / MS for way in firsts]
    assert 0 <= min(late_ms) < 1
    assert 9 < max(late_ms) <= 10
    assert 4 < sum(late_ms) / len(late_ms) < 6


def test_a_rate_sends_one_packet_after_the_other_and_drops_what_finds_no_room():
    way = ways(LinkModel(latency_ms=0, jitter_ms=0, kbit_s=8))
    assert way.due_ns(0, 1, 1000, 0) == (SECOND,)
    assert way.due_ns(0, 1, 500, 0) == (SECOND + SECOND // 2,)
    assert way.due_ns(1, 0, 1000, 0) == (SECOND,), "the other direction has its own"
    sizes = [way.due_ns(0, 1, 1 << 20, 0) for _ in range(6)]
    assert () in sizes
    assert sizes[0] != ()


def test_losses_duplicates_and_reordering_are_as_frequent_as_the_link_says():
    lossy = ways(LinkModel(latency_ms=0, jitter_ms=0, loss=0.3))
    assert 0.25 < sum(not lossy.due_ns(0, 1, 9, 0) for _ in range(2000)) / 2000 < 0.35
    twice = ways(LinkModel(latency_ms=0, jitter_ms=0, duplication=0.3))
    assert 0.25 < sum(len(twice.due_ns(0, 1, 9, 0)) == 2 for _ in range(2000)) / 2000 < 0.35
    mixed = ways(LinkModel(latency_ms=0, jitter_ms=0, reordering=0.3))
    late = [mixed.due_ns(0, 1, 9, now)[0] - now for now in range(2000)]
    assert 0.25 < sum(each > 0 for each in late) / 2000 < 0.35
