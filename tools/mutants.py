"""Seeded bugs that the tests must catch: a green test says something only if it can be red.

Each mutant is one bug in the product's code, planted in a temporary copy of the tree; the tests
that should notice are run on it, and stop at the first that does. Before them the same tests run on
the code as it is, and must pass. A mutant that no test notices *survives*: a test is missing, or
the two texts mean the same, and then docs/mutants.md says why. A mutant whose text is not found in
the code any more has to be written anew: that fails too, before anything runs.

    python -m tools.mutants [--list] [--only NAME]… [--json FILE]

The exit status is 0 if every mutant is caught, 1 if not, 2 if the mutants do not fit the code.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import cache_from_source
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tools import mutants_of_exchange, mutants_of_records, mutants_of_rollouts
from tools.mutants_mutant import Mutant, mutate, problems

__all__ = ["MUTANTS", "main"]

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("crdt", "identity", "inference", "mesh", "tests", "tools", "pyproject.toml")
"""What the tests of the pure floors need."""
MUTANT_SECONDS_MAX = 120
"""A mutant may make code run for ever; one that takes longer counts as not caught."""
CONTROL_SECONDS_MAX = 600
STACK_SECONDS = 60
"""A single test that takes longer says where it stands."""
CONTROL = "(none: the code as it is)"
PASSED, FAILED = 0, 1
OUTCOMES: dict[int | None, str] = {PASSED: "survived", FAILED: "caught"}
"""pytest's exit statuses that mean what a mutant asks; any other is an error."""
RED = re.compile(r"^(?:FAILED|ERROR) ([^\s:]+)(?:::(.+?))?(?: - .*)?$", re.MULTILINE)
"""A line of pytest's summary: the file, and the test in it, none where the file cannot be read."""

MUTANTS: tuple[Mutant, ...] = (
    *mutants_of_records.MUTANTS,
    *mutants_of_exchange.MUTANTS,
    *mutants_of_rollouts.MUTANTS,
)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one run.

    Attributes:
        mutant: its name.
        outcome: "caught", "survived", or "error" where the tests did not run as they should.
        test: the first that failed, or what went wrong.
        law: "caught", "survived" or "error" of its law alone, empty if it has none.
        seconds: how long it took.
    """

    mutant: str
    outcome: str
    test: str
    law: str
    seconds: float


def copy_tree(into: Path) -> None:
    """Copy what the tests need, without what Python compiled."""
    ignore = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, into / name, ignore=ignore)
        else:
            shutil.copyfile(ROOT / name, into / name)


def run_tests(root: Path, tests: Sequence[str], seconds_max: float) -> tuple[int | None, str]:
    """Run test files of a copy until one test fails.

    Returns:
        pytest's exit status, None if time ran out; and what it printed.
    """
    options = ["-x", "-q", "-rfE", "--tb=no", "--no-header", "-p", "no:cacheprovider"]
    options += ["-p", "tools.mutants_profile", "-o", f"faulthandler_timeout={STACK_SECONDS}"]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environment = {**os.environ, "MESH_HYPOTHESIS": "mutants", "COLUMNS": "1000"}
    environment.pop("PYTEST_ADDOPTS", None)
    try:
        ended = subprocess.run(
            command,
            cwd=root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds_max,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        output = error.stdout.decode(errors="replace") if error.stdout else ""
        print(f"no end within {seconds_max} s, after:\n{output}", file=sys.stderr)
        return None, f"no end within {seconds_max} s"
    return ended.returncode, ended.stdout


def first_red(output: str) -> str:
    """Return the first test that failed, or else the last line that says anything."""
    red = RED.search(output)
    if red:
        return f"{red[1]}::{red[2]}" if red[2] else f"{red[1]} cannot be read"
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def try_mutant(root: Path, mutant: Mutant) -> Result:
    """Plant a mutant in the copy, run its tests, and take it out again."""
    started = time.monotonic()
    before = mutate(root, mutant)
    try:
        status, output = run_tests(root, mutant.tests, MUTANT_SECONDS_MAX)
        law = ask_law(root, mutant)
    finally:
        for path, text in before.items():
            path.write_text(text, encoding="utf-8")
            Path(cache_from_source(str(path))).unlink(missing_ok=True)
    outcome = OUTCOMES.get(status, "error")
    return Result(mutant.name, outcome, first_red(output), law, time.monotonic() - started)


def ask_law(root: Path, mutant: Mutant) -> str:
    """Return what a mutant's law alone says of it, when it is planted."""
    if mutant.law is None:
        return ""
    status, _ = run_tests(root, [mutant.law], MUTANT_SECONDS_MAX)
    return OUTCOMES.get(status, "error")


