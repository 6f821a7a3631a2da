"""ONNX models through onnxruntime: the only file that imports it, and only when a model is loaded.

One intra-op and one inter-op thread without spinning: a box runs one small network a few times a
second beside everything else it does, and a waiting pool that spins would cost more than the
network. The session is made in the process that uses it, after any fork.

A model file is data from elsewhere. It is checked once when loaded (size, inputs, outputs, and a
warm-up run), and its answers are checked in shape at every run.
"""

import hashlib
import threading
from importlib import resources
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from inference.errors import ModelFileError, ModelShapeError, RunError
from inference.runtime import (
    IMAGE_SHAPE,
    ROW_COLUMNS,
    ROWS_MAX,
    Image,
    ModelInfo,
    Rows,
    check_image,
)

MODEL_SIZE_MAX = 64 * 1024 * 1024
"""Bytes; refuses what cannot be a detector for a small box before reading it."""

WARM_UP_RUNS = 3
"""The first runs of a session allocate; they happen when it is loaded."""

INPUT_NAME, OUTPUT_NAME = "image", "boxes"

DEFAULT_VERSION = "v1.4"
"""The model that is packaged with this library."""


class _Port(Protocol):
    """An input or output of a network, as onnxruntime describes it."""

    name: str
    type: str
    shape: list[object]


class _ModelMeta(Protocol):
    custom_metadata_map: dict[str, str]


class _Session(Protocol):
    """The part of `onnxruntime.InferenceSession` that is used here; it comes without types."""

    def run(self, output_names: list[str], feed: dict[str, object]) -> list[object]: ...
    def get_inputs(self) -> list[_Port]: ...
    def get_outputs(self) -> list[_Port]: ...
    def get_modelmeta(self) -> _ModelMeta: ...


class OnnxRuntime:
    """A detector network in an onnxruntime session; made by `load_model`."""

    def __init__(self, session: _Session, model: ModelInfo) -> None:
        self._session: _Session | None = session
        self._model = model
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<OnnxRuntime {self._model}{'' if self._session else ' closed'}>"

    @property
    def model(self) -> ModelInfo:
        """What is being run."""
        return self._model

    def run(self, image: Image) -> Rows:
        """Run the network on one image; see `Runtime.run`."""
        check_image(image)
        with self._lock:
            if self._session is None:
                raise RunError(f"{self._model} is closed; load the model again")
            try:
                answer = self._session.run([OUTPUT_NAME], {INPUT_NAME: image[None]})
            except Exception as error:
                raise RunError(f"{self._model} failed on a frame: {_first_line(error)}") from error
        return _checked_rows(answer[0], self._model)

    def close(self) -> None:
        """Free the session."""
        with self._lock:
            self._session = None


def packaged_model_path(version: str = DEFAULT_VERSION) -> Path:
    """Where a model that comes with this library lies.

    Raises:
        ModelFileError: there is none of that version.
    """
    folder = Path(str(resources.files("inference"))) / "models"
    path = folder / f"{version}.onnx"
    if not path.is_file():
        known = ", ".join(sorted(model.stem for model in folder.glob("*.onnx"))) or "none"
        raise ModelFileError(f"no packaged model {version!r}; there is: {known}")
    return path


def load_model(path: Path | str | None = None) -> OnnxRuntime:
    """Load a detector from a file, check it and warm it up.

    Args:
        path: an ONNX file; None takes the packaged model.

    Returns:
        A runtime that is ready to run.

    Raises:
        ModelFileError: the file is missing, too large or no ONNX model.
        ModelShapeError: it is a model, but no detector of this contract.
    """
    file = packaged_model_path() if path is None else Path(path)
    raw = _read(file)
    session = _open_session(file, raw)
    _check_contract(file, session)
    metadata = _metadata(session)
    model = ModelInfo(
        name=metadata.pop("name", file.stem),
        version=metadata.pop("version", "unknown"),
        digest=hashlib.sha256(raw).digest(),
        size=len(raw),
        metadata=metadata,
    )
    runtime = OnnxRuntime(session, model)
    blank = np.zeros(IMAGE_SHAPE, np.uint8)
    try:
        for _ in range(WARM_UP_RUNS):
            runtime.run(blank)
    except RunError as error:
        raise ModelShapeError(f"{file}: fails on a blank image: {error}") from error
    return runtime


def _read(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > MODEL_SIZE_MAX:
            raise ModelFileError(
                f"{file}: {size} bytes; a model has at most {MODEL_SIZE_MAX}: use a smaller one"
            )
        return file.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ModelFileError(f"{file}: {reason}; give the path of an ONNX model") from error


def _open_session(file: Path, raw: bytes) -> _Session:
    import onnxruntime

    library = cast("Any", onnxruntime)
    options = library.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return library.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelFileError(
            f"{file}: no ONNX model that can be run ({_first_line(error)}); export it again"
        ) from error


def _check_contract(file: Path, session: _Session) -> None:
    expected_inputs = [(INPUT_NAME, "tensor(uint8)", [1, *IMAGE_SHAPE])]
    inputs = [(port.name, port.type, list(port.shape)) for port in session.get_inputs()]
    if inputs != expected_inputs:
        raise ModelShapeError(f"{file}: inputs are {inputs}; expected {expected_inputs}")
    outputs = [(port.name, port.type, list(port.shape)) for port in session.get_outputs()]
    name, kind, shape = outputs[0] if len(outputs) == 1 else ("", "", [])
    rows = shape[0] if len(shape) == 2 and shape[1] == ROW_COLUMNS else None
    fits = isinstance(rows, int) and 1 <= rows <= ROWS_MAX
    if name != OUTPUT_NAME or kind != "tensor(float)" or not fits:
        raise ModelShapeError(
            f"{file}: outputs are {outputs}; expected one {OUTPUT_NAME!r} of tensor(float) "
            f"[n, {ROW_COLUMNS}] with n from 1 to {ROWS_MAX}"
        )


def _metadata(session: _Session) -> dict[str, str]:
    return dict(sorted(session.get_modelmeta().custom_metadata_map.items()))


def _checked_rows(answer: object, model: ModelInfo) -> Rows:
    rows = np.asarray(answer, np.float32)
    if rows.ndim != 2 or rows.shape[1] != ROW_COLUMNS or len(rows) > ROWS_MAX:
        raise RunError(
            f"{model} answered with shape {list(rows.shape)}; expected [n, {ROW_COLUMNS}], "
            f"n at most {ROWS_MAX}"
        )
    return rows


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
