"""A flawless run passes every claim of the third act, and each flaw fails its own claim."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mesh.demo.acts.expectation import RADIUS_M, expected_reactions, watched_incident
from mesh.demo.acts.reaction_verdict import (
    Outcome,
    judge_models,
    judge_reaction,
    quiet_frames,
    shown_incidents,
)
from mesh.demo.city.generator import generate_city, neighbourhood
from mesh.demo.city.model import City, ground_distance_m
from mesh.demo.claims import Claims
from mesh.demo.scenes import BETWEEN, CLEAR, IN_LANE, IncidentSpec, truth_of
from mesh.demo.scenes.plan import CameraPlan, ScenePlan, plan_scene
from mesh.demo.stage.pace import Look, Slowed
from mesh.units import MS
from tests.unit.demo.planted import holding, silent_claims

FRAMES, EVERY = 200, 32
"""Length of each camera's clip, and from one incident to the next."""
SHAPE = [BETWEEN] * 3 + [IN_LANE] * 11 + [BETWEEN] * 3
OLD = "old hardware"


@dataclass
class Run:
    """What happened and what the boxes say that they did; flawless until it is doctored."""

    city: City
    plan: ScenePlan
    truths: dict[str, NDArray[np.int8]]
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    slowed: Slowed = field(default_factory=Slowed)
    outcome: Outcome = field(default_factory=Outcome)

    approved: bytes = b"approved"

    def judge(self) -> Claims:
        """Judge it."""
        claims = silent_claims()
        asked = (*self.city.names, OLD)
        judge_models(self.approved, self.reports, claims)
        judge_reaction(
            self.city, self.plan, self.truths, asked, self.reports, self.slowed, self.outcome,
            claims,
        )  # fmt: skip
        return claims

    def judged(self) -> list[str]:
        """Judge it; returns the claims that failed."""
        return self.judge().failed

    def see(self, box: str, frame: int, incident: bytes | None = None) -> bytes:
        """Publish an event, a first one unless an incident is named; everybody near hears it."""
        event = f"{box}/{frame}".encode()
        at_ns = frame * 250 * MS
        row = {"event": event, "incident": incident or event, "frame": frame, "sent_ns": at_ns + 2}
        row |= {"grabbed_ns": at_ns, "inferred_ns": at_ns + 1, "sealed_ns": at_ns + 1}
        row["model"] = b"approved"
        self.reports[box]["published"].append(row)
        here = self.city.place(box).position
        for other in self.city.places:
            if other.name != box and ground_distance_m(here, other.position) <= RADIUS_M:
                report = self.reports[other.name]
                report["entered"].append({"event": event, "entered_ns": at_ns + MS})
                report["received"].append([event, at_ns + MS])
        return event

    def react(self, box: str, event: bytes) -> None:
        """Let everybody whom an incident concerns react to it."""
        incident = watched_incident(self.city, box)
        assert incident is not None
        for one in expected_reactions(self.city, incident):
            row = {"event": event, "incident": event, "kind": one.kind}
            row |= {"seconds_ms": round(one.seconds * 1000), "requested_ns": 2 * MS}
            row["requested_ns"] += int(event.rpartition(b"/")[2]) * 250 * MS
            self.reports[one.box]["requests"].append(row)


def report(frames: int) -> dict[str, Any]:
    lists = {name: [] for name in ("published", "entered", "requests", "received")}
    return {"frames": frames, "frames_late": 0, **lists}


def staged(city: City) -> tuple[ScenePlan, dict[str, NDArray[np.int8]]]:
    """61 incidents before twelve cameras, the one more before box 247."""
    cameras: dict[str, CameraPlan] = {}
    truths: dict[str, NDArray[np.int8]] = {}
    for box in city.names:
        starts = range(10, FRAMES - 20, EVERY)[: 6 if box == city.hero.name else 5]
        cameras[box] = CameraPlan(box, 0, False, tuple(IncidentSpec(first_frame=s) for s in starts))
        truths[box] = np.full(FRAMES, CLEAR, np.int8)
        for start in starts:
            truths[box][start : start + len(SHAPE)] = SHAPE
    return ScenePlan(FRAMES, cameras), truths


@cache
def flawless() -> Run:
    city = neighbourhood(generate_city(247), 12)
    run = Run(city, *staged(city))
    run.reports = {box: report(FRAMES) for box in city.names} | {OLD: report(0)}
    for one in shown_incidents(run.truths):
        first = run.see(one.box, one.first_frame + 1)
        run.react(one.box, first)
        for frame in range(one.first_frame + 2, one.last_frame + 3):
            run.see(one.box, frame, first)
    return run


@pytest.fixture
def run() -> Run:
    made = flawless()
    return Run(made.city, made.plan, dict(made.truths), deepcopy(made.reports))


def test_a_flawless_run_passes(run: Run) -> None:
    assert run.judged() == []
    outcome = run.outcome
    assert outcome.events == 61 * 18
    assert outcome.quiet_frames == 12 * FRAMES - 61 * (len(SHAPE) + 2)
    assert outcome.reactions == outcome.expected_reactions > 61
    assert outcome.missed_detections == []
    assert outcome.samples > 1000


