"""What two peers may share, and how they see what differs: the plain feed-head vector.

`Reach` says which feeds travel between two parties. A `Leaf` names what one holds of a feed: the
ends of its branches *by id*, so that two branches of a fork are seen to differ even when they are
equally long, and its evidence. A lane's digest covers its leaves in order; equal digests end the
matter in a few bytes. Where they differ the leaves are sent page by page, 75 bytes a feed: right up
to some thousand feeds. A Merkle trie over the same leaves can take the place of `lane_digest` and
`page_after` without touching what is asked and answered afterwards. See docs/records.md, "Sync".
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from crdt.entry import Entry, FeedId, Lane
from crdt.replica import Replica
from crdt.standing import Authority
from crdt.sync_messages import (
    DIGEST_SIZE,
    EVIDENCE_MAX,
    HAVE_MAX,
    LEAVES_MAX,
    ROOTS_MAX,
    TIPS_MAX,
    Leaf,
    Page,
    Summary,
    Tip,
)
from identity.domain import digest

__all__ = [
    "LANES_PRUNED",
    "Reach",
    "chain_down",
    "district_of",
    "is_stale",
    "lane_digest",
    "leaf_of",
    "locator",
    "locator_above",
    "page_after",
    "shared_feeds",
    "summarise",
]

SYNC_DIGEST = b"mesh-crdt/sync/v1\0"
"""Domain tag of a lane's digest."""
PAGE_SIZE_MAX = 192 << 10
"""Bytes of leaves after which a page ends."""
LANES_PRUNED = (Lane.STATE, Lane.FLEET)
"""Lanes of which only the highest incarnation, from its last snapshot on, is kept."""
LOCATOR_TIPS_MAX = 4
"""Branches of mine whose ancestors I name when I ask for another branch."""
LOCATOR_STEPS_MAX = 14
"""Ancestors named a branch, at distances 0, 1, 3, 7 …: 2^14 entries back, then the start."""
_LEAF_SIZE = 64
_ID_SIZE = 44
"""Bytes of a leaf without its tips, and of one tip or half a pair, rounded up."""


def district_of(name: str, depth: int) -> str | None:
    """Return the first `depth` segments of a name, or None where it has fewer."""
    segments = name.split("/")
    return "/".join(segments[:depth]) if len(segments) >= depth else None


@dataclass(frozen=True, slots=True)
class Reach:
    """Which feeds travel between me and one peer.

    Attributes:
        lanes: shared lanes, the most urgent first; root and evidence travel with AUTH.
        districts: districts whose STATE is shared: those that both belong to.
    """

    lanes: tuple[Lane, ...]
    districts: tuple[str, ...] = ()

    @classmethod
    def member(cls, districts: Iterable[str] = ()) -> "Reach":
        """Return what a current member sees: AUTH, the STATE of shared districts, FLEET."""
        return cls((Lane.AUTH, Lane.STATE, Lane.FLEET), tuple(sorted(set(districts))))

    @classmethod
    def known(cls) -> "Reach":
        """Return what a known author that is no member sees: root, evidence and AUTH."""
        return cls((Lane.AUTH,))

    @classmethod
    def bootstrap(cls) -> "Reach":
        """Return what a bootstrap peer caches: the entries that certify themselves."""
        return cls((Lane.AUTH,))

    def shares(self, replica: Replica, feed: FeedId) -> bool:
        """Whether a feed may travel, by the authority that `replica` sees now."""
        if feed.lane not in self.lanes:
            return False
        if feed.lane != Lane.STATE:
            return True
        depth = replica.chain.genesis.district_depth
        return any(
            district_of(pair.name, depth) in self.districts
            for pair in replica.authority.pairs_of(feed.author)
        )


def shared_feeds(replica: Replica, reach: Reach, lane: int) -> list[FeedId]:
    """Return the feeds of a lane that travel, ascending."""
    return [feed for feed in replica.feeds() if feed.lane == lane and reach.shares(replica, feed)]


def leaf_of(replica: Replica, feed: FeedId) -> Leaf:
    """Return what `replica` holds of a feed."""
    tips: list[Tip] = []
    for identifier in replica.tips(feed)[:TIPS_MAX]:
        entry = replica.entry(identifier)
        if entry is not None:
            tips.append(Tip(entry.seq, identifier))
    pairs = tuple((a.id, b.id) for a, b in replica.evidence(feed)[:EVIDENCE_MAX])
    return Leaf(feed.author, feed.inc, tuple(tips), pairs)


def lane_digest(replica: Replica, reach: Reach, lane: int) -> bytes:
    """Return the digest of a lane's leaves, and for AUTH of the root chain."""
    parts: list[bytes] = []
    if lane == Lane.AUTH:
        parts.append(replica.chain.number.to_bytes(8) + replica.chain.head)
    for feed in shared_feeds(replica, reach, lane):
        leaf = leaf_of(replica, feed)
        counts = len(leaf.tips).to_bytes(1) + len(leaf.evidence).to_bytes(1)
        parts.append(leaf.author + leaf.inc.to_bytes(6) + counts)
        parts.extend(tip.id for tip in leaf.tips)
        parts.extend(first + second for first, second in leaf.evidence)
    return digest(SYNC_DIGEST, b"".join(parts))[:DIGEST_SIZE]


