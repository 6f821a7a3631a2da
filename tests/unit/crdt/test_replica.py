"""The replica, case by case: what an offer answers, and what sync and the store are given."""

from itertools import permutations

import pytest

from crdt.entry import Entry, FeedId, Lane, parse_entry
from crdt.replica import Offer, Replica
from identity.genesis import RootVerdict
from tests.laws.writing import Fleet, cut_at, grant, pin, public, put, revoke

from .worlds import NOTE, PEN, batch_views, offer_all, one_box, replica_of, views

FEED = FeedId(public("box"), Lane.AUTH, 0)


def with_notes(count: int) -> tuple[Fleet, list[Entry], Replica]:
    fleet = one_box()
    notes = fleet.write_all("box", [NOTE] * count)
    return fleet, notes, offer_all(replica_of(fleet), fleet.entries[:1])


def junk(entry: Entry) -> Entry:
    """Return a copy with a signature that is none."""
    return parse_entry(bytes(64) + entry.raw)


def test_an_offer_answers_what_became_of_the_entry() -> None:
    fleet, notes, replica = with_notes(3)
    assert replica.offer(notes[1]) is Offer.ORPHAN
    assert replica.offer(notes[1]) is Offer.KNOWN
    assert replica.entry(notes[1].id) is None
    assert replica.offer(notes[0]) is Offer.STORED
    assert replica.entry(notes[1].id) == notes[1]
    assert replica.offer(notes[0]) is Offer.KNOWN
    assert replica.offer(junk(notes[0])) is Offer.KNOWN
    assert replica.offer(fleet.write("nobody", NOTE)) is Offer.UNKNOWN_AUTHOR
    assert replica.offer(Fleet(roots=2).write("box", NOTE)) is Offer.INVALID
    assert [entry.id for entry in replica.drain_new()] == [
        fleet.entries[0].id,
        notes[0].id,
        notes[1].id,
    ]
    assert "3 entries" in repr(replica)


def test_known_authors_stay_known_whatever_cuts_say() -> None:
    fleet, notes, replica = with_notes(1)
    fleet.write("bank", revoke("box", "city/n/0", []), after=fleet.entries[0])
    replica.offer(fleet.entries[-1])
    assert replica.is_known_author(public("box"))
    assert not replica.is_known_author(public("nobody"))
    assert replica.offer(notes[0]) is Offer.STORED
    assert notes[0].id not in replica.authority.surviving


def test_grants_reach_in_any_order() -> None:
    fleet = Fleet()
    caps = [{"verb": "grant", "names": "city"}, *PEN]
    fleet.declare(grant("bank", "a", 1, 1, caps))
    fleet.write("bank", grant("north", "city/n", 2, 1, caps))
    fleet.write("north", grant("box", "city/n/0", 3, 1, PEN))
    late = fleet.write("box", NOTE)
    fleet.declare(grant("north", "b", 1, 1, [PEN[0]]))
    replica = Replica(fleet.genesis)
    assert replica.offer_root(fleet.statements[1]) is RootVerdict.GAP
    assert replica.offer(fleet.entries[0]) is Offer.UNKNOWN_AUTHOR
    for statement in fleet.statements:
        assert replica.offer_root(statement) is RootVerdict.ACCEPTED
    assert replica.offer_root(fleet.statements[0]) is RootVerdict.KNOWN
    assert replica.offer(fleet.entries[1]) is Offer.STORED
    assert not replica.is_known_author(public("box"))
    assert replica.offer(late) is Offer.UNKNOWN_AUTHOR
    assert replica.offer(fleet.entries[0]) is Offer.STORED
    assert replica.is_known_author(public("box"))
    assert replica.offer(late) is Offer.STORED


