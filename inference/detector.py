"""From a network's rows to a vehicle in the bike lane, confirmed.

Three steps, each a function of what came before:

1. Rows become `Detection`s: class, score, box, and the point where the object's footprint touches
   the ground (the network regresses it; it is steadier than the box's bottom centre). A long
   vehicle may have two peaks, so a greedy suppression joins boxes of one class, and car with van.
2. A camera's `Calibration` maps that point to metres on the ground by its homography and tests
   whether it lies in the watched zone. Each camera's owner gives the calibration.
3. A `Confirmation` asks for two of three frames before an incident begins, and lets it end when
   the zone has been empty for a while. One frame decides nothing.

Frames never leave this file: what comes out are a handful of numbers.
"""

import enum
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.errors import RunError
from inference.runtime import CLASSES, ROW_COLUMNS, Image, ModelInfo, Rows, Runtime

SCORE_MIN = 0.3
"""Detections below this score are dropped."""

BEGIN_SCORE_MIN = 0.45
"""A vehicle in the zone counts towards the beginning of an incident from this score; one that goes
on is held by any. What the network sees where nothing is, such as a van in the colours of a lane
beside a cyclist, rarely lasts two frames above it: with 0.3 two events in 4,160 quiet frames were
false. With 0.45 for what goes on, too, a dim vehicle could end its incident and begin another."""

SUPPRESSION_IOU = 0.55
"""Two boxes that overlap by more are one object."""

ZONE_MARGIN_M = 0.1
"""The zone's edge towards the traffic lane is taken this much wider."""

CAR, VAN = CLASSES.index("car"), CLASSES.index("van")

CONFIRM_NEEDED, CONFIRM_WINDOW = 2, 3
"""An incident begins when so many of so many consecutive frames show a vehicle in the zone."""

RELEASE_FRAMES = 6
"""An incident ends after so many frames without one: 1.5 s at 4 frames/s.

A lorry that drives past hides the zone for two or three frames; that is not an end.
"""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, image pixels."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a detector must know of a camera.

    Attributes:
        to_ground: homography from homogeneous image pixels to homogeneous metres, row by row.
        zone: the watched area on the ground: x from, x to, y from, y to, metres.
    """

    to_ground: tuple[
        tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]
    ]
    zone: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        values = [*self.zone, *(value for row in self.to_ground for value in row)]
        if not all(math.isfinite(value) for value in values):
            raise ValueError(f"calibration holds {values}; every number must be finite")
        x0, x1, y0, y1 = self.zone
        if x0 >= x1 or y0 >= y1:
            raise ValueError(f"zone={self.zone}: expected x from < x to and y from < y to")

    def ground(self, u: float, v: float) -> tuple[float, float] | None:
        """An image point on the ground, metres; None on or above the horizon."""
        x, y, w = (row[0] * u + row[1] * v + row[2] for row in self.to_ground)
        if abs(w) < 1e-12:
            return None
        return x / w, y / w

    def is_in_zone(self, u: float, v: float) -> bool:
        """Whether an image point lies on the ground of the watched zone."""
        point = self.ground(u, v)
        if point is None:
            return False
        x0, x1, y0, y1 = self.zone
        return x0 - ZONE_MARGIN_M < point[0] < x1 and y0 < point[1] < y1


@dataclass(frozen=True, slots=True)
class Detection:
    """One road user in one image.

    Attributes:
        kind: index into `CLASSES`.
        score: 0 to 1.
        box: image pixels.
        ground_point: where its footprint's centre touches the ground, image pixels.
    """

    kind: int
    score: float
    box: Box
    ground_point: tuple[float, float]

    @property
    def is_vehicle(self) -> bool:
        """Whether it is a car or a van."""
        return self.kind in (CAR, VAN)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a detector made of one frame.

    Attributes:
        detections: everything it saw, best first.
        confidence: best score of a vehicle in the zone; 0 when there is none.
    """

    detections: tuple[Detection, ...]
    confidence: float

    @property
    def in_zone(self) -> bool:
        """Whether a vehicle stands in the zone in this frame."""
        return self.confidence > 0


