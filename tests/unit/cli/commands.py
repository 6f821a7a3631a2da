"""Running `mesh` in this process, and a small fleet's files to run it on."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from mesh.cli import main

PLACE = "48.137,11.575"
DIGEST = "sha256:" + "a1" * 32


@dataclass
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


class Mesh:
    """Runs commands; the current directory is a test's own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Outcome:
        code = main(words)
        said = self._capsys.readouterr()
        return Outcome(code, said.out, said.err)

    def ok(self, *words: str) -> str:
        """Run a command that must succeed; returns what it said."""
        outcome = self(*words)
        assert outcome.code == 0, outcome.err
        return outcome.out


def make_fleet(mesh: Mesh) -> None:
    """An authority in fleet/, boxes a (joined) and b (granted), a steward of the north."""
    mesh.ok("authority", "init", "fleet")
    for name, role, more in (
        ("a", "box", ("--place", PLACE)),
        ("b", "box", ("--place", "48.138,11.575")),
        ("steward", "steward", ()),
    ):
        did = mesh.ok("box", "init", f"{name}.toml").strip()
        grant = ("authority", "grant", did, "-c", "fleet/authority.toml", "--role", role, *more)
        mesh.ok(*grant, "--name", f"north/{name}")
        if name != "b":
            mesh.ok("box", "join", f"north-{name}.invite", "-c", f"{name}.toml")
    mesh.ok("authority", "init", "other")


def copy_fleet(source: Path, target: Path) -> None:
    """Copy a fleet's files, modes and all."""
    shutil.copytree(source, target, dirs_exist_ok=True)
