"""The codec agrees with protobuf, survives any bytes, and writes nothing that others refuse."""

from itertools import pairwise
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from mesh.framing import FrameReader, frame
from mesh.gossip import RpcError
from mesh.gossip.decoding import FIELDS_MAX, MESSAGE_FIELDS_MAX, MESSAGES_MAX, decode_rpc
from mesh.gossip.messages import (
    CONTROL_SIZE_MAX,
    SUBSCRIPTIONS_MAX,
    Control,
    Message,
    Rpc,
    control_frames,
    encode_message,
    graft_item,
    id_piece,
    idontwant_item,
    ihave_items,
    iwant_items,
    message_frame,
    prune_item,
    subscription_frames,
    topic_field,
    unsigned_frame,
)
from tests.unit.gossip.network import unframed

TOLD_FIELD = 6_492_499


def protobuf_rpc() -> Any:
    """Return libp2p's RPC class, compiled here with our private field added."""
    from libp2p.pubsub.pb import rpc_pb2

    file = descriptor_pb2.FileDescriptorProto()
    rpc_pb2.DESCRIPTOR.CopyToProto(file)
    file.name = "threerooms/test/rpc.proto"
    rpc = next(message for message in file.message_type if message.name == "RPC")
    kinds = descriptor_pb2.FieldDescriptorProto
    rpc.field.add(name="told", number=TOLD_FIELD, label=kinds.LABEL_OPTIONAL, type=kinds.TYPE_BYTES)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.RPC"))


PROTOBUF_RPC = protobuf_rpc()

topics = st.text(max_size=20)
ids = st.binary(max_size=40)
optional = st.none() | st.binary(max_size=70)
messages = st.builds(
    Message, topics, st.binary(max_size=300), optional, optional, optional, optional
)
controls = st.builds(
    Control,
    st.lists(st.tuples(topics, st.lists(ids, max_size=4)), max_size=3),
    st.lists(ids, max_size=4),
    st.lists(topics, max_size=3),
    st.lists(st.tuples(topics, st.integers(0, 2**64 - 1)), max_size=3),
    st.lists(ids, max_size=4),
)
tolds = st.lists(st.binary(min_size=4, max_size=4), max_size=5).map(b"".join)
rpcs = st.builds(
    Rpc,
    st.lists(messages, max_size=3),
    st.lists(st.tuples(st.booleans(), topics), max_size=4),
    st.none() | controls,
    tolds,
)


def serialized(rpc: Rpc) -> bytes:
    """Return an RPC as protobuf writes it."""
    out = PROTOBUF_RPC()
    for subscribe, topic in rpc.subscriptions:
        out.subscriptions.add(subscribe=subscribe, topicid=topic)
    for message in rpc.messages:
        fields = {
            "from_id": message.author,
            "seqno": message.seqno,
            "signature": message.signature,
            "key": message.key,
        }
        given_fields = {name: value for name, value in fields.items() if value is not None}
        out.publish.add(data=message.data, topicIDs=[message.topic], **given_fields)
    if rpc.control is not None:
        out.control.SetInParent()
        for topic, held in rpc.control.ihave:
            out.control.ihave.add(topicID=topic, messageIDs=held)
        if rpc.control.iwant:
            out.control.iwant.add(messageIDs=rpc.control.iwant)
        for topic in rpc.control.graft:
            out.control.graft.add(topicID=topic)
        for topic, seconds in rpc.control.prune:
            out.control.prune.add(topicID=topic, backoff=seconds)
        if rpc.control.idontwant:
            out.control.idontwant.add(messageIDs=rpc.control.idontwant)
    if rpc.told:
        out.told = rpc.told
    return out.SerializeToString()


def as_read_by_protobuf(raw: bytes) -> Rpc:
    """Return an RPC as protobuf reads it, in our types."""
    read = PROTOBUF_RPC.FromString(raw)

    def present(message: Any, name: str) -> bytes | None:
        return getattr(message, name) if message.HasField(name) else None

    control = None
    if read.HasField("control"):
        part = read.control
        control = Control(
            [(i.topicID, list(i.messageIDs)) for i in part.ihave if i.HasField("topicID")],
            [held for item in part.iwant for held in item.messageIDs],
            [g.topicID for g in part.graft if g.HasField("topicID")],
            [(p.topicID, p.backoff) for p in part.prune if p.HasField("topicID")],
            [held for item in part.idontwant for held in item.messageIDs],
        )
    return Rpc(
        [
            Message(
                m.topicIDs[-1],
                m.data,
                present(m, "from_id"),
                present(m, "seqno"),
                present(m, "signature"),
                present(m, "key"),
            )
            for m in read.publish
        ],
        [(s.subscribe, s.topicid) for s in read.subscriptions if s.HasField("topicid")],
        control,
        read.told if len(read.told) % 4 == 0 else b"",
    )