def intersection_over_union(a: Box, b: Box) -> float:
    """Area that two boxes share, over the area that they cover: 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    covered = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / covered


def decode(rows: Rows, *, score_min: float = SCORE_MIN) -> list[Detection]:
    """A network's rows as detections, best first, weak ones dropped.

    Raises:
        RunError: a row is none: not finite, an unknown class, a score outside 0 to 1.
    """
    if rows.ndim != 2 or rows.shape[1] != ROW_COLUMNS:
        raise RunError(f"rows have shape {list(rows.shape)}; expected [n, {ROW_COLUMNS}]")
    if not np.isfinite(rows).all():
        raise RunError("the network answered with numbers that are not finite; withdraw this model")
    detections: list[Detection] = []
    for row in rows.tolist():
        kind, score, left, top, right, bottom, u, v = (float(value) for value in row)
        if kind not in range(len(CLASSES)) or not 0 <= score <= 1:
            raise RunError(f"row has class {kind} and score {score}; withdraw this model")
        if score >= score_min and left < right and top < bottom:
            detections.append(Detection(int(kind), score, (left, top, right, bottom), (u, v)))
    return sorted(detections, key=lambda detection: -detection.score)


def suppress(detections: Sequence[Detection], *, iou: float = SUPPRESSION_IOU) -> list[Detection]:
    """Greedy non-maximum suppression: of boxes that are one object, the best stays.

    Args:
        detections: best first.
        iou: overlap from which two boxes are one object.
    """
    kept: list[Detection] = []
    for candidate in detections:
        rivals = (
            other
            for other in kept
            if other.kind == candidate.kind or (other.is_vehicle and candidate.is_vehicle)
        )
        if all(intersection_over_union(candidate.box, other.box) <= iou for other in rivals):
            kept.append(candidate)
    return kept


def zone_confidence(
    calibration: Calibration, detections: Sequence[Detection], *, score_min: float = BEGIN_SCORE_MIN
) -> float:
    """Best score of a vehicle in the watched zone; 0 for none. The rule by which events begin."""
    return max(
        (
            detection.score
            for detection in detections
            if detection.is_vehicle
            and detection.score >= score_min
            and calibration.is_in_zone(*detection.ground_point)
        ),
        default=0.0,
    )


class Detector:
    """A runtime and a camera's calibration; holds no state between frames.

    Args:
        runtime: what runs the network.
        calibration: of the camera whose frames will come.
        score_min: detections below are dropped.
    """

    def __init__(
        self, runtime: Runtime, calibration: Calibration, *, score_min: float = SCORE_MIN
    ) -> None:
        self._runtime = runtime
        self._calibration = calibration
        self._score_min = score_min

    def __repr__(self) -> str:
        return f"<Detector {self._runtime.model}>"

    @property
    def model(self) -> ModelInfo:
        """The model it runs."""
        return self._runtime.model

    def look(self, image: Image) -> Sighting:
        """Detect on one image. Blocking, about a millisecond; call it off the event loop.

        Args:
            image: uint8 [144, 256, 3].

        Raises:
            FrameError: the image has another shape or type.
            RunError: the network failed.
        """
        detections = suppress(decode(self._runtime.run(image), score_min=self._score_min))
        confidence = zone_confidence(self._calibration, detections, score_min=self._score_min)
        return Sighting(tuple(detections), confidence)


class Change(enum.Enum):
    """What a frame did to an incident."""

    NONE = "none"
    BEGIN = "begin"
    UPDATE = "update"
    END = "end"


@dataclass(frozen=True, slots=True)
class Step:
    """What a `Confirmation` says to one frame.

    Attributes:
        change: begin, update (a further confirmed frame), end, or none.
        incident: number of the incident it is about, counted from 1; 0 before the first.
        confidence: best confidence of the incident so far; 0 when none is going on.
    """

    change: Change
    incident: int
    confidence: float


class Confirmation:
    """Turns sightings into incidents: begin at two of three, end after a while of nothing.

    A pure state machine; one per camera.

    Args:
        needed: frames of the window that must show a vehicle in the zone.
        window: frames that are looked at together.
        release: frames without a vehicle after which an incident ends.
    """

    def __init__(
        self,
        *,
        needed: int = CONFIRM_NEEDED,
        window: int = CONFIRM_WINDOW,
        release: int = RELEASE_FRAMES,
    ) -> None:
        if not 1 <= needed <= window or release < 1:
            raise ValueError(
                f"needed={needed} window={window} release={release}: "
                "expected 1 <= needed <= window and release >= 1"
            )
        self._needed = needed
        self._release = release
        self._recent: deque[bool] = deque(maxlen=window)
        self._incident = 0
        self._active = False
        self._absent = 0
        self._best = 0.0

    @property
    def active(self) -> bool:
        """Whether an incident is going on."""
        return self._active

    def feed(self, confidence: float) -> Step:
        """Take the next frame.

        Args:
            confidence: of a vehicle in the zone; 0 for none.
        """
        seen = confidence >= BEGIN_SCORE_MIN or (self._active and confidence > 0)
        self._recent.append(seen)
        self._absent = 0 if seen else self._absent + 1
        confirmed = sum(self._recent) >= self._needed
        if self._active:
            return self._go_on(confidence, confirmed=confirmed and seen)
        if not confirmed:
            return Step(Change.NONE, self._incident, 0.0)
        self._active = True
        self._incident += 1
        self._best = confidence
        return Step(Change.BEGIN, self._incident, self._best)

    def _go_on(self, confidence: float, *, confirmed: bool) -> Step:
        if self._absent >= self._release:
            self._active = False
            self._recent.clear()
            return Step(Change.END, self._incident, self._best)
        self._best = max(self._best, confidence)
        change = Change.UPDATE if confirmed else Change.NONE
        return Step(change, self._incident, self._best)
