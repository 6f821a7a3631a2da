"""Artefacts on the disk: content-addressed files that prove themselves.

    DIGEST.TREE.part     an artefact in the making, at its full size from the start
    DIGEST.TREE.blob     a complete one
    DIGEST.TREE.leaves   the list of leaves of either

Names are in hex, so a name and a length are a whole `Reference`. Nothing else is written down. In
particular there is no record of which chunks have arrived, because a process may be killed, and a
machine lose power, between a chunk and its record: whoever resumes hashes every chunk that is there
and compares it with its leaf (20 MB take 20 ms). A hole, a torn write, a stale block are all the
same, a chunk that is not held. A `.blob` exists only by the renaming of a file whose every byte was
hashed and synced before, so its name is its proof; yet whoever loads one hashes it once more, as
disks rot.

Room is given by a quota on the bytes of all files, and taken back from artefacts that nobody
pinned, those loaded longest ago first. What is *pinned* (what runs, what ran before, what was last
approved, what is wanted) is never removed, and before the first `pin` nothing is: after a start
nobody knows yet what is needed. Every refusal is a sentence that says what to do.

Calls block and may come from several threads.
"""

import os
import threading
from collections.abc import Collection, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from mesh.node.blobstore_errors import (
    BlobDamagedError,
    BlobMissingError,
    BlobStoreFullError,
    named,
)
from mesh.orchestration.blob_effects import Found, Sealed
from mesh.orchestration.blob_errors import InvalidReferenceError
from mesh.orchestration.blob_tree import (
    CHUNK_SIZE,
    HASH_SIZE,
    Bytes,
    Reference,
    leaf_hash,
    leaves_of,
    reference_of,
    tree_root,
)

__all__ = ["QUOTA_DEFAULT", "BlobStore"]

QUOTA_DEFAULT = 2 << 30
"""Bytes of all artefacts: a slot's two models of the largest size, and as much again."""
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_READ_SIZE = 1 << 20
"""Bytes hashed at once."""


