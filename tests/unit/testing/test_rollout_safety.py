"""RolloutSafety, move by move: what permits a box to run something, and what does not."""

from dataclasses import replace

import pytest

from mesh.orchestration.intent import Gate, Intent, Stage
from mesh.testing.checkers.rollout_safety import RolloutSafety, ranked_names
from mesh.testing.fleets.sight import Sight
from mesh.testing.fleets.sight_rollouts import Move, Situation

NAMES = frozenset(f"north/box-{number}" for number in range(10))
INTENT = Intent(
    title="v2",
    scope="",
    slot="model/detector",
    artefact=bytes(32),
    size=1,
    tree=bytes(32),
    cohort=bytes(32),
    cohort_size=1,
    cohort_tree=bytes(32),
    count=len(NAMES),
    within="",
    stages=(Stage(250_000), Stage(500_000), Stage(1_000_000)),
    gate=Gate(min_reports_ppm=900_000, success_ppm=990_000),
)
RANKED = ranked_names(INTENT, NAMES)
WHOLE = Situation(
    intent=INTENT,
    names=NAMES,
    current=NAMES,
    seen=NAMES,
    dark=frozenset(),
    promoted=-1,
    opened=-1,
)
HALF = replace(WHOLE, seen=frozenset(RANKED[:5]))


def move(who: str, deed: str, **fields) -> Move:
    given = {"situation": WHOLE, **fields}
    return Move(at_s=1.0, who=who, key=who.encode(), deed=deed, artefact=INTENT.artefact, **given)


def opened(stage: int, situation: Situation = WHOLE, who: str = RANKED[0]) -> Move:
    return move(who, "opened", stage=stage, situation=situation)


def judged(*moves: Move) -> list[str]:
    found = RolloutSafety().look(seen(*moves))
    return [f"{breach.who}: {breach.evidence}" for breach in found]


def seen(*moves: Move) -> Sight:
    return Sight(
        now_s=1.0,
        step="",
        is_last=False,
        is_whole=True,
        is_idle=True,
        calm_s=1.0,
        boxes=[],
        deliveries=[],
        facts=[],
        spoken={},
        moves=moves,
    )


SWAP_OF_THE_THIRD = move(RANKED[2], "swapped")
SWAP_OF_THE_FOURTH = move(RANKED[3], "swapped")
LATE = move("south/box-77", "swapped")


@pytest.mark.parametrize(
    "moves",
    [
        (opened(0), SWAP_OF_THE_THIRD),
        (opened(0), opened(1), SWAP_OF_THE_FOURTH),
        (opened(2), LATE),
        (replace(SWAP_OF_THE_FOURTH, is_approved=True),),
        (move(RANKED[9], "has", situation=None), move(RANKED[9], "swapped", situation=None)),
        (opened(0), move(RANKED[0], "started", situation=replace(HALF, opened=0))),
        (opened(1, replace(HALF, promoted=1)), SWAP_OF_THE_FOURTH),
        (opened(1, replace(HALF, intent=replace(INTENT, on_partition="continue"))),),
        (opened(1, replace(WHOLE, seen=NAMES - set(RANKED[8:]))),),
        (opened(1, replace(WHOLE, seen=NAMES - set(RANKED[6:]), dark=frozenset(RANKED[6:]))),),
    ],
)
def test_what_is_permitted(moves: tuple[Move, ...]):
    assert judged(*moves) == []


@pytest.mark.parametrize(
    ("moves", "told"),
    [
        ((SWAP_OF_THE_THIRD,), "it swapped to v2, and no view had opened a stage of it"),
        ((opened(0), SWAP_OF_THE_FOURTH), "it swapped to v2, and no view had opened a stage of it"),
        ((opened(1), LATE), "it swapped to v2, and no view had opened a stage of it"),
        (
            (opened(0), replace(SWAP_OF_THE_THIRD, is_genuine=False)),
            "its bytes are not those that were signed",
        ),
        (
            (opened(0), replace(SWAP_OF_THE_THIRD, is_withdrawn=True)),
            "it swapped to v2, which it knew to be withdrawn",
        ),
        (
            (opened(1, replace(WHOLE, seen=NAMES - set(RANKED[7:]))),),
            "though it saw 7 of 10 names, 3 unknown",
        ),
        (
            (opened(1, HALF),),
            "it opened stage 1 of v2 though it saw 5 of 10 names, 5 unknown, and its rollout holds",
        ),
        (
            (opened(0), move(RANKED[3], "started", situation=replace(HALF, opened=0))),
            "it started v2, whose stage 1 was not open to it before, though it saw 5 of 10",
        ),
        (
            (move("south/box-77", "started", situation=replace(HALF, opened=1)),),
            "it started v2, whose stage 2 was not open to it before",
        ),
    ],
)
def test_what_is_not(moves: tuple[Move, ...], told: str):
    (found,) = judged(*moves)
    assert told in found
    assert found.startswith(f"{moves[-1].who}: at 1.0 s it ")


def test_only_a_swap_to_what_nobody_approved_is_its_subject():
    checker = RolloutSafety()
    assert checker.subject == 0
    for each, subject in ((opened(0), 0), (SWAP_OF_THE_THIRD, 1)):
        list(checker.look(seen(each)))
        assert checker.subject == subject
    list(checker.look(seen(replace(SWAP_OF_THE_FOURTH, is_approved=True))))
    assert (checker.subject, checker.figures()) == (1, {"unapproved_boxes": 1.0})
