"""Pins: which one counts, what it exempts from evidence, and what it leaves undecided."""

from unittest.mock import patch

import pytest

from crdt import index
from crdt.authority import fold_authority
from crdt.entry import Entry, FeedId, Lane
from crdt.evidence import effective_pin, rule_on_pins
from crdt.feed import Feed
from crdt.index import EntryIndex
from crdt.standing import Authority, Pair
from tests.laws.writing import (
    Fleet,
    capability,
    cut_at,
    grant,
    pin,
    public,
    put,
    revoke,
    steward_of,
)

from .worlds import NOTE, offer_all, one_box, replica_of, views

BOX = Pair(public("box"), "city/n/0")


def fork() -> tuple[Feed, list[Entry], list[Entry]]:
    """Return a feed of two branches, [0, 1, 2, 3] and [0, 1', 2', 3']."""
    fleet = Fleet()
    trunk = fleet.write_all("box", [("note", n) for n in range(4)])
    branch = [
        trunk[0],
        *fleet.write_all("box", [("note", 10 + n) for n in range(3)], after=trunk[0]),
    ]
    return EntryIndex.of(fleet.genesis.ns, fleet.entries).feeds()[trunk[0].feed], trunk, branch


def test_of_a_line_the_highest_counts() -> None:
    feed, trunk, _ = fork()
    assert effective_pin(feed, [(1, trunk[1]), (1, trunk[2]), (1, trunk[0])]) == trunk[2]
    assert effective_pin(feed, []) is None


def test_a_junior_counts_iff_it_descends_from_the_senior() -> None:
    feed, trunk, branch = fork()
    assert effective_pin(feed, [(2, trunk[3]), (1, trunk[1])]) == trunk[3]
    assert effective_pin(feed, [(1, trunk[1]), (2, branch[3])]) == trunk[1]
    assert effective_pin(feed, [(1, trunk[1]), (2, branch[3]), (3, trunk[2])]) == trunk[2]
    assert effective_pin(feed, [(1, trunk[3]), (2, trunk[1])]) == trunk[3]


def test_contradicting_pins_decide_nothing_and_neither_does_a_junior() -> None:
    feed, trunk, branch = fork()
    assert effective_pin(feed, [(1, trunk[2]), (1, branch[2])]) is None
    assert effective_pin(feed, [(1, trunk[2]), (1, branch[2]), (2, trunk[3])]) is None
    assert effective_pin(feed, [(0, trunk[0]), (1, trunk[2]), (1, branch[2])]) == trunk[0]
    assert effective_pin(feed, [(1, trunk[0]), (1, trunk[2]), (1, branch[2])]) == trunk[0]


def test_a_pin_exempts_up_to_the_fork_above_it() -> None:
    feed, trunk, branch = fork()
    ruling = rule_on_pins(feed, [(1, trunk[0])])
    assert ruling is not None
    assert ruling.fork == tuple(sorted((trunk[1], branch[1]), key=lambda entry: entry.id))
    assert ruling.exempt.holds(trunk[0])
    assert not ruling.exempt.holds(trunk[1])
    above = rule_on_pins(feed, [(1, trunk[1])])
    assert above is not None
    assert (above.pinned, above.fork) == (trunk[1], ())
    assert all(above.exempt.holds(entry) for entry in trunk)
    assert not above.named.holds(trunk[2])
    assert not any(above.exempt.holds(entry) for entry in branch[1:])
    assert rule_on_pins(feed, []) is None


def forked_box() -> tuple[Fleet, list[Entry], list[Entry]]:
    fleet = one_box()
    trunk = fleet.write_all("box", [NOTE] * 4)
    branch = fleet.write_all("box", [NOTE] * 2, after=trunk[0])
    return fleet, trunk, branch


def fold(fleet: Fleet) -> Authority:
    return fold_authority(fleet.genesis, fleet.statements, fleet.entries)


def counting(fleet: Fleet) -> set[bytes]:
    return {id_ for id_, pairs in fold(fleet).counting.items() if BOX in pairs}


def test_undecided_evidence_voids_from_its_seq_and_quarantines() -> None:
    fleet, trunk, _ = forked_box()
    assert counting(fleet) == {trunk[0].id}
    assert fold(fleet).standings[BOX].undecided
    assert not fold(fleet).current(BOX)


def test_a_seniors_pin_decides() -> None:
    fleet, trunk, _ = forked_box()
    fleet.write("bank", pin(trunk[2]), after=fleet.entries[0])
    assert counting(fleet) == {entry.id for entry in trunk}
    assert fold(fleet).current(BOX)


def test_a_fork_above_the_pinned_entry_opens_it_again() -> None:
    fleet, trunk, _ = forked_box()
    fleet.write("bank", pin(trunk[1]), after=fleet.entries[0])
    fleet.write("box", ("note", 7), after=trunk[1])
    assert counting(fleet) == {trunk[0].id, trunk[1].id}
    assert fold(fleet).standings[BOX].undecided


def test_a_three_way_fork_is_settled_by_one_pin() -> None:
    fleet, trunk, _ = forked_box()
    third = fleet.write_all("box", [("note", 7), ("put", None), NOTE], after=trunk[0])
    fleet.write("bank", pin(third[2]), after=fleet.entries[0])
    assert counting(fleet) == {trunk[0].id, third[2].id}
    assert fold(fleet).current(BOX)


