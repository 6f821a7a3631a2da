"""The exchange of artefacts between neighbours, as one box sees it: a pure state machine.

A model of 20 MB for a hundred boxes must not leave one machine a hundred times, and must get
through where that machine cannot be reached. So every box that wants an artefact asks all its
neighbours, takes different chunks from several at once, and gives on what it has while the rest is
still coming. What is proven of a chunk, and who is to blame for a wrong one, is in
`mesh.orchestration.blob_tree`; what is asked for in which order in `blob_fetch`; who gets what when
in `blob_serve`; the bytes on the wire in `blob_frames`.

```
want     → Resume → resumed ─ nothing there ─→ ASK_LEAVES → LEAVES → Begin → stored
                       └──── a part is ──────────────────────────────────┐    │
                                                                     ASK → CHUNK → Store → stored
                                                                     … all there: Seal → sealed
                                                                                    → Complete
```

Nothing here survives a restart, and nothing has to: the disk proves, chunk by chunk, what it has
(`Found`), and the rest is fetched. When the disk refuses, the artefact waits, says why
(`progress`), and it is tried again after `RETRY_NS`: no room is no failure. Peers that are no
members are never added; who is one is not decided here.

Every call returns the effects to perform, in order; time is the monotonic clock in nanoseconds and
never runs backwards. Call `tick` at `deadline_ns`.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from mesh.orchestration.blob_effects import (
    Begin,
    BlobEffect,
    Complete,
    Failed,
    Found,
    Resume,
    Seal,
    Sealed,
)
from mesh.orchestration.blob_errors import BlobFrameError, InvalidReferenceError
from mesh.orchestration.blob_fetch import Fetcher
from mesh.orchestration.blob_frames import Chunk, Hold, Indices, Kind, Leaves, Note, decode_frame
from mesh.orchestration.blob_limits import RETRY_NS, ExchangeLimits
from mesh.orchestration.blob_serve import Server
from mesh.orchestration.blob_shared import (
    BlobProgress,
    BlobStatistics,
    Job,
    Shared,
    Work,
    progress_of,
)
from mesh.orchestration.blob_transfer import Blob, State
from mesh.orchestration.blob_tree import Bytes, Reference, tree_root

if TYPE_CHECKING:
    from random import Random

__all__ = ["BlobProgress", "Exchange"]


class Exchange:
    """What one box holds, wants and gives.

    Args:
        limits: rates.
        rng: source of every random choice.
    """

    def __init__(self, limits: ExchangeLimits, rng: "Random") -> None:
        self._shared = Shared()
        self._server = Server(self._shared, limits.serve_rate_max)
        self._fetcher = Fetcher(self._shared, rng, limits.fetch_rate_max)
        self._peers: dict[bytes, bool] = {}
        """Whether each is heard."""
        self._now_ns = 0

    # ------------------------------------------------------------------------------ commands

    def want(self, reference: Reference, now_ns: int) -> list[BlobEffect]:
        """Fetch an artefact; `Complete` or `Failed` comes once. Wanted already: nothing happens.

        Raises:
            TooManyBlobsError: `BLOBS_MAX` are held or wanted; forget one.
        """
        blob = self._shared.blobs.get(reference.id)
        if blob is not None and blob.state is not State.LOST:
            return []
        if blob is None:
            self._shared.make_place()
        blob = self._shared.blobs[reference.id] = Blob(reference, State.RESUMING)
        self._resume(blob)
        self._fetcher.wanted(blob)
        return self._done(now_ns)

    def have(self, reference: Reference, leaves: bytes, now_ns: int) -> list[BlobEffect]:
        """Serve an artefact that is complete on the disk.

        Raises:
            TooManyBlobsError: `BLOBS_MAX` are held or wanted; forget one.
            InvalidReferenceError: the leaves are not its.
        """
        known = self._shared.blobs.get(reference.id)
        if known is not None and known.state is State.COMPLETE:
            return []
        if len(leaves) != reference.chunks * 32 or tree_root(leaves) != reference.tree:
            raise InvalidReferenceError(
                f"{len(leaves)} bytes of leaves do not hash to tree {reference.tree.hex()}"
            )
        if known is None:
            self._shared.make_place()
        if known is not None:
            self._fetcher.unwanted(known)
        blob = self._shared.blobs[reference.id] = Blob(reference, State.COMPLETE)
        blob.leaves, blob.held = leaves, blob.full
        self._server.announce(blob)
        return self._done(now_ns)

    def forget(self, digest: bytes, now_ns: int) -> list[BlobEffect]:
        """Neither fetch nor serve an artefact any more; the disk keeps what it has."""
        for blob in tuple(self._shared.blobs.values()):
            if blob.reference.digest == digest:
                if blob.is_wanted:
                    self._fetcher.unwanted(blob)
                blob.held = 0
                self._server.announce(blob)
                del self._shared.blobs[blob.id]
        return self._done(now_ns)

    def peer_added(self, peer: bytes, now_ns: int) -> list[BlobEffect]:
        """A member is linked, and a stream to it stands."""
        if peer in self._peers:
            return []
        self._peers[peer] = True
        self._server.peer_added(peer)
        self._fetcher.peer_added(peer, now_ns)
        return self._done(now_ns)

    def peer_removed(self, peer: bytes, now_ns: int) -> list[BlobEffect]:
        """A peer, or the stream to it, is gone; so is whatever was on its way."""
        if self._peers.pop(peer, None) is None:
            return []
        jobs = self._shared.jobs
        for ticket, job in tuple(jobs.items()):
            if job.work in (Work.SEND, Work.LOAD) and job.peer == peer:
                del jobs[ticket]
                self._server.sent(job)
        self._fetcher.peer_removed(peer)
        self._server.peer_removed(peer)
        return self._done(now_ns)

    def tick(self, now_ns: int) -> list[BlobEffect]:
        """Do what is due; early or late does no harm."""
        self._fetcher.tick(now_ns)
        self._server.tick(now_ns)
        for blob in self._shared.blobs.values():
            if blob.retry_ns is not None and now_ns >= blob.retry_ns:
                blob.retry_ns = blob.reason = None
                self._fetcher.look_again()
                self._try_again(blob)
        return self._done(now_ns)

    def deadline_ns(self) -> int | None:
        """Return when `tick` is due; None while only an input can change anything."""
        due = [self._server.deadline_ns(), self._fetcher.deadline_ns()]
        due += [blob.retry_ns for blob in self._shared.blobs.values()]
        return min((at for at in due if at is not None), default=None)

    # ---------------------------------------------------------------------------- from peers

    def receive(self, peer: bytes, frame: bytes, now_ns: int) -> list[BlobEffect]:
        """Take one frame, whose length was in front. Total: any bytes give effects, or none."""
        if not self._peers.get(peer, False):
            return []
        try:
            message = decode_frame(frame)
        except BlobFrameError as error:
            self._mute(peer, str(error))
            return self._done(now_ns)
        blob = self._shared.blobs.get(message.id)
        if isinstance(message, Note):
            self._note(peer, message)
        elif isinstance(message, Indices) and message.kind is Kind.ASK:
            if fault := self._server.ask(peer, message.id, message.indices):
                self._mute(peer, fault)
        elif isinstance(message, Indices) and message.kind is Kind.CANCEL:
            self._server.cancel(peer, message.id, message.indices)
        elif blob is None:
            self._shared.counters.unasked += isinstance(message, Chunk | Leaves)
        elif peer not in blob.banned:
            self._answer(peer, blob, message, now_ns)
        return self._done(now_ns)

    def _note(self, peer: bytes, note: Note) -> None:
        take: dict[Kind, Callable[[bytes, bytes], None]] = {
            Kind.WANT: self._server.want,
            Kind.UNWANT: self._server.unwant,
            Kind.ASK_LEAVES: self._server.ask_leaves,
        }
        take[note.kind](peer, note.id)

    def _answer(
        self, peer: bytes, blob: Blob, message: Hold | Indices | Leaves | Chunk, now_ns: int
    ) -> None:
        """Take what a peer says of an artefact that we know."""
        fetcher = self._fetcher
        match message:
            case Hold():
                fault = fetcher.hold(peer, blob, message)
            case Chunk():
                fault = fetcher.chunk(peer, blob, message, now_ns)
            case Leaves(_, leaves):
                found = fetcher.leaves(peer, blob, message, now_ns)
                fault = found if isinstance(found, str) else None
                if found is True:
                    blob.leaves = leaves
                    self._begin(blob)
            case Indices(Kind.GAIN, _, indices):
                fault = fetcher.gain(peer, blob, indices)
            case Indices(_, _, indices):
                fault = fetcher.refused(peer, blob, indices[0], now_ns)
        if fault is not None:
            fetcher.ban(peer, blob)
            digest = blob.reference.digest.hex()
            self._shared.penalise(peer, f"artefact {digest[:16]}…: {fault}")

    def _mute(self, peer: bytes, fault: str) -> None:
        """Hear a peer no more on this connection: it does not speak the protocol."""
        self._peers[peer] = False
        self._fetcher.peer_removed(peer)
        self._server.peer_removed(peer)
        self._shared.penalise(peer, fault)

    # --------------------------------------------------------------------------- from the disk

    def resumed(self, ticket: int, found: Found, now_ns: int) -> list[BlobEffect]:
        """The disk says what it has of an artefact."""
        job = self._shared.jobs.pop(ticket, None)
        if job is not None and self._shared.knows(job):
            blob = job.blob
            blob.leaves, blob.held = found.leaves, found.held if found.leaves else 0
            if found.leaves is None:
                blob.state = State.LEAVES
            elif found.is_complete:
                self._complete(blob)
            else:
                blob.state = State.FETCHING
            self._fetcher.look_again()
            if blob.held:
                self._server.announce(blob)
            self._seal_if_full(blob)
        return self._done(now_ns)

    def stored(self, ticket: int, now_ns: int) -> list[BlobEffect]:
        """The disk made room, or wrote a chunk."""
        job = self._shared.jobs.pop(ticket, None)
        if job is not None and job.work is Work.STORE:
            self._fetcher.written()
        if job is None or not self._shared.knows(job):
            return self._done(now_ns)
        blob = job.blob
        if job.work is Work.BEGIN:
            blob.state = State.FETCHING
            self._fetcher.look_again()
        else:
            blob.writing &= ~(1 << job.index)
            blob.held |= 1 << job.index
            self._server.gained(blob, job.index, now_ns)
            self._seal_if_full(blob)
        return self._done(now_ns)

    def sealed(self, ticket: int, verdict: Sealed, now_ns: int) -> list[BlobEffect]:
        """The disk looked at the whole."""
        job = self._shared.jobs.pop(ticket, None)
        if job is None or not self._shared.knows(job):
            return self._done(now_ns)
        blob = job.blob
        if verdict.is_complete:
            self._complete(blob)
        elif verdict.damaged:
            blob.state = State.FETCHING
            blob.held &= ~verdict.damaged
            self._fetcher.look_again()
            self._server.announce(blob)
        else:
            blob.state = State.FAILED
            blob.held = 0
            blob.reason = (
                f"every chunk is as signed, and together they are not sha256:"
                f"{blob.reference.digest.hex()}: whoever signed this reference must sign a true one"
            )
            self._fetcher.unwanted(blob)
            self._server.announce(blob)
            self._shared.effects.append(Failed(blob.reference, blob.reason))
        return self._done(now_ns)

    def removed(self, reference: Reference, reason: str, now_ns: int) -> list[BlobEffect]:
        """The disk gave up a complete artefact; the reason is for people."""
        blob = self._shared.blobs.get(reference.id)
        if blob is not None and blob.state is State.COMPLETE:
            self._server.lost(blob, reason)
        return self._done(now_ns)

    def loaded(self, ticket: int, data: Bytes, now_ns: int) -> list[BlobEffect]:
        """The disk gave a chunk."""
        if job := self._shared.jobs.pop(ticket, None):
            self._server.loaded(job, data)
        return self._done(now_ns)

    def sent(self, ticket: int, now_ns: int) -> list[BlobEffect]:
        """A frame is on the wire, or will never be."""
        if job := self._shared.jobs.pop(ticket, None):
            self._server.sent(job)
        return self._done(now_ns)

    def failed(self, ticket: int, reason: str, now_ns: int) -> list[BlobEffect]:
        """The disk refused; the reason is a sentence for people."""
        job = self._shared.jobs.pop(ticket, None)
        if job is None:
            return self._done(now_ns)
        self._shared.counters.disk_failures += 1
        if job.work is Work.LOAD:
            self._server.load_failed(job)
            return self._done(now_ns)
        if job.work is Work.STORE:
            self._fetcher.written()
            job.blob.writing &= ~(1 << job.index)
        if self._shared.knows(job):
            job.blob.reason = reason
            job.blob.retry_ns = now_ns + RETRY_NS
        return self._done(now_ns)

    # --------------------------------------------------------------------------------- state

    def _resume(self, blob: Blob) -> None:
        ticket = self._shared.ticket(Job(Work.RESUME, blob))
        self._shared.effects.append(Resume(ticket, blob.reference))

    def _begin(self, blob: Blob) -> None:
        assert blob.leaves is not None
        blob.state = State.BEGINNING
        ticket = self._shared.ticket(Job(Work.BEGIN, blob))
        self._shared.effects.append(Begin(ticket, blob.reference, blob.leaves))

    def _seal_if_full(self, blob: Blob) -> None:
        if blob.state is State.FETCHING and blob.held == blob.full:
            blob.state = State.SEALING
            self._seal(blob)

    def _seal(self, blob: Blob) -> None:
        ticket = self._shared.ticket(Job(Work.SEAL, blob))
        self._shared.effects.append(Seal(ticket, blob.reference))

    def _try_again(self, blob: Blob) -> None:
        """Ask the disk again for what it refused; chunks that it refused are fetched again."""
        if blob.state is State.RESUMING:
            self._resume(blob)
        elif blob.state is State.BEGINNING:
            self._begin(blob)
        elif blob.state is State.SEALING:
            self._seal(blob)

    def _complete(self, blob: Blob) -> None:
        blob.state, blob.held = State.COMPLETE, blob.full
        self._fetcher.unwanted(blob)
        self._shared.effects.append(Complete(blob.reference))

    def _done(self, now_ns: int) -> list[BlobEffect]:
        """Ask and serve as far as the limits let, and return the effects."""
        self._now_ns = max(self._now_ns, now_ns)
        self._fetcher.fill(self._now_ns)
        self._server.pump(self._now_ns)
        return self._shared.drain()

    # ----------------------------------------------------------------------------- for people

    def progress(self) -> tuple[BlobProgress, ...]:
        """Return how far every artefact is, in the order in which they were wanted."""
        return tuple(progress_of(blob) for blob in self._shared.blobs.values())

    def is_complete(self, digest: bytes) -> bool:
        """Return whether an artefact is here, whole and proven."""
        return any(
            blob.reference.digest == digest and blob.state is State.COMPLETE
            for blob in self._shared.blobs.values()
        )

    def statistics(self) -> BlobStatistics:
        """Return what happened so far."""
        return BlobStatistics(
            **asdict(self._shared.counters),
            requests=self._fetcher.requests,
            jobs=len(self._shared.jobs),
        )

    def __repr__(self) -> str:
        complete = sum(blob.state is State.COMPLETE for blob in self._shared.blobs.values())
        wanted = sum(blob.is_wanted for blob in self._shared.blobs.values())
        return f"<Exchange {complete} complete, {wanted} wanted, {len(self._peers)} peers>"
