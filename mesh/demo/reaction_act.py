"""Act two: 17:47. A van veers into the bike lane before box 247, and sixty more incidents follow.

What happened comes from the scene's ground truth and the city, by code of its own
(`mesh.demo.expectation`); what was done comes from each box's own record. This file compares the
two, and judges: missed and false detections, reactions that lack or that nobody asked for, and how
long everything took.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import cast as typed

import numpy as np
import trio

from identity.encoding import Value
from mesh.choreography.trace import percentiles
from mesh.demo.cast import Cast
from mesh.demo.city_model import ground_distance_m
from mesh.demo.claims import Claims
from mesh.demo.expectation import RADIUS_M, expected_reactions, watched_incident
from mesh.demo.plan import QUIET_FRAMES_FIRST, ScenePlan
from mesh.demo.scenery import load_truth
from mesh.demo.scenes.flow import FRAME_S
from mesh.units import SECOND

__all__ = ["ReactionAct", "Spread"]

LEAD_S = 1.5
"""Seconds between the order to play and the first frame."""
AFTER_S = 2.0
"""Seconds after the last frame before boxes are asked what they did."""
MISSED_MAX = 3
"""Incidents of a run that may be missed."""
LATENCY_MS_MAX = 25.0
"""p99 of published → handler entered, milliseconds."""
FRAME_TO_REQUEST_MS_MAX = 50.0
"""p99 of frame grabbed → request made, milliseconds."""
QUIET_CPU_SHARE_MAX = 0.60
"""Share of the machine that the whole demo may use while nothing happens."""
CLEAR_FRAMES = 6
"""Frames after a vehicle left in which an update may still come: the detector's release."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of one duration, milliseconds."""

    p50: float
    p99: float
    max: float


@dataclass(slots=True)
class Shown:
    """One incident of the scene: who saw it, in which frames, and what the boxes called it."""

    box: str
    first_frame: int
    last_frame: int
    incident: bytes | None = None


@dataclass(slots=True)
class Outcome:
    """What the act counted; the JSON's names."""

    events: int = 0
    quiet_frames: int = 0
    expected_reactions: int = 0
    reactions: int = 0
    unexpected_reactions: int = 0
    missed_detections: list[str] = field(default_factory=list[str])
    false_detections: int = 0
    samples: int = 0
    quiet_cpu_share: float = 0.0
    absent: int = 0
    latency_ms: Spread | None = None
    frame_to_request_ms: Spread | None = None
    stages_ms: dict[str, Spread] = field(default_factory=dict[str, Spread])


Row = dict[str, Value]


