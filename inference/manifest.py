"""What an artefact says of itself: the manifest, and its one encoding.

A manifest is a map in deterministic CBOR (`identity.encoding`). It names the kind of artefact, who
made what version under which licence, and for every part that follows it in the file the size and
the SHA-256. For a model it also holds what a box needs to judge it without asking anybody: the
shape of its input, its classes, the labels of its canary frames, how many rows its golden outputs
have, and how far an answer on other hardware may be from them.

Reading is total: any value gives a manifest or a `MalformedArtifactError`. Every field is checked,
unknown ones are refused, and lists have limits, so that what was accepted can be used without
further checks. Thresholds are not here: what is good enough is said by the intent that rolls an
artefact out, not by whoever built it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar, cast

from identity.encoding import Value
from inference.canary import CanaryFrame, Label
from inference.detector import Calibration
from inference.errors import MalformedArtifactError
from inference.runtime import CLASSES, IMAGE_SHAPE, ROW_COLUMNS, ROWS_MAX
from inference.upstream import Upstream, upstream_from_value, upstream_value

__all__ = [
    "CANARY_FRAMES_MAX",
    "ArtifactKind",
    "CanaryManifest",
    "Manifest",
    "Part",
    "Tolerance",
    "manifest_from_value",
    "manifest_value",
]

Item = TypeVar("Item", int, float, str)

TEXT_SIZE_MAX = 200
"""Longest name, version, licence or metadata text, characters."""

METADATA_MAX = 32
"""Entries of metadata."""

CANARY_FRAMES_MAX = 1024
"""Frames; a set that tells good from bad needs some dozens."""

CONDITIONS_MAX = 8
"""Groups of frames; a box keeps figures of each (`inference.slot_record.METRICS_MAX`)."""

LABELS_MAX = 64
"""Road users in one frame."""

PAYLOAD_SIZE_MAX = 64 << 20
"""Bytes of a model, bundle or configuration."""


class ArtifactKind(StrEnum):
    """What can be rolled out."""

    MODEL = "model"
    AGENT = "agent"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Part:
    """A run of bytes behind the manifest.

    Attributes:
        digest: SHA-256, 32 bytes.
        size: bytes.
    """

    digest: bytes
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far an answer may be from the golden one.

    The defaults are a thousand times what was seen between versions of onnxruntime and its levels
    of optimisation, and far below what a real fault does.

    Attributes:
        score_ppm: of a score, millionths.
        milli_pixels: of a coordinate, thousandths of a pixel.
    """

    score_ppm: int = 1_000
    milli_pixels: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryManifest:
    """What a model's artefact says of its canary frames.

    Attributes:
        frames: labels and calibration of each.
        pixels: the part with the pictures, uint8 [n, 144, 256, 3].
        golden: the part with the golden rows, little-endian float32 [sum of rows, 8].
        rows: golden rows of each frame.
        tolerance: how far from them an answer may be.
    """

    frames: tuple[CanaryFrame, ...]
    pixels: Part
    golden: Part
    rows: tuple[int, ...]
    tolerance: Tolerance = Tolerance()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an artefact says of itself.

    Attributes:
        kind: model, agent or config.
        name: of the family, as `intersection-detector`.
        version: of this artefact, as `v1.4`; for people, nothing is decided by it.
        licence: SPDX expression.
        payload: the part that is run.
        format: of the payload: `onnx`, `zip`, `toml` or `json`.
        input_shape: of a model: height, width, channels.
        classes: of a model, in the order of their numbers.
        metadata: anything else, for people.
        canary: of a model; None for other kinds.
        upstream: who handed the payload over; None if nobody's signature was asked for.
    """

    kind: ArtifactKind
    name: str
    version: str
    licence: str
    payload: Part
    format: str
    input_shape: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    canary: CanaryManifest | None = None
    upstream: Upstream | None = None

    def __post_init__(self) -> None:
        check_manifest(self)


FORMATS: dict[ArtifactKind, tuple[str, ...]] = {
    ArtifactKind.MODEL: ("onnx",),
    ArtifactKind.AGENT: ("zip",),
    ArtifactKind.CONFIG: ("toml", "json"),
}
"""Formats of each kind's payload."""


