"""A detector that answers every frame with what it saw first."""

from inference.onnx import OnnxRuntime
from inference.runtime import Image, Rows

_run = OnnxRuntime.run
_first: list[Rows] = []


def run(self: OnnxRuntime, image: Image) -> Rows:
    """Answer with the first answer."""
    if not _first:
        _first.append(_run(self, image))
    return _first[0]


OnnxRuntime.run = run
