"""One feed as what it is: a tree of hash-linked entries that honest authors keep a line.

An entry is *linked* when every entry before it is held, back to seq 0 or, where the lane is
pruned, to a snapshot; nothing else is ever folded ("gaps are never folded over"). Two entries of
one seq are *twins*, evidence of equivocation whether they are linked or not. Two linked ones are a
*fork*: there the line becomes a tree, and "is an ancestor of" has to be asked branch by branch.
Below the first fork it compares two numbers, so an honest feed costs nothing extra.

Where the lane is pruned a feed has a floor, the seq of its last snapshot. Below it nothing is
linked, and only what proves equivocation is still held.
See docs/records.md, "Authority is a stratified fold", 4 and 5.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from crdt.entry import SEQUENCE_MAX, Entry, FeedId

__all__ = ["RETIRED", "Feed", "Growth", "Line"]

NO_FORK = SEQUENCE_MAX + 1
"""Above every seq: where the first fork of a feed without one is."""


RETIRED = SEQUENCE_MAX + 1
"""The floor of a feed that a higher incarnation superseded whole."""


class Line:
    """An entry and all its ancestors: the part of a feed that a cut or a pin names."""

    __slots__ = ("_above", "_fork", "tip")

    def __init__(self, tip: Entry, fork: int, above: frozenset[bytes]) -> None:
        self.tip = tip
        self._fork = fork
        self._above = above

    def holds(self, entry: Entry) -> bool:
        """Whether a linked entry of the same feed is the tip or an ancestor of it."""
        if entry.seq > self.tip.seq:
            return False
        return entry.seq < self._fork or entry.id in self._above


class Growth(NamedTuple):
    """What descends from an entry: the last of the single line, and the fork that ends it."""

    last: Entry
    fork: tuple[Entry, ...]


class Feed:
    """The entries held of one feed, linked or not. Mutable; add in any order."""

    __slots__ = (
        "_anchors",
        "_by_seq",
        "_entries",
        "_first_fork",
        "_loose",
        "_twins",
        "floor",
        "id",
        "last",
    )

    def __init__(self, feed: FeedId) -> None:
        self.id = feed
        self.floor: int | None = None
        """Seq of the last snapshot, below which nothing is linked; None while there is none."""
        self.last: Entry | None = None
        """A linked entry of the highest seq that has any."""
        self._entries: dict[bytes, Entry] = {}
        self._by_seq: dict[int, tuple[Entry, ...]] = {}
        self._loose: dict[bytes, None] = {}
        self._anchors: tuple[bytes, ...] = ()
        self._twins: list[int] = []
        self._first_fork = NO_FORK

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, identifier: bytes) -> bool:
        return identifier in self._entries

    def __repr__(self) -> str:
        forked = f", forks at {self._first_fork}" if self._first_fork != NO_FORK else ""
        return (
            f"<Feed {self.id.author.hex()[:8]} {self.id.lane}/{self.id.inc:x} {len(self)}{forked}>"
        )

    def copy(self) -> "Feed":
        """Return a feed of its own that holds the same."""
        made = Feed(self.id)
        made.floor, made.last = self.floor, self.last
        made._entries, made._by_seq = dict(self._entries), dict(self._by_seq)
        made._loose, made._twins = dict(self._loose), list(self._twins)
        made._anchors, made._first_fork = self._anchors, self._first_fork
        return made

    def add(self, entry: Entry, *, anchor: bool = False) -> list[Entry]:
        """Take in an entry not held yet; return what became linked, parents before children.

        Args:
            entry: of this feed.
            anchor: it is a snapshot, linked without what is before it.
        """
        self._entries[entry.id] = entry
        siblings = (*self._by_seq.get(entry.seq, ()), entry)
        self._by_seq[entry.seq] = siblings
        if len(siblings) == 2:
            insort(self._twins, entry.seq)
        if anchor:
            self._anchors = (*self._anchors, entry.id)
        self._loose[entry.id] = None
        return self._link_from([entry])

    def _link_from(self, starts: Iterable[Entry]) -> list[Entry]:
        """Link each start that can be linked, and all that this links in turn."""
        linked = [entry for entry in starts if self._can_link(entry)]
        for entry in linked:
            del self._loose[entry.id]
            self._note_fork(entry.seq)
            if self.last is None or entry.seq > self.last.seq:
                self.last = entry
            if self._loose:
                linked.extend(child for child in self.children(entry) if child.id in self._loose)
        return linked

    def _can_link(self, entry: Entry) -> bool:
        if self.is_below_floor(entry.seq):
            return False
        if entry.seq == 0 or entry.id in self._anchors:
            return True
        parent = self._entries.get(entry.prev)
        return parent is not None and parent.seq == entry.seq - 1 and parent.id not in self._loose

    def _note_fork(self, seq: int) -> None:
        siblings = self._by_seq[seq]
        if seq < self._first_fork and len(siblings) > 1:
            linked = [entry for entry in siblings if entry.id not in self._loose]
            if len(linked) > 1:
                self._first_fork = seq

    def replace(self, entry: Entry) -> None:
        """Put another copy, with another signature, in the place of the one held."""
        self._entries[entry.id] = entry
        siblings = self._by_seq[entry.seq]
        self._by_seq[entry.seq] = tuple(entry if held == entry else held for held in siblings)

    def discard(self, identifiers: Iterable[bytes]) -> list[Entry]:
        """Forget entries; what descends from them is no longer linked. Return those forgotten."""
        gone = [self._entries[identifier] for identifier in identifiers]
        for entry in gone:
            del self._entries[entry.id]
            left = tuple(held for held in self._by_seq[entry.seq] if held != entry)
            if left:
                self._by_seq[entry.seq] = left
            else:
                del self._by_seq[entry.seq]
        self._rebuild()
        return gone

    def raise_floor(self, seq: int) -> list[Entry]:
        """Begin the feed at the snapshots of `seq`; return what was before and is forgotten.

        The smallest evidence stays, and the latest: whatever a pin settles, it is known whether
        anything came after that.
        """
        self.floor = seq
        spared = (*(self.evidence() or ()), *(self.latest_evidence() or ()))
        before = [entry for entry in self._entries.values() if entry.seq < seq]
        return self.discard([entry.id for entry in before if entry not in spared])

    def is_below_floor(self, seq: int) -> bool:
        """Whether a snapshot or a higher incarnation superseded what stands at a seq."""
        return self.floor is not None and seq < self.floor

    def _rebuild(self) -> None:
        self._twins = sorted(seq for seq, held in self._by_seq.items() if len(held) > 1)
        self._anchors = tuple(anchor for anchor in self._anchors if anchor in self._entries)
        self._loose = dict.fromkeys(self._entries)
        self._first_fork = NO_FORK
        self.last = None
        starts = [self._entries[anchor] for anchor in self._anchors]
        starts += [entry for entry in self._by_seq.get(0, ()) if entry not in starts]
        self._link_from(starts)

    def get(self, identifier: bytes) -> Entry | None:
        """Return a held entry, linked or not."""
        return self._entries.get(identifier)

    def is_linked(self, entry: Entry) -> bool:
        """Whether a held entry has all its ancestors."""
        return entry.id not in self._loose

    def linked_at(self, seq: int, identifier: bytes) -> Entry | None:
        """Return the linked entry of that id if it stands at that seq."""
        entry = self._entries.get(identifier)
        if entry is None or entry.seq != seq or identifier in self._loose:
            return None
        return entry

    def linked(self) -> Iterator[Entry]:
        """Yield the linked entries by (seq, id)."""
        for entry in self:
            if entry.id not in self._loose:
                yield entry

    def __iter__(self) -> Iterator[Entry]:
        for seq in sorted(self._by_seq):
            siblings = self._by_seq[seq]
            yield from siblings if len(siblings) == 1 else sorted(siblings, key=lambda e: e.id)

    @property
    def has_linked(self) -> bool:
        """Whether any entry is linked."""
        return len(self._loose) < len(self._entries)

    @property
    def is_line(self) -> bool:
        """Whether the linked entries have no fork."""
        return self._first_fork == NO_FORK

    def children(self, entry: Entry) -> list[Entry]:
        """Return the held entries that follow `entry`, in no order that means anything."""
        after = self._by_seq.get(entry.seq + 1, ())
        return [child for child in after if child.prev == entry.id]

    def evidence(self) -> tuple[Entry, Entry] | None:
        """Return the smallest pair, by (seq, ids), of two different entries of one seq."""
        return self._pair(0)

    def latest_evidence(self) -> tuple[Entry, Entry] | None:
        """Return the pair of the highest seq, of several there the smallest by ids."""
        return self._pair(-1)

    def proof(self) -> tuple[object, ...]:
        """Return both pairs of evidence, which is all that a fold asks of forks."""
        return (self.evidence(), self.latest_evidence()) if self._twins else ()

    @property
    def is_forked_above_floor(self) -> bool:
        """Whether any evidence stands where nothing superseded it."""
        return bool(self._twins) and not self.is_below_floor(self._twins[-1])

    def _pair(self, place: int) -> tuple[Entry, Entry] | None:
        if not self._twins:
            return None
        first, second = sorted(self._by_seq[self._twins[place]], key=lambda entry: entry.id)[:2]
        return first, second

    def at(self, seq: int) -> tuple[Entry, ...]:
        """Return all held entries of a seq, linked or not."""
        return self._by_seq.get(seq, ())

    def has_twin(self, seq: int) -> bool:
        """Whether two different entries are held at that seq."""
        at = bisect_left(self._twins, seq)
        return at < len(self._twins) and self._twins[at] == seq

    def line(self, tip: Entry) -> Line:
        """Return the line of a linked entry and its ancestors."""
        above: list[bytes] = []
        at: Entry | None = tip
        while at is not None and at.seq >= self._first_fork:
            above.append(at.id)
            at = self._entries.get(at.prev)
        return Line(tip, self._first_fork, frozenset(above))

    def meet(self, first: Entry, second: Entry) -> Entry | None:
        """Return the last common ancestor-or-self of two linked entries, None before the first."""
        a: Entry | None = first
        b: Entry | None = second
        while a is not None and b is not None and a != b:
            if a.seq >= b.seq:
                a = self._entries.get(a.prev)
            else:
                b = self._entries.get(b.prev)
        return a if b is not None else None

    def growth(self, entry: Entry) -> Growth:
        """Follow the single line that descends from a linked entry to the first fork above it."""
        last, fork = entry, self.children(entry)
        while len(fork) == 1:
            last, fork = fork[0], self.children(fork[0])
        return Growth(last, tuple(sorted(fork, key=lambda child: child.id)))
