"""One sync session, case by case: what travels, what it costs, and what ends it."""

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt import sync_pull, sync_vector
from crdt.entry import Entry, Lane
from crdt.sync import Reach, SyncLimits, SyncSession
from crdt.sync_codec import decode_message
from crdt.sync_messages import Tip, Want
from crdt.sync_vector import district_of, locator, locator_above
from tests.laws.conversing import assert_agree, converse, replica_of
from tests.laws.writing import (
    Fleet,
    box_of,
    cut_at,
    grant,
    put,
    revoke,
    steward_of,
    two_banks,
)

AUTH = Reach.known()


@pytest.fixture
def fleet() -> Fleet:
    return two_banks()


def plans(fleet: Fleet, count: int, after: Entry | None = None, note: str = "") -> list[Entry]:
    """Write puts into bank A's feed."""
    said = [put("city/n/plan", f"{note}{number}") for number in range(count)]
    return fleet.write_all("bank-a", said, after=after)


def status(
    fleet: Fleet, count: int, after: Entry | None = None, inc: int = 5, snap: bool = False
) -> list[Entry]:
    """Write statuses, or one snapshot, into box 0's STATE."""
    written: list[Entry] = []
    for number in range(count):
        said = ("status", {"topic": "lamp", "value": number})
        said = ("snap", {"map": {"lamp": number}}) if snap else said
        last = written[-1] if written else after
        written.append(fleet.write("box-0", said, after=last, inc=inc, lane=Lane.STATE))
    return written


def enrol(fleet: Fleet) -> Entry:
    return fleet.write("bank-b", grant("box-0", "city/n/0", 3, 1, box_of("city/n/0")))


# What travels


def test_equal_sets_cost_two_small_frames(fleet: Fleet) -> None:
    plans(fleet, 20)
    left, right = converse(replica_of(fleet, fleet.entries), replica_of(fleet, fleet.entries))
    assert left.equal
    assert right.equal
    statistics = left.statistics()
    assert statistics.bytes_in <= 64
    assert statistics.bytes_out <= 64
    assert statistics.rounds == 1
    assert repr(left) == "<SyncSession equal, round 1, +0 entries>"
    assert not left.exhausted


def test_a_newcomer_gets_root_and_feeds_in_parts(fleet: Fleet) -> None:
    entries = plans(fleet, 600)
    newcomer = replica_of(fleet, (), ())
    left, right = converse(newcomer, replica_of(fleet, entries))
    assert left.equal
    assert left.statistics().roots_added == 1
    assert left.statistics().entries_added == 600
    assert left.statistics().requests_made == 3, "the root, and two segments"
    assert right.statistics().entries_served == 600
    assert left.drain_added() == entries
    assert not left.refused


def test_only_what_is_missing_travels(fleet: Fleet) -> None:
    entries = plans(fleet, 50)
    left, _ = converse(replica_of(fleet, entries[:47]), replica_of(fleet, entries))
    assert left.statistics().entries_received == 3
    assert left.statistics().requests_made == 1


def test_branches_of_one_length_meet(fleet: Fleet) -> None:
    trunk = plans(fleet, 200)
    one = plans(fleet, 4, trunk[-1], "one")
    other = plans(fleet, 4, trunk[-1], "other")
    a, b = replica_of(fleet, [*trunk, *one]), replica_of(fleet, [*trunk, *other])
    left, right = converse(a, b)
    assert left.equal
    feed = trunk[0].feed
    assert a.evidence(feed) == b.evidence(feed)
    first, second = a.evidence(feed)[0]
    assert {first.id, second.id} == {one[0].id, other[0].id}
    assert_agree(a, b)
    for side in (left, right):
        assert side.statistics().entries_received < 20, "not the whole trunk again"


def test_branches_that_differ_from_the_start_meet(fleet: Fleet) -> None:
    one, other = plans(fleet, 3, note="one"), plans(fleet, 2, note="other")
    a, b = replica_of(fleet, one), replica_of(fleet, other)
    left, _ = converse(a, b)
    assert left.equal
    assert a.evidence(one[0].feed)


def test_an_end_held_without_its_ancestors_is_asked_for(fleet: Fleet) -> None:
    trunk = plans(fleet, 2)
    mine, theirs = plans(fleet, 2, trunk[-1], "mine"), plans(fleet, 2, trunk[-1], "theirs")
    a = replica_of(fleet, [*trunk, *mine, theirs[1]])
    assert a.entry(theirs[1].id) is not None, "held as evidence"
    b = replica_of(fleet, [*trunk, *theirs])
    left, _ = converse(a, b)
    assert left.equal
    assert a.entry(theirs[0].id) is not None
    assert left.statistics().rounds == 2


