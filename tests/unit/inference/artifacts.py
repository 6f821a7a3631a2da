"""Small artefacts of every kind."""

import numpy as np
from hypothesis import strategies as st

from identity.keys import SecretKey
from inference.artifact import (
    Artifact,
    Canary,
    build_agent,
    build_configuration,
    build_model,
)
from inference.bundle import build_bundle
from inference.canary import CanaryFrame, Label
from inference.detector import Calibration
from inference.manifest import Tolerance
from inference.runtime import IMAGE_SHAPE
from tests.unit.inference.strategies import detections, rows_of

KEY = SecretKey.from_seed(bytes(range(32)))
OTHER = SecretKey.from_seed(bytes(32))

numbers = st.floats(-1e6, 1e6, allow_nan=False)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@st.composite
def canary_frames(draw: st.DrawFn) -> CanaryFrame:
    a, b, c, d, e, f, g, h, i = draw(st.lists(numbers, min_size=9, max_size=9))
    x, y = draw(numbers), draw(numbers)
    seen = draw(st.lists(detections(), max_size=3))
    return CanaryFrame(
        condition=draw(st.sampled_from(["day", "night"])),
        calibration=Calibration(((a, b, c), (d, e, f), (g, h, i)), (x, x + 1, y, y + 1)),
        in_lane=draw(st.sampled_from([True, False, None])),
        labels=tuple(Label(one.kind, one.box, draw(st.booleans())) for one in seen),
    )


@st.composite
def canaries(draw: st.DrawFn) -> Canary:
    frames = tuple(draw(st.lists(canary_frames(), min_size=1, max_size=3)))
    golden = [rows_of(draw(st.lists(detections(), max_size=3))) for _ in frames]
    shade = draw(st.integers(0, 255))
    pixels = np.full((len(frames), *IMAGE_SHAPE), shade, np.uint8)
    tolerance = Tolerance(
        score_ppm=draw(st.integers(0, 9999)), milli_pixels=draw(st.integers(0, 9))
    )
    return Canary(frames, pixels, tuple(golden), tolerance)


@st.composite
def models(draw: st.DrawFn) -> Artifact:
    return build_model(
        draw(st.binary(min_size=1, max_size=50)),
        draw(canaries()),
        name=draw(texts),
        version=draw(texts),
        licence="Apache-2.0",
        metadata=draw(st.dictionaries(texts, texts, max_size=3)),
    )


@st.composite
def bundles(draw: st.DrawFn) -> dict[str, bytes]:
    paths = st.from_regex(r"[a-zA-Z0-9_][a-z0-9_.-]{0,8}(/[a-z0-9_]{1,5}){0,2}", fullmatch=True)
    files = draw(st.dictionaries(paths, st.binary(max_size=60), min_size=1, max_size=5))
    entry = draw(st.sampled_from(sorted(files)))
    manifest = f'{{"name": "planner", "version": "v1", "entry": "{entry}"}}'
    return {**files, "manifest.json": manifest.encode()}


agents = bundles().map(lambda files: build_agent(build_bundle(files), licence="MIT"))

configurations = st.dictionaries(
    st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers(-9, 9), max_size=4
).map(
    lambda table: build_configuration(
        "".join(f"{key} = {value}\n" for key, value in table.items()).encode() or b"# nothing\n",
        name="limits",
        version="3",
        licence="MIT",
    )
)

artifacts = st.one_of(models(), agents, configurations)


def a_configuration(number: int = 1, *, size: int = 0) -> Artifact:
    """A small artefact whose bytes depend on a number."""
    text = f"number = {number}\n# {'x' * size}\n".encode()
    return build_configuration(text, name="limits", version=str(number), licence="MIT")
