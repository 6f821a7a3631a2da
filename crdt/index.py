"""The set of entries, in the order in which folds read it: by author, lane, incarnation and seq.

Union is the only thing that happens to the set, with one exception that is itself a function of the
set: of STATE and FLEET only the highest incarnation that begins (at seq 0 or at a snapshot) is
held, and of that nothing before its last snapshot. So the index does not depend on the order of
arrival. What proves equivocation stays, as far as it was seen: a forker must not wash itself clean
with a snapshot. See docs/records.md, "Bounds without clocks" and "Compaction".
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, cast

from crdt.bodies import Pin, Snapshot
from crdt.entry import Entry, FeedId, Lane
from crdt.feed import RETIRED, Feed
from crdt.kinds import KINDS, Body, Kinds
from identity.encoding import Value
from identity.genesis import RootItem, RootStatement
from identity.keys import SIGNATURE_SIZE

__all__ = [
    "EVIDENCE_FEEDS_MAX",
    "PRUNED_LANES",
    "Addition",
    "EntryIndex",
    "Totals",
    "entry_size",
]

PRUNED_LANES = (Lane.STATE, Lane.FLEET)
"""Lanes of which only the last snapshot and what follows is held."""
EVIDENCE_FEEDS_MAX = 64
"""Feeds of one key and lane, the lowest incarnations, whose evidence counts and is kept."""


class Addition(NamedTuple):
    """What taking in one entry did.

    Attributes:
        superseded: it is of a lower incarnation, or before the last snapshot: proof or nothing.
        linked: entries that became linked, parents before children.
        dropped: entries that it superseded.
        shortened: the feeds that it superseded, or a part of; what they still hold may have lost
            its link.
    """

    superseded: bool
    linked: list[Entry]
    dropped: list[Entry]
    shortened: list[Feed]


class Totals(NamedTuple):
    """How much of a key's lane is linked."""

    entries: int
    size: int


def entry_size(entry: Entry) -> int:
    """Return the bytes of an entry's wire, without building it."""
    return len(entry.raw) + SIGNATURE_SIZE


def _age(entry: Entry) -> tuple[bool, int, bool, int]:
    """Order entries so that pins go first and what supersedes goes after what it supersedes."""
    return (entry.lane in PRUNED_LANES, entry.inc, entry.kind == "snap", entry.seq)


