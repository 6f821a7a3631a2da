"""Decoding an RPC: any bytes give one `Rpc` or one `RpcError`.

Total, and bounded: the work grows with the length of the bytes and stops at `FIELDS_MAX` fields,
`MESSAGES_MAX` messages and `MESSAGE_FIELDS_MAX` fields in each. Unknown fields are skipped, as
protobuf asks, and a wire type that gossipsub never uses for a field makes that field unknown. Of a
field given twice the last counts; `control` given twice is merged. Groups are refused.
"""

from mesh.gossip.errors import RpcError
from mesh.gossip.messages import (
    TAG_CONTROL,
    TAG_DATA,
    TAG_FROM,
    TAG_GRAFT,
    TAG_IDONTWANT,
    TAG_IHAVE,
    TAG_IWANT,
    TAG_KEY,
    TAG_PRUNE,
    TAG_PUBLISH,
    TAG_SEQNO,
    TAG_SIGNATURE,
    TAG_SUBSCRIPTIONS,
    TAG_TOLD,
    TAG_TOPIC,
    TOLD_TAG_SIZE,
    Control,
    Message,
    Rpc,
)

FIELDS_MAX = 16_384
"""Fields of one RPC outside its messages; go advertises up to 5,000 ids a topic."""
MESSAGES_MAX = 4_096
"""Messages of one RPC; only an attacker sends more."""
MESSAGE_FIELDS_MAX = 64
"""Fields of one message; the specification has six."""

_LENGTH_DELIMITED = 2
_DATA_OR_TOPIC = (TAG_DATA, TAG_TOPIC)


def decode_rpc(raw: bytes) -> Rpc:
    """Decode one RPC (without its length prefix).

    Raises:
        RpcError: the bytes are no RPC, or have too many parts.
    """
    messages: list[Message] = []
    others: list[tuple[int, int, int]] = []
    position, end = 0, len(raw)
    while position < end:
        field = _field(raw, position, end)
        tag, start, position = field
        if tag == TAG_PUBLISH:
            messages.append(_decode_message(raw, start, position))
            if len(messages) > MESSAGES_MAX:
                raise RpcError(f"more than {MESSAGES_MAX} messages in one RPC")
        else:
            others.append(field)
            if len(others) > FIELDS_MAX:
                raise RpcError(f"more than {FIELDS_MAX} fields in one RPC")
    if others:
        return _decode_others(raw, messages, others)
    return Rpc(messages, [], None, b"")


def _decode_others(raw: bytes, messages: list[Message], fields: list[tuple[int, int, int]]) -> Rpc:
    subscriptions: list[tuple[bool, str]] = []
    control: Control | None = None
    told = b""
    budget = _Budget()
    for tag, start, stop in fields:
        if tag == TAG_SUBSCRIPTIONS:
            _decode_subscription(raw, start, stop, subscriptions, budget)
        elif tag == TAG_CONTROL:
            if control is None:
                control = Control([], [], [], [], [])
            _decode_control(raw, start, stop, control, budget)
        elif tag == TAG_TOLD:
            told = raw[start:stop]
    if len(told) % TOLD_TAG_SIZE:
        told = b""
    return Rpc(messages, subscriptions, control, told)


