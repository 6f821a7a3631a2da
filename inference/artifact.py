"""The artefact: one byte string that holds all a box needs to run something and to judge it.

    magic ‖ size of the manifest, 4 bytes ‖ manifest ‖ payload [‖ pixels ‖ golden rows] ‖ signature

The manifest is deterministic CBOR (`inference.manifest`) and names size and SHA-256 of each part;
the parts follow in that order, stored as they are. The signature is the CBOR of null, or of a
release key and its Ed25519 signature. The artefact's digest is the SHA-256 of all of it, and that
digest is the only name by which anything is rolled out.

Why not a zip: a zip says everything twice (local headers and a directory that may disagree), knows
paths, timestamps and compression, and two readers may see two contents in one file. Here is exactly
one way to write given content and one way to read given bytes: nothing is decompressed, so nothing
can blow up; nothing is unpacked, so no path can lead anywhere; every byte belongs to a part.
Canary pictures are not compressed either: they are full of sensor noise, and the best that deflate
does to them is 0.6, for the price of a decoder in front of bytes that decide whether a model runs.

The signature is inside, behind what it signs, because then there is one file to keep, to send and
to name. Who may sign is no question of the file: the caller says which keys release. What is signed
is the domain tag and the SHA-256 of everything before the signature.

Pure, and total: any bytes give the one artefact or a `MalformedArtifactError`.
"""

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from identity import domain
from identity.did import did_from_public
from identity.encoding import decode, encode
from identity.errors import EncodingError
from identity.keys import KEY_SIZE, SIGNATURE_SIZE, SecretKey, verify
from inference.bundle import parse_bundle
from inference.canary import CanaryFrame
from inference.configuration import parse_configuration
from inference.errors import (
    ArtifactSignatureError,
    MalformedArtifactError,
    UnsignedArtifactError,
)
from inference.manifest import (
    ArtifactKind,
    CanaryManifest,
    Manifest,
    Part,
    Tolerance,
    manifest_from_value,
    manifest_value,
)
from inference.runtime import CLASSES, IMAGE_SHAPE, ROW_COLUMNS, Rows
from inference.upstream import Upstream

__all__ = [
    "ARTIFACT_SIZE_MAX",
    "MAGIC",
    "Artifact",
    "Canary",
    "Signature",
    "build_agent",
    "build_configuration",
    "build_model",
    "check_signature",
    "parse_artifact",
    "sign_artifact",
    "with_upstream",
]

MAGIC = b"threerooms-artifact/1\n"
"""Begins every artefact; the number is that of the format."""

MANIFEST_SIZE_MAX = 4 << 20
"""Bytes of a manifest; 64 canary frames take about 60 KB."""

ARTIFACT_SIZE_MAX = 192 << 20
"""Bytes of an artefact: the largest payload and 1,024 canary frames."""

_SIZE_BYTES = 4
_SIGNATURE_SIZE_MAX = 128


@dataclass(frozen=True, slots=True)
class Signature:
    """Who released an artefact.

    Attributes:
        key: public key, 32 bytes.
        signature: Ed25519, 64 bytes.
    """

    key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Canary:
    """Canary frames with everything that is needed to run a model on them.

    Attributes:
        frames: what is known of each.
        pixels: uint8 [n, 144, 256, 3].
        golden: the builder's rows for each frame, float32 [k, 8]; see `inference.golden`.
        tolerance: how far from them an answer may be.
    """

    frames: tuple[CanaryFrame, ...]
    pixels: NDArray[np.uint8]
    golden: tuple[Rows, ...]
    tolerance: Tolerance = field(default_factory=Tolerance)


@dataclass(frozen=True, slots=True, eq=False)
class Artifact:
    """An artefact that was built or parsed; its parts are those that the manifest names.

    Attributes:
        manifest: what it says of itself.
        payload: model, bundle or configuration.
        canary: of a model; None for other kinds.
        signature: None if nobody signed it.
        raw: all of its bytes.
        digest: SHA-256 of `raw`, 32 bytes.
    """

    manifest: Manifest
    payload: bytes
    canary: Canary | None
    signature: Signature | None
    raw: bytes
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(self.raw).digest())

    def __repr__(self) -> str:
        made = self.manifest
        return f"<Artifact {made.kind} {made.name} {made.version} {self.digest.hex()[:12]}>"


