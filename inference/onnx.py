"""ONNX models through onnxruntime: the only file that imports it, and only when a model is loaded.

One intra-op and one inter-op thread without spinning: a box runs one small network a few times a
second beside everything else it does, and a waiting pool that spins would cost more than the
network. The session is made in the process that uses it, after any fork.

A model file is data from elsewhere. It is checked once when loaded (size, inputs, outputs, and a
warm-up run), and its answers are checked in shape at every run. With a deadline, a run that hangs
is stopped and is one error, not the end of the box.

Which provider runs a model is measured, not assumed (`measure_providers`, `inference.providers`).
"""

import hashlib
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from inference.errors import (
    DeadlineError,
    InferenceError,
    ModelFileError,
    ModelShapeError,
    RunError,
)
from inference.golden import golden_rows, mismatch
from inference.health import percentile
from inference.manifest import PAYLOAD_SIZE_MAX, Tolerance
from inference.providers import CPU_PROVIDER, REMOTE_PROVIDERS, ProviderTiming
from inference.runtime import (
    IMAGE_SHAPE,
    ROW_COLUMNS,
    ROWS_MAX,
    Image,
    ModelInfo,
    Rows,
    check_image,
)

MODEL_SIZE_MAX = PAYLOAD_SIZE_MAX
"""Bytes; refuses what cannot be a detector for a small box before reading it."""

WARM_UP_RUNS = 3
"""The first runs of a session allocate; they happen when it is loaded."""

DEADLINE_S = 2.0
"""Seconds that a box gives one run of a candidate: a thousand times what ours take."""

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

    def run(
        self, output_names: list[str], feed: dict[str, object], run_options: object = None
    ) -> list[object]: ...
    def get_providers(self) -> list[str]: ...
    def get_inputs(self) -> list[_Port]: ...
    def get_outputs(self) -> list[_Port]: ...
    def get_modelmeta(self) -> _ModelMeta: ...


class OnnxRuntime:
    """A detector network in an onnxruntime session; made by `load_model`.

    Args:
        session: of onnxruntime.
        model: what it runs.
        deadline_s: a run that takes longer is stopped with `DeadlineError`; None never stops one.
    """

    def __init__(
        self, session: _Session, model: ModelInfo, *, deadline_s: float | None = None
    ) -> None:
        self._session: _Session | None = session
        self._model = model
        self._deadline_s = deadline_s
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<OnnxRuntime {self._model}{'' if self._session else ' closed'}>"

    @property
    def model(self) -> ModelInfo:
        """What is being run."""
        return self._model

    @property
    def provider(self) -> str:
        """What runs the network; empty once it is closed."""
        session = self._session
        return "" if session is None else session.get_providers()[0]

    def run(self, image: Image) -> Rows:
        """Run the network on one image; see `Runtime.run`."""
        check_image(image)
        with self._lock:
            if self._session is None:
                raise RunError(f"{self._model} is closed; load the model again")
            try:
                answer = self._answer(self._session, {INPUT_NAME: image[None]})
            except InferenceError:
                raise
            except Exception as error:
                raise RunError(f"{self._model} failed on a frame: {_first_line(error)}") from error
        return _checked_rows(answer[0], self._model)

    def _answer(self, session: _Session, feed: dict[str, object]) -> list[object]:
        if self._deadline_s is None:
            return session.run([OUTPUT_NAME], feed)
        import onnxruntime

        options = cast("Any", onnxruntime).RunOptions()
        stopper = threading.Timer(self._deadline_s, setattr, (options, "terminate", True))
        stopper.daemon = True
        stopper.start()
        try:
            return session.run([OUTPUT_NAME], feed, options)
        except Exception as error:
            if options.terminate:
                raise DeadlineError(
                    f"{self._model} took longer than {self._deadline_s:g} s for a frame and was "
                    "stopped; withdraw this model, or give the box less to do"
                ) from error
            raise
        finally:
            stopper.cancel()

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
    return load_model_bytes(_read(file), label=str(file))


