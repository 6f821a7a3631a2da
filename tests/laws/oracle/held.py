"""What follows from the ids of a set of entries alone: ancestry, links, forks.

An entry is an *ancestor-or-self* of another if walking `prev` from the other, through entries that
are held, in one feed, one seq at a time, meets it. It is *linked* if that walk ends at seq 0, or,
in a lane that prunes, at a snapshot. A *fork* is a feed and a seq at which two ids are held, linked
or not: whoever holds both holds the evidence. An unlinked entry is evidence or nothing.

A lane that prunes has *floors*: of the highest incarnation that begins the seq of its last
snapshot, of the lower ones infinity. What stands below a floor is superseded: it is evidence or
nothing, and no walk goes through it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from crdt.entry import Entry, FeedId, Lane
from identity.genesis import Genesis

from . import bodies

PRUNED = (Lane.STATE, Lane.FLEET)


@dataclass(frozen=True)
class Held:
    """A set of entries with its ancestry.

    Attributes:
        entries: by id.
        ancestry: an id, its ancestors-or-self.
        linked: the ids of linked entries.
        forks: a feed, each seq at which it holds two entries.
        floors: a feed, the seq below which it is superseded.
    """

    entries: dict[bytes, Entry]
    ancestry: dict[bytes, frozenset[bytes]]
    linked: frozenset[bytes]
    forks: dict[FeedId, frozenset[int]]
    floors: dict[FeedId, float]

    def of(self, key: bytes) -> list[Entry]:
        """Return every entry of a key."""
        return [entry for entry in self.entries.values() if entry.author == key]

    def at(self, key: bytes, lane: int, inc: int, seq: int, name: bytes) -> Entry | None:
        """Return the linked entry with an id, if it is held at that place and at no other."""
        entry = self.entries.get(name)
        if entry is None or (entry.feed, entry.seq) != (FeedId(key, lane, inc), seq):
            return None
        return entry if entry.id in self.linked else None

    def descendants(self, entry: Entry) -> list[Entry]:
        """Return the entries that have `entry` as a proper ancestor."""
        return [
            other
            for other in self.entries.values()
            if entry.id in self.ancestry[other.id] and other.id != entry.id
        ]

    def forks_above(self, entry: Entry) -> frozenset[int]:
        """Return each seq at which two descendants of `entry` are held."""
        seqs = [other.seq for other in self.descendants(entry)]
        return frozenset(seq for seq in seqs if seqs.count(seq) > 1)


def hold(genesis: Genesis, entries: Iterable[Entry]) -> Held:
    """Return the entries of this fleet with what follows from their ids."""
    held = {entry.id: entry for entry in entries if entry.ns == genesis.ns}
    floors = {entry.feed: floor(entry.feed, held.values()) for entry in held.values()}
    ancestry: dict[bytes, frozenset[bytes]] = {}
    linked: set[bytes] = set()
    for entry in sorted(held.values(), key=lambda entry: entry.seq):  # a parent before its child
        parent = held.get(entry.prev)
        if parent is not None and (parent.feed, parent.seq) != (entry.feed, entry.seq - 1):
            parent = None
        if parent is not None and parent.seq < floors[entry.feed]:
            parent = None
        ancestry[entry.id] = frozenset({entry.id}) | (ancestry[parent.id] if parent else set())
        begins = entry.seq == 0 or begins_feed(entry) or (parent and parent.id in linked)
        if begins and entry.seq >= floors[entry.feed]:
            linked.add(entry.id)
    count = Counter((entry.feed, entry.seq) for entry in held.values())
    twice = {place for place, ids in count.items() if ids > 1}
    forks = {feed: frozenset(seq for other, seq in twice if other == feed) for feed, _ in twice}
    return Held(held, ancestry, frozenset(linked), forks, floors)


def floor(feed: FeedId, entries: Iterable[Entry]) -> float:
    """Return the seq below which a feed is superseded."""
    if feed.lane not in PRUNED:
        return 0
    lane = [entry for entry in entries if (entry.author, entry.lane) == (feed.author, feed.lane)]
    if any(entry.inc > feed.inc and (entry.seq == 0 or begins_feed(entry)) for entry in lane):
        return inf
    snaps = [entry.seq for entry in lane if entry.inc == feed.inc and begins_feed(entry)]
    return max(snaps, default=0)


def begins_feed(entry: Entry) -> bool:
    """Whether an entry is a snapshot, before which nothing of its feed is read."""
    return entry.lane in PRUNED and entry.kind == "snap" and bodies.snap(entry.body) is not None