class _Budget:
    """Counts the fields of one RPC: a megabyte of two-byte fields must not stop the loop."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = FIELDS_MAX

    def spend(self, fields: int) -> None:
        self._left -= fields
        if self._left < 0:
            raise RpcError(f"more than {FIELDS_MAX} fields in one RPC")


def _varint(raw: bytes, position: int, end: int) -> tuple[int, int]:
    """Return (value below 2^64, position after it)."""
    if position < end:
        value = raw[position]
        if value < 0x80:
            return value, position + 1
    value = shift = 0
    while position < end:
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
        shift += 7
        if shift > 63:
            raise RpcError("varint longer than 10 bytes")
    raise RpcError("varint cut short")


def _field(raw: bytes, position: int, end: int) -> tuple[int, int, int]:
    """Return (tag, start of the value, position after it).

    The value of a varint field is at its start as well; read it again with `_varint`.
    """
    tag, position = _varint(raw, position, end)
    wire_type = tag & 7
    if not 8 <= tag < 1 << 32:
        raise RpcError(f"tag {tag}: expected a field number from 1 to 2^29 - 1")
    start = position
    if wire_type == _LENGTH_DELIMITED:
        length, start = _varint(raw, position, end)
        position = start + length
    elif wire_type == 0:
        _, position = _varint(raw, position, end)
    elif wire_type == 1:
        position += 8
    elif wire_type == 5:
        position += 4
    else:
        raise RpcError(f"wire type {wire_type} of field {tag >> 3}: expected 0, 1, 2 or 5")
    if position > end:
        raise RpcError(f"field {tag >> 3} ends {position - end} bytes after its message")
    return tag, start, position


def _fields(raw: bytes, start: int, end: int, budget: _Budget) -> list[tuple[int, int, int]]:
    """Return every (tag, start, stop) of an embedded message."""
    found: list[tuple[int, int, int]] = []
    while start < end:
        field = _field(raw, start, end)
        found.append(field)
        start = field[2]
        budget.spend(1)
    return found


def _text(raw: bytes, start: int, stop: int) -> str:
    try:
        return raw[start:stop].decode()
    except UnicodeDecodeError:
        raise RpcError(f"topic {raw[start:stop][:40]!r}: expected UTF-8") from None


def _decode_message(raw: bytes, position: int, end: int) -> Message:
    topic: str | None = None
    data = b""
    optional: dict[int, bytes] = {}
    for _ in range(MESSAGE_FIELDS_MAX):
        if position >= end:
            break
        tag = raw[position]
        if tag in _DATA_OR_TOPIC:  # the hot path, ahead of the general one
            length, start = _varint(raw, position + 1, end)
            position = start + length
            if position > end:
                raise RpcError(f"field of {length} bytes: only {end - start} left")
        else:
            tag, start, position = _field(raw, position, end)
        if tag == TAG_DATA:
            data = raw[start:position]
        elif tag == TAG_TOPIC:
            topic = _text(raw, start, position)
        else:
            optional[tag] = raw[start:position]
    if position < end:
        raise RpcError(f"more than {MESSAGE_FIELDS_MAX} fields in one message")
    if topic is None:
        raise RpcError("message without a topic")
    if not optional:
        return Message(topic, data)
    get = optional.get
    return Message(topic, data, get(TAG_FROM), get(TAG_SEQNO), get(TAG_SIGNATURE), get(TAG_KEY))


def _decode_subscription(
    raw: bytes, start: int, stop: int, into: list[tuple[bool, str]], budget: _Budget
) -> None:
    subscribe = False
    topic: str | None = None
    for tag, at, after in _fields(raw, start, stop, budget):
        if tag == 0x08:
            subscribe = _varint(raw, at, after)[0] != 0
        elif tag == 0x12:
            topic = _text(raw, at, after)
    if topic is not None:
        into.append((subscribe, topic))


def _decode_control(raw: bytes, start: int, stop: int, into: Control, budget: _Budget) -> None:
    for tag, at, after in _fields(raw, start, stop, budget):
        if tag == TAG_IHAVE:
            topic, ids = _topic_and_ids(raw, at, after, budget)
            if topic is not None:
                into.ihave.append((topic, ids))
        elif tag == TAG_IWANT:
            into.iwant.extend(_ids(raw, at, after, budget))
        elif tag == TAG_GRAFT:
            topic, _ = _topic_and_ids(raw, at, after, budget)
            if topic is not None:
                into.graft.append(topic)
        elif tag == TAG_PRUNE:
            _decode_prune(raw, at, after, into, budget)
        elif tag == TAG_IDONTWANT:
            into.idontwant.extend(_ids(raw, at, after, budget))


def _topic_and_ids(
    raw: bytes, start: int, stop: int, budget: _Budget
) -> tuple[str | None, list[bytes]]:
    topic: str | None = None
    ids: list[bytes] = []
    for tag, at, after in _fields(raw, start, stop, budget):
        if tag == 0x12:
            ids.append(raw[at:after])
        elif tag == 0x0A:
            topic = _text(raw, at, after)
    return topic, ids


def _ids(raw: bytes, start: int, stop: int, budget: _Budget) -> list[bytes]:
    return [raw[at:after] for tag, at, after in _fields(raw, start, stop, budget) if tag == 0x0A]


def _decode_prune(raw: bytes, start: int, stop: int, into: Control, budget: _Budget) -> None:
    topic: str | None = None
    seconds = 0
    for tag, at, after in _fields(raw, start, stop, budget):
        if tag == 0x0A:
            topic = _text(raw, at, after)
        elif tag == 0x18:
            seconds = _varint(raw, at, after)[0]
    if topic is not None:
        into.prune.append((topic, seconds))
