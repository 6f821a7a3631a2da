"""The own feed: whatever happens to process and disk, no number of it is used twice (I15)."""

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from crdt.entry import Entry, Lane, make_entry
from crdt.errors import InvalidEntryError
from crdt.own import ANSWER_WAIT_NS, PENDING_MAX, FeedNotReadyError, Head, OwnFeed, Written
from identity.keys import SecretKey

NS = bytes(16)
KEY = SecretKey.from_seed(b"o" * 32)
LATE = ANSWER_WAIT_NS


def own_feed(lane: Lane = Lane.AUTH, head: Entry | None = None, **options: object) -> OwnFeed:
    return OwnFeed(KEY, NS, lane, head=head, started_ns=0, **options)  # pyright: ignore


def write(feed: OwnFeed, number: int = 0, now_ns: int = LATE, random_16: int = 0xBEEF) -> Written:
    return feed.append("x", {"n": number}, t=1, now_ns=now_ns, random_16=random_16)


def heard(feed: OwnFeed, *heads: Entry, holds: tuple[Entry, ...] = ()) -> None:
    held = {entry.id for entry in holds}
    feed.heard(
        [Head(head.lane, head.inc, head.seq, head.id) for head in heads],
        holds=lambda identifier: identifier in held,
    )


def chain(count: int, lane: Lane = Lane.AUTH, inc: int = 5, note: str = "") -> list[Entry]:
    entries: list[Entry] = []
    for seq in range(count):
        prev = entries[-1].id if entries else bytes(32)
        entries.append(
            make_entry(KEY, ns=NS, lane=lane, inc=inc, seq=seq, prev=prev, t=1, kind="x", body=note)
        )
    return entries


def test_the_first_incarnation_and_its_entries() -> None:
    feed = own_feed()
    assert feed.feed is None
    first, second = write(feed), write(feed, 1)
    assert (first.entry.inc, first.entry.seq, first.entry.prev) == (0xBEEF, 0, bytes(32))
    assert (second.entry.inc, second.entry.seq, second.entry.prev) == (0xBEEF, 1, first.entry.id)
    assert feed.pending == 2
    assert feed.durable_head is None
    assert feed.persisted(first.ticket) == first.entry
    assert feed.durable_head == first.entry
    assert feed.feed == first.entry.feed
    assert "AUTH beef#0 +1" in repr(feed)


def test_a_new_incarnation_is_above_every_one_known() -> None:
    feed = own_feed(incarnations=[3 << 16 | 9, 1])
    heard(feed, chain(1, inc=7 << 16 | 1)[0], chain(1, Lane.STATE, 99 << 16)[0])
    assert write(feed, random_16=2).entry.inc == 8 << 16 | 2
    with pytest.raises(FeedNotReadyError):
        write(own_feed(incarnations=[2**48 - 1]))


def test_auth_waits_for_an_answer_and_others_do_not() -> None:
    feed = own_feed(head=chain(1)[0])
    assert not feed.is_ready(LATE - 1)
    with pytest.raises(FeedNotReadyError, match="AUTH waits"):
        write(feed, now_ns=0)
    heard(feed)
    assert write(feed, now_ns=0).entry.seq == 1
    assert write(own_feed(Lane.STATE), now_ns=0).entry.seq == 0


def test_auth_goes_on_in_the_dark_and_state_opens_a_new_incarnation() -> None:
    assert write(own_feed(head=chain(2)[1])).entry.seq == 2
    state = chain(2, Lane.STATE)
    following = write(own_feed(Lane.STATE, state[1]))
    assert (following.entry.seq, following.entry.inc) == (0, 1 << 16 | 0xBEEF)
    answered = own_feed(Lane.STATE, state[1])
    heard(answered, state[1], holds=tuple(state))
    assert write(answered).entry.prev == state[1].id


