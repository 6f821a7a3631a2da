"""What the first act releases: two artefacts, built and signed in a process of their own.

Both are built from one set of canary frames, which are rendered once. Each box also gets a few
pictures of what stands before its camera before anything happens there: what was just swapped in is
to show itself on live frames, and the scene's own are not rendered yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from identity.keys import SecretKey
from inference.artifact import parse_artifact, sign_artifact
from inference.model_host import load_artifact
from inference.onnx import load_model
from inference.runtime import Runtime
from mesh.demo.releases.canary import detector_artifact, render_canary
from mesh.demo.releases.disguise import disguised
from mesh.demo.scenes.plan import CameraPlan
from mesh.demo.scenes.scenery import save_stills

__all__ = ["ARTEFACT_SUFFIX", "Release", "delivered_digest", "load_delivered", "make_releases"]

ARTEFACT_SUFFIX = ".artifact"


@dataclass(frozen=True, slots=True)
class Release:
    """One artefact to be made.

    Attributes:
        version: what it is called; nothing is decided by it.
        model: ONNX file that is in it.
        path: where it goes.
        borrowed: ONNX file from which it has all that it says of itself; None for its own words.
    """

    version: str
    model: Path
    path: Path
    borrowed: Path | None = None

    def payload(self) -> bytes:
        """Return the bytes of the model, as boxes get them.

        Raises:
            ModelFileError: names are borrowed, and one of the two files is no model.
        """
        own = self.model.read_bytes()
        return own if self.borrowed is None else disguised(own, self.borrowed.read_bytes())


def make_releases(
    releases: Sequence[Release], seed: bytes, cameras: Mapping[str, CameraPlan], scene: Path
) -> None:
    """Render each box's stills, and build and sign the artefacts.

    Args:
        releases: what to make.
        seed: of the key that releases, 32 bytes.
        cameras: by box.
        scene: directory of the camera files.
    """
    save_stills(cameras, scene)
    pictures, key = render_canary(), SecretKey.from_seed(seed)
    for release in releases:
        made = detector_artifact(
            release.payload(), pictures, version=release.version, licence="Apache-2.0"
        )
        part = release.path.with_suffix(".part")
        part.write_bytes(sign_artifact(made, key).raw)
        part.rename(release.path)


def load_delivered(path: Path) -> Runtime:
    """Load the model that a box is delivered with: an ONNX file, or an artefact.

    Raises:
        InferenceError: it is none.
    """
    if path.suffix == ARTEFACT_SUFFIX:
        return load_artifact(parse_artifact(path.read_bytes()))
    return load_model(path)


def delivered_digest(path: Path) -> bytes:
    """Return the digest by which a delivered model is known, 32 bytes."""
    return sha256(path.read_bytes()).digest()
