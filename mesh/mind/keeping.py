"""Keeping: what the replica took in goes to the store, and what it let go is deleted there.

Own facts are not kept here: they were durable before the replica saw them (`mesh.mind.writing`).
What the store could not take is asked for again a little later, as far as it is still so: a disk
that was full for a minute must not cost a fact at the next start.
"""

from crdt.entry import Entry
from identity.genesis import RootStatement
from mesh.mind.cores import Cores
from mesh.mind.effects import Persist
from mesh.units import SECOND

__all__ = ["Keeping"]

FOREIGN_TICKETS = 1 << 32
"""Tickets from here on are for what others wrote; below it for our own facts."""
AGAIN_NS = 10 * SECOND
"""What the store could not take is asked for again this much later."""


class Keeping:
    """What of the replica of one node the store holds."""

    __slots__ = ("_asked", "_cores", "_durable", "_refused", "_roots", "_ticket")

    def __init__(self, cores: Cores) -> None:
        self._cores = cores
        self._ticket = FOREIGN_TICKETS
        self._durable: set[bytes] = set()
        self._roots = cores.replica.chain.number
        self._asked: dict[int, Persist] = {}
        self._refused: list[Persist] = []

    def kept(self, entry: Entry) -> None:
        """The store holds this own entry already, which the replica is offered next."""
        self._durable.add(entry.id)

    def take_in(self) -> bool:
        """Ask the store for what changed since the last time; says whether anything did."""
        replica, writing = self._cores.replica, self._cores.writing
        has_roots = replica.chain.number > self._roots
        if not (replica.has_news or writing.has_discarded or has_roots):
            self._durable.clear()
            return False
        new, dropped = replica.drain_new(), replica.drain_dropped()
        dropped += writing.drain_discarded()
        roots = replica.chain.statements[self._roots :]
        self._store(new, tuple(dropped), roots)
        return True

    def answered(self, ticket: int, *, failed: bool = False) -> None:
        """The store took what was asked for under a ticket, or could not."""
        asked = self._asked.pop(ticket, None)
        if asked is not None and failed:
            self._refused.append(asked)
            self._cores.soon("store", AGAIN_NS)

    def ask_again(self) -> None:
        """Ask for what the store could not take, where the replica still agrees."""
        refused, self._refused = self._refused, []
        holds = self._cores.replica.entry
        entries = {entry.id: entry for asked in refused for entry in asked.entries}
        dropped = {entry.id: entry for asked in refused for entry in asked.dropped}
        self._ask(
            tuple(entry for key, entry in entries.items() if holds(key) is not None),
            tuple(root for asked in refused for root in asked.roots),
            tuple(entry for key, entry in dropped.items() if holds(key) is None),
        )

    def _store(
        self, new: list[Entry], dropped: tuple[Entry, ...], roots: tuple[RootStatement, ...]
    ) -> None:
        foreign = tuple(entry for entry in new if entry.id not in self._durable)
        self._durable.clear()
        self._roots += len(roots)
        self._ask(foreign, roots, dropped)
        for entry in foreign:
            if entry.author == self._cores.public:
                self._cores.writing.adopt(entry)

    def _ask(
        self,
        entries: tuple[Entry, ...],
        roots: tuple[RootStatement, ...],
        dropped: tuple[Entry, ...],
    ) -> None:
        if entries or roots or dropped:
            self._ticket += 1
            self._asked[self._ticket] = Persist(self._ticket, entries, roots, dropped)
            self._cores.out.append(self._asked[self._ticket])