class _Remembered(NamedTuple):
    """A lane's digest, and the views that it was computed beside."""

    authority: Authority
    status: object
    digest: bytes


def summarise(replica: Replica, reach: Reach) -> Summary:
    """Return the digests of every shared lane.

    A replica gives out the same view objects until what it keeps changes, so a digest holds as long
    as they are the same; most sessions of a fleet at rest cost two look-ups.
    """
    remembered = replica.remembered
    authority = replica.authority
    lanes: list[tuple[int, bytes]] = []
    for lane in sorted(reach.lanes):
        status = replica.status(lane) if lane in LANES_PRUNED else None
        known = remembered.get((reach, lane))
        if (
            not isinstance(known, _Remembered)
            or known.authority is not authority
            or known.status is not status
        ):
            known = _Remembered(authority, status, lane_digest(replica, reach, lane))
            remembered[reach, lane] = known
        lanes.append((int(lane), known.digest))
    return Summary(tuple(lanes))


def page_after(
    replica: Replica, reach: Reach, lane: int, after: tuple[bytes, int] | None
) -> tuple[Page, int]:
    """Return the page of a lane's leaves after (author, inc), and how many feeds that looked at."""
    feeds = shared_feeds(replica, reach, lane)
    keys = [(feed.author, feed.inc) for feed in feeds]
    start = bisect_right(keys, after) if after is not None else 0
    roots: tuple[bytes, ...] = ()
    if lane == Lane.AUTH and after is None:
        roots = tuple(statement.id for statement in replica.chain.statements[:ROOTS_MAX])
    leaves: list[Leaf] = []
    size = _ID_SIZE * len(roots)
    for feed in feeds[start:]:
        if len(leaves) == LEAVES_MAX or size > PAGE_SIZE_MAX:
            break
        leaf = leaf_of(replica, feed)
        leaves.append(leaf)
        size += _LEAF_SIZE + _ID_SIZE * (len(leaf.tips) + 2 * len(leaf.evidence))
    last = start + len(leaves) == len(feeds)
    return Page(int(lane), last, roots, tuple(leaves)), len(feeds)


def is_stale(replica: Replica, feed: FeedId, tip: Tip) -> bool:
    """Whether a tip that I lack is only older than what I kept of a feed that prunes."""
    if feed.lane not in LANES_PRUNED:
        return False
    head = replica.head(feed)
    if head is None:
        return False
    oldest = head
    for oldest in replica.walk(feed, head.id):
        if oldest.seq <= tip.seq:
            return False
    return tip.seq < oldest.seq


def locator(replica: Replica, feed: FeedId) -> Iterator[bytes]:
    """Yield ids of my branches' entries at growing distances from their ends, and their starts."""
    for identifier in replica.tips(feed)[:LOCATOR_TIPS_MAX]:
        wanted, step, last = 0, 0, identifier
        for distance, entry in enumerate(replica.walk(feed, identifier)):
            last = entry.id
            if distance == wanted and step < LOCATOR_STEPS_MAX:
                yield last
                step += 1
                wanted = (1 << step) - 1
        yield last


def locator_above(replica: Replica, feed: FeedId, low: Tip) -> Iterator[bytes]:
    """Yield ids of my branches' entries above one that is common, evenly apart, ends first.

    `locator` leaves gaps as long as what is above them. Where the last common entry lies in one,
    this names what is in it, so that no more of what both hold travels than an answer or a few.
    """
    each = (HAVE_MAX - 1) // LOCATOR_TIPS_MAX
    for identifier in replica.tips(feed)[:LOCATOR_TIPS_MAX]:
        above: list[bytes] = []
        for entry in replica.walk(feed, identifier):
            if entry.seq <= low.seq:
                if entry.id == low.id:
                    yield from above[:: -(-len(above) // each) or 1]
                break
            above.append(entry.id)


def chain_down(
    replica: Replica, tip: Entry, have: frozenset[bytes], steps_max: int
) -> tuple[list[Entry], bool, bool]:
    """Follow the links from `tip` down to an entry of `have`, or to where they end.

    What is kept as evidence alone is a chain of one: neither does what is before it help to prove
    anything, nor is what a snapshot superseded any part of the way to what follows.

    Returns:
        The entries above that point, newest first; whether one of `have` was met; whether the walk
        came to its end within `steps_max` entries.
    """
    chain: list[Entry] = []
    for entry in replica.walk(tip.feed, tip.id):
        if entry.id in have:
            return chain, True, True
        if len(chain) >= steps_max:
            return chain, False, False
        chain.append(entry)
    return chain or [tip], False, True
