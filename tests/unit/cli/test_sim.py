"""`mesh sim`: what it says, what it writes, and its exit codes."""

import json
from pathlib import Path

import pytest

from mesh.testing.scenario_library import library
from tests.unit.cli.commands import Mesh

SHORT = """\
name: short
why: a test
fleet: {boxes: 2}
steps:
  - publish: {who: south/box-1, count: 3}
  - run: 3s
  - crash: south/box-1
  - run: 12s
  - restart: south/box-1
  - run: 20s
invariants: [LivenessAfterHeal]
expect: {deliveries: 3, crashes: 1}
"""


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mesh:
    monkeypatch.chdir(tmp_path)
    Path("short.yaml").write_text(SHORT)
    Path("quiet.yaml").write_text(SHORT.replace("deliveries: 3", "deliveries: 99"))
    return Mesh(capsys)


def test_a_run_is_told_and_written(command: Mesh):
    said = command.ok("sim", "run", "short.yaml", "--json", "out.json", "--seed", "4")
    assert "held     short: 35 virtual seconds" in said
    written = json.loads(Path("out.json").read_text())
    assert written["ok"] is True
    assert [row["verdict"] for row in written["scenarios"]] == ["held"]
    assert written["scenarios"][0]["trace"][:12] in said


def test_what_shows_nothing_fails_and_says_why(command: Mesh):
    outcome = command("sim", "run", "quiet.yaml", "--json", "out.json")
    assert outcome.code == 1
    assert "quiet" not in outcome.err
    assert "short: expected deliveries ≥ 99, there were " in outcome.out
    assert json.loads(Path("out.json").read_text())["ok"] is False


def test_the_library_is_listed(command: Mesh):
    said = command.ok("sim", "list")
    assert all(name in said for name in library())


def test_the_schema_is_json(command: Mesh):
    assert "Scenario" in json.loads(command.ok("sim", "schema"))["$defs"]


def test_a_mind_is_shown_at_a_moment(command: Mesh):
    said = command.ok("sim", "replay", "short.yaml", "--until", "8", "--node", "north/box-0")
    assert said.startswith("8.0 s after the fleet stood\nnorth/box-0 is up since its start")
    assert "linked to centre, member" in said
    assert "holds " in said
    down = command.ok("sim", "replay", "short.yaml", "--until", "4.5", "--node", "south/box-1")
    assert down.startswith("4.5 s after the fleet stood\nsouth/box-1 is down; its disk holds")
    whole = command.ok("sim", "replay", "short.yaml", "--until", "999", "--node", "centre")
    assert whole.startswith("35.0 s after")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "none.yaml"), "none.yaml is no file: expected one, or a name of the library: "),
        (("run", "short.yaml", "--seed", "-1"), "--seed -1: expected 0 to 4294967295"),
        (("run", "wrong.yaml"), "wrong.yaml:1:7: name is 7: expected lower-case letters"),
        (("replay", "short.yaml", "--until", "1", "--node", "x"), "--node 'x': expected one of"),
    ],
)
def test_a_mistake_is_one_line(command: Mesh, words: tuple[str, ...], told: str):
    Path("wrong.yaml").write_text(SHORT.replace("name: short", "name: 7"))
    outcome = command("sim", *words)
    assert outcome.code == 2
    assert told in outcome.err
    assert outcome.err.count("\n") == 1
