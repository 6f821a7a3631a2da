"""What labelled canary frames say about a detector, as the whole numbers that reports carry.

A rollout's gate must be able to tell a worse model from a better one by what it does, never by what
it is called. So every model artefact carries frames whose truth is known, and every box measures on
them. Three rules make the figures hold:

- *Each condition by itself, the worst one counts.* Frames are grouped by condition (day, night);
  `map50` is that of the worst group. A mean over all frames would let a model that became better by
  day pay for going blind by night.
- *What cannot be judged counts for nobody.* A road user that is hidden or a few pixels high is
  neither to be found nor wrong to report; the same holds for frames in which a vehicle is half in
  the lane.
- *A frame that failed was answered with nothing.* An error never improves a figure.

AP50 is the area under the precision-recall curve, precision made monotone first, over all recalls
(Everingham et al., "The Pascal Visual Object Classes Challenge: A Retrospective", 2015): detections
of a class from all frames of a condition, best score first, each matched to the free object of its
class and frame that it overlaps most, right from an overlap of one half on.

Pure: durations are arguments, and all results are integers (parts per million, microseconds), so
that every box and every report has the same figure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from inference.detector import (
    Box,
    Calibration,
    Detection,
    intersection_over_union,
    zone_confidence,
)
from inference.health import percentile
from inference.runtime import CLASSES

__all__ = [
    "PPM",
    "Answer",
    "CanaryFrame",
    "CanaryMetrics",
    "ConditionMetrics",
    "Label",
    "ShadowTally",
    "average_precision_ppm",
    "measure",
]

PPM = 1_000_000
"""Shares are in parts per million."""

OVERLAP_MIN = 0.5
"""Intersection over union from which a detection is right: the 50 of AP50."""

IGNORED_OVERLAP = 0.3
"""A detection that overlaps an object nobody judges by more than this is not wrong."""

CANARY_SCORE_MIN = 0.05
"""Detections below are not measured; a precision-recall curve needs weaker ones than events do."""


@dataclass(frozen=True, slots=True)
class Label:
    """One road user in a canary frame.

    Attributes:
        kind: index into `CLASSES`.
        box: image pixels.
        judged: whether a detector has to find it; False for what is hidden or tiny.
    """

    kind: int
    box: Box
    judged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryFrame:
    """What is known of a canary frame, its pixels apart.

    Attributes:
        condition: the group in which it is measured, as `day` or `night`.
        calibration: of the camera that took it.
        in_lane: whether a vehicle stands in the watched zone; None where nobody could say.
        labels: every road user in view.
    """

    condition: str
    calibration: Calibration
    in_lane: bool | None
    labels: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a detector made of one canary frame.

    Attributes:
        detections: best first, suppressed, with scores from `CANARY_SCORE_MIN` on.
        duration_us: microseconds it took.
        error: name of the error on which it failed; None if it answered.
    """

    detections: tuple[Detection, ...]
    duration_us: int
    error: str | None = None

    def found(self) -> tuple[Detection, ...]:
        """The detections; none where the frame failed."""
        return self.detections if self.error is None else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionMetrics:
    """Figures of the frames of one condition.

    Attributes:
        condition: which.
        frames: how many.
        ap50_ppm: average precision at half overlap, by class name; classes with nothing to find
            are left out.
        map50_ppm: their mean, rounded down; 0 where nothing is to be found.
        incident_frames: frames in which a vehicle stands in the zone.
        incidents_found: of them, those in which the detector saw it there.
        clear_frames: frames in which none does.
        false_alarms: of them, those in which the detector saw one.
    """

    condition: str
    frames: int
    ap50_ppm: dict[str, int]
    map50_ppm: int
    incident_frames: int
    incidents_found: int
    clear_frames: int
    false_alarms: int

    @property
    def found_ppm(self) -> int:
        """Share of the incident frames that were found; all of none."""
        return _share_ppm(self.incidents_found, self.incident_frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryMetrics:
    """Figures of a whole run over canary frames.

    Attributes:
        frames: how many were shown.
        errors: on how many the detector failed.
        p50_us: median duration, microseconds.
        p95_us: 95th percentile of the durations.
        map50_ppm: that of the worst condition.
        found_ppm: share of incident frames found, in the worst condition.
        conditions: figures by condition, in the order of their first frames.
    """

    frames: int
    errors: int
    p50_us: int
    p95_us: int
    map50_ppm: int
    found_ppm: int
    conditions: tuple[ConditionMetrics, ...]

    def of(self, condition: str) -> ConditionMetrics:
        """The figures of one condition.

        Raises:
            KeyError: no frame has it.
        """
        for metrics in self.conditions:
            if metrics.condition == condition:
                return metrics
        known = ", ".join(metrics.condition for metrics in self.conditions)
        raise KeyError(f"no canary frame of condition {condition!r}; there is: {known}")


def measure(frames: Sequence[CanaryFrame], answers: Sequence[Answer]) -> CanaryMetrics:
    """Figures of a detector over canary frames.

    Args:
        frames: at least one.
        answers: one for each frame, in the same order.

    Raises:
        ValueError: there is no frame, or not one answer for each.
    """
    if not frames or len(frames) != len(answers):
        raise ValueError(
            f"{len(answers)} answers to {len(frames)} canary frames: expected one for each, "
            "and at least one frame"
        )
    groups: dict[str, list[tuple[CanaryFrame, Answer]]] = {}
    for frame, answer in zip(frames, answers, strict=True):
        groups.setdefault(frame.condition, []).append((frame, answer))
    conditions = tuple(_condition(name, pairs) for name, pairs in groups.items())
    durations = [answer.duration_us for answer in answers]
    return CanaryMetrics(
        frames=len(frames),
        errors=sum(answer.error is not None for answer in answers),
        p50_us=percentile(durations, 50) or 0,
        p95_us=percentile(durations, 95) or 0,
        map50_ppm=min(metrics.map50_ppm for metrics in conditions),
        found_ppm=min(metrics.found_ppm for metrics in conditions),
        conditions=conditions,
    )


def _condition(name: str, pairs: Sequence[tuple[CanaryFrame, Answer]]) -> ConditionMetrics:
    labels = [frame.labels for frame, _ in pairs]
    found = [answer.found() for _, answer in pairs]
    precision = {
        class_name: value
        for kind, class_name in enumerate(CLASSES)
        if (value := average_precision_ppm(labels, found, kind)) is not None
    }
    seen = [
        (frame.in_lane, zone_confidence(frame.calibration, answer.found()) > 0)
        for frame, answer in pairs
    ]
    return ConditionMetrics(
        condition=name,
        frames=len(pairs),
        ap50_ppm=precision,
        map50_ppm=sum(precision.values()) // len(precision) if precision else 0,
        incident_frames=sum(truth is True for truth, _ in seen),
        incidents_found=sum(truth is True and answer for truth, answer in seen),
        clear_frames=sum(truth is False for truth, _ in seen),
        false_alarms=sum(truth is False and answer for truth, answer in seen),
    )


def average_precision_ppm(
    labels: Sequence[Sequence[Label]], found: Sequence[Sequence[Detection]], kind: int
) -> int | None:
    """AP50 of one class over frames, parts per million, rounded down.

    Args:
        labels: of each frame.
        found: detections of each frame, best first.
        kind: index into `CLASSES`.

    Returns:
        None if no frame has an object of this class that is judged.
    """
    wanted = sum(label.judged and label.kind == kind for row in labels for label in row)
    if wanted == 0:
        return None
    verdicts: list[tuple[float, bool]] = []
    for row, detections in zip(labels, found, strict=True):
        verdicts += _verdicts(row, [item for item in detections if item.kind == kind], kind)
    verdicts.sort(key=lambda verdict: -verdict[0])
    right = 0
    hits: list[tuple[int, int]] = []
    for rank, (_, is_right) in enumerate(verdicts, start=1):
        if is_right:
            right += 1
            hits.append((right, rank))
    # From the last hit back, so that each recall has the best precision at it or beyond.
    total, best = 0, (0, 1)
    for right, rank in reversed(hits):
        if right * best[1] > best[0] * rank:
            best = (right, rank)
        total += PPM * PPM * best[0] // best[1]
    return total // (PPM * wanted)


def _verdicts(
    labels: Sequence[Label], detections: Sequence[Detection], kind: int
) -> list[tuple[float, bool]]:
    """Score and rightness of each detection of one frame; what nobody judges is left out."""
    free = [label.box for label in labels if label.judged and label.kind == kind]
    ignored = [label.box for label in labels if not label.judged]
    verdicts: list[tuple[float, bool]] = []
    for detection in sorted(detections, key=lambda item: -item.score):
        overlaps = [intersection_over_union(detection.box, box) for box in free]
        best = max(overlaps, default=0.0)
        if best >= OVERLAP_MIN:
            del free[overlaps.index(best)]
            verdicts.append((detection.score, True))
        elif all(intersection_over_union(detection.box, box) <= IGNORED_OVERLAP for box in ignored):
            verdicts.append((detection.score, False))
    return verdicts


def _share_ppm(part: int, whole: int) -> int:
    return PPM if whole == 0 else PPM * part // whole


class ShadowTally:
    """How often a candidate says something else than the incumbent on the same frames.

    What counts is what a box would do: whether a vehicle stands in the zone. Two good detectors
    differ in faint boxes all the time, and nobody acts on those.
    """

    def __init__(self) -> None:
        self._frames = 0
        self._disagreeing = 0
        self._errors = 0

    @property
    def frames(self) -> int:
        """Frames compared, those on which the candidate failed included."""
        return self._frames

    @property
    def disagreeing(self) -> int:
        """Frames on which they differ."""
        return self._disagreeing

    @property
    def errors(self) -> int:
        """Frames on which the candidate failed."""
        return self._errors

    def compare(self, incumbent_in_zone: bool, candidate_in_zone: bool) -> None:
        """Both answered."""
        self._frames += 1
        self._disagreeing += incumbent_in_zone != candidate_in_zone

    def failed(self) -> None:
        """The candidate failed where the incumbent answered: that is disagreement."""
        self._frames += 1
        self._errors += 1
        self._disagreeing += 1

    @property
    def disagreement_ppm(self) -> int | None:
        """Share of frames on which they differ; None before the first."""
        return None if self._frames == 0 else PPM * self._disagreeing // self._frames

    def worst_with(self, live: "ShadowTally") -> int | None:
        """What these canary frames and live ones say together: the worse of without and with them.

        So a quiet street dilutes nothing, and an odd frame weighs no more than a canary frame. None
        where no canary frame was compared: a few live ones alone are no measurement.
        """
        alone = self.disagreement_ppm
        if alone is None:
            return None
        frames = self.frames + live.frames
        return max(alone, PPM * (self.disagreeing + live.disagreeing) // frames)
