"""Sync messages as bytes: one deterministic CBOR array each, decoded totally.

Any bytes give one message or one SyncError that names what is wrong; a peer that sends such a frame
is at fault in every view. The layouts stand in `crdt.sync_messages`.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar, cast

from crdt.entry import ID_SIZE, INCARNATION_MAX, SEQUENCE_MAX, FeedId, Lane
from crdt.errors import SyncError
from crdt.sync_messages import (
    DIGEST_SIZE,
    EVIDENCE_MAX,
    FRAME_SIZE_MAX,
    HAVE_MAX,
    ITEMS_MAX,
    LEAVES_MAX,
    ROOTS_MAX,
    SEGMENT_SIZE_MAX,
    TIPS_MAX,
    VERSION,
    WIRES_MAX,
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
from identity.encoding import INTEGER_MAX, decode, encode
from identity.errors import EncodingError
from identity.keys import KEY_SIZE

__all__ = ["decode_message", "encode_message"]

_LANES_MAX = len(Lane)

_Part = TypeVar("_Part")


def encode_message(message: Message) -> bytes:
    """Return the frame of a message."""
    match message:
        case Summary(lanes):
            value: list[object] = [0, VERSION, lanes]
        case Page(lane, last, roots, leaves):
            value = [1, lane, last, roots, leaves]
        case Next(lane, author, inc):
            value = [2, lane, author, inc]
        case Want(size_max, items):
            value = [3, size_max, [_item_value(item) for item in items]]
        case Segment(statuses, wires):
            value = [4, [int(status) for status in statuses], wires]
        case RootWant(number, offset):
            value = [5, number, offset]
        case RootPart(number, offset, total, part):
            value = [6, number, offset, total, part]
        case Busy():
            value = [7]
        case Done(added, exhausted):
            value = [8, added, exhausted]
    return encode(value)


def _item_value(item: Item) -> list[object]:
    author, lane, inc = item.feed
    return [int(lane), author, inc, item.tip, item.have, item.whole]


def decode_message(frame: bytes) -> Message:
    """Return the one message in a frame. Total.

    Raises:
        SyncError: it is none; the message names the field.
    """
    if len(frame) > FRAME_SIZE_MAX:
        raise SyncError(f"frame of {len(frame)} bytes: expected at most {FRAME_SIZE_MAX}")
    try:
        value = decode(frame)
    except EncodingError as error:
        raise SyncError(f"frame is not deterministic CBOR: {error}") from None
    if not isinstance(value, list) or not value:
        raise SyncError("frame: expected an array that begins with its type")
    kind, *fields = cast("list[object]", value)
    number = _integer(kind, "frame type", len(_READERS) - 1)
    size, reader = _READERS[number]
    if len(fields) != size:
        raise SyncError(f"frame type {number} with {len(fields)} fields: expected {size}")
    return reader(fields)


def _integer(value: object, what: str, maximum: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= maximum:
        raise SyncError(f"{what} {value!r:.40}: expected 0 to {maximum}")
    return value


def _boolean(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise SyncError(f"{what} {value!r:.40}: expected true or false")
    return value


def _bytes(value: object, what: str, size: int | None = None) -> bytes:
    if not isinstance(value, bytes) or (size is not None and len(value) != size):
        raise SyncError(f"{what} {value!r:.40}: expected {'' if size is None else size} bytes")
    return value


def _list(
    value: object, what: str, maximum: int, read: Callable[[object], _Part]
) -> tuple[_Part, ...]:
    if not isinstance(value, list):
        raise SyncError(f"{what} {value!r:.40}: expected a list")
    parts = cast("list[object]", value)
    if len(parts) > maximum:
        raise SyncError(f"{len(parts)} {what}: expected at most {maximum}")
    return tuple(read(part) for part in parts)


def _row(value: object, what: str, size: int) -> Sequence[object]:
    if not isinstance(value, list) or len(cast("list[object]", value)) != size:
        raise SyncError(f"{what} {value!r:.40}: expected a list of {size}")
    return cast("list[object]", value)


def _id(value: object) -> bytes:
    return _bytes(value, "id", ID_SIZE)


def _lane(value: object) -> int:
    return _integer(value, "lane", max(Lane))


def _author(value: object) -> bytes:
    return _bytes(value, "author", KEY_SIZE)


def _incarnation(value: object) -> int:
    return _integer(value, "inc", INCARNATION_MAX)


def _digest_row(value: object) -> tuple[int, bytes]:
    lane, digest = _row(value, "lane summary", 2)
    return _lane(lane), _bytes(digest, "digest", DIGEST_SIZE)


def _tip(value: object) -> Tip:
    seq, identifier = _row(value, "tip", 2)
    return Tip(_integer(seq, "seq", SEQUENCE_MAX), _id(identifier))


def _pair(value: object) -> tuple[bytes, bytes]:
    first, second = _row(value, "evidence", 2)
    return _id(first), _id(second)


def _leaf(value: object) -> Leaf:
    author, inc, tips, evidence = _row(value, "feed", 4)
    return Leaf(
        _author(author),
        _incarnation(inc),
        _list(tips, "tips", TIPS_MAX, _tip),
        _list(evidence, "evidence pairs", EVIDENCE_MAX, _pair),
    )


def _item(value: object) -> Item:
    lane, author, inc, tip, have, whole = _row(value, "wanted chain", 6)
    feed = FeedId(_author(author), _lane(lane), _incarnation(inc))
    held = _list(have, "held ids", HAVE_MAX, _id)
    return Item(feed, _id(tip), held, _boolean(whole, "whole"))


def _status(value: object) -> Status:
    return Status(_integer(value, "status", max(Status)))


def _read_summary(fields: list[object]) -> Summary:
    version, rows = fields
    if _integer(version, "version", INTEGER_MAX) != VERSION:
        raise SyncError(f"version {version}: expected {VERSION}")
    lanes = _list(rows, "lanes", _LANES_MAX, _digest_row)
    order = [lane for lane, _ in lanes]
    if order != sorted(set(order)):
        raise SyncError(f"lanes {order}: expected ascending, none twice")
    return Summary(lanes)


def _read_page(fields: list[object]) -> Page:
    lane, last, roots, leaves = fields
    page = Page(
        _lane(lane),
        _boolean(last, "last"),
        _list(roots, "root ids", ROOTS_MAX, _id),
        _list(leaves, "feeds", LEAVES_MAX, _leaf),
    )
    order = [(leaf.author, leaf.inc) for leaf in page.leaves]
    if any(before >= after for before, after in pairwise(order)):
        raise SyncError("feeds of a page: expected ascending, none twice")
    if not page.last and not page.leaves:
        raise SyncError("an empty page that is not the last")
    return page


def _read_next(fields: list[object]) -> Next:
    lane, author, inc = fields
    return Next(_lane(lane), _author(author), _incarnation(inc))


def _read_want(fields: list[object]) -> Want:
    size_max, items = fields
    size = _integer(size_max, "bytes wanted", SEGMENT_SIZE_MAX)
    want = Want(size, _list(items, "wanted chains", ITEMS_MAX, _item))
    if not want.items:
        raise SyncError("a request for no chain")
    return want


def _read_segment(fields: list[object]) -> Segment:
    statuses, wires = fields
    segment = Segment(
        _list(statuses, "statuses", ITEMS_MAX, _status),
        _list(wires, "entries", WIRES_MAX, lambda wire: _bytes(wire, "entry")),
    )
    if not segment.statuses or Status.PARTIAL in segment.statuses[:-1]:
        raise SyncError("statuses: expected at least one, and only the last partial")
    return segment


def _read_root_want(fields: list[object]) -> RootWant:
    number, offset = fields
    return RootWant(
        _integer(number, "root number", ROOTS_MAX), _integer(offset, "offset", INTEGER_MAX)
    )


def _read_root_part(fields: list[object]) -> RootPart:
    number, offset, total, part = fields
    return RootPart(
        _integer(number, "root number", ROOTS_MAX),
        _integer(offset, "offset", INTEGER_MAX),
        _integer(total, "total", INTEGER_MAX),
        _bytes(part, "part"),
    )


def _read_busy(_fields: list[object]) -> Busy:
    return Busy()


def _read_done(fields: list[object]) -> Done:
    added, exhausted = fields
    return Done(_integer(added, "added", INTEGER_MAX), _boolean(exhausted, "exhausted"))


_READERS: tuple[tuple[int, Callable[[list[object]], Message]], ...] = (
    (2, _read_summary),
    (4, _read_page),
    (3, _read_next),
    (2, _read_want),
    (2, _read_segment),
    (2, _read_root_want),
    (4, _read_root_part),
    (0, _read_busy),
    (2, _read_done),
)
"""By frame type: how many fields follow it, and who reads them."""
