"""The replica's laws: order, duplicates, interleaved reads and what is exchanged change no view."""

from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from crdt.entry import Lane
from crdt.replica import Offer, Replica
from tests.laws.deeds import Deed, World
from tests.laws.scripts import Script
from tests.laws.strategies import worlds

from .worlds import LINES, Line, batch_views, converge, offer_all, perform, replica_of, views

RANDOMS = st.randoms(use_true_random=False)


def shuffled(random: Random, entries: list) -> list:
    again = [*entries, *entries[::3]]
    random.shuffle(again)
    return again


@given(worlds(deeds_max=24), RANDOMS)
def test_the_order_of_arrival_changes_no_view(world: World, random: Random) -> None:
    one = offer_all(replica_of(world.fleet), shuffled(random, world.entries))
    other = offer_all(replica_of(world.fleet), shuffled(random, world.entries))
    converge(one, other)
    assert views(one) == views(other) == batch_views(world.fleet, one.entries())
    assert one.authority.digest == other.authority.digest


@given(worlds(deeds_max=24), RANDOMS)
def test_where_nothing_is_pruned_the_order_alone_is_enough(world: World, random: Random) -> None:
    entries = [entry for entry in world.entries if entry.kind != "snap" and entry.lane == Lane.AUTH]
    one = offer_all(replica_of(world.fleet), shuffled(random, entries))
    other = offer_all(replica_of(world.fleet), shuffled(random, entries))
    assert views(one) == views(other) == batch_views(world.fleet, entries)
    assert set(one.entries()) == set(other.entries())


@given(worlds(deeds_max=16), RANDOMS)
@settings(max_examples=30)
def test_incremental_views_are_batch_views(world: World, random: Random) -> None:
    replica = replica_of(world.fleet)
    for entry in shuffled(random, world.entries):
        replica.offer(entry)
        if random.random() < 0.5:
            assert views(replica) == batch_views(world.fleet, replica.entries())


@given(worlds(deeds_max=24), RANDOMS)
def test_what_is_kept_is_all_that_another_needs(world: World, random: Random) -> None:
    one = offer_all(replica_of(world.fleet), shuffled(random, world.entries))
    other = offer_all(replica_of(world.fleet), shuffled(random, list(one.entries())))
    converge(one, other)
    assert views(one) == views(other)
    assert one.feeds() == other.feeds()
    for feed in one.feeds():
        assert one.tips(feed) == other.tips(feed)
        assert one.evidence(feed) == other.evidence(feed)


@given(st.lists(LINES, max_size=24), RANDOMS)
def test_forks_snapshots_and_pins_in_any_order(lines: list[Line], random: Random) -> None:
    fleet = perform(lines)
    one = offer_all(replica_of(fleet), shuffled(random, fleet.entries))
    other = offer_all(replica_of(fleet), shuffled(random, fleet.entries))
    converge(one, other)
    assert views(one) == views(other) == batch_views(fleet, one.entries())
    for feed in one.feeds():
        assert one.tips(feed) == other.tips(feed)
        assert one.evidence(feed) == other.evidence(feed)


@given(st.lists(LINES, max_size=16), RANDOMS)
@settings(max_examples=40)
def test_reads_between_offers_are_exact(lines: list[Line], random: Random) -> None:
    fleet = perform(lines)
    replica = replica_of(fleet)
    for entry in shuffled(random, fleet.entries):
        replica.offer(entry)
        assert views(replica) == batch_views(fleet, replica.entries())


@given(st.lists(LINES, max_size=20), RANDOMS)
def test_what_is_drained_restores_the_replica(lines: list[Line], random: Random) -> None:
    fleet = perform(lines)
    replica = replica_of(fleet)
    stored: dict[bytes, object] = {}
    for entry in shuffled(random, fleet.entries):
        replica.offer(entry)
        if random.random() < 0.3:
            drain(replica, stored)
    offer_all(replica, fleet.entries)
    drain(replica, stored)
    assert set(stored) == {entry.id for entry in replica.entries()}
    restored = offer_all(replica_of(fleet), stored.values())
    converge(restored, replica)
    assert views(restored) == views(replica)


def drain(replica: Replica, stored: dict) -> None:
    for entry in replica.drain_dropped():
        del stored[entry.id]
    for entry in replica.drain_new():
        stored[entry.id] = entry
    assert replica.drain_new() == replica.drain_dropped() == []


OLD_FORKS = ["grant", "grant", "pin and prune", "pin and prune"]


@given(worlds(deeds_max=16), RANDOMS)
@example(Script(5, [Deed(what, 0, 0, 0, 0, 0, 0) for what in OLD_FORKS]).perform(), Random(1))
@settings(max_examples=30)
def test_an_offer_that_stores_nothing_changes_nothing(world: World, random: Random) -> None:
    replica = offer_all(replica_of(world.fleet), world.entries)
    before = views(replica)
    held = {entry.id for entry in replica.entries()}
    for entry in shuffled(random, world.entries):
        offer = replica.offer(entry)
        assert offer is not Offer.STORED
        assert offer is not Offer.ORPHAN
        assert (offer is Offer.KNOWN) == (entry.id in held) or replica.entry(entry.id) is None
    after = (replica.authority, replica.registers)
    assert after[0] is before[0]
    assert replica.status(Lane.STATE) == before[2]
