"""The messages of a sync session, and the limits on each of their parts.

    SUMMARY   [0, 1, [[lane, digest 16 B]…]]                        what I would share, by lane
    PAGE      [1, lane, last, [root id…], [[author, inc, tips, evidence]…]]   feeds, ascending
    NEXT      [2, lane, author, inc]                                the page after this feed
    WANT      [3, bytes, [[lane, author, inc, tip id, [id I hold…], whole]…]]
    SEGMENT   [4, [status…], [entry wire…]]                         answers WANT, item by item
    ROOTWANT  [5, number, offset]
    ROOTPART  [6, number, offset, total, bytes]
    BUSY      [7]                                                   answers a request: budget spent
    DONE      [8, added, exhausted]                                 I ask nothing more this round

tips = [[seq, id]…], evidence = [[id, id]…]; a status is one of `Status`. Every request (NEXT, WANT,
ROOTWANT) is answered by exactly one message. `crdt.sync_codec` turns them into bytes and back. See
docs/records.md, "Sync".
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from crdt.entry import FeedId

__all__ = [
    "DIGEST_SIZE",
    "EVIDENCE_MAX",
    "FRAME_SIZE_MAX",
    "HAVE_MAX",
    "ITEMS_MAX",
    "LEAVES_MAX",
    "ROOTS_MAX",
    "SEGMENT_SIZE_MAX",
    "TIPS_MAX",
    "VERSION",
    "WIRES_MAX",
    "Busy",
    "Done",
    "Item",
    "Leaf",
    "Message",
    "Next",
    "Page",
    "RootPart",
    "RootWant",
    "Segment",
    "Status",
    "Summary",
    "Tip",
    "Want",
]

VERSION = 1
"""Version of the session; another one cannot be spoken with."""
SEGMENT_SIZE_MAX = 256 << 10
"""Most bytes of entries in one answer."""
FRAME_SIZE_MAX = SEGMENT_SIZE_MAX + (32 << 10) + 1024
"""Largest frame, bytes: a segment, which its last entry (≤ 32 KiB) may exceed, and a header."""
DIGEST_SIZE = 16
"""Bytes of a lane's digest: 2^64 work to find two sets that look equal."""
LEAVES_MAX = 4096
"""Most feeds in one page."""
TIPS_MAX = 64
"""Most branches shown of one feed; a feed that is not forked has one."""
EVIDENCE_MAX = 64
"""Most pairs of evidence shown of one feed: the smallest, and one above each pinned entry."""
ITEMS_MAX = 64
"""Most chains asked for at once."""
HAVE_MAX = 64
"""Most ids that an asker offers as the end of a chain."""
WIRES_MAX = 4096
"""Most entries in one answer; the smallest entry is larger than 64 bytes."""
ROOTS_MAX = 4096
"""Most root statements; they are signed by hand."""


class Tip(NamedTuple):
    """The last entry of a branch of a feed."""

    seq: int
    id: bytes


class Leaf(NamedTuple):
    """What one side holds of one feed.

    Attributes:
        author: key of the writer, 32 bytes.
        inc: its incarnation.
        tips: the ends of the kept branches.
        evidence: pairs of ids that prove a fork.
    """

    author: bytes
    inc: int
    tips: tuple[Tip, ...]
    evidence: tuple[tuple[bytes, bytes], ...]


class Item(NamedTuple):
    """One chain asked for: from above one of `have` to `tip`.

    Attributes:
        feed: whose chain.
        tip: id of its last entry.
        have: ids that I hold; the answer begins above the highest of them.
        whole: send from the start where none of `have` is in the chain, instead of saying so.
    """

    feed: FeedId
    tip: bytes
    have: tuple[bytes, ...]
    whole: bool


class Status(IntEnum):
    """What became of one item of a WANT."""

    COMPLETE = 0
    PARTIAL = 1
    """More follows when asked again; only the last status says so."""
    DIVERGED = 2
    """None of the offered ids is in the chain: ask again with older ones."""
    ABSENT = 3
    """Not held, or not shared with you."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Digest of every lane that a side would share, ascending by lane."""

    lanes: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A run of one lane's feeds, ascending; ids of the root statements on AUTH's first page."""

    lane: int
    last: bool
    roots: tuple[bytes, ...]
    leaves: tuple[Leaf, ...]


@dataclass(frozen=True, slots=True)
class Next:
    """Asks for the page after a feed."""

    lane: int
    author: bytes
    inc: int


@dataclass(frozen=True, slots=True)
class Want:
    """Asks for chains, at most about `size_max` bytes of entries."""

    size_max: int
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Answers a Want: statuses of its first items, and their entries, each chain oldest first."""

    statuses: tuple[Status, ...]
    wires: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RootWant:
    """Asks for a root statement's wire from an offset."""

    number: int
    offset: int


@dataclass(frozen=True, slots=True)
class RootPart:
    """A part of a root statement's wire of `total` bytes; 0 = not held."""

    number: int
    offset: int
    total: int
    part: bytes


@dataclass(frozen=True, slots=True)
class Busy:
    """Answers a request when the budget for this session is spent."""


@dataclass(frozen=True, slots=True)
class Done:
    """Ends one side's asking in a round."""

    added: int
    exhausted: bool


Message = Summary | Page | Next | Want | Segment | RootWant | RootPart | Busy | Done
