"""Artefacts: one way to write them, one way to read them, and nothing else is read."""

import contextlib
import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inference.artifact
from identity import domain
from identity.encoding import encode
from inference.artifact import (
    MAGIC,
    Artifact,
    Canary,
    build_agent,
    build_configuration,
    build_model,
    check_signature,
    parse_artifact,
    sign_artifact,
)
from inference.artifact_text import describe
from inference.bundle import build_bundle
from inference.canary import Answer, CanaryFrame, measure
from inference.detector import Calibration
from inference.errors import (
    ArtifactSignatureError,
    MalformedArtifactError,
    UnsignedArtifactError,
)
from inference.manifest import CONDITIONS_MAX, ArtifactKind
from inference.model_host import metrics_of
from inference.runtime import IMAGE_SHAPE
from inference.slot_record import METRICS_MAX
from tests.unit.inference.artifacts import KEY, OTHER, a_configuration, artifacts, models
from tests.unit.inference.strategies import rows_of, van_rows

FRAME = CanaryFrame(
    condition="night",
    calibration=Calibration(((1, 0, 0), (0, 1, 0), (0, 0, 1)), (0, 1, 0, 1)),
    in_lane=True,
    labels=(),
)


def a_canary(frames: int = 1) -> Canary:
    pixels = np.zeros((frames, *IMAGE_SHAPE), np.uint8)
    return Canary((FRAME,) * frames, pixels, (rows_of([]),) * frames)


@given(artifacts)
def test_what_was_built_is_what_is_read(made: Artifact):
    read = parse_artifact(made.raw)
    assert read.raw == made.raw
    assert read.manifest == made.manifest
    assert read.payload == made.payload
    assert read.digest == hashlib.sha256(made.raw).digest()
    assert json.loads(json.dumps(describe(read)))["digest"] == f"sha256:{read.digest.hex()}"


@given(models())
def test_a_model_brings_its_canary_along(made: Artifact):
    canary, says = made.canary, made.manifest.canary
    assert canary is not None
    assert says is not None
    assert canary.frames == says.frames
    assert canary.pixels.shape == (len(canary.frames), *IMAGE_SHAPE)
    assert tuple(len(rows) for rows in canary.golden) == says.rows


@given(artifacts, st.data())
def test_what_was_cut_or_changed_is_refused_or_is_another_artefact(
    made: Artifact, data: st.DataObject
):
    at = data.draw(st.integers(0, len(made.raw) - 1))
    with pytest.raises(MalformedArtifactError):
        parse_artifact(made.raw[:at])
    with pytest.raises(MalformedArtifactError):
        parse_artifact(made.raw + b"\0")
    changed = bytearray(made.raw)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        other = parse_artifact(bytes(changed))
    except MalformedArtifactError:
        return
    assert other.raw != made.raw
    assert other.manifest != made.manifest  # only what the manifest says can differ and still fit


@settings(max_examples=200)
@given(st.binary(max_size=200), st.binary(max_size=40))
def test_any_bytes_give_an_artefact_or_its_error(head: bytes, tail: bytes):
    for data in (head, MAGIC + head, MAGIC + len(head).to_bytes(4) + head + tail):
        with contextlib.suppress(MalformedArtifactError):
            assert parse_artifact(data).raw == data


manifest_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=4)
    | st.binary(max_size=33),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)  # fmt: skip


@given(models(), st.data())
def test_a_manifest_with_any_field_replaced_is_still_an_artefact_or_its_error(
    made: Artifact, data: st.DataObject
):
    value = inference.artifact.manifest_value(made.manifest)
    where: dict[str, object] = value
    name = data.draw(st.sampled_from(sorted(value)))
    inner = value["canary"]
    if name == "canary" and isinstance(inner, dict) and data.draw(st.booleans()):
        where, name = inner, data.draw(st.sampled_from(sorted(inner)))
    where[name] = data.draw(manifest_values)
    head = encode(value)
    start = len(MAGIC) + 4 + int.from_bytes(made.raw[len(MAGIC) : len(MAGIC) + 4])
    data_of_it = MAGIC + len(head).to_bytes(4) + head + made.raw[start:]
    with contextlib.suppress(MalformedArtifactError):
        assert parse_artifact(data_of_it).raw == data_of_it


@given(artifacts)
def test_a_signature_is_checked_against_the_keys_that_may_release(made: Artifact):
    with pytest.raises(UnsignedArtifactError, match=r"`mesh artifact sign"):
        check_signature(made, [KEY.public])
    signed = sign_artifact(made, KEY)
    assert signed.digest != made.digest
    assert signed.payload == made.payload
    assert check_signature(parse_artifact(signed.raw), [OTHER.public, KEY.public]).key == KEY.public
    with pytest.raises(ArtifactSignatureError, match="may not release"):
        check_signature(signed, [OTHER.public])
    again = sign_artifact(signed, OTHER)
    assert check_signature(again, [OTHER.public]).key == OTHER.public
    assert sign_artifact(again, KEY).raw == signed.raw