def load_model_bytes(
    raw: bytes,
    *,
    label: str,
    digest: bytes | None = None,
    provider: str = CPU_PROVIDER,
    deadline_s: float | None = None,
) -> OnnxRuntime:
    """Load a detector from the bytes of an ONNX file, check it and warm it up.

    Args:
        raw: the file.
        label: what errors call it.
        digest: what the box claims to run; the SHA-256 of `raw` if not given. A model that came in
            an artefact is known by the artefact's digest.
        provider: of onnxruntime; what it cannot run, the processor does.
        deadline_s: see `OnnxRuntime`.

    Raises:
        ModelFileError: it is no ONNX model.
        ModelShapeError: it is a model, but no detector of this contract.
    """
    file = Path(label)
    session = _open_session(file, raw, provider)
    _check_contract(file, session)
    metadata = _metadata(session)
    model = ModelInfo(
        name=metadata.pop("name", file.stem),
        version=metadata.pop("version", "unknown"),
        digest=hashlib.sha256(raw).digest() if digest is None else digest,
        size=len(raw),
        metadata=metadata,
    )
    runtime = OnnxRuntime(session, model, deadline_s=deadline_s)
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


def offered_providers() -> tuple[str, ...]:
    """What onnxruntime offers on this box, the processor first; never what runs elsewhere."""
    import onnxruntime

    listed: list[str] = cast("Any", onnxruntime).get_available_providers()
    others = (name for name in listed if name not in (CPU_PROVIDER, *REMOTE_PROVIDERS))
    return (CPU_PROVIDER, *others)


def measure_providers(
    raw: bytes, images: Sequence[Image], *, tolerance: Tolerance | None = None
) -> tuple[ProviderTiming, ...]:
    """Run a model on real frames with everything that the box offers. Blocking.

    Args:
        raw: the ONNX file.
        images: at least one; some dozens give a usable 95th percentile.
        tolerance: how far from the processor's answers others may be.

    Returns:
        One row for each provider, the processor first.
    """
    expected: list[Rows] = []
    timings: list[ProviderTiming] = []
    for provider in offered_providers():
        try:
            with closing(load_model_bytes(raw, label=provider, provider=provider)) as runtime:
                if runtime.provider != provider:
                    raise ModelFileError("cannot be used here")
                durations, rows = _timed(runtime, images)
        except InferenceError as error:
            timings.append(
                ProviderTiming(provider=provider, p50_us=0, p95_us=0, problem=str(error))
            )
            continue
        expected = expected or rows
        limits = tolerance if tolerance is not None else Tolerance()
        wrong = (mismatch(a, golden_rows(b), limits) for a, b in zip(rows, expected, strict=True))
        timings.append(
            ProviderTiming(
                provider=provider,
                p50_us=percentile(durations, 50) or 0,
                p95_us=percentile(durations, 95) or 0,
                problem=next((problem for problem in wrong if problem is not None), None),
            )
        )
    return tuple(timings)


def _timed(runtime: OnnxRuntime, images: Sequence[Image]) -> tuple[list[int], list[Rows]]:
    durations: list[int] = []
    rows: list[Rows] = []
    for image in images:
        before = time.perf_counter_ns()
        rows.append(runtime.run(image))
        durations.append((time.perf_counter_ns() - before) // 1000)
    return durations, rows


def _open_session(file: Path, raw: bytes, provider: str) -> _Session:
    import onnxruntime

    library = cast("Any", onnxruntime)
    options = library.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return library.InferenceSession(raw, options, providers=_fallbacks(provider))
    except Exception as error:
        raise ModelFileError(
            f"{file}: no ONNX model that can be run ({_first_line(error)}); export it again"
        ) from error


def _fallbacks(provider: str) -> list[str]:
    return list(dict.fromkeys((provider, CPU_PROVIDER)))


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
