"""What names an artefact, and why a wrong chunk of it is known at once.

Events and records name an artefact by its `digest`, the SHA-256 of all its bytes. That proves a
whole and says nothing about a part: fetched from several peers at once, a poisoned artefact would
be found at the end, with nobody to blame. So whoever signs an artefact signs three things together,
a `Reference`: digest, size and `tree`, the root of a Merkle tree over its chunks.

    leaf  = SHA-256(0x00 ‖ chunk)              chunks of 64 KiB, the last one shorter
    node  = SHA-256(0x01 ‖ left ‖ right)       RFC 9162, 2.1.1
    id    = SHA-256("mesh-blob/reference/v1" 0x00 ‖ digest ‖ size u64 ‖ tree)

The list of all leaves (32 bytes for each 64 KiB) comes from any peer in one frame, and either
hashes to `tree` or costs its sender. The size fixes the number of leaves and the two prefixes keep
leaves and nodes apart, so there is one list for a reference. From then on every chunk is proven or
refused when it arrives, and whoever sent it answers for it. Among peers an artefact is called by
its `id`, which binds all three: peers that speak of an id speak of the same bytes, the same list
and the same number of chunks, and a frame that does not fit is wrong in every view.

What remains is a signer whose digest does not belong to its tree. Then every chunk is right and the
whole is not: that is found when the artefact is sealed, it is the signer's fault and no peer's, and
an honest box that holds the digest under its own, true reference never serves the false one.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from mesh.orchestration.blob_errors import InvalidReferenceError

__all__ = [
    "CHUNKS_MAX",
    "CHUNK_SIZE",
    "HASH_SIZE",
    "SIZE_MAX",
    "Bytes",
    "Reference",
    "leaf_hash",
    "leaves_of",
    "reference_and_leaves_of",
    "reference_of",
    "tree_root",
]

Bytes = bytes | memoryview
"""Bytes that may still be part of the frame they came in: a chunk is copied nowhere."""

HASH_SIZE = 32
"""Bytes of SHA-256."""
CHUNK_SIZE = 64 * 1024
"""Bytes of every chunk but the last: 5 ms on a link of 100 Mbit/s, one noise message."""
SIZE_MAX = 192 * 1024 * 1024
"""Bytes of an artefact: what a box can open, `inference.artifact.ARTIFACT_SIZE_MAX`. Said once more
here, as reaching for that would load the libraries of inference into every command."""
CHUNKS_MAX = SIZE_MAX // CHUNK_SIZE
"""Chunks of an artefact; their leaves take 96 KiB."""

_LEAF = b"\0"
_NODE = b"\1"
_REFERENCE = b"mesh-blob/reference/v1\0"


@dataclass(frozen=True, slots=True)
class Reference:
    """Names the bytes of an artefact, as a whole and chunk by chunk.

    Attributes:
        digest: SHA-256 of all bytes, as records and events carry it.
        size: bytes, 1 to `SIZE_MAX`.
        tree: root of the Merkle tree over the chunks, 32 bytes.
        id: what peers call it: a hash over the three.

    Raises:
        InvalidReferenceError: a field has a wrong size.
    """

    digest: bytes
    size: int
    tree: bytes
    id: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, value in (("digest", self.digest), ("tree", self.tree)):
            if len(value) != HASH_SIZE:
                raise InvalidReferenceError(
                    f"{name} of {len(value)} bytes: expected {HASH_SIZE}, as SHA-256 gives"
                )
        if not 1 <= self.size <= SIZE_MAX:
            raise InvalidReferenceError(
                f"size {self.size}: expected 1 to {SIZE_MAX} bytes; split what is larger"
            )
        raw = _REFERENCE + self.digest + self.size.to_bytes(8, "big") + self.tree
        object.__setattr__(self, "id", sha256(raw).digest())

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-self.size // CHUNK_SIZE)

    def chunk_size(self, index: int) -> int:
        """Return the bytes of one chunk; the last may be shorter."""
        return min(CHUNK_SIZE, self.size - index * CHUNK_SIZE)


def leaf_hash(chunk: Bytes) -> bytes:
    """Return the leaf of a chunk, 32 bytes."""
    hashed = sha256(_LEAF)
    hashed.update(chunk)
    return hashed.digest()


def tree_root(leaves: Bytes) -> bytes:
    """Return the root over leaves that stand one after the other, at least one.

    Level by level from below, an odd one out moving up as it is: the same tree as RFC 9162's split
    at the largest power of two.
    """
    assert leaves
    assert not len(leaves) % HASH_SIZE, len(leaves)
    level = [bytes(leaves[at : at + HASH_SIZE]) for at in range(0, len(leaves), HASH_SIZE)]
    while len(level) > 1:
        above = [
            sha256(_NODE + level[at] + level[at + 1]).digest() for at in range(0, len(level) - 1, 2)
        ]
        level = above + level[2 * len(above) :]
    return level[0]


def leaves_of(data: Bytes) -> bytes:
    """Return the leaves of all chunks of some bytes, one after the other."""
    view = memoryview(data)
    return b"".join(leaf_hash(view[at : at + CHUNK_SIZE]) for at in range(0, len(view), CHUNK_SIZE))


def reference_of(data: Bytes) -> Reference:
    """Return the true reference of an artefact.

    Raises:
        InvalidReferenceError: it is empty, or larger than `SIZE_MAX`.
    """
    return reference_and_leaves_of(data)[0]


def reference_and_leaves_of(data: Bytes) -> tuple[Reference, bytes]:
    """Return the true reference of an artefact and its list of leaves, hashed once for both.

    Raises:
        InvalidReferenceError: it is empty, or larger than `SIZE_MAX`.
    """
    if not 1 <= len(data) <= SIZE_MAX:
        raise InvalidReferenceError(f"{len(data)} bytes: expected 1 to {SIZE_MAX}")
    leaves = leaves_of(data)
    return Reference(sha256(data).digest(), len(data), tree_root(leaves)), leaves