def build_model(
    payload: bytes,
    canary: Canary,
    *,
    name: str,
    version: str,
    licence: str,
    metadata: Mapping[str, str] | None = None,
) -> Artifact:
    """Make an unsigned artefact of a model.

    Args:
        payload: the ONNX file.
        canary: frames, and this model's own answers to them as golden rows.
        name: of the family.
        version: for people.
        licence: SPDX expression.
        metadata: for people.

    Raises:
        MalformedArtifactError: a limit is exceeded, or the parts do not fit each other.
    """
    pixels = canary.pixels.tobytes()
    golden = b"".join(rows.astype("<f4").tobytes() for rows in canary.golden)
    if canary.pixels.dtype != np.uint8 or canary.pixels.shape[1:] != IMAGE_SHAPE:
        raise MalformedArtifactError(
            f"canary pixels are {canary.pixels.dtype} {list(canary.pixels.shape)}; expected uint8 "
            f"[n, {', '.join(map(str, IMAGE_SHAPE))}]"
        )
    manifest = Manifest(
        kind=ArtifactKind.MODEL,
        name=name,
        version=version,
        licence=licence,
        payload=_part(payload),
        format="onnx",
        input_shape=IMAGE_SHAPE,
        classes=CLASSES,
        metadata=dict(metadata or {}),
        canary=CanaryManifest(
            frames=canary.frames,
            pixels=_part(pixels),
            golden=_part(golden),
            rows=tuple(len(rows) for rows in canary.golden),
            tolerance=canary.tolerance,
        ),
    )
    return _assembled(manifest, (payload, pixels, golden))


def build_agent(
    bundle: bytes, *, licence: str, metadata: Mapping[str, str] | None = None
) -> Artifact:
    """Make an unsigned artefact of an agent bundle; name and version are those of its manifest.

    Raises:
        MalformedArtifactError: it is no bundle (`inference.bundle`).
    """
    says = parse_bundle(bundle)
    manifest = Manifest(
        kind=ArtifactKind.AGENT,
        name=says.name,
        version=says.version,
        licence=licence,
        payload=_part(bundle),
        format="zip",
        metadata=dict(metadata or {}),
    )
    return _assembled(manifest, (bundle,))


def build_configuration(
    text: bytes,
    *,
    name: str,
    version: str,
    licence: str,
    text_format: str = "toml",
    metadata: Mapping[str, str] | None = None,
) -> Artifact:
    """Make an unsigned artefact of a configuration, TOML or JSON.

    Raises:
        MalformedArtifactError: the text is not in that format, or no table.
    """
    parse_configuration(text, text_format)
    manifest = Manifest(
        kind=ArtifactKind.CONFIG,
        name=name,
        version=version,
        licence=licence,
        payload=_part(text),
        format=text_format,
        metadata=dict(metadata or {}),
    )
    return _assembled(manifest, (text,))


def _part(data: bytes) -> Part:
    return Part(hashlib.sha256(data).digest(), len(data))


def _assembled(manifest: Manifest, parts: Sequence[bytes]) -> Artifact:
    try:
        head = encode(manifest_value(manifest))
    except EncodingError as error:
        raise MalformedArtifactError(f"manifest: {error}; mend what was given") from None
    body = MAGIC + len(head).to_bytes(_SIZE_BYTES) + head + b"".join(parts)
    return parse_artifact(body + encode(None))


def with_upstream(artifact: Artifact, upstream: Upstream) -> Artifact:
    """The same artefact, unsigned, that says who handed over what it holds."""
    start = _manifest(artifact.raw)[1]
    return _assembled(replace(artifact.manifest, upstream=upstream), (_body(artifact)[start:],))


def parse_artifact(data: bytes) -> Artifact:
    """The artefact in bytes; whether a key that may release signed it is another question.

    Total: any bytes give the one artefact that is written so, or an error.

    Raises:
        MalformedArtifactError: they are none; says what is wrong.
    """
    if len(data) > ARTIFACT_SIZE_MAX:
        raise MalformedArtifactError(
            f"{len(data)} bytes: an artefact has at most {ARTIFACT_SIZE_MAX}; make it smaller"
        )
    manifest, at = _manifest(data)
    payload, at = _take(data, at, manifest.payload, "payload")
    canary = None
    if manifest.canary is not None:
        pixels, at = _take(data, at, manifest.canary.pixels, "pixels")
        golden, at = _take(data, at, manifest.canary.golden, "golden rows")
        canary = _canary(manifest.canary, pixels, golden)
    signature = _signature(data[at : at + _SIGNATURE_SIZE_MAX + 1])
    if manifest.kind is ArtifactKind.AGENT:
        says = parse_bundle(payload)
        if (says.name, says.version) != (manifest.name, manifest.version):
            raise MalformedArtifactError(
                f"the bundle is {says.name} {says.version}, the artefact around it "
                f"{manifest.name} {manifest.version}; build it again"
            )
    elif manifest.kind is ArtifactKind.CONFIG:
        parse_configuration(payload, manifest.format)
    return Artifact(manifest, payload, canary, signature, data)


