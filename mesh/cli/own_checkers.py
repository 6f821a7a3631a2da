"""`--checker FILE.py:NAME`: invariants of one's own, beside those that come along."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, cast

import typer

from mesh.cli.options import CommandError
from mesh.files.form import nearest
from mesh.testing.checkers import Checker
from mesh.testing.checkers.registry import CHECKERS

__all__ = ["Checkers", "Own", "known_checkers"]

Checkers = Mapping[str, Callable[[], Checker]]
"""Who can be named as an invariant."""
Own = Annotated[
    list[str] | None,
    typer.Option("--checker", help="FILE.py:NAME of a checker of your own (repeatable)."),
]


def known_checkers(own: Sequence[str] | None) -> Checkers:
    """Return the checkers that a scenario may name: those that come along, and these.

    Raises:
        CommandError: one of them is none.
    """
    found: dict[str, Callable[[], Checker]] = dict(CHECKERS)
    for given in own or ():
        name, made = _read(given)
        if name in found:
            raise CommandError(f"--checker {given}: a checker is called {name} already")
        found[name] = made
    return found


def _read(given: str) -> tuple[str, Callable[[], Checker]]:
    file, colon, name = given.rpartition(":")
    path = Path(file)
    if not colon or path.suffix != ".py" or not path.is_file():
        raise CommandError(f"--checker {given:.200}: expected FILE.py:NAME of a file that is there")
    words = vars(_module(given, path))
    made = words.get(name)
    if made is None:
        classes = [word for word, value in words.items() if isinstance(value, type)]
        raise CommandError(f"--checker {given}: no {name!r} in {file}; {nearest(name, classes)}")
    try:
        checker = made()
    except Exception as error:
        raise CommandError(f"--checker {given}: {name}() fails: {error!r:.200}") from error
    if not callable(getattr(checker, "look", None)) or not hasattr(checker, "subject"):
        raise CommandError(
            f"--checker {given}: {name} is no checker: expected `subject`, a count, and "
            "`look(sight)`, which yields breaches"
        )
    return name, cast("Callable[[], Checker]", made)


def _module(given: str, path: Path) -> object:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise CommandError(f"--checker {given}: {path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise CommandError(f"--checker {given}: {path} fails: {error!r:.200}") from error
    return module
