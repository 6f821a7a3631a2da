"""A small scenario on real processes: the same file, steps, checkers and words as in simulation.

One fleet of five processes; what it leaves behind is looked for afterwards.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL

import pytest

from mesh.node.processes import Processes
from mesh.testing import parse_scenario
from mesh.testing.fleets.sight import Sight
from mesh.testing.scenarios.runner import run_scenario
from mesh.testing.wires import process_fleet, process_world
from mesh.testing.wires.namespaces import NamespacesUnavailableError
from mesh.testing.wires.process_fleet import PRELOAD
from mesh.testing.wires.process_world import open_world, run_on_wires
from tests.netns import people

TEXT = b"""\
name: small
why: a box dies, another is replaced, one bank is alone for a moment
fleet: {boxes: 2, latency_ms: 1}
steps:
  - publish: {who: "*/box-*", count: 2, every: 1s}
  - run: 2s
  - backup: {name: south/box-1}
  - crash: south/box-1
  - put: {key: limit, value: 30}
  - restore: {name: south/box-1}
  - restart: south/box-1
  - slow: {who: south/steward, factor: 4}
  - settle: 10s
  - cut: {label: river, side: "north/*"}
  - swap_hardware: {name: south/box-1, by: south/steward}
  - run: 1s
  - slow: {who: south/steward, factor: 1}
  - heal: all
  - settle: 20s
  - publish: {who: "south/box-1*"}
  - run: 2s
invariants: [Convergence, NothingLost, NoSplitBrainNames, NoForgery]
expect: {published: 6, deliveries: 4, crashes: 1, seconds_cut: 1, entries_exchanged: 5}
"""
SWAP = parse_scenario(
    b"""\
name: swap
why: two keys hold one name in the views of processes, and one of these is killed by nobody's order
fleet: {boxes: 1, latency_ms: 0, listen_m: 0}
steps: [{swap_hardware: {name: north/box-0, by: centre}}, {run: 3s}]
invariants: [NoSplitBrainNames]
expect: {entries_exchanged: 1}
""",
    "swap.yaml",
    checkers=("NoSplitBrainNames",),
)
SOON_S = 10.0
LISTENING_S = 2.0
SCENARIO = parse_scenario(
    TEXT, "small.yaml", checkers=("Convergence", "NothingLost", "NoSplitBrainNames", "NoForgery")
)


def processes_below(pid: int) -> set[int]:
    """Every process that descends from one."""
    parents: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(process.name)] = int(
                (process / "stat").read_text().rpartition(")")[2].split()[1]
            )
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(process_world, "LISTENING_S", LISTENING_S)
    return tmp_path


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """One nursery for all: what takes long is imported once."""
    with Processes(PRELOAD) as processes:
        yield processes


def are_given(processes: Processes) -> bool:
    """Whether the kernel gives us namespaces; if not, see that we are told so."""
    probe = processes.start(people.gives_namespaces, "root")
    given = probe.receive_within(SOON_S)
    probe.kill()  # and wait until it is gone
    if not given:
        with pytest.raises(NamespacesUnavailableError):
            run_on_wires(processes, SCENARIO)
    return given


def test_a_scenario_has_the_same_verdict_on_wires_and_leaves_nothing_behind(
    files: Path, processes: Processes
):
    if not are_given(processes):
        return
    sights: list[Sight] = []
    before = processes_below(os.getpid())
    result = run_on_wires(processes, SCENARIO, watch=sights.append)
    assert list(files.iterdir()) == []
    assert processes_below(os.getpid()) == before
    simulated = run_scenario(SCENARIO)
    # That nobody forged anything is shown by no such story, and both say so.
    assert result.sentences == simulated.sentences
    assert (result.word, simulated.word) == ("vacuous", "vacuous")
    assert {name for name, each in result.invariants.items() if each.word == "held"} == {
        "Convergence", "NothingLost", "NoSplitBrainNames",
    }  # fmt: skip
    assert result.trace == ""
    assert result.counts["packets"] > result.counts["packets_lost"] > 0
    assert {len(sight.boxes) for sight in sights} == {5, 6}


def test_what_a_process_gets_wrong_and_that_it_ended_is_told(
    files: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
):
    if not are_given(processes):
        return
    monkeypatch.setattr(process_fleet, "run_box", people.box_that_retires_nobody)

    def watch(sight: Sight) -> None:
        if sight.now_s > 2:
            (steward,) = [
                child for child in processes.children[-7:] if "north-steward" in child.name
            ]
            os.kill(steward.pid, SIGKILL)

    result = run_on_wires(processes, SWAP, watch=watch)
    assert result.word == "broken"
    assert "north/box-0 is held by " in result.invariants["NoSplitBrainNames"].evidence
    assert "north/steward ended by itself or hangs" in result.trouble
    assert list(files.iterdir()) == []


def test_a_fleet_that_is_interrupted_while_it_starts_leaves_nothing_behind(
    files: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(self: object, names: object) -> None:
        raise KeyboardInterrupt

    if not are_given(processes):
        return
    before = processes_below(os.getpid())

    monkeypatch.setattr("mesh.testing.wires.process_fleet.ProcessFleet.look", interrupted)
    with pytest.raises(KeyboardInterrupt), open_world(processes, SCENARIO):
        raise AssertionError("it stood without a look")
    assert processes_below(os.getpid()) == before
    assert list(files.iterdir()) == []
