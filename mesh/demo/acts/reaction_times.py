"""How long the third act took, from the reports of the boxes.

Every box stamps its own part with the machine's one monotonic clock; here the parts of an event are
put together: frame grabbed → inferred → published → sent → received → handler entered → request.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast as typed

from identity.encoding import Value
from mesh.choreography.trace import percentiles
from mesh.demo.acts.expectation import RADIUS_M
from mesh.demo.city.model import City, ground_distance_m
from mesh.demo.stage.pace import Slowed
from mesh.units import MS

__all__ = [
    "Bin",
    "ReactionTimes",
    "Report",
    "Row",
    "Spread",
    "Undisturbed",
    "measure_times",
    "report_rows",
]

BINS_MS = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0, 15.0, 20.0, 25.0, 50.0)
"""Upper bounds of the classes into which latencies are counted, milliseconds."""

Row = dict[str, Value]
Report = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of one duration, milliseconds."""

    p50: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Bin:
    """How many durations lie below a bound, and not below the one before; None for no bound."""

    below_ms: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What took place while every processor ran at its own pace, from its start to its end.

    Attributes:
        samples: handlers entered.
        requests: requests made.
        latency_ms: published → handler entered.
        frame_to_request_ms: grabbed → request made.
    """

    samples: int = 0
    requests: int = 0
    latency_ms: Spread | None = None
    frame_to_request_ms: Spread | None = None


@dataclass(frozen=True, slots=True)
class ReactionTimes:
    """How long everything took, and who was there.

    Attributes:
        samples: handlers entered, each counted as often as it was.
        heard: pairs of event and receiver among them.
        absent: such pairs that are missing.
        requests: requests made.
        latency_ms: published → handler entered.
        latency_bins: the same, counted by size.
        frame_to_request_ms: grabbed → request made.
        stages_ms: the parts.
        undisturbed: what the processors were not slowed in.
    """

    samples: int
    heard: int
    absent: int
    requests: int
    latency_ms: Spread | None
    latency_bins: list[Bin]
    frame_to_request_ms: Spread | None
    stages_ms: dict[str, Spread]
    undisturbed: Undisturbed


Span = tuple[int, int]
"""When something began and ended, monotonic nanoseconds."""


def measure_times(
    city: City,
    published: Mapping[str, list[Row]],
    reports: Mapping[str, Report],
    slowed: Slowed,
) -> ReactionTimes:
    """Put the stamps of all boxes together."""
    by_event = {
        typed("bytes", row["event"]): (box, row) for box, rows in published.items() for row in rows
    }
    deliveries: list[Span] = []
    stages: dict[str, list[int]] = {}
    heard: set[tuple[bytes, str]] = set()
    for box, report in reports.items():
        received = _pairs(report, "received")
        for row in report_rows(report, "entered"):
            event, entered_ns = typed("bytes", row["event"]), typed("int", row["entered_ns"])
            if event not in by_event:
                continue
            sent = by_event[event][1]
            heard.add((event, box))
            deliveries.append((typed("int", sent["sealed_ns"]), entered_ns))
            _stage(stages, "published_to_sent", sent["sealed_ns"], sent["sent_ns"])
            if event in received:
                _stage(stages, "published_to_received", sent["sealed_ns"], received[event])
                _stage(stages, "received_to_handler", received[event], entered_ns)
    for _, row in by_event.values():
        _stage(stages, "frame_to_inferred", row["grabbed_ns"], row["inferred_ns"])
        _stage(stages, "inferred_to_published", row["inferred_ns"], row["sealed_ns"])
    requests = _requests(by_event, reports, stages)
    latencies = _durations(deliveries)
    return ReactionTimes(
        samples=len(deliveries),
        heard=len(heard),
        absent=_absent(city, by_event, heard),
        requests=len(requests),
        latency_ms=_spread(latencies),
        latency_bins=_bins(latencies),
        frame_to_request_ms=_spread(_durations(requests)),
        stages_ms={name: spread for name, values in stages.items() if (spread := _spread(values))},
        undisturbed=_undisturbed(deliveries, requests, slowed),
    )


def _undisturbed(deliveries: list[Span], requests: list[Span], slowed: Slowed) -> Undisturbed:
    """Leave out what a slowed processor may have delayed."""
    heard = [span for span in deliveries if not slowed.meets(*span)]
    asked = [span for span in requests if not slowed.meets(*span)]
    return Undisturbed(
        len(heard), len(asked), _spread(_durations(heard)), _spread(_durations(asked))
    )


def _durations(spans: Iterable[Span]) -> list[int]:
    return [end - start for start, end in spans]


def _absent(
    city: City, by_event: dict[bytes, tuple[str, Row]], heard: set[tuple[bytes, str]]
) -> int:
    """Deliveries that did not happen: every box within the interest of an event's place."""
    near = {
        name: [
            other
            for other in city.names
            if other != name
            and ground_distance_m(city.place(name).position, city.place(other).position) <= RADIUS_M
        ]
        for name in city.names
    }
    return sum(
        (event, other) not in heard
        for event, (box, _) in by_event.items()
        for other in near.get(box, ())
    )


def _requests(
    by_event: dict[bytes, tuple[str, Row]],
    reports: Mapping[str, Report],
    stages: dict[str, list[int]],
) -> list[Span]:
    """Return from which frame to when each request was made."""
    requests: list[Span] = []
    for report in reports.values():
        for row in report_rows(report, "requests"):
            event, requested_ns = typed("bytes", row["event"]), typed("int", row["requested_ns"])
            if event in by_event:
                published = by_event[event][1]
                requests.append((typed("int", published["grabbed_ns"]), requested_ns))
                _stage(stages, "published_to_request", published["sealed_ns"], requested_ns)
    return requests


def report_rows(report: Report, name: str) -> list[Row]:
    """Return the rows of one kind in a box's report."""
    rows = report.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _pairs(report: Report, name: str) -> dict[bytes, int]:
    rows = report.get(name)
    pairs = [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
    return {typed("bytes", row[0]): typed("int", row[1]) for row in pairs}


def _stage(stages: dict[str, list[int]], name: str, start: Value, end: Value) -> None:
    stages.setdefault(name, []).append(typed("int", end) - typed("int", start))


def _spread(durations_ns: Iterable[int]) -> Spread | None:
    found = percentiles(durations_ns)
    if found is None:
        return None
    return Spread(round(found.p50_ms, 2), round(found.p99_ms, 2), round(found.max_ms, 2))


def _bins(durations_ns: Iterable[int]) -> list[Bin]:
    """Count durations by size; none at all have no classes."""
    counts = Counter(bisect_right(BINS_MS, duration / MS) for duration in durations_ns)
    bounds = (*BINS_MS, None)
    return [Bin(bound, counts[number]) for number, bound in enumerate(bounds)] if counts else []
