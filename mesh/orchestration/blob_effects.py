"""What an exchange asks its shell to do. It performs nothing; it returns these, in order.

Whatever names a ticket is answered exactly once: `Resume` by `resumed`, `Begin` and `Store` by
`stored`, `Load` by `loaded`, `Seal` by `sealed`, a `Send` with a ticket by `sent`; any of them but
`Send` by `failed` instead.
"""

from dataclasses import dataclass
from typing import NamedTuple

from mesh.orchestration.blob_tree import Bytes, Reference

__all__ = [
    "Begin",
    "BlobEffect",
    "Complete",
    "Failed",
    "Found",
    "Load",
    "Lost",
    "Penalise",
    "Resume",
    "Seal",
    "Sealed",
    "Send",
    "Store",
]


class Send(NamedTuple):
    """Write framed bytes to our stream to a peer, in order; with a ticket: `sent` once written."""

    peer: bytes
    data: bytes
    ticket: int = 0


class Resume(NamedTuple):
    """Say what the disk already has of an artefact, every chunk of it proven; answer `resumed`."""

    ticket: int
    reference: Reference


class Found(NamedTuple):
    """The answer to `Resume`.

    Attributes:
        leaves: the list of leaves; None where the disk has none that hashes to the tree.
        held: bit i is set if chunk i is there and hashes to its leaf.
        is_complete: whether the artefact was sealed.
    """

    leaves: bytes | None = None
    held: int = 0
    is_complete: bool = False


class Begin(NamedTuple):
    """Make room for an artefact and keep its leaves; answer `stored`."""

    ticket: int
    reference: Reference
    leaves: bytes


@dataclass(frozen=True, slots=True)
class Store:
    """Write one proven chunk; answer `stored`."""

    ticket: int
    reference: Reference
    index: int
    data: Bytes


@dataclass(frozen=True, slots=True)
class Load:
    """Read one chunk; answer `loaded`, with no bytes where the disk has none any more."""

    ticket: int
    reference: Reference
    index: int


class Seal(NamedTuple):
    """Every chunk is there: prove the whole, make it durable and complete; answer `sealed`."""

    ticket: int
    reference: Reference


class Sealed(NamedTuple):
    """The answer to `Seal`.

    Attributes:
        is_complete: whether all bytes hash to the digest; it is durable then.
        damaged: bits of chunks that no longer hash to their leaves; 0 together with not complete
            means that the digest does not belong to the tree.
    """

    is_complete: bool
    damaged: int = 0


class Complete(NamedTuple):
    """An artefact that was wanted is here, proven and durable."""

    reference: Reference


class Failed(NamedTuple):
    """A wanted artefact can never be had: its reference contradicts itself; a sentence says so."""

    reference: Reference
    reason: str


class Lost(NamedTuple):
    """A complete artefact is damaged on our disk, or gone, and not served; want it again."""

    reference: Reference
    reason: str


class Penalise(NamedTuple):
    """A peer sent what no honest peer sends."""

    peer: bytes
    reason: str


BlobEffect = Send | Resume | Begin | Store | Load | Seal | Complete | Failed | Lost | Penalise
