"""The store's one thread: batches in, answers out, the loop never waits for a disk.

What is asked to be persisted while a commit runs goes into the next one, so a slow disk makes
larger batches and not a longer queue of commits.
"""

from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Protocol, cast

import trio

from crdt.errors import StoreError
from crdt.store_records import Batch
from mesh.mind.effects import Persist

__all__ = ["IN_THREAD", "Durable", "Storing", "Write"]

WAITING_MAX = 8192
"""Batches that may wait for the disk; a box that far behind refuses instead of growing."""


class Durable(Protocol):
    """What makes batches durable: the store, as far as this file is concerned."""

    def append(self, batch: Batch) -> None:
        """Make a batch durable, all of it or nothing.

        Raises:
            StoreError: it could not.
        """
        ...


Write = Callable[[Callable[[Batch], None], Batch], Awaitable[None]]
"""Calls the first with the second without stopping the loop, and raises what that raised."""
IN_THREAD = cast("Write", trio.to_thread.run_sync)
"""Where a commit may wait for the disk."""


class Storing:
    """Writes batches in order.

    Args:
        store: the open store.
        persisted: called with each ticket that is durable.
        failed: called with each ticket that is not, and why.
        write: how a batch gets to the store; in a thread unless given.
    """

    def __init__(
        self,
        store: Durable,
        persisted: Callable[[int], None],
        failed: Callable[[int, str], None],
        write: Write = IN_THREAD,
    ) -> None:
        self._write = write
        self._store = store
        self._persisted = persisted
        self._failed = failed
        self._waiting: list[Persist] = []
        self._wake = trio.Event()
        self.failures = 0

    def put(self, persist: Persist) -> None:
        """Ask for a batch to be made durable."""
        if len(self._waiting) >= WAITING_MAX:
            self.failures += 1
            self._failed(persist.ticket, f"{WAITING_MAX} batches wait for the disk already")
            return
        self._waiting.append(persist)
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            waiting, self._waiting = self._waiting, []
            await self._commit(waiting)

    async def flush(self) -> None:
        """Write what still waits; for a clean end."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            await self._commit(waiting)

    async def _commit(self, waiting: list[Persist]) -> None:
        """Commit own and others' entries apart: what fails of one must not take the other along.

        In order, since an own entry may follow one that a peer brought back; and to the end, since
        nobody else knows of what is in hand when the node is closed.
        """
        with trio.CancelScope(shield=True):
            for own, group in groupby(waiting, key=lambda persist: persist.own):
                await self._append(list(group), own=own)

    async def _append(self, waiting: list[Persist], *, own: bool) -> None:
        entries = tuple(entry for persist in waiting for entry in persist.entries)
        batch = Batch(
            own=entries if own else (),
            entries=() if own else entries,
            roots=tuple(root for persist in waiting for root in persist.roots),
            dropped=tuple(entry for persist in waiting for entry in persist.dropped),
            memory=next((p.memory for p in reversed(waiting) if p.memory is not None), None),
        )
        try:
            await self._write(self._store.append, batch)
        except StoreError as error:
            self.failures += 1
            for persist in waiting:
                self._failed(persist.ticket, str(error))
        else:
            for persist in waiting:
                self._persisted(persist.ticket)
