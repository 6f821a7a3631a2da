"""`/threerooms/hello/1`: what two boxes tell each other before anything else.

Both ends send a hello at once, then an answer that sorts the other, then their clock every minute:

    hello   [1, ns, [root number, root id], wall ms, [protocols], name, [grant wires], [heads]]
    answer  [class, reason]
    clock   [wall ms]

The grant wires are the speaker's chain below the root statement, senior first, so that a box that
was enrolled on the other side of a partition can be recognised at once. The heads are those of
*your* own feeds that I hold, [lane, inc, seq, id], so that a restored backup finds what it lost.
Noise has proved the key by then; nothing in a hello is believed that is not signed inside. See
docs/architecture.md, "Joining".
"""

from dataclasses import dataclass
from typing import TypeVar, cast

from crdt.entry import ID_SIZE, INCARNATION_MAX, SEQUENCE_MAX, Lane
from identity.encoding import Value, decode, encode
from identity.errors import EncodingError
from mesh.coordination.trust import PeerClass

__all__ = [
    "CLOCK_PERIOD_S",
    "HELLO_PROTOCOL",
    "HELLO_SIZE_MAX",
    "Answer",
    "Clock",
    "Head",
    "Hello",
    "HelloError",
    "parse_hello_frame",
]

HELLO_PROTOCOL = "/threerooms/hello/1"
HELLO_SIZE_MAX = 64 << 10
"""Largest frame on this protocol, bytes."""
CLOCK_PERIOD_S = 60
"""Seconds between two clock frames."""
GRANTS_MAX = 16
"""Most grant wires of a chain: strata are at most 8."""
HEADS_MAX = 256
"""Most heads told in a hello."""
PROTOCOLS_MAX = 32
PROTOCOL_SIZE_MAX = 64
REASON_SIZE_MAX = 200
NAME_SIZE_MAX = 200
WALL_MS_MAX = 2**52 - 1
_T = TypeVar("_T")


class HelloError(Exception):
    """A frame that no honest peer sends on this protocol."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest entry of one of the listener's own feeds that the speaker holds."""

    lane: int
    inc: int
    seq: int
    id: bytes


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of each end."""

    ns: bytes
    root: tuple[int, bytes]
    wall_ms: int
    protocols: tuple[str, ...]
    name: str
    grants: tuple[bytes, ...]
    heads: tuple[Head, ...]

    def encode(self) -> bytes:
        """Return the frame's body."""
        heads = [[head.lane, head.inc, head.seq, head.id] for head in self.heads[:HEADS_MAX]]
        return encode(
            [
                1,
                self.ns,
                list(self.root),
                self.wall_ms,
                list(self.protocols),
                self.name,
                list(self.grants),
                heads,
            ]
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """How the speaker sorted the listener, and why; sent again whenever that changes."""

    peer_class: PeerClass
    reason: str

    def encode(self) -> bytes:
        """Return the frame's body."""
        return encode([self.peer_class.value, self.reason[:REASON_SIZE_MAX]])


@dataclass(frozen=True, slots=True)
class Clock:
    """The speaker's wall clock, milliseconds since 1970."""

    wall_ms: int

    def encode(self) -> bytes:
        """Return the frame's body."""
        return encode([self.wall_ms])


def parse_hello_frame(body: bytes) -> Hello | Answer | Clock:
    """Return what one frame of this protocol says. Total.

    Raises:
        HelloError: the frame is none of the three; the message says what is wrong.
    """
    if len(body) > HELLO_SIZE_MAX:
        raise HelloError(f"{len(body)} bytes: expected at most {HELLO_SIZE_MAX}")
    try:
        value = decode(body)
    except EncodingError as error:
        raise HelloError(str(error)) from None
    if isinstance(value, list):
        match len(value):
            case 1:
                return Clock(_wall(value[0]))
            case 2:
                return _answer(value)
            case 8:
                return _hello(value)
            case _:
                pass
    raise HelloError("expected a hello of 8 items, an answer of 2 or a clock of 1")


def _answer(value: list[Value]) -> Answer:
    name, reason = value
    classes = {peer_class.value: peer_class for peer_class in PeerClass}
    if not isinstance(name, str) or name not in classes:
        raise HelloError(f"class {name!r:.40}: expected member, known or stranger")
    if not isinstance(reason, str) or len(reason) > REASON_SIZE_MAX:
        raise HelloError("reason: expected a short text")
    return Answer(classes[name], reason)


def _hello(value: list[Value]) -> Hello:
    version, ns, root, wall, protocols, name, grants, heads = value
    if _integer(version, "version", 1) != 1:
        raise HelloError(f"version {version}: expected 1")
    if not isinstance(ns, bytes) or len(ns) != 16:
        raise HelloError("ns: expected 16 bytes")
    if not isinstance(root, list) or len(root) != 2:
        raise HelloError("root: expected [number, id]")
    if not isinstance(name, str) or len(name) > NAME_SIZE_MAX:
        raise HelloError("name: expected a short text")
    spoken = _list(protocols, str, PROTOCOLS_MAX, "protocols")
    if any(len(protocol) > PROTOCOL_SIZE_MAX for protocol in spoken):
        raise HelloError(f"protocols: expected at most {PROTOCOL_SIZE_MAX} characters each")
    return Hello(
        ns,
        (_integer(root[0], "root number", 2**40), _id(root[1])),
        _wall(wall),
        tuple(spoken),
        name,
        tuple(_list(grants, bytes, GRANTS_MAX, "grants")),
        tuple(map(_head, _items(heads))),
    )


def _items(heads: Value) -> list[Value]:
    if not isinstance(heads, list) or len(heads) > HEADS_MAX:
        raise HelloError(f"heads: expected a list of at most {HEADS_MAX}")
    return heads


def _head(value: Value) -> Head:
    if not isinstance(value, list) or len(value) != 4:
        raise HelloError("head: expected [lane, inc, seq, id]")
    lane, inc, seq, identifier = value
    return Head(
        _integer(lane, "lane", max(Lane)),
        _integer(inc, "inc", INCARNATION_MAX),
        _integer(seq, "seq", SEQUENCE_MAX),
        _id(identifier),
    )


def _list(value: Value, kind: type[_T], count_max: int, what: str) -> list[_T]:
    if not isinstance(value, list) or len(value) > count_max:
        raise HelloError(f"{what}: expected a list of at most {count_max}")
    if not all(isinstance(item, kind) for item in value):
        raise HelloError(f"{what}: expected {kind.__name__} in every place")
    return cast("list[_T]", value)


def _integer(value: Value, what: str, largest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise HelloError(f"{what} {value!r:.40}: expected 0 to {largest}")
    return value


def _wall(value: Value) -> int:
    return _integer(value, "wall clock", WALL_MS_MAX)


def _id(value: Value) -> bytes:
    if not isinstance(value, bytes) or len(value) != ID_SIZE:
        raise HelloError(f"id: expected {ID_SIZE} bytes")
    return value
