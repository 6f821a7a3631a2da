"""`--checker FILE.py:NAME`: an invariant of one's own in every command, and what is refused."""

from pathlib import Path

import pytest

from tests.unit.cli.commands import Mesh

OWN = """\
from mesh.testing import Breach

class NobodyCrashes:
    subject = 0

    def look(self, sight):
        for box in sight.boxes:
            self.subject += 1
            if not box.is_up:
                yield Breach(box.name, "is down")

class NoChecker:
    pass

class Fails:
    def __init__(self):
        raise RuntimeError("no way")
"""

SCENARIO = """\
name: own
why: a test
fleet: {boxes: 2}
steps: [{run: 5s}, {publish: {who: north/box-0}}, {crash: south/box-1}, {run: 5s}]
invariants: [NobodyCrashes]
expect: {crashes: 1}
"""

GIVEN = ("--checker", "own.py:NobodyCrashes")


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mesh:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    Path("own.yaml").write_text(SCENARIO)
    return Mesh(capsys)


def test_it_is_run_shrunk_and_replayed(command: Mesh):
    outcome = command("sim", "run", "own.yaml", *GIVEN, "--shrink", "small")
    assert outcome.code == 1
    assert "NobodyCrashes broken" in outcome.out
    assert "is down" in outcome.out
    (small,) = Path("small").glob("*.yaml")
    assert "publish" not in small.read_text()
    assert "NobodyCrashes broken" in command.ok(
        "sim", "shrink", "own.yaml", "-o", "again.yaml", *GIVEN
    )
    shown = command.ok("sim", "replay", "again.yaml", "--until", "2", "--node", "centre", *GIVEN)
    assert "after the fleet stood" in shown


def test_without_it_the_file_names_nobody(command: Mesh):
    outcome = command("sim", "run", "own.yaml")
    assert outcome.code == 2
    assert "NobodyCrashes" in outcome.err


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("own.py", "expected FILE.py:NAME of a file that is there"),
        ("none.py:NobodyCrashes", "expected FILE.py:NAME of a file that is there"),
        ("own.yaml:NobodyCrashes", "expected FILE.py:NAME of a file that is there"),
        ("own.py:NobodyCrash", "no 'NobodyCrash' in own.py; did you mean NobodyCrashes?"),
        ("own.py:NoChecker", "NoChecker is no checker: expected `subject`, a count, and `look"),
        ("own.py:Fails", "Fails() fails: RuntimeError('no way')"),
        ("broken.py:Any", "broken.py fails: SyntaxError("),
        ("own.py:Breach", "Breach() fails: TypeError("),
    ],
)
def test_what_is_no_checker_is_refused(command: Mesh, given: str, told: str):
    Path("broken.py").write_text("class Any(:")
    outcome = command("sim", "run", "own.yaml", "--checker", given)
    assert outcome.code == 2
    assert told in outcome.err


def test_nobody_takes_the_name_of_one_that_comes_along(command: Mesh):
    Path("own.py").write_text(OWN.replace("NobodyCrashes", "Convergence"))
    outcome = command("sim", "run", "own.yaml", "--checker", "own.py:Convergence")
    assert outcome.code == 2
    assert "a checker is called Convergence already" in outcome.err
