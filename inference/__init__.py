"""What the box sees: a detector on camera frames, and incidents confirmed over several of them.

A box loads a model once, gives its detector the camera's calibration, and feeds every frame:

    detector = Detector(load_model(), camera.calibration)
    confirmation = Confirmation()
    step = confirmation.feed(detector.look(frame).confidence)

`step.change` says whether an incident began, goes on, or ended. Everything is synchronous; the
caller decides on which thread. Nothing here knows of networks, facts or events.
"""

from inference.detector import (
    Calibration,
    Change,
    Confirmation,
    Detection,
    Detector,
    Sighting,
    Step,
)
from inference.errors import (
    FrameError,
    InferenceError,
    ModelError,
    ModelFileError,
    ModelShapeError,
    RunError,
)
from inference.health import Health, HealthReport
from inference.onnx import OnnxRuntime, load_model, packaged_model_path
from inference.runtime import CLASSES, IMAGE_SHAPE, FixedRuntime, ModelInfo, Runtime

__all__ = [
    "CLASSES",
    "IMAGE_SHAPE",
    "Calibration",
    "Change",
    "Confirmation",
    "Detection",
    "Detector",
    "FixedRuntime",
    "FrameError",
    "Health",
    "HealthReport",
    "InferenceError",
    "ModelError",
    "ModelFileError",
    "ModelInfo",
    "ModelShapeError",
    "OnnxRuntime",
    "RunError",
    "Runtime",
    "Sighting",
    "Step",
    "load_model",
    "packaged_model_path",
]
