"""Our own facts: signed, made durable, and only then shown and spread.

Every lane we write in has one feed (`crdt.own`). A fact is appended, handed to the store under a
ticket, and released by `persisted`: until then nobody sees it, ourselves included. What we say of
ourselves (STATE, FLEET) is a map of topics; a snapshot of the whole map replaces a statement before
more than 64 entries follow the last one, so that those lanes can be pruned. AUTH waits up to five
seconds after a start for somebody who may know more of us; facts written meanwhile wait in line.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from crdt.entry import Entry, FeedId, Lane
from crdt.errors import CrdtError
from crdt.own import Head, OwnFeed

__all__ = ["Released", "WriteError", "Writing"]

SNAPSHOT_EVERY = 60
"""Entries of ours after which the next statement is a snapshot; 64 are shown."""
WAITING_MAX = 256
"""Facts that may wait for their feed to be ready."""


class WriteError(Exception):
    """A fact cannot be written; the message says why and what to do."""


class Released(NamedTuple):
    """A fact of ours that is durable: show it and spread it.

    Its entry is None where the feed was left as forked meanwhile: nobody will ever see it.
    """

    handle: int
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A fact whose feed is not ready yet."""

    handle: int
    lane: Lane
    kind: str
    body: object


class Writing:
    """The own feeds of one node.

    Args:
        feeds: by lane.
        persist: called with (ticket, entry) for what must become durable.
        random_16: a source of 16 fresh random bits.
    """

    def __init__(
        self,
        feeds: Mapping[Lane, OwnFeed],
        persist: Callable[[int, Entry], None],
        random_16: Callable[[], int],
    ) -> None:
        self._feeds = dict(feeds)
        self._persist = persist
        self._random_16 = random_16
        self._waiting: deque[_Waiting] = deque()
        self._tickets: dict[int, tuple[Lane, int, int]] = {}
        self._next = 1
        self._topics: dict[Lane, dict[str, object]] = {Lane.STATE: {}, Lane.FLEET: {}}
        self._since_snapshot = {
            lane: SNAPSHOT_EVERY if feed.durable_head is not None else 0
            for lane, feed in self._feeds.items()
        }

    def state(
        self,
        lane: Lane,
        topic: str,
        kind: str,
        body: Mapping[str, object],
        *,
        t: int,
        now_ns: int,
    ) -> int:
        """Say something of ourselves under a topic, replacing what we said before; see `write`."""
        value = body["value"] if kind == "status" else body
        topics = {**self._topics[lane], topic: value}
        since = self._since_snapshot[lane]
        if since >= SNAPSHOT_EVERY or self._feeds[lane].feed is None:
            kind, body, since = "snap", {"map": topics}, 0
        handle = self.write(lane, kind, body, t=t, now_ns=now_ns)
        self._topics[lane], self._since_snapshot[lane] = topics, since + 1
        return handle

    def recall(self, lane: Lane, topics: Mapping[str, object]) -> None:
        """Have what we said of ourselves before this start in the next snapshot too."""
        self._topics[lane] = {**topics, **self._topics[lane]}

    def unsay(self, lane: Lane, topic: str) -> None:
        """Leave a topic out of the next snapshot."""
        self._topics[lane].pop(topic, None)

    def write(self, lane: Lane, kind: str, body: object, *, t: int, now_ns: int) -> int:
        """Append a fact; the handle comes back in `Released` once it is durable.

        Raises:
            WriteError: too many facts wait already.
            InvalidEntryError: the body cannot be encoded or is too large.
        """
        handle = self._next
        self._next += 1
        feed = self._feeds[lane]
        if any(waiting.lane == lane for waiting in self._waiting) or not feed.is_ready(now_ns):
            if len(self._waiting) >= WAITING_MAX:
                raise WriteError(f"{WAITING_MAX} facts wait for their feed: try again in a second")
            self._waiting.append(_Waiting(handle, lane, kind, body))
            return handle
        self._append(_Waiting(handle, lane, kind, body), t=t, now_ns=now_ns)
        return handle

    def _append(self, fact: _Waiting, *, t: int, now_ns: int) -> None:
        written = self._feeds[fact.lane].append(
            fact.kind, fact.body, t=t, now_ns=now_ns, random_16=self._random_16()
        )
        self._tickets[fact.handle] = (fact.lane, written.ticket, fact.handle)
        self._persist(fact.handle, written.entry)

    def deadline_ns(self) -> int | None:
        """When a waiting fact may be written at the latest; None if none waits."""
        return min((self._feeds[fact.lane].ready_at_ns() for fact in self._waiting), default=None)

    def tick(self, *, t: int, now_ns: int) -> tuple[tuple[int, str], ...]:
        """Append what waited and may be written now; returns (handle, reason) of what cannot be."""
        failed: list[tuple[int, str]] = []
        still: deque[_Waiting] = deque()
        while self._waiting:
            fact = self._waiting.popleft()
            if not self._feeds[fact.lane].is_ready(now_ns):
                still.append(fact)
                continue
            try:
                self._append(fact, t=t, now_ns=now_ns)
            except CrdtError as error:
                failed.append((fact.handle, str(error)))
        self._waiting = still
        return tuple(failed)

    def heard(self, heads: tuple[Head, ...], *, holds: Callable[[bytes], bool]) -> None:
        """A peer told what it holds of our feeds."""
        for feed in self._feeds.values():
            feed.heard(heads, holds=holds)

    def adopt(self, entry: Entry) -> None:
        """A peer brought an entry of ours that our disk had lost."""
        feed = self._feeds.get(Lane(entry.lane))
        if feed is not None:
            feed.adopt(entry)

    def leave_forked(self, evidence: Callable[[FeedId], object]) -> None:
        """Write into a new incarnation where evidence against the open one is held."""
        for feed in self._feeds.values():
            if feed.feed is not None and evidence(feed.feed):
                feed.forked()

    @property
    def has_discarded(self) -> bool:
        """Whether `drain_discarded` has something to return."""
        return any(feed.has_discarded for feed in self._feeds.values())

    def drain_discarded(self) -> list[Entry]:
        """Return own entries that were never published and never will be."""
        return [entry for feed in self._feeds.values() for entry in feed.drain_discarded()]

    def persisted(self, ticket: int) -> Released | None:
        """Return the fact that a ticket made durable; None if it is none of ours."""
        found = self._tickets.pop(ticket, None)
        if found is None:
            return None
        lane, own_ticket, handle = found
        return Released(handle, self._feeds[lane].persisted(own_ticket))

    def persist_failed(self, ticket: int) -> tuple[int, ...]:
        """Return the handles of the facts that are gone: this one and later ones of its feed."""
        found = self._tickets.get(ticket)
        if found is None:
            return ()
        lane, own_ticket, _ = found
        has_failed = bool(self._feeds[lane].persist_failed(own_ticket))
        gone = [
            handle
            for handle, (other, number, _) in self._tickets.items()
            if other is lane and (number == own_ticket or (has_failed and number > own_ticket))
        ]
        for handle in gone:
            del self._tickets[handle]
        if lane in self._topics:
            self._since_snapshot[lane] = SNAPSHOT_EVERY
        return tuple(gone)
