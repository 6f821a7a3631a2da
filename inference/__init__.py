"""What the box sees: a detector on camera frames, and incidents confirmed over several of them.

A box loads a model once, gives its detector the camera's calibration, and feeds every frame:

    detector = Detector(load_model(), camera.calibration)
    confirmation = Confirmation()
    step = confirmation.feed(detector.look(frame).confidence)

`step.change` says whether an incident began, goes on, or ended. Everything is synchronous; the
caller decides on which thread. Nothing here knows of networks, facts or events.

What a box runs can be exchanged: an `Artifact` holds a model with the canary frames by which it is
judged, and `SlotKeeper` puts it into the spare of two slots, tests it, swaps it in and goes back if
it does not work.

Importing this package is cheap: what needs numpy or onnxruntime is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference.artifact import (
        Artifact,
        Canary,
        build_agent,
        build_configuration,
        build_model,
        check_signature,
        parse_artifact,
        sign_artifact,
    )
    from inference.canary import (
        CanaryFrame,
        CanaryMetrics,
        Label,
        ShadowTally,
        measure,
    )
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
        ArtifactError,
        ArtifactSignatureError,
        DeadlineError,
        FrameError,
        InferenceError,
        MalformedArtifactError,
        ModelError,
        ModelFileError,
        ModelShapeError,
        RunError,
        SlotError,
        UnsignedArtifactError,
    )
    from inference.golden import SelfTest, self_test
    from inference.health import Health, HealthReport
    from inference.latest import LatestFrame
    from inference.live import LiveDetector, Look
    from inference.manifest import ArtifactKind, Manifest
    from inference.model_host import ModelHost, load_artifact
    from inference.onnx import (
        OnnxRuntime,
        load_model,
        load_model_bytes,
        measure_providers,
        packaged_model_path,
    )
    from inference.providers import ProviderTiming, choose_provider
    from inference.runtime import CLASSES, IMAGE_SHAPE, FixedRuntime, ModelInfo, Runtime
    from inference.slot_events import (
        Event,
        Go,
        Outcome,
        OutcomeKind,
        Seen,
        Stopped,
        Tick,
        Want,
        Withdraw,
    )
    from inference.slot_record import Key
    from inference.slot_store import FileDisk, SlotKeeper, SlotStore
    from inference.slots import Slots

__all__ = [
    "CLASSES",
    "IMAGE_SHAPE",
    "Artifact",
    "ArtifactError",
    "ArtifactKind",
    "ArtifactSignatureError",
    "Calibration",
    "Canary",
    "CanaryFrame",
    "CanaryMetrics",
    "Change",
    "Confirmation",
    "DeadlineError",
    "Detection",
    "Detector",
    "Event",
    "FileDisk",
    "FixedRuntime",
    "FrameError",
    "Go",
    "Health",
    "HealthReport",
    "InferenceError",
    "Key",
    "Label",
    "LatestFrame",
    "LiveDetector",
    "Look",
    "MalformedArtifactError",
    "Manifest",
    "ModelError",
    "ModelFileError",
    "ModelHost",
    "ModelInfo",
    "ModelShapeError",
    "OnnxRuntime",
    "Outcome",
    "OutcomeKind",
    "ProviderTiming",
    "RunError",
    "Runtime",
    "Seen",
    "SelfTest",
    "ShadowTally",
    "Sighting",
    "SlotError",
    "SlotKeeper",
    "SlotStore",
    "Slots",
    "Step",
    "Stopped",
    "Tick",
    "UnsignedArtifactError",
    "Want",
    "Withdraw",
    "build_agent",
    "build_configuration",
    "build_model",
    "check_signature",
    "choose_provider",
    "load_artifact",
    "load_model",
    "load_model_bytes",
    "measure",
    "measure_providers",
    "packaged_model_path",
    "parse_artifact",
    "self_test",
    "sign_artifact",
]

_NAMES = {
    "artifact": (
        "Artifact",
        "Canary",
        "build_agent",
        "build_configuration",
        "build_model",
        "check_signature",
        "parse_artifact",
        "sign_artifact",
    ),
    "canary": ("CanaryFrame", "CanaryMetrics", "Label", "ShadowTally", "measure"),
    "detector": (
        "Calibration",
        "Change",
        "Confirmation",
        "Detection",
        "Detector",
        "Sighting",
        "Step",
    ),
    "errors": (
        "ArtifactError",
        "ArtifactSignatureError",
        "DeadlineError",
        "FrameError",
        "InferenceError",
        "MalformedArtifactError",
        "ModelError",
        "ModelFileError",
        "ModelShapeError",
        "RunError",
        "SlotError",
        "UnsignedArtifactError",
    ),
    "golden": ("SelfTest", "self_test"),
    "health": ("Health", "HealthReport"),
    "latest": ("LatestFrame",),
    "live": ("LiveDetector", "Look"),
    "manifest": ("ArtifactKind", "Manifest"),
    "model_host": ("ModelHost", "load_artifact"),
    "onnx": (
        "OnnxRuntime",
        "load_model",
        "load_model_bytes",
        "measure_providers",
        "packaged_model_path",
    ),
    "providers": ("ProviderTiming", "choose_provider"),
    "runtime": ("CLASSES", "FixedRuntime", "IMAGE_SHAPE", "ModelInfo", "Runtime"),
    "slot_events": (
        "Event",
        "Go",
        "Outcome",
        "OutcomeKind",
        "Seen",
        "Stopped",
        "Tick",
        "Want",
        "Withdraw",
    ),
    "slot_record": ("Key",),
    "slot_store": ("FileDisk", "SlotKeeper", "SlotStore"),
    "slots": ("Slots",),
}
"""Where each name lives."""
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'inference' has no attribute {name!r}")
    value = getattr(import_module(f"inference.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
