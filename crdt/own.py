"""My own feed in one lane: which incarnation I write in, and what may be published when.

Two entries of mine with one (lane, inc, seq) are a fork, and a forker is quarantined. Nothing but
this file chooses incarnations and numbers, and it never emits what is not durable:

    starting ──(a peer answered, or waited long enough)──► writing ──append──► ticket
    ticket ──persisted──► published        ticket ──persist_failed──► it and all later ones gone

An incarnation is (1 + the highest of mine that I or any peer knows) ‖ 16 random bits: one key on
two disks is two chains, not a fork. At every start I go on where my disk stopped *unless* somebody
knows more of me: an entry of this incarnation that I lack is adopted if it links (a backup was
restored), else a new incarnation is opened. AUTH waits for a peer's answer before its first entry,
since its incarnations are few. STATE and FLEET do not wait: with no answer they open a new
incarnation, which costs them little (they prune; whoever writes them states everything anew where
`seq` is 0), and keeps a backup that was restored in the dark from forking.

Entries are published, and shown to the own replica, only when durable (docs/records.md, "Entry").
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from crdt.entry import INCARNATION_MAX, Entry, FeedId, Lane, make_entry
from crdt.errors import CrdtError
from identity.keys import SecretKey

__all__ = ["ANSWER_WAIT_NS", "FeedNotReadyError", "Head", "OwnFeed", "Written"]

ANSWER_WAIT_NS = 5_000_000_000
"""How long AUTH waits at a start for a peer that may know more of me, nanoseconds."""
RANDOM_BITS = 16
"""Low bits of an incarnation that are random."""
PENDING_MAX = 1024
"""Entries that may wait for the disk."""
_NO_ENTRY = bytes(32)


class FeedNotReadyError(CrdtError):
    """Nothing may be written into the own feed at this moment; the message says until when."""


class Head(NamedTuple):
    """What a peer says it holds of a feed of mine: where it ends."""

    lane: int
    inc: int
    seq: int
    id: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """An entry that waits for the disk under a ticket."""

    ticket: int
    entry: Entry


class OwnFeed:
    """The own feed of one lane.

    Args:
        key: the key of this box.
        ns: namespace of the fleet.
        lane: which lane.
        head: the last durable entry of the incarnation that this disk wrote last, None for none;
            `is_forked` where evidence against that feed is held.
        incarnations: every incarnation of this lane and key that this box has heard of.
        started_ns: monotonic time of this start.
        is_forked: see `head`.
    """

    def __init__(
        self,
        key: SecretKey,
        ns: bytes,
        lane: Lane,
        *,
        head: Entry | None,
        incarnations: Iterable[int] = (),
        started_ns: int,
        is_forked: bool = False,
    ) -> None:
        self._key = key
        self._ns = ns
        self._lane = lane
        self._durable: Entry | None = None if is_forked else head
        self._inc: int | None = None if self._durable is None else self._durable.inc
        self._highest = max([*incarnations, -1 if head is None else head.inc], default=-1)
        self._started_ns = started_ns
        self._answered = False
        self._ahead: dict[bytes, int] = {}
        self._has_written = False
        self._pending: list[Written] = []
        self._discarded: list[Entry] = []
        self._next_ticket = 0

    @property
    def feed(self) -> FeedId | None:
        """The feed that is written in; None until the first entry of a new incarnation."""
        return None if self._inc is None else FeedId(self._key.public, self._lane, self._inc)

    @property
    def durable_head(self) -> Entry | None:
        """The last entry that the disk is known to hold."""
        return self._durable

    @property
    def pending(self) -> int:
        """How many entries wait for the disk."""
        return len(self._pending)

    def __repr__(self) -> str:
        seq = -1 if self._durable is None else self._durable.seq
        inc = "new" if self._inc is None else f"{self._inc:x}"
        return f"<OwnFeed {self._lane.name} {inc}#{seq} +{len(self._pending)}>"

    # What others know of me

    def heard(self, heads: Iterable[Head], *, holds: Callable[[bytes], bool]) -> None:
        """Take a peer's answer: where my feeds end, as far as it knows.

        Args:
            heads: of all lanes; those of others are passed over. An empty answer is one too.
            holds: whether this box holds an entry by id.
        """
        self._answered = True
        for head in heads:
            if head.lane != self._lane:
                continue
            self._highest = max(self._highest, head.inc)
            if head.inc == self._inc and not holds(head.id):
                self._compare(head)
        self._leave_if_superseded()

    def _compare(self, head: Head) -> None:
        """Judge a head of this incarnation that I do not hold."""
        last = self._last()
        if last is None or head.seq > last.seq:
            if self._lane == Lane.AUTH and not self._has_written:
                self._ahead[head.id] = head.seq
            else:
                self.forked()
        elif any(written.entry.id == head.id for written in self._pending):
            return
        elif self._lane == Lane.AUTH or head.seq == last.seq:
            self.forked()  # else it may be an entry that I wrote and pruned

    def adopt(self, entry: Entry) -> bool:
        """Take an own entry that a peer brought and the replica linked; offer them in order.

        Returns:
            Whether the feed now goes on from it.
        """
        if entry.author != self._key.public or entry.lane != self._lane:
            return False
        self._highest = max(self._highest, entry.inc)
        self._ahead.pop(entry.id, None)
        last = self._last()
        if entry.inc != self._inc or last is None:
            self._leave_if_superseded()
            return False
        if entry.seq < last.seq or entry.id == last.id:
            return False
        if entry.prev == last.id and not self._pending:
            self._durable = entry
            return True
        self.forked()
        return False

    def forked(self) -> None:
        """Somebody holds another entry in a place of mine: leave the incarnation.

        What waits for the disk is never published; `drain_discarded` names it.
        """
        self._discard(w.entry for w in self._pending if w.entry.inc == self._inc)
        self._pending = [written for written in self._pending if written.entry.inc != self._inc]
        self._leave()

    def _discard(self, entries: Iterable[Entry]) -> None:
        self._discarded = [*self._discarded, *entries][-PENDING_MAX:]

    @property
    def has_discarded(self) -> bool:
        """Whether `drain_discarded` has something to return."""
        return bool(self._discarded)

    def drain_discarded(self) -> tuple[Entry, ...]:
        """Return entries that were signed and must be taken off the disk, since the last call."""
        discarded, self._discarded = tuple(self._discarded), []
        return discarded

    def _leave(self) -> None:
        """Open a new incarnation with the next entry."""
        self._inc = None
        self._ahead.clear()

    def _leave_if_superseded(self) -> None:
        """A pruned lane shows only its highest incarnation: write above every other."""
        if self._lane != Lane.AUTH and self._inc is not None and self._highest > self._inc:
            self._leave()

    # Writing

    def ready_at_ns(self) -> int:
        """Return the monotonic time from which `append` is allowed if no peer answers."""
        return self._started_ns + (ANSWER_WAIT_NS if self._lane == Lane.AUTH else 0)

    def is_ready(self, now_ns: int) -> bool:
        """Whether `append` is allowed: I hold what those who answered hold, or time is up."""
        return (self._answered and not self._ahead) or now_ns >= self.ready_at_ns()

    def append(self, kind: str, body: object, *, t: int, now_ns: int, random_16: int) -> Written:
        """Sign the next entry; make it durable, then call `persisted` with its ticket.

        Args:
            kind: of the entry.
            body: its body.
            t: wall clock, milliseconds, a claim.
            now_ns: monotonic time.
            random_16: 16 fresh random bits, used where a new incarnation is opened.

        Raises:
            FeedNotReadyError: too early after the start, or too much waits for the disk.
            InvalidEntryError: the body cannot be encoded or is too large.
        """
        if not self.is_ready(now_ns):
            message = f"{self._lane.name} waits for a peer's answer until {self.ready_at_ns()} ns"
            raise FeedNotReadyError(f"{message} (now {now_ns}): try again then")
        if len(self._pending) >= PENDING_MAX:
            raise FeedNotReadyError(f"{PENDING_MAX} entries wait for the disk: try again later")
        self._settle()
        last = self._last()
        inc = self._inc
        if inc is None:
            inc = ((self._highest >> RANDOM_BITS) + 1) << RANDOM_BITS | random_16 & 0xFFFF
        if inc > INCARNATION_MAX:
            raise FeedNotReadyError(f"incarnation {inc:x} is out of range: use a new key")
        entry = make_entry(
            self._key,
            ns=self._ns,
            lane=self._lane,
            inc=inc,
            seq=0 if last is None else last.seq + 1,
            prev=_NO_ENTRY if last is None else last.id,
            t=t,
            kind=kind,
            body=body,
        )
        self._inc = inc
        self._highest = max(self._highest, inc)
        self._has_written = True
        written = Written(self._next_ticket, entry)
        self._next_ticket += 1
        self._pending.append(written)
        return written

    def _settle(self) -> None:
        """Decide before the first entry of this start where it goes."""
        if self._has_written:
            return
        if self._ahead or (self._lane != Lane.AUTH and not self._answered):
            self._leave()

    def _last(self) -> Entry | None:
        """Return the entry of this incarnation that the next one follows."""
        last = self._pending[-1].entry if self._pending else self._durable
        return last if last is not None and last.inc == self._inc else None

    def persisted(self, ticket: int) -> Entry | None:
        """Return the entry that is now durable and may be published.

        None: the ticket failed before, with an earlier one; publish nothing.
        """
        if not self._pending or self._pending[0].ticket != ticket:
            return None
        entry = self._pending.pop(0).entry
        self._durable = entry
        return entry

    def persist_failed(self, ticket: int) -> tuple[Entry, ...]:
        """Return the head to the last durable entry.

        Returns:
            The entries that were not published and never will be: this one and all later ones.
        """
        for place, written in enumerate(self._pending):
            if written.ticket == ticket:
                failed = tuple(later.entry for later in self._pending[place:])
                del self._pending[place:]
                self._discard(failed)
                return failed
        return ()
