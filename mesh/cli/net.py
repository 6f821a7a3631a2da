"""`mesh net`: the scenarios of `mesh sim`, on real processes in network namespaces."""

import json
import signal
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status
from rich.table import Table

from mesh.cli.nodes import console
from mesh.cli.own_checkers import Checkers, Own, known_checkers
from mesh.cli.scenario_files import Seed, check_file, check_seed, read_named, seeded, watcher
from mesh.cli.sim import BROKEN, COLOURS
from mesh.cli.sim_report import Report
from mesh.node.processes import Processes
from mesh.testing.fleets.sight import Sight
from mesh.testing.scenarios.library import library, read_scenario
from mesh.testing.scenarios.runner import Result, run_scenario, to_json
from mesh.testing.scenarios.scenario import Scenario
from mesh.testing.wires.namespaces import NamespacesUnavailableError
from mesh.testing.wires.process_fleet import PRELOAD
from mesh.testing.wires.process_world import fits_wires, run_on_wires

__all__ = ["app"]

STOP_S = 1.0
"""Seconds that processes get to stop at the end; each was killed by then, unless on Ctrl-C."""

app = typer.Typer(no_args_is_help=True, help="Run scenarios on real processes and real networks.")


@app.callback()
def net() -> None:
    """Run scenarios on real processes and real networks."""


@app.command()
def run(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Files or names of `mesh sim list`; those that say `wires`."),
    ] = None,
    seed: Seed = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Run each in simulation too; verdicts must agree.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the results there.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a page with diagrams there, as FILE.html.")
    ] = None,
    checker: Own = None,
) -> int:
    """Run scenarios on processes in network namespaces, with a switch between them; Linux alone."""
    check_seed(seed)
    check_file("--json", json_file)
    known = known_checkers(checker)
    scenarios = [read_named(file, known) for file in files] if files else _those_for_wires()
    scenarios = [seeded(scenario, seed) for scenario in scenarios]
    page = Report(report, json_file)
    for scenario in scenarios:
        fits_wires(scenario)
    if sys.platform != "linux":
        raise NamespacesUnavailableError(f"network namespaces exist on Linux, not {sys.platform}")
    simulated = {each.name: _simulate(each, page, known) for each in scenarios if compare}
    with _ended_by_sigterm(), Processes(PRELOAD, stop_s=STOP_S) as processes:
        results = [_run(processes, each, page.begin(each), known) for each in scenarios]
    shown = console()
    shown.print(_table(results, simulated))
    for result in (*simulated.values(), *results):
        where = "in simulation" if result in simulated.values() else "on wires"
        for sentence in result.sentences:
            shown.print(f"{result.scenario.name} {where}: {sentence}", soft_wrap=True, markup=False)
    page.write_wires(results, list(simulated.values()))
    written = _to_json(results, simulated)
    if json_file is not None:
        json_file.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return 0 if written["ok"] else BROKEN


def _those_for_wires() -> list[Scenario]:
    scenarios = map(read_scenario, library().values())
    return [scenario for scenario in scenarios if scenario.wires is not None]


@contextmanager
def _ended_by_sigterm() -> Generator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that nothing is left behind."""

    def interrupt(number: int, at: object) -> None:
        del number, at
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _simulate(scenario: Scenario, page: Report, checkers: Checkers) -> Result:
    """Run one scenario in simulation; at a terminal, show how far it is."""
    with Status(f"{scenario.name} in simulation …", console=console()) as status:
        watched = watcher(scenario, status, page.begin(scenario))
        return run_scenario(scenario, checkers=checkers, watch=watched)


def _run(
    processes: Processes, scenario: Scenario, watch: Callable[[Sight], None], checkers: Checkers
) -> Result:
    """Run one scenario on wires; at a terminal, show how far it is."""
    shown = console()
    with Status(f"{scenario.name}: the fleet starts …", console=shown) as status:
        watched = watcher(scenario, status, watch)
        result = run_on_wires(processes, scenario, checkers=checkers, watch=watched)
    colour = COLOURS[result.word]
    shown.print(
        f"[{colour}]{result.word:<8}[/{colour}] {scenario.name}: {_processes(result)} processes, "
        f"{result.virtual_s:.0f} s"
    )
    return result


def _processes(result: Result) -> int:
    return result.scenario.fleet.boxes + 3


def _table(results: Sequence[Result], simulated: Mapping[str, Result]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    headings = ("SCENARIO", "ON WIRES", *(("SIMULATED",) if simulated else ()))
    for heading in (*headings, "PROCESSES", "SECONDS", "INVARIANTS"):
        table.add_column(heading, no_wrap=heading != "INVARIANTS")
    for result in results:
        name = result.scenario.name
        words = [result.word, *((simulated[name].word,) if simulated else ())]
        found = (
            f"[{COLOURS[each.word]}]{checker}[/{COLOURS[each.word]}]"
            for checker, each in result.invariants.items()
        )
        table.add_row(
            name,
            *(f"[{COLOURS[word]}]{word}[/{COLOURS[word]}]" for word in words),
            str(_processes(result)),
            f"{result.virtual_s:.0f}",
            " ".join(found),
        )
    return table


def _to_json(results: Sequence[Result], simulated: Mapping[str, Result]) -> dict[str, object]:
    """Return the results, and beside them those of the simulation."""
    written = to_json(results)
    if not simulated:
        return written
    beside = to_json(list(simulated.values()))
    agree = all(result.word == simulated[result.scenario.name].word for result in results)
    return {**written, "ok": written["ok"] and agree, "simulation": beside["scenarios"]}
