"""What every runtime promises, tried on the real one and on the one that always says the same."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import inference.onnx
from inference import (
    FixedRuntime,
    FrameError,
    ModelFileError,
    ModelShapeError,
    RunError,
    Runtime,
    load_model,
    packaged_model_path,
)
from inference.runtime import IMAGE_SHAPE, ROW_COLUMNS, ROWS_MAX
from tests.unit.inference.onnx_bytes import FLOAT, UINT8, one_node_model
from tests.unit.inference.strategies import MODEL, rows_of, van_rows

NOISE = np.random.default_rng(1).integers(0, 256, IMAGE_SHAPE, dtype=np.uint8)
IMAGE_PORT = ("image", UINT8, [1, *IMAGE_SHAPE])


@pytest.fixture(params=["onnx", "fixed"])
def runtime(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    runtime = load_model() if request.param == "onnx" else FixedRuntime(van_rows(), MODEL)
    yield runtime
    runtime.close()


def test_it_answers_with_rows_and_always_the_same(runtime: Runtime):
    rows = runtime.run(NOISE)
    assert rows.dtype == np.float32
    assert rows.shape[1] == ROW_COLUMNS
    assert len(rows) <= ROWS_MAX
    assert (rows == runtime.run(NOISE.copy())).all()


def test_a_caller_cannot_change_the_next_answer(runtime: Runtime):
    first = runtime.run(NOISE)
    expected = first.copy()
    first[:] = 7
    assert (runtime.run(NOISE) == expected).all()


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((288, 512, 3), np.uint8),
        np.zeros((144, 256), np.uint8),
        np.zeros(IMAGE_SHAPE, np.float32),
    ],
)
def test_another_shape_or_type_is_refused_by_name(runtime: Runtime, image: np.ndarray):
    with pytest.raises(FrameError, match=r"expected uint8 \[144, 256, 3\]"):
        runtime.run(image)


def test_it_may_be_called_from_any_thread(runtime: Runtime):
    expected = runtime.run(NOISE)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(runtime.run, [NOISE] * 16))
    assert all((answer == expected).all() for answer in answers)


def test_closed_it_refuses(runtime: Runtime):
    runtime.close()
    with pytest.raises(RunError, match="closed"):
        runtime.run(NOISE)


def test_the_packaged_model_says_what_it_is():
    path = packaged_model_path()
    model = load_model().model
    assert (model.name, model.version) == ("intersection-detector", "v1.4")
    assert model.digest == hashlib.sha256(path.read_bytes()).digest()
    assert model.size == path.stat().st_size <= 1_000_000
    assert model.metadata["classes"] == "pedestrian,cyclist,car,van"
    assert model.metadata["licence"] == "Apache-2.0"
    assert "2000 steps" in model.metadata["recipe"]
    assert model.digest.hex()[:12] in repr(load_model())


def test_an_unknown_version_names_those_that_exist():
    with pytest.raises(ModelFileError, match=r"'v9.9'; there is: v1\.4"):
        packaged_model_path("v9.9")


@pytest.mark.parametrize("damage", ["missing", "folder", "empty", "text", "cut", "noise"])
def test_a_malformed_file_is_one_named_error(tmp_path: Path, damage: str):
    path, good = tmp_path / "model.onnx", packaged_model_path().read_bytes()
    contents = {
        "empty": b"",
        "text": b"name: detector\n",
        "cut": good[: len(good) // 2],
        "noise": np.random.default_rng(2).bytes(10_000),
    }
    if damage == "folder":
        path.mkdir()
    elif damage in contents:
        path.write_bytes(contents[damage])
    with pytest.raises(ModelFileError, match=r"model\.onnx: "):
        load_model(path)


def test_a_file_too_large_for_a_box_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inference.onnx, "MODEL_SIZE_MAX", 100)
    path = tmp_path / "model.onnx"
    path.write_bytes(bytes(101))
    with pytest.raises(ModelFileError, match="101 bytes; a model has at most 100"):
        load_model(path)


@pytest.mark.parametrize(
    ("source", "result", "operator", "said"),
    [
        (("x", FLOAT, [1, 8]), ("boxes", FLOAT, [1, 8]), "Identity", "inputs are"),
        (IMAGE_PORT, ("boxes", UINT8, [1, *IMAGE_SHAPE]), "Identity", "outputs are"),
        (IMAGE_PORT, ("rows", FLOAT, [1, *IMAGE_SHAPE]), "Cast", "outputs are"),
    ],
)
def test_a_model_that_is_no_detector_is_named(
    tmp_path: Path, source: tuple, result: tuple, operator: str, said: str
):
    path = tmp_path / "other.onnx"
    path.write_bytes(one_node_model(source, result, operator))
    with pytest.raises(ModelShapeError, match=said):
        load_model(path)


class BrokenSession:
    """A session that fails, or answers with something else."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def run(self, output_names: list[str], feed: dict[str, object]) -> list[object]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (RuntimeError("out of memory\nat node 7"), r"failed on a frame: out of memory$"),
        (ValueError(), r"failed on a frame: ValueError$"),
        (np.zeros((1, 4, 8), np.float32), r"answered with shape \[1, 4, 8\]"),
        (np.zeros((ROWS_MAX + 1, 8), np.float32), "answered with shape"),
    ],
)
def test_a_runtime_that_fails_is_named(answer: object, said: str):
    broken = inference.onnx.OnnxRuntime(BrokenSession(answer), MODEL)
    with pytest.raises(RunError, match=said):
        broken.run(NOISE)


def test_a_model_that_fails_on_a_blank_image_is_refused(monkeypatch: pytest.MonkeyPatch):
    def fail(self: object, image: object) -> None:
        raise RunError("no")

    monkeypatch.setattr(inference.onnx.OnnxRuntime, "run", fail)
    with pytest.raises(ModelShapeError, match="fails on a blank image: no"):
        load_model()


def test_onnxruntime_is_imported_only_to_load_a_model():
    code = "import inference, sys; sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_fixed_runtime_may_answer_nothing():
    assert FixedRuntime(rows_of([]), MODEL).run(NOISE).shape == (0, ROW_COLUMNS)