def test_evidence_travels_before_the_branches(fleet: Fleet) -> None:
    trunk = plans(fleet, 3)
    rival = plans(fleet, 40, trunk[-1], "rival")
    honest = plans(fleet, 40, trunk[-1])
    a = replica_of(fleet, [*trunk, *honest, *rival])
    b = replica_of(fleet, trunk)
    asked: list[bytes] = []

    left = SyncSession(b, reach=AUTH, initiator=True)
    right = SyncSession(a, reach=AUTH, initiator=False)
    frames = deque(left.start())
    while frames:
        message = decode_message(frames[0])
        if isinstance(message, Want):
            asked += [item.tip for item in message.items]
        for answer in right.receive(frames.popleft()):
            frames.extend(left.receive(answer))
    first, second = a.evidence(trunk[0].feed)[0]
    assert asked[:2] == [first.id, second.id]
    assert left.equal


def test_authors_become_known_within_one_session(fleet: Fleet) -> None:
    fleet.write("bank-a", grant("north", "city/n", 2, 1, steward_of("city/n")))
    fleet.write("north", grant("box-0", "city/n/0", 3, 1, box_of("city/n/0")))
    state = status(fleet, 3)
    newcomer = replica_of(fleet, (), ())
    left, _ = converse(newcomer, replica_of(fleet, fleet.entries))
    assert left.equal
    assert newcomer.entry(state[-1].id) is not None


def test_pages_follow_one_another(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_vector, "LEAVES_MAX", 2)
    for number in range(7):
        fleet.write("bank-a", put("city/n/plan", number), inc=number)
    newcomer = replica_of(fleet, ())
    left, _ = converse(newcomer, replica_of(fleet, fleet.entries))
    assert left.equal
    assert len(list(newcomer.entries())) == 7
    limited = SyncLimits(pages_max=1)
    newcomer = replica_of(fleet, ())
    left, _ = converse(newcomer, replica_of(fleet, fleet.entries), limits=limited)
    assert left.exhausted
    assert not left.equal


def test_more_chains_than_one_request_holds(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_pull, "ITEMS_MAX", 3)
    for number in range(10):
        fleet.write("bank-a", put("city/n/plan", number), inc=number)
    left, _ = converse(replica_of(fleet, ()), replica_of(fleet, fleet.entries))
    assert left.equal
    assert left.statistics().requests_made == 4


def test_an_older_end_of_a_pruned_feed_is_not_asked_for(fleet: Fleet) -> None:
    grant_entry = enrol(fleet)
    early = status(fleet, 3)
    later = status(fleet, 4, early[-1])
    snap = status(fleet, 1, later[-1], snap=True)
    pruned = replica_of(fleet, [grant_entry, *early, *later, *snap])
    behind = replica_of(fleet, [grant_entry, *early])
    left, right = converse(pruned, behind)
    assert left.statistics().entries_received == 0
    assert right.statistics().entries_received == 1
    assert left.equal
    assert_agree(pruned, behind)


def test_a_lower_incarnation_of_a_pruned_lane_is_not_asked_for(fleet: Fleet) -> None:
    grant_entry = enrol(fleet)
    old, new = status(fleet, 3, inc=5), status(fleet, 1, inc=9)
    a, b = replica_of(fleet, [grant_entry, *old]), replica_of(fleet, [grant_entry, *new])
    left, right = converse(a, b)
    assert right.statistics().entries_received == 0
    assert left.equal
    assert_agree(a, b)


@given(
    st.lists(st.booleans(), min_size=1, max_size=12),
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(0, 12),
)
@settings(max_examples=40)
def test_pruned_feeds_agree_whatever_each_side_missed(
    snaps: list[bool], start: int, stop: int, other: int
) -> None:
    """I10: pruning, talking and pruning again ends in one place."""
    fleet = two_banks()
    grant_entry = enrol(fleet)
    entries: list[Entry] = []
    for snap in snaps:
        entries += status(fleet, 1, entries[-1] if entries else None, snap=snap)
    a = replica_of(fleet, [grant_entry, *entries[start : start + stop]])
    b = replica_of(fleet, [grant_entry, *entries[:other]])
    left, _ = converse(a, b)
    assert left.equal
    assert_agree(a, b)


