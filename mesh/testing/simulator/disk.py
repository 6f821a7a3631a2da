"""A simulated disk: what was synced survives a crash, what was not is lost.

It keeps the promises of `crdt.store.Store`, and has the faults of real disks: it is full, it is
slow, it loses power between a write and its sync, and somebody puts an old copy of it back. A write
is all or nothing, as a transaction of the real store is: what a power cut tears in its log is no
part of it any more, and of what was not synced the first writes are there (`keep`), which
`tests/unit/crdt/test_store_torn.py` shows of the real one.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from crdt.entry import Entry
from crdt.store_records import Batch, Loaded, OwnHead, StoreFault, StoreFaultError
from identity.genesis import RootStatement
from mesh.units import MS

__all__ = ["Backup", "SimulatedDisk"]

SYNC_MS = 2.0
"""How long an ordinary disk takes to make something durable, milliseconds."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of a disk, the count of its starts included; one backup may be restored often."""

    entries: dict[bytes, Entry]
    evidence: dict[tuple[bytes, bytes], None]
    roots: dict[int, RootStatement]
    own: dict[int, OwnHead]
    boots: int
    memory: bytes | None


class SimulatedDisk:
    """The store of one simulated box: same rows as `crdt.store.Store`, in memory.

    Attributes:
        is_full: whether nothing more can be written.
        sync_ms: how long it takes to make something durable.
        refused: batches for which there was no room so far.
        lost: batches that were taken and not synced when their box died, so far.
    """

    def __init__(self) -> None:
        self.is_full = False
        self.sync_ms = SYNC_MS
        self.refused = self.lost = 0
        self._unsynced: deque[Batch] = deque()
        self._synced_ns = 0
        self._entries: dict[bytes, Entry] = {}
        self._ordered: tuple[Entry, ...] | None = None
        self._evidence: dict[tuple[bytes, bytes], None] = {}
        self._roots: dict[int, RootStatement] = {}
        self._own: dict[int, OwnHead] = {}
        self._boots = 0
        self._memory: bytes | None = None

    def copy(self) -> "SimulatedDisk":
        """Return another disk with the same facts; the two share them in memory until written.

        Nothing of it is its box's own, and no start was counted.
        """
        made = SimulatedDisk()
        self._ordered = made._ordered = self._in_order()
        made._entries, made._evidence = self._entries, dict(self._evidence)
        made._roots = dict(self._roots)
        return made

    def own(self, heads: Iterable[Entry]) -> None:
        """Note what it holds as the last entries that its box wrote itself, one a lane."""
        self._own |= {each.lane: _head(each) for each in heads}

    @property
    def memory(self) -> bytes | None:
        """What a conductor wrote down durably, if anything."""
        return self._memory

    def write(self, batch: Batch, now_ns: int) -> int:
        """Take a batch; returns when it may be synced, behind all that were taken before."""
        self._unsynced.append(batch)
        self._synced_ns = max(self._synced_ns, now_ns + int(self.sync_ms * MS))
        return self._synced_ns

    def sync(self) -> None:
        """Make the oldest batch that was taken durable.

        Raises:
            StoreFaultError: as `append`; the batch is gone.
        """
        self.append(self._unsynced.popleft())

    def lose_power(self, keep: int = 0) -> None:
        """Lose what was taken and not synced, all but the first `keep` batches.

        Nobody was told of those either: a disk may hold more than it has acknowledged.
        """
        try:
            for _ in range(min(keep, len(self._unsynced))):
                self.sync()
        except StoreFaultError:
            pass  # what it had no room for, it did not keep
        self.forget_unsynced()

    def forget_unsynced(self) -> None:
        """Forget what was taken and not synced: whoever waited for it is gone."""
        self.lost += len(self._unsynced)
        self._unsynced.clear()
        self._synced_ns = 0

    def backup(self) -> Backup:
        """Return a copy of all that is durable now."""
        return Backup(
            dict(self._entries),
            dict(self._evidence),
            dict(self._roots),
            dict(self._own),
            self._boots,
            self._memory,
        )

    def restore(self, backup: Backup) -> None:
        """Put a copy back: what was written since is gone, the count of the starts included."""
        self.forget_unsynced()
        self._entries, self._ordered = dict(backup.entries), None
        self._evidence = dict(backup.evidence)
        self._roots, self._own = dict(backup.roots), dict(backup.own)
        self._boots, self._memory = backup.boots, backup.memory

    def append(self, batch: Batch) -> None:
        """Make a batch durable, all of it or nothing.

        Raises:
            StoreFaultError: the disk is full, or an own entry follows one that is not durable.
        """
        if self.is_full:
            self.refused += 1
            raise StoreFaultError(StoreFault.FULL, "the simulated disk is full: empty it first")
        entries, own = dict(self._entries), dict(self._own)
        for entry in batch.entries:
            entries.setdefault(entry.id, entry)
        for entry in batch.own:
            self._append_own(entries, entry)
            own[entry.lane] = _head(entry)
        for first, second in batch.evidence:
            entries.setdefault(first.id, first)
            entries.setdefault(second.id, second)
            low, high = sorted((first.id, second.id))
            self._evidence[low, high] = None
        for entry in batch.dropped:
            entries.pop(entry.id, None)
        for statement in batch.roots:
            self._roots.setdefault(statement.number, statement)
        self._entries, self._ordered, self._own = entries, None, own
        self._memory = self._memory if batch.memory is None else batch.memory

    def _append_own(self, entries: dict[bytes, Entry], entry: Entry) -> None:
        """Add an own entry; an unpublished one that a failed commit left in its place goes."""
        before = entries.get(entry.prev)
        if entry.seq and (before is None or before.feed != entry.feed):
            message = f"{entry!r} follows an entry that is not durable"
            raise StoreFaultError(StoreFault.UNLINKED, message)
        proofs = {identifier for pair in self._evidence for identifier in pair}
        for other in tuple(entries.values()):
            if other.feed == entry.feed and other.seq >= entry.seq and other.id not in proofs:
                del entries[other.id]
        entries[entry.id] = entry

    def next_boot(self) -> int:
        """Count this start and return its number."""
        self._boots += 1
        return self._boots

    def load(self) -> Loaded:
        """Return everything to boot from."""
        roots = tuple(self._roots[number] for number in sorted(self._roots))
        pairs = [
            (self._entries[first], self._entries[second])
            for first, second in self._evidence
            if first in self._entries and second in self._entries
        ]
        own = dict(self._own)
        return Loaded(roots, self._in_order(), tuple(pairs), own, self._boots, self._memory)

    def _in_order(self) -> tuple[Entry, ...]:
        if self._ordered is not None:
            return self._ordered
        return tuple(
            sorted(
                self._entries.values(),
                key=lambda entry: (entry.lane, entry.author, entry.inc, entry.seq, entry.id),
            )
        )


def _head(entry: Entry) -> OwnHead:
    return OwnHead(entry.lane, entry.inc, entry.seq, entry.id)
