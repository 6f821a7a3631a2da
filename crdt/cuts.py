"""Cuts: how far the feeds of a revoked or replaced key still count.

A cut names one entry for each (lane, inc) that it keeps. What it covers are that entry and its
ancestors, nothing else: neither a concurrent branch, nor an unlisted incarnation, nor what a thief
back-dates, for that would need a hash collision. Cuts intersect. An entry that is named and not
held at that place covers nothing yet, and is wanted. See docs/records.md, "Authority is a
stratified fold", 3 and 4.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from crdt.bodies import Cut, Place
from crdt.entry import Entry, FeedId
from crdt.feed import Feed, Line
from crdt.index import EntryIndex

__all__ = ["EffectiveCut", "join_cuts", "resolve_cut"]


@dataclass(frozen=True, slots=True)
class EffectiveCut:
    """A cut, read against the entries held.

    Attributes:
        lines: what it covers of each (lane, inc); None where the entry named is not held.
        named: the places that it was made from.
    """

    lines: Mapping[tuple[int, int], Line | None]
    named: Cut

    def covers(self, entry: Entry) -> bool:
        """Whether a linked entry of the key lies within the cut."""
        line = self.lines.get((entry.lane, entry.inc))
        return line is not None and line.holds(entry)


def resolve_cut(index: EntryIndex, key: bytes, cut: Cut) -> EffectiveCut:
    """Return what one cut of a key's feeds covers."""
    return join_cuts(index, key, (cut,))


def join_cuts(index: EntryIndex, key: bytes, cuts: Iterable[Cut]) -> EffectiveCut:
    """Return the cut that grants of one epoch give together.

    Item by item it is the longest, of items on two branches their common part; a (lane, inc) that
    only some list is taken as they list it.
    """
    items: dict[tuple[int, int], dict[Place, None]] = {}
    for cut in cuts:
        for place in cut:
            items.setdefault(place[:2], {})[place] = None
    lines: dict[tuple[int, int], Line | None] = {}
    for lane_inc, places in items.items():
        feed = index.feed(FeedId(key, *lane_inc))
        lines[lane_inc] = None if feed is None else _longest(feed, places)
    return EffectiveCut(lines, tuple(place for places in items.values() for place in places))


def _longest(feed: Feed, places: Iterable[Place]) -> Line | None:
    tips = [feed.linked_at(place.seq, place.id) for place in places]
    lines = [feed.line(tip) for tip in tips if tip is not None]
    if not lines:
        return None
    ends = [a.tip for a in lines if not any(b.tip != a.tip and b.holds(a.tip) for b in lines)]
    common: Entry | None = ends[0]
    for end in ends[1:]:
        if common is not None:
            common = feed.meet(common, end)
    return None if common is None else feed.line(common)
