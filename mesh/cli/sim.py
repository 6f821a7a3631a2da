"""`mesh sim`: scenarios in virtual time, each judged by its invariants."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status
from rich.table import Table

from mesh.cli.nodes import console
from mesh.cli.options import CommandError
from mesh.cli.own_checkers import Checkers, Own, known_checkers
from mesh.cli.scenario_files import Seed, check_file, check_seed, read_named, seeded, watcher
from mesh.cli.sim_report import Report
from mesh.cli.sim_shrink import check_folder, shrink_file, shrink_into
from mesh.files.form import nearest
from mesh.testing.fleets.sight import Sight
from mesh.testing.report.mind_page import LastHeard, describe_box, describe_journal
from mesh.testing.scenarios.library import library, read_scenario
from mesh.testing.scenarios.runner import Result, replay, run_scenario, to_json
from mesh.testing.scenarios.scenario import Scenario, scenario_schema

__all__ = ["BROKEN", "COLOURS", "app"]

BROKEN = 1
"""Exit code where a scenario did not hold."""
COLOURS = {"held": "green", "broken": "red", "vacuous": "yellow"}

app = typer.Typer(no_args_is_help=True, help="Run scenarios on a simulated fleet.")

app.command("shrink")(shrink_file)


@app.command()
def run(
    files: Annotated[
        list[str] | None, typer.Argument(help="Files or names of `mesh sim list`; all of those.")
    ] = None,
    seed: Seed = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the results there.")
    ] = None,
    shrink: Annotated[
        Path | None, typer.Option(help="Cut what breaks down to files in this folder.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a page with diagrams there, as FILE.html.")
    ] = None,
    checker: Own = None,
) -> int:
    """Run scenarios; fails when an invariant does not hold, or nothing happened."""
    check_seed(seed)
    known = known_checkers(checker)
    scenarios = [seeded(read_named(file, known), seed) for file in files or library()]
    check_file("--json", json_file)
    page = Report(report, json_file)
    if shrink is not None:
        check_folder(shrink)
    results = [_run(scenario, page.begin(scenario), known) for scenario in scenarios]
    shown = console()
    shown.print(_table(results))
    for result in results:
        for sentence in result.sentences:
            shown.print(f"{result.scenario.name}: {sentence}", soft_wrap=True, markup=False)
    small = [shrink_into(shrink, result, known, shown) for result in results]
    page.write(results, small)
    written = to_json(results)
    if json_file is not None:
        json_file.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return 0 if written["ok"] else BROKEN


@app.command("list")
def list_scenarios() -> None:
    """List the scenarios that come along."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("NAME", "BOXES", "STEPS", "WHY"):
        table.add_column(heading, no_wrap=heading != "WHY")
    for path in library().values():
        scenario = read_scenario(path)
        counts = (str(scenario.fleet.boxes), str(len(scenario.steps)))
        table.add_row(scenario.name, *counts, scenario.why)
    console().print(table)


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    typer.echo(scenario_schema().decode())


@app.command("replay")
def replay_scenario(
    file: Annotated[str, typer.Argument(help="A file or a name of `mesh sim list`.")],
    until: Annotated[float, typer.Option(help="Virtual seconds since the fleet stood.")],
    node: Annotated[str, typer.Option(help="Whose mind to show, as south/box-1.")],
    seed: Seed = None,
    checker: Own = None,
) -> None:
    """Run a scenario up to a moment, and show what a box holds, sees and heard last."""
    check_seed(seed)
    if not 0 <= until < math.inf:
        raise CommandError(f"--until {until}: expected seconds since the fleet stood, 0 or more")
    heard, scenario = LastHeard(node), read_named(file, known_checkers(checker))
    world, trouble = replay(scenario, until_s=until, seed=seed, watch=heard.watch)
    boxes = world.fleet.boxes
    if node not in boxes:
        raise CommandError(f"--node {node!r:.60}: {nearest(node, list(boxes))}")
    ended = f"the run ended there, before --until {until:g}" if world.now_s < until else ""
    said = "; ".join(filter(None, (ended, trouble)))
    typer.echo(f"{world.now_s:.1f} s after the fleet stood{said and f'; {said}'}")
    journal = describe_journal(world.fleet, node, world.deeds.began_ns)
    for line in (*describe_box(world.fleet, node), *heard.lines(), *journal):
        typer.echo(line)


def _run(scenario: Scenario, watch: Callable[[Sight], None], checkers: Checkers) -> Result:
    """Run one scenario; at a terminal, show how far it is."""
    shown = console()
    with Status(f"{scenario.name} …", console=shown) as status:
        watched = watcher(scenario, status, watch)
        result = run_scenario(scenario, checkers=checkers, watch=watched)
    colour = COLOURS[result.word]
    shown.print(
        f"[{colour}]{result.word:<8}[/{colour}] {scenario.name}: {result.virtual_s:.0f} virtual "
        f"seconds in {result.wall_s:.1f} s, {result.speed:.0f} times as fast"
    )
    return result


def _table(results: Sequence[Result]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("SCENARIO", "VERDICT", "BOXES", "VIRTUAL", "SPEED", "INVARIANTS", "TRACE"):
        table.add_column(heading, no_wrap=heading != "INVARIANTS")
    for result in results:
        colour = COLOURS[result.word]
        found = (
            f"[{COLOURS[each.word]}]{name}[/{COLOURS[each.word]}]"
            for name, each in result.invariants.items()
        )
        table.add_row(
            result.scenario.name,
            f"[{colour}]{result.word}[/{colour}]",
            str(result.scenario.fleet.boxes),
            f"{result.virtual_s:.0f} s",
            f"{result.speed:.0f}x",
            " ".join(found),
            result.trace[:12],
        )
    return table
