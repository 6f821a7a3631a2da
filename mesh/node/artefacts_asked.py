"""What whoever signs knows of an artefact, and its standpoint: read where the bytes lie."""

from pathlib import Path

import trio

from identity.encoding import Value
from inference.errors import InferenceError
from mesh.node.control import ControlError
from mesh.node.shelf import Shelf
from mesh.node.signer import Signer
from mesh.orchestration.blob_tree import SIZE_MAX, reference_of
from mesh.orchestration.records import intent_in
from mesh.orchestration.releasing import Release
from mesh.orchestration.standpoint import Standpoint, lists_held

__all__ = ["artefact_in", "read_artifact", "release_in", "view_of"]


async def view_of(signer: Signer, shelf: Shelf) -> Standpoint:
    """Return the standpoint of a signer, with the lists of cohorts that its shelf holds."""
    replica = signer.replica
    wanted = {
        intent.cohort: None
        for key, register in replica.registers.items()
        if (intent := intent_in(key, register)) is not None
    }
    held = {digest: await shelf.load(digest) for digest in wanted}
    return Standpoint.of(replica, signer.public, lists_held(replica.registers, held.get))


async def read_artifact(path: Value) -> bytes:
    """Return the artefact in a file of this machine.

    Raises:
        ControlError: it cannot be read.
    """
    file = Path(str(path))
    try:
        if file.stat().st_size > SIZE_MAX:
            raise ControlError(f"{file} is larger than {SIZE_MAX >> 20} MiB")
        return await trio.Path(file).read_bytes()
    except OSError as error:
        raise ControlError(
            f"{file} cannot be read: {error.strerror or error}; expected an artefact"
        ) from None


def release_in(data: bytes, path: Value) -> Release:
    """Return what is known of an artefact.

    Raises:
        ControlError: it is none, or its signature is wrong; the message names the file.
        InvalidReferenceError: it is too large to be fetched.
    """
    from inference.artifact import check_signature, parse_artifact  # loads numpy: when needed

    try:
        artifact = parse_artifact(data)
        held = artifact.signature
        released_by = None if held is None else check_signature(artifact, [held.key]).key
    except InferenceError as error:
        named = "the artefact in the store" if path is None else path
        raise ControlError(f"{named}: {error}") from None
    return Release(
        reference=reference_of(artifact.raw),
        kind=str(artifact.manifest.kind),
        name=artifact.manifest.name,
        version=artifact.manifest.version,
        released_by=released_by,
    )


async def artefact_in(shelf: Shelf, digest: bytes, file: Value) -> bytes | None:
    """Return the bytes of a file, or those that lie here under a digest, if they are an artefact.

    None stands for what is none: a model as it was trained, or one too large to be rolled out.

    Raises:
        ControlError: the file cannot be read.
    """
    from inference.artifact import ARTIFACT_SIZE_MAX, MAGIC  # loads numpy: when needed

    if file is None:
        data = await shelf.load(digest)
    elif _size(Path(str(file))) > ARTIFACT_SIZE_MAX:
        return None
    else:
        data = await read_artifact(file)
    return data if data is not None and data.startswith(MAGIC) else None


def _size(file: Path) -> int:
    """Return the size of a file; 0 for one whose reading will say what is wrong."""
    try:
        return file.stat().st_size
    except OSError:
        return 0
