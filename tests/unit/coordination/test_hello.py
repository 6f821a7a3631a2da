"""The hello protocol's three frames: what is encoded is read back, and nothing else is read."""

from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.entry import INCARNATION_MAX, SEQUENCE_MAX, Lane
from identity.encoding import decode, encode
from mesh.coordination.hello import (
    GRANTS_MAX,
    HEADS_MAX,
    HELLO_SIZE_MAX,
    PROTOCOL_SIZE_MAX,
    PROTOCOLS_MAX,
    REASON_SIZE_MAX,
    WALL_MS_MAX,
    Answer,
    Clock,
    Head,
    Hello,
    HelloError,
    parse_hello_frame,
)
from mesh.coordination.trust import PeerClass
from tests.unit.mind.mutating import mutate

IDS = st.binary(min_size=32, max_size=32)
HEADS = st.builds(
    Head, st.sampled_from(list(map(int, Lane))), st.integers(0, INCARNATION_MAX),
    st.integers(0, SEQUENCE_MAX), IDS,
)  # fmt: skip
HELLOS = st.builds(
    Hello,
    ns=st.binary(min_size=16, max_size=16),
    root=st.tuples(st.integers(0, 2**40), IDS),
    wall_ms=st.integers(0, WALL_MS_MAX),
    protocols=st.lists(st.text(max_size=PROTOCOL_SIZE_MAX), max_size=PROTOCOLS_MAX).map(tuple),
    name=st.text(max_size=200),
    grants=st.lists(st.binary(max_size=300), max_size=GRANTS_MAX).map(tuple),
    heads=st.lists(HEADS, max_size=20).map(tuple),
)
FRAMES = st.one_of(
    HELLOS,
    st.builds(Answer, st.sampled_from(PeerClass), st.text(max_size=REASON_SIZE_MAX)),
    st.builds(Clock, st.integers(0, WALL_MS_MAX)),
)
HELLO = Hello(bytes(16), (0, bytes(32)), 0, (), "", (), ())


@given(frame=FRAMES)
def test_what_is_said_is_what_is_heard(frame: Hello | Answer | Clock) -> None:
    assert parse_hello_frame(frame.encode()) == frame


@given(frame=FRAMES, seed=st.integers(0, 2**64))
def test_a_spoilt_frame_is_refused_or_means_what_its_bytes_say(
    frame: Hello | Answer | Clock, seed: int
) -> None:
    rng = Random(seed)
    for _ in range(10):
        body = mutate(rng, frame.encode())
        try:
            heard = parse_hello_frame(body)
        except HelloError:
            continue
        assert heard.encode() == body


@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_refused(body: bytes) -> None:
    with suppress(HelloError):
        assert isinstance(parse_hello_frame(body), Hello | Answer | Clock)


def changed(place: int, value: object) -> bytes:
    items = decode(HELLO.encode())
    assert isinstance(items, list)
    return encode([*items[:place], value, *items[place + 1 :]])


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (bytes(HELLO_SIZE_MAX + 1), "bytes: expected at most"),
        (b"junk", "."),
        (encode({}), "expected a hello"),
        (encode([1, 2, 3]), "expected a hello"),
        (encode([True]), "wall clock"),
        (encode([-1]), "wall clock"),
        (encode(["other", ""]), "class 'other'"),
        (encode([7, ""]), "class 7"),
        (encode(["member", 7]), "reason"),
        (encode(["member", "x" * (REASON_SIZE_MAX + 1)]), "reason"),
        (changed(0, 2), "version"),
        (changed(0, True), "version"),
        (changed(1, bytes(15)), "ns"),
        (changed(1, "ns"), "ns"),
        (changed(2, [1]), "root: "),
        (changed(2, 1), "root: "),
        (changed(2, [-1, bytes(32)]), "root number"),
        (changed(2, [1, bytes(31)]), "id"),
        (changed(3, WALL_MS_MAX + 1), "wall clock"),
        (changed(4, [1]), "protocols: expected str"),
        (changed(4, ["x"] * (PROTOCOLS_MAX + 1)), "protocols: expected a list"),
        (changed(4, ["x" * (PROTOCOL_SIZE_MAX + 1)]), "protocols"),
        (changed(5, "x" * 201), "name"),
        (changed(5, b"x"), "name"),
        (changed(6, [b""] * (GRANTS_MAX + 1)), "grants"),
        (changed(6, {}), "grants"),
        (changed(7, [[0, 0, 0, bytes(32)]] * (HEADS_MAX + 1)), "heads"),
        (changed(7, 0), "heads"),
        (changed(7, [[0, 0, 0]]), "head: "),
        (changed(7, [0]), "head: "),
        (changed(7, [[5, 0, 0, bytes(32)]]), "lane"),
        (changed(7, [[0, INCARNATION_MAX + 1, 0, bytes(32)]]), "inc"),
        (changed(7, [[0, 0, SEQUENCE_MAX + 1, bytes(32)]]), "seq"),
        (changed(7, [[0, 0, 0, 0]]), "id"),
    ],
)
def test_what_is_wrong_is_named(body: bytes, complaint: str) -> None:
    with pytest.raises(HelloError, match=complaint):
        parse_hello_frame(body)


def test_what_we_say_stays_within_what_others_take() -> None:
    many = tuple(Head(0, number, 0, bytes(32)) for number in range(HEADS_MAX + 10))
    said = parse_hello_frame(Hello(bytes(16), (0, bytes(32)), 0, (), "", (), many).encode())
    assert isinstance(said, Hello)
    assert said.heads == many[:HEADS_MAX]
    said = parse_hello_frame(Answer(PeerClass.KNOWN, "x" * 999).encode())
    assert isinstance(said, Answer)
    assert said.reason == "x" * REASON_SIZE_MAX
