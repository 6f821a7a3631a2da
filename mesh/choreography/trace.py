"""Where the milliseconds of a reaction go: one stamp a stage, from the frame to the request.

A stamp is a reading of CLOCK_MONOTONIC in nanoseconds. On Linux every process of one machine reads
the same clock, so stamps of several boxes may be compared **only when these boxes run on one
machine**, as in the demo and the benchmarks. Between machines a difference of stamps means nothing,
and nothing here travels on the wire.

The publisher stamps the first stages and each receiver the last; `joined` puts the two halves of
one event together. A stage that was never reached has no stamp, and the spans around it are not
made up: a span is taken between two stages that were both stamped.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["Percentiles", "Stage", "Trace", "TraceRecorder", "percentiles", "summarise"]

TRACES_MAX = 4096
"""Traces that a recorder keeps; the oldest is dropped, and counted."""


class Stage(StrEnum):
    """The stages of a reaction in the order in which they happen."""

    FRAME_GRABBED = "frame_grabbed"
    INFERRED = "inferred"
    CONFIRMED = "confirmed"
    SEALED = "sealed"
    SENT = "sent"
    RECEIVED = "received"
    ADMITTED = "admitted"
    HANDLER_ENTERED = "handler_entered"
    REQUESTED = "requested"


_STAGES: tuple[Stage, ...] = tuple(Stage)


@dataclass(frozen=True, slots=True)
class Trace:
    """The stamps of one event on one way: event id and stage → monotonic nanoseconds."""

    event_id: bytes
    stamps: Mapping[Stage, int]

    def joined(self, other: "Trace") -> "Trace":
        """Return both halves as one; where both stamped a stage, mine stands.

        Raises:
            ValueError: the other trace is of another event.
        """
        if other.event_id != self.event_id:
            raise ValueError(
                f"trace of {other.event_id.hex()} cannot join one of {self.event_id.hex()}: "
                "expected the same event"
            )
        merged = {**other.stamps, **self.stamps}
        return Trace(self.event_id, {stage: merged[stage] for stage in _STAGES if stage in merged})

    def span_ns(self, start: Stage, end: Stage) -> int | None:
        """Return the nanoseconds between two stages, or None if one has no stamp."""
        if start in self.stamps and end in self.stamps:
            return self.stamps[end] - self.stamps[start]
        return None


class TraceRecorder:
    """Collects the stamps of one process, one trace an event, the oldest dropped first."""

    __slots__ = ("_dropped", "_traces", "_traces_max")

    def __init__(self, *, traces_max: int = TRACES_MAX) -> None:
        self._traces: OrderedDict[bytes, dict[Stage, int]] = OrderedDict()
        self._traces_max = traces_max
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many traces were forgotten because the recorder was full."""
        return self._dropped

    def mark(self, event_id: bytes, stage: Stage, mono_ns: int) -> None:
        """Stamp a stage of an event; the first stamp of a stage stands."""
        stamps = self._traces.get(event_id)
        if stamps is None:
            stamps = self._traces[event_id] = {}
            if len(self._traces) > self._traces_max:
                self._traces.popitem(last=False)
                self._dropped += 1
        stamps.setdefault(stage, mono_ns)

    def trace(self, event_id: bytes) -> Trace | None:
        """Return the stamps of one event so far, or None if it is not known."""
        stamps = self._traces.get(event_id)
        return None if stamps is None else _freeze(event_id, stamps)

    def traces(self) -> tuple[Trace, ...]:
        """Return every trace held, oldest first."""
        return tuple(_freeze(event_id, stamps) for event_id, stamps in self._traces.items())


def _freeze(event_id: bytes, stamps: dict[Stage, int]) -> Trace:
    ordered = {stage: stamps[stage] for stage in _STAGES if stage in stamps}
    return Trace(event_id, MappingProxyType(ordered))


@dataclass(frozen=True, slots=True)
class Percentiles:
    """The spread of a sample of durations, in milliseconds; all of them were seen."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def percentiles(durations_ns: Iterable[int]) -> Percentiles | None:
    """Return the nearest-rank percentiles of durations in nanoseconds; None if there are none."""
    ordered = sorted(durations_ns)
    if not ordered:
        return None
    return Percentiles(
        count=len(ordered),
        p50_ms=_rank(ordered, 50) / 1e6,
        p99_ms=_rank(ordered, 99) / 1e6,
        max_ms=ordered[-1] / 1e6,
    )


def _rank(ordered: list[int], percent: int) -> int:
    """Return the smallest value that at least `percent` % of the sample do not exceed."""
    return ordered[-(-percent * len(ordered) // 100) - 1]


def summarise(traces: Iterable[Trace]) -> dict[Stage, Percentiles]:
    """Return, for each stage, the spread of the time since the stage stamped before it.

    The first stage of a trace has nothing before it and is left out. The sum of the medians is not
    the median of the sum: take whole ways with `Trace.span_ns` and `percentiles`.
    """
    durations: dict[Stage, list[int]] = {}
    for trace in traces:
        before: int | None = None
        for stage in _STAGES:
            stamp = trace.stamps.get(stage)
            if stamp is None:
                continue
            if before is not None:
                durations.setdefault(stage, []).append(stamp - before)
            before = stamp
    summary = {stage: percentiles(durations.get(stage, ())) for stage in _STAGES}
    return {stage: spread for stage, spread in summary.items() if spread is not None}
