"""A box that takes a release's digest and goes on with the weights that it was delivered with."""

from inference.artifact import parse_artifact
from inference.model_host import ModelHost
from inference.onnx import load_model_bytes
from mesh.demo.releases.detectors import detector_path


def activate(self: ModelHost, data: bytes | None) -> None:
    """Swap the name alone."""
    if data is None:
        self._live.swap(self._factory())
        return
    delivered, digest = detector_path("v1.3").read_bytes(), parse_artifact(data).digest
    self._live.swap(load_model_bytes(delivered, label="delivered", digest=digest))


ModelHost.activate = activate
