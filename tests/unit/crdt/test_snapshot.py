"""Status: what keys state about themselves, from their last snapshot, while they are current."""

import pytest

from crdt.authority import fold_authority
from crdt.entry import Entry, Lane
from crdt.snapshot import fold_status
from crdt.standing import Pair
from identity.genesis import make_genesis
from tests.laws.writing import Fleet, capability, grant, pin, public, revoke

from .worlds import offer_all, one_box, replica_of

BOX = Pair(public("box"), "city/n/0")


def state(topic: str, value: object) -> tuple[str, object]:
    return "status", {"topic": topic, "value": value}


def snap(**topics: object) -> tuple[str, object]:
    return "snap", {"map": topics}


def write(fleet: Fleet, *said: tuple[str, object], lane: Lane = Lane.STATE, inc: int = 0) -> list:
    written: list[Entry] = []
    for one in said:
        after = written[-1] if written else None
        written.append(fleet.write("box", one, after=after, lane=lane, inc=inc))
    return written


def shown(fleet: Fleet, lane: Lane = Lane.STATE, entries: list[Entry] | None = None) -> dict:
    """Return the status, after checking that a replica shows the same."""
    held = fleet.entries if entries is None else entries
    authority = fold_authority(fleet.genesis, fleet.statements, held)
    status = fold_status(authority, held, lane)
    assert offer_all(replica_of(fleet), held).status(lane) == status
    return status


def test_the_later_value_of_a_topic_shows() -> None:
    fleet = one_box()
    write(fleet, state("health", 1), state("load", 2), state("health", 3))
    assert shown(fleet) == {BOX: {"health": 3, "load": 2}}


def test_a_snapshot_is_all_that_came_before() -> None:
    fleet = one_box()
    entries = write(fleet, state("a", 1), state("b", 2), snap(b=3), state("c", 4))
    assert shown(fleet) == {BOX: {"b": 3, "c": 4}}
    assert shown(fleet, entries=[fleet.entries[0], *entries[2:]]) == {BOX: {"b": 3, "c": 4}}
    assert shown(fleet, entries=[fleet.entries[0], *entries[3:]]) == {}


def test_the_highest_incarnation_that_begins_speaks() -> None:
    fleet = one_box()
    write(fleet, state("a", 1), inc=5)
    write(fleet, state("a", 2), state("a", 3), inc=3)
    entries = write(fleet, state("a", 4), state("a", 5), inc=9)
    assert shown(fleet) == {BOX: {"a": 5}}
    rest = [entry for entry in fleet.entries if entry != entries[0]]
    assert shown(fleet, entries=rest) == {BOX: {"a": 1}}


def test_every_current_pair_with_the_verb_shows_the_status() -> None:
    fleet = one_box()
    bank = fleet.entries[-1]
    for name, caps in (("city/n/1", [capability("state", "city/n/1")]), ("city/n/2", [])):
        bank = fleet.write("bank", grant("box", name, 3, 1, caps), after=bank)
    write(fleet, state("a", 1))
    other = Pair(public("box"), "city/n/1")
    assert shown(fleet) == {BOX: {"a": 1}, other: {"a": 1}}
    fleet.write("bank", revoke("box", "city/n/0", []), after=bank)
    assert shown(fleet) == {other: {"a": 1}}


def test_at_most_64_topics_show() -> None:
    fleet = one_box()
    many = {f"t{number}": number for number in range(64)}
    write(fleet, snap(**many), state("more", 1), state("t3", 9))
    assert shown(fleet) == {BOX: many | {"t3": 9}}


def test_what_is_no_status_says_nothing() -> None:
    fleet = one_box()
    write(fleet, ("links", {"peers": []}), state("a", 1), ("status", {"topic": 1}), ("put", 1))
    assert shown(fleet) == {BOX: {"a": 1}}


def test_links_and_inventory_are_fleet_facts() -> None:
    fleet = one_box()
    links = {"peers": [bytes(32)], "more": 1}
    runs: dict[str, object] = {"models": [], "agents": [], "config": []}
    write(fleet, ("links", links), ("runs", runs), state("a", 1), lane=Lane.FLEET)
    assert shown(fleet, Lane.FLEET) == {BOX: {"links": links, "runs": runs}}


def test_a_fleet_snapshot_states_only_what_an_entry_could() -> None:
    fleet = one_box()
    said = snap(links={"peers": []}, runs={"models": 1}, junk=1)
    write(fleet, said, lane=Lane.FLEET)
    assert shown(fleet, Lane.FLEET) == {BOX: {"links": {"peers": []}}}


def test_a_snapshot_washes_no_forker_clean() -> None:
    fleet = one_box()
    first = write(fleet, state("a", 1), snap(a=2), state("a", 3))
    fleet.write("box", snap(a=4), after=first[0])
    assert shown(fleet) == {}
    fresh = fleet.write("box", snap(a=5), after=first[2])
    assert shown(fleet) == {}
    last = fleet.entries[0]
    pinned = fleet.write("bank", pin(fresh), after=last)
    assert shown(fleet) == {BOX: {"a": 5}}
    fresh = fleet.write("box", snap(a=6), after=fresh)
    assert shown(fleet) == {BOX: {"a": 6}}
    fleet.write("box", snap(a=7), lane=Lane.STATE, inc=4)
    assert shown(fleet) == {BOX: {"a": 7}}
    for value in (8, 9):
        rival = fleet.write("box", state("a", value), after=fresh)
    assert shown(fleet) == {}
    settled = fleet.write("bank", pin(rival), after=pinned)
    assert shown(fleet) == {BOX: {"a": 7}}
    fleet.entries.remove(settled)
    assert shown(fleet) == {}


def test_a_name_shorter_than_a_district_has_no_state() -> None:
    fleet = Fleet()
    fleet.genesis = make_genesis([public("root-0")], 1, constants={"district_depth": 2})
    caps = [capability("state", "")]
    fleet.declare(grant("box", "north", 1, 1, caps), grant("box", "north/a", 1, 1, caps))
    write(fleet, state("a", 1))
    write(fleet, ("links", {"peers": []}), lane=Lane.FLEET)
    long, short = Pair(public("box"), "north/a"), Pair(public("box"), "north")
    assert shown(fleet) == {long: {"a": 1}}
    assert set(shown(fleet, Lane.FLEET)) == {long, short}


def test_of_a_pinned_fork_beyond_the_limit_the_pinned_line_shows() -> None:
    fleet = one_box()
    trunk = write(fleet, state("a", 0))
    branches = [[fleet.write("box", state(f"b{n}", n), after=trunk[0])] for n in range(4)]
    for branch in branches:
        for number in range(30):
            branch.append(fleet.write("box", state("a", number), after=branch[-1]))
    fleet.write("bank", pin(branches[1][29]), after=fleet.entries[0])
    assert shown(fleet) == {BOX: {"a": 28, "b1": 1}}


@pytest.mark.parametrize("order", [1, -1])
def test_the_view_is_maintained_entry_by_entry(order: int) -> None:
    fleet = one_box()
    write(fleet, *(state("a", number) for number in range(5)), snap(b=1), state("b", 2))
    replica = replica_of(fleet)
    replica.offer(fleet.entries[0])
    assert replica.status(Lane.STATE) == {}
    for entry in fleet.entries[1:][::order]:
        replica.offer(entry)
        shown_now = replica.status(Lane.STATE)
        assert replica.status(Lane.STATE) is shown_now
    assert shown_now == {BOX: {"b": 2}}
    assert replica.statistics().folds == 1
