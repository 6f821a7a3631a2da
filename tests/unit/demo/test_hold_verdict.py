"""A rollout that holds where it must passes every claim, and each flaw fails its own claim."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest

from identity.keys import SecretKey
from mesh.demo.acts.hold_deed import panel_text
from mesh.demo.acts.hold_verdict import (
    OPEN_S,
    SOAKS_MS,
    Held,
    Trial,
    is_complete,
    is_soaked,
    is_under_way,
    judge_completed,
    judge_gone_on,
    judge_held,
    judge_once,
    judge_under_way,
    went_on,
)
from mesh.demo.acts.riverside import riverside
from mesh.demo.city.generator import generate_city
from mesh.demo.claims import Claims
from mesh.orchestration.blob_tree import reference_of
from mesh.orchestration.cohort import Cohort
from mesh.orchestration.sight import Sight, is_partitioned
from mesh.units import SECOND
from tests.unit.demo.planted import holding, silent_claims

KEY = SecretKey.from_seed(bytes(range(32)))
SIDE = riverside(generate_city(247))
DIGEST = reference_of(panel_text(SIDE, KEY).raw).digest
TRIAL = Trial(SIDE, DIGEST, bytes(16))
FIRST = TRIAL.cohort.stage(0)
NEAR, REVOKED = TRIAL.near[0], SIDE.revoked
(FAR,) = (box for box in TRIAL.far if box != REVOKED)
SOAK_NS, BEGAN_NS, CUT_NS = SOAKS_MS[0] * 1_000_000, 3 * SECOND, 4 * SECOND
NOW_NS = BEGAN_NS + SOAK_NS + round(OPEN_S * SECOND)

Answers = dict[str, dict[str, Any]]


def answer(box: str, running: bool, good: tuple[str, ...], **more: object) -> dict[str, Any]:
    return {
        "running": DIGEST if running else b"delivered",
        "proven": True,
        "shown": [DIGEST] if running else [],
        "attempt": int(running),
        "open": [0],
        "partitioned": False,
        "soak_began_ns": BEGAN_NS,
        "reports": {name: ["good", 1] for name in good},
        **more,
    }


@dataclass
class Run:
    """What the boxes say at each turn; flawless until it is doctored."""

    before: Answers = field(
        default_factory=lambda: {box: answer(box, box in FIRST, FIRST) for box in SIDE.panels}
    )
    during: Answers = field(
        default_factory=lambda: {
            box: answer(box, True, TRIAL.near, open=[0, 1, 2])
            if box in TRIAL.near
            else answer(box, False, FIRST, partitioned=True)
            for box in SIDE.panels
        }
    )
    after: Answers = field(
        default_factory=lambda: {
            box: answer(box, True, TRIAL.current, open=[0, 2])
            if box != REVOKED
            else answer(box, False, FIRST, partitioned=True)
            for box in SIDE.panels
        }
    )
    took_s: float | None = 4.8
    now_ns: int = NOW_NS
    outcome: Held = field(default_factory=Held)

    def judge(self) -> Claims:
        claims = silent_claims()
        judge_under_way(TRIAL, self.before, self.outcome, claims)
        judge_held(TRIAL, self.during, self.now_ns, CUT_NS, self.outcome, claims)
        judge_gone_on(TRIAL, self.during, self.outcome, claims)
        judge_completed(TRIAL, self.after, self.took_s, self.outcome, claims)
        judge_once(TRIAL, self.after, self.outcome, claims)
        return claims

    def judged(self) -> list[str]:
        return self.judge().failed


def test_a_flawless_rollout_passes_and_is_counted():
    run = Run()
    assert run.judged() == []
    assert run.outcome == Held(
        boxes=6, open_at_cut=2, went_on=4, held=2,
        soak_over_s=SOAKS_MS[0] / 1000 - 1, heal_to_complete_s=4.8, attempts_max=1,
    )  # fmt: skip
    assert is_under_way(TRIAL, run.before)
    assert is_complete(TRIAL, run.after)


def stage_opens_before(run: Run) -> None:
    run.before[NEAR]["open"] = [0, 1]


def first_stage_does_not_run(run: Run) -> None:
    run.before[FIRST[0]]["running"] = b"delivered"


def soak_does_not_run(run: Run) -> None:
    del run.before[FAR]["soak_began_ns"]


def box_does_not_know(run: Run) -> None:
    run.before[FAR]["reports"] = {}


def far_box_opens(run: Run) -> None:
    run.during[FAR]["open"] = [0, 1]


def far_box_swaps(run: Run) -> None:
    run.during[REVOKED]["shown"] = [DIGEST]


def far_box_sees_no_partition(run: Run) -> None:
    run.during[FAR]["partitioned"] = False


def far_soak_runs_still(run: Run) -> None:
    run.now_ns -= 1


def far_gate_never_passed(run: Run) -> None:
    del run.during[REVOKED]["soak_began_ns"]


def far_box_is_silent(run: Run) -> None:
    del run.during[FAR]


def near_box_holds(run: Run) -> None:
    run.during[NEAR] = answer(NEAR, False, FIRST)


def near_box_is_forced(run: Run) -> None:
    run.during[NEAR]["partitioned"] = True


def near_box_is_unproven(run: Run) -> None:
    run.during[NEAR]["proven"] = False


def near_box_skips_its_gate(run: Run) -> None:
    run.during[NEAR]["open"] = [0, 1]


def far_box_stays_behind(run: Run) -> None:
    run.after[FAR]["running"] = b"delivered"


def word_of_one_is_lacking(run: Run) -> None:
    del run.after[NEAR]["reports"][FAR]


def word_of_one_is_bad(run: Run) -> None:
    run.after[NEAR]["reports"][FAR] = ["failed", 1]


def heal_takes_for_ever(run: Run) -> None:
    run.took_s = None


def box_tries_twice(run: Run) -> None:
    run.after[NEAR]["attempt"] = 2


def box_swaps_twice(run: Run) -> None:
    run.after[FAR]["shown"] = [DIGEST, DIGEST]


def stage_opens_twice(run: Run) -> None:
    run.after[NEAR]["open"] = [0, 2, 2]


def revoked_box_runs_it(run: Run) -> None:
    run.after[REVOKED]["shown"] = [DIGEST]


def revoked_box_is_silent(run: Run) -> None:
    del run.after[REVOKED]


FLAWS = {
    stage_opens_before: ["rollout_under_way"],
    first_stage_does_not_run: ["rollout_under_way"],
    soak_does_not_run: ["rollout_under_way"],
    box_does_not_know: ["rollout_under_way"],
    far_box_opens: ["rollout_holds"],
    far_box_swaps: ["rollout_holds"],
    far_box_sees_no_partition: ["rollout_holds"],
    far_soak_runs_still: ["rollout_holds"],
    far_gate_never_passed: ["rollout_holds"],
    far_box_is_silent: ["rollout_holds"],
    near_box_holds: ["rollout_goes_on"],
    near_box_is_forced: ["rollout_goes_on"],
    near_box_is_unproven: ["rollout_goes_on"],
    near_box_skips_its_gate: ["rollout_goes_on"],
    far_box_stays_behind: ["rollout_completes"],
    word_of_one_is_lacking: ["rollout_completes"],
    word_of_one_is_bad: ["rollout_completes"],
    heal_takes_for_ever: ["rollout_completes"],
    box_tries_twice: ["promoted_once"],
    box_swaps_twice: ["promoted_once"],
    stage_opens_twice: ["promoted_once"],
    revoked_box_runs_it: ["promoted_once"],
    revoked_box_is_silent: ["promoted_once"],
}


def judged_with(flaw: Callable[[Run], None] | None) -> dict[str, bool]:
    run = Run()
    if flaw is not None:
        flaw(run)
    return holding(run.judge())


@pytest.mark.parametrize(("flaw", "failed"), FLAWS.items(), ids=[flaw.__name__ for flaw in FLAWS])
def test_a_flaw_fails_its_claim(flaw: Callable[[Run], None], failed: list[str]):
    run = Run()
    flaw(run)
    assert run.judged() == failed


def test_silence_proves_nothing():
    run = Run(before={}, during={}, after={})
    assert run.judged() == [
        "rollout_under_way", "rollout_holds", "rollout_goes_on", "rollout_completes",
        "promoted_once",
    ]  # fmt: skip
    assert not is_soaked(TRIAL, {}, NOW_NS)
    assert went_on(TRIAL, {}) == []


def test_a_far_soak_that_ends_later_is_waited_for():
    during = deepcopy(Run().during)
    assert is_soaked(TRIAL, during, NOW_NS)
    during[FAR]["soak_began_ns"] += 1
    assert not is_soaked(TRIAL, during, NOW_NS)


@pytest.mark.parametrize("seed", [247, 1, 2, 11, 101])
def test_by_the_rule_one_bank_goes_on_and_the_other_holds_on_any_seed(seed: int):
    side = riverside(generate_city(seed))
    left = [box for box in side.panels if box != side.revoked]
    near, far = (Sight(seen=frozenset(bank)) for bank in (side.near, side.far))
    assert (len(side.panels), side.revoked in side.panels) == (6, True)
    assert not is_partitioned(left, near)
    assert is_partitioned(side.panels, near), "before the revocation is known"
    assert is_partitioned(side.panels, far)
    assert is_partitioned(left, far)


@pytest.mark.parametrize("seed", [247, 1, 2, 11, 101])
def test_the_text_is_ranked_so_that_the_near_bank_needs_nobody_of_the_far_one(seed: int):
    side = riverside(generate_city(seed))
    digest = reference_of(panel_text(side, KEY).raw).digest
    cohort: Cohort = Trial(side, digest, b"").cohort
    assert cohort.sizes == (2, 4, 6)
    assert set(cohort.stage(0)) < set(side.near)
    assert {box for box in cohort.stage(1) if box in side.far} <= {side.revoked}