def test_a_junior_makes_no_senior_known() -> None:
    fleet = one_box([{"verb": "grant", "names": "city"}, *PEN])
    for name, stratum in (("city/n/1", 3), ("city/n/2", 2), ("town", 4)):
        fleet.write("box", grant(f"puppet-{stratum}", name, stratum, 1, []), inc=stratum)
    fleet.declare(grant("bank", "b", 1, 1, [{"verb": "grant", "names": "city"}]))
    fleet.write("bank", grant("box", "city/n/0", 3, 2, [{"verb": "grant", "names": "city"}]), inc=4)
    fleet.write("box", grant("child", "city/n/3", 4, 1, []), inc=7)
    replica = offer_all(replica_of(fleet), fleet.entries)
    assert not any(replica.is_known_author(public(f"puppet-{stratum}")) for stratum in (2, 3, 4))
    assert replica.is_known_author(public("child"))


def test_views_are_the_same_objects_until_something_changes() -> None:
    fleet, notes, replica = with_notes(2)
    authority, registers = replica.authority, replica.registers
    status = replica.status(Lane.STATE)
    replica.offer(notes[1])
    replica.offer(fleet.entries[0])
    assert replica.authority is authority
    assert replica.registers is registers
    assert replica.status(Lane.STATE) is status
    said = fleet.write("box", ("status", {"topic": "x", "value": 1}), lane=Lane.STATE)
    replica.offer(said)
    assert replica.authority is authority
    assert replica.status(Lane.STATE) is not status
    replica.offer(notes[0])
    assert replica.authority is not authority


def test_heads_tips_walks_and_segments_follow_the_branches() -> None:
    fleet, notes, replica = with_notes(4)
    twin = fleet.write("box", put("city/n/plan", 2), after=notes[1])
    assert replica.tips(FEED) == ()
    assert replica.head(FEED) is None
    assert list(replica.walk(FEED, notes[0].id)) == []
    offer_all(replica, notes)
    assert replica.feeds() == sorted([fleet.entries[0].feed, FEED])
    assert replica.tips(FEED) == (notes[3].id,)
    replica.offer(twin)
    assert replica.tips(FEED) == tuple(sorted([notes[3].id, twin.id]))
    assert replica.head(FEED) == notes[3]
    assert list(replica.walk(FEED, notes[3].id)) == notes[::-1]
    assert list(replica.walk(FEED, twin.id, below=2)) == [notes[1], notes[0]]
    assert list(replica.walk(FeedId(public("box"), 0, 9), twin.id)) == []
    assert list(replica.walk(fleet.entries[0].feed, twin.id)) == []
    assert replica.segment(FEED, twin.id, 0) == [notes[1], twin]
    assert replica.segment(FEED, notes[3].id, -1) == notes
    assert replica.segment(FEED, twin.id, 2) == []
    pair = tuple(sorted((notes[2], twin), key=lambda entry: entry.id))
    assert replica.evidence(FEED) == (pair,)
    assert replica.evidence(fleet.entries[0].feed) == ()
    assert set(replica.entries()) == set(fleet.entries)


def test_what_rulings_name_and_nobody_sent_is_wanted() -> None:
    fleet, notes, replica = with_notes(4)
    assert replica.wanted() == []
    fleet.write("bank", revoke("box", "city/n/0", cut_at(notes[3])), after=fleet.entries[0])
    replica.offer(fleet.entries[-1])
    assert replica.wanted() == [(FEED, 3, notes[3].id)]
    replica.offer(notes[3])
    assert replica.wanted() == [(FEED, 2, notes[2].id)]
    replica.offer(notes[0])
    replica.offer(notes[2])
    assert replica.wanted() == [(FEED, 1, notes[1].id)]
    replica.offer(notes[1])
    assert replica.wanted() == []


@pytest.mark.parametrize("which", ["lower incarnation", "before the snapshot", "wrong place"])
def test_what_can_never_be_had_is_not_wanted(which: str) -> None:
    fleet, _, replica = with_notes(0)
    said = ("status", {"topic": "x", "value": 1})
    lower = fleet.write("box", said, lane=Lane.STATE, inc=1)
    first = fleet.write("box", said, lane=Lane.STATE, inc=2)
    snap = fleet.write("box", ("snap", {"map": {}}), after=first)
    named = {"lower incarnation": lower, "before the snapshot": first, "wrong place": snap}[which]
    body = dict(pin(named)[1])
    if which == "wrong place":
        body["seq"] = 7
    fleet.write("bank", ("pin", body), after=fleet.entries[0])
    replica.offer(fleet.entries[-1])
    assert replica.wanted() == [(named.feed, body["seq"], named.id)]
    replica.offer(snap)
    assert replica.wanted() == []


