"""A sync session with a peer played by hand: whatever it says, the session stays in bounds."""

import pytest

from crdt import sync_pull
from crdt.entry import Entry, FeedId, Lane, parse_entry
from crdt.errors import SyncError
from crdt.replica import Replica
from crdt.sync import Reach, Refused, SyncLimits, SyncSession
from crdt.sync_codec import decode_message, encode_message
from crdt.sync_limits import ROUNDS_MAX
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
from identity.genesis import RootItem, make_root_statement, sign_root
from tests.laws.conversing import replica_of
from tests.laws.writing import (
    Fleet,
    box_of,
    grant,
    key_of,
    put,
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


class Peer:
    """The other side, played by hand: it answers with whatever a test says."""

    def __init__(
        self, replica: Replica, *, initiator: bool = False, refused: Refused | None = None
    ) -> None:
        self.session = SyncSession(replica, reach=AUTH, initiator=not initiator, refused=refused)
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


def test_rounds_without_end_end(peer: Peer) -> None:
    """A peer that always differs and always claims to have learned something."""
    for _ in range(ROUNDS_MAX):
        assert not peer.session.finished
        peer.say(DIFFERENT, Page(0, True, (), ()), Done(1, False))
    assert peer.session.finished
    assert not peer.session.equal


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
    assert list(peer.session.refused) == [entries[2].id]
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
    assert list(peer.session.refused) == [entries[2].id, entries[3].id]


def test_ids_asked_for_in_vain_are_bounded(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever announces proofs without end and has none is soon asked for nothing more."""
    monkeypatch.setattr(sync_pull, "REFUSED_MAX", 4)
    monkeypatch.setattr(sync_pull, "ITEMS_MAX", 1)
    peer = Peer(replica_of(fleet, ()))
    author = key_of("bank-a").public
    pairs = [(bytes([n]) * 32, bytes([n + 100]) * 32) for n in range(1, 40)]
    leaves = [Leaf(author, inc, (), (pair,)) for inc, pair in enumerate(pairs)]
    (request,) = peer.open(*leaves, roots=roots(fleet))
    wants = 0
    while isinstance(request, Want):
        wants += 1
        request = peer.say(Segment((Status.ABSENT,), ()))[0]
    assert request == Done(0, False)
    assert wants == 4


def test_what_is_refused_is_asked_for_again_when_a_view_may_have_changed(fleet: Fleet) -> None:
    """And not before: neither in the next round nor in the next session."""
    entries = plans(fleet, 3)
    replica = replica_of(fleet, ())
    refused = Peer(replica)
    refused.open(leaf(entries[2]), roots=roots(fleet))
    refused.say(Segment((Status.COMPLETE,), (entries[2].wire,)))
    for news in (False, True):
        if news:
            replica.offer(enrol(fleet))
        peer = Peer(replica, refused=refused.session.refused)
        (request, *_) = peer.open(leaf(entries[2]), roots=roots(fleet))
        assert isinstance(request, Want if news else Done)


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
