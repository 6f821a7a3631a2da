"""What `make test` takes for red."""

import pytest

from tests.repo.tree import ROOT
from tools.run_tests import FACES, FLOORS, IMPURE, problems_of

COUNTS = {"tests": 3, "failures": 0, "errors": 0, "skipped": 1}


@pytest.mark.parametrize("status", [0, 1, 5])
@pytest.mark.parametrize("skipped", [0, 3])
def test_a_pass_in_which_no_test_ran_is_red(status: int, skipped: int):
    counts = {**COUNTS, "tests": skipped, "skipped": skipped}
    assert problems_of("live", status, counts) == ["no test ran in the live pass"]


def test_a_pass_is_red_when_pytest_says_so():
    assert problems_of("live", 0, COUNTS) == []
    for status in (1, 2, 3, 4):
        assert problems_of("live", status, COUNTS) == ["tests failed in the live pass"]


def test_every_measured_floor_is_there():
    paths = (*FLOORS.values(), *IMPURE, *FACES)
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert not missing, f"name what is there in tools/run_tests.py: {missing}"
