"""The frames of `/threerooms/blob/1`: a fixed header and raw bytes, so that data is not copied.

    kind u8 ‖ id 32 B ‖ body

    WANT         0   -                   tell me what you hold of it, now and as it grows
    UNWANT       1   -                   no longer
    HOLD         2   bitmap              what I hold: bit i is bit i % 8 of byte i // 8
    GAIN         3   index u16 …         what I hold besides, ascending, at most 256
    ASK_LEAVES   4   -                   send me the list of leaves
    LEAVES       5   32 B …              it
    ASK          6   index u16 …         send me these chunks, at most 16, each once
    CANCEL       7   index u16 …         no longer, ascending, at most 16
    CHUNK        8   index u16 ‖ data    1 B to 64 KiB
    REFUSE       9   index u16           not now

Numbers are big-endian. On the stream each frame has its length in front (`mesh.framing`). Decoding
is total and one to one: any bytes give the one frame or one `BlobFrameError`, and every frame has
exactly one encoding. How many chunks an id has is not known here; whoever knows it compares.
"""

from dataclasses import dataclass
from enum import IntEnum

from mesh.framing import uvarint
from mesh.orchestration.blob_errors import BlobFrameError
from mesh.orchestration.blob_limits import WINDOW_MAX
from mesh.orchestration.blob_tree import CHUNK_SIZE, CHUNKS_MAX, HASH_SIZE, Bytes

__all__ = [
    "BLOB_FRAME_SIZE_MAX",
    "BLOB_PROTOCOL",
    "GAINS_MAX",
    "Chunk",
    "Frame",
    "Hold",
    "Indices",
    "Kind",
    "Leaves",
    "Note",
    "decode_frame",
    "encode_frame",
]

BLOB_PROTOCOL = "/threerooms/blob/1"
GAINS_MAX = 256
"""Chunks in one GAIN; more make a second frame."""
_HEADER = 1 + HASH_SIZE
BLOB_FRAME_SIZE_MAX = _HEADER + CHUNKS_MAX * HASH_SIZE
"""Bytes of the largest frame, the leaves of the largest artefact."""


class Kind(IntEnum):
    """The first byte of a frame."""

    WANT = 0
    UNWANT = 1
    HOLD = 2
    GAIN = 3
    ASK_LEAVES = 4
    LEAVES = 5
    ASK = 6
    CANCEL = 7
    CHUNK = 8
    REFUSE = 9


_NOTES = frozenset((Kind.WANT, Kind.UNWANT, Kind.ASK_LEAVES))
_INDICES_MAX = {Kind.GAIN: GAINS_MAX, Kind.ASK: WINDOW_MAX, Kind.CANCEL: WINDOW_MAX, Kind.REFUSE: 1}


@dataclass(frozen=True, slots=True)
class Note:
    """WANT, UNWANT or ASK_LEAVES."""

    kind: Kind
    id: bytes


@dataclass(frozen=True, slots=True)
class Hold:
    """HOLD: bit i of `held` is chunk i, `width` the bytes that carried it."""

    id: bytes
    held: int
    width: int


@dataclass(frozen=True, slots=True)
class Indices:
    """GAIN, ASK, CANCEL or REFUSE."""

    kind: Kind
    id: bytes
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Leaves:
    """LEAVES: one after the other."""

    id: bytes
    leaves: bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """CHUNK; `data` is a view into the frame it came in."""

    id: bytes
    index: int
    data: Bytes


Frame = Note | Hold | Indices | Leaves | Chunk


def encode_frame(frame: Frame) -> bytes:
    """Return a frame with its length in front, ready for the stream."""
    match frame:
        case Note(kind, _):
            parts: tuple[Bytes, ...] = ()
        case Hold(_, held, width):
            kind, parts = Kind.HOLD, (held.to_bytes(width, "little"),)
        case Indices(kind, _, indices):
            parts = (b"".join(index.to_bytes(2, "big") for index in indices),)
        case Leaves(_, leaves):
            kind, parts = Kind.LEAVES, (leaves,)
        case Chunk(_, index, data):
            kind, parts = Kind.CHUNK, (index.to_bytes(2, "big"), data)
    size = _HEADER + sum(map(len, parts))
    return b"".join((uvarint(size), bytes((kind,)), frame.id, *parts))


def decode_frame(frame: bytes) -> Frame:
    """Return the one frame in some bytes, whose length was in front. Total.

    Raises:
        BlobFrameError: they are none; the message says what is wrong.
    """
    if not _HEADER <= len(frame) <= BLOB_FRAME_SIZE_MAX:
        raise BlobFrameError(
            f"frame of {len(frame)} bytes: expected {_HEADER} to {BLOB_FRAME_SIZE_MAX}"
        )
    if frame[0] >= len(Kind):
        raise BlobFrameError(f"frame kind {frame[0]}: expected 0 to {len(Kind) - 1}")
    kind, identifier, body = Kind(frame[0]), frame[1:_HEADER], memoryview(frame)[_HEADER:]
    if kind in _NOTES:
        if body:
            raise BlobFrameError(f"{kind.name} with a body of {len(body)} bytes: expected none")
        return Note(kind, identifier)
    if kind is Kind.HOLD:
        if not 1 <= len(body) <= CHUNKS_MAX // 8:
            raise BlobFrameError(f"HOLD of {len(body)} bytes: expected 1 to {CHUNKS_MAX // 8}")
        return Hold(identifier, int.from_bytes(body, "little"), len(body))
    if kind is Kind.LEAVES:
        if not body or len(body) % HASH_SIZE:
            raise BlobFrameError(f"LEAVES of {len(body)} bytes: expected 32 for each chunk")
        return Leaves(identifier, bytes(body))
    if kind is Kind.CHUNK:
        if not 2 < len(body) <= 2 + CHUNK_SIZE:
            raise BlobFrameError(f"CHUNK of {len(body)} bytes: expected 3 to {2 + CHUNK_SIZE}")
        return Chunk(identifier, _index(body, 0), body[2:])
    return Indices(kind, identifier, _indices(kind, body))


def _index(body: memoryview, at: int) -> int:
    index = int.from_bytes(body[at : at + 2], "big")
    if index >= CHUNKS_MAX:
        raise BlobFrameError(f"chunk number {index}: expected 0 to {CHUNKS_MAX - 1}")
    return index


def _indices(kind: Kind, body: memoryview) -> tuple[int, ...]:
    maximum = _INDICES_MAX[kind]
    if len(body) % 2 or not 1 <= len(body) // 2 <= maximum:
        raise BlobFrameError(
            f"{kind.name} of {len(body)} bytes: expected 2 for each of 1 to {maximum} chunks"
        )
    indices = tuple(_index(body, at) for at in range(0, len(body), 2))
    if len(set(indices)) != len(indices):
        raise BlobFrameError(f"{kind.name} names a chunk twice: {indices!r:.80}")
    if kind is not Kind.ASK and list(indices) != sorted(indices):
        raise BlobFrameError(f"{kind.name} out of order: {indices!r:.80}, expected ascending")
    return indices
