"""The three versions of the detector that a rollout can be shown with.

v1.4 is the library's own and packaged with `inference`. v1.3, which is weaker everywhere, and v1.5,
which is better by day and lost half of its sight by night, are only of use for showing what a gate
is for, so they lie beside the demo. docs/detector.md has their evaluation sheets.
"""

from importlib import resources
from pathlib import Path

from inference.errors import ModelFileError
from inference.onnx import DEFAULT_VERSION, packaged_model_path

__all__ = ["VERSIONS", "detector_path"]

VERSIONS = ("v1.3", "v1.4", "v1.5")
"""In the order in which they were trained."""


def detector_path(version: str) -> Path:
    """Where the model file of a version lies.

    Raises:
        ModelFileError: there is none of that version.
    """
    if version == DEFAULT_VERSION:
        return packaged_model_path()
    if version not in VERSIONS:
        raise ModelFileError(f"no detector {version!r:.20}; there is: {', '.join(VERSIONS)}")
    return Path(str(resources.files("mesh"))) / "demo" / "models" / f"{version}.onnx"
