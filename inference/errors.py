"""What can go wrong between a file and a detection.

InferenceError
├── ModelError          the model is no detector of ours: says which file, what it has, what we want
│   ├── ModelFileError      the file is missing, unreadable or no ONNX model
│   └── ModelShapeError     inputs or outputs differ from the contract
├── FrameError          a frame has the wrong shape or type; a fault of the caller
└── RunError            the runtime failed, or answered with rows that are none
"""


class InferenceError(Exception):
    """Base of all errors of this package."""


class ModelError(InferenceError):
    """A model cannot be used."""


class ModelFileError(ModelError):
    """The file is missing, unreadable or no ONNX model."""


class ModelShapeError(ModelError):
    """The model's inputs or outputs differ from the detector's contract."""


class FrameError(InferenceError):
    """A frame has the wrong shape or type."""


class RunError(InferenceError):
    """The runtime failed on a frame, or its answer is malformed."""
