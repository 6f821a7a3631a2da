"""Keeping: what the replica took in goes to the store, and what it let go is deleted there.

Own facts are not kept here: they were durable before the replica saw them (`mesh.mind.writing`).
"""

from crdt.entry import Entry
from identity.genesis import RootStatement
from mesh.mind.cores import Cores
from mesh.mind.effects import Persist

__all__ = ["Keeping"]

FOREIGN_TICKETS = 1 << 32
"""Tickets from here on are for what others wrote; below it for our own facts."""


class Keeping:
    """What of the replica of one node the store holds."""

    __slots__ = ("_cores", "_durable", "_roots", "_ticket")

    def __init__(self, cores: Cores) -> None:
        self._cores = cores
        self._ticket = FOREIGN_TICKETS
        self._durable: set[bytes] = set()
        self._roots = cores.replica.chain.number

    def kept(self, entry: Entry) -> None:
        """The store holds this own entry already, which the replica is offered next."""
        self._durable.add(entry.id)

    def take_in(self) -> bool:
        """Ask the store for what changed since the last time; says whether anything did."""
        replica = self._cores.replica
        new, dropped = replica.drain_new(), replica.drain_dropped()
        dropped += self._cores.writing.drain_discarded()
        roots = replica.chain.statements[self._roots :]
        if not (new or dropped or roots):
            self._durable.clear()
            return False
        self._store(new, tuple(dropped), roots)
        return True

    def _store(
        self, new: list[Entry], dropped: tuple[Entry, ...], roots: tuple[RootStatement, ...]
    ) -> None:
        foreign = tuple(entry for entry in new if entry.id not in self._durable)
        self._durable.clear()
        self._roots += len(roots)
        if foreign or dropped or roots:
            self._ticket += 1
            self._cores.out.append(Persist(self._ticket, foreign, roots, dropped))
        for entry in foreign:
            if entry.author == self._cores.public:
                self._cores.writing.adopt(entry)
