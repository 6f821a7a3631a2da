"""What an entry says: the bodies of the core kinds, each a frozen record or nothing.

Every parser here is total. A body that lacks a field, has one of a wrong type or out of range, or
names one thing twice where once is allowed, is `None`: it "folds as nothing". Unknown fields are
ignored, so that a later version may add some. One capability of a grant that is no capability (an
unknown verb, a field that its verb does not read) is dropped alone; the grant stands without it.
See docs/records.md, "Kinds, their lane and their reach".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, cast

from crdt.entry import ID_SIZE, INCARNATION_MAX, SEQUENCE_MAX, Lane
from identity.capability import Capability, capability_from_value, is_name
from identity.encoding import Value, encode
from identity.errors import InvalidCapabilityError
from identity.keys import KEY_SIZE, is_valid_point

__all__ = [
    "CUT_LANES",
    "EVERY_NAME",
    "SNAPSHOT_TOPICS_MAX",
    "STRATUM_MAX",
    "Cut",
    "Grant",
    "Pin",
    "Place",
    "Put",
    "Replacement",
    "Revocation",
    "Snapshot",
    "Status",
    "ascending",
    "parse_grant",
    "parse_links",
    "parse_pin",
    "parse_put",
    "parse_revocation",
    "parse_runs",
    "parse_snapshot",
    "parse_status",
]

STRATUM_MAX = 7
"""The most junior stratum."""
EPOCH_MAX = 2**48 - 1
"""The highest epoch that anybody, that is root, can write."""
TIME_MS_MAX = 2**52 - 1
"""Latest expiry, wall clock in ms."""
SNAPSHOT_TOPICS_MAX = 64
"""Most topics of one key's status, and so of one snapshot."""
CUT_LANES = (Lane.AUTH, Lane.LOG, Lane.DOC)
"""Lanes that a cut may name: those that are never pruned."""
EVERY_NAME = "*"
"""The name by which root revokes every pair of a key; `p/*` is every pair at or under p."""
MODES = ("compromise", "retire")
"""Why a pair was revoked."""
_VALID_POINTS_CACHED = 1 << 16
"""Keys whose validity is remembered: the check costs more than the rest of a grant."""


class Place(NamedTuple):
    """Where one entry stands in its author's feeds: an item of a cut, or what a pin names."""

    lane: int
    inc: int
    seq: int
    id: bytes


Cut = tuple[Place, ...]
"""How far a key's feeds still count: at most one place for each (lane, inc)."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """One key that a grant retires, and how far its feeds count."""

    key: bytes
    cut: Cut


@dataclass(frozen=True, slots=True)
class Grant:
    """Gives a key a name: the pair's stratum, epoch and proposed capabilities, ascending."""

    key: bytes
    name: str
    stratum: int
    epoch: int
    capabilities: tuple[Capability, ...]
    replaces: tuple[Replacement, ...]
    place: str | None
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class Revocation:
    """Takes a name, `p/*` or `*` from a key, keeping what the cut covers."""

    key: bytes
    name: str
    mode: str
    cut: Cut

    @property
    def prefix(self) -> str | None:
        """The prefix p of a name `p/*`, "" of `*`, None of a plain name."""
        if self.name == EVERY_NAME:
            return ""
        return self.name[:-2] if self.name.endswith("/*") else None


@dataclass(frozen=True, slots=True)
class Pin:
    """Names the entry of a forked feed that the seniors hold to be the true branch."""

    key: bytes
    place: Place


@dataclass(frozen=True, slots=True)
class Put:
    """One value for a multi-writer register, and the puts that its author saw and replaces."""

    key: str
    value: object
    supersedes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """One value that a key states about itself, under a topic."""

    topic: str
    value: object


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a feed's earlier entries said, so that they can be dropped."""

    topics: Mapping[str, object]


def parse_grant(body: Value) -> Grant | None:
    """Return the grant, or None: a malformed field, a key twice, a key that is no valid point."""
    match body:
        case {
            "pk": bytes(key),
            "name": str(name),
            "stratum": int(stratum),
            "epoch": int(epoch),
            "caps": list(values),
            "replaces": list(replaced),
        }:
            pass
        case _:
            return None
    place, expires_ms = _optional(body, "place"), _optional(body, "exp")
    if not (place is None or isinstance(place, str)):
        return None
    if not (expires_ms is None or _is_integer(expires_ms, 0, TIME_MS_MAX)):
        return None
    if not _is_integer(stratum, 1, STRATUM_MAX) or not _is_integer(epoch, 0, EPOCH_MAX):
        return None
    if not is_name(name) or not _is_enrollable(key):
        return None
    capabilities = _capabilities(values)
    replaces = _replacements(replaced)
    if capabilities is None or replaces is None:
        return None
    expires = cast("int | None", expires_ms)
    return Grant(key, name, stratum, epoch, capabilities, replaces, place, expires)