def test_pins_are_read_for_each_pair_by_whoever_may() -> None:
    fleet, trunk, _ = forked_box()
    fleet.declare(grant("other", "b", 1, 1, steward_of("b")))
    fleet.write("other", grant("box", "b/box", 3, 1, []))
    fleet.write("other", pin(trunk[2]), after=fleet.entries[-1])
    authority = fold(fleet)
    assert authority.standings[BOX].undecided
    assert authority.current(Pair(public("box"), "b/box"))


@pytest.mark.parametrize("kind", ["unlinked", "absent", "elsewhere"])
def test_a_pin_of_what_is_not_held_at_its_place_decides_nothing(kind: str) -> None:
    fleet, trunk, branch = forked_box()
    kept = [entry for entry in fleet.entries if entry not in trunk[2:]]
    body = dict(pin(trunk[3])[1])
    if kind == "unlinked":
        kept.append(trunk[3])
    elif kind == "elsewhere":
        body = dict(pin(branch[1])[1]) | {"inc": 9}
    kept.append(fleet.write("bank", ("pin", body), after=fleet.entries[0]))
    authority = fold_authority(fleet.genesis, fleet.statements, kept)
    assert authority.standings[BOX].undecided


def test_unlinked_evidence_convicts_and_a_pin_settles_it() -> None:
    fleet, trunk, branch = forked_box()
    kept = [fleet.entries[0], *trunk, branch[1]]
    authority = fold_authority(fleet.genesis, fleet.statements, kept)
    assert authority.standings[BOX].undecided
    assert set(authority.counting) == {fleet.entries[0].id, trunk[0].id, trunk[1].id}
    kept.append(fleet.write("bank", pin(trunk[0]), after=fleet.entries[0]))
    settled = fold_authority(fleet.genesis, fleet.statements, kept)
    assert settled.current(BOX)
    assert set(settled.counting) >= {entry.id for entry in trunk}


def test_a_cut_decides_for_the_pair_that_it_cuts() -> None:
    fleet, trunk, branch = forked_box()
    fleet.write("bank", revoke("box", "city/n/0", cut_at(branch[1])), after=fleet.entries[0])
    standing = fold(fleet).standings[BOX]
    assert (standing.revoked, standing.undecided) == (True, False)
    assert counting(fleet) == {trunk[0].id, *(entry.id for entry in branch)}


@pytest.mark.parametrize("lane", [Lane.STATE, Lane.FLEET, Lane.LOG, Lane.DOC])
def test_a_fork_in_any_lane_quarantines(lane: Lane) -> None:
    fleet = one_box([capability("state", "city/n/0")])
    said = (
        ("status", {"topic": "x", "value": 1}) if lane == Lane.STATE else ("links", {"peers": []})
    )
    first = fleet.write("box", said, lane=lane)
    replica = offer_all(replica_of(fleet), fleet.entries)
    before = replica.authority
    assert before.current(BOX)
    second = fleet.write("box", ("note", 2), lane=lane)
    replica.offer(second)
    assert not replica.authority.current(BOX)
    assert replica.status(Lane.STATE) == {}
    pair = tuple(sorted((first, second), key=lambda entry: entry.id))
    assert replica.evidence(first.feed) == (pair,)
    fleet.write("bank", pin(first), after=fleet.entries[0])
    replica.offer(fleet.entries[-1])
    assert replica.authority.current(BOX)
    assert (BOX in replica.status(Lane.STATE)) == (lane == Lane.STATE)
    assert replica.evidence(FeedId(public("box"), lane, 9)) == ()


def test_evidence_above_a_pinned_entry_is_shown_beside_the_smallest() -> None:
    fleet, trunk, _ = forked_box()
    fleet.write("bank", pin(trunk[2]), after=fleet.entries[0])
    rival = fleet.write("box", ("note", 7), after=trunk[2])
    replica = offer_all(replica_of(fleet), fleet.entries)
    pairs = replica.evidence(trunk[0].feed)
    assert [pair[0].seq for pair in pairs] == [1, 3]
    assert set(pairs[1]) == {trunk[3], rival}


def test_evidence_that_is_not_kept_convicts_nobody() -> None:
    """Whoever was offered one forked feed more judges as do those whom nobody can show it."""
    with patch.object(index, "EVIDENCE_FEEDS_MAX", 2):
        fleet = one_box()
        low = [fleet.write("box", put("city/n/plan", n // 2), inc=n % 2) for n in range(4)]
        notes = fleet.write_all("box", [NOTE] * 4, inc=9)
        nowhere = fleet.write("box", NOTE, after=fleet.write("box", NOTE, inc=9))
        fleet.entries.pop(-2)
        status = ("status", {"topic": "lamp", "value": 1})
        fleet.write("box", status, lane=Lane.STATE)
        one = offer_all(replica_of(fleet), fleet.entries)
        other = offer_all(replica_of(fleet), one.entries())
        assert one.evidence(nowhere.feed) == ()
        assert notes[3].id in one.authority.counting
        assert views(one) == views(other)
        seniors = [fleet.write("bank", pin(low[0]), after=fleet.entries[0])]
        seniors.append(fleet.write("bank", pin(low[1]), after=seniors[0]))
        for replica in (one, other):
            offer_all(replica, seniors)
            assert replica.status(Lane.STATE)
        assert views(one) == views(other)
