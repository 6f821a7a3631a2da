"""Every line of seeds.txt breaks nothing any more, and `make nightly` writes such lines."""

import json
from pathlib import Path

import pytest

from mesh.mind.syncing import Syncing
from mesh.testing.chance.nemesis import DEEDS, FAULTS, laid
from tools import nightly
from tools.nightly import Line, play, read_lines

LINES = read_lines(nightly.SEEDS.read_text(encoding="utf-8"))
ALL = Line(3, 2, 0.01)


@pytest.mark.parametrize("line", LINES, ids=str)
def test_a_seed_breaks_nothing_and_shows_something(line: Line, capsys: pytest.CaptureFixture[str]):
    found = play(line)
    assert found.word == "held", found.sentences
    assert "The swarm: " in capsys.readouterr().out


def test_together_they_have_every_kind_of_fault():
    met = {each.kind for seed, n, h in LINES for each in laid(nodes=n, hours=h, seed=seed)}
    assert met == {*FAULTS, *DEEDS}


def test_a_line_is_read_as_it_is_written():
    text = f"# for people\n\n{ALL}  # what it found\n{LINES[0]}\n"
    assert read_lines(text) == [ALL, LINES[0]]


@pytest.mark.parametrize("told", ["17", "17 4 x", "x nodes=4 hours=1", "1 nodes=4 hours=1 more"])
def test_what_is_no_line_is_refused_by_its_number(told: str):
    with pytest.raises(ValueError, match=r"seeds\.txt:2: .* is no line: expected one such as 17 n"):
        read_lines(f"{ALL}\n{told}\n")


def test_what_breaks_something_is_appended_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    seeds = tmp_path / "seeds.txt"
    seeds.write_text("# seeds\n", encoding="utf-8")
    monkeypatch.setattr(nightly, "SEEDS", seeds)
    monkeypatch.setattr(Syncing, "receive", lambda *_: None)  # nobody asks for what it lacks
    played = (play(Line(seed, 2, 0.02)) for seed in range(9))
    found = next(found for found in played if found.word == "broken")
    for _ in range(2):
        nightly.note(found)
    assert read_lines(seeds.read_text(encoding="utf-8")) == [found.line]
    assert "  # Convergence broken: at " in seeds.read_text(encoding="utf-8")


def test_whatever_a_seed_makes_the_code_raise_is_a_finding(monkeypatch: pytest.MonkeyPatch):
    def raises(*_: object, **__: object):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(nightly, "run_scenario", raises)
    found = play(ALL)
    assert found[:3] == (ALL, "broken", ["it raised ZeroDivisionError: planted"])
    assert found.met == {"runs": 1, "word broken": 1}


def test_a_seed_that_takes_too_long_is_a_finding(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nightly, "CPU_S_MAX", -1.0)
    found = play(ALL)
    assert found.word == "broken"
    assert "virtual s" in found.sentences[0]


@pytest.mark.parametrize(
    "arguments", [["--seeds", "0"], ["--nodes", "0"], ["--hours", "0"], ["--jobs", "0"]]
)
def test_a_wrong_option_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        nightly.main(arguments)
    assert f"{arguments[0]} 0: expected" in capsys.readouterr().err


def test_the_scenario_of_a_seed_is_shown(capsys: pytest.CaptureFixture[str]):
    assert nightly.main(["--show", "7"]) == 0
    assert "name: chaos-7" in capsys.readouterr().out


def test_a_night_can_be_played_in_pieces(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Each piece is quiet: a box alone hears nobody, so both runs are vacuous, and say so."""
    file = tmp_path / "met.json"
    quick = ["--seeds", "1", "--nodes", "1", "--hours", "0.001", "--jobs", "1"]
    for first in ("3", "4"):
        assert nightly.main([*quick, "--first", first, "--add-to", str(file)]) == 0
    told = capsys.readouterr().out
    assert "\n1 runs: 0 held, 1 vacuous, 0 broken\n" in told
    assert "\n2 runs: 0 held, 2 vacuous, 0 broken\n" in told
    assert json.loads(file.read_text(encoding="utf-8"))["runs"] == 2
