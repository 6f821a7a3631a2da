"""The scene's own process: renders every camera's clip ahead, and keeps the truth to itself.

Rendering costs some twenty milliseconds a frame and would starve the detectors beside it, so all
frames exist before the first is shown. A box is given the directory of the cameras: pixels and
calibrations, no truth. What really happened lies in a directory of its own, which only the judge
reads.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.detector import Calibration
from mesh.demo.scenes.clip import Camera, render_clip
from mesh.demo.scenes.plan import CameraPlan, ScenePlan

__all__ = [
    "CameraTruth",
    "camera_files",
    "load_camera",
    "load_stills",
    "load_truth",
    "render_cameras",
    "save_stills",
    "truth_file",
]


STILLS = 2
"""Pictures of what stands before a camera before anything happens there."""


@dataclass(frozen=True, slots=True)
class CameraTruth:
    """What really happened before one camera.

    Attributes:
        truth: int8 [frames]: 1 a vehicle stands in the bike lane, 0 none touches it, -1 between.
        visible: float32 [frames]: which share of the culprit is to be seen.
    """

    truth: NDArray[np.int8]
    visible: NDArray[np.float32]


def camera_files(directory: Path, box: str) -> tuple[Path, Path]:
    """Return where a camera's frames and calibration lie."""
    stem = box.replace("/", "-")
    return directory / f"{stem}.frames.npy", directory / f"{stem}.camera.json"


def truth_file(directory: Path, box: str) -> Path:
    """Return where the truth of a camera lies."""
    return directory / f"{box.replace('/', '-')}.npz"


def render_cameras(plan: ScenePlan, boxes: list[str], scene: Path, truth: Path) -> None:
    """Render the clips of some boxes, one after the other.

    Args:
        plan: the scene.
        boxes: whose cameras.
        scene: directory for frames and calibrations.
        truth: directory for what really happened.
    """
    for box in boxes:
        camera_plan = plan.cameras[box]
        camera = Camera(camera_plan.seed, night=camera_plan.night)
        clip = render_clip(camera, camera_plan.seed, plan.frames, camera_plan.incidents)
        frames, calibration = camera_files(scene, box)
        np.savez(truth_file(truth, box), truth=clip.truth, visible=clip.visible)
        values = {"to_ground": camera.calibration.to_ground, "zone": camera.calibration.zone}
        calibration.write_text(json.dumps(values))
        part = frames.with_suffix(".part.npy")
        np.save(part, clip.frames)
        part.rename(frames)


def load_camera(directory: Path, box: str) -> tuple[NDArray[np.uint8], Calibration]:
    """Return a camera's frames [n, 144, 256, 3], mapped from its file, and its calibration."""
    frames, calibration = camera_files(directory, box)
    values = json.loads(calibration.read_text())
    a, b, c = ((float(x), float(y), float(z)) for x, y, z in values["to_ground"])
    x0, x1, y0, y1 = map(float, values["zone"])
    camera = Calibration(to_ground=(a, b, c), zone=(x0, x1, y0, y1))
    return np.load(frames, mmap_mode="r"), camera


def load_truth(directory: Path, box: str) -> CameraTruth:
    """Return what really happened before a camera."""
    with np.load(truth_file(directory, box)) as data:
        return CameraTruth(data["truth"], data["visible"])


def save_stills(cameras: Mapping[str, CameraPlan], scene: Path) -> None:
    """Render a few quiet pictures of each camera.

    Args:
        cameras: by box.
        scene: directory of the camera files.
    """
    for box, plan in cameras.items():
        clip = render_clip(Camera(plan.seed, night=plan.night), plan.seed, STILLS)
        path = _stills_file(scene, box)
        part = path.with_suffix(".part.npy")
        np.save(part, clip.frames)
        part.rename(path)


def load_stills(directory: Path, box: str) -> NDArray[np.uint8] | None:
    """Return a camera's stills [n, 144, 256, 3]; None while there are none."""
    path = _stills_file(directory, box)
    return np.load(path) if path.exists() else None


def _stills_file(directory: Path, box: str) -> Path:
    return directory / f"{box.replace('/', '-')}.stills.npy"
