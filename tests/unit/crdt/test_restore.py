"""A box boots from its store as if it had never stopped."""

from pathlib import Path

import pytest

from crdt.entry import Lane
from crdt.replica import Replica
from crdt.restore import offer_all, restore, resume_feed
from crdt.store import Batch, Store
from tests.laws.conversing import assert_agree, replica_of
from tests.laws.writing import Fleet, box_of, grant, key_of, put, steward_of, two_banks

LATE = 10**12


@pytest.fixture
def fleet() -> Fleet:
    """Return a fleet with chains of grants through many keys, which sort in any order."""
    fleet = two_banks()
    for number in range(6):
        issuer, name = f"steward-{number}", f"city/{number}"
        granted = [entry for entry in fleet.entries if entry.author == key_of("bank-a").public]
        said = grant(issuer, name, 2, 1, steward_of(name))
        fleet.write("bank-a", said, after=granted[-1] if granted else None)
        fleet.write(issuer, grant(f"box-{number}", f"{name}/0", 3, 1, box_of(f"{name}/0")))
        for lane in (Lane.STATE, Lane.FLEET):
            fleet.write(f"box-{number}", ("status", {"topic": "a", "value": 1}), lane=lane)
    return fleet


def test_a_store_is_restored_whatever_the_order_of_keys(fleet: Fleet, tmp_path: Path) -> None:
    before = replica_of(fleet, fleet.entries)
    with Store(tmp_path / "facts.db", fleet.genesis.ns) as store:
        store.append(Batch(entries=tuple(before.entries()), roots=tuple(fleet.statements)))
        loaded = store.load()
    after = Replica(fleet.genesis)
    assert restore(after, loaded) == ()
    assert_agree(before, after)


def test_entries_of_nobody_are_returned(fleet: Fleet) -> None:
    stranger = fleet.write("stranger", put("city/0/plan", 1))
    assert offer_all(replica_of(fleet, ()), fleet.entries) == (stranger,)


def test_the_own_feed_goes_on_from_what_was_adopted(fleet: Fleet, tmp_path: Path) -> None:
    """A peer brought back what a restored disk had lost; the row of own heads still says less."""
    written = fleet.write_all("box-0", [put("city/0/0/x", number) for number in range(3)])
    fleet.entries = [entry for entry in fleet.entries if entry not in written]
    with Store(tmp_path / "facts.db", fleet.genesis.ns) as store:
        store.append(Batch(own=tuple(written[:1]), roots=tuple(fleet.statements)))
        store.append(Batch(entries=(*fleet.entries, *written[1:])))
        loaded = store.load()
    replica = Replica(fleet.genesis)
    restore(replica, loaded)
    feed = resume_feed(key_of("box-0"), replica, loaded, Lane.AUTH, started_ns=0)
    following = feed.append("x", {}, t=1, now_ns=LATE, random_16=1)
    assert following.entry.prev == written[2].id
    fresh = resume_feed(key_of("box-1"), replica, loaded, Lane.AUTH, started_ns=0)
    assert fresh.append("x", {}, t=1, now_ns=LATE, random_16=1).entry.seq == 0


def test_a_forked_own_feed_is_left(fleet: Fleet, tmp_path: Path) -> None:
    one, other = (fleet.write("box-0", put("city/0/0/x", number), inc=3) for number in range(2))
    with Store(tmp_path / "facts.db", fleet.genesis.ns) as store:
        store.append(Batch(own=(one,), entries=(other,), roots=tuple(fleet.statements)))
        store.append(Batch(entries=tuple(fleet.entries)))
        loaded = store.load()
    replica = Replica(fleet.genesis)
    restore(replica, loaded)
    feed = resume_feed(key_of("box-0"), replica, loaded, Lane.AUTH, started_ns=0)
    assert feed.append("x", {}, t=1, now_ns=LATE, random_16=1).entry.inc == 1 << 16 | 1
