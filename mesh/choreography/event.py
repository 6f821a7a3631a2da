r"""Events: one signed statement of one box that something happened, at most 2 KiB.

    raw  = deterministic CBOR array(13): [1, ns 16 B, author 32 B, name, boot 8 B, n, time ms,
           ttl ms, scope, cell 8 B, type, model 32 B or null, {because: at most 4 ids, data: map}]
    sig  = Ed25519("mesh-event/v1\0" ‖ raw)            wire = sig (64 B) ‖ raw
    id   = SHA-256("mesh-event/id/v1\0" ‖ raw)         the signature is not in the id

An event speaks under one pair (author, name). `boot` is the author's start, `n` counts the events
of that start, so (author, boot, n) names an event before its content is known. `scope` says whom
it is for (`mesh.choreography.scope`). `model` is the digest of the model that saw it. Everything
but the data has one form and is checked here; the data is a map whose fields belong to the event
type (`mesh.choreography.event_type`). Floats are allowed in data only, in their shortest form.

`parse_event` is total: any bytes give an event or an InvalidEventError, nothing else. It does not
check the signature, which costs twice as much as everything else together and must come after the
cheaper questions of admission. An event of another version is told apart from a malformed one,
because it is the newer peer's right to send it and not a fault. See docs/architecture.md,
"An event".
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, cast

from identity.capability import is_cell, is_event_type, is_name
from identity.did import did_from_public
from identity.domain import EVENT, EVENT_ID, digest
from identity.encoding import Value, decode, encode
from identity.errors import EncodingError
from identity.keys import KEY_SIZE, SIGNATURE_SIZE, SecretKey, verify
from mesh.choreography.cells import cell_text
from mesh.choreography.scope import Reach, Scope, encode_scope, parse_scope

__all__ = [
    "BECAUSE_MAX",
    "EVENT_SIZE_MAX",
    "EventError",
    "InvalidEventError",
    "SealedEvent",
    "Verify",
    "parse_event",
    "seal_event",
    "to_cloudevent",
    "verify_event",
]

EVENT_SIZE_MAX = 2048
"""Largest event on the wire, bytes: what the router still floods in one hop."""
BECAUSE_MAX = 4
"""Most event ids that an event can name as its causes."""
_VERSION = 1
_FIELDS = 13
_NS_SIZE = 16
_BOOT_SIZE = 8
_CELL_SIZE = 8
_DIGEST_SIZE = 32
_NUMBER_BITS = 40
_TIME_BITS = 52
_TTL_BITS = 16
_is_cell = lru_cache(maxsize=1024)(is_cell)
"""The cells of the neighbourhood, checked once each."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Malformation = Literal["malformed", "unknown_version"]


class EventError(Exception):
    """Base of the errors about events."""


class InvalidEventError(EventError):
    """Bytes or fields that are no event.

    Attributes:
        reason: `malformed`, which is wrong in every view, or `unknown_version`, which is not.
    """

    def __init__(self, message: str, reason: Malformation = "malformed") -> None:
        super().__init__(message)
        self.reason: Malformation = reason


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SealedEvent:
    """A well-formed event with a signature that nobody has checked yet; equal by id.

    Attributes:
        ns: the fleet, 16 bytes.
        author: public key of the speaker, 32 bytes.
        name: the name under which it speaks.
        boot: the start of the author during which it was sealed, 8 bytes.
        n: its number within that start.
        time_ms: the author's wall clock when it was sealed, ms since 1970.
        ttl_ms: how long after that somebody may still react.
        scope: a `Reach` (cell, district, everyone), or the name of a topic.
        cell: the H3 cell where it happened, 8 bytes.
        type: the event type, such as `traffic.near_miss`.
        model: digest of the model that it was made with, 32 bytes, or None.
        because: ids of the events that caused it, at most 4.
        data: the fields of its type; treat it as read-only.
        raw: the signed bytes.
        signature: 64 bytes.
        id: 32 bytes.
    """

    ns: bytes
    author: bytes
    name: str
    boot: bytes
    n: int
    time_ms: int
    ttl_ms: int
    scope: Scope
    cell: bytes
    type: str
    model: bytes | None
    because: tuple[bytes, ...]
    data: Mapping[str, Value]
    raw: bytes
    signature: bytes
    id: bytes

    @property
    def wire(self) -> bytes:
        """The bytes that travel: signature ‖ raw."""
        return self.signature + self.raw

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, SealedEvent) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<{self.type} {self.boot.hex()}-{self.n} from {self.name} {self.id.hex()[:12]}>"


