"""The golden self-test: rounding passes, other answers do not."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inference import FixedRuntime, RunError, load_model, packaged_model_path
from inference.artifact import Artifact, Canary, build_model
from inference.canary import CanaryFrame
from inference.detector import Calibration, Detection
from inference.errors import MalformedArtifactError
from inference.golden import golden_rows, mismatch, self_test
from inference.manifest import Tolerance
from inference.runtime import IMAGE_SHAPE, Rows
from tests.unit.inference.artifacts import a_configuration
from tests.unit.inference.strategies import MODEL, detections, rows_of, van_rows

EXACT = Tolerance()
FRAME = CanaryFrame(
    condition="day",
    calibration=Calibration(((1, 0, 0), (0, 1, 0), (0, 0, 1)), (0, 1, 0, 1)),
    in_lane=None,
    labels=(),
)


def apart(found: list[Detection]) -> bool:
    """No two of one class so near that they could be taken for each other."""
    return all(
        a.kind != b.kind or abs(a.box[0] - b.box[0]) > 80
        for a, b in itertools.combinations(found, 2)
    )


@given(st.lists(detections(), max_size=5), st.randoms(use_true_random=False))
def test_rounding_and_another_order_are_no_difference(found: list[Detection], rng):
    assume(apart(found))
    golden = rows_of(found)
    answer = golden.copy()
    rng.shuffle(found)
    answer = rows_of(found)
    answer[:, 1] = np.clip(answer[:, 1] - 0.0005, 0, 1)
    answer[:, 2:] += 0.05
    assert mismatch(answer, golden, EXACT) is None


@given(st.lists(detections(), min_size=1, max_size=5), st.data())
def test_any_real_change_is_found(found: list[Detection], data: st.DataObject):
    assume(apart(found))
    golden = rows_of(found)
    answer = golden.copy()
    row = data.draw(st.integers(0, len(found) - 1))
    match data.draw(st.sampled_from(["missing", "moved", "weaker", "class", "extra"])):
        case "missing":
            answer = np.delete(answer, row, 0)
        case "moved":
            answer[row, 2:] += 0.5
        case "weaker":
            answer[row, 1] -= 0.01
        case "class":
            answer[row, 0] = (answer[row, 0] + 1) % 4
        case _:
            extra = np.array([[0, 0.9, 230, 130, 240, 140, 235, 138]], np.float32)
            answer = np.concatenate([answer, extra])
    assert mismatch(answer, golden, EXACT) is not None


def test_rows_at_the_edge_of_being_kept_may_come_and_go():
    edge = rows_of([Detection(2, 0.1005, (10, 10, 20, 20), (15, 18))])
    assert mismatch(rows_of([]), edge, EXACT) is None
    assert mismatch(edge, rows_of([]), EXACT) is None
    assert len(golden_rows(edge)) == 1
    assert len(golden_rows(rows_of([Detection(2, 0.05, (1, 1, 2, 2), (1, 1))]))) == 0


def artifact_of(golden: Rows, payload: bytes = b"onnx") -> Artifact:
    pixels = np.random.default_rng(5).integers(0, 255, (1, *IMAGE_SHAPE), np.uint8)
    return build_model(
        payload, Canary((FRAME,), pixels, (golden,)), name="n", version="v", licence="MIT"
    )


def test_the_packaged_model_reproduces_its_own_answers():
    runtime = load_model()
    pixels = np.random.default_rng(5).integers(0, 255, IMAGE_SHAPE, np.uint8)
    golden = golden_rows(runtime.run(pixels))
    ticks = itertools.count(0, 2_000_000)
    result = self_test(
        artifact_of(golden, packaged_model_path().read_bytes()), runtime, lambda: next(ticks)
    )
    assert result.passed
    assert (result.metrics.frames, result.metrics.p50_us) == (1, 2000)


def test_other_answers_are_told_with_their_frame():
    other = FixedRuntime(van_rows(), MODEL)
    result = self_test(artifact_of(rows_of([])), other, lambda: 0)
    assert not result.passed
    assert result.mismatch == (
        "canary frame 0: class 3 score 0.9000 at [50.00, 50.00, 90.00, 90.00], "
        "which should not be there"
    )


class Failing(FixedRuntime):
    def run(self, image: np.ndarray) -> Rows:
        raise RunError("out of memory")


def test_a_frame_that_fails_is_no_pass():
    result = self_test(artifact_of(rows_of([])), Failing(rows_of([]), MODEL), lambda: 0)
    assert result.mismatch == "canary frame 0: RunError"
    assert result.metrics.errors == 1


def test_only_models_have_canary_frames():
    with pytest.raises(MalformedArtifactError, match="it is no model"):
        self_test(a_configuration(), FixedRuntime(rows_of([]), MODEL), lambda: 0)
