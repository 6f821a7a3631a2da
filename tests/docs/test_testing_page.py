"""The page about testing: its tests pass as they stand there, and a broken one says how."""

import re
from pathlib import Path

import pytest

from mesh.testing import Fleet
from tests.docs.pages import ROOT, Block, blocks
from tests.unit.testing.sessions import session

PAGE = "docs/testing.md"
PYTHON = [block for block in blocks(PAGE) if block.language == "python"]
LINES_MAX = 15
"""Of the body of the first test, the event type included."""


def test_the_first_test_is_short_and_passes(tmp_path: Path):
    status, told = session(tmp_path, PYTHON[0].code, "-W", "error")
    assert (status, "1 passed" in told) == (0, True), told
    body = PYTHON[0].code.partition("def test_")[2]
    assert body.count("\n") <= LINES_MAX


def test_it_fails_where_something_is_broken_on_purpose_and_says_how_to_see_it_again(tmp_path: Path):
    code = PYTHON[0].code.replace('events=["parking.*"]', 'events=["traffic.*"]')
    status, told = session(tmp_path, code)
    assert status == 1
    assert re.search(r"^again: pytest test_own.py::test_a_bank\w+ --mesh-seed \d+$", told, re.M)
    assert "north/box-2 cut off" in told


@pytest.mark.parametrize("block", PYTHON[1:3], ids=["chaos", "hypothesis"])
def test_what_is_drawn_by_chance_passes(block: Block, tmp_path: Path):
    status, told = session(tmp_path, block.code)
    assert (status, "1 passed" in told) == (0, True), told


def test_each_thing_a_fleet_can_do_is_there():
    rows = [line for line in (ROOT / PAGE).read_text().splitlines() if line.startswith("| `fleet.")]
    named = {name for row in rows for name in re.findall(r"`fleet\.(\w+)", row)}
    assert len(named) > 20
    fleet = Fleet(boxes=1)
    assert not [name for name in named if not hasattr(fleet, name)]