def test_a_snapshot_and_a_higher_incarnation_drop_what_they_supersede() -> None:
    fleet, _, replica = with_notes(0)
    said = ("status", {"topic": "x", "value": 1})
    old = fleet.write("box", said, lane=Lane.STATE, inc=1)
    first = fleet.write("box", said, lane=Lane.STATE, inc=2)
    snap = fleet.write("box", ("snap", {"map": {"x": 2}}), after=first)
    offer_all(replica, [old])
    replica.drain_new()
    offer_all(replica, [first])
    assert replica.drain_dropped() == [old]
    assert replica.offer(old) is Offer.OVER_LIMIT
    offer_all(replica, [snap])
    assert replica.drain_dropped() == []
    assert replica.drain_new() == [snap]
    assert replica.tips(snap.feed) == (snap.id,)


def test_a_segment_is_taken_on_the_word_of_its_last_entry() -> None:
    fleet, notes, replica = with_notes(3)
    assert replica.offer(notes[0], verified=False) is Offer.STORED
    assert replica.offer(junk(notes[1]), verified=False) is Offer.STORED
    assert replica.offer(notes[2]) is Offer.STORED
    assert replica.offer(junk(notes[1]), verified=False) is Offer.KNOWN
    assert replica.has_signature(notes[0].id)
    assert replica.has_signature(notes[2].id)
    assert not replica.has_signature(bytes(32))
    replica.drain_new()
    assert replica.offer(notes[1]) is Offer.KNOWN
    assert [entry.sig for entry in replica.drain_new()] == [notes[1].sig]
    assert replica.has_signature(notes[1].id)
    assert views(replica) == batch_views(fleet, fleet.entries)


def test_a_junk_copy_is_forgotten_when_it_should_speak_for_itself() -> None:
    _, notes, replica = with_notes(3)
    replica.offer(notes[0])
    replica.offer(junk(notes[1]), verified=False)
    replica.offer(notes[2])
    assert notes[2].id in replica.authority.surviving
    assert not replica.has_signature(notes[1].id)
    assert replica.entry(notes[1].id) is None
    assert replica.entry(notes[2].id) is None
    assert notes[2].id not in replica.authority.surviving
    assert replica.offer(notes[1]) is Offer.STORED
    assert replica.entry(notes[2].id) == notes[2]


def test_a_junk_copy_convicts_nobody() -> None:
    fleet, notes, replica = with_notes(2)
    twin = fleet.write("box", put("city/n/plan", 2), after=notes[0])
    replica.offer(notes[0])
    replica.offer(junk(twin), verified=False)
    assert replica.offer(notes[1]) is Offer.STORED
    assert replica.evidence(FEED) == ()
    assert replica.entry(twin.id) is None
    assert not replica.authority.standings[replica.authority.by_name("city/n/0")[0]].undecided
    assert replica.offer(junk(twin), verified=False) is Offer.INVALID
    assert replica.offer(twin, verified=False) is Offer.STORED
    assert len(replica.evidence(FEED)) == 1


@pytest.mark.parametrize("lane", [Lane.AUTH, Lane.STATE, Lane.FLEET])
def test_views_follow_when_a_rival_that_waits_exposes_a_junk_copy(lane: Lane) -> None:
    fleet = one_box()
    said = {
        Lane.AUTH: lambda number: put("city/n/plan", number),
        Lane.STATE: lambda number: ("status", {"topic": f"topic-{number}", "value": number}),
        Lane.FLEET: lambda number: ("links", {"peers": [public(f"peer-{number}")]}),
    }[lane]
    first = fleet.write("box", said(0), lane=lane)
    second = fleet.write("box", said(1), after=first)
    third = fleet.write("box", said(2), after=second)
    missing = fleet.write("box", said(3), after=first)
    rival = fleet.write("box", said(4), after=missing)
    replica = offer_all(replica_of(fleet), fleet.entries[:1])
    offer_all(replica, [first, second])
    assert replica.offer(junk(third), verified=False) is Offer.STORED
    shown = views(replica)
    assert replica.offer(rival) is Offer.ORPHAN
    assert replica.entry(third.id) is None
    assert views(replica) == batch_views(fleet, replica.entries()) != shown