def check_manifest(manifest: Manifest) -> None:
    """Refuse a manifest whose fields do not fit each other.

    Raises:
        MalformedArtifactError: says which.
    """
    for name in ("name", "version", "licence"):
        _check(0 < len(getattr(manifest, name)) <= TEXT_SIZE_MAX, name, getattr(manifest, name))
    for key, text in manifest.metadata.items():
        _check(len(key) <= TEXT_SIZE_MAX and len(text) <= TEXT_SIZE_MAX, "metadata", key)
    _check(len(manifest.metadata) <= METADATA_MAX, "metadata", len(manifest.metadata))
    _check(manifest.format in FORMATS[manifest.kind], "format", manifest.format)
    _check_part("payload", manifest.payload, PAYLOAD_SIZE_MAX)
    if manifest.kind is not ArtifactKind.MODEL:
        rest = (manifest.input_shape, manifest.classes, manifest.canary)
        _check(rest == ((), (), None), "canary", f"of a {manifest.kind}, which has none")
        return
    _check(manifest.input_shape == IMAGE_SHAPE, "input_shape", manifest.input_shape)
    _check(manifest.classes == CLASSES, "classes", manifest.classes)
    canary = manifest.canary
    if canary is None:
        raise MalformedArtifactError(
            "a model without canary frames cannot be judged by any box: build it with some"
        )
    count = len(canary.frames)
    _check(0 < count <= CANARY_FRAMES_MAX, "frames", count)
    _check(len(canary.rows) == count, "rows", f"{len(canary.rows)} of {count} frames")
    _check(all(0 <= rows <= ROWS_MAX for rows in canary.rows), "rows", max(canary.rows))
    picture = IMAGE_SHAPE[0] * IMAGE_SHAPE[1] * IMAGE_SHAPE[2]
    _check(canary.pixels.size == count * picture, "pixels.size", canary.pixels.size)
    golden = sum(canary.rows) * ROW_COLUMNS * 4
    _check(canary.golden.size == golden, "golden.size", canary.golden.size)
    conditions = len({frame.condition for frame in canary.frames})
    _check(conditions <= CONDITIONS_MAX, "conditions", conditions)
    for frame in canary.frames:
        _check(0 < len(frame.condition) <= TEXT_SIZE_MAX, "condition", frame.condition)
        _check(len(frame.labels) <= LABELS_MAX, "labels", len(frame.labels))
        _check(all(0 <= label.kind < len(CLASSES) for label in frame.labels), "class", frame.labels)


def _check_part(name: str, part: Part, size_max: int) -> None:
    _check(len(part.digest) == 32, f"{name}.digest", part.digest)
    _check(0 < part.size <= size_max, f"{name}.size", part.size)


def _check(holds: bool, name: str, value: object) -> None:
    if not holds:
        raise MalformedArtifactError(
            f"manifest: {name} is {value!r:.80}, which no artefact of ours has; build it again"
        )


def manifest_value(manifest: Manifest) -> dict[str, object]:
    """A manifest as the value that is encoded."""
    canary, upstream = manifest.canary, manifest.upstream
    value: dict[str, object] = {
        "canary": None if canary is None else _canary_value(canary),
        "classes": list(manifest.classes),
        "format": manifest.format,
        "input_shape": list(manifest.input_shape),
        "kind": str(manifest.kind),
        "licence": manifest.licence,
        "metadata": dict(manifest.metadata),
        "name": manifest.name,
        "payload": _part_value(manifest.payload),
        "version": manifest.version,
    }
    return value if upstream is None else value | {"upstream": upstream_value(upstream)}


def _canary_value(canary: CanaryManifest) -> dict[str, object]:
    return {
        "frames": [_frame_value(frame) for frame in canary.frames],
        "golden": _part_value(canary.golden),
        "milli_pixels": canary.tolerance.milli_pixels,
        "pixels": _part_value(canary.pixels),
        "rows": list(canary.rows),
        "score_ppm": canary.tolerance.score_ppm,
    }


def _part_value(part: Part) -> list[object]:
    return [part.digest, part.size]


def _frame_value(frame: CanaryFrame) -> list[object]:
    homography = [float(value) for row in frame.calibration.to_ground for value in row]
    labels = [
        [label.kind, *(float(value) for value in label.box), label.judged] for label in frame.labels
    ]
    zone = [float(value) for value in frame.calibration.zone]
    return [frame.condition, frame.in_lane, homography, zone, labels]


