"""A flawless partition passes every claim of the fourth act, and each flaw fails its own claim."""

from collections.abc import Callable
from copy import deepcopy

import pytest

from mesh.demo.acts.partition_verdict import unheard, who_know
from mesh.demo.scenes import CLEAR
from tests.unit.demo.flawless_partition import (
    AGREED_NS,
    FAR,
    HEALED_NS,
    KEYS,
    LEFT,
    NEAR,
    REVOKED,
    SEEN_FRAME,
    SIDE,
    Run,
    flawless,
)
from tests.unit.demo.planted import holding

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


def one_does_not_see_all(run: Run) -> None:
    run.standing[NEAR]["seen"].remove(KEYS[FAR])


def one_is_not_heard_before(run: Run) -> None:
    run.before[NEAR]["notices"].pop()


def one_does_not_see_all_again(run: Run) -> None:
    del run.meeting[FAR]


def one_is_not_heard_again(run: Run) -> None:
    run.after[FAR]["notices"].pop(0)


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


def one_camera_is_silent(run: Run) -> None:
    """Nobody hears or does anything about what stands before it, nor counts it as missed."""
    box = SIDE.cameras[0]
    events = {row["event"] for row in run.sides[box]["published"]}
    for report in run.sides.values():
        for name in ("published", "entered"):
            report[name] = [row for row in report[name] if row["event"] not in events]
        report["requests"] = [row for row in report["requests"] if row["incident"] not in events]


def all_are_silent(run: Run) -> None:
    for report in run.sides.values():
        report |= {"published": [], "entered": [], "requests": []}


def camera_only_goes_on(run: Run) -> None:
    """It publishes events of an incident that it never announced."""
    run.sides[SIDE.cameras[0]]["published"][0]["incident"] = b"another"


def nothing_was_shown(run: Run) -> None:
    for truth in run.truths.values():
        truth[:] = CLEAR


def far_bank_was_shown_nothing(run: Run) -> None:
    for box in set(SIDE.cameras) & set(SIDE.far):
        run.truths[box][:] = CLEAR
    bank_is_blind(run)


def box_sees_what_is_not_there(run: Run) -> None:
    box = SIDE.cameras[0]
    run.react(box, run.tell(box, 3, SEEN_FRAME - 1))


def incident_is_announced_twice(run: Run) -> None:
    box = SIDE.cameras[0]
    run.react(box, run.tell(box, 3, SEEN_FRAME + 6))


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
        rows = run.after[box]["notices"]
        run.after[box]["notices"] = [row for row in rows if row[0] not in run.said]


def revoked_falls_silent(run: Run) -> None:
    run.said = {event: ns for event, ns in run.said.items() if ns <= AGREED_NS}


def near_box_believes(run: Run) -> None:
    run.after[NEAR]["notices"].append([next(iter(run.said)), HEALED_NS])


FLAWS = {
    one_does_not_see_all: ["banks_stand"],
    one_is_not_heard_before: ["bridges_carry"],
    one_does_not_see_all_again: ["banks_meet"],
    one_is_not_heard_again: ["bridges_carry_again"],
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
    one_camera_is_silent: ["both_banks_see", "both_banks_react"],
    all_are_silent: ["both_banks_see", "heard_inside", "both_banks_react"],
    camera_only_goes_on: ["both_banks_see", "both_banks_react"],
    nothing_was_shown: ["both_banks_see", "both_banks_react"],
    far_bank_was_shown_nothing: ["both_banks_see", "both_banks_react"],
    box_sees_what_is_not_there: ["both_banks_react"],
    incident_is_announced_twice: ["both_banks_react"],
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
    one_box_is_silent: ["sides_report", "heard_inside", "both_banks_react"],
}


def judged_with(flaw: Callable[[Run], None] | None) -> dict[str, bool]:
    run = deepcopy(FLAWLESS)
    if flaw is not None:
        flaw(run)
    return holding(run.judge())


@pytest.mark.parametrize(("flaw", "failed"), FLAWS.items(), ids=[flaw.__name__ for flaw in FLAWS])
def test_a_flaw_fails_its_claim(run: Run, flaw: Callable[[Run], None], failed: list[str]) -> None:
    flaw(run)
    assert run.judged() == failed


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
