"""What can go wrong between a file and a detection.

InferenceError
├── ModelError          the model is no detector of ours: says which file, what it has, what we want
│   ├── ModelFileError      the file is missing, unreadable or no ONNX model
│   └── ModelShapeError     inputs or outputs differ from the contract
├── ArtifactError       something to be rolled out cannot be used
│   ├── MalformedArtifactError  the bytes are no artefact, or its parts do not fit each other
│   ├── UnsignedArtifactError   nobody signed it
│   └── ArtifactSignatureError  the signature is wrong, or of a key that may not release
├── SlotError           the slots' files cannot be read or written
├── FrameError          a frame has the wrong shape or type; a fault of the caller
└── RunError            the runtime failed, or answered with rows that are none
    └── DeadlineError       it was stopped because it took too long
"""


class InferenceError(Exception):
    """Base of all errors of this package."""


class ModelError(InferenceError):
    """A model cannot be used."""


class ModelFileError(ModelError):
    """The file is missing, unreadable or no ONNX model."""


class ModelShapeError(ModelError):
    """The model's inputs or outputs differ from the detector's contract."""


class ArtifactError(InferenceError):
    """Something to be rolled out cannot be used."""


class MalformedArtifactError(ArtifactError):
    """The bytes are no artefact, or its parts do not fit each other."""


class UnsignedArtifactError(ArtifactError):
    """Nobody signed the artefact."""


class ArtifactSignatureError(ArtifactError):
    """The signature is wrong, or of a key that may not release."""


class SlotError(InferenceError):
    """The slots' files cannot be read or written."""


class FrameError(InferenceError):
    """A frame has the wrong shape or type."""


class RunError(InferenceError):
    """The runtime failed on a frame, or its answer is malformed."""


class DeadlineError(RunError):
    """The runtime took longer than it may, and was stopped."""
