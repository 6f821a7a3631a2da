"""The golden self-test: does this box compute what the builder computed?

An artefact carries the builder's own rows for each canary frame. A box runs the model on the same
frames and compares, before anything depends on it: a model file that arrived whole may still give
other answers here, through another runtime, another accelerator or broken memory. The comparison
allows for rounding (`Tolerance`) and matches rows by class and overlap, since rows of nearly equal
score may change places.

It says nothing of whether the model is good: a bad model reproduces its own bad answers. That is
what the figures of `inference.canary` are for; both come from the same one run.

Pure: the clock is an argument.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inference.artifact import Artifact
from inference.canary import (
    CANARY_SCORE_MIN,
    PPM,
    Answer,
    CanaryMetrics,
    measure,
)
from inference.detector import Detection, decode, intersection_over_union, suppress
from inference.errors import InferenceError, MalformedArtifactError
from inference.manifest import Tolerance
from inference.runtime import Image, Rows, Runtime

__all__ = ["GOLDEN_SCORE_MIN", "SelfTest", "golden_rows", "mismatch", "self_test"]

GOLDEN_SCORE_MIN = 0.1
"""Rows below this score are not kept: noise of the network, of which nothing depends."""

_SAME_OVERLAP = 0.5
"""Rows that overlap less are no two versions of one."""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a run over the canary frames gave.

    Attributes:
        metrics: figures for the gate.
        answers: what the detector made of each frame, for a comparison with another one.
        mismatch: how the answers differ from the golden ones; None if they do not.
    """

    metrics: CanaryMetrics
    answers: tuple[Answer, ...]
    mismatch: str | None

    @property
    def passed(self) -> bool:
        """Whether this box computes what the builder computed."""
        return self.mismatch is None


def golden_rows(rows: Rows) -> Rows:
    """The part of a network's answer that is kept as golden."""
    return np.ascontiguousarray(rows[rows[:, 1] >= GOLDEN_SCORE_MIN], np.float32)


def self_test(artifact: Artifact, runtime: Runtime, clock_ns: Callable[[], int]) -> SelfTest:
    """Run a model on its artefact's canary frames. Blocking; about a millisecond a frame.

    Args:
        artifact: of a model.
        runtime: that runs its payload.
        clock_ns: monotonic clock, nanoseconds.

    Raises:
        MalformedArtifactError: the artefact is no model's.
    """
    canary = artifact.canary
    if canary is None:
        raise MalformedArtifactError(f"{artifact!r} has no canary frames: it is no model")
    answers: list[Answer] = []
    wrong: str | None = None
    for index, (picture, golden) in enumerate(zip(canary.pixels, canary.golden, strict=True)):
        answer, rows = _look(runtime, picture, clock_ns)
        answers.append(answer)
        if wrong is None:
            problem = answer.error or (
                "" if rows is None else mismatch(rows, golden, canary.tolerance)
            )
            wrong = f"canary frame {index}: {problem}" if problem else None
    return SelfTest(measure(canary.frames, answers), tuple(answers), wrong)


def _look(
    runtime: Runtime, picture: Image, clock_ns: Callable[[], int]
) -> tuple[Answer, Rows | None]:
    before = clock_ns()
    try:
        rows = runtime.run(picture)
        found = tuple(suppress(decode(rows, score_min=CANARY_SCORE_MIN)))
    except InferenceError as error:
        return Answer((), (clock_ns() - before) // 1000, type(error).__name__), None
    return Answer(found, (clock_ns() - before) // 1000), rows


def mismatch(rows: Rows, golden: Rows, tolerance: Tolerance) -> str | None:
    """How an answer differs from the golden one by more than rounding; None if it does not.

    Args:
        rows: the answer, float32 [n, 8].
        golden: the builder's, float32 [k, 8].
        tolerance: what rounding may do.
    """
    slack = tolerance.score_ppm / PPM
    ours = decode(rows, score_min=GOLDEN_SCORE_MIN - slack)
    theirs = decode(golden, score_min=0.0)
    for wanted in theirs:
        partner = _partner(wanted, ours)
        if partner is None:
            if wanted.score >= GOLDEN_SCORE_MIN + slack:
                return f"nothing like {_told(wanted)}"
            continue
        ours.remove(partner)
        if not _is_close(wanted, partner, tolerance):
            return f"{_told(partner)} instead of {_told(wanted)}"
    extra = [item for item in ours if item.score >= GOLDEN_SCORE_MIN + slack]
    return f"{_told(extra[0])}, which should not be there" if extra else None


def _partner(wanted: Detection, found: list[Detection]) -> Detection | None:
    def overlap(item: Detection) -> float:
        return intersection_over_union(item.box, wanted.box)

    same = [item for item in found if item.kind == wanted.kind and overlap(item) >= _SAME_OVERLAP]
    return max(same, key=overlap, default=None)


def _is_close(a: Detection, b: Detection, tolerance: Tolerance) -> bool:
    pixels = tolerance.milli_pixels / 1000
    pairs = zip((*a.box, *a.ground_point), (*b.box, *b.ground_point), strict=True)
    near = all(abs(x - y) <= pixels for x, y in pairs)
    return near and abs(a.score - b.score) * PPM <= tolerance.score_ppm


def _told(item: Detection) -> str:
    corners = ", ".join(f"{value:.2f}" for value in item.box)
    return f"class {item.kind} score {item.score:.4f} at [{corners}]"