def first_of(run: Run, box: str) -> tuple[int, int]:
    one = next(one for one in shown_incidents(run.truths) if one.box == box)
    return one.first_frame, one.last_frame


def forget(run: Run, box: str, first: int, last: int) -> None:
    """Take an incident out of the reports, with all that it led to."""
    gone = {f"{box}/{frame}".encode() for frame in range(first, last + 3)}
    for one in run.reports.values():
        for name in ("published", "entered", "requests"):
            one[name] = [row for row in one[name] if row["event"] not in gone]


def test_an_event_speaks_of_three_frames_and_no_more(run: Run) -> None:
    box = run.city.names[0]
    first, last = first_of(run, box)
    run.see(box, first)
    assert run.judged() == []
    run.see(box, last + 3)
    assert run.judged() == ["false_detections"]


def test_a_quiet_frame_is_one_in_which_every_event_is_false() -> None:
    truth = np.array([0, 0, 1, -1, 0, 0, 0, 0], np.int8)
    assert quiet_frames(truth) == 4
    assert quiet_frames(np.array([1, 0, 0, 0], np.int8)) == 1
    assert quiet_frames(np.zeros(5, np.int8)) == 5


def test_three_incidents_may_be_missed_but_not_the_fourth_nor_the_van_at_17_47(run: Run) -> None:
    boxes = [box for box in run.city.names if box != run.city.hero.name]
    for count, box in enumerate(boxes[:4], start=1):
        forget(run, box, *first_of(run, box))
        run.outcome = Outcome()
        assert run.judged() == ([] if count < 4 else ["missed_detections"])
        assert len(run.outcome.missed_detections) == count


def test_one_incident_of_the_box_does_not_stand_for_two_of_the_scene(run: Run) -> None:
    """Updates that run on into the next incident announce nothing: that one was missed."""
    hero = run.city.hero.name
    first, second = [one for one in shown_incidents(run.truths) if one.box == hero][:2]
    forget(run, hero, second.first_frame, second.last_frame)
    for frame in range(second.first_frame + 1, second.last_frame):
        run.see(hero, frame, f"{hero}/{first.first_frame + 1}".encode())
    assert run.judged() == []
    assert run.outcome.missed_detections == [str(second)]
    assert run.outcome.reactions < run.outcome.expected_reactions


def last_request(run: Run) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    rows = next(one["requests"] for one in run.reports.values() if one["requests"])
    return rows, rows[-1]


def twice_made(run: Run) -> None:
    rows, row = last_request(run)
    rows.append(row)


def made_for_another(run: Run) -> None:
    rows, row = last_request(run)
    rows[-1] = {**row, "incident": b"another"}


def left_out(run: Run) -> None:
    last_request(run)[0].pop()


def made_by_the_old_hardware(run: Run) -> None:
    run.reports[OLD]["requests"].append(last_request(run)[1])


def late(run: Run) -> None:
    run.reports[run.city.names[0]]["frames_late"] = 12 * FRAMES // 100 + 1


def not_looked_at(run: Run) -> None:
    run.reports[run.city.names[0]]["frames"] -= 1


def handled_twice(run: Run) -> None:
    rows = run.reports[run.city.names[0]]["entered"]
    rows.append(rows[-1])


def not_delivered(run: Run) -> None:
    run.reports[run.city.names[0]]["entered"].pop()


def slow(run: Run) -> None:
    for one in run.reports.values():
        for row in one["entered"]:
            row["entered_ns"] += 25 * MS


def slow_while_a_processor_was_slowed_elsewhen(run: Run) -> None:
    slow(run)
    run.slowed = slowed_at(30 * 60 * 1000 * MS)


def slow_wherever_it_was_measured(run: Run) -> None:
    """Nobody sees what is left out."""
    run.slowed = slowed_at(*range(0, FRAMES * 250 * MS, 10 * MS))


def slow_to_ask(run: Run) -> None:
    for one in run.reports.values():
        for row in one["requests"]:
            row["requested_ns"] += 49 * MS


def slowed_at(*at_ns: int) -> Slowed:
    """Looks of which those at these times found a processor slowed."""
    well = [Look(60 * 60 * 1000 * MS + number, 40_000) for number in range(len(at_ns) + 2)]
    return Slowed([[Look(at, 400_000) for at in at_ns] + well])


def silent(run: Run) -> None:
    del run.reports[OLD]


def made_by_another_model(run: Run) -> None:
    run.approved = b"the next one"


def missed_the_van_at_17_47(run: Run) -> None:
    hero = run.city.hero.name
    forget(run, hero, *first_of(run, hero))


def missed_four(run: Run) -> None:
    boxes = [box for box in run.city.names if box != run.city.hero.name]
    for box in boxes[:4]:
        forget(run, box, *first_of(run, box))


def seen_before_it_touches_the_lane(run: Run) -> None:
    box = run.city.names[0]
    run.see(box, first_of(run, box)[0] - 1)


