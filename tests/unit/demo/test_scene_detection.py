"""The packaged detector finds staged incidents on real pixels, and broken ones are found out."""

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference import (
    Change,
    Confirmation,
    Detector,
    FixedRuntime,
    ModelInfo,
    Runtime,
    load_model,
    packaged_model_path,
)
from mesh.demo.scenes import IN_LANE, Camera, Clip, IncidentSpec, quiet_clip, render_clip

TOOLS = Path(__file__).parents[3] / "tools"
MODEL = ModelInfo(name="test", version="0", digest=bytes(32), size=0)

Scene = tuple[Camera, Clip]


@pytest.fixture(scope="module")
def incidents() -> list[Scene]:
    cameras = [Camera(seed, night=seed % 2 == 1) for seed in (70, 71, 72, 73)]
    on_its_way = IncidentSpec(first_frame=-6)
    return [
        (camera, render_clip(camera, seed, 13, (on_its_way,)))
        for camera, seed in zip([*cameras, cameras[0], cameras[1]], range(6), strict=True)
    ]


@pytest.fixture(scope="module")
def quiet(incidents: list[Scene]) -> list[Scene]:
    return [(camera, quiet_clip(camera, 90 + i, 5)) for i, (camera, _) in enumerate(incidents[:4])]


def begun(runtime: Runtime, scene: Scene) -> list[int]:
    """Frames in which an incident begins."""
    camera, clip = scene
    detector, confirmation = Detector(runtime, camera.calibration), Confirmation()
    steps = [confirmation.feed(detector.look(frame).confidence) for frame in clip.frames]
    return [index for index, step in enumerate(steps) if step.change is Change.BEGIN]


def finds_all(runtime: Runtime, incidents: list[Scene]) -> bool:
    """Each incident begins exactly once, and not before the vehicle is there."""
    for scene in incidents:
        inside = np.flatnonzero(scene[1].truth == IN_LANE)
        found = begun(runtime, scene)
        if len(found) != 1 or not inside[0] - 1 <= found[0] <= inside[-1]:
            return False
    return True


def is_calm(runtime: Runtime, quiet: list[Scene]) -> bool:
    """Nothing begins where nothing happens."""
    return not any(begun(runtime, scene) for scene in quiet)


def passes(runtime: Runtime, incidents: list[Scene], quiet: list[Scene]) -> bool:
    return finds_all(runtime, incidents) and is_calm(runtime, quiet)


def test_it_finds_every_incident_once_and_nothing_else(incidents: list[Scene], quiet: list[Scene]):
    runtime = load_model()
    assert finds_all(runtime, incidents)
    assert is_calm(runtime, quiet)


def test_the_vehicle_is_really_to_be_seen(incidents: list[Scene]):
    for _, clip in incidents:
        assert clip.visible[clip.truth == IN_LANE].mean() > 0.5


def test_a_detector_that_sees_nothing_fails(incidents: list[Scene], quiet: list[Scene]):
    assert not passes(FixedRuntime(np.zeros((0, 8), np.float32), MODEL), incidents, quiet)


def test_a_detector_that_always_sees_a_van_fails(incidents: list[Scene], quiet: list[Scene]):
    camera = incidents[0][0]
    u, v, _ = camera.site.project_point((4.6, 7.0, 0.0))
    row = (3, 0.9, u / 2 - 20, v / 2 - 30, u / 2 + 20, v / 2 + 5, u / 2, v / 2)
    always = FixedRuntime(np.array([row], np.float32), MODEL)
    assert not is_calm(always, quiet[:1])
    assert not passes(always, incidents, quiet)


def test_shuffled_weights_fail(incidents: list[Scene], quiet: list[Scene], tmp_path: Path):
    shuffle: Callable[[Path, Path], None] = runpy.run_path(str(TOOLS / "detector_shuffle.py"))[
        "shuffle_weights"
    ]
    path = tmp_path / "shuffled.onnx"
    shuffle(packaged_model_path(), path)
    runtime = load_model(path)
    assert runtime.model.size == load_model().model.size
    assert runtime.model.digest != load_model().model.digest
    assert not passes(runtime, incidents, quiet)
