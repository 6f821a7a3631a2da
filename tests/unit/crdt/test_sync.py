"""One sync session, case by case: what travels, what it costs, and what ends it."""

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt import sync_pull, sync_vector
from crdt.entry import Entry, FeedId, Lane, parse_entry
from crdt.errors import SyncError
from crdt.replica import Replica
from crdt.sync import Reach, SyncLimits, SyncSession
from crdt.sync_codec import decode_message, encode_message
from crdt.sync_messages import (
    Busy,
    Done,
    Item,
    Leaf,
    Message,
    Next,
    Page,
    RootPart,
    RootWant,
    Segment,
    Status,
    Summary,
    Tip,
    Want,
)
from crdt.sync_vector import district_of, locator
from identity.genesis import RootItem, make_root_statement, sign_root
from tests.laws.conversing import assert_agree, converse, replica_of
from tests.laws.writing import (
    Fleet,
    box_of,
    cut_at,
    grant,
    key_of,
    put,
    revoke,
    steward_of,
    two_banks,
)

AUTH = Reach.known()
ID = b"\x07" * 32


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
    left = SyncSession(reader, reach=AUTH, initiator=True, refused=[theirs[2].id])
    right = SyncSession(full, reach=AUTH, initiator=False)
    frames = deque(left.start())
    while frames:
        message = decode_message(frames[0])
        if isinstance(message, Want):
            asked += [item.tip for item in message.items]
        for answer in right.receive(frames.popleft()):
            frames.extend(left.receive(answer))
    assert asked == [theirs[1].id]
    assert reader.entry(theirs[1].id) is not None
    assert left.refused == (theirs[2].id,)


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
    assert left.refused == (rival.statements[0].id,)
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


# Peers that are not honest


class Peer:
    """The other side, played by hand: it answers with whatever a test says."""

    def __init__(self, replica: Replica, *, initiator: bool = False) -> None:
        self.session = SyncSession(replica, reach=AUTH, initiator=not initiator)
        self.heard = [decode_message(frame) for frame in self.session.start()]

    def say(self, *messages: Message) -> list[Message]:
        """Send messages; return what the session answers to the last."""
        answers: list[Message] = []
        for message in messages:
            frames = self.session.receive(encode_message(message))
            answers = [decode_message(frame) for frame in frames]
        return answers

    def refuse(self, message: Message, said: str) -> None:
        with pytest.raises(SyncError, match=said):
            self.say(message)
        assert self.session.finished
        assert "failed" in repr(self.session)

    def open(self, *leaves: Leaf, roots: tuple[bytes, ...] = ()) -> list[Message]:
        """Say that AUTH differs, and show leaves."""
        return self.say(DIFFERENT, Page(0, True, roots, leaves))


DIFFERENT = Summary(((0, bytes(16)),))


@pytest.fixture
def peer(fleet: Fleet) -> Peer:
    return Peer(replica_of(fleet, ()))


def leaf(entry: Entry) -> Leaf:
    return Leaf(entry.author, entry.inc, (Tip(entry.seq, entry.id),), ())


def roots(fleet: Fleet) -> tuple[bytes, ...]:
    return tuple(statement.id for statement in fleet.statements)


@pytest.mark.parametrize(
    "message",
    [
        Next(0, ID, 0),
        Done(0, False),
        Page(0, True, (), ()),
        Segment((Status.COMPLETE,), ()),
        Busy(),
    ],
)
def test_nothing_comes_before_the_summaries(peer: Peer, message: Message) -> None:
    peer.refuse(message, "before both summaries")