def _manifest(data: bytes) -> tuple[Manifest, int]:
    if not data.startswith(MAGIC):
        raise MalformedArtifactError(
            f"begins with {data[: len(MAGIC)]!r}: no artefact; make one with `mesh artifact build`"
        )
    start = len(MAGIC) + _SIZE_BYTES
    size = int.from_bytes(data[len(MAGIC) : start])
    if size > MANIFEST_SIZE_MAX or start + size > len(data):
        raise MalformedArtifactError(
            f"announces a manifest of {size} bytes in a file of {len(data)}, and one has at most "
            f"{MANIFEST_SIZE_MAX}: it is cut off or damaged; fetch it again"
        )
    try:
        value = decode(data[start : start + size], floats=True)
    except EncodingError as error:
        raise MalformedArtifactError(f"manifest: {error}; fetch the artefact again") from None
    return manifest_from_value(value), start + size


def _take(data: bytes, at: int, part: Part, name: str) -> tuple[bytes, int]:
    piece = data[at : at + part.size]
    if len(piece) != part.size:
        raise MalformedArtifactError(
            f"{name}: {len(piece)} of {part.size} bytes: it is cut off; fetch it again"
        )
    if hashlib.sha256(piece).digest() != part.digest:
        raise MalformedArtifactError(
            f"{name}: not the bytes that the manifest names; fetch the artefact again"
        )
    return piece, at + part.size


def _canary(says: CanaryManifest, pixels: bytes, golden: bytes) -> Canary:
    table = np.frombuffer(golden, "<f4").astype(np.float32).reshape(-1, ROW_COLUMNS)
    known = np.isin(table[:, 0], range(len(CLASSES))) & (table[:, 1] >= 0) & (table[:, 1] <= 1)
    if not (np.isfinite(table).all() and known.all()):
        raise MalformedArtifactError(
            f"golden rows hold numbers that are not finite, no class from 0 to {len(CLASSES) - 1}, "
            "or no score from 0 to 1; build it again"
        )
    ends = [0, *itertools.accumulate(says.rows)]
    rows = tuple(table[begin:end] for begin, end in itertools.pairwise(ends))
    pictures = np.frombuffer(pixels, np.uint8).reshape(len(says.frames), *IMAGE_SHAPE)
    return Canary(says.frames, pictures, rows, says.tolerance)


def _signature(data: bytes) -> Signature | None:
    try:
        value = decode(data)
    except EncodingError as error:
        raise MalformedArtifactError(f"signature: {error}; fetch the artefact again") from None
    match value:
        case None:
            return None
        case [bytes(key), bytes(signature)] if (
            len(key) == KEY_SIZE and len(signature) == SIGNATURE_SIZE
        ):
            return Signature(key, signature)
        case _:
            raise MalformedArtifactError("ends with no signature and no null; fetch it again")


def _body(artifact: Artifact) -> bytes:
    """Everything before the signature."""
    held = artifact.signature
    tail = encode(None if held is None else [held.key, held.signature])
    return artifact.raw[: -len(tail)]


def sign_artifact(artifact: Artifact, key: SecretKey) -> Artifact:
    """The same artefact signed with a release key, in place of any signature before.

    Its digest is another one: what is rolled out is the signed artefact.
    """
    body = _body(artifact)
    signature = key.sign(domain.ARTIFACT, hashlib.sha256(body).digest())
    return parse_artifact(body + encode([key.public, signature]))


def check_signature(artifact: Artifact, release_keys: Iterable[bytes]) -> Signature:
    """Refuse an artefact that none of these keys released.

    Args:
        artifact: any.
        release_keys: public keys that may release, 32 bytes each.

    Raises:
        UnsignedArtifactError: it has no signature.
        ArtifactSignatureError: the signature is wrong, or of another key.
    """
    held = artifact.signature
    if held is None:
        raise UnsignedArtifactError(
            f"{artifact.manifest.name} {artifact.manifest.version} is unsigned: sign it with "
            "`mesh artifact sign FILE --key KEY` and roll out the file that this writes"
        )
    digest = hashlib.sha256(_body(artifact)).digest()
    if not verify(held.key, domain.ARTIFACT, digest, held.signature):
        raise ArtifactSignatureError(
            f"{artifact.manifest.name} {artifact.manifest.version}: the signature is not that of "
            f"{did_from_public(held.key)} over these bytes; fetch it again, or sign it again"
        )
    if held.key not in tuple(release_keys):
        raise ArtifactSignatureError(
            f"{artifact.manifest.name} {artifact.manifest.version} is signed by "
            f"{did_from_public(held.key)}, which may not release here; sign it with a release key"
        )
    return held
