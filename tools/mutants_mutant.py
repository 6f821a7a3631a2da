"""What a mutant is: a seeded bug, as exact changes of the product's text, and who must notice."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Change", "Mutant", "MutantError", "mutate", "problems"]


class MutantError(Exception):
    """A mutant does not fit the code any more; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """One replacement in one file.

    Attributes:
        path: of the file, from the root of the tree.
        old: text that occurs there exactly once.
        new: what stands there in the mutant.
    """

    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A seeded bug.

    Attributes:
        name: such as "threshold 1".
        bug: what the code does wrong, in one line.
        changes: all of them make the one bug.
        tests: files that must notice it, asked in this order.
        law: the test that holds the code against the oracle over generated worlds; it is asked by
            itself too, for what a fixed case catches an unknown case may not. None: no law says it.
    """

    name: str
    bug: str
    changes: tuple[Change, ...]
    tests: tuple[str, ...]
    law: str | None = None


def problems(root: Path, mutants: Iterable[Mutant]) -> list[str]:
    """Return a line for each change and each test file that does not fit the tree."""
    found: list[str] = []
    for mutant in mutants:
        for change in mutant.changes:
            path = root / change.path
            count = path.read_text(encoding="utf-8").count(change.old) if path.exists() else 0
            if count != 1:
                found.append(
                    f"mutant {mutant.name!r}: its text occurs {count} times in {change.path}, "
                    f"expected once: {change.old!r}"
                )
        found += [
            f"mutant {mutant.name!r}: {test} does not exist"
            for test in mutant.tests
            if not (root / test).exists()
        ]
    return found


def mutate(root: Path, mutant: Mutant) -> dict[Path, str]:
    """Plant a mutant in a copy of the tree.

    Returns:
        The files that it changed, with the text they had before.

    Raises:
        MutantError: it does not fit.
    """
    wrong = problems(root, [mutant])
    if wrong:
        raise MutantError("; ".join(wrong))
    before: dict[Path, str] = {}
    for change in mutant.changes:
        path = root / change.path
        text = path.read_text(encoding="utf-8")
        before.setdefault(path, text)
        path.write_text(text.replace(change.old, change.new), encoding="utf-8")
    return before
