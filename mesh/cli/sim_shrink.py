"""`mesh sim shrink`: a failing scenario, cut down to a file that still fails in the same way."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.status import Status

from mesh.cli.nodes import console
from mesh.cli.options import CommandError
from mesh.cli.own_checkers import Checkers, Own, known_checkers
from mesh.cli.scenario_files import Seed, check_file, check_seed, read_named
from mesh.pages.place import check_writable
from mesh.testing.chance.shrinking import (
    SECONDS_MAX,
    TRIES_MAX,
    NothingToShrinkError,
    Shrinking,
    Shrunk,
    shrink,
)
from mesh.testing.scenarios.runner import Result
from mesh.testing.scenarios.scenario import Scenario

__all__ = ["check_folder", "shrink_file", "shrink_into"]


def shrink_file(
    file: Annotated[str, typer.Argument(help="A file or a name of `mesh sim list`, that fails.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the small file goes.")],
    seed: Seed = None,
    invariant: Annotated[
        str | None, typer.Option(help="Which to keep broken; else the first that breaks.")
    ] = None,
    tries: Annotated[int, typer.Option(min=1, help="Most scenarios to run.")] = TRIES_MAX,
    seconds: Annotated[float, typer.Option(min=0, help="Longest time to take.")] = SECONDS_MAX,
    checker: Own = None,
) -> None:
    """Cut a failing scenario down: fewer steps and boxes, less time, weaker faults."""
    check_seed(seed)
    known = known_checkers(checker)
    scenario = read_named(file, known)
    check_file("--output", output)
    shown = console()
    try:
        with Status(f"{scenario.name} …", console=shown) as status:
            found = shrink(
                scenario,
                seed=seed,
                invariant=invariant,
                checkers=known,
                tries_max=tries,
                seconds_max=seconds,
                watch=lambda shrinking: status.update(_progress(scenario, shrinking)),
            )
    except NothingToShrinkError as error:
        raise CommandError(str(error)) from None
    _write(scenario, found, output, shown)


def shrink_into(
    folder: Path | None, result: Result, checkers: Checkers, shown: Console
) -> Shrunk | None:
    """Cut a scenario that was run down, into a file of a folder; None if it did not break."""
    scenario = result.scenario
    if folder is None or result.word != "broken":
        return None
    try:
        with Status(f"{scenario.name}: shrinking …", console=shown) as status:
            found = shrink(
                scenario,
                checkers=checkers,
                watch=lambda shrinking: status.update(_progress(scenario, shrinking)),
            )
    except NothingToShrinkError as error:
        shown.print(str(error), soft_wrap=True, markup=False)
        return None
    _write(scenario, found, folder / f"{found.scenario.name}.yaml", shown)
    return found


def check_folder(folder: Path) -> None:
    """See that files can be put into a folder; it is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check_writable(folder / "small.yaml")
    except OSError as error:
        raise CommandError(f"--shrink {folder}: {error.strerror}: expected a folder") from None


def _progress(scenario: Scenario, shrinking: Shrinking) -> str:
    small = shrinking.scenario
    return (
        f"{scenario.name}: {shrinking.tries} tries, {_size(small)} still break "
        f"{shrinking.invariant}"
    )


def _size(scenario: Scenario) -> str:
    return f"{len(scenario.steps)} steps and {scenario.fleet.boxes} boxes"


def _write(scenario: Scenario, found: Shrunk, output: Path, shown: Console) -> None:
    output.write_text(found.text, encoding="utf-8")
    finding = found.result.invariants[found.invariant]
    bound = "" if found.is_least else "; it may get smaller, the bound on tries or time was reached"
    told = (
        f"shrunk   {scenario.name}: from {_size(scenario)} to {_size(found.scenario)} in "
        f"{found.tries} tries and {found.wall_s:.1f} s{bound}"
    )
    again = f"mesh sim replay {output} --until {finding.at_s:g} --node '{finding.who}'"
    for line in (told, f"{found.invariant} broken: {finding}", f"look at it: {again}"):
        shown.print(line, soft_wrap=True, markup=False, highlight=False)
