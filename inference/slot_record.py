"""What a box remembers of its two slots: one small record, and its one encoding.

The record is all that a restart can rely on, so each field is there because some crash needs it:

- `sides`: which artefact each side holds whole and tested. A side that is being overwritten is
  empty here *before* its first byte changes.
- `active`: which side runs; None is the factory's own (the packaged model, or nothing).
- `vouched` of a side: it once gave a good live inference from here; only such a side, or the
  factory's, is fallen back to.
- `starts`: starts since the last good live inference: what kills its process is found by counting.
- `tries`: how often the artefact that is being put in has been tried: the same for what kills the
  process in its self-test.
- `failed`: what failed and why, until asked again: a crash between falling back and reporting
  loses no failure.
- `withdrawn`: digests that are never loaded again, also before the box has heard from anybody.

Reading is total: any bytes give a record or a `SlotError`.
"""

from dataclasses import dataclass

from identity.encoding import Value, decode, encode
from identity.errors import EncodingError
from inference.errors import SlotError

__all__ = [
    "DIGEST_SIZE",
    "FAILED_MAX",
    "NO_SIDES",
    "WITHDRAWN_MAX",
    "Failure",
    "Key",
    "Side",
    "SlotRecord",
    "parse_record",
    "record_bytes",
]

DIGEST_SIZE = 32
"""Bytes of a SHA-256."""

WITHDRAWN_MAX = 1024
"""Withdrawn digests kept; the oldest go first, and the fleet's records still name them."""

FAILED_MAX = 16
"""Failures kept; older ones are in the box's reports."""

METRICS_MAX = 32
"""Figures kept with a side."""

INTENT_SIZE_MAX = 64
"""Bytes of an intent's id."""

REASON_SIZE_MAX = 300
"""Characters of a reason."""


@dataclass(frozen=True, slots=True)
class Key:
    """What was asked for: the same artefact may be asked for again, by another intent or anew.

    Attributes:
        digest: of the artefact, 32 bytes; None for the factory's own.
        intent: id of the intent; empty if it was no intent.
        attempt: counted from 1.
    """

    digest: bytes | None
    intent: bytes = b""
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Side:
    """An artefact in a slot.

    Attributes:
        key: what it was put there for.
        vouched: whether it gave a good live inference on this box.
        metrics: figures of its self-test here, by name; from its swap on with those of its shadow.
    """

    key: Key
    vouched: bool
    metrics: dict[str, int]

    @property
    def digest(self) -> bytes:
        """SHA-256 of the artefact."""
        return self.key.digest or bytes(DIGEST_SIZE)


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed, and why."""

    key: Key
    reason: str


NO_SIDES: tuple[Side | None, Side | None] = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRecord:
    """See the module's theory; `SlotRecord()` is that of a new box.

    Attributes:
        sides: what the two sides hold.
        active: which runs: 0, 1, or None for the factory's own.
        starts: of the process since the last good live inference.
        trying: what is being put in; None if nothing is.
        tries: how often.
        failed: oldest first.
        withdrawn: oldest first.
    """

    sides: tuple[Side | None, Side | None] = NO_SIDES
    active: int | None = None
    starts: int = 0
    trying: Key | None = None
    tries: int = 0
    failed: tuple[Failure, ...] = ()
    withdrawn: tuple[bytes, ...] = ()

    def side(self, number: int | None) -> Side | None:
        """What a side holds; None for an empty one and for the factory's own."""
        return None if number is None else self.sides[number]

    @property
    def digest(self) -> bytes | None:
        """Of what runs; None for the factory's own."""
        held = self.side(self.active)
        return None if held is None else held.digest

    def with_side(self, number: int, side: Side | None) -> tuple[Side | None, Side | None]:
        """The sides with one of them replaced."""
        return (side, self.sides[1]) if number == 0 else (self.sides[0], side)

    def holding(self, digest: bytes) -> int | None:
        """The side that holds an artefact; None if neither does."""
        for number, held in enumerate(self.sides):
            if held is not None and held.digest == digest:
                return number
        return None

    def failure(self, key: Key) -> Failure | None:
        """Why this was given up; None if it was not."""
        return next((failure for failure in self.failed if failure.key == key), None)


def record_bytes(record: SlotRecord) -> bytes:
    """The one encoding of a record."""
    return encode(
        {
            "active": record.active,
            "failed": [[_key_value(item.key), item.reason] for item in record.failed],
            "sides": [_side_value(side) for side in record.sides],
            "starts": record.starts,
            "tries": record.tries,
            "trying": None if record.trying is None else _key_value(record.trying),
            "withdrawn": list(record.withdrawn),
        }
    )


def _key_value(key: Key) -> list[object]:
    return [key.digest, key.intent, key.attempt]


def _side_value(side: Side | None) -> list[object] | None:
    return None if side is None else [_key_value(side.key), side.vouched, dict(side.metrics)]


def parse_record(data: bytes) -> SlotRecord:
    """The record in bytes.

    Raises:
        SlotError: they are none.
    """
    try:
        value = decode(data)
    except EncodingError as error:
        raise SlotError(f"slot record: {error}") from None
    match value:
        case {
            "active": int() | None as active,
            "failed": list(failed),
            "sides": [first, second],
            "starts": int(starts),
            "tries": int(tries),
            "trying": trying,
            "withdrawn": list(withdrawn),
        } if (
            len(value) == 7
            and active in (None, 0, 1)
            and not isinstance(active, bool)
            and len(failed) <= FAILED_MAX
            and len(withdrawn) <= WITHDRAWN_MAX
        ):
            record = SlotRecord(
                sides=(_side(first), _side(second)),
                active=active,
                starts=_count(starts),
                trying=None if trying is None else _key(trying),
                tries=_count(tries),
                failed=tuple(_failure(item) for item in failed),
                withdrawn=tuple(_digest(item) for item in withdrawn),
            )
        case _:
            raise SlotError(f"slot record: {value!r:.80} is none")
    if record.active is not None and record.side(record.active) is None:
        raise SlotError(f"slot record: side {record.active} runs and is empty")
    return record


def _side(value: Value) -> Side | None:
    match value:
        case None:
            return None
        case [list(key), bool(vouched), dict(metrics)] if len(metrics) <= METRICS_MAX:
            figures = {name: _number(figure) for name, figure in metrics.items()}
            found = _key(key)
            if found.digest is not None:
                return Side(found, vouched, figures)
        case _:
            pass
    raise SlotError(f"slot record: {value!r:.80} is no side")


def _failure(value: Value) -> Failure:
    match value:
        case [list(key), str(reason)] if len(reason) <= REASON_SIZE_MAX:
            return Failure(_key(key), reason)
        case _:
            raise SlotError(f"slot record: {value!r:.80} is no failure")


def _key(value: Value) -> Key:
    match value:
        case [bytes() | None as digest, bytes(intent), int(attempt)] if (
            len(intent) <= INTENT_SIZE_MAX
        ):
            return Key(None if digest is None else _digest(digest), intent, _count(attempt))
        case _:
            raise SlotError(f"slot record: {value!r:.80} names nothing that can be asked for")


def _digest(value: Value) -> bytes:
    if isinstance(value, bytes) and len(value) == DIGEST_SIZE:
        return value
    raise SlotError(f"slot record: {value!r:.80} is no SHA-256")


def _number(value: Value) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise SlotError(f"slot record: {value!r:.80} is no whole number")


def _count(value: Value) -> int:
    number = _number(value)
    if number < 0:
        raise SlotError(f"slot record: {number} counts nothing")
    return number