def test_a_restored_backup_adopts_what_links() -> None:
    entries = chain(4)
    feed = own_feed(head=entries[1])
    heard(feed, entries[3], holds=tuple(entries[:2]))
    assert not feed.is_ready(0)
    assert not feed.adopt(entries[0])
    assert feed.adopt(entries[2])
    assert not feed.is_ready(0)
    assert feed.adopt(entries[3])
    assert feed.is_ready(0)
    assert write(feed, now_ns=0).entry.prev == entries[3].id


def test_what_never_comes_means_a_new_incarnation() -> None:
    entries = chain(4)
    feed = own_feed(head=entries[1])
    heard(feed, entries[3], holds=tuple(entries[:2]))
    assert write(feed).entry.inc == 1 << 16 | 0xBEEF


def test_a_rival_entry_means_a_new_incarnation_and_takes_back_what_waits() -> None:
    entries, rival = chain(2), chain(2, note="rival")
    feed = own_feed(head=entries[1])
    heard(feed, rival[1], holds=tuple(entries))
    assert write(feed).entry.seq == 0

    feed = own_feed(head=entries[0])
    waiting = write(feed)
    heard(feed, waiting.entry, holds=tuple(entries[:1]))
    assert feed.pending == 1
    heard(feed, rival[1], holds=tuple(entries[:1]))
    assert feed.pending == 0
    assert feed.persisted(waiting.ticket) is None
    assert feed.drain_discarded() == (waiting.entry,)
    assert feed.drain_discarded() == ()

    feed = own_feed(head=entries[0])
    written = write(feed)
    feed.persisted(written.ticket)
    heard(feed, chain(9, note="rival")[8])
    assert write(feed, 1).entry.seq == 0

    feed = own_feed(head=entries[1])
    assert not feed.adopt(rival[1])
    assert write(feed).entry.seq == 0
    assert write(own_feed(head=entries[1], is_forked=True)).entry.inc == 1 << 16 | 0xBEEF


def test_pruned_lanes_write_above_every_other_incarnation() -> None:
    entries = chain(3, Lane.FLEET)
    for said in (chain(1, Lane.FLEET, 9)[0], chain(4, Lane.FLEET, note="y")[3]):
        feed = own_feed(Lane.FLEET, entries[2])
        heard(feed, said, holds=tuple(entries))
        assert write(feed).entry.seq == 0
    feed = own_feed(Lane.FLEET, entries[2])
    heard(feed, entries[0], holds=tuple(entries[1:]))
    assert write(feed).entry.seq == 3, "an older entry of mine may have been pruned"
    feed = own_feed(Lane.FLEET, entries[2])
    heard(feed, entries[2], holds=tuple(entries))
    assert not feed.adopt(chain(1, Lane.FLEET, 9)[0])
    assert write(feed).entry.inc == 1 << 16 | 0xBEEF


def test_entries_of_others_and_other_lanes_are_not_adopted() -> None:
    feed = own_feed()
    assert not feed.adopt(chain(1, Lane.STATE)[0])
    assert write(feed).entry.seq == 0


def test_a_failed_write_returns_to_the_last_durable_entry() -> None:
    feed = own_feed(head=chain(1)[0])
    first, second, third = write(feed, 1), write(feed, 2), write(feed, 3)
    feed.persisted(first.ticket)
    assert feed.persist_failed(second.ticket) == (second.entry, third.entry)
    assert feed.persist_failed(third.ticket) == ()
    assert feed.persisted(third.ticket) is None
    assert feed.drain_discarded() == (second.entry, third.entry)
    again = write(feed, 4)
    assert again.entry.prev == first.entry.id
    assert again.ticket not in {first.ticket, second.ticket, third.ticket}


def test_a_failed_first_entry_is_followed_by_another_first() -> None:
    feed = own_feed()
    failed = write(feed)
    feed.persist_failed(failed.ticket)
    again = write(feed, 1)
    assert (again.entry.inc, again.entry.seq) == (failed.entry.inc, 0)
    heard(feed, chain(3, inc=again.entry.inc)[2])
    assert write(feed, 2).entry.inc > again.entry.inc