@pytest.mark.parametrize(
    ("before", "message", "said"),
    [
        ((), DIFFERENT, "second summary"),
        ((), Page(1, True, (), ()), "lane 1"),
        ((), Segment((Status.COMPLETE,), ()), "Segment in answer to Next"),
        ((Page(0, True, (), ()),), Busy(), "Busy in answer to no request"),
        ((Page(0, True, (), ()),), Page(0, True, (), ()), "Page in answer to no request"),
        ((Done(0, False),), Done(0, False), "twice"),
        ((Done(0, False),), Next(0, ID, 0), "after DONE"),
        ((Page(0, True, (), ()), Done(0, True)), DIFFERENT, "after the end"),
    ],
)
def test_frames_out_of_turn_are_refused(
    peer: Peer, before: tuple[Message, ...], message: Message, said: str
) -> None:
    peer.say(DIFFERENT, *before)
    peer.refuse(message, said)


def test_pages_must_ascend(peer: Peer) -> None:
    high, low = Leaf(b"\x09" * 32, 0, (), ()), Leaf(b"\x01" * 32, 0, (), ())
    (request,) = peer.say(DIFFERENT, Page(0, False, (), (high,)))
    assert request == Next(0, high.author, 0)
    peer.refuse(Page(0, True, (), (low,)), "begins before")


def test_entries_of_a_segment_are_checked(fleet: Fleet) -> None:
    entries = plans(fleet, 2)
    other = fleet.write("bank-b", put("city/n/plan", 0))
    foreign = Fleet(roots=2).write("bank-a", put("city/n/plan", 0))
    junk = bytes(64) + entries[1].raw
    assert parse_entry(junk) == entries[1]
    cases = {
        b"": "too short",
        foreign.wire: "of fleet",
        other.wire: "not asked for",
        junk: "wrong signature",
    }
    for wire, said in cases.items():
        peer = Peer(replica_of(fleet, ()))
        (want,) = peer.open(leaf(entries[1]), roots=roots(fleet))
        assert isinstance(want, Want)
        peer.refuse(Segment((Status.COMPLETE,), (wire,)), said)
    peer = Peer(replica_of(fleet, ()))
    peer.open(leaf(entries[1]), roots=roots(fleet))
    peer.refuse(Segment((Status.COMPLETE,) * 2, ()), "2 statuses for 1 chains")


@pytest.mark.parametrize("status", list(Status))
def test_empty_promises_end_the_round(fleet: Fleet, status: Status) -> None:
    entries = plans(fleet, 3)
    peer = Peer(replica_of(fleet, entries[:1]))
    answers = peer.open(leaf(entries[2]), roots=roots(fleet))
    for _ in range(4):
        (request,) = answers[:1]
        if isinstance(request, Done):
            break
        assert isinstance(request, Want)
        answers = peer.say(Segment((status,), ()))
    assert answers == [Done(0, False)]
    assert peer.session.refused == (entries[2].id,)
    assert peer.session.idle


def test_a_part_that_is_repeated_is_not_asked_for_again(fleet: Fleet) -> None:
    entries = plans(fleet, 5)
    peer = Peer(replica_of(fleet, ()))
    peer.open(leaf(entries[4]), roots=roots(fleet))
    part = Segment((Status.PARTIAL,), (entries[0].wire, entries[1].wire))
    (want,) = peer.say(part)
    assert isinstance(want, Want)
    assert entries[1].id in want.items[0].have
    assert not peer.session.idle
    assert peer.say(part) == [Done(2, False)]


def test_refused_ids_are_bounded(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_pull, "REFUSED_MAX", 2)
    entries = [fleet.write("bank-a", put("city/n/plan", n), inc=n) for n in range(4)]
    peer = Peer(replica_of(fleet, ()))
    (want,) = peer.open(*map(leaf, entries), roots=roots(fleet))
    assert isinstance(want, Want)
    peer.say(Segment((Status.ABSENT,) * 4, ()))
    assert peer.session.refused == (entries[2].id, entries[3].id)


def test_requests_after_busy_are_refused(fleet: Fleet) -> None:
    entries = plans(fleet, 3)
    session = SyncSession(
        replica_of(fleet, entries), reach=AUTH, initiator=False, limits=SyncLimits(requests_max=1)
    )
    session.receive(encode_message(DIFFERENT))
    ask = encode_message(Next(0, bytes(32), 0))
    (page,) = session.receive(ask)
    assert isinstance(decode_message(page), Page)
    (busy,) = session.receive(ask)
    assert decode_message(busy) == Busy()
    with pytest.raises(SyncError, match="after BUSY"):
        session.receive(ask)


