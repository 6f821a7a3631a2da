"""What cuts, pins, evidence and limits leave of a key's entries, for one of its pairs.

A *cut* is a map from (lane, inc) to the items (seq, id) that give it; a revocation has one item a
place, the highest grants that replace a key may have several. What a place covers is the
ancestors-or-self of its longest item; of items on two branches, their common part; of one whose id
is not held there, nothing.

Evidence in a feed *waits* until a cut or a pin decides. A pin decides by what descends from its
entry; in a lane that prunes, where that may be gone, it also decides by its place, held or not.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from crdt.entry import Entry, FeedId, Lane
from identity.capability import Capability

from .held import PRUNED, Held

ISSUING = ("grant", "revoke", "approve", "rollout", "witness", "agree")
ENTRIES_MAX, ENTRIES_MAX_ISSUER = 64, 65_536
BYTES_MAX, BYTES_MAX_ISSUER = 64 << 10, 64 << 20
INCARNATIONS_MAX = 64

Ids = frozenset[bytes]


@dataclass(frozen=True)
class Decisions:
    """What is left of a key's entries for one pair.

    Attributes:
        surviving: AUTH entries that every cut covers, no evidence voids, within the limits.
        void: entries of any lane that evidence voids.
        undecided: whether evidence in some feed of the key waits for a cut or a pin.
    """

    surviving: Ids
    void: Ids
    undecided: bool

    @staticmethod
    def nothing() -> "Decisions":
        """Return the decisions of a pair that writes no feed."""
        return Decisions(frozenset(), frozenset(), undecided=False)


def decide(
    held: Held,
    key: bytes,
    capabilities: Iterable[Capability],
    *,
    cuts: list[dict],
    pins: list[tuple[int, dict]],
) -> Decisions:
    """Judge every entry of a key for one of its pairs."""
    entries = held.of(key)
    covered = [covered_by_cut(held, key, cut) for cut in cuts]
    pinned = {
        feed: entry
        for feed in {entry.feed for entry in entries}
        if (entry := pinned_in(held, feed, pins)) is not None
    }
    exempt = frozenset().union(*covered, *(exempt_by_pin(held, pin) for pin in pinned.values()))
    void = frozenset(
        entry.id
        for entry in entries
        for seq in held.forks.get(entry.feed, ())
        if held.floors[entry.feed] <= seq and entry.id not in exempt
        if seq <= entry.seq or entry.lane in PRUNED
    )
    always = frozenset().union(*covered, *(held.ancestry[pin.id] for pin in pinned.values()))
    linked = [entry for entry in entries if entry.lane == Lane.AUTH and entry.id in held.linked]
    run = within_limits(linked, always, capabilities)
    return Decisions(
        surviving=frozenset(
            entry.id
            for entry in linked
            if all(entry.id in part for part in covered)
            and entry.id not in void
            and entry.id in always | run
        ),
        void=void,
        undecided=any(
            not cuts
            and (feed not in pinned or bool(held.forks_above(pinned[feed])))
            and not settled_by_place(feed, max(seqs), pins)
            for feed, seqs in held.forks.items()
            if feed.author == key
        ),
    )


def settled_by_place(feed: FeedId, last: int, pins: list[tuple[int, dict]]) -> bool:
    """Whether the last fork of a feed that prunes stands at or below the place of any pin."""
    return feed.lane in PRUNED and any(
        (pin["pk"], pin["lane"], pin["inc"]) == feed and last <= pin["seq"] for _, pin in pins
    )


def covered_by_cut(held: Held, key: bytes, cut: dict) -> Ids:
    """Return the ids that a cut covers."""
    return frozenset().union(
        *(covered_at(held, FeedId(key, lane, inc), items) for (lane, inc), items in cut.items())
    )


def covered_at(held: Held, feed: FeedId, items: list[tuple[int, bytes]]) -> Ids:
    """Return the ids that the items of one place cover: the longest, or the common part."""
    parts = {
        held.ancestry[entry.id]
        for seq, id_ in items
        if (entry := held.at(*feed, seq, id_)) is not None
    }
    longest = [part for part in parts if not any(part < other for other in parts)]
    return frozenset.intersection(*longest) if longest else frozenset()


def pinned_in(held: Held, feed: FeedId, pins: list[tuple[int, dict]]) -> Entry | None:
    """Return the entry at which a feed is pinned, if its pins decide anything.

    From the most senior stratum down: a junior's pin counts iff it descends from every senior's;
    pins of one stratum that are not on one line decide nothing, and then no junior's does. One that
    is on a line with each of them is none of those.
    """
    line: Entry | None = None
    for stratum in range(8):
        said = {
            entry
            for author, pin in pins
            if author == stratum
            and (entry := held.at(pin["pk"], pin["lane"], pin["inc"], pin["seq"], pin["id"]))
            and entry.feed == feed
            and (line is None or line.id in held.ancestry[entry.id])
        }
        agreed = {
            one
            for one in said
            if all(
                one.id in held.ancestry[other.id] or other.id in held.ancestry[one.id]
                for other in said
            )
        }
        line = max(agreed, key=lambda entry: entry.seq, default=line)
        if agreed != said:
            return line
    return line


def exempt_by_pin(held: Held, pin: Entry) -> Ids:
    """Return what evidence does not touch: ancestors, itself, descendants up to a fork above."""
    fork = min(held.forks_above(pin), default=2**40)
    return held.ancestry[pin.id] | {entry.id for entry in held.descendants(pin) if entry.seq < fork}


def within_limits(linked: list[Entry], always: Ids, capabilities: Iterable[Capability]) -> Ids:
    """Return the longest run, from the start, of the entries that nothing exempts from limits."""
    issuer = any(capability.verb in ISSUING for capability in capabilities)
    entries_max = ENTRIES_MAX_ISSUER if issuer else ENTRIES_MAX
    bytes_max = BYTES_MAX_ISSUER if issuer else BYTES_MAX
    lowest = sorted({entry.inc for entry in linked})[:INCARNATIONS_MAX]
    rest = sorted(
        (entry for entry in linked if entry.id not in always and entry.inc in lowest),
        key=lambda entry: (entry.inc, entry.seq, entry.id),
    )
    return frozenset(
        entry.id
        for count, entry in enumerate(rest, start=1)
        if count <= entries_max and sum(len(earlier.wire) for earlier in rest[:count]) <= bytes_max
    )