def seal_event(
    secret: SecretKey,
    *,
    ns: bytes,
    name: str,
    boot: bytes,
    n: int,
    time_ms: int,
    ttl_ms: int,
    scope: Scope | int,
    cell: bytes,
    event_type: str,
    model: bytes | None,
    because: Sequence[bytes],
    data: Mapping[str, object],
) -> SealedEvent:
    """Sign an event. The arguments are the fields of `SealedEvent`; `event_type` is its `type`.

    Raises:
        InvalidEventError: a field is out of its range, or the whole is larger than 2 KiB.
    """
    head = [_VERSION, ns, secret.public, name, boot, n, time_ms, ttl_ms]
    place = [encode_scope(_scope(scope)), cell]
    body: dict[str, object] = {"because": list(because), "data": dict(data)}
    try:
        raw = encode([*head, *place, event_type, model, body])
    except EncodingError as error:
        raise InvalidEventError(f"event {event_type!r} cannot be encoded: {error}") from error
    if len(raw) + SIGNATURE_SIZE > EVENT_SIZE_MAX:
        raise InvalidEventError(
            f"event {event_type!r} takes {len(raw) + SIGNATURE_SIZE} bytes: expected at most "
            f"{EVENT_SIZE_MAX}; publish a reference instead of the content"
        )
    return _parse(raw, secret.sign(EVENT, raw))


def parse_event(wire: bytes) -> SealedEvent:
    """Return the event that bytes stand for; its signature is not checked.

    Raises:
        InvalidEventError: they stand for none; `reason` says whether they are malformed or of a
            version that is not known here.
    """
    if len(wire) > EVENT_SIZE_MAX:
        raise InvalidEventError(f"{len(wire)} bytes: expected at most {EVENT_SIZE_MAX}")
    if len(wire) < SIGNATURE_SIZE + 2:
        raise InvalidEventError(f"{len(wire)} bytes: expected a signature and an event")
    return _parse(wire[SIGNATURE_SIZE:], wire[:SIGNATURE_SIZE])


def verify_event(event: SealedEvent) -> bool:
    """Whether the signature is the author's. About 60 µs."""
    return verify(event.author, EVENT, event.raw, event.signature)


Verify = Callable[[SealedEvent], bool]
"""`verify_event`, or what answers as it does."""


def _parse(raw: bytes, signature: bytes) -> SealedEvent:
    # The version is read from two bytes, before anything else is expected of a later format.
    if 0x80 <= raw[0] <= 0x97 and raw[1] <= 0x17 and raw[1] != _VERSION:
        raise InvalidEventError(f"event version {raw[1]}: expected {_VERSION}", "unknown_version")
    try:
        fields = decode(raw, floats=True)
    except EncodingError as error:
        raise InvalidEventError(f"not deterministic CBOR: {error}") from error
    if not isinstance(fields, list) or len(fields) != _FIELDS:
        raise InvalidEventError(f"{fields!r:.60}: expected an array of {_FIELDS}")
    version, ns, author, name, boot, n, time_ms, ttl_ms, scope, cell, kind, model, body = fields
    if type(version) is not int or version != _VERSION:
        raise InvalidEventError(f"version {version!r:.60}: expected {_VERSION}")
    because, data = _body(body)
    return SealedEvent(
        ns=_octets(ns, _NS_SIZE, "ns"),
        author=_octets(author, KEY_SIZE, "author"),
        name=_name(name),
        boot=_octets(boot, _BOOT_SIZE, "boot"),
        n=_unsigned(n, _NUMBER_BITS, "n"),
        time_ms=_unsigned(time_ms, _TIME_BITS, "time"),
        ttl_ms=_unsigned(ttl_ms, _TTL_BITS, "ttl"),
        scope=_scope(scope),
        cell=_cell(cell),
        type=_type(kind),
        model=None if model is None else _octets(model, _DIGEST_SIZE, "model"),
        because=because,
        data=data,
        raw=raw,
        signature=signature,
        id=digest(EVENT_ID, raw),
    )


