"""Applying: what a mind wants of rollouts, done by a node.

Nothing is decided here. A fetch goes to the artefact exchange; a list of names that it brings is
read and handed to the mind, an artefact stays on the disk until a slot asks for it. A goal goes to
its slot, if this node has one, and waits for it otherwise. What runs, ran before or is to run is
pinned, so that making room never removes it.
"""

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from inference.slot_store import FileDisk, SlotStore
from mesh.mind.conducting import Conducting
from mesh.mind.effects import Apply, Fetch
from mesh.net.streams import Network, StreamHandler
from mesh.node.blobs import BlobShell
from mesh.node.blobstore import BlobStore
from mesh.node.blobstore_errors import BlobStoreError
from mesh.node.slot import MakeHost, Slot, folder_of
from mesh.orchestration import goals
from mesh.orchestration.blob_effects import Complete, Failed, Lost
from mesh.orchestration.blob_errors import TooManyBlobsError
from mesh.orchestration.blob_limits import ExchangeLimits
from mesh.orchestration.blob_tree import Reference
from mesh.orchestration.blobs import Exchange
from mesh.orchestration.goals import Goal

if TYPE_CHECKING:
    from random import Random

__all__ = ["Applying", "Tell", "artefacts_in"]

Tell = Callable[[Callable[[Conducting], None]], None]
"""Tells the conductor of the mind something, and performs what follows."""


def artefacts_in(folder: Path) -> Path:
    """Return where artefacts lie in the folder of a node."""
    return folder / "artefacts"


class Applying:
    """The artefacts and slots of one node.

    Args:
        folder: of nobody else; artefacts and slots lie below it.
        rng: source of every random choice.
        now_ns: the clock, nanoseconds.
    """

    _conducting: Conducting
    _tell: Tell
    _nursery: trio.Nursery

    def __init__(
        self, folder: Path, rng: "Random", *, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._folder = folder
        self._now_ns = now_ns
        self.store = BlobStore(artefacts_in(folder))
        self.blobs = BlobShell(
            Exchange(ExchangeLimits(), rng),
            self.store,
            outcome=self._outcome,
            penalise=self._penalise,
            now_ns=now_ns,
        )
        self.penalties = 0
        self._goals: dict[str, Goal] = {}
        self._slots: dict[str, Slot] = {}
        self._answered = trio.Event()

    def handlers(self) -> Mapping[str, StreamHandler]:
        """Return what serves inbound streams, by protocol."""
        return self.blobs.handlers()

    async def run(
        self,
        network: Network,
        conducting: Conducting,
        tell: Tell,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run until cancelled.

        Args:
            network: whose handlers are ours.
            conducting: of the mind, to be read.
            tell: tells it something.
            task_status: told once it runs.

        Raises:
            BlobStoreError: the disk cannot be read at the start.
        """
        self._conducting, self._tell = conducting, tell
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self.blobs.run, network)
            task_status.started()
            await trio.sleep_forever()

    async def put(self, data: bytes) -> Reference:
        """Keep an artefact that a person brought, and serve it to neighbours.

        Raises:
            BlobStoreError: there is no room, or the disk refused.
            InvalidReferenceError: it is empty or too large.
        """
        reference, leaves = await trio.to_thread.run_sync(self.store.put, data)
        self.blobs.have(reference, leaves)
        return reference

    # ------------------------------------------------------------------------------- effects

    def perform(self, effect: Apply | Fetch) -> None:
        """Do what the mind wants."""
        self.store.pin(self._conducting.needed)
        if isinstance(effect, Fetch):
            self._fetch(effect.reference)
            return
        goal = effect.goal
        self._goals[goal.slot] = goal
        if goal.slot in self._slots:
            self._slots[goal.slot].want(goal, self._conducting.withdrawn)

    def _fetch(self, reference: Reference) -> None:
        self.blobs.tell_removed()
        if self.blobs.exchange.is_complete(reference.digest):
            self._nursery.start_soon(self._hand_over, reference.digest)
            return
        try:
            self.blobs.want(reference)
        except TooManyBlobsError:
            self._forget_one()
            with suppress(TooManyBlobsError):  # all are needed: what is wanted is said again
                self.blobs.want(reference)

    def _forget_one(self) -> None:
        """Stop serving one artefact that nothing here needs; it stays on the disk."""
        needed = self._conducting.needed
        for progress in self.blobs.exchange.progress():
            if progress.reference.digest not in needed:
                self.blobs.forget(progress.reference.digest)
                return

    def _outcome(self, outcome: Complete | Failed | Lost) -> None:
        digest = outcome.reference.digest
        if isinstance(outcome, Complete):
            self._nursery.start_soon(self._hand_over, digest)
        elif isinstance(outcome, Failed):
            for goal in tuple(self._goals.values()):
                if goal.artefact == digest:
                    self._answer(goal.slot, digest, goals.Failed(outcome.reason))
        else:
            self._tell(lambda told: told.soon())  # what is still wanted is asked for again

    async def _hand_over(self, digest: bytes) -> None:
        """Tell whoever waits for these bytes that they are here."""
        for name, slot in self._slots.items():
            goal = self._goals.get(name)
            if goal is not None and goal.artefact == digest:
                slot.want(goal, ())
        if digest not in self._conducting.lists_wanted:
            return
        with suppress(BlobStoreError):  # the exchange finds out as well, and fetches it again
            data = await trio.to_thread.run_sync(self.store.load, digest)
            self._tell(lambda told: told.fetched(digest, data))

    def _load(self, digest: bytes) -> bytes | None:
        """The bytes of an artefact, for a slot, in its thread."""
        try:
            return self.store.load(digest)
        except BlobStoreError:
            return None

    def _penalise(self, peer: bytes, reason: str) -> None:
        del peer, reason
        self.penalties += 1

    # --------------------------------------------------------------------------------- slots

    @asynccontextmanager
    async def slot(
        self, name: str, make_host: MakeHost, factory: bytes | None
    ) -> AsyncGenerator[Slot]:
        """Have a slot for the time of the block; see `Node.slot`."""
        disk = await trio.to_thread.run_sync(FileDisk, self._folder / "slots" / folder_of(name))
        slot = Slot(
            name,
            SlotStore(disk),
            make_host,
            factory=factory,
            fetch=self._load,
            answer=self._answer,
            now_ns=self._now_ns,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(slot.run)
            self._slots[name] = slot
            try:
                self._tell(lambda told: told.deliver(name, factory))
                if name in self._goals:
                    slot.want(self._goals[name], self._conducting.withdrawn)
                yield slot
            finally:
                del self._slots[name]
                nursery.cancel_scope.cancel()

    def _answer(self, slot: str, artefact: bytes, answer: goals.Answer) -> None:
        self._tell(lambda told: told.answer(slot, artefact, answer))
        swapped, self._answered = self._answered, trio.Event()
        swapped.set()

    async def answered(self) -> None:
        """Wait until a slot says what became of something."""
        await self._answered.wait()

    def running(self) -> Mapping[str, bytes]:
        """Return what each slot runs."""
        return {
            name: digest
            for name, slot in self._slots.items()
            if (digest := slot.running) is not None
        }