class ReactionAct:
    """The act; `play` it.

    Args:
        cast: who plays.
        claims: where the claims are judged.
        plan: the scene.
        tell: narrates.
    """

    def __init__(
        self, cast: Cast, claims: Claims, plan: ScenePlan, tell: Callable[[str], None]
    ) -> None:
        self.cast = cast
        self.claims = claims
        self.plan = plan
        self.tell = tell
        self.outcome = Outcome()
        self.reports: dict[str, dict[str, Value]] = {}

    async def play(self, progress: Callable[[float], None]) -> None:
        """Play the scene, then judge it."""
        cast = self.cast
        at_ns = time.monotonic_ns() + round(LEAD_S * SECOND)
        await cast.ask_all(cast.boxes, {"do": "play", "at_ns": at_ns})
        end = LEAD_S + self.plan.seconds + FRAME_S + AFTER_S
        start = time.monotonic()
        await self._measure_quiet()
        while (passed := time.monotonic() - start) < end:
            progress(passed / end)
            await trio.sleep(min(0.5, end - passed))
        self.reports = await cast.ask_all(cast.boxes, {"do": "report"})
        self.judge()

    async def _measure_quiet(self) -> None:
        """Measure what all boxes and this process use while cameras play and nothing happens."""
        await trio.sleep(LEAD_S)
        before, before_ns = await self._cpu_ns(), time.monotonic_ns()
        await trio.sleep(QUIET_FRAMES_FIRST * FRAME_S - 0.5)
        used_ns = await self._cpu_ns() - before
        cores = os.cpu_count() or 1
        share = used_ns / (time.monotonic_ns() - before_ns) / cores
        self.outcome.quiet_cpu_share = round(share, 3)
        self.claims.check(
            "cpu_budget",
            share <= QUIET_CPU_SHARE_MAX,
            f"{share:.0%} of {cores} cores with nothing on; at most {QUIET_CPU_SHARE_MAX:.0%}",
        )

    async def _cpu_ns(self) -> int:
        answers = await self.cast.ask_all(self.cast.boxes, {"do": "cpu"})
        return sum(typed("int", answer["cpu_ns"]) for answer in answers.values()) + (
            time.process_time_ns()
        )

    # ---------------------------------------------------------------------------- judging

    def judge(self) -> None:
        """Compare what was done with what happened."""
        shown = self._shown()
        published = {box: _rows(report, "published") for box, report in self.reports.items()}
        false = self._match(shown, published)
        self._count(published, false)
        self._judge_detections(shown, false)
        self._judge_reactions(shown)
        self._judge_times(published)

    def _shown(self) -> list[Shown]:
        """Every incident in the ground truth, and the count of quiet frames."""
        shown: list[Shown] = []
        for box in self.plan.cameras:
            truth = load_truth(self.cast.scene, box).truth
            self.outcome.quiet_frames += int(np.count_nonzero(truth == 0))
            frame = 0
            for value, run in groupby(truth.tolist()):
                length = len(list(run))
                if value == 1:
                    if (
                        shown
                        and shown[-1].box == box
                        and frame - shown[-1].last_frame < CLEAR_FRAMES
                    ):
                        shown[-1].last_frame = frame + length - 1
                    else:
                        shown.append(Shown(box, frame, frame + length - 1))
                frame += length
        return shown

    def _match(self, shown: list[Shown], published: dict[str, list[Row]]) -> list[Row]:
        """Find the event that began each incident; returns events without any."""
        false: list[Row] = []
        for box, rows in published.items():
            mine = [one for one in shown if one.box == box]
            for row in rows:
                frame = typed("int", row["frame"])
                near = [
                    one
                    for one in mine
                    if one.first_frame - 3 <= frame <= one.last_frame + CLEAR_FRAMES
                ]
                if not near:
                    false.append(row)
                elif near[0].incident is None:
                    near[0].incident = typed("bytes", row["incident"])
        return false

    def _count(self, published: dict[str, list[Row]], false: list[Row]) -> None:
        self.outcome.events = sum(map(len, published.values()))
        self.outcome.false_detections = len(false)

    def _judge_detections(self, shown: list[Shown], false: list[Row]) -> None:
        outcome = self.outcome
        outcome.missed_detections = [
            f"{one.box} frames {one.first_frame}-{one.last_frame}"
            for one in shown
            if one.incident is None
        ]
        frames = sum(typed("int", report["frames"]) for report in self.reports.values())
        whole = self.plan.frames * len(self.plan.cameras)
        self.claims.check("frames", frames == whole, f"{frames} of {whole} frames were looked at")
        self.claims.check(
            "missed_detections",
            len(outcome.missed_detections) <= MISSED_MAX,
            f"{len(outcome.missed_detections)} of {len(shown)} incidents missed",
        )
        self.claims.check(
            "false_detections", not false, f"{len(false)} false events in {outcome.quiet_frames} "
            "quiet frames",
        )  # fmt: skip

    def _judge_reactions(self, shown: list[Shown]) -> None:
        """One reaction is one (incident, box); compare the two sets."""
        city, outcome = self.cast.city, self.outcome
        wanted: set[tuple[bytes, str, str, int]] = set()
        for one in shown:
            incident = watched_incident(city, one.box)
            if incident is None:
                continue
            for reaction in expected_reactions(city, incident):
                outcome.expected_reactions += 1
                if one.incident is not None:
                    seconds_ms = round(reaction.seconds * 1000)
                    wanted.add((one.incident, reaction.box, reaction.kind, seconds_ms))
        made = [
            (
                typed("bytes", row["incident"]),
                box,
                str(row["kind"]),
                typed("int", row["seconds_ms"]),
            )
            for box, report in self.reports.items()
            for row in _rows(report, "requests")
        ]
        outcome.reactions = len(made)
        unexpected = [reaction for reaction in made if reaction not in wanted]
        outcome.unexpected_reactions = len(unexpected) + len(made) - len(set(made))
        lacking = wanted - set(made)
        self.claims.check(
            "reactions", not lacking, f"{len(wanted) - len(lacking)} of {len(wanted)} reactions "
            f"to detected incidents were made",
        )  # fmt: skip
        boxes = sorted({box for _, box, _, _ in unexpected})
        self.claims.check(
            "unexpected_reactions",
            not outcome.unexpected_reactions,
            f"{outcome.unexpected_reactions} reactions that nobody asked for {boxes or ''}",
        )

    def _judge_times(self, published: dict[str, list[Row]]) -> None:
        """How long everything took, and whether every receiver was there."""
        by_event = {
            typed("bytes", row["event"]): (box, row)
            for box, rows in published.items()
            for row in rows
        }
        latencies: list[int] = []
        stages: dict[str, list[int]] = {}
        heard: set[tuple[bytes, str]] = set()
        for box, report in self.reports.items():
            received = _pairs(report, "received")
            for row in _rows(report, "entered"):
                event, entered_ns = typed("bytes", row["event"]), typed("int", row["entered_ns"])
                if event not in by_event:
                    continue
                sent = by_event[event][1]
                heard.add((event, box))
                latencies.append(entered_ns - typed("int", sent["sealed_ns"]))
                _stage(stages, "published_to_sent", sent["sealed_ns"], sent["sent_ns"])
                if event in received:
                    _stage(stages, "published_to_received", sent["sealed_ns"], received[event])
                    _stage(stages, "received_to_handler", received[event], entered_ns)
        for _, row in by_event.values():
            _stage(stages, "frame_to_inferred", row["grabbed_ns"], row["inferred_ns"])
            _stage(stages, "inferred_to_published", row["inferred_ns"], row["sealed_ns"])
        outcome = self.outcome
        outcome.samples = len(latencies)
        outcome.absent = self._absent(by_event, heard)
        outcome.latency_ms = _spread(latencies)
        outcome.frame_to_request_ms = _spread(self._frame_to_request(by_event, stages))
        outcome.stages_ms = {
            name: spread for name, values in stages.items() if (spread := _spread(values))
        }
        self._claim_times()

    def _claim_times(self) -> None:
        outcome, check = self.outcome, self.claims.check
        check("receivers", not outcome.absent, f"{outcome.absent} deliveries are missing")
        for name, spread, most in (
            ("latency", outcome.latency_ms, LATENCY_MS_MAX),
            ("frame_to_request", outcome.frame_to_request_ms, FRAME_TO_REQUEST_MS_MAX),
        ):
            held = spread is not None and spread.p99 <= most
            value = "nothing was measured" if spread is None else f"p99 {spread.p99:.1f} ms"
            check(name, held, f"{value}, at most {most:g} ms")

    def _absent(self, by_event: dict[bytes, tuple[str, Row]], heard: set[tuple[bytes, str]]) -> int:
        """Deliveries that did not happen: every box within the interest of an event's place."""
        city = self.cast.city
        near = {
            name: [
                other
                for other in city.names
                if other != name
                and ground_distance_m(city.place(name).position, city.place(other).position)
                <= RADIUS_M
            ]
            for name in city.names
        }
        return sum(
            (event, other) not in heard
            for event, (box, _) in by_event.items()
            for other in near[box]
        )

    def _frame_to_request(
        self, by_event: dict[bytes, tuple[str, Row]], stages: dict[str, list[int]]
    ) -> list[int]:
        durations: list[int] = []
        for report in self.reports.values():
            for row in _rows(report, "requests"):
                event, requested_ns = (
                    typed("bytes", row["event"]),
                    typed("int", row["requested_ns"]),
                )
                if event in by_event:
                    published = by_event[event][1]
                    durations.append(requested_ns - typed("int", published["grabbed_ns"]))
                    _stage(stages, "published_to_request", published["sealed_ns"], requested_ns)
        return durations


def _rows(report: dict[str, Value], name: str) -> list[Row]:
    rows = report.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _pairs(report: dict[str, Value], name: str) -> dict[bytes, int]:
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
