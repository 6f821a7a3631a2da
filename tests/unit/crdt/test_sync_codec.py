"""Sync frames: every message survives the wire, and any bytes are a message or one SyncError."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.entry import FeedId
from crdt.errors import SyncError
from crdt.sync_codec import decode_message, encode_message
from crdt.sync_messages import (
    FRAME_SIZE_MAX,
    LEAVES_MAX,
    Busy,
    Done,
    Item,
    Leaf,
    Message,
    Next,
    Page,
    RootPart,
    RootWant,
    Segment,
    Status,
    Summary,
    Tip,
    Want,
)
from identity.encoding import encode

ID = st.binary(min_size=32, max_size=32)
INC = st.integers(0, 2**48 - 1)
SEQ = st.integers(0, 2**40 - 1)
LANE = st.integers(0, 4)
NUMBER = st.integers(0, 2**53 - 1)
LEAF = st.builds(
    Leaf,
    ID,
    INC,
    st.lists(st.builds(Tip, SEQ, ID), max_size=3).map(tuple),
    st.lists(st.tuples(ID, ID), max_size=3).map(tuple),
)
ITEM = st.builds(
    Item,
    st.builds(FeedId, ID, LANE, INC),
    ID,
    st.lists(ID, max_size=4).map(tuple),
    st.booleans(),
)
LEAVES = st.lists(LEAF, min_size=1, max_size=4, unique_by=lambda leaf: leaf[:2]).map(
    lambda leaves: tuple(sorted(leaves))
)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        Summary,
        st.dictionaries(LANE, st.binary(min_size=16, max_size=16)).map(
            lambda lanes: tuple(sorted(lanes.items()))
        ),
    ),
    st.builds(Page, LANE, st.booleans(), st.lists(ID, max_size=3).map(tuple), LEAVES),
    st.builds(Next, LANE, ID, INC),
    st.builds(Want, st.integers(0, 2**18), st.lists(ITEM, min_size=1, max_size=4).map(tuple)),
    st.builds(
        Segment,
        st.lists(st.sampled_from([Status.COMPLETE, Status.DIVERGED]), min_size=1).map(tuple),
        st.lists(st.binary(), max_size=4).map(tuple),
    ),
    st.builds(RootWant, st.integers(0, 4096), NUMBER),
    st.builds(RootPart, st.integers(0, 4096), NUMBER, NUMBER, st.binary()),
    st.just(Busy()),
    st.builds(Done, NUMBER, st.booleans()),
)


@given(MESSAGES)
def test_every_message_survives_the_wire(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


@given(st.binary(max_size=200) | MESSAGES.map(encode_message), st.data())
def test_any_bytes_are_a_message_or_a_sync_error(frame: bytes, data: st.DataObject) -> None:
    broken = bytearray(frame)
    for _ in range(data.draw(st.integers(0, 3))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = decode_message(bytes(broken))
    except SyncError:
        return
    assert encode_message(message) == bytes(broken)


Z = bytes(32)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "array"),
        ([], "array"),
        ([9], "frame type 9"),
        ([True], "frame type True"),
        (["x"], "frame type 'x'"),
        ([7, 1], "1 fields"),
        ([0, 2, []], "version 2"),
        ([0, 1, 3], "lanes 3"),
        ([0, 1, [[1, bytes(16)], [0, bytes(16)]]], "ascending"),
        ([0, 1, [[0, bytes(15)]]], "digest"),
        ([0, 1, [[5, bytes(16)]]], "lane 5"),
        ([0, 1, [[0]]], "list of 2"),
        ([1, 0, 1, [], []], "last 1"),
        ([1, 0, False, [], []], "empty page"),
        ([1, 0, True, [b""], []], "id b''"),
        ([1, 0, True, [], [[Z, 0, [], []]] * 2], "ascending"),
        ([1, 0, True, [], [[Z, 0, [[0, Z]] * 65, []]]], "65 tips"),
        ([1, 0, True, [], [[Z, 2**48, [], []]]], "inc"),
        ([1, 0, True, [], [[Z, 0, [[-1, Z]], []]]], "seq -1"),
        ([1, 0, True, [], [0] * (LEAVES_MAX + 1)], "4097 feeds"),
        ([3, 0, []], "no chain"),
        ([3, 2**18 + 1, []], "bytes wanted"),
        ([4, [], []], "statuses"),
        ([4, [1, 0], []], "statuses"),
        ([4, [4], []], "status 4"),
        ([4, [0], ["x"]], "entry 'x'"),
        ([8, 1, 1], "exhausted 1"),
    ],
)
def test_what_is_wrong_is_named(value: object, said: str) -> None:
    with pytest.raises(SyncError) as caught:
        decode_message(encode(value))
    assert said in str(caught.value)


def test_a_frame_has_a_largest_size() -> None:
    with pytest.raises(SyncError, match="at most"):
        decode_message(bytes(FRAME_SIZE_MAX + 1))