class EntryIndex:
    """Entries by feed, with what the folds ask of them at hand. Mutable, never reads a clock."""

    def __init__(self, ns: bytes, kinds: Kinds = KINDS) -> None:
        self.ns = ns
        self._kinds = kinds
        self._feeds: dict[FeedId, Feed] = {}
        self._lanes: dict[tuple[bytes, int], dict[int, Feed]] = {}
        self._totals: dict[tuple[bytes, int], Totals] = {}
        self._twinned: dict[bytes, dict[FeedId, None]] = {}
        self._bodies: dict[bytes, Body | None] = {}
        self.named: dict[bytes, int] = {}
        """Entries that held pins name, whether or not these count, and how many do."""
        self.discards = 0
        """How often entries were forgotten that nothing supersedes."""

    @classmethod
    def of(
        cls,
        ns: bytes,
        entries: Iterable[Entry],
        kinds: Kinds = KINDS,
        statements: Iterable[RootStatement] = (),
    ) -> "EntryIndex":
        """Return the index of a set of entries; those of another fleet are left out.

        What supersedes goes last, so that no proof is dropped before it is complete.
        """
        index = cls(ns, kinds)
        for statement in statements:
            for number, item in enumerate(statement.items):
                index.root_item(statement, number, item)
        held = {entry.id: entry for entry in entries if entry.ns == ns}
        for entry in sorted(held.values(), key=_age):
            index.add(entry)
        return index

    def copy(self) -> "EntryIndex":
        """Return an index of its own that holds the same; what bodies say is parsed only once."""
        made = EntryIndex(self.ns, self._kinds)
        made._feeds = {identifier: feed.copy() for identifier, feed in self._feeds.items()}
        made._lanes = {
            place: {inc: made._feeds[feed.id] for inc, feed in feeds.items()}
            for place, feeds in self._lanes.items()
        }
        made._totals = dict(self._totals)
        made._twinned = {author: dict(feeds) for author, feeds in self._twinned.items()}
        made._bodies, made.named = dict(self._bodies), dict(self.named)
        made.discards = self.discards
        return made

    @property
    def kinds(self) -> Kinds:
        """The table by which bodies are parsed."""
        return self._kinds

    def feed(self, feed: FeedId) -> Feed | None:
        """Return one feed, None where nothing of it is held."""
        return self._feeds.get(feed)

    def add(self, entry: Entry) -> Addition:
        """Take in an entry that is not held."""
        pruned = entry.lane in PRUNED_LANES
        snapshot = pruned and isinstance(self.body(entry), Snapshot)
        feed = self._open(entry.feed)
        superseded = feed.is_below_floor(entry.seq)
        linked = feed.add(entry, anchor=snapshot)
        self._count(linked, 1)
        dropped: list[Entry] = []
        shortened: list[Feed] = []
        if pruned and not superseded and (snapshot or entry.seq == 0):
            shortened = self._supersede(feed, entry.seq if snapshot else None, dropped)
        if feed.has_twin(entry.seq):
            self._note_twins(feed)
        if entry.lane == Lane.AUTH:
            self._note_pin(self.body(entry))
        return Addition(superseded, linked, dropped, shortened)

    def _note_pin(self, said: Body | None) -> None:
        if isinstance(said, Pin):
            self.named[said.place.id] = self.named.get(said.place.id, 0) + 1

    def _forget_body(self, entry: Entry) -> None:
        said = self._bodies.pop(entry.id, None)
        if isinstance(said, Pin) and entry.lane == Lane.AUTH:
            self.named[said.place.id] -= 1
            if not self.named[said.place.id]:
                del self.named[said.place.id]

    def _supersede(self, feed: Feed, floor: int | None, dropped: list[Entry]) -> list[Feed]:
        """Take back what the first entry or a snapshot of a pruned feed takes the place of."""
        shortened = [
            lower
            for lower in self.lane(feed.id.author, feed.id.lane)
            if lower.id.inc < feed.id.inc and lower.floor != RETIRED
        ]
        for lower in shortened:
            dropped += self._shorten(lower, RETIRED)
        if floor is not None and floor != feed.floor:
            shortened.append(feed)
            dropped += self._shorten(feed, floor)
        return shortened

    def _shorten(self, feed: Feed, floor: int) -> list[Entry]:
        """Raise the floor of a feed; return what is dropped."""
        before = list(feed.linked())
        gone = feed.raise_floor(floor)
        self._count(before, -1)
        self._count(feed.linked(), 1)
        for entry in gone:
            self._forget_body(entry)
        if len(feed):
            self._note_twins(feed)
        else:
            self._close(feed)
        return gone

    def _open(self, identifier: FeedId) -> Feed:
        feed = self._feeds.get(identifier)
        if feed is None:
            feed = self._feeds[identifier] = Feed(identifier)
            lane = self._lanes.setdefault((identifier.author, identifier.lane), {})
            lane[identifier.inc] = feed
            if identifier.lane in PRUNED_LANES and len(lane) > 1:
                top = self.top(identifier.author, identifier.lane)
                if top is not None and identifier.inc < top.id.inc:
                    feed.floor = RETIRED
        return feed

    def _close(self, feed: Feed) -> None:
        """Forget a feed of which nothing is held."""
        del self._feeds[feed.id]
        lane = self._lanes[feed.id.author, feed.id.lane]
        del lane[feed.id.inc]
        if not lane:
            del self._lanes[feed.id.author, feed.id.lane]
        self._forget_twins(feed)

    def _count(self, linked: Iterable[Entry], sign: int) -> None:
        for entry in linked:
            place = (entry.author, entry.lane)
            entries, size = self._totals.get(place, (0, 0))
            if entries + sign:
                self._totals[place] = Totals(entries + sign, size + sign * entry_size(entry))
            else:
                del self._totals[place]

    def _note_twins(self, feed: Feed) -> None:
        if feed.evidence() is not None:
            self._twinned.setdefault(feed.id.author, {})[feed.id] = None
        else:
            self._forget_twins(feed)

    def _forget_twins(self, feed: Feed) -> None:
        feeds = self._twinned.get(feed.id.author, {})
        feeds.pop(feed.id, None)
        if not feeds:
            self._twinned.pop(feed.id.author, None)

    def replace(self, entry: Entry) -> None:
        """Put another copy in the place of a held one that has the same id."""
        self._feeds[entry.feed].replace(entry)

    def discard(self, entries: Iterable[Entry]) -> None:
        """Forget held entries; their descendants are no longer linked."""
        by_feed: dict[FeedId, list[bytes]] = {}
        self.discards += 1
        for entry in entries:
            by_feed.setdefault(entry.feed, []).append(entry.id)
            self._forget_body(entry)
        for identifier, gone in by_feed.items():
            feed = self._feeds[identifier]
            before = list(feed.linked())
            feed.discard(gone)
            if len(feed):
                self._count(before, -1)
                self._count(feed.linked(), 1)
                self._note_twins(feed)
            else:
                self._count(before, -1)
                self._close(feed)

    def body(self, entry: Entry) -> Body | None:
        """Return what an entry says, None where it folds as nothing. Parsed once."""
        return self.said(entry.id, entry.lane, entry.kind, entry.body)

    def said(self, reference: bytes, lane: int, kind: str, body: Value) -> Body | None:
        """Return what a body says, remembered under a reference that determines it."""
        try:
            return self._bodies[reference]
        except KeyError:
            rule = self._kinds.get((lane, kind))
            parsed = self._bodies[reference] = None if rule is None else rule.parse(body)
            return parsed

    def root_item(self, statement: RootStatement, number: int, item: RootItem) -> Body | None:
        """Return what an item of a root statement says: bodies of the AUTH lane."""
        reference = statement.id + number.to_bytes(4)
        said = self.said(reference, Lane.AUTH, item.kind, cast("Value", item.body))
        self._note_pin(said)
        return said

    def totals(self, author: bytes, lane: int) -> Totals:
        """Return how much of a key's lane is linked."""
        return self._totals.get((author, lane), Totals(0, 0))

    def lane(self, author: bytes, lane: int) -> list[Feed]:
        """Return a key's feeds of one lane, the lowest incarnation first."""
        feeds = self._lanes.get((author, lane))
        if not feeds:
            return []
        return list(feeds.values()) if len(feeds) == 1 else [feeds[inc] for inc in sorted(feeds)]

    def lanes(self) -> Iterator[tuple[bytes, int]]:
        """Yield each (key, lane) of which anything is held, as they came."""
        yield from self._lanes

    def top(self, author: bytes, lane: int) -> Feed | None:
        """Return the highest incarnation that begins of a key's pruned lane."""
        for feed in reversed(self.lane(author, lane)):
            if feed.has_linked:
                return feed
        return None

    def twinned(self, author: bytes) -> list[Feed]:
        """Return a key's feeds that hold evidence, in order."""
        return [self._feeds[identifier] for identifier in sorted(self._twinned.get(author, ()))]

    def judged(self, author: bytes) -> dict[FeedId, Feed]:
        """Return those of the feeds with evidence where it counts: in each lane the lowest.

        Other evidence is held by chance: whether it waits here or was never sent is no property of
        what is kept.
        """
        seen: dict[int, int] = {}
        found: dict[FeedId, Feed] = {}
        for feed in self.twinned(author):
            seen[feed.id.lane] = seen.get(feed.id.lane, 0) + 1
            if seen[feed.id.lane] <= EVIDENCE_FEEDS_MAX:
                found[feed.id] = feed
        return found

    @property
    def has_twins(self) -> bool:
        """Whether any feed holds evidence."""
        return bool(self._twinned)

    def proof(self, feed: FeedId) -> tuple[object, ...]:
        """Return what is held of the forks of a feed; equal as long as it proves the same."""
        held = self._feeds.get(feed)
        return () if held is None else held.proof()

    def is_twinned(self, author: bytes) -> bool:
        """Whether any feed of a key holds evidence."""
        return author in self._twinned

    def missing(
        self, feed: FeedId, seq: int, identifier: bytes
    ) -> tuple[FeedId, int, bytes] | None:
        """Return what has to be had before a named entry is linked, None if nothing can help.

        It is the entry itself or its first missing ancestor, as (feed, seq, id). Where it is
        superseded nobody needs it: there a pin speaks by its place.
        """
        held = self._feeds.get(feed)
        top = self.top(feed.author, feed.lane) if feed.lane in PRUNED_LANES else None
        lower = top is not None and feed.inc < top.id.inc
        if held is None:
            return None if lower else (feed, seq, identifier)
        while (entry := held.get(identifier)) is not None:
            if entry.seq != seq or held.is_linked(entry):
                return None
            seq, identifier = seq - 1, entry.prev
        return None if held.is_below_floor(seq) else (feed, seq, identifier)

    def feeds(self) -> Mapping[FeedId, Feed]:
        """Return all feeds by id, as they came."""
        return self._feeds

    def __iter__(self) -> Iterator[Entry]:
        for feed in self._feeds.values():
            yield from feed
