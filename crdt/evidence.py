"""Equivocation: what two entries of one seq prove, and what a senior's pin settles.

Two valid entries of one feed and one seq with different ids prove that their author, or whoever
else holds its key, wrote two histories. Until a senior decides, nothing of that feed from that seq
on counts. A pin names an entry of the branch that seniors hold to be true. It only exempts from
evidence: the entry's ancestors, the entry, and its descendants up to the next fork above it. Where
lanes prune, a pin also ends the quarantine for all evidence at or below the seq that it names; that
is read from its place and needs no entry here.
See docs/records.md, "Authority is a stratified fold", 5.
"""

from collections.abc import Iterable
from typing import NamedTuple

from crdt.entry import Entry
from crdt.feed import Feed, Line

__all__ = ["PinRuling", "effective_pin", "rule_on_pins"]


class PinRuling(NamedTuple):
    """The pin that counts for one feed.

    Attributes:
        pinned: the entry that it names.
        named: that entry and its ancestors: they count whatever the limits.
        exempt: `named`, and the descendants up to a fork: evidence does not touch them.
        fork: the entries of that next fork, by id; empty where there is none, and then the feed is
            decided.
    """

    pinned: Entry
    named: Line
    exempt: Line
    fork: tuple[Entry, ...]


def rule_on_pins(feed: Feed, pins: Iterable[tuple[int, Entry]]) -> PinRuling | None:
    """Return what pins of linked entries of one feed, each with its stratum, settle."""
    pinned = effective_pin(feed, pins)
    if pinned is None:
        return None
    last, fork = feed.growth(pinned)
    return PinRuling(pinned, feed.line(pinned), feed.line(last), fork)


def effective_pin(feed: Feed, pins: Iterable[tuple[int, Entry]]) -> Entry | None:
    """Return the pinned entry that counts, or None.

    Seniors go first. A junior's pin counts iff it descends from every senior's that counts. Pins of
    one stratum of which neither is an ancestor of the other decide nothing, and after them no
    junior's does. Of a line the highest counts.
    """
    strata: dict[int, dict[Entry, Line]] = {}
    for stratum, entry in pins:
        strata.setdefault(stratum, {})[entry] = feed.line(entry)
    highest: Entry | None = None
    for stratum in sorted(strata):
        lines = [
            line for line in strata[stratum].values() if highest is None or line.holds(highest)
        ]
        agreed = [a for a in lines if all(a.holds(b.tip) or b.holds(a.tip) for b in lines)]
        if agreed:
            highest = max(agreed, key=lambda line: line.tip.seq).tip
        if len(agreed) < len(lines):
            break
    return highest
