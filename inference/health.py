"""How inference is doing: latencies of the last frames, errors by kind, frames lost, memory.

Pure: the caller measures and says so. What is sent takes the report in whole numbers
(`HealthReport.gate_inputs`).
"""

import math
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Number = TypeVar("Number", int, float)

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
        late: frames since the start that took longer than the deadline.
        dropped: frames since the start that nobody looked at, for a newer one was there.
        memory_bytes: of the process, as last measured; None before.
    """

    frames: int
    errors: int
    errors_by_kind: dict[str, int]
    p50_ms: float | None
    p95_ms: float | None
    late: int = 0
    dropped: int = 0
    memory_bytes: int | None = None

    def gate_inputs(self) -> dict[str, int]:
        """What a report carries, in microseconds and bytes; what is unknown is left out."""
        inputs = {
            "frames": self.frames,
            "errors": self.errors,
            "late": self.late,
            "dropped": self.dropped,
        }
        for name, milliseconds in (("p50_us", self.p50_ms), ("p95_us", self.p95_ms)):
            if milliseconds is not None:
                inputs[name] = round(milliseconds * 1000)
        if self.memory_bytes is not None:
            inputs["memory_bytes"] = self.memory_bytes
        return inputs


class Health:
    """Collects what the caller measured.

    Args:
        window: frames over which latencies are reported.
        deadline_ms: a frame that takes longer is late; None counts none.
    """

    def __init__(self, *, window: int = WINDOW_FRAMES, deadline_ms: float | None = None) -> None:
        if window < 1:
            raise ValueError(f"window={window}: expected at least one frame")
        self._latencies_ms: deque[float] = deque(maxlen=window)
        self._frames = 0
        self._errors: Counter[str] = Counter()
        self._deadline_ms = deadline_ms
        self._late = 0
        self._dropped = 0
        self._memory_bytes: int | None = None

    def record(self, latency_ms: float) -> None:
        """A frame was looked at in this time."""
        if not (math.isfinite(latency_ms) and latency_ms >= 0):
            raise ValueError(f"latency_ms={latency_ms}: expected a finite time, 0 or more")
        self._frames += 1
        self._latencies_ms.append(latency_ms)
        self._late += self._deadline_ms is not None and latency_ms > self._deadline_ms

    def record_dropped(self, frames: int = 1) -> None:
        """So many frames were replaced by newer ones before anybody looked at them."""
        if frames < 0:
            raise ValueError(f"frames={frames}: expected 0 or more")
        self._dropped += frames

    def record_memory(self, memory_bytes: int) -> None:
        """The process holds so much memory now."""
        if memory_bytes < 0:
            raise ValueError(f"memory_bytes={memory_bytes}: expected 0 or more")
        self._memory_bytes = memory_bytes

    def record_error(self, kind: str) -> None:
        """Inference failed on a frame; the kind is the error's name."""
        self._frames += 1
        known = kind in self._errors or len(self._errors) < ERROR_KINDS_MAX
        self._errors[kind if known else "other"] += 1

    def report(self) -> HealthReport:
        """What is known now."""
        return HealthReport(
            frames=self._frames,
            errors=self._errors.total(),
            errors_by_kind=dict(sorted(self._errors.items())),
            p50_ms=percentile(self._latencies_ms, 50),
            p95_ms=percentile(self._latencies_ms, 95),
            late=self._late,
            dropped=self._dropped,
            memory_bytes=self._memory_bytes,
        )


def percentile(values: Sequence[Number], percent: int) -> Number | None:
    """Nearest-rank percentile; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
