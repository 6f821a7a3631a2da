"""How inference is doing: latencies of the last frames and errors by kind.

Pure: the caller measures and says so. A rollout gate and `mesh get nodes` read the report.
"""

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

WINDOW_FRAMES = 240
"""Latencies are kept for so many frames: a minute at 4 frames/s."""

ERROR_KINDS_MAX = 16
"""Further kinds of errors are counted together as `other`."""


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What is known of the inference on this box.

    Attributes:
        frames: looked at since the start.
        errors: frames on which inference failed since the start.
        errors_by_kind: the same by name of the error.
        p50_ms: median latency of the last `WINDOW_FRAMES` frames; None before the first.
        p95_ms: 95th percentile of the same.
    """

    frames: int
    errors: int
    errors_by_kind: dict[str, int]
    p50_ms: float | None
    p95_ms: float | None


class Health:
    """Collects what the caller measured.

    Args:
        window: frames over which latencies are reported.
    """

    def __init__(self, *, window: int = WINDOW_FRAMES) -> None:
        if window < 1:
            raise ValueError(f"window={window}: expected at least one frame")
        self._latencies_ms: deque[float] = deque(maxlen=window)
        self._frames = 0
        self._errors: Counter[str] = Counter()

    def record(self, latency_ms: float) -> None:
        """A frame was looked at in this time."""
        if not (math.isfinite(latency_ms) and latency_ms >= 0):
            raise ValueError(f"latency_ms={latency_ms}: expected a finite time, 0 or more")
        self._frames += 1
        self._latencies_ms.append(latency_ms)

    def record_error(self, kind: str) -> None:
        """Inference failed on a frame; the kind is the error's name."""
        self._frames += 1
        known = kind in self._errors or len(self._errors) < ERROR_KINDS_MAX
        self._errors[kind if known else "other"] += 1

    def report(self) -> HealthReport:
        """What is known now."""
        ordered = sorted(self._latencies_ms)
        return HealthReport(
            frames=self._frames,
            errors=self._errors.total(),
            errors_by_kind=dict(sorted(self._errors.items())),
            p50_ms=_percentile(ordered, 50),
            p95_ms=_percentile(ordered, 95),
        )


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    """Nearest rank."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
