"""A flawless partition passes every claim of the fourth act, and each flaw fails its own claim."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest

from mesh.demo.city import generate_city
from mesh.demo.city_model import ground_distance_m
from mesh.demo.claims import Claims
from mesh.demo.expectation import RADIUS_M
from mesh.demo.partition_losses import Exposure, judge_events, judge_exposure, judge_facts
from mesh.demo.partition_verdict import (
    Outcome,
    agree,
    is_cut,
    judge_sides,
    judge_word,
    unheard,
    who_know,
)
from mesh.demo.plan import ScenePlan
from mesh.demo.riverside import Riverside, plan_riverside, reactions_on_bank, riverside
from mesh.units import SECOND

REVOKED_NS, HEALED_NS, AGREED_NS = 2 * SECOND, 13 * SECOND, 14 * SECOND
SAID_EVERY_NS = SECOND // 2

SIDE = riverside(generate_city(247))
PLAN: ScenePlan = plan_riverside(SIDE, 247)
KEYS = {box: sha256(box.encode()).digest() for box in SIDE.boxes}
REVOKED = KEYS[SIDE.revoked]
LEFT = [box for box in SIDE.boxes if box != SIDE.revoked]
NEAR, FAR = SIDE.near[0], next(box for box in SIDE.far if box != SIDE.revoked)

Answers = dict[str, dict[str, Any]]


@dataclass
class Run:
    """What the boxes say at each turn of the act; flawless until it is doctored."""

    links: Answers = field(default_factory=dict)
    sides: Answers = field(default_factory=dict)
    views: Answers = field(default_factory=dict)
    healed: Answers = field(default_factory=dict)
    held: Answers = field(default_factory=dict)
    kept: Answers = field(default_factory=dict)
    before: Answers = field(default_factory=dict)
    after: Answers = field(default_factory=dict)
    spoken: dict[str, int] = field(default_factory=dict)
    said: dict[bytes, int] = field(default_factory=dict)
    side: Riverside = SIDE
    outcome: Outcome = field(default_factory=Outcome)

    def judged(self) -> list[str]:
        """Judge it; returns the claims that failed, and what else is not so."""
        claims = Claims(keep_going=True, say=lambda name, held, sentence: None)
        claims.check("cut", is_cut(SIDE, KEYS, self.links), "")
        judge_word(SIDE, REVOKED, self.views, claims)
        notices = dict.fromkeys(self.said, SIDE.revoked)
        judge_sides(SIDE, PLAN, self.sides, notices, self.outcome, claims)
        claims.check("agreed", agree(SIDE, REVOKED, self.healed), "")
        judge_facts(SIDE, REVOKED, self.held, self.kept, self.outcome, claims)
        judge_events(SIDE, KEYS, self.spoken, self.before, self.after, self.outcome, claims)
        exposure = Exposure(self.said, REVOKED_NS, HEALED_NS, AGREED_NS)
        judge_exposure(SIDE, exposure, self.after, self.outcome, claims)
        return claims.failed

    def see(self, box: str) -> None:
        """Let a camera box publish two events of one incident, heard and answered on its bank."""
        first = f"{box}/1".encode()
        here = SIDE.city.place(box).position
        for number in (1, 2):
            event = f"{box}/{number}".encode()
            self.sides[box]["published"].append({"event": event, "incident": first})
            for other in SIDE.bank(box):
                far = ground_distance_m(here, SIDE.city.place(other).position) > RADIUS_M
                if other != box and not far:
                    self.sides[other]["entered"].append({"event": event})
        for one in reactions_on_bank(SIDE.city, box):
            row = {"incident": first, "kind": one.kind, "seconds_ms": round(one.seconds * 1000)}
            self.sides[one.box]["requests"].append(row)


def flawless() -> Run:
    run = Run()
    run.said = {f"still me {n}".encode(): n * SAID_EVERY_NS for n in range(1, 36)}
    revoked_word = [REVOKED, 1, 0]
    for number, box in enumerate(SIDE.boxes):
        near, across = box in SIDE.near, [KEYS[other] for other in SIDE.across(box)]
        bank = [KEYS[other] for other in SIDE.bank(box) if other not in (box, SIDE.revoked)]
        run.links[box] = {
            "links": [{"peer": key, "class": "member"} for key in bank],
            "seen": bank,
            "dark": [],
            "unknown": [key for key in across if key != REVOKED],
        }
        lists = ("published", "entered", "requests", "notices")
        run.sides[box] = {name: [] for name in lists}
        run.views[box] = {"digest": b"near" if near else b"far", "holders": [[REVOKED, 1, True]]}
        if near:
            run.views[box]["holders"] = [[REVOKED, 1, False]]
        run.healed[box] = {"digest": b"all", "holders": []}
        heads = [[KEYS[other], 1, 5] for other in SIDE.boxes if other != SIDE.revoked]
        lasting = [b"genesis", b"revocation"] if near else [b"genesis"]
        run.held[box] = {"lasting": lasting, "heads": [*heads[: number + 1], revoked_word]}
        run.kept[box] = {"lasting": [b"genesis", b"revocation"], "heads": heads}
        run.before[box] = {"missed": [[key, 3] for key in across]}
        believed = {event: ns for event, ns in run.said.items() if ns < HEALED_NS + SECOND // 4}
        run.after[box] = {"missed": [], "notices": []}
        if not near:
            run.after[box]["notices"] = [[event, ns + 1] for event, ns in believed.items()]
            run.sides[box]["notices"] = list(run.after[box]["notices"])
    for box in SIDE.cameras:
        run.see(box)
    run.spoken = {box: len(run.sides[box]["published"]) for box in SIDE.boxes}
    for box in SIDE.boxes:
        run.after[box]["missed"] = [
            [KEYS[other], 3 + run.spoken[other]] for other in SIDE.across(box)
        ]
    return run


FLAWLESS = flawless()


@pytest.fixture
def run() -> Run:
    return deepcopy(FLAWLESS)


def test_a_flawless_partition_passes(run: Run) -> None:
    assert run.judged() == []
    outcome = run.outcome
    assert (outcome.events_inside_sides, outcome.entries_lost) == (2 * len(SIDE.cameras), 0)
    receivers = len(SIDE.near), len(SIDE.far) - 1  # of either bank's four events
    assert outcome.events_lost == 4 * sum(receivers)
    assert outcome.exposure_s == pytest.approx(11.0)
    assert outcome.exposure_healed_s == pytest.approx(0.0)


def link(run: Run) -> None:
    run.links[NEAR]["links"].append({"peer": KEYS[FAR], "class": "member"})


def see_across(run: Run) -> None:
    run.links[NEAR]["seen"].append(KEYS[FAR])


def forget_the_far_bank(run: Run) -> None:
    run.links[NEAR]["unknown"].remove(KEYS[FAR])


def box_is_silent_of_links(run: Run) -> None:
    del run.links[FAR]


def near_box_does_not_know(run: Run) -> None:
    run.views[NEAR]["holders"] = [[REVOKED, 1, True]]


def far_box_knows(run: Run) -> None:
    run.views[FAR]["holders"] = []


def view_is_silent(run: Run) -> None:
    del run.views[NEAR]


def event_crosses(run: Run) -> None:
    seer = next(box for box in SIDE.cameras if box in SIDE.far)
    run.sides[NEAR]["entered"].append({"event": f"{seer}/2".encode()})


def notice_crosses(run: Run) -> None:
    run.sides[NEAR]["notices"].append([next(iter(run.said)), 1])


def event_is_not_heard(run: Run) -> None:
    seer = SIDE.cameras[0]
    other = next(box for box in SIDE.bank(seer) if run.sides[box]["entered"])
    run.sides[other]["entered"].pop()


def box_does_not_react(run: Run) -> None:
    next(report for report in run.sides.values() if report["requests"])["requests"].pop()


def box_reacts_twice(run: Run) -> None:
    rows = next(report for report in run.sides.values() if report["requests"])["requests"]
    rows.append(rows[0])


def bank_is_blind(run: Run) -> None:
    for box in SIDE.far:
        run.sides[box] |= {"published": [], "entered": [], "requests": []}


def one_box_is_silent(run: Run) -> None:
    del run.sides[SIDE.boxes[-1]]


def views_differ(run: Run) -> None:
    run.healed[FAR]["digest"] = b"other"


def revoked_is_current_to_one(run: Run) -> None:
    run.healed[FAR]["holders"] = [[REVOKED, 1, True]]


def one_has_no_view(run: Run) -> None:
    del run.healed[FAR]


def revocation_is_lost_to_one(run: Run) -> None:
    run.kept[FAR]["lasting"].remove(b"revocation")


def word_is_older_to_one(run: Run) -> None:
    run.kept[FAR]["heads"][0] = [*run.kept[FAR]["heads"][0][:2], 4]


def nothing_was_held(run: Run) -> None:
    for held in run.held.values():
        held["lasting"] = []


def holdings_are_silent(run: Run) -> None:
    del run.held[FAR]


def loss_is_not_counted(run: Run) -> None:
    seer = next(box for box in SIDE.cameras if box in SIDE.far and box != SIDE.revoked)
    rows = run.after[NEAR]["missed"]
    next(row for row in rows if row[0] == KEYS[seer])[1] -= 1


def nothing_was_lost(run: Run) -> None:
    run.spoken = {}
    for box, report in run.after.items():
        report["missed"] = run.before[box]["missed"]


def revoked_is_believed_too_long(run: Run) -> None:
    event = next(event for event, ns in run.said.items() if ns > AGREED_NS)
    run.after[FAR]["notices"].append([event, run.said[event]])


def revoked_was_never_believed(run: Run) -> None:
    for box in SIDE.far:
        run.after[box]["notices"] = []


def revoked_falls_silent(run: Run) -> None:
    run.said = {event: ns for event, ns in run.said.items() if ns <= AGREED_NS}


def near_box_believes(run: Run) -> None:
    run.after[NEAR]["notices"].append([next(iter(run.said)), HEALED_NS])


FLAWS = {
    link: ["cut"],
    see_across: ["cut"],
    forget_the_far_bank: ["cut"],
    box_is_silent_of_links: ["cut"],
    near_box_does_not_know: ["word_stays"],
    far_box_knows: ["word_stays"],
    view_is_silent: ["word_stays"],
    event_crosses: ["nothing_crossed"],
    notice_crosses: ["nothing_crossed"],
    event_is_not_heard: ["heard_inside"],
    box_does_not_react: ["both_banks_react"],
    box_reacts_twice: ["both_banks_react"],
    bank_is_blind: ["both_banks_see", "both_banks_react"],
    views_differ: ["agreed"],
    revoked_is_current_to_one: ["agreed"],
    one_has_no_view: ["agreed"],
    revocation_is_lost_to_one: ["facts_lost"],
    word_is_older_to_one: ["facts_lost"],
    nothing_was_held: ["facts_lost"],
    holdings_are_silent: ["facts_lost"],
    loss_is_not_counted: ["events_counted"],
    nothing_was_lost: ["events_counted"],
    revoked_is_believed_too_long: ["exposure_ends"],
    revoked_was_never_believed: ["exposure_ends"],
    revoked_falls_silent: ["exposure_ends"],
    near_box_believes: ["near_bank_refuses"],
}


@pytest.mark.parametrize(("flaw", "failed"), FLAWS.items(), ids=[flaw.__name__ for flaw in FLAWS])
def test_a_flaw_fails_its_claim(run: Run, flaw: Callable[[Run], None], failed: list[str]) -> None:
    flaw(run)
    assert run.judged() == failed


def test_a_silent_box_fails_the_sides(run: Run) -> None:
    one_box_is_silent(run)
    assert "sides_report" in run.judged()


def test_what_is_lost_is_counted_once(run: Run) -> None:
    for box in LEFT:
        run.kept[box]["lasting"].remove(b"genesis")
    run.judged()
    assert run.outcome.entries_lost == 1


def test_a_word_of_the_revoked_about_itself_is_no_loss(run: Run) -> None:
    assert any(row[0] == REVOKED for row in run.held[NEAR]["heads"])
    assert not any(row[0] == REVOKED for row in run.kept[NEAR]["heads"])
    assert run.judged() == []


def test_who_spoke_unheard_is_named() -> None:
    said = {"a": b"1", "b": b"2", "c": b"3"}
    reports = {box: {"notices": [[event, 5] for event in said.values()]} for box in said}
    assert unheard(tuple(said), said, reports) == []
    reports["b"]["notices"].pop(0)
    assert unheard(tuple(said), said, reports) == ["a"]
    assert unheard(("a", "b", "c", "d"), said, reports) == ["a", "b", "c", "d"]


def test_who_know_of_a_revocation() -> None:
    views = {"a": {"holders": [[REVOKED, 1, True]]}, "b": {"holders": [[REVOKED, 1, False]]}}
    assert who_know(REVOKED, {**views, "c": {"holders": []}}) == ["b", "c"]
