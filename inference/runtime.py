"""The seam between a detector and whatever runs its network.

A runtime turns one image into rows of candidate boxes. The product's runtime is `inference.onnx`;
`FixedRuntime` answers always the same and stands in where no network is wanted: tests, and the
demo's proof that a detector which sees nothing, or always the same, is found out.

Every runtime is synchronous and may be called from any thread.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.errors import FrameError, RunError

IMAGE_SHAPE = (144, 256, 3)
"""Height, width, channels (RGB) of the image that a detector takes."""

ROW_COLUMNS = 8
"""Class, score, left, top, right, bottom, ground u, ground v; the last six in image pixels."""

ROWS_MAX = 256
"""A network answers with at most this many rows (ours: 32)."""

CLASSES = ("pedestrian", "cyclist", "car", "van")
"""What the numbers in the first column mean."""

Image = NDArray[np.uint8]
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is known of a model.

    Attributes:
        name: of the model's family.
        version: of this model.
        digest: SHA-256 of the model file, 32 bytes; what a box claims to run.
        size: of the model file, bytes.
        metadata: everything else that the file says of itself.
    """

    name: str
    version: str
    digest: bytes
    size: int
    metadata: dict[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.digest.hex()[:12]})"


class Runtime(Protocol):
    """Runs one network."""

    @property
    def model(self) -> ModelInfo:
        """What is being run."""
        ...

    def run(self, image: Image) -> Rows:
        """Run the network on one image.

        Args:
            image: uint8, `IMAGE_SHAPE`.

        Returns:
            Rows, float32 [n, 8] with n at most `ROWS_MAX`, best score first.

        Raises:
            FrameError: the image has another shape or type.
            RunError: the network failed.
        """
        ...

    def close(self) -> None:
        """Free what the runtime holds; running it afterwards raises `RunError`."""
        ...


class FixedRuntime:
    """A runtime that answers every image with the same rows.

    Args:
        rows: the answer, float32 [n, 8].
        model: what it claims to be.
    """

    def __init__(self, rows: Rows, model: ModelInfo) -> None:
        self._rows = np.array(rows, np.float32).reshape(-1, ROW_COLUMNS)
        self._model = model
        self._closed = False

    @property
    def model(self) -> ModelInfo:
        """What it claims to be."""
        return self._model

    def run(self, image: Image) -> Rows:
        """The fixed answer."""
        check_image(image)
        if self._closed:
            raise RunError(f"{self._model} is closed; make another one")
        return self._rows.copy()

    def close(self) -> None:
        """From now on `run` refuses."""
        self._closed = True


def check_image(image: Image) -> None:
    """Refuse what is no image for a detector.

    Raises:
        FrameError: it has another shape or type.
    """
    if image.shape != IMAGE_SHAPE or image.dtype != np.uint8:
        raise FrameError(
            f"image is {image.dtype} {list(image.shape)}; expected uint8 {list(IMAGE_SHAPE)}: "
            "reduce the camera's frame before detecting"
        )
