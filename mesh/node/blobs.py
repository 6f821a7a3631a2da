"""The shell of the artefact exchange: streams, the disk's thread, the clock.

Nothing is decided here. Two members that are linked share one stream of `/threerooms/blob/1`, which
both write to and read from; the one with the smaller key opens it. One stream and not two, so that
both ends agree on what is lost: when it ends, for whatever reason, each side forgets what was on
its way, and on the next one both say anew what they want. What waits to be written to a peer is
bounded; a peer that does not read loses its stream, and nobody waits for it.

Short work on the disk (a chunk in, a chunk out) is done in batches by one thread hop at a time, so
a fast network makes larger batches and not more hops; long work (to prove a whole artefact) goes
beside it.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress

import trio

from mesh.framing import FrameError, FrameReader
from mesh.net.errors import NetworkError
from mesh.net.streams import Network, Stream, StreamHandler
from mesh.node.alarm import Alarm
from mesh.node.blobstore import BlobStore
from mesh.node.blobstore_errors import BlobMissingError, BlobStoreError
from mesh.orchestration.blob_effects import (
    Begin,
    BlobEffect,
    Complete,
    Failed,
    Load,
    Lost,
    Penalise,
    Resume,
    Seal,
    Send,
    Store,
)
from mesh.orchestration.blob_frames import BLOB_FRAME_SIZE_MAX, BLOB_PROTOCOL
from mesh.orchestration.blob_limits import BLOBS_MAX
from mesh.orchestration.blob_tree import Reference
from mesh.orchestration.blobs import Exchange

__all__ = ["BlobShell"]

UNSENT_MAX = 4 << 20
"""Bytes that wait for one peer: two chunks and the leaves of a few large artefacts; beyond, its
stream is reset."""
SEND_TIMEOUT_S = 20.0
"""For one write; a peer that takes none of it for so long does not read."""
SERVED_AT_START_MAX = BLOBS_MAX // 2
"""Artefacts on the disk that are served after a start, those used last; the rest of what a box may
hold is for what it will want. Whatever is wanted is served, also if it was not at the start."""
REOPEN_S = 0.5
"""Wait before a stream that ended is opened again, seconds; it doubles."""
REOPEN_S_MAX = 30.0
"""Most of that."""
JOIN_MAX = 16 * 1024
"""Bytes of small frames written at once; a chunk is not copied for it."""

Outcome = Complete | Failed | Lost
_Disk = Begin | Store | Load
_Answer = Callable[[int], list[BlobEffect]]


class _Link:
    """The stream that is shared with one peer."""

    __slots__ = ("scope", "size", "unsent", "wake")

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.unsent: deque[Send] = deque()
        self.size = 0
        self.wake = trio.Event()


class BlobShell:
    """Performs the effects of one exchange.

    Args:
        exchange: what decides.
        store: keeps the artefacts.
        outcome: called with what became of a wanted artefact, and when a complete one is lost.
        penalise: called with a peer and what it sent that no honest peer sends.
        now_ns: the clock, nanoseconds.
    """

    network: Network
    _nursery: trio.Nursery

    def __init__(
        self,
        exchange: Exchange,
        store: BlobStore,
        *,
        outcome: Callable[[Outcome], None],
        penalise: Callable[[bytes, str], None],
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._now_ns = now_ns
        self.exchange = exchange
        self._store = store
        self._outcome = outcome
        self._penalise = penalise
        self._links: dict[bytes, _Link] = {}
        self._admitted: dict[bytes, trio.Event] = {}
        self._openers: dict[bytes, trio.CancelScope] = {}
        self._inbound: dict[bytes, trio.CancelScope] = {}
        self._disk: list[_Disk] = []
        self._disk_wake = trio.Event()
        self._alarm = Alarm(now_ns=now_ns)

    def handlers(self) -> Mapping[str, StreamHandler]:
        """Return what serves inbound streams, by protocol."""
        return {BLOB_PROTOCOL: self._serve}

    async def run(
        self, network: Network, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve what of the disk was used last, and run until cancelled.

        Raises:
            BlobStoreError: the disk cannot be read at the start.
        """
        self.network = network
        complete = await trio.to_thread.run_sync(self._store.complete)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._work)
            nursery.start_soon(self._alarm.run, self._tick)
            for reference, leaves in complete[:SERVED_AT_START_MAX]:
                self._perform(self.exchange.have(reference, leaves, self._now_ns()))
            task_status.started()
            await trio.sleep_forever()

    # ------------------------------------------------------------------------------- commands

    def want(self, reference: Reference) -> None:
        """Fetch an artefact; `outcome` is called once.

        Raises:
            TooManyBlobsError: too many are held or wanted; forget one.
        """
        self._perform(self.exchange.want(reference, self._now_ns()))

    def have(self, reference: Reference, leaves: bytes) -> None:
        """Serve an artefact that was just put into the store.

        Raises:
            TooManyBlobsError: too many are held or wanted; forget one.
            InvalidReferenceError: the leaves are not its.
        """
        self.tell_removed()
        self._perform(self.exchange.have(reference, leaves, self._now_ns()))

    def forget(self, digest: bytes) -> None:
        """Neither fetch nor serve an artefact any more."""
        self._store.release(digest)
        self._perform(self.exchange.forget(digest, self._now_ns()))

    def tell_removed(self) -> None:
        """Tell the exchange what the store removed: it serves it no more, and may want it again."""
        for reference, reason in self._store.removed():
            self._perform(self.exchange.removed(reference, reason, self._now_ns()))

    def admit(self, peer: bytes) -> None:
        """A linked peer is a member: exchange with it. Known already: nothing happens."""
        if peer in self._admitted and self._admitted[peer].is_set():
            return
        self._admitted.setdefault(peer, trio.Event()).set()
        if self.network.public < peer:
            scope = self._openers[peer] = trio.CancelScope()
            self._nursery.start_soon(self._open, peer, scope)

    def suspend(self, peer: bytes) -> None:
        """A peer is gone, or no member any more."""
        self._admitted.pop(peer, None)
        for scopes in (self._openers, self._inbound):
            if peer in scopes:
                scopes.pop(peer).cancel()
        self._unlink(peer, self._links.get(peer))

    # -------------------------------------------------------------------------------- streams

    async def _open(self, peer: bytes, scope: trio.CancelScope) -> None:
        """Keep a stream to a peer open."""
        wait_s = REOPEN_S
        with scope:
            while True:
                with suppress(NetworkError):
                    stream = await self.network.open_stream(peer, BLOB_PROTOCOL)
                    began_s = trio.current_time()
                    await self._run_link(stream)
                    if trio.current_time() - began_s > REOPEN_S_MAX:
                        wait_s = REOPEN_S
                await trio.sleep(wait_s)
                wait_s = min(REOPEN_S_MAX, 2 * wait_s)

    async def _serve(self, stream: Stream) -> None:
        """Share a stream that a peer opened, once it is a member; a newer one takes its place."""
        if stream.peer > self.network.public:
            self._penalise(stream.peer, "opened the stream that is ours to open")
            await stream.reset()
            return
        peer, scope = stream.peer, trio.CancelScope()
        if peer in self._inbound:
            self._inbound[peer].cancel()
        self._inbound[peer] = scope
        with scope:
            await self._admitted.setdefault(peer, trio.Event()).wait()
            await self._run_link(stream)
        if self._inbound.get(peer) is scope:
            del self._inbound[peer]
        await stream.reset()

    async def _run_link(self, stream: Stream) -> None:
        peer, link = stream.peer, _Link()
        self._unlink(peer, self._links.get(peer))
        self._links[peer] = link
        self._perform(self.exchange.peer_added(peer, self._now_ns()))
        try:
            with link.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, link, stream)
                    await self._read(stream)
                    link.scope.cancel()
        finally:
            self._unlink(peer, link)
            with trio.move_on_after(1) as patience:
                patience.shield = True
                await stream.reset()

    def _unlink(self, peer: bytes, link: _Link | None) -> None:
        if link is not None and self._links.get(peer) is link:
            del self._links[peer]
            link.scope.cancel()
            self._perform(self.exchange.peer_removed(peer, self._now_ns()))

    async def _read(self, stream: Stream) -> None:
        reader = FrameReader(BLOB_FRAME_SIZE_MAX)
        with suppress(NetworkError):
            while chunk := await stream.receive_some():
                try:
                    frames = reader.feed(chunk)
                except FrameError as error:
                    self._penalise(stream.peer, str(error))
                    return
                for frame in frames:
                    self._perform(self.exchange.receive(stream.peer, frame, self._now_ns()))
                await trio.lowlevel.checkpoint()

    async def _write(self, link: _Link, stream: Stream) -> None:
        """Write what waits, in order, small frames together."""
        with suppress(NetworkError, trio.TooSlowError):
            while True:
                while link.unsent:
                    batch = [link.unsent.popleft()]
                    size = len(batch[0].data)
                    while link.unsent and size + len(link.unsent[0].data) <= JOIN_MAX:
                        size += len(link.unsent[0].data)
                        batch.append(link.unsent.popleft())
                    data = batch[0].data if len(batch) == 1 else b"".join(s.data for s in batch)
                    with trio.fail_after(SEND_TIMEOUT_S):
                        await stream.send_all(data)
                    link.size -= size
                    for send in batch:
                        if send.ticket:
                            self._perform(self.exchange.sent(send.ticket, self._now_ns()))
                link.wake = trio.Event()
                await link.wake.wait()
        link.scope.cancel()

    # -------------------------------------------------------------------------------- effects

    def _perform(self, effects: list[BlobEffect]) -> None:
        """Do what the exchange asks for, in order."""
        for effect in effects:
            if isinstance(effect, Send):
                self._send(effect)
            elif isinstance(effect, Begin | Store | Load):
                self._disk.append(effect)
                self._disk_wake.set()
            elif isinstance(effect, Resume | Seal):
                self._nursery.start_soon(self._prove, effect)
            elif isinstance(effect, Penalise):
                self._penalise(effect.peer, effect.reason)
            else:
                self._outcome(effect)
        self._alarm.set(self.exchange.deadline_ns())

    def _send(self, send: Send) -> None:
        link = self._links.get(send.peer)
        if link is None:
            return  # its stream just ended: the exchange hears of that next, or did already
        link.unsent.append(send)
        link.size += len(send.data)
        link.wake.set()
        if link.size > UNSENT_MAX:
            link.scope.cancel()

    def _tick(self) -> None:
        self._perform(self.exchange.tick(self._now_ns()))

    # --------------------------------------------------------------------------------- disk

    async def _work(self) -> None:
        """Do the short work, everything that waits in one hop."""
        while True:
            await self._disk_wake.wait()
            self._disk_wake = trio.Event()
            waiting, self._disk = self._disk, []
            answers = await trio.to_thread.run_sync(self._work_through, waiting)
            self.tell_removed()
            for answer in answers:
                self._perform(answer(self._now_ns()))

    def _work_through(self, waiting: list[_Disk]) -> list[_Answer]:
        return [self._do(effect) for effect in waiting]

    def _do(self, effect: _Disk) -> _Answer:
        """Do one thing, in the disk's thread; returns how to tell the exchange, in the loop's."""
        exchange, ticket = self.exchange, effect.ticket
        try:
            if isinstance(effect, Load):
                data = self._chunk(effect)
                return lambda now_ns: exchange.loaded(ticket, data, now_ns)
            if isinstance(effect, Begin):
                self._store.begin(effect.reference, effect.leaves)
            else:
                self._store.write(effect.reference, effect.index, effect.data)
        except BlobStoreError as error:
            reason = str(error)
            return lambda now_ns: exchange.failed(ticket, reason, now_ns)
        return lambda now_ns: exchange.stored(ticket, now_ns)

    def _chunk(self, load: Load) -> bytes:
        """Return a chunk; no bytes where the store gave up the artefact to make room."""
        try:
            return self._store.read(load.reference, load.index)
        except BlobMissingError:
            return b""

    async def _prove(self, effect: Resume | Seal) -> None:
        """Do the long work."""
        exchange, ticket = self.exchange, effect.ticket
        try:
            if isinstance(effect, Resume):
                found = await trio.to_thread.run_sync(self._store.found, effect.reference)
                effects = exchange.resumed(ticket, found, self._now_ns())
            else:
                verdict = await trio.to_thread.run_sync(self._store.seal, effect.reference)
                effects = exchange.sealed(ticket, verdict, self._now_ns())
        except BlobStoreError as error:
            effects = exchange.failed(ticket, str(error), self._now_ns())
        self._perform(effects)
