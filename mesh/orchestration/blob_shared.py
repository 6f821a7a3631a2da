"""What the two halves of an exchange share: the artefacts, the effects in the making, the counters.

A *job* is what the shell was asked to do and has not answered. It holds the artefact itself and not
its name: one that was forgotten and wanted again in between is another artefact to the answer.
"""

from dataclasses import dataclass, field
from enum import Enum

from mesh.orchestration.blob_effects import BlobEffect, Penalise, Send
from mesh.orchestration.blob_errors import TooManyBlobsError
from mesh.orchestration.blob_frames import Frame, encode_frame
from mesh.orchestration.blob_limits import BLOBS_MAX
from mesh.orchestration.blob_transfer import Blob, State
from mesh.orchestration.blob_tree import CHUNK_SIZE, Reference

__all__ = ["BlobProgress", "BlobStatistics", "Counters", "Job", "Shared", "Work", "progress_of"]


@dataclass(frozen=True, slots=True)
class BlobStatistics:
    """What an exchange did since the start, and how much it holds now.

    Attributes:
        bytes_fetched: bytes of chunks that arrived and were kept.
        bytes_wasted: bytes that arrived and were here already, or found no room.
        bytes_served: bytes of chunks sent.
        penalties: frames that no honest peer sends.
        stalls: times a peer owed chunks and sent none for `STALL_NS`.
        refused: requests of peers that were refused.
        unasked: chunks that arrived without having been asked for.
        disk_failures: times the disk refused.
        requests: chunks that peers owe us now.
        jobs: things that the shell has not answered now.
    """

    bytes_fetched: int
    bytes_wasted: int
    bytes_served: int
    penalties: int
    stalls: int
    refused: int
    unasked: int
    disk_failures: int
    requests: int
    jobs: int


@dataclass(frozen=True, slots=True)
class BlobProgress:
    """How far an artefact is, for people.

    Attributes:
        reference: which.
        state: in a word.
        chunks_held: chunks on the disk.
        bytes_held: their bytes, to within one chunk.
        bytes_fetched: bytes of it that peers sent and that were kept, since the start.
        sources: linked peers that hold some of it.
        reason: why it waits or failed, a sentence; None while all is well.
    """

    reference: Reference
    state: State
    chunks_held: int
    bytes_held: int
    bytes_fetched: int
    sources: int
    reason: str | None


@dataclass(slots=True)
class Counters:
    """The counts behind `BlobStatistics`."""

    bytes_fetched: int = 0
    bytes_wasted: int = 0
    bytes_served: int = 0
    penalties: int = 0
    stalls: int = 0
    refused: int = 0
    unasked: int = 0
    disk_failures: int = 0


class Work(Enum):
    """What a job is."""

    RESUME = "resume"
    BEGIN = "begin"
    STORE = "store"
    SEAL = "seal"
    LOAD = "load"
    SEND = "send"


@dataclass(frozen=True, slots=True)
class Job:
    """Something that the shell owes an answer for.

    Attributes:
        work: what.
        blob: of which artefact.
        index: which chunk, where it is about one.
        peer: for whom, where it is for one.
        number: of an answer that is on its way to a peer, counted by the server.
    """

    work: Work
    blob: Blob
    index: int = 0
    peer: bytes = b""
    number: int = 0


@dataclass(slots=True)
class Shared:
    """The common state of the two halves."""

    blobs: dict[bytes, Blob] = field(default_factory=dict[bytes, Blob])
    effects: list[BlobEffect] = field(default_factory=list[BlobEffect])
    jobs: dict[int, Job] = field(default_factory=dict[int, Job])
    counters: Counters = field(default_factory=Counters)
    _ticket: int = 0

    def ticket(self, job: Job) -> int:
        """Note a job and return its ticket."""
        self._ticket += 1
        self.jobs[self._ticket] = job
        return self._ticket

    def knows(self, job: Job) -> bool:
        """Return whether the job's artefact is still of interest."""
        return self.blobs.get(job.blob.id) is job.blob

    def make_place(self) -> None:
        """Make sure that one more artefact fits in; a lost one gives its place.

        Raises:
            TooManyBlobsError: `BLOBS_MAX` are held or wanted.
        """
        if len(self.blobs) < BLOBS_MAX:
            return
        lost = next((each for each, blob in self.blobs.items() if blob.state is State.LOST), None)
        if lost is None:
            raise TooManyBlobsError(f"{BLOBS_MAX} artefacts are held or wanted: forget one first")
        del self.blobs[lost]

    def send(self, peer: bytes, frame: Frame, ticket: int = 0) -> None:
        """Send a frame."""
        self.effects.append(Send(peer, encode_frame(frame), ticket))

    def penalise(self, peer: bytes, reason: str) -> None:
        """Blame a peer for what no honest one sends."""
        self.counters.penalties += 1
        self.effects.append(Penalise(peer, reason))

    def drain(self) -> list[BlobEffect]:
        """Return the effects since the last call."""
        effects, self.effects = self.effects, []
        return effects


def progress_of(blob: Blob) -> BlobProgress:
    """Return how far an artefact is."""
    held = blob.held.bit_count()
    size = min(blob.reference.size, held * CHUNK_SIZE)
    return BlobProgress(
        reference=blob.reference,
        state=blob.state,
        chunks_held=held,
        bytes_held=size,
        bytes_fetched=blob.bytes_fetched,
        sources=len(blob.sources),
        reason=blob.reason,
    )
