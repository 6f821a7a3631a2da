"""What the boxes did, compared with what happened; the third act's claims.

What happened comes from the scene's ground truth and the city, by code of its own (`expectation`);
what was done comes from each box's own report. An event speaks of the last three frames, since two
of three confirm it: it is true if a vehicle touched the lane in one of them. Frames in which it may
not be published, because all three are clear, are the quiet frames.
An incident is detected if one begins in the frames that speak of it; so no two of the scene can
share one, and what begins after the vehicle left is false.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import cast as typed

import numpy as np
from numpy.typing import NDArray

from mesh.demo.acts.expectation import expected_reactions, watched_incident
from mesh.demo.acts.reaction_times import (
    Bin,
    ReactionTimes,
    Report,
    Row,
    Spread,
    Undisturbed,
    measure_times,
    report_rows,
)
from mesh.demo.city.model import City
from mesh.demo.claims import Claims
from mesh.demo.scenes.culprit import FRAMES_IN_LANE_MIN
from mesh.demo.scenes.plan import ScenePlan
from mesh.demo.scenes.traffic import CLEAR, IN_LANE
from mesh.demo.stage.pace import Slowed

__all__ = [
    "Outcome",
    "Shown",
    "Truths",
    "is_as_planned",
    "judge_models",
    "judge_reaction",
    "name_incidents",
    "quiet_frames",
    "shown_incidents",
]

MISSED_MAX = 3
"""Incidents of a run that may be missed."""
SPOKEN_FRAMES = 3
"""Frames that an event speaks of: the one that confirmed it, and those before."""
FRAMES_LATE_SHARE_MAX = 0.01
"""Share of frames that may be looked at a whole period after they were due."""
LATENCY_MS_MAX = 25.0
"""p99 of published → handler entered, milliseconds, while the processors run at their own pace."""
FRAME_TO_REQUEST_MS_MAX = 50.0
"""p99 of frame grabbed → request made, milliseconds, likewise."""
WHOLE_INCIDENTS, WHOLE_CAMERAS = 61, 12
"""A scene of so many incidents before so many cameras is large enough for the two claims below."""
QUIET_FRAMES_MIN = 1000
"""Quiet frames in which no event may be false."""
SAMPLES_MIN = 1000
"""Deliveries over which the latency is judged."""

Truths = Mapping[str, NDArray[np.int8]]


@dataclass(slots=True)
class Shown:
    """One incident of the scene.

    Attributes:
        box: who sees it.
        first_frame: first frame in which the vehicle touches the lane.
        last_frame: last such frame.
        frames_in_lane: frames in which it stands there.
        incident: what the box called it; None if it never said so.
    """

    box: str
    first_frame: int
    last_frame: int
    frames_in_lane: int
    incident: bytes | None = None

    def is_spoken_of(self, frame: int) -> bool:
        """Whether an event that a frame confirmed speaks of it."""
        return self.first_frame <= frame < self.last_frame + SPOKEN_FRAMES

    def __str__(self) -> str:
        return f"{self.box} frames {self.first_frame}-{self.last_frame}"


@dataclass(slots=True)
class Outcome:
    """What the act counted; the JSON's names."""

    events: int = 0
    frames_late: int = 0
    quiet_frames: int = 0
    expected_reactions: int = 0
    reactions: int = 0
    unexpected_reactions: int = 0
    missed_detections: list[str] = field(default_factory=list[str])
    false_detections: int = 0
    samples: int = 0
    quiet_cpu_share: float = 0.0
    stolen_share: float = 0.0
    slowed_share: float = 0.0
    absent: int = 0
    latency_ms: Spread | None = None
    latency_bins: list[Bin] = field(default_factory=list[Bin])
    frame_to_request_ms: Spread | None = None
    stages_ms: dict[str, Spread] = field(default_factory=dict[str, Spread])
    undisturbed: Undisturbed = field(default_factory=Undisturbed)


def shown_incidents(truths: Truths) -> list[Shown]:
    """Return every incident in the ground truth, by camera and time."""
    shown: list[Shown] = []
    for box, truth in truths.items():
        frame = 0
        for touched, run in groupby(truth.tolist(), key=lambda state: state != CLEAR):
            states = list(run)
            if touched:
                last = frame + len(states) - 1
                shown.append(Shown(box, frame, last, states.count(IN_LANE)))
            frame += len(states)
    return shown


