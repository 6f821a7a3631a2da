"""`mesh net`: what it refuses before any process is started, and what it tells afterwards."""

import json
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesh.cli import net
from mesh.testing.scenarios.runner import Result, run_scenario
from tests.unit.cli.commands import Mesh

CLOCK = """\
name: clock
why: a test
steps: [{clock: {who: centre, ahead: 1h}}]
invariants: [Convergence]
expect: {crashes: 1}
"""


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mesh:
    def nothing(*arguments: object, **options: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(net, "Processes", nothing)
    Path("clock.yaml").write_text(CLOCK)
    return Mesh(capsys)


def test_steps_that_wires_cannot_do_are_refused_before_the_start(command: Mesh):
    outcome = command("net", "run", "river-cut", "clock.yaml")
    assert outcome.code == 2
    assert "clock cannot be played on wires: step 1 (clock): all processes" in outcome.err


def test_elsewhere_than_on_linux_a_sentence_says_so(command: Mesh, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    outcome = command("net", "run", "river-cut")
    assert outcome.code == 2
    assert "network namespaces exist on Linux, not darwin" in outcome.err


def test_what_is_no_scenario_is_refused(command: Mesh):
    assert "no file" in command("net", "run", "none-such").err
    assert "--seed -1: expected 0 to" in command("net", "run", "river-cut", "--seed", "-1").err
    assert command("net").code == 2


SHORT = """\
name: short
why: a test
fleet: {boxes: 2}
steps: [{run: 2s}, {crash: centre}, {run: 2s}, {restart: centre}, {run: 20s}]
invariants: [LivenessAfterHeal]
expect: {crashes: 1}
"""


@pytest.fixture
def played(command: Mesh, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Mesh]:
    """A machine whose wires end every scenario with a word of ours."""

    def with_word(word: str) -> Mesh:
        def wires(processes: object, scenario: Any, *, checkers: Any, watch: Any) -> Result:
            return replace(run_scenario(scenario, checkers=checkers, watch=watch), word=word)

        monkeypatch.setattr(net, "Processes", lambda *_, **__: nullcontext())
        monkeypatch.setattr(net, "run_on_wires", wires)
        Path("short.yaml").write_text(SHORT)
        return command

    return with_word


def test_a_run_is_told_and_written_with_the_simulation_beside_it(played: Callable[[str], Mesh]):
    before = signal.getsignal(signal.SIGTERM)
    said = played("held").ok("net", "run", "short.yaml", "--compare", "--json", "out.json")
    assert "held     short: 5 processes" in said
    assert "SIMULATED" in said
    written = json.loads(Path("out.json").read_text())
    assert written["ok"] is True
    (wires,), (beside,) = written["scenarios"], written["simulation"]
    assert (wires["verdict"], beside["verdict"]) == ("held", "held")
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_page_shows_both_runs_beside_each_other(played: Callable[[str], Mesh]):
    shown = ("--compare", "--report", "out.html", "--seed", "7")
    assert played("vacuous")("net", "run", "short.yaml", *shown).code == 1
    page = Path("out.html").read_text()
    assert "In simulation the verdict is another: short." in page
    assert "On wires and in simulation" in page
    assert "The same file in simulation" in page
    assert "seconds of real processes, seed 7" in page
    assert "virtual seconds, seed 7, trace" in page


def test_a_page_of_wires_alone(played: Callable[[str], Mesh]):
    played("held").ok("net", "run", "short.yaml", "--report", "out.html")
    page = Path("out.html").read_text()
    assert "1 of 1 scenarios held." in page
    assert "in simulation" not in page


def test_a_page_that_cannot_be_written_is_refused_before_the_start(command: Mesh):
    outcome = command("net", "run", "river-cut", "--report", "no/folder/out.html")
    assert outcome.code == 2
    assert "--report no/folder/out.html cannot be written" in outcome.err


@pytest.mark.parametrize("more", [(), ("--compare",)])
def test_what_does_not_hold_fails(played: Callable[[str], Mesh], more: tuple[str, ...]):
    outcome = played("vacuous")("net", "run", "short.yaml", *more, "--json", "out.json")
    assert outcome.code == 1
    assert ("SIMULATED" in outcome.out) == bool(more)
    written = json.loads(Path("out.json").read_text())
    assert (written["ok"], "simulation" in written) == (False, bool(more))


def test_sigterm_ends_a_run_as_ctrl_c_does(
    played: Callable[[str], Mesh], monkeypatch: pytest.MonkeyPatch
):
    command = played("held")
    monkeypatch.setattr(net, "run_on_wires", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    assert command("net", "run", "short.yaml").code == 130
