"""Scenarios as commands name them: a file, or a word of the library; and their seeds."""

from pathlib import Path
from typing import Annotated

import typer

from mesh.cli.options import CommandError
from mesh.testing.scenario import Scenario
from mesh.testing.scenario_library import library, read_scenario

__all__ = ["Seed", "check_seed", "read_named"]

SEED_MAX = 1 << 32
"""Seeds are below it."""

Seed = Annotated[int | None, typer.Option(help="Instead of the scenario's own.")]


def check_seed(seed: int | None) -> None:
    """Refuse a seed that no scenario can have."""
    if seed is not None and not 0 <= seed < SEED_MAX:
        raise CommandError(f"--seed {seed}: expected 0 to {SEED_MAX - 1}")


def read_named(file: str) -> Scenario:
    """Return the scenario in a file, or of that name in the library."""
    path = library().get(file)
    if path is None and not Path(file).exists():
        known = ", ".join(library())
        raise CommandError(f"{file} is no file: expected one, or a name of the library: {known}")
    return read_scenario(path or Path(file))
