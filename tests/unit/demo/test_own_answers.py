"""A box whose detector answers as another model does is found out, whatever it says it runs."""

from typing import Any

import numpy as np
import pytest

from inference.detector import Calibration
from inference.live import LiveDetector
from inference.onnx import load_model
from inference.runtime import IMAGE_SHAPE
from mesh.demo.claims import Claims
from mesh.demo.releases.detectors import detector_path
from mesh.demo.releases.own_answers import ROW_SLACK, answer_verbs, judge_answers
from mesh.node.control import ControlError

BOXES = ("south/box-1", "south/box-2")
CALIBRATION = Calibration(
    to_ground=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), zone=(0.0, 1.0, 0.0, 1.0)
)


def rows_of(seed: int) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    return {box: generator.random((32, 8), np.float32) for box in BOXES}


OURS, OTHERS = rows_of(1), rows_of(2)


def judged(said: dict[str, Any], others: dict[str, Any] = OTHERS, ours: Any = OURS) -> list[str]:
    claims = Claims(keep_going=True, say=lambda name, held, sentence: None)
    answers = {box: {"rows": rows} for box, rows in said.items()}
    judge_answers("v2", ours, others, answers, claims)
    return claims.failed


def told(rows: dict[str, Any]) -> dict[str, Any]:
    return {box: one.astype("<f4").tobytes() for box, one in rows.items()}


def test_boxes_that_answer_as_the_release_does_pass() -> None:
    assert judged(told(OURS)) == []
    assert judged(told({box: rows + ROW_SLACK / 2 for box, rows in OURS.items()})) == []


@pytest.mark.parametrize(
    "wrong",
    [
        told(OTHERS)[BOXES[1]], told(OURS)[BOXES[0]], told(OURS)[BOXES[1]][:-32],
        told(OURS)[BOXES[1]][:-1], b"", None,
    ],
    ids=["another model", "another still", "a row less", "a byte less", "nothing", "no bytes"],
)  # fmt: skip
def test_one_that_answers_otherwise_fails(wrong: object) -> None:
    assert judged(told(OURS) | {BOXES[1]: wrong}) == ["runs_what_it_says"]


def test_silence_and_two_models_that_are_alike_prove_nothing() -> None:
    assert judged({BOXES[0]: told(OURS)[BOXES[0]]}) == ["runs_what_it_says"]
    assert judged(told(OURS), others=OURS) == ["runs_what_it_says"]
    assert judged({}, ours={}) == ["runs_what_it_says"]


async def test_a_box_shows_what_its_live_detector_makes_of_its_still(tmp_path) -> None:
    live = LiveDetector(load_model(detector_path("v1.3")), CALIBRATION)
    ask = answer_verbs(live, tmp_path, BOXES[0])["rows"]
    with pytest.raises(ControlError, match="has no still"):
        await ask({})
    still = np.random.default_rng(3).integers(0, 256, IMAGE_SHAPE, np.uint8)
    np.save(tmp_path / "south-box-1.stills.npy", still[None])
    for version in ("v1.3", "v1.4"):
        live.swap(load_model(detector_path(version)))
        expected = load_model(detector_path(version)).run(still)
        assert (await ask({}))["rows"] == expected.astype("<f4").tobytes()
