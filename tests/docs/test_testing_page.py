"""The page about testing: its tests pass as they stand there, and a broken one says how."""

import re
from inspect import iscoroutinefunction
from pathlib import Path

import pytest

from mesh.testing import Fleet
from mesh.testing.live.fleet import LiveFleet
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


def test_the_test_of_an_application_with_tasks_is_short_and_passes(tmp_path: Path):
    status, told = session(tmp_path, PYTHON[1].code, "-W", "error", "-p", "pytest_trio.plugin")
    assert (status, "1 passed" in told) == (0, True), told
    body = PYTHON[1].code.partition("async def test_")[2]
    assert body.count("\n") <= LINES_MAX


def test_an_application_that_is_broken_on_purpose_fails_it(tmp_path: Path):
    code = PYTHON[1].code.replace("if seen.claim():", "if not seen.claim():")
    status, told = session(tmp_path, code, "-p", "pytest_trio.plugin")
    assert status == 1
    assert re.search(r"^again: pytest test_own.py::test_a_guide\w+ --mesh-seed \d+$", told, re.M)
    assert "north/box-1 dies" in told


@pytest.mark.parametrize("block", PYTHON[2:4], ids=["chaos", "hypothesis"])
def test_what_is_drawn_by_chance_passes(block: Block, tmp_path: Path):
    status, told = session(tmp_path, block.code)
    assert (status, "1 passed" in told) == (0, True), told


def verbs() -> set[str]:
    """What the table says that a fleet can do."""
    rows = [line for line in (ROOT / PAGE).read_text().splitlines() if line.startswith("| `fleet.")]
    return {name for row in rows for name in re.findall(r"`fleet\.(\w+)", row)}


def test_each_thing_a_fleet_can_do_is_there():
    assert len(verbs()) > 20
    fleet = Fleet(boxes=1)
    assert not [name for name in verbs() if not hasattr(fleet, name)]


def test_a_live_fleet_has_the_verbs_that_the_page_says():
    text = (ROOT / PAGE).read_text()
    told = re.search(r"the table above but ([^,]+, [^()]+), with `await` where[^(]+\(([^)]+)", text)
    assert told, "the page says which verbs are missing, and which wait"
    missing, waits = (set(re.findall(r"`(\w+)`", words)) for words in told.groups())
    named = verbs() - {"deliveries"} | {"stand"}
    has = {name for name in named if hasattr(LiveFleet, name)}
    assert named - has == missing
    assert {name for name in has if iscoroutinefunction(getattr(LiveFleet, name))} == waits
