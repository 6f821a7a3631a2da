"""From what a store held to a replica and own feeds that go on where they stopped.

A replica takes entries of known authors only, and an author becomes known through entries of
others; a store returns them in another order. So what is refused for want of an author is offered
again whenever the replica has grown, until nothing moves.
"""

from collections.abc import Iterable

from crdt.entry import Entry, FeedId, Lane
from crdt.own import OwnFeed
from crdt.replica import Offer, Replica
from crdt.store_records import Loaded
from identity.keys import SecretKey

__all__ = ["offer_all", "restore", "resume_feed"]


def offer_all(replica: Replica, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Offer entries, in whatever order their authors become known.

    Args:
        replica: to offer to.
        entries: each with a checked signature.

    Returns:
        Those whose author is still not known.
    """
    waiting: dict[bytes, list[Entry]] = {}
    for entry in entries:
        if replica.offer(entry) is Offer.UNKNOWN_AUTHOR:
            waiting.setdefault(entry.author, []).append(entry)
    while ready := [author for author in waiting if replica.is_known_author(author)]:
        for author in ready:
            for entry in waiting.pop(author):
                replica.offer(entry)
    return tuple(entry for held in waiting.values() for entry in held)


def restore(replica: Replica, loaded: Loaded) -> tuple[Entry, ...]:
    """Put what a store held into a new replica.

    Returns:
        Entries whose author is not known any more; the caller may delete them.
    """
    for statement in loaded.roots:
        replica.offer_root(statement)
    evidence = [entry for pair in loaded.evidence for entry in pair]
    return offer_all(replica, [*loaded.entries, *evidence])


def resume_feed(
    key: SecretKey, replica: Replica, loaded: Loaded, lane: Lane, *, started_ns: int
) -> OwnFeed:
    """Return the own feed of a lane as the disk left it.

    It goes on from the end of the incarnation that this disk wrote last, which may be an entry that
    was adopted from a peer; where that feed is forked, or nothing of it is left, a new incarnation
    will be opened.
    """
    own = loaded.own.get(lane)
    feeds = [feed for feed in replica.feeds_of(key.public) if feed.lane == lane]
    incarnations = [feed.inc for feed in feeds] + ([] if own is None else [own.inc])
    feed = None if own is None else FeedId(key.public, lane, own.inc)
    return OwnFeed(
        key,
        replica.chain.genesis.ns,
        lane,
        head=None if feed is None else replica.head(feed),
        incarnations=incarnations,
        started_ns=started_ns,
        is_forked=feed is not None and bool(replica.evidence(feed)),
    )