def test_the_status_follows_a_senior_who_pins_the_other_branch() -> None:
    fleet = one_box()
    grant_of_box = fleet.entries[0]
    said = [("status", {"topic": "x", "value": number}) for number in range(3)]
    first = fleet.write("box", said[0], lane=Lane.STATE)
    branches = [fleet.write("box", each, after=first) for each in said[1:]]
    replica = offer_all(replica_of(fleet), fleet.entries)
    assert replica.status(Lane.STATE) == {}
    decided = fleet.write("bank", pin(branches[0]), after=grant_of_box)
    replica.offer(decided)
    assert [dict(said) for said in replica.status(Lane.STATE).values()] == [{"x": 1}]
    assert replica.offer_root(fleet.declare(pin(branches[1]))) is RootVerdict.ACCEPTED
    assert [dict(said) for said in replica.status(Lane.STATE).values()] == [{"x": 2}]
    assert views(replica) == batch_views(fleet, fleet.entries)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_views_follow_proof_of_a_branch_that_a_snapshot_superseded(order: tuple[int, ...]) -> None:
    fleet = one_box()
    granted = fleet.entries[0]
    first = fleet.write("box", ("status", {"topic": "x", "value": 1}), lane=Lane.STATE)
    branch = fleet.write("box", ("status", {"topic": "x", "value": 2}), after=first)
    snap = fleet.write("box", ("snap", {"map": {"x": 3}}), after=first)
    written = [first, branch, snap, fleet.write("bank", pin(branch), after=granted)]
    replica = offer_all(replica_of(fleet), [granted])
    for number in order:
        replica.offer(written[number])
        assert views(replica) == batch_views(fleet, replica.entries())


def test_a_junk_orphan_is_replaced_by_a_good_copy() -> None:
    _, notes, replica = with_notes(2)
    assert replica.offer(junk(notes[1]), verified=False) is Offer.ORPHAN
    assert replica.offer(notes[1]) is Offer.KNOWN
    replica.offer(notes[0])
    held = replica.entry(notes[1].id)
    assert held is not None
    assert held.sig == notes[1].sig


def test_evidence_of_orphans_is_kept_and_gives_way_to_smaller() -> None:
    fleet, notes, replica = with_notes(3)
    rivals = [fleet.write("box", put("city/n/plan", n), after=notes[1]) for n in range(3)]
    seconds = sorted([notes[2], *rivals], key=lambda entry: entry.id)
    offers = [replica.offer(entry) for entry in reversed(seconds)]
    assert offers == [Offer.ORPHAN, Offer.STORED, Offer.STORED, Offer.STORED]
    assert replica.evidence(FEED) == ((seconds[0], seconds[1]),)
    assert replica.statistics().kept == 3
    assert replica.statistics().waiting == 2
    assert replica.tips(FEED) == ()
    lower = fleet.write("box", put("city/n/plan", 9), after=notes[0])
    offer_all(replica, [notes[1], lower])
    assert replica.evidence(FEED)[0][0].seq == 1
    assert replica.statistics().kept == 3
    offer_all(replica, notes)
    assert replica.statistics().kept == len(fleet.entries)
    assert replica.statistics().waiting == 0
    assert views(replica) == batch_views(fleet, fleet.entries)


