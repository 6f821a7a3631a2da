"""The page about scenarios: its example is one, its checkers are those that there are."""

import re

from mesh.testing import CHECKERS, parse_scenario
from mesh.testing.scenarios.library import library
from mesh.testing.scenarios.scenario import Expect
from mesh.testing.scenarios.steps import Step
from tests.docs.pages import ROOT, blocks

PAGE = "docs/scenarios.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")


def test_the_example_is_a_scenario():
    (example,) = [block for block in blocks(PAGE) if block.language == "yaml"]
    scenario = parse_scenario(example.code.encode(), PAGE, checkers=tuple(CHECKERS))
    assert scenario.name == "stolen-box"


def test_each_checker_has_its_paragraph():
    assert set(re.findall(r"^\*\*(\w+)\.\*\*", TEXT, re.MULTILINE)) == set(CHECKERS)


def test_each_step_and_each_count_is_told():
    steps = set(Step.__struct_fields__) - {"at"}
    assert steps <= set(re.findall(r"`(\w+): ", TEXT))
    told = re.findall(r"`(\w+)`", TEXT)
    assert set(Expect.__struct_fields__) <= set(told)


def test_the_histories_that_the_page_names_are_in_the_library():
    section = TEXT.split("## Histories of records", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"\| ([a-z, -]+) \|$", section, re.MULTILINE)
    named = {name for row in rows for name in row.split(", ")} - {"scenario"}
    assert len(named) >= 11
    assert named <= set(library())


def test_the_own_checker_of_the_page_can_be_used(tmp_path):
    (own,) = [block for block in blocks(PAGE) if block.language == "python"]
    names: dict[str, object] = {}
    exec(compile(own.code, own.where, "exec", dont_inherit=True), names)
    text = (
        "name: own\nwhy: a test\nfleet: {boxes: 2}\nsteps: [{run: 2s}, {crash: centre}, {run: 2s}]"
        "\ninvariants: [NobodyIsAlone]\nexpect: {crashes: 1}\n"
    )
    path = tmp_path / "own.yaml"
    path.write_text(text)
    result = names["play"](path)
    assert (result.word, list(result.invariants)) == ("held", ["NobodyIsAlone"])