class BlobStore:
    """The artefacts of one box.

    Args:
        folder: made if it is not there, readable by nobody else.
        quota: bytes of all files together.

    Raises:
        BlobStoreError: the folder cannot be made or read.
    """

    def __init__(self, folder: Path, *, quota: int = QUOTA_DEFAULT) -> None:
        self._folder = folder
        self._quota = quota
        self._lock = threading.RLock()
        self._pinned: frozenset[bytes] | None = None
        self._in_use: dict[str, None] = {}
        with named(folder):
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            for left in folder.glob("*.new"):
                left.unlink(missing_ok=True)

    def __repr__(self) -> str:
        return f"<BlobStore {self._folder}, {self.used()} of {self._quota} bytes>"

    # ----------------------------------------------------------------------- for the exchange

    def found(self, reference: Reference) -> Found:
        """Return what is here of an artefact, every chunk of it hashed.

        Raises:
            BlobStoreError: it cannot be read.
        """
        leaves = self._leaves(reference)
        if leaves is None:
            return Found()
        if _size(self._path(reference, "blob")) == reference.size:
            return Found(leaves, (1 << reference.chunks) - 1, is_complete=True)
        part = self._path(reference, "part")
        if _size(part) != reference.size:
            return Found()
        with self._lock:
            self._in_use[_stem(reference)] = None
        return Found(leaves, self._proven(part, leaves))

    def begin(self, reference: Reference, leaves: bytes) -> None:
        """Make room for an artefact and keep its leaves.

        Raises:
            BlobStoreFullError: there is no room for all of it.
            BlobStoreError: it cannot be written.
        """
        part = self._path(reference, "part")
        with self._lock, named(part, reference.size):
            self._in_use[_stem(reference)] = None
            self._make_room(reference.size, reference)
            self._replace(self._path(reference, "leaves"), leaves)
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
            try:
                os.posix_fallocate(descriptor, 0, reference.size)
            except OSError:
                part.unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)

    def write(self, reference: Reference, index: int, data: Bytes) -> None:
        """Write one chunk.

        Raises:
            BlobMissingError: the artefact was not begun.
            BlobStoreError: it cannot be written.
        """
        part = self._path(reference, "part")
        with named(part, len(data)):
            descriptor = os.open(part, os.O_WRONLY)
            try:
                at, rest = index * CHUNK_SIZE, memoryview(data)
                while rest:
                    written = os.pwrite(descriptor, rest, at)
                    at, rest = at + written, rest[written:]
            finally:
                os.close(descriptor)

    def read(self, reference: Reference, index: int) -> bytes:
        """Return one chunk, of a complete artefact or of one in the making.

        Raises:
            BlobMissingError: it is not here.
            BlobStoreError: it cannot be read.
        """
        for kind in ("blob", "part", "blob"):  # the third time if it was sealed in between
            with suppress(BlobMissingError):
                return self._read(self._path(reference, kind), index)
        raise BlobMissingError(f"sha256:{reference.digest.hex()} is not in {self._folder}")

    def _read(self, path: Path, index: int) -> bytes:
        with named(path):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                return os.pread(descriptor, CHUNK_SIZE, index * CHUNK_SIZE)
            finally:
                os.close(descriptor)

    def seal(self, reference: Reference) -> Sealed:
        """Prove a whole artefact and make it complete and durable.

        Returns:
            Whether it is complete; else which chunks are damaged. If none is, the digest does not
            belong to the tree and what was fetched is removed.

        Raises:
            BlobMissingError: the artefact was not begun.
            BlobStoreError: it cannot be read or made durable.
        """
        part, blob = self._path(reference, "part"), self._path(reference, "blob")
        if _size(blob) == reference.size:
            return Sealed(is_complete=True)
        with named(part, reference.size):
            descriptor = os.open(part, os.O_RDONLY)
            try:
                is_whole = _digest(descriptor) == reference.digest
                if is_whole:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        if is_whole:
            with self._lock, named(blob):
                part.rename(blob)
                self._sync_folder()
                self._in_use.pop(_stem(reference), None)
            return Sealed(is_complete=True)
        leaves = self._leaves(reference)
        held = 0 if leaves is None else self._proven(part, leaves)
        damaged = (1 << reference.chunks) - 1 & ~held
        if not damaged:
            self._remove(_stem(reference))
        return Sealed(is_complete=False, damaged=damaged)

    def complete(self) -> tuple[tuple[Reference, bytes], ...]:
        """Return every complete artefact with its leaves, sorted by digest.

        Raises:
            BlobStoreError: the folder cannot be read.
        """
        found: list[tuple[Reference, bytes]] = []
        for path, reference in self._files("blob"):
            leaves = self._leaves(reference)
            if leaves is None:
                leaves = self._leaves_again(path, reference)
            if leaves is not None:
                found.append((reference, leaves))
        return tuple(found)

    def _leaves_again(self, path: Path, reference: Reference) -> bytes | None:
        """Make a list anew that was lost; None if the artefact is not what its name says."""
        with named(path):
            leaves = leaves_of(path.read_bytes())
            if tree_root(leaves) != reference.tree:
                return None
            self._replace(self._path(reference, "leaves"), leaves)
        return leaves

    # ---------------------------------------------------------------------------- for the box

    def put(self, data: Bytes) -> Reference:
        """Keep an artefact made here, and return its true reference.

        Raises:
            InvalidReferenceError: it is empty, or larger than an artefact may be.
            BlobStoreError: it cannot be written.
        """
        reference = reference_of(data)
        blob = self._path(reference, "blob")
        with self._lock, named(blob, reference.size):
            if _size(blob) != reference.size:
                self._make_room(reference.size, reference)
                self._replace(self._path(reference, "leaves"), leaves_of(data))
                self._replace(blob, data)
        return reference

    def load(self, digest: bytes) -> bytes:
        """Return a complete artefact, hashed once more.

        Raises:
            BlobMissingError: it is not here.
            BlobDamagedError: it is not what its name says; it was removed, fetch it again.
            BlobStoreError: it cannot be read.
        """
        for path, reference in self._files("blob"):
            if reference.digest == digest:
                with named(path):
                    data = path.read_bytes()
                    os.utime(path)
                if sha256(data).digest() == digest:
                    return data
                self._remove(_stem(reference))
                raise BlobDamagedError(
                    f"{path} no longer has the bytes of its name; it was removed, fetch it again"
                )
        raise BlobMissingError(f"sha256:{digest.hex()} is not in {self._folder}: fetch it first")

    def pin(self, digests: Collection[bytes]) -> None:
        """Say what must stay: what runs, what ran before, what was approved last, what is wanted.

        Replaces what was pinned before. Nothing is removed before there is no room.
        """
        with self._lock:
            self._pinned = frozenset(digests)

    def release(self, digest: bytes) -> None:
        """Say that an artefact in the making is not wanted any more, so that it may be removed."""
        with self._lock:
            for stem in [stem for stem in self._in_use if stem.startswith(digest.hex())]:
                del self._in_use[stem]

    def used(self) -> int:
        """Return the bytes of all artefacts, those in the making at their full size."""
        return sum(_size(path) or 0 for kind in ("blob", "part") for path, _ in self._files(kind))

    # ---------------------------------------------------------------------------------- files

    def _path(self, reference: Reference, kind: str) -> Path:
        return self._folder / f"{_stem(reference)}.{kind}"

    def _files(self, kind: str) -> Iterator[tuple[Path, Reference]]:
        """Yield the files of a kind whose name and length are a reference, sorted."""
        with named(self._folder):
            paths = sorted(self._folder.glob(f"*.*.{kind}"))
        for path in paths:
            with suppress(InvalidReferenceError, ValueError):
                digest, tree, _ = path.name.split(".")
                yield path, Reference(bytes.fromhex(digest), _size(path) or 0, bytes.fromhex(tree))

    def _leaves(self, reference: Reference) -> bytes | None:
        """Return the list, if it is here and hashes to the tree."""
        path = self._path(reference, "leaves")
        try:
            with named(path):
                leaves = path.read_bytes()
        except BlobMissingError:
            return None
        if len(leaves) != reference.chunks * HASH_SIZE or tree_root(leaves) != reference.tree:
            return None
        return leaves

    def _proven(self, path: Path, leaves: bytes) -> int:
        """Return which chunks of a file hash to their leaves, one bit each."""
        held = 0
        with named(path), path.open("rb") as file:
            for index in range(len(leaves) // HASH_SIZE):
                at = index * HASH_SIZE
                if leaf_hash(file.read(CHUNK_SIZE)) == leaves[at : at + HASH_SIZE]:
                    held |= 1 << index
        return held

    def _replace(self, path: Path, data: Bytes) -> None:
        """Write a file under its name all at once, durably."""
        fresh = path.with_name(f"{path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.rename(path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        self._sync_folder()

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _make_room(self, size: int, reference: Reference) -> None:
        """Remove what nobody needs until an artefact fits in; raises if it cannot."""
        own = _size(self._path(reference, "part")) or 0
        room = self._quota - self.used() + own
        for path, other in self._unneeded():
            if room >= size:
                break
            if _stem(other) != _stem(reference):
                room += _size(path) or 0
                self._remove(_stem(other))
        if room < size:
            raise BlobStoreFullError(
                f"sha256:{reference.digest.hex()} has {size} bytes, and of the quota of "
                f"{self._quota} bytes for {self._folder} {max(0, room)} are left: everything else "
                f"there is in use; raise the quota, or withdraw what is no longer needed"
            )

    def _unneeded(self) -> list[tuple[Path, Reference]]:
        """Return what may be removed: parts first, then what was loaded longest ago."""
        pinned = self._pinned
        if pinned is None:
            return []
        return [
            (path, reference)
            for kind in ("part", "blob")
            for path, reference in sorted(self._files(kind), key=_age)
            if reference.digest not in pinned and _stem(reference) not in self._in_use
        ]

    def _remove(self, stem: str) -> None:
        with self._lock, named(self._folder):
            self._in_use.pop(stem, None)
            for kind in ("part", "blob", "leaves"):
                (self._folder / f"{stem}.{kind}").unlink(missing_ok=True)


def _stem(reference: Reference) -> str:
    return f"{reference.digest.hex()}.{reference.tree.hex()}"


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _age(file: tuple[Path, Reference]) -> tuple[int, str]:
    try:
        return file[0].stat().st_mtime_ns, file[0].name
    except OSError:
        return 0, file[0].name


def _digest(descriptor: int) -> bytes:
    hashed, at = sha256(), 0
    while piece := os.pread(descriptor, _READ_SIZE, at):
        hashed.update(piece)
        at += len(piece)
    return hashed.digest()
