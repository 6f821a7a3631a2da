"""Waking many replicas from what is mostly the same, and hearing the same events in all of them.

The boxes of a simulated fleet start from disks that hold the same facts, and hold the same again a
little later. So replicas that wake from equal disks share what they hold until they change it, and
all of them share what is folded from equal facts. Each decides as if it were alone: a replica is
the twin of one that was restored as a box restores its own (`crdt.replica`, `crdt.folds`).

An event is heard by dozens of boxes within milliseconds, and every one of them checks the same
signature. The simulator remembers the last answers by all that goes into them; a box does not,
because it checks each event once.
"""

from collections import OrderedDict
from collections.abc import Hashable
from functools import lru_cache

from crdt.entry import Entry
from crdt.folds import SharedFolds
from crdt.replica import Replica
from crdt.store_records import Loaded
from identity.domain import EVENT
from identity.genesis import Genesis
from identity.keys import verify
from mesh.choreography.event import SealedEvent
from mesh.mind.assembly import wake_replica

__all__ = ["Awakening"]

ORIGINALS_MAX = 4
"""Contents of disks of which a replica is kept."""
CHECKED_MAX = 1_024
"""Signatures whose check is remembered, of at most 2 KiB each: the events of some seconds."""


class Awakening:
    """The replicas of one simulation."""

    def __init__(self) -> None:
        self._folds = SharedFolds()
        self._originals: OrderedDict[Hashable, Replica] = OrderedDict()
        self._entries: tuple[Entry, ...] = ()
        self._ids = frozenset[bytes]()
        self._checked = lru_cache(maxsize=CHECKED_MAX)(verify)

    def verify(self, event: SealedEvent) -> bool:
        """Whether the signature of an event is its author's."""
        return self._checked(event.author, EVENT, event.raw, event.signature)

    def wake(self, genesis: Genesis, loaded: Loaded) -> Replica:
        """Return the replica of what a disk held."""
        if loaded.entries is not self._entries:  # disks that were copied share what they hold
            self._entries = loaded.entries
            self._ids = frozenset(entry.id for entry in loaded.entries)
        content = (
            genesis.ns,
            tuple(statement.id for statement in loaded.roots),
            self._ids,
            tuple((first.id, second.id) for first, second in loaded.evidence),
        )
        original = self._originals.get(content)
        if original is None:
            original = wake_replica(genesis, loaded, self._folds)
            self._originals[content] = original
            if len(self._originals) > ORIGINALS_MAX:
                self._originals.popitem(last=False)
        self._originals.move_to_end(content)
        return original.twin()
