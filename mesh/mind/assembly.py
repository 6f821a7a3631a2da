"""Waking a mind from what its store held."""

from typing import TYPE_CHECKING

from crdt.entry import FeedId, Lane
from crdt.own import OwnFeed
from crdt.replica import Replica
from crdt.store_records import Loaded
from identity.genesis import Genesis
from identity.keys import SecretKey
from mesh.mind.mind import Mind, MindConfig
from mesh.units import Instant

if TYPE_CHECKING:
    from random import Random

__all__ = ["assemble"]

_OWN_LANES = (Lane.AUTH, Lane.STATE, Lane.FLEET)


def assemble(
    config: MindConfig,
    *,
    secret: SecretKey,
    genesis: Genesis,
    loaded: Loaded,
    boot: int,
    rng: "Random",
    now: Instant,
) -> Mind:
    """Return the mind of a node that starts.

    Args:
        config: what the node is told about itself.
        secret: its key.
        genesis: its fleet.
        loaded: what its store holds; signatures were checked before it was stored.
        boot: number of this start, durable already.
        rng: source of every random choice; 32 bits of it become part of the boot id.
        now: when it starts.
    """
    replica = Replica(genesis)
    for statement in loaded.roots:
        replica.offer_root(statement)
    for entry in loaded.entries:
        replica.offer(entry)
    for pair in loaded.evidence:
        for entry in pair:
            replica.offer(entry)
    replica.drain_new()
    feeds = {lane: _feed(secret, replica, loaded, lane, now) for lane in _OWN_LANES}
    boot_id = boot.to_bytes(4) + rng.getrandbits(32).to_bytes(4)
    return Mind(
        config, secret=secret, replica=replica, feeds=feeds, boot=boot_id, rng=rng, now=now
    )


def _feed(
    secret: SecretKey, replica: Replica, loaded: Loaded, lane: Lane, now: Instant
) -> OwnFeed:
    """Return the own feed of a lane, as the disk left it."""
    mine = [feed for feed in replica.feeds() if feed[:2] == (secret.public, lane)]
    own = loaded.own.get(lane)
    head = None if own is None else replica.entry(own.id)
    feed = None if own is None else FeedId(secret.public, lane, own.inc)
    return OwnFeed(
        secret,
        replica.chain.genesis.ns,
        lane,
        head=head,
        incarnations=[feed.inc for feed in mine],
        started_ns=now.mono_ns,
        is_forked=feed is not None and bool(replica.evidence(feed)),
    )