def quiet_frames(truth: NDArray[np.int8]) -> int:
    """Count the frames of one camera in which every event would be false."""
    touched = np.concatenate([np.zeros(SPOKEN_FRAMES - 1, bool), truth != CLEAR])
    spoken = np.lib.stride_tricks.sliding_window_view(touched, SPOKEN_FRAMES)
    return int(np.count_nonzero(~spoken.any(axis=1)))


def judge_models(approved: bytes, reports: Mapping[str, Report], claims: Claims) -> None:
    """See that every event was made with the model that was approved last.

    Args:
        approved: its digest.
        reports: of those that answered.
        claims: where the claim is judged.
    """
    rows = {box: report_rows(report, "published") for box, report in reports.items()}
    others = [box for box, made in rows.items() if any(row["model"] != approved for row in made)]
    claims.check(
        "by_approved",
        not others,
        f"{sum(map(len, rows.values()))} events were made with what was approved last "
        f"{others or ''}",
    )


def judge_reaction(
    city: City,
    plan: ScenePlan,
    truths: Truths,
    asked: Sequence[str],
    reports: Mapping[str, Report],
    slowed: Slowed,
    outcome: Outcome,
    claims: Claims,
) -> None:
    """Compare what was done with what happened.

    Args:
        city: where the boxes stand.
        plan: the scene.
        truths: states of the lane by camera, int8 [frames].
        asked: every box, and the old hardware of box 247 if it runs.
        reports: of those that answered.
        slowed: when the machine's processors were.
        outcome: is filled in.
        claims: where each claim is judged.
    """
    shown = shown_incidents(truths)
    outcome.quiet_frames = sum(map(quiet_frames, truths.values()))
    published = {box: report_rows(report, "published") for box, report in reports.items()}
    outcome.events = sum(map(len, published.values()))
    false = name_incidents(shown, published)
    outcome.false_detections = len(false)
    outcome.missed_detections = [str(one) for one in shown if one.incident is None]
    _judge_scene(plan, shown, claims)
    silent = sorted(set(asked) - reports.keys())
    claims.check("reports", not silent, f"everybody says what they did {silent or ''}")
    _judge_frames(plan, reports, outcome, claims)
    _judge_detections(city, shown, outcome, claims)
    _judge_reactions(city, shown, reports, outcome, claims)
    times = measure_times(city, published, reports, slowed)
    outcome.samples, outcome.absent = times.samples, times.absent
    outcome.latency_ms, outcome.stages_ms = times.latency_ms, times.stages_ms
    outcome.latency_bins = times.latency_bins
    outcome.frame_to_request_ms = times.frame_to_request_ms
    outcome.undisturbed = times.undisturbed
    _judge_times(times, claims)
    if len(shown) >= WHOLE_INCIDENTS and len(plan.cameras) >= WHOLE_CAMERAS:
        quiet, samples = outcome.quiet_frames, outcome.undisturbed.samples
        claims.check("quiet_frames", quiet >= QUIET_FRAMES_MIN,
                     f"{quiet} frames were quiet, at least {QUIET_FRAMES_MIN}")  # fmt: skip
        claims.check("samples", samples >= SAMPLES_MIN,
                     f"{samples} deliveries were measured, at least {SAMPLES_MIN}")  # fmt: skip


def name_incidents(shown: Sequence[Shown], published: Mapping[str, list[Row]]) -> list[Row]:
    """Find what the boxes called each incident; returns the events that speak of none."""
    false: list[Row] = []
    for box, rows in published.items():
        mine = [one for one in shown if one.box == box]
        for row in rows:
            frame = typed("int", row["frame"])
            about = next((one for one in mine if one.is_spoken_of(frame)), None)
            if about is None:
                false.append(row)
            elif about.incident is None and row["event"] == row["incident"]:
                about.incident = typed("bytes", row["incident"])
    return false


def _judge_scene(plan: ScenePlan, shown: list[Shown], claims: Claims) -> None:
    """See that the scene showed what was planned: nothing can be missed that was never shown."""
    planned = sum(len(camera.incidents) for camera in plan.cameras.values())
    found = sum(one.frames_in_lane >= FRAMES_IN_LANE_MIN for one in shown)
    claims.check(
        "scene",
        is_as_planned(plan, shown),
        f"{found} of {planned} incidents stood in the lane for {FRAMES_IN_LANE_MIN} frames",
    )