def test_the_floor_can_cut_off_a_branch() -> None:
    fleet, _, replica = with_notes(0)
    said = ("status", {"topic": "x", "value": 1})
    root = fleet.write("box", said, lane=Lane.STATE)
    branch = [root]
    for number in range(3):
        value = ("status", {"topic": "y", "value": number})
        branch.append(fleet.write("box", value, after=branch[-1]))
    snap = fleet.write("box", ("snap", {"map": {}}), after=root)
    offer_all(replica, branch)
    assert replica.statistics().waiting == 0
    assert replica.offer(snap) is Offer.STORED
    assert replica.tips(root.feed) == (snap.id,)
    assert set(replica.evidence(root.feed)[0]) == {branch[1], snap}
    assert replica.statistics().waiting == 2
    assert views(replica) == batch_views(fleet, fleet.entries)


def test_an_incarnation_convicts_before_it_begins() -> None:
    fleet, _, replica = with_notes(0)
    said = ("status", {"topic": "x", "value": 1})
    first = fleet.write("box", said, lane=Lane.STATE, inc=3)
    second = [
        fleet.write("box", ("status", {"topic": "y", "value": n}), after=first) for n in range(2)
    ]
    third = [fleet.write("box", said, after=one) for one in second]
    box = replica.authority.by_name("city/n/0")[0]
    offer_all(replica, third[:1])
    assert replica.authority.current(box)
    offer_all(replica, third)
    assert not replica.authority.current(box)
    assert views(replica) == batch_views(fleet, [fleet.entries[0], *third])
    replica.offer(first)
    assert not replica.authority.current(box)
    assert views(replica) == batch_views(fleet, [fleet.entries[0], first, *third])


def test_superseded_evidence_travels_and_so_does_its_pin() -> None:
    fleet, _, one = with_notes(0)
    said = [("status", {"topic": "x", "value": n}) for n in range(3)]
    root = fleet.write("box", said[0], lane=Lane.STATE)
    left, right = (fleet.write("box", value, after=root) for value in said[1:])
    snap = fleet.write("box", ("snap", {"map": {"x": 5}}), after=left)
    pinned = fleet.write("bank", pin(left), after=fleet.entries[0])
    other = offer_all(replica_of(fleet), [fleet.entries[0], root, left, snap])
    offer_all(one, [root, left, right, snap])
    box = one.authority.by_name("city/n/0")[0]
    pair = tuple(sorted((left, right), key=lambda entry: entry.id))
    assert one.evidence(root.feed) == (pair,)
    assert (one.authority.current(box), other.authority.current(box)) == (False, True)
    assert other.offer(right) is Offer.OVER_LIMIT
    assert other.offer(left) is Offer.STORED
    assert other.evidence(root.feed) == (pair,)
    assert views(one) == views(other) == batch_views(fleet, fleet.entries[:-1])
    for replica in (one, other):
        replica.offer(pinned)
        assert replica.authority.current(box)
        assert replica.status(Lane.STATE) == {box: {"x": 5}}
    assert other.wanted() == []


def test_a_pin_of_what_a_snapshot_superseded_speaks_by_its_place() -> None:
    fleet, _, replica = with_notes(0)
    said = [("status", {"topic": "x", "value": n}) for n in range(4)]
    root = fleet.write("box", said[0], lane=Lane.STATE)
    seconds = [fleet.write("box", value, after=root) for value in said[1:]]
    third = max(seconds, key=lambda entry: entry.id)
    snap = fleet.write("box", ("snap", {"map": {"x": 5}}), after=third)
    offer_all(replica, [root, *seconds, snap])
    assert replica.entry(third.id) is None
    box = replica.authority.by_name("city/n/0")[0]
    pinned = fleet.entries[0]
    elsewhere = ("pin", {"pk": public("box"), "lane": 1, "inc": 9, "seq": 1, "id": third.id})
    for said, settles in ((pin(root), False), (elsewhere, False), (pin(third), True)):
        pinned = fleet.write("bank", said, after=pinned)
        replica.offer(pinned)
        assert replica.authority.current(box) is settles
    assert replica.entry(third.id) is None
    assert replica.offer(third) is Offer.OVER_LIMIT
    assert replica.wanted() == [(root.feed._replace(inc=9), 1, third.id)]
