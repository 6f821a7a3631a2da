"""What can be wrong with an artefact's reference or a peer's frame: a branch of `errors`' tree.

OrchestrationError
└── BlobError
    ├── InvalidReferenceError  ours or the signer's: this names no artefact
    ├── BlobFrameError         theirs: bytes that no honest peer sends
    └── TooManyBlobsError      ours: more artefacts at once than one box exchanges
"""

from mesh.orchestration.errors import OrchestrationError

__all__ = ["BlobError", "BlobFrameError", "InvalidReferenceError", "TooManyBlobsError"]


class BlobError(OrchestrationError):
    """Base of every error of the artefact exchange."""


class InvalidReferenceError(BlobError):
    """A reference that can name no artefact; the message shows the value."""


class BlobFrameError(BlobError):
    """A frame that no honest peer sends, whatever it knows."""


class TooManyBlobsError(BlobError):
    """More artefacts at once than one box exchanges."""
