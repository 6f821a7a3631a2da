"""A simulated disk: what was synced survives a crash, what was not is lost."""

from crdt.entry import Entry
from crdt.store_records import Batch, Loaded, OwnHead
from identity.genesis import RootStatement

__all__ = ["SimulatedDisk"]


class SimulatedDisk:
    """The store of one simulated box: same rows as `crdt.store.Store`, in memory."""

    def __init__(self) -> None:
        self._entries: dict[bytes, Entry] = {}
        self._roots: dict[int, RootStatement] = {}
        self._own: dict[int, OwnHead] = {}
        self._boots = 0

    def append(self, batch: Batch) -> None:
        """Make a batch durable."""
        for statement in batch.roots:
            self._roots.setdefault(statement.number, statement)
        for entry in (*batch.entries, *batch.own):
            self._entries.setdefault(entry.id, entry)
        for entry in batch.dropped:
            self._entries.pop(entry.id, None)
        for entry in batch.own:
            self._own[entry.lane] = OwnHead(entry.lane, entry.inc, entry.seq, entry.id)

    def next_boot(self) -> int:
        """Count this start and return its number."""
        self._boots += 1
        return self._boots

    def load(self) -> Loaded:
        """Return everything to boot from."""
        entries = sorted(
            self._entries.values(), key=lambda entry: (entry.feed, entry.seq, entry.id)
        )
        roots = tuple(self._roots[number] for number in sorted(self._roots))
        return Loaded(roots, tuple(entries), (), dict(self._own), self._boots)