def shown_less_than_planned(run: Run) -> None:
    box = run.city.names[0]
    first, last = first_of(run, box)
    forget(run, box, first, last)
    run.truths[box] = run.truths[box].copy()
    run.truths[box][first : last + 1] = CLEAR


def hardly_stands_in_the_lane(run: Run) -> None:
    box = run.city.names[0]
    first, _ = first_of(run, box)
    run.truths[box] = run.truths[box].copy()
    run.truths[box][first : first + 6] = BETWEEN


def hardly_any_quiet_frame(run: Run) -> None:
    for box, truth in run.truths.items():
        longer = truth.copy()
        for one in shown_incidents({box: truth}):
            longer[one.last_frame : one.last_frame + 9] = BETWEEN
        run.truths[box] = longer


def hardly_any_delivery(run: Run) -> None:
    firsts = {row["event"] for one in run.reports.values() for row in one["requests"]}
    for one in run.reports.values():
        for name in ("published", "entered"):
            one[name] = [row for row in one[name] if row["event"] in firsts]


FLAWS: dict[Callable[[Run], None], list[str]] = {
    made_by_another_model: ["by_approved"],
    missed_the_van_at_17_47: ["hero"],
    missed_four: ["missed_detections"],
    seen_before_it_touches_the_lane: ["false_detections"],
    shown_less_than_planned: ["scene"],
    hardly_stands_in_the_lane: ["scene"],
    hardly_any_quiet_frame: ["quiet_frames"],
    hardly_any_delivery: ["samples"],
    twice_made: ["unexpected_reactions", "reactions"],
    made_for_another: ["unexpected_reactions", "reactions"],
    left_out: ["reactions"],
    made_by_the_old_hardware: ["unexpected_reactions", "reactions"],
    late: ["frames_late"],
    not_looked_at: ["frames"],
    handled_twice: ["handled_once"],
    not_delivered: ["receivers"],
    slow: ["latency"],
    slow_while_a_processor_was_slowed_elsewhen: ["latency"],
    slow_wherever_it_was_measured: ["latency", "frame_to_request", "samples"],
    slow_to_ask: ["frame_to_request"],
    silent: ["reports"],
}


def judged_with(flaw: Callable[[Run], None] | None) -> dict[str, bool]:
    made = flawless()
    run = Run(made.city, made.plan, dict(made.truths), deepcopy(made.reports))
    if flaw is not None:
        flaw(run)
    return holding(run.judge())


@pytest.mark.parametrize(("flaw", "failed"), FLAWS.items(), ids=[flaw.__name__ for flaw in FLAWS])
def test_each_flaw_fails_the_claim_it_belongs_to(
    run: Run, flaw: Callable[[Run], None], failed: list[str]
) -> None:
    flaw(run)
    assert run.judged() == failed


def test_what_a_slowed_processor_may_have_delayed_is_told_and_not_judged(run: Run) -> None:
    box = run.city.hero.name
    first = f"{box}/{first_of(run, box)[0] + 1}".encode()
    for one in run.reports.values():
        for row in one["entered"]:
            row["entered_ns"] += 90 * MS * (row["event"] == first)
    assert run.judged() == []
    every = run.outcome.latency_ms
    assert every is not None
    assert every.max == 91
    assert run.outcome.undisturbed.latency_ms == every
    at_ns = next(row["sealed_ns"] for row in run.reports[box]["published"])
    run.outcome, run.slowed = Outcome(), slowed_at(at_ns + 50 * MS)
    assert run.judged() == []
    assert run.outcome.latency_ms == every
    undisturbed = run.outcome.undisturbed
    assert undisturbed.latency_ms is not None
    assert undisturbed.latency_ms.max == 1
    assert 0 < run.outcome.samples - undisturbed.samples < 100


def test_a_silent_box_is_named(run: Run) -> None:
    del run.reports[run.city.names[0]]
    assert {"reports", "frames", "receivers"} <= set(run.judged())


@pytest.mark.parametrize("seed", [3, 247])
def test_the_plan_leaves_a_thousand_quiet_frames_with_room(seed: int) -> None:
    plan = plan_scene(neighbourhood(generate_city(seed), 12), seed, 60)
    truths = truths_of(plan)
    assert len(shown_incidents(truths)) == 61
    assert 1020 <= sum(map(quiet_frames, truths.values())) <= 1100


def truths_of(plan: ScenePlan) -> Mapping[str, NDArray[np.int8]]:
    return {
        box: np.array(truth_of(camera.seed, plan.frames, camera.incidents), np.int8)
        for box, camera in plan.cameras.items()
    }


@pytest.mark.parametrize(("model", "failed"), [(b"approved", []), (b"before", ["by_approved"])])
def test_every_event_is_made_with_what_was_approved_last(model: bytes, failed: list[str]) -> None:
    claims = Claims(keep_going=True, say=lambda name, held, sentence: None)
    reports = {
        "a": {"published": [{"model": b"approved"}, {"model": model}]},
        "b": {"published": []},
    }
    judge_models(b"approved", reports, claims)
    assert claims.failed == failed
