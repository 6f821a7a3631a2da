"""A flawless rollout passes every claim of the first act, and each flaw fails its own claim."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest

from mesh.demo.acts.comeback_verdict import (
    WATCHED_S_MIN,
    judge_comeback,
    judge_own_store,
    judge_stays_back,
)
from mesh.demo.acts.rollout_verdict import (
    MAP50_PPM_MIN,
    ROLLOUT_S_MAX,
    SOAK_S,
    Comeback,
    Outcome,
    Trial,
    is_everywhere,
    is_gone,
    judge_bad_release,
    judge_duration,
    judge_poison,
    judge_release,
    judge_speech,
    judge_stages,
)
from mesh.demo.claims import Claims
from mesh.demo.releases.own_figures import FIGURE_SLACK_PPM, Figures
from mesh.units import SECOND
from tests.unit.demo.planted import holding, silent_claims

NAMES = tuple(f"south/box-{number}" for number in range(12))
KEYS = {name: name.encode() for name in NAMES}
GOOD, BAD = (sha256(label).digest() for label in (b"good", b"bad"))
NIGHT_GOOD, NIGHT_BAD = MAP50_PPM_MIN + 200_000, MAP50_PPM_MIN - 100_000


def s(seconds: float) -> int:
    """Seconds after the beginning, as the clock says them."""
    return round(seconds * SECOND)


def asked(trial: Trial, at_s: float, opened: int, ran: dict[str, float], **fields: object) -> None:
    """Every box is asked: a stage is open, and some run the release since then."""
    trial.note(
        {
            box: {
                "open": opened,
                "ran": [[trial.digest, s(ran[box])]] if box in ran else [],
                "reports": [[box, "good", NIGHT_GOOD]] if box in ran else [],
                **fields,
            }
            for box in NAMES
        },
        s(at_s),
        s(at_s + 0.1),
    )


def rolled_out(digest: bytes) -> Trial:
    """A release that went to everybody: 2 boxes, 6, 12, each stage some seconds after the last."""
    trial = Trial("v2", digest, b"intent", NAMES, 0, Figures(NIGHT_GOOD, NIGHT_GOOD))
    ranked = trial.cohort.ranked
    ran: dict[str, float] = {}
    asked(trial, 0.5, -1, ran)
    asked(trial, 1.0, 0, ran)
    for stage, at_s in enumerate((2.0, 10.0, 20.0)):
        ran |= {box: at_s for box in trial.cohort.stage(stage) if box not in ran}
        asked(trial, at_s + 1, stage, ran)
        asked(trial, at_s + SOAK_S, stage, ran)
        asked(trial, at_s + SOAK_S + 0.5, min(stage + 1, 2), ran)
    assert set(ran) == set(ranked)
    trial.offences = dict.fromkeys(NAMES, 1)
    return trial


def halted(digest: bytes) -> Trial:
    """A release that came to its first stage."""
    trial = Trial("v3", digest, b"other", NAMES, 0, Figures(NIGHT_BAD, NIGHT_BAD))
    first = trial.cohort.stage(0)
    asked(trial, 0.5, -1, {})
    asked(trial, 1.0, 0, dict.fromkeys(first, 0.9))
    trial.reports = dict.fromkeys(first, ("good", NIGHT_BAD))
    return trial


@dataclass
class Run:
    """What was seen; flawless until it is doctored."""

    good: Trial = field(default_factory=lambda: rolled_out(GOOD))
    bad: Trial = field(default_factory=lambda: halted(BAD))
    outcome: Outcome = field(default_factory=Outcome)
    exit_code: int | None = -9
    sent: Any = field(default_factory=lambda: [[KEYS[NAMES[0]], 3], [b"stranger", 1]])
    models: dict[str, bytes | None] = field(default_factory=lambda: dict.fromkeys(NAMES, GOOD))
    heard: list[str] = field(default_factory=lambda: list(NAMES))
    seconds: float = 40.0
    back: dict[str, Any] = field(
        default_factory=lambda: {
            "began_with": GOOD, "running": GOOD, "proven": True, "fetched": [[GOOD, 0]],
            "ran": [[GOOD, 1]],
        }
    )  # fmt: skip
    watched: list[tuple[int, int | None]] = field(
        default_factory=lambda: [(s(at_s), 0) for at_s in range(30, 60)]
    )
    ended_ns: int = s(58.5)
    again: dict[str, Any] = field(
        default_factory=lambda: {"began_with": GOOD, "running": GOOD, "ran": [[GOOD, 1]]}
    )
    after: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            box: {
                "running": GOOD, "state": "approved", "proven": True, "dead": "halted",
                "stated": [[key, [GOOD]] for key in KEYS.values()],
            }
            for box in NAMES
        }
    )  # fmt: skip

    def judge(self) -> Claims:
        """Judge it."""
        claims = silent_claims()
        outcome, names = self.outcome, {key: name for name, key in KEYS.items()}
        back = outcome.comeback = Comeback(NAMES[0])
        judge_poison(self.good, names, self.sent, outcome, claims)
        judge_stages(self.good, outcome, claims)
        judge_comeback(self.good, back, self.exit_code, self.back, claims)
        judge_release(self.good, KEYS, self.after, outcome, claims)
        judge_speech(self.good, self.models, self.heard, claims)
        judge_bad_release(self.bad, GOOD, self.after, outcome, claims)
        judge_stays_back(self.bad, GOOD, NAMES[0], self.again, claims)
        judge_own_store(self.good, back, self.watched, self.ended_ns, claims)
        judge_duration(self.seconds, outcome, claims)
        return claims

    def judged(self) -> list[str]:
        """Judge it; returns the claims that failed."""
        return self.judge().failed


@pytest.fixture
def run() -> Run:
    return Run()


def test_a_flawless_run_passes(run: Run) -> None:
    assert run.judged() == []
    outcome = run.outcome
    assert [(one.percent, one.boxes) for one in outcome.stages] == [(10, 2), (50, 6), (100, 12)]
    assert [one.opened_s for one in outcome.stages] == [1.1, 5.6, 13.6]
    assert outcome.boxes_on_approved == 12
    assert outcome.bad_release.held_at_percent == 10
    assert outcome.bad_release.boxes_ever_ran == 2
    assert outcome.bad_release.rolled_back
    assert outcome.comeback.began_with_release
    assert outcome.poison.chunks_sent == 3
    assert outcome.poison.boxes_refused == [NAMES[0]]


def last_box(run: Run) -> str:
    return run.good.cohort.ranked[-1]


def one_starts_too_early(run: Run) -> None:
    run.good.ran_ns[last_box(run)] = s(3)


def one_never_runs(run: Run) -> None:
    del run.good.ran_ns[last_box(run)]


def no_soak(run: Run) -> None:
    run.good.opened_ns[1] = s(2 + SOAK_S - 0.1)


def two_stages_at_once(run: Run) -> None:
    run.good.opened_ns[2], run.good.closed_ns[2] = run.good.opened_ns[1], run.good.closed_ns[1]


def last_stage_shut(run: Run) -> None:
    del run.good.opened_ns[2]


def a_bad_report(run: Run) -> None:
    run.good.reports[NAMES[3]] = ("good", NIGHT_BAD)


def a_figure_that_is_not_ours(run: Run) -> None:
    run.good.reports[NAMES[3]] = ("good", NIGHT_GOOD + FIGURE_SLACK_PPM + 1)


def a_report_without_a_figure(run: Run) -> None:
    run.good.reports[NAMES[3]] = ("good", None)


def the_good_one_is_bad_by_our_own_measure(run: Run) -> None:
    run.good.figures = Figures(NIGHT_BAD, NIGHT_BAD)
    run.good.reports = dict.fromkeys(NAMES, ("good", NIGHT_BAD))


def a_failed_report(run: Run) -> None:
    run.good.reports[NAMES[3]] = ("failed", None)


def a_missing_report(run: Run) -> None:
    del run.good.reports[NAMES[3]]


def one_runs_what_is_not_approved(run: Run) -> None:
    run.after[NAMES[3]]["state"] = "candidate"


def one_states_something_else(run: Run) -> None:
    run.after[NAMES[3]]["stated"][5] = [KEYS[NAMES[5]], [BAD]]


def one_speaks_by_another_model(run: Run) -> None:
    run.models[NAMES[3]] = BAD


def one_does_not_hear(run: Run) -> None:
    run.heard.remove(NAMES[3])


def it_was_not_killed(run: Run) -> None:
    run.exit_code = None


def it_ended_by_itself(run: Run) -> None:
    run.exit_code = 0


def it_fetched_again(run: Run) -> None:
    run.back["fetched"] = [[GOOD, 7_600_000]]


def it_does_not_say_what_it_fetched(run: Run) -> None:
    run.back["fetched"] = [[BAD, 0]]


def it_fetched_later(run: Run) -> None:
    run.watched[7] = (run.watched[7][0], 262_144)


def it_never_said_again_what_it_fetched(run: Run) -> None:
    run.watched[3:] = [(at_ns, None) for at_ns, _ in run.watched[3:]]


def it_was_asked_once(run: Run) -> None:
    del run.watched[:-1]


def it_was_not_asked_at_the_end(run: Run) -> None:
    run.watched.pop()


def it_was_never_asked(run: Run) -> None:
    run.watched.clear()


def it_was_asked_for_a_moment(run: Run) -> None:
    end_ns = run.watched[-1][0]
    run.watched[:-1] = [(end_ns - s(WATCHED_S_MIN - 0.1), 0)]


def it_began_as_delivered(run: Run) -> None:
    run.back["began_with"] = BAD


def it_never_came_back(run: Run) -> None:
    run.back = {}


def nobody_was_poisoned(run: Run) -> None:
    run.sent = [[b"stranger", 1]]


def poison_was_swallowed(run: Run) -> None:
    run.good.offences[NAMES[0]] = 0


def the_bad_one_went_on(run: Run) -> None:
    run.bad.opened_ns[1] = s(5)


def the_bad_one_ran_elsewhere(run: Run) -> None:
    run.bad.ran_ns[run.bad.cohort.ranked[5]] = s(2)


def the_bad_one_ran_nowhere(run: Run) -> None:
    run.bad.ran_ns.clear()


def it_was_held_for_another_reason(run: Run) -> None:
    run.bad.reports = dict.fromkeys(run.bad.cohort.stage(0), ("failed", None))


def it_was_held_by_a_figure_that_is_not_ours(run: Run) -> None:
    run.bad.reports[run.bad.cohort.stage(0)[0]] = ("good", NIGHT_BAD - FIGURE_SLACK_PPM - 1)


def it_was_held_without_a_figure(run: Run) -> None:
    run.bad.reports[run.bad.cohort.stage(0)[0]] = ("good", None)


def the_bad_one_is_good_by_our_own_measure(run: Run) -> None:
    run.bad.figures = Figures(NIGHT_GOOD, NIGHT_GOOD)
    run.bad.reports = dict.fromkeys(run.bad.cohort.stage(0), ("good", NIGHT_GOOD))


def the_bad_one_is_good_by_night(run: Run) -> None:
    run.bad.figures = Figures(NIGHT_BAD, NIGHT_GOOD)


def one_runs_it_still(run: Run) -> None:
    run.after[NAMES[3]]["running"] = BAD


def one_has_not_heard_of_the_halt(run: Run) -> None:
    run.after[NAMES[3]]["dead"] = ""


def it_begins_with_the_halted_one(run: Run) -> None:
    run.again |= {"began_with": BAD, "ran": [[BAD, 1], [GOOD, 2]]}


def it_runs_the_halted_one_for_a_moment(run: Run) -> None:
    run.again["ran"] = [[BAD, 1], [GOOD, 2]]


def it_took_too_long(run: Run) -> None:
    run.seconds = ROLLOUT_S_MAX + 0.1


FLAWS: dict[Callable[[Run], None], list[str]] = {
    one_starts_too_early: ["stages"],
    one_never_runs: ["stages"],
    no_soak: ["stages"],
    two_stages_at_once: ["stages"],
    last_stage_shut: ["stages"],
    a_bad_report: ["reported"],
    a_figure_that_is_not_ours: ["reported"],
    a_report_without_a_figure: ["reported"],
    the_good_one_is_bad_by_our_own_measure: ["reported"],
    a_failed_report: ["reported"],
    a_missing_report: ["reported"],
    one_runs_what_is_not_approved: ["on_approved"],
    one_states_something_else: ["on_approved"],
    one_speaks_by_another_model: ["speaks"],
    one_does_not_hear: ["speaks"],
    it_was_not_killed: ["comes_back"],
    it_ended_by_itself: ["comes_back"],
    it_fetched_again: ["comes_back"],
    it_does_not_say_what_it_fetched: ["comes_back"],
    it_fetched_later: ["own_store"],
    it_never_said_again_what_it_fetched: ["own_store"],
    it_was_asked_once: ["own_store"],
    it_was_not_asked_at_the_end: ["own_store"],
    it_was_never_asked: ["own_store"],
    it_was_asked_for_a_moment: ["own_store"],
    it_began_as_delivered: ["comes_back"],
    it_never_came_back: ["comes_back"],
    nobody_was_poisoned: ["poison_refused"],
    poison_was_swallowed: ["poison_refused"],
    the_bad_one_went_on: ["bad_release_held"],
    the_bad_one_ran_elsewhere: ["bad_release_held"],
    the_bad_one_ran_nowhere: ["bad_release_held"],
    it_was_held_for_another_reason: ["bad_release_held"],
    it_was_held_by_a_figure_that_is_not_ours: ["bad_release_held"],
    it_was_held_without_a_figure: ["bad_release_held"],
    the_bad_one_is_good_by_our_own_measure: ["bad_release_held"],
    the_bad_one_is_good_by_night: ["bad_release_held"],
    one_runs_it_still: ["on_approved", "rolled_back"],
    one_has_not_heard_of_the_halt: ["rolled_back"],
    it_begins_with_the_halted_one: ["stays_back"],
    it_runs_the_halted_one_for_a_moment: ["stays_back"],
    it_took_too_long: ["rollout_time"],
}


def judged_with(flaw: Callable[[Run], None] | None) -> dict[str, bool]:
    run = Run()
    if flaw is not None:
        flaw(run)
    return holding(run.judge())


@pytest.mark.parametrize(("flaw", "failed"), FLAWS.items(), ids=[flaw.__name__ for flaw in FLAWS])
def test_a_flaw_fails_its_claim(run: Run, flaw: Callable[[Run], None], failed: list[str]) -> None:
    flaw(run)
    assert run.judged() == failed


@pytest.mark.parametrize("box", [NAMES[0], NAMES[7]])
def test_a_silent_box_proves_nothing(run: Run, box: str) -> None:
    everywhere = {name: {"running": GOOD, "proven": True} for name in NAMES}
    assert is_everywhere(run.good, everywhere)
    assert is_gone(run.bad, GOOD, run.after)
    del everywhere[box], run.after[box]
    assert not is_everywhere(run.good, everywhere)
    assert not is_gone(run.bad, GOOD, run.after)
    assert run.judged() == ["on_approved", "rolled_back"]


def test_what_is_not_proven_or_not_reported_is_not_everywhere(run: Run) -> None:
    everywhere = {name: {"running": GOOD, "proven": True} for name in NAMES}
    everywhere[NAMES[2]]["proven"] = False
    assert not is_everywhere(run.good, everywhere)
    everywhere[NAMES[2]]["proven"] = True
    run.good.reports[NAMES[2]] = ("started", None)
    assert not is_everywhere(run.good, everywhere)


def test_names_of_models_decide_nothing(run: Run) -> None:
    run.good.version, run.bad.version = run.bad.version, run.good.version
    assert run.judged() == []


def test_a_box_that_was_killed_keeps_what_was_seen_before() -> None:
    trial = rolled_out(GOOD)
    before = dict(trial.ran_ns)
    trial.note({NAMES[0]: {"ran": [[GOOD, s(99)]], "open": 2}}, s(100), s(100))
    assert trial.ran_ns == before
    assert trial.offences[NAMES[0]] == 1