@given(rpcs)
def test_reads_what_protobuf_writes(rpc: Rpc) -> None:
    assert decode_rpc(serialized(rpc)) == rpc


@given(messages, tolds)
def test_protobuf_reads_a_message_we_write(message: Message, told: bytes) -> None:
    rpc = unframed(message_frame(encode_message(message), told))
    assert as_read_by_protobuf(rpc) == Rpc([message], [], None, told) == decode_rpc(rpc)


@given(messages)
def test_writes_the_very_bytes_of_protobuf(message: Message) -> None:
    assert unframed(message_frame(encode_message(message))) == serialized(
        Rpc([message], [], None, b"")
    )


@given(topics, st.binary(max_size=20_000))
def test_the_short_way_to_a_frame_gives_the_same_bytes(topic: str, data: bytes) -> None:
    long_way = message_frame(encode_message(Message(topic, data)))
    assert unsigned_frame(data, topic_field(topic)) == long_way


@given(controls)
def test_protobuf_reads_the_control_we_write(control: Control) -> None:
    items: list[bytes] = []
    for topic, held in control.ihave:
        items += ihave_items(topic, [id_piece(message_id) for message_id in held])
    items += iwant_items(control.iwant)
    items += [graft_item(topic) for topic in control.graft]
    items += [prune_item(topic, seconds) for topic, seconds in control.prune]
    items += [idontwant_item(message_id) for message_id in control.idontwant]
    written = control_frames(items)
    if not items:
        assert written == []
        return
    (rpc,) = map(unframed, written)
    # An IHAVE of nothing is not written at all.
    expected = control._replace(ihave=[(topic, held) for topic, held in control.ihave if held])
    assert as_read_by_protobuf(rpc) == decode_rpc(rpc) == Rpc([], [], expected, b"")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Bytes that were an RPC once."""
    raw = bytearray(serialized(draw(rpcs)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(raw)))
        kind = draw(st.sampled_from(["flip", "insert", "cut", "repeat"]))
        if kind == "insert":
            raw[place:place] = draw(st.binary(min_size=1, max_size=6))
        elif kind == "cut":
            del raw[place : place + draw(st.integers(1, 8))]
        elif kind == "repeat":
            raw[place:place] = raw[place : place + draw(st.integers(1, 30))]
        elif place < len(raw):
            raw[place] = draw(st.integers(0, 255))
    return bytes(raw)


def has_topics(raw: bytes) -> bool:
    return all(message.topicIDs for message in PROTOBUF_RPC.FromString(raw).publish)


@given(mutated() | st.binary(max_size=80))
@example(b"\x12\x02\x12")
@example(b"\x12")
@example(b"\x0a\x80")
@example(b"\x1a\x04\x0a\x02\x0a\xff")
@example(b"\x0b")
@example(b"\x92\x00\x04\x22\x02ab")  # the tag of `publish` in more bytes than it needs
def test_any_bytes_are_an_rpc_or_an_rpc_error(raw: bytes) -> None:
    try:
        ours = decode_rpc(raw)
    except RpcError:
        return
    try:
        theirs = as_read_by_protobuf(raw) if has_topics(raw) else None
    except DecodeError:
        return  # protobuf also looks into fields that we skip
    assert theirs in (None, ours)


@given(rpcs, st.lists(st.integers(0, 2000), max_size=6))
def test_a_stream_may_be_split_anywhere(rpc: Rpc, cuts: list[int]) -> None:
    raw = serialized(rpc)
    stream = frame(raw) * 3
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = FrameReader(1 << 20)
    frames = [
        whole for start, stop in pairwise(places) for whole in reader.feed(stream[start:stop])
    ]
    assert frames == [raw] * 3
    assert [decode_rpc(whole) for whole in frames] == [rpc] * 3


@given(
    st.lists(
        st.tuples(
            st.text("abc/é", min_size=1, max_size=120),
            st.lists(st.binary(min_size=32, max_size=32), max_size=900),
        ),
        max_size=3,
    )
)
def test_no_control_rpc_is_too_large_and_none_loses_an_id(
    ihave: list[tuple[str, list[bytes]]],
) -> None:
    items: list[bytes] = []
    for topic, held in ihave:
        items += ihave_items(topic, [id_piece(message_id) for message_id in held])
        items += iwant_items(held)
        items += [graft_item(topic), prune_item(topic, 60)]
    frames = control_frames(items)
    assert all(len(one) <= CONTROL_SIZE_MAX for one in frames)
    parts = [decode_rpc(unframed(one)).control for one in frames]
    advertised: dict[str, list[bytes]] = {topic: [] for topic, _ in ihave}
    wanted: list[bytes] = []
    for part in parts:
        assert part is not None
        wanted += part.iwant
        for topic, held in part.ihave:
            advertised[topic] += held
    expected: dict[str, list[bytes]] = {topic: [] for topic, _ in ihave}
    for topic, held in ihave:
        expected[topic] += held
    assert advertised == expected
    assert wanted == [message_id for _, held in ihave for message_id in held]


@given(st.lists(st.text("abc/é", min_size=1, max_size=120), max_size=350), st.booleans())
def test_hellos_stay_below_a_hundred_topics(names: list[str], subscribe: bool) -> None:
    frames = subscription_frames(names, subscribe=subscribe)
    parts = [decode_rpc(unframed(one)).subscriptions for one in frames]
    assert all(len(part) <= SUBSCRIPTIONS_MAX for part in parts)
    assert all(len(one) <= CONTROL_SIZE_MAX + 3 for one in frames)
    assert [pair for part in parts for pair in part] == [(subscribe, name) for name in names]


@pytest.mark.parametrize(
    "raw",
    [
        b"\x0a\x00" * (FIELDS_MAX + 1),
        frame(b"").join([b"\x1a"] * (FIELDS_MAX + 2)) + b"\x00",
        b"\x1a" + frame(b"\x1a\x00" * (FIELDS_MAX + 1)),
        b"\x12\x02\x22\x00" * (MESSAGES_MAX + 1),
        b"\x12" + frame(b"\x22\x00" + b"\x12\x00" * MESSAGE_FIELDS_MAX),
        b"\x12" + frame(b"\x12\x00"),
        b"\x12" + frame(b"\x22\x01\xff"),
        b"\x12" + frame(b"\x22\x05a"),
        b"\x12" + frame(b"\x23"),
        b"\x12\x05\x22",
        b"\x00\x00",
        b"\x0e",
        b"\x0b",
        b"\x08" + b"\xff" * 10 + b"\x01",
        b"\x09" + bytes(7),
        b"\x0d" + bytes(3),
        b"\x12" + b"\xff" * 9 + b"\x01",
        b"\x1a\x02\x0a\x7f",
    ],
    ids=range(18),
)
def test_refused(raw: bytes) -> None:
    with pytest.raises(RpcError):
        decode_rpc(raw)


def test_unknown_fields_and_wire_types_are_skipped() -> None:
    raw = b"\x09" + bytes(8) + b"\x0d" + bytes(4) + b"\x08\x07" + b"\x7a\x01x"
    inner = b"\x09" + bytes(8) + b"\x20\x01" + b"\x22\x01t"
    assert decode_rpc(raw + b"\x12" + frame(inner)) == Rpc([Message("t", b"")], [], None, b"")


def test_unknown_fields_of_control_items_are_skipped() -> None:
    skipped = b"\x78\x01"
    items = [
        b"\x0a" + frame(skipped + b"\x0a\x01t"),
        b"\x1a" + frame(skipped + b"\x0a\x01t"),
        b"\x22" + frame(skipped + b"\x0a\x01t"),
        b"\x32" + frame(skipped),
    ]
    raw = b"\x1a" + frame(b"".join(items)) + b"\x0a" + frame(skipped + b"\x12\x01t")
    expected = Control([("t", [])], [], ["t"], [("t", 0)], [])
    assert decode_rpc(raw) == Rpc([], [(False, "t")], expected, b"")


def test_control_given_twice_is_merged_and_nameless_items_are_dropped() -> None:
    twice = b"\x1a" + frame(graft_item("a")) + b"\x1a" + frame(graft_item("b"))
    nameless = b"\x1a" + frame(b"\x0a\x00\x1a\x00\x22\x00\x32\x00") + b"\x0a\x02\x10\x01"
    assert decode_rpc(twice + nameless) == Rpc([], [], Control([], [], ["a", "b"], [], []), b"")


def test_a_told_list_of_odd_length_is_ignored() -> None:
    raw = unframed(message_frame(encode_message(Message("t", b"")), b"12345"))
    assert decode_rpc(raw).told == b""