def _octets(value: Value, size: int, field: str) -> bytes:
    if isinstance(value, bytes) and len(value) == size:
        return value
    raise InvalidEventError(f"{field} {value!r:.80}: expected {size} bytes")


def _unsigned(value: Value, bits: int, field: str) -> int:
    if type(value) is int and 0 <= value < 1 << bits:
        return value
    raise InvalidEventError(f"{field} {value!r:.80}: expected an integer from 0 below 2^{bits}")


def _name(value: Value) -> str:
    if isinstance(value, str) and is_name(value):
        return value
    raise InvalidEventError(f"name {value!r:.80}: expected a name such as north/box-1")


def _scope(value: object) -> Scope:
    scope = parse_scope(value)
    if scope is None:
        raise InvalidEventError(f"scope {value!r:.80}: expected 0, 1, 2 or a name")
    return scope


def _cell(value: Value) -> bytes:
    if isinstance(value, bytes) and len(value) == _CELL_SIZE and _is_cell(value):
        return value
    raise InvalidEventError(f"cell {value!r:.80}: expected an H3 cell of 8 bytes")


def _type(value: Value) -> str:
    if isinstance(value, str) and is_event_type(value):
        return value
    raise InvalidEventError(f"type {value!r:.80}: expected one such as traffic.near_miss")


def _body(value: Value) -> tuple[tuple[bytes, ...], dict[str, Value]]:
    if not isinstance(value, dict) or set(value) != {"because", "data"}:
        raise InvalidEventError(f"body {value!r:.80}: expected exactly because and data")
    because, data = value["because"], value["data"]
    if not isinstance(because, list) or len(because) > BECAUSE_MAX:
        raise InvalidEventError(f"because {because!r:.80}: expected at most {BECAUSE_MAX} ids")
    if not isinstance(data, dict):
        raise InvalidEventError(f"data {data!r:.80}: expected a map of fields")
    return tuple(_octets(cause, _DIGEST_SIZE, "because") for cause in because), data


def to_cloudevent(event: SealedEvent) -> dict[str, object]:
    """Return the event in the terms of CloudEvents 1.0, JSON-compatible.

    `source` is the speaker's name and `id` is boot-n: together they are unique, as the
    specification asks. Bytes inside the data become base64 text.

    Raises:
        InvalidEventError: its time is beyond the year 9999 and has no RFC 3339 form.
    """
    cloud: dict[str, object] = {
        "specversion": "1.0",
        "id": f"{event.boot.hex()}-{event.n}",
        "source": event.name,
        "type": event.type,
        "time": _rfc3339(event.time_ms),
        "datacontenttype": "application/json",
        "author": did_from_public(event.author),
        "eventid": event.id.hex(),
        "ttlms": event.ttl_ms,
        "scope": _scope_text(event.scope),
        "cell": cell_text(event.cell),
        "data": _json(cast("Value", event.data)),
    }
    if event.model is not None:
        cloud["model"] = f"sha256:{event.model.hex()}"
    if event.because:
        cloud["because"] = ",".join(cause.hex() for cause in event.because)
    return cloud


def _scope_text(scope: Scope) -> str:
    return scope if isinstance(scope, str) else Reach(scope).name.lower()


def _rfc3339(time_ms: int) -> str:
    try:
        moment = _EPOCH + timedelta(milliseconds=time_ms)
    except OverflowError:
        raise InvalidEventError(f"time {time_ms} ms: expected one before the year 10000") from None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(value: Value) -> object:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, list):
        return [_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    return value