def test_a_signature_of_other_bytes_or_for_another_purpose_is_wrong():
    made, other = a_configuration(1), a_configuration(2)
    body = made.raw[:-1]
    digest = hashlib.sha256(body).digest()
    stolen = sign_artifact(other, KEY).signature
    assert stolen is not None
    for signature in (stolen.signature, KEY.sign(domain.ENTRY, digest), bytes(64)):
        forged = parse_artifact(body + encode([KEY.public, signature]))
        with pytest.raises(ArtifactSignatureError, match="not that of"):
            check_signature(forged, [KEY.public])


def test_one_content_is_one_byte_string():
    assert a_configuration(7).raw == a_configuration(7).raw
    assert a_configuration(7).digest != a_configuration(8).digest


def test_a_size_that_is_only_announced_allocates_nothing():
    with pytest.raises(MalformedArtifactError, match="announces a manifest of 4294967295 bytes"):
        parse_artifact(MAGIC + b"\xff\xff\xff\xff")


def test_what_is_too_large_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inference.artifact, "ARTIFACT_SIZE_MAX", 10)
    with pytest.raises(MalformedArtifactError, match="has at most 10"):
        parse_artifact(a_configuration().raw)


def test_what_is_no_artefact_says_how_to_make_one():
    with pytest.raises(MalformedArtifactError, match="mesh artifact build"):
        parse_artifact(b"PK\3\4 any zip")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ""}, "name is ''"),
        ({"version": "v" * 201}, "version is"),
        ({"metadata": {str(n): "" for n in range(33)}}, "metadata is 33"),
    ],
)
def test_a_manifest_out_of_bounds_is_named(change: dict[str, object], said: str):
    given_: dict[str, Any] = {"name": "n", "version": "v", "licence": "MIT", **change}
    with pytest.raises(MalformedArtifactError, match=said):
        build_model(b"onnx", a_canary(), **given_)


@pytest.mark.parametrize("count", [CONDITIONS_MAX, CONDITIONS_MAX + 1])
def test_a_box_can_keep_the_figures_of_every_condition_that_an_artefact_has(count: int):
    frames = tuple(replace(FRAME, condition=f"condition {number}") for number in range(count))
    canary = replace(a_canary(count), frames=frames)
    if count > CONDITIONS_MAX:
        with pytest.raises(MalformedArtifactError, match="conditions is 9"):
            build_model(b"onnx", canary, name="n", version="v", licence="MIT")
        return
    build_model(b"onnx", canary, name="n", version="v", licence="MIT")
    figures = metrics_of(measure(frames, [Answer((), 1)] * count), 1)
    assert len(figures) <= METRICS_MAX


@pytest.mark.parametrize(
    ("column", "value"), [(0, 4.0), (0, -1.0), (0, 1.5), (1, 1.25), (1, -0.25), (7, np.nan)]
)
def test_golden_rows_that_are_no_detections_are_refused(column: int, value: float):
    rows = van_rows()
    rows[0, column] = value
    canary = replace(a_canary(), golden=(rows,))
    with pytest.raises(MalformedArtifactError, match="golden rows hold numbers that are not"):
        build_model(b"onnx", canary, name="n", version="v", licence="MIT")


def test_a_model_without_canary_frames_cannot_be_judged():
    with pytest.raises(MalformedArtifactError, match="frames is 0"):
        build_model(b"onnx", a_canary(0), name="n", version="v", licence="MIT")


def test_canary_pictures_of_another_shape_are_named():
    canary = Canary((FRAME,), np.zeros((1, 8, 8, 3), np.uint8), (rows_of([]),))
    with pytest.raises(MalformedArtifactError, match=r"expected uint8 \[n, 144, 256, 3\]"):
        build_model(b"onnx", canary, name="n", version="v", licence="MIT")


@pytest.mark.parametrize(
    ("text", "text_format", "said"),
    [
        (b"a = ", "toml", "no TOML"),
        (b"a = " + b"[" * 5000, "toml", "no TOML"),
        (b"\xff", "toml", "no TOML"),
        (b"[1]", "json", "expected a table"),
        (b'{"a": 1, "a": 2}', "json", "twice"),
        (b'{"a": NaN}', "json", "NaN is no number"),
        (b"[" * 100_000, "json", "no JSON"),
        (b"a = 1", "yaml", "expected toml or json"),
        (b"#" * (2 << 20), "toml", "at most"),
    ],
)
def test_a_configuration_that_is_none_is_named(text: bytes, text_format: str, said: str):
    with pytest.raises(MalformedArtifactError, match=said):
        build_configuration(text, name="n", version="v", licence="MIT", text_format=text_format)


def test_a_bundle_in_an_artefact_of_another_name_is_refused():
    bundle = build_bundle(
        {"manifest.json": b'{"name": "a", "version": "1", "entry": "a.py"}', "a.py": b""}
    )
    made = build_agent(bundle, licence="MIT")
    assert made.manifest.kind is ArtifactKind.AGENT
    value = inference.artifact.manifest_value(made.manifest) | {"name": "b"}
    head = encode(value)
    with pytest.raises(MalformedArtifactError, match="the bundle is a 1, the artefact around it b"):
        parse_artifact(MAGIC + len(head).to_bytes(4) + head + bundle + encode(None))


def test_it_prints_what_it_is():
    made = sign_artifact(a_configuration(), KEY)
    assert repr(made).startswith("<Artifact config limits 1 ")
    told = describe(made)
    assert str(told["signed_by"]).startswith("did:key:")
