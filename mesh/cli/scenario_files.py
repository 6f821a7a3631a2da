"""Scenarios as commands name them: a file, or a word of the library; seeds, and progress."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.status import Status

from mesh.cli.options import CommandError
from mesh.files.form import nearest
from mesh.pages.place import check_writable
from mesh.testing.checkers.registry import CHECKERS
from mesh.testing.fleets.sight import Sight
from mesh.testing.scenarios.library import library, read_scenario
from mesh.testing.scenarios.scenario import SEED_MAX, Scenario

__all__ = ["Seed", "check_file", "check_seed", "read_named", "seeded", "watcher"]

Seed = Annotated[int | None, typer.Option(help="Instead of the scenario's own.")]


def check_seed(seed: int | None) -> None:
    """Refuse a seed that no scenario can have."""
    if seed is not None and not 0 <= seed < SEED_MAX:
        raise CommandError(f"--seed {seed}: expected 0 to {SEED_MAX - 1}")


def read_named(file: str, checkers: Iterable[str] = CHECKERS) -> Scenario:
    """Return the scenario in a file, or of that name in the library.

    Args:
        file: the file, or the name.
        checkers: what it may name among its invariants.
    """
    path = library().get(file)
    if path is None and not Path(file).exists():
        told = nearest(file, list(library())).replace("expected one", "expected a file, or one")
        raise CommandError(f"{file} is no file and no name of `mesh sim list`: {told}")
    return read_scenario(path or Path(file), checkers=checkers)


def check_file(option: str, path: Path | None) -> None:
    """See that a file can be put where an option says, before anything takes its time.

    Results may go to a device or a pipe; a page may not, for it takes the place of what is there.
    """
    is_replaced = option != "--json"
    try:
        if path is not None and (is_replaced or not path.exists() or path.is_file()):
            check_writable(path)
        elif path is not None and path.is_dir():
            raise OSError(None, "it is a folder")
    except OSError as error:
        why = error.strerror or error
        raise CommandError(
            f"{option} {path} cannot be written: {why}; expected a file in a folder that is there"
        ) from None


def seeded(scenario: Scenario, seed: int | None) -> Scenario:
    """Return a scenario with the seed that somebody asked for, if they did."""
    return scenario if seed is None else msgspec.structs.replace(scenario, seed=seed)


def watcher(
    scenario: Scenario, status: Status, also: Callable[[Sight], None]
) -> Callable[[Sight], None]:
    """Return who watches a scenario and says in a status line how far it is."""

    def watch(sight: Sight) -> None:
        also(sight)
        up = sum(box.is_up for box in sight.boxes)
        cut = "" if sight.is_whole else ", cut"
        status.update(f"{scenario.name}: {sight.now_s:.0f} s, {up} boxes up{cut}")

    return watch