def parse_revocation(body: Value) -> Revocation | None:
    """Return the revocation, or None: a malformed field, a (lane, inc) twice in its cut."""
    match body:
        case {"pk": bytes(key), "name": str(name), "mode": str(mode), "cut": list(items)}:
            pass
        case _:
            return None
    cut = _cut(items)
    plain = name.removesuffix("/*")
    if cut is None or len(key) != KEY_SIZE or mode not in MODES:
        return None
    if name != EVERY_NAME and not is_name(plain):
        return None
    return Revocation(key, name, mode, cut)


def parse_pin(body: Value) -> Pin | None:
    """Return the pin, or None."""
    match body:
        case {"pk": bytes(key), "lane": lane, "inc": inc, "seq": seq, "id": identifier}:
            place = _place([lane, inc, seq, identifier], tuple(Lane))
            return None if place is None or len(key) != KEY_SIZE else Pin(key, place)
        case _:
            return None


def parse_put(body: Value) -> Put | None:
    """Return the put, or None; whether its key and value make sense is for its key's rule."""
    match body:
        case {"key": str(key), "value": value, "supersedes": list(items)}:
            pass
        case _:
            return None
    supersedes = [item for item in items if isinstance(item, bytes) and len(item) == ID_SIZE]
    return Put(key, value, tuple(supersedes)) if len(supersedes) == len(items) else None


def parse_status(body: Value) -> Status | None:
    """Return what a STATE entry of kind `status` says, or None."""
    match body:
        case {"topic": str(topic), "value": value}:
            return Status(topic, value)
        case _:
            return None


def parse_links(body: Value) -> Status | None:
    """Return a link statement, topic `links`: the keys that its author is linked to, ascending."""
    match body:
        case {"peers": list(items)}:
            keys = [item for item in items if isinstance(item, bytes) and len(item) == KEY_SIZE]
        case _:
            return None
    if len(keys) != len(items) or any(a >= b for a, b in pairwise(keys)):
        return None
    return Status("links", body)


def parse_runs(body: Value) -> Status | None:
    """Return an inventory, topic `runs`: digests of what runs, and since when (ms)."""
    match body:
        case {"models": list(models), "agents": list(agents), "config": list(config)}:
            running = [*models, *agents, *config]
        case _:
            return None
    return Status("runs", body) if all(map(_is_running, running)) else None


def parse_snapshot(body: Value) -> Snapshot | None:
    """Return a snapshot of at most 64 topics, or None."""
    match body:
        case {"map": dict(topics)}:
            return Snapshot(topics) if len(topics) <= SNAPSHOT_TOPICS_MAX else None
        case _:
            return None


def _optional(body: Value, field: str) -> Value:
    return cast("dict[str, Value]", body).get(field)


def _is_integer(value: Value, low: int, high: int) -> bool:
    """Whether a decoded value is an integer (CBOR `true` is none) from low to high."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_running(item: Value) -> bool:
    match item:
        case {"digest": bytes(digest), "since": since}:
            return len(digest) == ID_SIZE and _is_integer(since, 0, TIME_MS_MAX)
        case _:
            return False


@lru_cache(_VALID_POINTS_CACHED)
def _is_enrollable(key: bytes) -> bool:
    return is_valid_point(key)


def _capabilities(values: list[Value]) -> tuple[Capability, ...] | None:
    """Return the well-formed ones, ascending; None where one is not even a map."""
    found: dict[Capability, None] = {}
    for value in values:
        if not isinstance(value, dict):
            return None
        try:
            found[capability_from_value(value)] = None
        except InvalidCapabilityError:
            continue
    return ascending(found)


def ascending(capabilities: Iterable[Capability]) -> tuple[Capability, ...]:
    """Return capabilities in the order of their canonical encodings."""
    held = tuple(capabilities)
    return held if len(held) < 2 else tuple(sorted(held, key=_encoded))


def _encoded(capability: Capability) -> bytes:
    return encode(capability.to_value())


def _replacements(items: list[Value]) -> tuple[Replacement, ...] | None:
    found: dict[bytes, Replacement] = {}
    for item in items:
        match item:
            case {"pk": bytes(key), "cut": list(places)} if (
                len(key) == KEY_SIZE and key not in found
            ):
                cut = _cut(places)
            case _:
                return None
        if cut is None:
            return None
        found[key] = Replacement(key, cut)
    return tuple(found.values())


def _cut(items: list[Value]) -> Cut | None:
    found: dict[tuple[int, int], Place] = {}
    for item in items:
        place = _place(item, CUT_LANES)
        if place is None or place[:2] in found:
            return None
        found[place[:2]] = place
    return tuple(found.values())


def _place(item: Value, lanes: tuple[Lane, ...]) -> Place | None:
    match item:
        case [int(lane), int(inc), int(seq), bytes(identifier)]:
            pass
        case _:
            return None
    if not _is_integer(lane, 0, max(Lane)) or lane not in lanes or len(identifier) != ID_SIZE:
        return None
    if not _is_integer(inc, 0, INCARNATION_MAX) or not _is_integer(seq, 0, SEQUENCE_MAX):
        return None
    return Place(lane, inc, seq, identifier)
