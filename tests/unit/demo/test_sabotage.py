"""The sabotage suite takes no other failure for the one it is after, and no failure for success."""

import pytest

from tools.sabotage import BUSY, CASES, EVENT_ATTACKS, came_out

BY_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize(
    ("code", "failed", "right"),
    [
        (0, [], True),
        (1, [], False),
        (1, ["views_equal"], False),
        (1, ["swap"], False),
        (1, ["processes"], False),
        (1, sorted(BUSY), True),
        (1, ["latency", "receivers"], False),
    ],
)
def test_the_control_must_end_well(code: int, failed: list[str], right: bool) -> None:
    assert came_out(BY_NAME["control"], code, failed) == right


def test_admission_that_accepts_all_must_fail_every_attack_on_it() -> None:
    case = BY_NAME["admission_accepts_all"]
    assert len(EVENT_ATTACKS) == 8
    assert came_out(case, 1, [*EVENT_ATTACKS, "views_equal"])
    assert not came_out(case, 1, EVENT_ATTACKS[1:])


@pytest.mark.parametrize("case", [case for case in CASES if case.claims], ids=lambda c: c.name)
def test_a_broken_thing_must_be_named(case) -> None:
    assert came_out(case, 1, case.claims)
    assert not came_out(case, 0, case.claims)
    assert not came_out(case, 1, ["latency"])
