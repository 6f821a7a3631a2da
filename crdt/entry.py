r"""The entry: one signed statement in one author's feed.

    raw  = deterministic CBOR array(10):
           [1, ns, author, lane, inc, seq, prev, t, kind, body]
    sig  = Ed25519("mesh-crdt/entry/v1\0" ‖ raw)            wire = sig ‖ raw
    id   = SHA-256("mesh-crdt/id/v1\0" ‖ raw)               the signature is not in it

A feed is (author, lane, inc); within it entries are numbered and hash-linked. `t` is the author's
clock, a claim shown to people that no fold reads. The parser is total: any bytes give an Entry or
one InvalidEntryError, in time linear in their length. See docs/records.md, "Entry".
"""

from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from crdt.errors import InvalidEntryError
from identity import domain
from identity.encoding import Value, decode, encode
from identity.errors import EncodingError
from identity.keys import KEY_SIZE, SIGNATURE_SIZE, SecretKey, verify

__all__ = [
    "ENTRY_SIZE_MAX",
    "GENESIS_LINK",
    "ID_SIZE",
    "Entry",
    "FeedId",
    "Lane",
    "make_entry",
    "parse_entry",
    "verify_entry",
]

ID_SIZE = 32
"""Bytes of an entry's id."""
NS_SIZE = 16
"""Bytes of a namespace."""
GENESIS_LINK = bytes(ID_SIZE)
"""The `prev` of the first entry of a feed."""
INCARNATION_MAX = 2**48 - 1
SEQUENCE_MAX = 2**40 - 1
TIME_MS_MAX = 2**52 - 1
KIND_SIZE_MAX = 64
"""Longest kind, bytes."""


class Lane(IntEnum):
    """The five lanes; a lane is who may see an entry and how long it is kept."""

    AUTH = 0
    STATE = 1
    FLEET = 2
    LOG = 3
    DOC = 4


ENTRY_SIZE_MAX: dict[Lane, int] = {
    Lane.AUTH: 16 << 10,
    Lane.STATE: 32 << 10,
    Lane.FLEET: 16 << 10,
    Lane.LOG: 512,
    Lane.DOC: 16 << 10,
}
"""Largest wire of an entry, bytes, by lane."""
REMEMBERED_MAX = 4096
"""Entries whose parsing, and signatures whose check, is remembered."""
REMEMBERED_BYTES_MAX = 2048
"""Largest of these, bytes: at worst 8 MiB are held for strangers, and a grant takes 600 bytes."""
_WIRE_SIZE_MAX = max(ENTRY_SIZE_MAX.values())


class FeedId(NamedTuple):
    """Names one feed of one fleet: who writes, in which lane, from which incarnation."""

    author: bytes
    lane: int
    inc: int


class Entry:
    """One parsed entry, immutable; equal to another iff their ids are.

    Attributes:
        ns: namespace of the fleet, 16 bytes.
        feed: author key, lane and incarnation.
        seq: place in the feed, from 0.
        prev: id of the entry before it, zeros at seq 0.
        t: the author's wall clock in ms, a claim.
        kind: what the body is.
        body: decoded CBOR; treat as immutable.
        raw: the signed bytes.
        sig: the signature of this copy, 64 bytes, unchecked by the parser.
        id: 32 bytes.
    """

    __slots__ = ("body", "feed", "id", "kind", "ns", "prev", "raw", "seq", "sig", "t")

    def __init__(
        self,
        ns: bytes,
        feed: FeedId,
        seq: int,
        prev: bytes,
        t: int,
        kind: str,
        body: Value,
        raw: bytes,
        sig: bytes,
    ) -> None:
        self.ns = ns
        self.feed = feed
        self.seq = seq
        self.prev = prev
        self.t = t
        self.kind = kind
        self.body = body
        self.raw = raw
        self.sig = sig
        self.id = domain.digest(domain.ENTRY_ID, raw)

    @property
    def author(self) -> bytes:
        """Public key of the author, 32 bytes."""
        return self.feed.author

    @property
    def lane(self) -> int:
        """The lane, see `Lane`."""
        return self.feed.lane

    @property
    def inc(self) -> int:
        """The author's incarnation."""
        return self.feed.inc

    @property
    def wire(self) -> bytes:
        """The bytes that travel: signature ‖ raw."""
        return self.sig + self.raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return (
            f"<Entry {self.kind} {Lane(self.lane).name} {self.author.hex()[:8]}"
            f"/{self.inc:x}#{self.seq} {self.id.hex()[:8]}>"
        )


