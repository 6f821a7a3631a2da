"""The README's Python runs as it stands there, and its commands exist."""

import ast
import re
import tomllib
from typing import Any

import pytest
from typer.testing import CliRunner

import mesh
from mesh.cli.app import app
from mesh.testing import Fleet
from tests.docs.pages import ROOT, Block, blocks

README = blocks("README.md")
PYTHON = [block for block in README if block.language == "python"]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md"))


def run(block: Block) -> dict[str, Any]:
    """Execute a block as a module that is imported, not run."""
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block.code, block.where, "exec", dont_inherit=True), names)
    return names


def test_the_example_defines_an_event_and_a_program():
    names = run(PYTHON[0])
    assert names["NearMiss"]("van", 0.9).kind == "van"
    assert callable(names["main"])


def test_the_example_uses_only_public_names():
    used = {
        node.attr
        for node in ast.walk(ast.parse(PYTHON[0].code + PYTHON[1].code))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "mesh"
    }
    assert used <= set(mesh.__all__)


def test_the_partition_test_of_the_readme_passes():
    names = run(PYTHON[2])
    fleet = Fleet(seed=1)
    fleet.stand()
    names["test_a_split_city_agrees_again"](fleet)


def test_every_python_block_of_the_readme_is_run_by_a_test():
    assert len(PYTHON) == 3, "run the new block in a test of its own"


@pytest.mark.parametrize(
    "block", [b for page in PAGES for b in blocks(page)], ids=lambda b: b.where
)
def test_blocks_in_the_other_pages_are_well_formed(block: Block):
    if block.language == "python":
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        compile(block.code, block.where, "exec", flags=flags, dont_inherit=True)
    elif block.language == "toml":
        tomllib.loads(block.code)


def test_the_override_of_the_readme_is_ours():
    (told,) = (tomllib.loads(block.code) for block in README if block.language == "toml")
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert (
        ours["tool"]["uv"]["override-dependencies"] == told["tool"]["uv"]["override-dependencies"]
    )


def test_every_mesh_command_of_the_readme_exists():
    shell = "\n".join(block.code for block in README if not block.language)
    commands = sorted(set(re.findall(r"\bmesh ((?:authority |box |get )?[a-z-]+)\b", shell)))
    assert commands, "the README tells no command"
    for command in commands:
        asked = CliRunner().invoke(app, [*command.split(), "--help"])
        assert asked.exit_code == 0, f"mesh {command}: {asked.output}"


def test_every_file_the_readme_tells_to_run_is_there():
    named = re.findall(r"`((?:examples|tests)/[\w/]+\.py)`", (ROOT / "README.md").read_text())
    assert named
    assert not [path for path in named if not (ROOT / path).is_file()]