def test_chains_are_answered_as_asked(fleet: Fleet) -> None:
    enrol(fleet)
    entries, rivals = plans(fleet, 4), plans(fleet, 1, note="rival")
    hidden = status(fleet, 1)
    peer = Peer(replica_of(fleet, fleet.entries), initiator=True)
    peer.say(DIFFERENT)
    feed = entries[0].feed
    tip = entries[3].id

    def ask(item: Item, size: int = 10_000) -> Segment:
        (answer,) = peer.say(Want(size, (item,)))
        assert isinstance(answer, Segment)
        return answer

    above = ask(Item(feed, tip, (entries[1].id, ID), False))
    assert above.wires == (entries[2].wire, entries[3].wire)
    assert ask(Item(feed, tip, (rivals[0].id,), False)) == Segment((Status.DIVERGED,), ())
    assert len(ask(Item(feed, tip, (rivals[0].id,), True)).wires) == 4
    assert ask(Item(feed, tip, (), False), 0) == Segment((Status.PARTIAL,), (entries[0].wire,))
    assert ask(Item(feed, ID, (), False)).statuses == (Status.ABSENT,)
    assert ask(Item(FeedId(*feed[:2], 77), tip, (), False)).statuses == (Status.ABSENT,)
    assert ask(Item(hidden[0].feed, hidden[0].id, (), False)).statuses == (Status.ABSENT,)
    (two,) = peer.say(Want(10, (Item(feed, entries[0].id, (), False),) * 2))
    assert two == Segment((Status.COMPLETE,), (entries[0].wire,)), "the second did not fit"
    assert peer.say(RootWant(9, 0)) == [RootPart(9, 0, 0, b"")]


# Root statements of peers that are not honest


def root_peer(fleet: Fleet, identifier: bytes) -> Peer:
    peer = Peer(replica_of(fleet, (), ()))
    assert peer.open(roots=(identifier,)) == [RootWant(1, 0)]
    return peer


def test_root_parts_are_checked(fleet: Fleet) -> None:
    statement = fleet.statements[0]
    wire, size = statement.wire, len(statement.wire)
    cases = [
        (RootPart(2, 0, size, wire), "not asked for"),
        (RootPart(1, 5, size, wire), "not asked for"),
        (RootPart(1, 0, size, b""), "do not fit"),
        (RootPart(1, 0, size - 1, wire), "do not fit"),
        (RootPart(1, 0, 2**21, wire), "do not fit"),
        (RootPart(1, 0, 3, b"abc"), "root statement"),
    ]
    for part, said in cases:
        root_peer(fleet, statement.id).refuse(part, said)
    root_peer(fleet, ID).refuse(RootPart(1, 0, size, wire), "announced")
    unsigned = make_root_statement(fleet.genesis, [RootItem("put", {})])
    part = RootPart(1, 0, len(unsigned.wire), unsigned.wire)
    root_peer(fleet, unsigned.id).refuse(part, "not signed")
    forged = sign_root(unsigned, key_of("thief"))
    part = RootPart(1, 0, len(forged.wire), forged.wire)
    root_peer(fleet, forged.id).refuse(part, "not signed")


def test_a_root_that_is_announced_and_not_held_is_left(fleet: Fleet) -> None:
    peer = root_peer(fleet, fleet.statements[0].id)
    assert peer.say(RootPart(1, 0, 0, b"")) == [Done(0, False)]


def test_a_root_that_came_from_elsewhere_meanwhile_is_fine(fleet: Fleet) -> None:
    replica = replica_of(fleet, (), ())
    peer = Peer(replica)
    statement = fleet.statements[0]
    peer.open(roots=(statement.id,))
    replica.offer_root(statement)
    wire = statement.wire
    assert peer.say(RootPart(1, 0, len(wire), wire)) == [Done(0, False)]


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
