"""What `make test` takes for red."""

import re

import pytest

from tests import conftest
from tests.repo.tree import ROOT
from tools.run_tests import DRAWN, FACES, FLOORS, IMPURE, LIVE, problems_of

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
    paths = (*FLOORS.values(), *IMPURE, *DRAWN, *FACES, *LIVE)
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert not missing, f"name what is there in tools/run_tests.py: {missing}"


def test_whatever_is_live_is_where_the_last_pass_looks():
    """What is marked elsewhere would never run: the first passes leave it out, too."""
    marked = re.compile(r"^[ \t]*(?:@pytest\.mark\.live|pytestmark = .*\blive\b)", re.MULTILINE)
    live = {path for path in (ROOT / "tests").rglob("test_*.py") if marked.search(path.read_text())}
    live |= {path for folder in conftest.LIVE for path in folder.rglob("test_*.py")}
    places = [ROOT / path for path in LIVE]
    lost = [path for path in live if not any(path.is_relative_to(place) for place in places)]
    assert not lost, f"name them in LIVE of tools/run_tests.py: {lost}"
    assert len(live) > len(LIVE)