def test_limits() -> None:
    feed = own_feed()
    for number in range(PENDING_MAX):
        write(feed, number)
    with pytest.raises(FeedNotReadyError, match="wait for the disk"):
        write(feed)
    with pytest.raises(InvalidEntryError):
        own_feed().append("x", 1.5, t=1, now_ns=LATE, random_16=0)


class OwnFeedMachine(RuleBasedStateMachine):
    """A box with a disk, backups of it, and peers that hold what was published.

    AUTH restored from a backup in the dark is the one case that cannot be kept from forking; there
    the peers answer before the first entry. STATE must survive it.
    """

    lane = Lane.STATE

    @initialize()
    def boot_first(self) -> None:
        self.disk: list[Entry] = []
        self.peers: list[Entry] = []
        self.published: dict[tuple[int, int], bytes] = {}
        self.fresh = 0
        self.number = 0
        self.waiting: list[Written] = []
        self.is_stale = False
        self._start()

    def _start(self) -> None:
        last = self.disk[-1] if self.disk else None
        incarnations = [entry.inc for entry in self.disk]
        self.waiting = []
        self.held = {entry.id: entry for entry in self.disk}
        self.feed = own_feed(self.lane, last, incarnations=incarnations)
        self.answered = False

    @rule()
    def answer(self) -> None:
        """A peer says where my feeds end, and brings what I lack, oldest first."""
        heads = {entry.inc: entry for entry in self.peers}
        heard(self.feed, *heads.values(), holds=tuple(self.held.values()))
        self.answered = True

    @rule()
    def bring(self) -> None:
        for entry in self.peers:
            if entry.id not in self.held and (entry.seq == 0 or entry.prev in self.held):
                self.held[entry.id] = entry
                if self.feed.adopt(entry):
                    self.disk.append(entry)

    @precondition(lambda self: self.lane != Lane.AUTH or self.answered or not self.is_stale)
    @rule()
    def append(self) -> None:
        self.number += 1
        self.fresh = (self.fresh + 1) % 0x10000
        if self.feed.is_ready(LATE):
            self.waiting.append(write(self.feed, self.number, random_16=self.fresh))

    @precondition(lambda self: self.waiting)
    @rule()
    def persist(self) -> None:
        written = self.waiting.pop(0)
        entry = self.feed.persisted(written.ticket)
        if entry is None:
            return
        self.disk.append(entry)
        self.held[entry.id] = entry
        self.peers.append(entry)
        place = (entry.inc, entry.seq)
        assert self.published.setdefault(place, entry.id) == entry.id, "one number, two entries"

    @precondition(lambda self: self.waiting)
    @rule(data=strategies.data())
    def fail(self, data: strategies.DataObject) -> None:
        place = data.draw(strategies.integers(0, len(self.waiting) - 1))
        failed = self.feed.persist_failed(self.waiting[place].ticket)
        if data.draw(strategies.booleans()):
            for later in self.waiting[place:]:
                assert self.feed.persisted(later.ticket) is None or later.entry not in failed
        del self.waiting[place:]

    @precondition(lambda self: self.lane != Lane.AUTH or self.answered or not self.is_stale)
    @rule()
    def publish(self) -> None:
        self.append()
        while self.waiting:
            self.persist()

    @rule(lost=strategies.sampled_from([0, 1, 1, 2, 1000]), answered=strategies.booleans())
    def restart(self, lost: int, answered: bool) -> None:
        """Crash, and come back with the disk, with an old copy of it, or with an empty one."""
        self.is_stale = self.is_stale or lost > 0
        self.disk = self.disk[: max(0, len(self.disk) - lost)]
        self._start()
        if answered:
            self.answer()

    @invariant()
    def published_chains_have_no_gap(self) -> None:
        for inc, seq in getattr(self, "published", {}):
            assert seq == 0 or (inc, seq - 1) in self.published


class AuthFeedMachine(OwnFeedMachine):
    lane = Lane.AUTH


BUDGET = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStateFeed = OwnFeedMachine.TestCase
TestStateFeed.settings = BUDGET
TestAuthFeed = AuthFeedMachine.TestCase
TestAuthFeed.settings = BUDGET
