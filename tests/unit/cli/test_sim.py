"""`mesh sim`: what it says, what it writes, and its exit codes."""

import json
import re
import shlex
from functools import partial
from pathlib import Path

import pytest

from mesh.testing.chance.shrinking import shrink
from mesh.testing.scenarios.library import library
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


def test_a_run_has_its_page(command: Mesh):
    command.ok("sim", "run", "short.yaml", "--report", "out.html", "--seed", "4")
    page = Path("out.html").read_text()
    assert "1 of 1 scenarios held." in page
    assert "south/box-1 down from 3.0 to 15.0 s" in page
    assert "seed: 4" in page


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
    heard = r"heard last:\n.* 2\.\d\d s  traffic.near_miss of south/box-1, \d+ ms old; request"
    assert re.search(heard, said, re.DOTALL)
    assert said.rstrip().endswith("done to it last: nothing")
    down = command.ok("sim", "replay", "short.yaml", "--until", "4.5", "--node", "south/box-1")
    assert down.startswith("4.5 s after the fleet stood\nsouth/box-1 is down; its disk holds")
    assert "  heard last: nothing\n  done to it last:\n" in down
    assert down.rstrip().endswith("3.00 s  south/box-1 dies")
    whole = command.ok("sim", "replay", "short.yaml", "--until", "999", "--node", "centre")
    assert whole.startswith("35.0 s after the fleet stood; the run ended there, before --until 999")


IMPATIENT = """\
name: impatient
why: a second is not enough to agree
fleet: {boxes: 3}
steps:
  - put: {key: unrelated, value: 1}
  - cut: {label: river, side: "north/*"}
  - run: 11s
  - revoke: {name: south/box-2}
  - run: 1s
  - heal: river
  - settle: 1s
invariants: [Convergence]
expect: {seconds_cut: 12}
"""


def test_a_failure_is_cut_down_to_a_file_that_fails_alike(command: Mesh):
    Path("impatient.yaml").write_text(IMPATIENT)
    said = command.ok("sim", "shrink", "impatient.yaml", "-o", "small.yaml", "--tries", "9")
    assert "shrunk   impatient: from 7 steps and 3 boxes to " in said
    assert "Convergence broken: at " in said
    replayed = next(line for line in said.splitlines() if "look at it: mesh" in line)
    assert command("sim", "run", "small.yaml").code == 1
    assert " is up since its start" in command.ok(*shlex.split(replayed.split("mesh ", 1)[1]))


def test_a_run_cuts_down_what_broke_and_only_that(command: Mesh, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mesh.cli.sim_shrink.shrink", partial(shrink, tries_max=2))
    Path("impatient.yaml").write_text(IMPATIENT)
    outcome = command("sim", "run", "quiet.yaml", "impatient.yaml", "--shrink", "small/files")
    assert outcome.code == 1
    assert "the bound on tries or time was reached" in outcome.out
    (small,) = Path("small/files").iterdir()
    assert small.name == "impatient-small.yaml"
    Path("trouble.yaml").write_text(SHORT.replace("crash: south", "restart: south"))
    outcome = command("sim", "run", "trouble.yaml", "--shrink", "small/files")
    assert "breaks no invariant: nothing to shrink; step 3 (restart)" in outcome.out
    assert list(Path("small/files").iterdir()) == [small]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("run", "none.yaml"), "none.yaml is no file and no name of `mesh sim list`: expected a f"),
        (("run", "river-cutt"), "no name of `mesh sim list`: did you mean river-cut?"),
        (("replay", "short.yaml", "--until", "1", "--node", "center"), "did you mean centre?"),
        (("replay", "short.yaml", "--until", "-1", "--node", "centre"), "--until -1.0: expected"),
        (("replay", "short.yaml", "--until", "nan", "--node", "centre"), "--until nan: expected"),
        (("run", "short.yaml", "--json", "no/a.json"), "--json no/a.json cannot be written: No"),
        (("run", "short.yaml", "--json", "."), "--json . cannot be written: it is a folder"),
        (("run", "short.yaml", "--seed", "-1"), "--seed -1: expected 0 to 4294967295"),
        (("run", "wrong.yaml"), "wrong.yaml:1:7: name is 7: expected lower-case letters"),
        (("replay", "short.yaml", "--until", "1", "--node", "x"), "--node 'x': expected one of"),
        (("shrink", "short.yaml", "-o", "no/a.yaml"), "--output no/a.yaml cannot be written: No"),
        (("shrink", "short.yaml", "-o", "a.yaml"), "short is held and breaks no invariant: no"),
        (
            ("run", "short.yaml", "--report", "no/a.html"),
            "--report no/a.html cannot be written: No",
        ),
        (("run", "short.yaml", "--report", "a", "--json", "a"), "expected another file than --j"),
        (("run", "short.yaml", "--shrink", "wrong.yaml"), "--shrink wrong.yaml: File exists: exp"),
    ],
)
def test_a_mistake_is_one_line(command: Mesh, words: tuple[str, ...], told: str):
    Path("wrong.yaml").write_text(SHORT.replace("name: short", "name: 7"))
    outcome = command("sim", *words)
    assert outcome.code == 2
    assert told in outcome.err
    assert outcome.err.count("\n") == 1