def try_control(root: Path, mutants: Sequence[Mutant]) -> Result:
    """Run the same tests on the code as it is."""
    started = time.monotonic()
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    status, output = run_tests(root, tests, CONTROL_SECONDS_MAX)
    outcome = "passed" if status == PASSED else "error"
    return Result(CONTROL, outcome, first_red(output), "", time.monotonic() - started)


STYLES = {"caught": "green", "passed": "green", "survived": "bold red", "error": "bold red"}


def table_of(results: Sequence[Result], running: str | None) -> Table:
    """Return the table of what ended, and what runs."""
    table = Table(title="Mutants")
    for column in ("mutant", "outcome", "by", "by its law alone"):
        table.add_column(column, overflow="fold")
    table.add_column("s", justify="right")
    for result in results:
        style = STYLES[result.outcome]
        shown = f"[{style}]{result.outcome}[/]"
        test = result.test.removeprefix("tests/").replace("[", r"\[")
        table.add_row(result.mutant, shown, test, result.law, f"{result.seconds:.1f}")
    if running is not None:
        table.add_row(running, "…", "", "", "")
    return table


def try_all(console: Console, mutants: Sequence[Mutant]) -> list[Result]:
    """Run the control and then every mutant, one after the other, showing each as it ends."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder)
        copy_tree(root)
        with Live(console=console, refresh_per_second=4) as live:

            def show(result: Result | None, running: str | None) -> None:
                if result is not None:
                    results.append(result)
                    if not console.is_terminal:
                        took = f"{result.seconds:.1f} s"
                        law = f"law {result.law or 'none'}"
                        print(result.mutant, result.outcome, result.test, law, took, sep=" | ")
                        sys.stdout.flush()
                live.update(table_of(results, running))

            show(None, CONTROL)
            show(try_control(root, mutants), None)
            if results[0].outcome == "passed":
                for mutant in mutants:
                    show(None, mutant.name)
                    show(try_mutant(root, mutant), None)
    return results


def list_mutants(console: Console, mutants: Sequence[Mutant]) -> None:
    """Print what there is."""
    table = Table("mutant", "bug", "in", title="Mutants")
    for mutant in mutants:
        paths = dict.fromkeys(change.path for change in mutant.changes)
        table.add_row(mutant.name, mutant.bug, ", ".join(paths))
    console.print(table)


def main() -> int:
    """Run the mutants that were asked for; the exit status says whether all were caught."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("--list", action="store_true", help="name the mutants and run none")
    parser.add_argument("--only", action="append", metavar="NAME", help="run this one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    options = parser.parse_args()
    console = Console()
    wanted: list[str] = options.only or [mutant.name for mutant in MUTANTS]
    mutants = [mutant for mutant in MUTANTS if mutant.name in wanted]
    unknown = sorted(set(wanted) - {mutant.name for mutant in mutants})
    if unknown:
        print(f"mutants: there is no mutant {unknown[0]!r}: see --list", file=sys.stderr)
        return 2
    if options.list:
        list_mutants(console, mutants)
        return 0
    wrong = problems(ROOT, mutants)
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
        return 2
    started = time.monotonic()
    results = try_all(console, mutants)
    print()
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1))
    bad = [result for result in results if result.outcome in ("survived", "error")]
    for result in bad:
        print(f"mutants: {result.mutant}: {result.outcome}: {result.test}")
    print(f"{len(results) - 1} mutants, {len(bad)} not caught, {time.monotonic() - started:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
