"""The RPC of gossipsub: its parts and how they are written (the wire is documented in `rpc.proto`).

By hand, because every event passes here, because protobuf's own exceptions are many, and because a
message must be encoded anew from known fields alone: forwarding bytes verbatim would let anyone pad
a genuine message with junk and have the whole fleet carry it. `decoding` reads what this writes.

Everything written keeps below what other implementations refuse: control RPCs of `CONTROL_SIZE_MAX`
(rust kills the stream above 16 KiB), hellos of `SUBSCRIPTIONS_MAX` topics (rust ignores the whole
RPC above), own messages of `PUBLISH_SIZE_MAX` (rust's stream dies at about 56 KiB).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mesh.framing import frame, uvarint

PUBLISH_SIZE_MAX = 48_000
"""Largest own message, bytes of data; larger ones go by sync."""
MESSAGE_SIZE_MAX = 56 * 1024
"""Largest message taken from others, bytes of data; forwarding a larger one kills streams."""
CONTROL_SIZE_MAX = 12_000
"""Largest control RPC we send, bytes."""
SUBSCRIPTIONS_MAX = 100
"""Topics in one RPC of a hello."""
TOPIC_SIZE_MAX = 256
"""Longest topic name that is remembered, bytes of UTF-8."""
TOLD_TAG_SIZE = 4
"""Bytes of one recipient in `told`."""
ID_SIZE = 32
"""Bytes of a message id."""
SIGNING_DOMAIN = b"libp2p-pubsub:"
"""What a StrictSign signature is over, before the encoded message (libp2p specs, pubsub)."""
BACKOFF_DEFAULT_S = 60
"""Back-off of a PRUNE that names none (v1.1), seconds."""

TAG_SUBSCRIPTIONS, TAG_PUBLISH, TAG_CONTROL = 0x0A, 0x12, 0x1A
TAG_TOLD = 6_492_499 << 3 | 2
TAG_IHAVE, TAG_IWANT, TAG_GRAFT, TAG_PRUNE, TAG_IDONTWANT = 0x0A, 0x12, 0x1A, 0x22, 0x2A
TAG_FROM, TAG_DATA, TAG_SEQNO = 0x0A, 0x12, 0x1A
TAG_TOPIC, TAG_SIGNATURE, TAG_KEY = 0x22, 0x2A, 0x32
_TOLD_PREFIX = uvarint(TAG_TOLD)
_NESTING_SIZE = 16
"""Room for the frame and the tags and lengths around a packed body, bytes."""


class Message(NamedTuple):
    """One published message as it stands on the wire; None = field absent.

    Attributes:
        topic: topic name.
        data: payload bytes.
        author: peer id bytes in the field `from`.
        seqno: number of the message, 8 bytes where it follows the specification.
        signature: signature bytes.
        key: encoded public key.
    """

    topic: str
    data: bytes
    author: bytes | None = None
    seqno: bytes | None = None
    signature: bytes | None = None
    key: bytes | None = None


class Control(NamedTuple):
    """The control part of an RPC.

    Attributes:
        ihave: (topic, message ids) pairs.
        iwant: message ids asked for.
        graft: topics.
        prune: (topic, back-off in seconds, 0 where absent) pairs.
        idontwant: message ids declined.
    """

    ihave: list[tuple[str, list[bytes]]]
    iwant: list[bytes]
    graft: list[str]
    prune: list[tuple[str, int]]
    idontwant: list[bytes]


class Rpc(NamedTuple):
    """One decoded RPC.

    Attributes:
        messages: published messages, in order.
        subscriptions: (subscribe, topic) pairs, in order.
        control: None where the RPC has none.
        told: recipients' tags, 4 bytes each; empty where absent or of another length.
    """

    messages: list[Message]
    subscriptions: list[tuple[bool, str]]
    control: Control | None
    told: bytes


def _delimited(tag: int, value: bytes) -> bytes:
    """Return a length-delimited field with a one-byte tag."""
    return bytes((tag,)) + uvarint(len(value)) + value


def encode_message(message: Message, *, signed_part: bool = False) -> bytes:
    """Return the encoded message, absent fields left out, in field order.

    Args:
        message: what to encode.
        signed_part: leave out signature and key, as the StrictSign signature does.
    """
    out = b"" if message.author is None else _delimited(TAG_FROM, message.author)
    out += _delimited(TAG_DATA, message.data)
    if message.seqno is not None:
        out += _delimited(TAG_SEQNO, message.seqno)
    out += _delimited(TAG_TOPIC, message.topic.encode())
    if not signed_part:
        if message.signature is not None:
            out += _delimited(TAG_SIGNATURE, message.signature)
        if message.key is not None:
            out += _delimited(TAG_KEY, message.key)
    return out


def topic_field(topic: str) -> bytes:
    """Return the topic as it stands in a message: build it once, forward with it many times."""
    return _delimited(TAG_TOPIC, topic.encode())


def unsigned_frame(data: bytes, field: bytes) -> bytes:
    """Return the delimited RPC that publishes data without signature fields.

    The same bytes as `message_frame(encode_message(Message(topic, data)))`, in a third of the time.

    Args:
        data: payload.
        field: the topic, from `topic_field`.
    """
    encoded = b"\x12" + uvarint(len(data)) + data + field
    return frame(b"\x12" + uvarint(len(encoded)) + encoded)


def message_frame(encoded: bytes, told: bytes = b"") -> bytes:
    """Return the delimited RPC that publishes one encoded message, naming whom else it was told."""
    body = _delimited(TAG_PUBLISH, encoded)
    if told:
        body += _TOLD_PREFIX + uvarint(len(told)) + told
    return frame(body)


def subscription_frames(topics: Iterable[str], *, subscribe: bool) -> list[bytes]:
    """Return the delimited RPCs that announce topics, ≤ `SUBSCRIPTIONS_MAX` topics in each."""
    flag = b"\x08\x01" if subscribe else b"\x08\x00"
    items = [
        _delimited(TAG_SUBSCRIPTIONS, flag + _delimited(0x12, topic.encode())) for topic in topics
    ]
    return [frame(body) for body in _pack(items, CONTROL_SIZE_MAX, SUBSCRIPTIONS_MAX)]


def graft_item(topic: str) -> bytes:
    """Return the control item that asks to be taken into a mesh."""
    return _delimited(TAG_GRAFT, _delimited(0x0A, topic.encode()))


def prune_item(topic: str, backoff_s: int) -> bytes:
    """Return the control item that leaves or refuses a mesh; back-off in whole seconds."""
    return _delimited(TAG_PRUNE, _delimited(0x0A, topic.encode()) + b"\x18" + uvarint(backoff_s))


def id_piece(message_id: bytes) -> bytes:
    """Return one id as it stands in an IHAVE: build it once, advertise it many times."""
    return b"\x12" + uvarint(len(message_id)) + message_id


def ihave_items(topic: str, pieces: Sequence[bytes]) -> list[bytes]:
    """Return the control items that advertise ids (each from `id_piece`), as few as fit."""
    prefix = _delimited(0x0A, topic.encode())
    return [
        _delimited(TAG_IHAVE, prefix + body)
        for body in _pack(pieces, CONTROL_SIZE_MAX - len(prefix) - _NESTING_SIZE)
    ]


def iwant_items(ids: Iterable[bytes]) -> list[bytes]:
    """Return the control items that ask for messages, as few as fit."""
    pieces = [_delimited(0x0A, message_id) for message_id in ids]
    bodies = _pack(pieces, CONTROL_SIZE_MAX - _NESTING_SIZE)
    return [_delimited(TAG_IWANT, body) for body in bodies]


def idontwant_item(message_id: bytes) -> bytes:
    """Return the control item that declines a message."""
    return _delimited(TAG_IDONTWANT, _delimited(0x0A, message_id))


def control_frames(items: Sequence[bytes]) -> list[bytes]:
    """Return the delimited RPCs that carry control items, in order, within `CONTROL_SIZE_MAX`."""
    bodies = _pack(items, CONTROL_SIZE_MAX - _NESTING_SIZE)
    return [frame(_delimited(TAG_CONTROL, body)) for body in bodies]


def _pack(items: Sequence[bytes], size_max: int, count_max: int | None = None) -> list[bytes]:
    """Join items, in order, into bodies of at most `size_max` bytes and `count_max` items."""
    if sum(map(len, items)) <= size_max and (count_max is None or len(items) <= count_max):
        return [b"".join(items)] if items else []
    bodies: list[bytes] = []
    body: list[bytes] = []
    size = 0
    for item in items:
        if body and (size + len(item) > size_max or len(body) == count_max):
            bodies.append(b"".join(body))
            body, size = [], 0
        body.append(item)
        size += len(item)
    bodies.append(b"".join(body))
    return bodies
