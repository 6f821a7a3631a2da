"""The guide "ship a model to a fleet": its files are read, its commands exist as they are typed."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from mesh.cli.app import app
from mesh.orchestration.rollout_file import parse_rollout_file
from tests.docs.pages import ROOT, blocks

PAGE = "docs/ship-a-model.md"
BLOCKS = blocks(PAGE)
TYPED = [
    (block.where, line)
    for block in BLOCKS
    if not block.language
    for line in block.code.splitlines()
]
THEIRS = "play"
"""The folder of the reader's own fleet."""
USAGE = typer.BadParameter.__base__
"""What is raised for a command line that cannot be read."""


def parsed(line: str) -> tuple[str, dict[str, object]]:
    """The command that a line names, and what its options and arguments were read as."""
    words = shlex.split(line)
    assert words.pop(0) == "mesh"
    command, context = typer.main.get_command(app), None
    while hasattr(command, "commands"):
        name = words.pop(0)
        command = command.commands[name]
    context = command.make_context(name, words)
    return command.name or "", context.params


@pytest.mark.parametrize(("where", "line"), TYPED, ids=[line for _, line in TYPED])
def test_a_command_of_the_guide_is_one_with_these_options(where: str, line: str):
    _, values = parsed(line)
    for value in values.values():
        if isinstance(value, Path) and value.parts[0] != THEIRS:
            assert (ROOT / value).is_file(), f"{where}: {value} is not there"


def test_a_command_that_does_not_exist_is_found_out():
    assert USAGE is not None
    with pytest.raises(KeyError):
        parsed("mesh rollout stop x")
    for line in ("mesh apply --file x --force", "mesh explain"):
        with pytest.raises(USAGE):
            parsed(line)


def test_the_guide_walks_through_the_whole_life_of_a_rollout():
    said = [parsed(line)[0] for _, line in TYPED]
    order = ["dev", "build", "sign", "diff", "apply", "pause", "resume", "undo", "approve-model"]
    assert [name for name in dict.fromkeys(said) if name in order] == order


def test_the_rollout_files_of_the_guide_are_read():
    files = [block for block in BLOCKS if block.language == "yaml"]
    rollouts = [parse_rollout_file(block.code.encode(), block.where) for block in files]
    good, bad = rollouts
    assert (good.metadata.name, bad.metadata.name) == ("detector-v1.4", "detector-v1.5")
    assert good.spec.cohort == bad.spec.cohort
    assert good.spec.gate == bad.spec.gate
    assert good.spec.artifact != bad.spec.artifact


def test_every_command_that_its_prose_names_exists():
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    named = re.findall(r"`mesh ((?:artifact |authority |get |rollout )?[a-z-]+)`", text)
    assert named
    for words in named:
        command = typer.main.get_command(app)
        for word in words.split():
            command = command.commands[word]