def is_as_planned(plan: ScenePlan, shown: Sequence[Shown]) -> bool:
    """Whether each camera showed its incidents, long enough to be seen, and no other."""
    planned = Counter({box: len(camera.incidents) for box, camera in plan.cameras.items()})
    found = Counter(one.box for one in shown if one.frames_in_lane >= FRAMES_IN_LANE_MIN)
    return len(shown) == planned.total() and found == planned


def _judge_frames(
    plan: ScenePlan, reports: Mapping[str, Report], outcome: Outcome, claims: Claims
) -> None:
    frames = {box: typed("int", report["frames"]) for box, report in reports.items()}
    whole = [box for box in plan.cameras if frames.get(box) == plan.frames]
    claims.check("frames", len(whole) == len(plan.cameras),
                 f"{len(whole)} of {len(plan.cameras)} boxes looked at all {plan.frames} frames",
                 )  # fmt: skip
    outcome.frames_late = sum(typed("int", report["frames_late"]) for report in reports.values())
    most = FRAMES_LATE_SHARE_MAX * sum(frames.values())
    claims.check("frames_late", outcome.frames_late <= most,
                 f"{outcome.frames_late} of {sum(frames.values())} frames were late, "
                 f"at most {FRAMES_LATE_SHARE_MAX:.0%}")  # fmt: skip


def _judge_detections(city: City, shown: list[Shown], outcome: Outcome, claims: Claims) -> None:
    missed, false = len(outcome.missed_detections), outcome.false_detections
    claims.check("missed_detections", missed <= MISSED_MAX,
                 f"{missed} of {len(shown)} incidents missed")  # fmt: skip
    claims.check("false_detections", not false,
                 f"{false} false events in {outcome.quiet_frames} quiet frames")  # fmt: skip
    first = next((one for one in shown if one.box == city.hero.name), None)
    claims.check(
        "hero",
        first is not None and first.incident is not None,
        f"the van before {city.hero.name} was seen ({first or 'it never came'})",
    )


def _judge_reactions(
    city: City,
    shown: list[Shown],
    reports: Mapping[str, Report],
    outcome: Outcome,
    claims: Claims,
) -> None:
    """Compare the reactions, one an incident and box; each counts as often as it was made."""
    wanted: Counter[tuple[bytes, str, str, int]] = Counter()
    for one in shown:
        incident = watched_incident(city, one.box)
        expected = expected_reactions(city, incident) if incident else ()
        outcome.expected_reactions += len(expected)
        if one.incident is not None:
            wanted.update(
                (one.incident, reaction.box, reaction.kind, round(reaction.seconds * 1000))
                for reaction in expected
            )
    made = Counter(
        (typed("bytes", row["incident"]), box, str(row["kind"]), typed("int", row["seconds_ms"]))
        for box, report in reports.items()
        for row in report_rows(report, "requests")
    )
    unexpected, lacking = made - wanted, wanted - made
    outcome.reactions, outcome.unexpected_reactions = made.total(), unexpected.total()
    boxes = sorted({box for _, box, _, _ in unexpected})
    claims.check(
        "unexpected_reactions",
        not unexpected,
        f"{unexpected.total()} reactions that nobody asked for {boxes or ''}",
    )
    claims.check(
        "reactions",
        not lacking and made.total() == wanted.total(),
        f"{made.total()} reactions; expected {outcome.expected_reactions}, and "
        f"{wanted.total()} without those to missed incidents",
    )


def _judge_times(times: ReactionTimes, claims: Claims) -> None:
    check, undisturbed = claims.check, times.undisturbed
    check("receivers", not times.absent, f"{times.absent} deliveries are missing")
    twice = times.samples - times.heard
    check("handled_once", not twice, f"{twice} of {times.samples} deliveries came again")
    for name, most, spread, count, whole, whole_count in (
        ("latency", LATENCY_MS_MAX, undisturbed.latency_ms, undisturbed.samples,
         times.latency_ms, times.samples),
        ("frame_to_request", FRAME_TO_REQUEST_MS_MAX, undisturbed.frame_to_request_ms,
         undisturbed.requests, times.frame_to_request_ms, times.requests),
    ):  # fmt: skip
        held = spread is not None and spread.p99 <= most
        sentence = f"{_p99(spread)}, at most {most:g} ms"
        if count < whole_count:
            sentence += (
                f"; {_p99(whole)} with the {whole_count - count} of {whole_count} in which this "
                "machine's processors were slowed"
            )
        check(name, held, sentence)


def _p99(spread: Spread | None) -> str:
    return "nothing was measured" if spread is None else f"p99 {spread.p99:.1f} ms"