def manifest_from_value(value: Value) -> Manifest:
    """The manifest in a decoded value.

    Raises:
        MalformedArtifactError: it is none.
    """
    upstream = None
    if isinstance(value, dict) and "upstream" in value:
        upstream = upstream_from_value(value["upstream"])
        value = {name: inner for name, inner in value.items() if name != "upstream"}
    match value:
        case {
            "canary": canary,
            "classes": list(classes),
            "format": str(format_name),
            "input_shape": list(input_shape),
            "kind": str(kind),
            "licence": str(licence),
            "metadata": dict(metadata),
            "name": str(name),
            "payload": payload,
            "version": str(version),
        } if len(value) == 10 and kind in tuple(ArtifactKind):
            return Manifest(
                kind=ArtifactKind(kind),
                name=name,
                version=version,
                licence=licence,
                payload=_part(payload, "payload"),
                format=format_name,
                input_shape=_items(input_shape, int, "input_shape"),
                classes=_items(classes, str, "classes"),
                metadata=dict(
                    zip(metadata, _items([*metadata.values()], str, "metadata"), strict=True)
                ),
                canary=None if canary is None else _canary(canary),
                upstream=upstream,
            )
        case _:
            raise MalformedArtifactError(
                "manifest: expected kind, name, version, licence, format, payload, input_shape, "
                "classes, metadata and canary, at most upstream besides; build the artefact again"
            )


def _canary(value: Value) -> CanaryManifest:
    match value:
        case {
            "frames": list(frames),
            "golden": golden,
            "milli_pixels": int(milli_pixels),
            "pixels": pixels,
            "rows": list(rows),
            "score_ppm": int(score_ppm),
        } if (
            len(value) == 6
            and 0 < len(frames) <= CANARY_FRAMES_MAX
            and type(milli_pixels) is int
            and type(score_ppm) is int
            and milli_pixels >= 0
            and score_ppm >= 0
        ):
            return CanaryManifest(
                frames=tuple(_frame(frame) for frame in frames),
                pixels=_part(pixels, "pixels"),
                golden=_part(golden, "golden"),
                rows=_items(rows, int, "rows"),
                tolerance=Tolerance(score_ppm=score_ppm, milli_pixels=milli_pixels),
            )
        case _:
            raise MalformedArtifactError(
                "manifest: canary is none: expected frames, pixels, golden, rows and tolerances"
            )


def _frame(value: Value) -> CanaryFrame:
    match value:
        case [str(condition), bool() | None as in_lane, list(homography), list(zone), list(labels)]:
            numbers = _items(homography, float, "calibration")
            area = _items(zone, float, "zone")
            _check(len(numbers) == 9 and len(area) == 4, "calibration", homography)
            _check(len(labels) <= LABELS_MAX, "labels", len(labels))
            a, b, c, d, e, f, g, h, i = numbers
            x0, x1, y0, y1 = area
            try:
                calibration = Calibration(
                    to_ground=((a, b, c), (d, e, f), (g, h, i)), zone=(x0, x1, y0, y1)
                )
            except ValueError as error:
                raise MalformedArtifactError(f"manifest: a canary frame's {error}") from None
            return CanaryFrame(
                condition=condition,
                calibration=calibration,
                in_lane=in_lane,
                labels=tuple(_label(label) for label in labels),
            )
        case _:
            raise MalformedArtifactError(f"manifest: {value!r:.80} is no canary frame")


def _label(value: Value) -> Label:
    match value:
        case [int(kind), float(left), float(top), float(right), float(bottom), bool(judged)] if (
            type(kind) is int and left < right and top < bottom
        ):
            return Label(kind, (left, top, right, bottom), judged)
        case _:
            raise MalformedArtifactError(f"manifest: {value!r:.80} is no label of a canary frame")


def _part(value: Value, name: str) -> Part:
    match value:
        case [bytes(digest), int(size)] if len(digest) == 32 and type(size) is int and size >= 0:
            return Part(digest, size)
        case _:
            raise MalformedArtifactError(
                f"manifest: {name} is {value!r:.80}; expected a SHA-256 and a size"
            )


def _items(values: Sequence[Value], wanted: type[Item], name: str) -> tuple[Item, ...]:
    for value in values:
        _check(type(value) is wanted, name, value)
    return cast("tuple[Item, ...]", tuple(values))
