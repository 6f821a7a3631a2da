"""Canary frames for the detector: moments of held-out cameras, half of them at night.

A gate decides on these, so they are frames that no model was trained on, and that no camera of the
demo shows: sites of their own (`CANARY_SEED_FIRST`), drawn with the palette that training never
saw. Each camera gives as many moments with a vehicle in the bike lane as without one, from as many
separate clips, since neighbouring frames of one clip would say the same thing twice.

The pictures and labels are a function of the seed and the counts, on every machine with the same
versions.
"""

from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.artifact import Artifact, Canary, build_model
from inference.canary import CanaryFrame, Label
from inference.golden import golden_rows
from inference.onnx import load_model_bytes
from mesh.demo.scenes import (
    CLEAR,
    IN_LANE,
    Camera,
    IncidentSpec,
    detector_input,
    incident_frames,
    moment,
    truth_of,
)
from mesh.demo.scenes.labels import is_judged
from mesh.demo.scenes.render import DETECTOR_REDUCTION
from mesh.demo.scenes.render import Box as SceneBox

__all__ = [
    "CAMERAS_BY_DAY",
    "CAMERAS_BY_NIGHT",
    "CanaryPictures",
    "detector_artifact",
    "render_canary",
]

CANARY_SEED_FIRST = 400_000_000
"""Cameras of canaries have seeds from here on; those of the demo's boxes stay below."""

SETS_MAX = 100
"""Sets have numbers below."""

CAMERAS_BY_DAY, CAMERAS_BY_NIGHT = 4, 12
"""More by night: there the figures scatter more, and there models fail. See docs/detector.md."""

MOMENTS_EACH = 2
"""Moments of each camera with a vehicle in the lane, and as many without."""

CAMERAS_MAX = 1000
"""Cameras of a set; none belongs to another set."""

CLIPS_MAX = 100
"""Each camera has clips of its own; none shares its traffic with another."""

STAGED = IncidentSpec(first_frame=-2)


@dataclass(frozen=True, slots=True)
class CanaryPictures:
    """Canary frames and their pixels.

    Attributes:
        frames: what is known of each.
        pixels: uint8 [n, 144, 256, 3].
    """

    frames: tuple[CanaryFrame, ...]
    pixels: NDArray[np.uint8]


def render_canary(
    seed: int = 0,
    *,
    by_day: int = CAMERAS_BY_DAY,
    by_night: int = CAMERAS_BY_NIGHT,
    moments: int = MOMENTS_EACH,
) -> CanaryPictures:
    """Render canary frames; about 60 ms a frame.

    Args:
        seed: which set, from 0 to 99; sets of different seeds share no camera.
        by_day: cameras by day.
        by_night: cameras by night.
        moments: of each camera with a vehicle in the lane, and as many without.

    Raises:
        ValueError: there is no such set, or nothing in it.
    """
    cameras = by_day + by_night
    if (
        not 0 <= seed < SETS_MAX
        or min(by_day, by_night) < 0
        or not 1 <= cameras <= CAMERAS_MAX
        or not 1 <= 2 * moments <= CLIPS_MAX
    ):
        raise ValueError(
            f"canary set {seed} of {by_day} cameras by day and {by_night} by night, {moments} "
            f"moments each: expected a set from 0 to {SETS_MAX - 1}, 1 to {CAMERAS_MAX} cameras "
            f"and 1 to {CLIPS_MAX // 2} moments"
        )
    frames: list[CanaryFrame] = []
    pixels: list[NDArray[np.uint8]] = []
    for number in range(cameras):
        camera = Camera(CANARY_SEED_FIRST + CAMERAS_MAX * seed + number, night=number >= by_day)
        for index in range(2 * moments):
            frame, picture = _shot(camera, index, incident=index % 2 == 0)
            frames.append(frame)
            pixels.append(picture)
    return CanaryPictures(tuple(frames), np.stack(pixels))


def _shot(camera: Camera, index: int, *, incident: bool) -> tuple[CanaryFrame, NDArray[np.uint8]]:
    """One moment of a clip of its own: in the lane, or before anything happens."""
    seed = camera.seed * CLIPS_MAX + index
    staged = (STAGED,) if incident else ()
    length = incident_frames(seed, STAGED) if incident else 1
    truth = truth_of(seed, length, staged)
    wanted = IN_LANE if incident else CLEAR
    chosen = [number for number, state in enumerate(truth) if state == wanted]
    at = chosen[len(chosen) // 2]
    frame = moment(camera, seed, at, staged)
    labels = tuple(_label(box) for box in frame.boxes)
    known = CanaryFrame(
        condition="night" if camera.look.night else "day",
        calibration=camera.calibration,
        in_lane=incident,
        labels=labels,
    )
    return known, detector_input(frame.pixels)


def _label(box: SceneBox) -> Label:
    left, top, right, bottom = (value / DETECTOR_REDUCTION for value in box.bounds)
    return Label(int(box.kind), (left, top, right, bottom), is_judged(box))


def detector_artifact(
    payload: bytes,
    pictures: CanaryPictures,
    *,
    name: str = "",
    version: str = "",
    licence: str = "",
) -> Artifact:
    """The unsigned artefact of a detector, with its own answers to the pictures as golden ones.

    Args:
        payload: the ONNX file.
        pictures: canary frames.
        name: of the family; what the file says of itself unless given.
        version: likewise.
        licence: likewise; SPDX.

    Raises:
        ModelError: the file is no detector.
        ArtifactError: the parts do not fit each other.
    """
    with closing(load_model_bytes(payload, label=name or "model")) as runtime:
        golden = tuple(golden_rows(runtime.run(picture)) for picture in pictures.pixels)
    model = runtime.model
    metadata = {
        key: value for key, value in model.metadata.items() if key not in ("licence", "classes")
    }
    return build_model(
        payload,
        Canary(pictures.frames, pictures.pixels, golden),
        name=name or model.name,
        version=version or model.version,
        licence=licence or model.metadata.get("licence", ""),
        metadata=metadata,
    )
