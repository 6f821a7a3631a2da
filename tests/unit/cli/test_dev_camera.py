"""The camera of `mesh dev`: whoever stands in the detector's shadow sees what it saw."""

import random

import numpy as np
import pytest

from inference import FixedRuntime, ModelInfo, RunError
from inference.runtime import IMAGE_SHAPE, Image, Rows
from mesh.cli.dev_camera import Camera
from tests.unit.inference.strategies import rows_of

IMAGE = np.zeros(IMAGE_SHAPE, np.uint8)


def candidate(rows: Rows | None = None) -> FixedRuntime:
    model = ModelInfo(name="test", version="2", digest=bytes(32), size=0)
    return FixedRuntime(rows_of([]) if rows is None else rows, model)


class Failing(FixedRuntime):
    def run(self, image: Image) -> Rows:
        raise RunError("no")


@pytest.fixture
def camera() -> Camera:
    camera = Camera(1)
    camera._clear = [IMAGE]
    return camera


def test_a_candidate_looks_at_what_the_camera_saw(camera: Camera):
    rng = random.Random(1)
    alone = camera.look(rng, blocked=False)
    assert camera._live.tally.frames == 0
    camera._live.cast_shadow(candidate())
    beside = camera.look(rng, blocked=False)
    assert (beside.model, beside.confidence) == (alone.model, alone.confidence)
    assert beside.model == camera.delivered, "it never answers"
    assert (camera._live.tally.frames, camera._live.tally.disagreement_ppm) == (1, 0)


def test_a_candidate_that_fails_costs_the_camera_no_answer(camera: Camera):
    camera._live.cast_shadow(Failing(rows_of([]), candidate().model))
    moment = camera.look(random.Random(1), blocked=False)
    assert (moment.model, moment.problem) == (camera.delivered, None)
    assert (camera._live.tally.errors, camera._live.tally.frames) == (1, 1)
