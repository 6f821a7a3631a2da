"""The camera of a box of `mesh dev`, and the detector that looks through it.

A rendered intersection of its own for every box, every other one at night. Now and then a vehicle
stands in the bike lane; whether that becomes an event is for the detector to say, and which
detector that is, for the rollouts: the box is delivered with the weakest of the three that lie
beside the demo. A handful of pictures is rendered once, so that a dozen boxes fit on a laptop.
"""

import importlib
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from inference.detector import BEGIN_SCORE_MIN
from inference.errors import InferenceError
from inference.live import LiveDetector
from inference.model_host import ModelHost
from inference.onnx import load_model
from inference.runtime import Image
from inference.slot_events import Outcome

__all__ = ["DELIVERED", "SLOT", "Camera", "Moment", "delivered_path"]

SLOT = "model/detector"
DELIVERED = "v1.3"
"""The version of the detector that a box runs when nothing was rolled out."""
CAMERA_SEED_FIRST = 7000
"""Sites of the boxes are numbered from here."""
MOMENTS = 4
"""Pictures with a vehicle in the bike lane, and as many without."""


def delivered_path() -> Path:
    """Where the model file lies that a box is delivered with."""
    # The demo stands beside the command line and not below it: no import statement may name it.
    return importlib.import_module("mesh.demo.releases.detectors").detector_path(DELIVERED)


class Moment:
    """What came of one picture.

    Attributes:
        model: digest of what looked, 32 bytes.
        version: for people.
        confidence: of a vehicle in the bike lane, 0 to 1; None where there is none.
        problem: why the picture could not be looked at.
    """

    def __init__(
        self, model: bytes, version: str, confidence: float | None, problem: str | None
    ) -> None:
        self.model = model
        self.version = version
        self.confidence = confidence
        self.problem = problem


class Camera:
    """A camera and its detector; all methods are for worker threads.

    Args:
        number: of the box; even ones stand in the night.
    """

    def __init__(self, number: int) -> None:
        scenes = importlib.import_module("mesh.demo.scenes")
        self._scenes = scenes
        self._camera: Any = scenes.Camera(CAMERA_SEED_FIRST + number, night=number % 2 == 0)
        self._live = LiveDetector(load_model(delivered_path()), self._camera.calibration)
        self._blocked: list[Image] = []
        self._clear: list[Image] = []

    @property
    def delivered(self) -> bytes:
        """Digest of what runs before anything was rolled out; to be asked before a slot has it."""
        return self._live.model.digest

    def make_host(
        self, *, fetch: Callable[[bytes], bytes | None], report: Callable[[Outcome], None]
    ) -> ModelHost:
        """Make what the slot is for; see `mesh.node.slot.MakeHost`."""
        return ModelHost(
            self._live,
            factory=lambda: load_model(delivered_path()),
            fetch=fetch,
            report=report,
            clock_ns=time.monotonic_ns,
        )

    def render(self) -> None:
        """Render the pictures that it will show, some tenths of a second each."""
        scenes, seed = self._scenes, self._camera.seed
        for clip in range(seed * MOMENTS, (seed + 1) * MOMENTS):
            staged = (scenes.IncidentSpec(first_frame=-2),)
            truth = scenes.truth_of(clip, scenes.incident_frames(clip, staged[0]), staged)
            inside = [at for at, state in enumerate(truth) if state == scenes.IN_LANE]
            self._blocked.append(self._shot(clip, inside[len(inside) // 2], staged))
            self._clear.append(self._shot(clip, 0))

    def _shot(self, clip: int, at: int, staged: Sequence[object] = ()) -> Image:
        pixels = self._scenes.moment(self._camera, clip, at, staged).pixels
        return self._scenes.detector_input(pixels)

    def look(self, rng: random.Random, *, blocked: bool) -> Moment:
        """Let the detector look at a picture; a candidate in its shadow looks afterwards."""
        image = rng.choice(self._blocked if blocked else self._clear)
        model = self._live.model
        try:
            look = self._live.look(image)
        except InferenceError as error:
            return Moment(model.digest, model.version, None, str(error))
        self._live.look_in_shadow(image, look)
        score = look.sighting.confidence
        seen = score if score >= BEGIN_SCORE_MIN else None
        return Moment(look.model.digest, look.model.version, seen, None)
