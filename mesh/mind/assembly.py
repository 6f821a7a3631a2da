"""Waking a mind from what its store held."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from crdt.entry import Lane
from crdt.folds import ALONE, Folds
from crdt.replica import Replica
from crdt.restore import restore, resume_feed
from crdt.store_records import Loaded
from identity.genesis import Genesis
from identity.keys import SecretKey
from mesh.choreography.event import Verify, verify_event
from mesh.mind.config import MindConfig
from mesh.mind.mind import Mind
from mesh.orchestration.tables import ROLLOUT_KEY_RULES, ROLLOUT_KINDS
from mesh.units import Instant

if TYPE_CHECKING:
    from random import Random

__all__ = ["assemble", "wake_replica"]

_OWN_LANES = (Lane.AUTH, Lane.STATE, Lane.FLEET)


def wake_replica(genesis: Genesis, loaded: Loaded, folds: Folds = ALONE) -> Replica:
    """Return the replica of what a store held."""
    replica = Replica(genesis, ROLLOUT_KEY_RULES, kinds=ROLLOUT_KINDS, folds=folds)
    restore(replica, loaded)
    replica.drain_new()
    return replica


def assemble(
    config: MindConfig,
    *,
    secret: SecretKey,
    genesis: Genesis,
    loaded: Loaded,
    boot: int,
    rng: "Random",
    now: Instant,
    wake: Callable[[Genesis, Loaded], Replica] = wake_replica,
    verify: Verify = verify_event,
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
        wake: makes the replica; a simulator has many that wake from the same facts.
        verify: checks the signature of an event; a simulator has many that hear the same ones.
    """
    replica = wake(genesis, loaded)
    feeds = {
        lane: resume_feed(secret, replica, loaded, lane, started_ns=now.mono_ns)
        for lane in _OWN_LANES
    }
    boot_id = boot.to_bytes(4) + rng.getrandbits(32).to_bytes(4)
    return Mind(
        config,
        secret=secret,
        replica=replica,
        feeds=feeds,
        memory=loaded.memory,
        boot=boot_id,
        rng=rng,
        now=now,
        verify=verify,
    )
