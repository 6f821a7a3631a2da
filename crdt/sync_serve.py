"""The answering half of a sync session: stateless but for what it has spent.

Every request gets exactly one answer. What a peer may not see looks as if it were not held. A spent
budget is answered BUSY once; asking again after that is no honest peer's behaviour.
"""

from crdt.entry import Entry
from crdt.errors import SyncError
from crdt.replica import Replica
from crdt.sync_limits import SyncLimits
from crdt.sync_messages import (
    WIRES_MAX,
    Busy,
    Item,
    Next,
    Page,
    RootPart,
    RootWant,
    Segment,
    Status,
    Want,
)
from crdt.sync_vector import Reach, chain_down, page_after

__all__ = ["Server"]

_WIRE_HEADER = 5
"""Bytes of CBOR before an entry in a segment."""


class Server:
    """Answers one peer's requests within a budget."""

    __slots__ = (
        "_bytes",
        "_limits",
        "_reach",
        "_replica",
        "_steps",
        "entries_served",
        "exhausted",
        "requests",
    )

    def __init__(self, replica: Replica, reach: Reach, limits: SyncLimits) -> None:
        self._replica = replica
        self._reach = reach
        self._limits = limits
        self._steps = 0
        self._bytes = 0
        self.entries_served = 0
        self.exhausted = False
        """Whether a request was refused because the budget is spent."""
        self.requests = 0

    def first_page(self, lane: int) -> Page:
        """Return the first page of a lane, which is sent unasked."""
        page, steps = page_after(self._replica, self._reach, lane, None)
        self._steps += steps
        return page

    def answer(self, request: Next | Want | RootWant) -> Page | Segment | RootPart | Busy:
        """Return the one answer to a request.

        Raises:
            SyncError: the peer was told that the budget is spent, and asks on.
        """
        if self.exhausted:
            raise SyncError("a request after BUSY: expected DONE")
        self.requests += 1
        limits = self._limits
        if (
            self.requests > limits.requests_max
            or self._bytes >= limits.bytes_out_max
            or self._steps >= limits.steps_max
        ):
            return self._busy()
        match request:
            case Next(lane, author, inc):
                page, steps = page_after(self._replica, self._reach, lane, (author, inc))
                self._steps += steps
                return page
            case Want():
                return self._segment(request)
            case RootWant():
                return self._root_part(request)

    def _busy(self) -> Busy:
        self.exhausted = True
        return Busy()

    def _segment(self, want: Want) -> Segment | Busy:
        """Answer items in order until one does not fit."""
        statuses: list[Status] = []
        wires: list[bytes] = []
        room = want.size_max
        for item in want.items:
            status, chain = self._chain(item)
            if status is None:
                break
            for sent, entry in enumerate(chain):
                wire = entry.wire
                if wires and (room < len(wire) or len(wires) == WIRES_MAX):
                    status = Status.PARTIAL if sent else None
                    break
                wires.append(wire)
                room -= len(wire) + _WIRE_HEADER
            if status is not None:
                statuses.append(status)
            if status in (None, Status.PARTIAL):
                break
        if not statuses:
            return self._busy()
        self.entries_served += len(wires)
        self._bytes += sum(map(len, wires))
        return Segment(tuple(statuses), tuple(wires))

    def _chain(self, item: Item) -> tuple[Status | None, list[Entry]]:
        """Return what becomes of an item, and its chain oldest first; None: out of steps."""
        tip = self._replica.entry(item.tip)
        if tip is None or tip.feed != item.feed or not self._reach.shares(self._replica, item.feed):
            return Status.ABSENT, []
        room = self._limits.steps_max - self._steps
        chain, met, complete = chain_down(self._replica, tip, frozenset(item.have), room)
        self._steps += len(chain)
        if not complete:
            return None, []
        if not met and item.have and not item.whole:
            return Status.DIVERGED, []
        chain.reverse()
        return Status.COMPLETE, chain

    def _root_part(self, want: RootWant) -> RootPart:
        statements = self._replica.chain.statements
        if not 1 <= want.number <= len(statements):
            return RootPart(want.number, want.offset, 0, b"")
        wire = statements[want.number - 1].wire
        part = wire[want.offset : want.offset + self._limits.segment_size_max]
        self._bytes += len(part)
        return RootPart(want.number, want.offset, len(wire), part)
