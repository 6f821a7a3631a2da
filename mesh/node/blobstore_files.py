"""What the store of artefacts does with single files: write one at once, prove one chunk by chunk.

The paths are the store's; errors are those of the system, which `blobstore_errors.named` turns into
sentences.
"""

import os
from hashlib import sha256
from pathlib import Path

from mesh.orchestration.blob_tree import CHUNK_SIZE, HASH_SIZE, Bytes, Reference, leaf_hash

__all__ = [
    "FILE_MODE",
    "age_of",
    "digest_of",
    "proven",
    "replace",
    "size_of",
    "sync_folder",
    "write_at",
]

FILE_MODE = 0o600
"""Nobody else may read what a box runs."""
_READ_SIZE = 1 << 20
"""Bytes hashed at once."""


def size_of(path: Path) -> int | None:
    """Return the bytes of a file; None where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def age_of(file: tuple[Path, Reference]) -> tuple[int, str]:
    """Return what sorts files by when they were written or loaded last, then by name."""
    try:
        return file[0].stat().st_mtime_ns, file[0].name
    except OSError:
        return 0, file[0].name


def digest_of(descriptor: int) -> bytes:
    """Return the SHA-256 of an open file, 32 bytes."""
    hashed, at = sha256(), 0
    while piece := os.pread(descriptor, _READ_SIZE, at):
        hashed.update(piece)
        at += len(piece)
    return hashed.digest()


def proven(path: Path, leaves: bytes) -> int:
    """Return which chunks of a file hash to their leaves, one bit each."""
    held = 0
    with path.open("rb") as file:
        for index in range(len(leaves) // HASH_SIZE):
            at = index * HASH_SIZE
            if leaf_hash(file.read(CHUNK_SIZE)) == leaves[at : at + HASH_SIZE]:
                held |= 1 << index
    return held


def write_at(path: Path, at: int, data: Bytes) -> None:
    """Write bytes into a file that is there."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        rest = memoryview(data)
        while rest:
            written = os.pwrite(descriptor, rest, at)
            at, rest = at + written, rest[written:]
    finally:
        os.close(descriptor)


def replace(path: Path, data: Bytes) -> None:
    """Write a file under its name all at once, durably."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make durable which names a folder has."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
