"""Replicas that share memory decide as if each were alone."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.entry import Lane
from crdt.folds import FOLDED_MAX, SharedFolds
from crdt.replica import Offer, Replica
from identity.genesis import RootVerdict
from tests.laws.deeds import World
from tests.laws.strategies import worlds
from tests.laws.writing import Fleet, capability, put, revoke

from .worlds import (
    LINES,
    Line,
    batch_views,
    offer_all,
    one_box,
    perform,
    replica_of,
    tiny_limits,
    views,
)

RANDOMS = st.randoms(use_true_random=False)


def drained(replica: Replica) -> Replica:
    replica.drain_new()
    replica.drain_dropped()
    return replica


def sharing(fleet: Fleet, folds: SharedFolds) -> Replica:
    replica = Replica(fleet.genesis, folds=folds)
    for statement in fleet.statements:
        assert replica.offer_root(statement) is RootVerdict.ACCEPTED
    return replica


@given(worlds(deeds_max=20), RANDOMS)
@settings(max_examples=60)
def test_a_twin_and_its_original_go_ways_of_their_own(world: World, random: Random) -> None:
    entries = [*world.entries]
    random.shuffle(entries)
    half = len(entries) // 2
    one = drained(offer_all(replica_of(world.fleet), entries[:half]))
    held, shown = list(one.entries()), views(one)
    twin, alone = one.twin(), offer_all(replica_of(world.fleet), entries[:half])
    assert views(twin) == shown
    offer_all(twin, entries[half:])
    assert list(one.entries()) == held
    assert views(one) == shown
    offer_all(alone, entries[half:])
    offer_all(one, entries[half:])
    assert views(twin) == views(one) == views(alone)
    assert list(twin.entries()) == list(one.entries()) == list(alone.entries())
    assert len(twin.feeds()) == len(alone.feeds())


@given(st.lists(LINES, max_size=16), RANDOMS)
@settings(max_examples=60)
def test_whoever_changes_first_takes_nothing_from_the_other(
    lines: list[Line], random: Random
) -> None:
    fleet = perform(lines)
    entries = [*fleet.entries]
    random.shuffle(entries)
    half = len(entries) // 2
    one = drained(offer_all(replica_of(fleet), entries[:half]))
    twin = one.twin()
    shown = views(twin)
    offer_all(one, entries[half:])
    assert views(twin) == shown == batch_views(fleet, twin.entries())
    assert not twin.has_news
    assert twin.drain_new() == twin.drain_dropped() == []


@given(worlds(deeds_max=16), RANDOMS)
@settings(max_examples=15)
def test_shared_folds_are_the_folds_of_each(world: World, random: Random) -> None:
    folds = SharedFolds()
    crowd = [sharing(world.fleet, folds) for _ in range(3)]
    for replica in crowd:
        entries = [*world.entries]
        random.shuffle(entries)
        for entry in entries[: random.randrange(len(entries) + 1)]:
            replica.offer(entry)
            if random.random() < 0.3:
                assert views(replica) == batch_views(world.fleet, replica.entries())
    for replica in crowd:
        assert views(replica) == batch_views(world.fleet, replica.entries())


@given(st.lists(LINES, max_size=12), RANDOMS)
@settings(max_examples=40)
def test_shared_folds_tell_forks_and_pins_apart(lines: list[Line], random: Random) -> None:
    fleet, folds = perform(lines), SharedFolds()
    for _ in range(3):
        replica, entries = sharing(fleet, folds), [*fleet.entries]
        random.shuffle(entries)
        for entry in entries:
            replica.offer(entry)
            assert views(replica) == batch_views(fleet, replica.entries())


def test_equal_contents_are_folded_once_and_others_anew() -> None:
    fleet, folds = one_box(), SharedFolds()
    crowd = [sharing(fleet, folds) for _ in range(2)]
    for replica in crowd:
        offer_all(replica, fleet.entries)
    one, other = crowd
    assert one.authority is other.authority
    assert one.registers is other.registers
    fleet.write("box", ("status", {"topic": "a", "value": 1}), lane=Lane.STATE)
    assert one.offer(fleet.entries[-1]) is Offer.STORED
    assert one.authority is other.authority
    assert one.status(Lane.STATE) != other.status(Lane.STATE)
    fleet.write("bank", revoke("box", "city/n/0", []), after=fleet.entries[0])
    assert other.offer(fleet.entries[-1]) is Offer.STORED
    assert one.authority is not other.authority
    assert views(one) != views(other)


def test_only_so_many_views_are_remembered() -> None:
    folds, asked = SharedFolds(), list[int]()
    keys = [object() for _ in range(FOLDED_MAX + 1)]
    for number, key in enumerate(keys):
        folds.once("view", (key,), lambda number=number: asked.append(number))
    folds.once("view", (keys[-1],), lambda: asked.append(-1))
    folds.once("view", (keys[0],), lambda: asked.append(-2))
    assert asked == [*range(FOLDED_MAX + 1), -2]


def test_many_views_of_one_sort_push_out_none_of_another() -> None:
    folds, asked = SharedFolds(), list[str]()
    one = object()
    folds.once("layout", (one,), lambda: asked.append("layout"))
    for _ in range(2 * FOLDED_MAX):
        folds.once("said", (object(),), lambda: None)
    folds.once("layout", (one,), lambda: asked.append("layout again"))
    assert asked == ["layout"]


def test_a_twin_counts_what_its_original_wrote_no_more() -> None:
    with tiny_limits():
        fleet = one_box([capability("put", "city/n/0")])
        last = None
        for number in range(3):
            last = fleet.write("box", put("city/n/0/x", number), after=last)
        one = drained(offer_all(replica_of(fleet), fleet.entries))
        twin, shown = one.twin(), views(one)
        offer_all(one, [fleet.write("box", put("city/n/0/x", 9), after=last)])
        offer_all(twin, [fleet.write("bank", put("city/y", 1), after=fleet.entries[0])])
        assert views(twin)[0].surviving.keys() > shown[0].surviving.keys()
        assert views(twin) == views(offer_all(replica_of(fleet), twin.entries()))
        assert (one.statistics().kept, twin.statistics().kept) == (4, 5)