def parse_entry(wire: bytes) -> Entry:
    """Return the entry in `wire`; its signature is not checked here.

    The same bytes may give the same object: every hello shows the same few grants.

    Raises:
        InvalidEntryError: it is none; the message says what is wrong. Nothing else is ever raised.
    """
    return _parsed_before(wire) if len(wire) <= REMEMBERED_BYTES_MAX else _parsed(wire)


def _parsed(wire: bytes) -> Entry:
    if len(wire) > _WIRE_SIZE_MAX:
        raise InvalidEntryError(f"{len(wire)} bytes: expected at most {_WIRE_SIZE_MAX}")
    if len(wire) <= SIGNATURE_SIZE:
        raise InvalidEntryError(f"{len(wire)} bytes: too short for an entry")
    raw = wire[SIGNATURE_SIZE:]
    try:
        value = decode(raw)
    except EncodingError as error:
        raise InvalidEntryError(str(error)) from None
    match value:
        case [
            int(version),
            bytes(ns),
            bytes(author),
            int(lane),
            int(inc),
            int(seq),
            bytes(prev),
            int(t),
            str(kind),
            body,
        ]:
            pass
        case _:
            raise InvalidEntryError("expected [1, ns, author, lane, inc, seq, prev, t, kind, body]")
    numbers = (version, lane, inc, seq, t)
    if any(isinstance(number, bool) for number in numbers) or version != 1:
        raise InvalidEntryError(f"version, lane, inc, seq, t = {numbers}: expected 1 and integers")
    _check(len(wire), ns, author, lane, inc, seq, prev, t, kind)
    feed = FeedId(author, lane, inc)
    return Entry(ns, feed, seq, prev, t, kind, body, raw, wire[:SIGNATURE_SIZE])


_parsed_before = lru_cache(maxsize=REMEMBERED_MAX)(_parsed)


def _check(
    size: int,
    ns: bytes,
    author: bytes,
    lane: int,
    inc: int,
    seq: int,
    prev: bytes,
    t: int,
    kind: str,
) -> None:
    """Raise InvalidEntryError for the first field out of its range."""
    if (len(ns), len(author), len(prev)) != (NS_SIZE, KEY_SIZE, ID_SIZE):
        raise InvalidEntryError("ns, author, prev: expected 16, 32 and 32 bytes")
    if not 0 <= lane <= max(Lane):
        raise InvalidEntryError(f"lane {lane}: expected 0 to {max(Lane)}")
    if size > ENTRY_SIZE_MAX[Lane(lane)]:
        raise InvalidEntryError(
            f"{size} bytes in lane {Lane(lane).name}: expected ≤ {ENTRY_SIZE_MAX[Lane(lane)]}"
        )
    for name, number, limit in (
        ("inc", inc, INCARNATION_MAX),
        ("seq", seq, SEQUENCE_MAX),
        ("t", t, TIME_MS_MAX),
    ):
        if not 0 <= number <= limit:
            raise InvalidEntryError(f"{name} {number}: expected 0 to {limit}")
    if (seq == 0) != (prev == GENESIS_LINK):
        raise InvalidEntryError(f"seq {seq} with prev {prev.hex()[:8]}…: zero prev iff seq is 0")
    if not 1 <= len(kind.encode()) <= KIND_SIZE_MAX:
        raise InvalidEntryError(f"kind {kind!r:.80}: expected 1 to {KIND_SIZE_MAX} bytes")


def verify_entry(entry: Entry) -> bool:
    """Whether this copy's signature is its author's over its raw bytes."""
    is_small = len(entry.raw) <= REMEMBERED_BYTES_MAX
    check = _verified_before if is_small else verify
    return check(entry.author, domain.ENTRY, entry.raw, entry.sig)


_verified_before = lru_cache(maxsize=REMEMBERED_MAX)(verify)


def make_entry(
    key: SecretKey,
    *,
    ns: bytes,
    lane: Lane,
    inc: int,
    seq: int,
    prev: bytes,
    t: int,
    kind: str,
    body: object,
) -> Entry:
    """Return a signed entry.

    Raises:
        InvalidEntryError: a field is out of range, or the body is too large or cannot be encoded.
    """
    try:
        raw = encode([1, ns, key.public, int(lane), inc, seq, prev, t, kind, body])
    except EncodingError as error:
        raise InvalidEntryError(f"{kind} entry: {error}") from None
    return parse_entry(key.sign(domain.ENTRY, raw) + raw)
