"""Where whoever signs keeps the bytes that a rollout names, so that boxes can fetch them."""

from pathlib import Path
from typing import Protocol

import trio

from mesh.config import NodeConfig
from mesh.node.applying import Applying, artefacts_in
from mesh.node.blobstore import BlobStore
from mesh.node.blobstore_errors import BlobDamagedError, BlobMissingError
from mesh.node.control import ControlError
from mesh.orchestration.blob_tree import Reference

__all__ = ["DiskShelf", "NodeShelf", "Shelf", "shelf_folder"]


class Shelf(Protocol):
    """Keeps artefacts and lists of cohorts."""

    async def keep(self, data: bytes) -> Reference:
        """Keep bytes durably and offer them to neighbours; returns what they are called."""
        ...

    async def load(self, digest: bytes) -> bytes | None:
        """Return the bytes of a digest, hashed once more; None where they are not here."""
        ...


def shelf_folder(config: NodeConfig) -> Path:
    """Return where the artefacts of a node lie: those that it serves when it runs."""
    return artefacts_in(config.path(f"{config.store}.d"))


class DiskShelf:
    """A folder that nobody serves from now; a node that starts later does.

    The folder is made when the first bytes are kept: who only looks leaves nothing behind.

    Args:
        folder: where the artefacts of a node lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def keep(self, data: bytes) -> Reference:
        """Keep bytes durably."""
        return await trio.to_thread.run_sync(self._keep, data)

    async def load(self, digest: bytes) -> bytes | None:
        """Return the bytes of a digest, or None."""
        return await trio.to_thread.run_sync(self._load, digest)

    def _keep(self, data: bytes) -> Reference:
        reference, _ = BlobStore(self._folder).put(data)
        return reference

    def _load(self, digest: bytes) -> bytes | None:
        return _load(BlobStore(self._folder), digest) if self._folder.is_dir() else None


class NodeShelf:
    """The artefacts of a running node, which serves them at once.

    Args:
        applying: of the node; None for a bootstrap peer, which holds none.
    """

    def __init__(self, applying: Applying | None) -> None:
        self._applying = applying

    async def keep(self, data: bytes) -> Reference:
        """Keep bytes durably and serve them.

        Raises:
            ControlError: this node holds no artefacts.
        """
        if self._applying is None:
            raise ControlError("a bootstrap peer holds no artefacts: ask an authority or a steward")
        return await self._applying.put(data)

    async def load(self, digest: bytes) -> bytes | None:
        """Return the bytes of a digest, or None."""
        if self._applying is None:
            return None
        return await trio.to_thread.run_sync(_load, self._applying.store, digest)


def _load(store: BlobStore, digest: bytes) -> bytes | None:
    try:
        return store.load(digest)
    except (BlobMissingError, BlobDamagedError):
        return None
