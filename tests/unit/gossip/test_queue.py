"""The outbound queue: order of priority, bounded, nothing lost uncounted."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip import OutQueue, Priority

CONTROL, EVENT, FACT, GOSSIP = Priority


def test_events_before_facts_before_gossip_and_control_first() -> None:
    queue = OutQueue()
    for frame, priority in ((b"g", GOSSIP), (b"f", FACT), (b"e", EVENT), (b"c", CONTROL)):
        assert queue.push(frame + b"1", priority)
        assert queue.push(frame + b"2", priority)
    assert (len(queue), queue.size, bool(queue)) == (8, 16, True)
    assert repr(queue) == "OutQueue(8 frames, 16 bytes, 0 dropped)"
    assert queue.drain() == b"c1c2e1e2f1f2g1g2"
    assert (queue.drain(), len(queue), bool(queue)) == (b"", 0, False)


def test_a_write_is_bounded_but_never_empty_and_never_overtakes() -> None:
    queue = OutQueue()
    queue.push(bytes(100), EVENT)
    queue.push(b"small", FACT)
    assert queue.drain(50) == bytes(100)
    queue.push(b"e" * 20, EVENT)
    queue.push(b"E" * 40, EVENT)
    assert queue.drain(50) == b"e" * 20
    assert queue.drain(50) == b"E" * 40 + b"small"


def test_the_oldest_of_the_least_worth_makes_room() -> None:
    queue = OutQueue(10)
    queue.push(b"ggg", GOSSIP)
    queue.push(b"fff", FACT)
    queue.push(b"eee", EVENT)
    assert queue.push(b"EEEE", EVENT)
    assert queue.push(b"CCC", CONTROL)
    assert queue.drops == {CONTROL: 0, EVENT: 0, FACT: 1, GOSSIP: 1}
    assert queue.push(b"new", EVENT)
    assert queue.drops[EVENT] == 1
    assert queue.drain() == b"CCCEEEEnew"
    assert queue.dropped_bytes == 9


def test_lesser_frames_never_push_out_better_ones() -> None:
    queue = OutQueue(10)
    queue.push(b"eeeeeeeeee", EVENT)
    assert not queue.push(b"f", FACT)
    assert not queue.push(b"g", GOSSIP)
    assert queue.push(b"c", CONTROL)
    assert (queue.drops[FACT], queue.drops[GOSSIP], queue.drops[EVENT]) == (1, 1, 1)


def test_control_that_does_not_fit_is_said_so() -> None:
    queue = OutQueue(10)
    assert queue.push(b"c" * 8, CONTROL)
    assert not queue.push(b"C" * 8, CONTROL)
    assert queue.drain() == b"c" * 8


def test_clear() -> None:
    queue = OutQueue(10)
    queue.push(b"12345", EVENT)
    queue.push(b"12345", FACT)
    assert queue.clear() == 2
    assert (queue.size, len(queue)) == (0, 0)
    assert queue.push(b"1234567890", FACT)
    assert queue.drops == dict.fromkeys(Priority, 0)


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=30), st.sampled_from(Priority)), max_size=60),
    st.integers(1, 100),
    st.integers(1, 64),
)
def test_bounded_ordered_and_every_frame_drained_or_counted(
    frames: list[tuple[bytes, Priority]], bytes_max: int, write_max: int
) -> None:
    queue = OutQueue(bytes_max)
    for frame, priority in frames:
        queue.push(frame, priority)
        assert queue.size <= bytes_max
    assert len(queue) + sum(queue.drops.values()) == len(frames)
    total = sum(len(frame) for frame, _ in frames)
    drained = b""
    while queue:
        write = queue.drain(write_max)
        assert write
        drained += write
    assert len(drained) + queue.dropped_bytes == total
    in_order = b"".join(frame for p in Priority for frame, q in frames if p is q)
    if queue.dropped_bytes == 0:
        assert drained == in_order
