"""Waking many replicas from what is mostly the same.

The boxes of a simulated fleet start from disks that hold the same facts, and hold the same again a
little later. So replicas that wake from equal disks share what they hold until they change it, and
all of them share what is folded from equal facts. Each decides as if it were alone: a replica is
the twin of one that was restored as a box restores its own (`crdt.replica`, `crdt.folds`).
"""

from collections import OrderedDict
from collections.abc import Hashable

from crdt.folds import SharedFolds
from crdt.replica import Replica
from crdt.store_records import Loaded
from identity.genesis import Genesis
from mesh.mind.assembly import wake_replica

__all__ = ["Awakening"]

ORIGINALS_MAX = 4
"""Contents of disks of which a replica is kept."""


class Awakening:
    """The replicas of one simulation."""

    def __init__(self) -> None:
        self._folds = SharedFolds()
        self._originals: OrderedDict[Hashable, Replica] = OrderedDict()

    def wake(self, genesis: Genesis, loaded: Loaded) -> Replica:
        """Return the replica of what a disk held."""
        content = (
            genesis.ns,
            tuple(statement.id for statement in loaded.roots),
            frozenset(entry.id for entry in loaded.entries),
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
