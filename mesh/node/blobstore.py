"""Artefacts on the disk: content-addressed files that prove themselves.

    DIGEST.TREE.part     an artefact in the making, at its full size from the start
    DIGEST.TREE.blob     a complete one
    DIGEST.TREE.leaves   the list of leaves of either

Names are in hex, so a name and a length are a whole `Reference`. Nothing else is written down. In
particular there is no record of which chunks have arrived, because a process may be killed, and a
machine lose power, between a chunk and its record: whoever resumes hashes every chunk that is there
and compares it with its leaf (20 MB take 20 ms). A hole, a torn write, a stale block are all the
same, a chunk that is not held. A `.blob` exists only by the renaming of a file whose every byte was
hashed and synced before. Yet disks rot: whoever loads, puts or resumes one hashes it once more, and
one that has rotted is an artefact in the making again, which lacks what is wrong in it.

Room is given by a quota on the bytes of all artefacts, and taken back from artefacts that nobody
pinned, those loaded longest ago first. What is *pinned* (what runs, what ran before, what was last
approved, what is wanted) is never removed, and before the first `pin` nothing is: after a start
nobody knows yet what is needed. Every refusal is a sentence that says what to do.

Calls block and may come from several threads.
"""

import os
import threading
from collections import deque
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
from mesh.node.blobstore_files import (
    FILE_MODE,
    age_of,
    digest_of,
    proven,
    replace,
    size_of,
    sync_folder,
    write_at,
)
from mesh.orchestration.blob_effects import Found, Sealed
from mesh.orchestration.blob_errors import InvalidReferenceError
from mesh.orchestration.blob_tree import (
    CHUNK_SIZE,
    HASH_SIZE,
    Bytes,
    Reference,
    leaves_of,
    reference_and_leaves_of,
    tree_root,
)

__all__ = ["QUOTA_DEFAULT", "BlobStore"]

QUOTA_DEFAULT = 2 << 30
"""Bytes of all artefacts: two of the largest size for each of five slots."""
_FOLDER_MODE = 0o700


class BlobStore:
    """The artefacts of one box.

    Args:
        folder: made if it is not there, readable by nobody else.
        quota: bytes of all artefacts together, without their lists of leaves (a 2,048th of it).

    Raises:
        BlobStoreError: the folder cannot be made or read.
    """

    def __init__(self, folder: Path, *, quota: int = QUOTA_DEFAULT) -> None:
        self._folder = folder
        self._quota = quota
        self._lock = threading.RLock()
        self._pinned: frozenset[bytes] | None = None
        self._in_use: dict[str, None] = {}
        self._removed: deque[tuple[Reference, str]] = deque()
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
        found = self._look(reference)
        if found.leaves is not None and not found.is_complete:
            with self._lock:
                self._in_use[_stem(reference)] = None
        return found

    def _look(self, reference: Reference) -> Found:
        """Return what is here; a complete one that has rotted is one in the making again."""
        part, blob = self._path(reference, "part"), self._path(reference, "blob")
        leaves = self._leaves(reference)
        if size_of(blob) == reference.size:
            with suppress(BlobMissingError), named(blob):  # it was removed in between, for room
                leaves = leaves or self._leaves_again(blob, reference)
                held = proven(blob, leaves) if leaves is not None else 0
                if held == (1 << reference.chunks) - 1:
                    return Found(leaves, held, is_complete=True)
                with self._lock:
                    blob.rename(part)
                    sync_folder(self._folder)
        if leaves is None or size_of(part) != reference.size:
            return Found()
        with named(part):
            return Found(leaves, proven(part, leaves))

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
            replace(self._path(reference, "leaves"), leaves)
            descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, FILE_MODE)
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
            write_at(part, index * CHUNK_SIZE, data)

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
        if size_of(blob) == reference.size:
            return Sealed(is_complete=True)
        with named(part, reference.size):
            descriptor = os.open(part, os.O_RDONLY)
            try:
                is_whole = digest_of(descriptor) == reference.digest
                if is_whole:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        if is_whole:
            with self._lock, named(blob):
                part.rename(blob)
                sync_folder(self._folder)
                self._in_use.pop(_stem(reference), None)
            return Sealed(is_complete=True)
        leaves = self._leaves(reference)
        with named(part):
            held = 0 if leaves is None else proven(part, leaves)
        damaged = (1 << reference.chunks) - 1 & ~held
        if not damaged:
            self._remove(_stem(reference))
        return Sealed(is_complete=False, damaged=damaged)

    def complete(self) -> tuple[tuple[Reference, bytes], ...]:
        """Return every complete artefact with its leaves, that loaded or completed last first.

        Raises:
            BlobStoreError: the folder cannot be read.
        """
        found: list[tuple[Reference, bytes]] = []
        for path, reference in sorted(self._files("blob"), key=age_of, reverse=True):
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
            replace(self._path(reference, "leaves"), leaves)
        return leaves

    # ---------------------------------------------------------------------------- for the box

    def put(self, data: Bytes) -> tuple[Reference, bytes]:
        """Keep an artefact made here, and return its true reference and its leaves.

        Raises:
            InvalidReferenceError: it is empty, or larger than an artefact may be.
            BlobStoreError: it cannot be written.
        """
        reference, leaves = reference_and_leaves_of(data)
        blob, part = self._path(reference, "blob"), self._path(reference, "part")
        self._look(reference)  # one that has rotted is a part after this
        with self._lock, named(blob, reference.size):
            if size_of(blob) != reference.size:
                self._make_room(reference.size, reference)
                replace(self._path(reference, "leaves"), leaves)
                replace(blob, data)
            part.unlink(missing_ok=True)
            self._in_use.pop(_stem(reference), None)
        return reference, leaves

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
                self._removed.append((reference, "it was removed: it had rotted on the disk"))
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

    def removed(self) -> tuple[tuple[Reference, str], ...]:
        """Return the complete artefacts that were removed since this was asked last, and why.

        It waits for nobody, so that whoever serves them may ask at any time.
        """
        return tuple(self._removed.popleft() for _ in range(len(self._removed)))

    def used(self) -> int:
        """Return the bytes of all artefacts, those in the making at their full size."""
        return sum(size_of(path) or 0 for kind in ("blob", "part") for path, _ in self._files(kind))

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
                size = size_of(path) or 0
                yield path, Reference(bytes.fromhex(digest), size, bytes.fromhex(tree))

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

    def _make_room(self, size: int, reference: Reference) -> None:
        """Remove what nobody needs until an artefact fits in; raises if it cannot."""
        own = size_of(self._path(reference, "part")) or 0
        room = self._quota - self.used() + own
        for path, other in self._unneeded():
            if room >= size:
                break
            if _stem(other) != _stem(reference):
                room += size_of(path) or 0
                self._remove(_stem(other))
                if path.suffix == ".blob":
                    self._removed.append((other, "it was removed to make room for another"))
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
            for path, reference in sorted(self._files(kind), key=age_of)
            if reference.digest not in pinned and _stem(reference) not in self._in_use
        ]

    def _remove(self, stem: str) -> None:
        with self._lock, named(self._folder):
            self._in_use.pop(stem, None)
            for kind in ("part", "blob", "leaves"):
                (self._folder / f"{stem}.{kind}").unlink(missing_ok=True)


def _stem(reference: Reference) -> str:
    return f"{reference.digest.hex()}.{reference.tree.hex()}"