def test_what_a_cut_names_is_asked_for_by_its_id(fleet: Fleet) -> None:
    """The peer keeps the entry below an end that I would not have asked about."""
    enrolled = enrol(fleet)
    theirs = fleet.write_all("box-0", [put("city/n/0/x", n) for n in range(3)])
    cut = fleet.write("bank-a", revoke("box-0", "city/n/0", cut_at(theirs[1])))
    full = replica_of(fleet, fleet.entries)
    reader = replica_of(fleet, [enrolled, cut])
    assert [identifier for _, _, identifier in reader.wanted()] == [theirs[1].id]
    asked: list[bytes] = []
    left = SyncSession(reader, reach=AUTH, initiator=True, refused={theirs[2].id: reader.version})
    right = SyncSession(full, reach=AUTH, initiator=False)
    frames = deque(left.start())
    while frames:
        message = decode_message(frames[0])
        if isinstance(message, Want):
            asked += [item.tip for item in message.items]
        for answer in right.receive(frames.popleft()):
            frames.extend(left.receive(answer))
    assert asked == [theirs[1].id, theirs[2].id], "the end was refused before that came"
    assert reader.entry(theirs[2].id) is not None


# Root statements


def test_a_large_root_statement_comes_in_parts() -> None:
    fleet = two_banks()
    fleet.declare(*(put(f"city/{number}", "x" * 500) for number in range(200)))
    newcomer = replica_of(fleet, (), ())
    left, _ = converse(newcomer, replica_of(fleet, ()))
    assert newcomer.chain.number == 2
    assert left.statistics().roots_added == 2
    assert left.equal


def test_a_twin_of_the_root_is_an_alarm_and_settles(fleet: Fleet) -> None:
    rival = Fleet()
    rival.declare(put("city/plan", "mine"))
    assert rival.genesis == fleet.genesis
    a, b = replica_of(fleet, ()), replica_of(rival, ())
    left, right = converse(a, b)
    assert left.finished
    assert not left.equal
    assert left.statistics().root_twins == 1
    assert right.statistics().root_twins == 1
    assert left.refused == {rival.statements[0].id: None}
    again, _ = converse(a, b, refused=(left.refused, right.refused))
    assert again.statistics().requests_made == 0


# Budgets


def test_a_spent_answerer_says_busy_and_both_end(fleet: Fleet) -> None:
    entries = plans(fleet, 100)
    for limits in (
        SyncLimits(requests_max=1, segment_size_max=1000),
        SyncLimits(bytes_out_max=1000, segment_size_max=1000),
        SyncLimits(steps_max=101, segment_size_max=1000),
    ):
        reader = replica_of(fleet, ())
        left, right = converse(reader, replica_of(fleet, entries), limits=limits)
        assert left.exhausted
        assert right.exhausted
        assert not left.equal
        assert 0 < left.statistics().entries_added < 100
        again, _ = converse(reader, replica_of(fleet, entries), limits=limits)
        assert again.statistics().entries_added


def test_a_spent_asker_ends_too(fleet: Fleet) -> None:
    entries = plans(fleet, 100)
    for limits in (
        SyncLimits(entries_in_max=5, segment_size_max=1000),
        SyncLimits(bytes_in_max=900),
    ):
        reader = replica_of(fleet, ())
        left, right = converse(reader, replica_of(fleet, entries), limits=limits)
        assert left.exhausted
        assert not right.exhausted
        assert 0 < left.statistics().entries_added < 20


def test_a_known_author_gets_less_than_a_member() -> None:
    known, member = SyncLimits.known(), SyncLimits.member()
    for name in SyncLimits.__slots__:
        assert getattr(known, name) < getattr(member, name)
    assert known.steps_max > 65_536, "a whole feed can be answered"


# Parts


def test_districts() -> None:
    assert district_of("north/box-12", 1) == "north"
    assert district_of("north", 1) == "north"
    assert district_of("city/north/box-12", 2) == "city/north"
    assert district_of("city", 2) is None


def test_a_locator_names_ancestors_at_growing_distances(fleet: Fleet) -> None:
    entries = plans(fleet, 40)
    replica = replica_of(fleet, entries)
    named = list(dict.fromkeys(locator(replica, entries[0].feed)))
    place = {entry.id: entry.seq for entry in entries}
    assert [place[identifier] for identifier in named] == [39, 38, 36, 32, 24, 8, 0]


def test_what_lies_above_a_common_entry_is_named_evenly_apart(fleet: Fleet) -> None:
    entries = plans(fleet, 40)
    replica = replica_of(fleet, entries)
    place = {entry.id: entry.seq for entry in entries}
    for low, named in ((8, [39, 36, 33, 30, 27, 24, 21, 18, 15, 12, 9]), (36, [39, 38, 37])):
        above = locator_above(replica, entries[0].feed, Tip(low, entries[low].id))
        assert [place[identifier] for identifier in above] == named
    elsewhere = Tip(8, bytes(32))
    assert not list(locator_above(replica, entries[0].feed, elsewhere)), "on no branch of mine"
