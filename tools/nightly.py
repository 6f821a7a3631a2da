"""What `make nightly` runs: scenarios drawn by chance, a thousand seeds of them.

Each seed is a run of `mesh.testing.chaos`: a random half of all kinds of faults, laid over a
few virtual minutes, every invariant looked at. What breaks one is appended to
`tests/sim/seeds.txt`, whose every line is a test from then on. What a seed means changes with the
nemesis, so a bug that one finds is to have a test that says what it was, too.

    make nightly ARGS='--seeds 50 --first 1000'
    make nightly ARGS='--show 1017'                 # the scenario of a seed, as a file

A seed that broke nothing is vacuous if nothing befell anybody, or nobody heard or learnt anything.
At the end stands a table of what the runs met (`tools.night_table`); with `--add-to FILE` a night
can be played in pieces, and the table is of all of them.
"""

import argparse
import json
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from mesh.testing.chance.nemesis import chaos, drawn_text, laid
from mesh.testing.fleets.sight import Sight
from mesh.testing.scenarios.runner import run_scenario
from mesh.testing.scenarios.scenario import SEED_MAX
from tools.night_table import WORDS, is_vacuous, table, tally_of

__all__ = ["Found", "Line", "main", "play", "read_lines"]

ROOT = Path(__file__).resolve().parent.parent
SEEDS = ROOT / "tests" / "sim" / "seeds.txt"
CPU_S_MAX = 300.0
"""Longest that one seed may take, seconds of processor time; they take two or three. One that takes
longer is a failure too."""
TOLD_EVERY = 25
"""Seeds between two lines of progress."""


class Line(NamedTuple):
    """One line of the file: what was run."""

    seed: int
    nodes: int
    hours: float

    def __str__(self) -> str:
        return f"{self.seed} nodes={self.nodes} hours={self.hours:g}"


class Found(NamedTuple):
    """What became of one: held, vacuous or broken, what is wrong, and what it met."""

    line: Line
    word: str
    sentences: Sequence[str]
    met: Mapping[str, int] = MappingProxyType({"runs": 1, "word broken": 1})


class _TooLongError(Exception):
    """A seed takes longer than it may."""


def read_lines(text: str) -> list[Line]:
    """Return the lines of the file; what follows a # is for people.

    Raises:
        ValueError: a line is none.
    """
    lines: list[Line] = []
    for number, told in enumerate(text.splitlines(), start=1):
        words = told.partition("#")[0].split()
        if not words:
            continue
        try:
            seed, nodes, hours = words
            line = Line(
                int(seed), int(nodes.removeprefix("nodes=")), float(hours.removeprefix("hours="))
            )
        except ValueError:
            where = f"{SEEDS.name}:{number}: {told!r:.60} is no line"
            raise ValueError(f"{where}: expected one such as {Line(17, 4, 0.05)}") from None
        lines.append(line)
    return lines


def play(line: Line) -> Found:
    """Run one seed; what happens in it is printed first."""
    scenario = chaos(nodes=line.nodes, hours=line.hours, seed=line.seed)
    print(f"{line}: {scenario.why}", flush=True)
    began_s = time.process_time()
    moved = 0

    def watch(sight: Sight) -> None:
        nonlocal moved
        moved += 0 if sight.is_whole else len([m for m in sight.moves if m.deed != "has"])
        if time.process_time() - began_s > CPU_S_MAX:
            raise _TooLongError(f"after {CPU_S_MAX:.0f} s it is at {sight.now_s:.0f} virtual s")

    try:
        result = run_scenario(scenario, watch=watch)
    except _TooLongError as error:
        return Found(line, "broken", [str(error)])
    except Exception as error:  # noqa: BLE001  (whatever a seed makes the code raise is a finding)
        return Found(line, "broken", [f"it raised {type(error).__name__}: {error}"])
    told = [sentence for sentence in result.sentences if " vacuous: " not in sentence]
    befell = laid(nodes=line.nodes, hours=line.hours, seed=line.seed)
    word = result.word
    if word != "broken":
        word = "vacuous" if is_vacuous(befell, result) else "held"
    met = tally_of(word, scenario, befell, result)
    met.update({"count moves_while_cut": moved, "with moves_while_cut": bool(moved)})
    return Found(line, word, told, dict(met))


def run(lines: Sequence[Line], jobs: int) -> tuple[list[Found], Counter[str]]:
    """Run seeds in several processes; returns those that broke something, and what all met."""
    began_s = time.monotonic()
    words: Counter[str] = Counter()
    met: Counter[str] = Counter()
    broken: list[Found] = []
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for found in pool.imap_unordered(play, lines):
            words[found.word] += 1
            met.update(found.met)
            if found.word == "broken":
                broken.append(found)
                note(found)
                print("\n  ".join([f"BROKEN {found.line}", *found.sentences]), flush=True)
            if words.total() % TOLD_EVERY == 0 or words.total() == len(lines):
                print(progress(words, len(lines), time.monotonic() - began_s), flush=True)
    return broken, met


def added(met: Counter[str], file: Path | None) -> Counter[str]:
    """Return what was met with what a file holds of the pieces before; it is kept there."""
    if file is None:
        return met
    before = Counter(json.loads(file.read_text(encoding="utf-8")) if file.exists() else {})
    before.update(met)
    file.write_text(json.dumps(before, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return before


def progress(words: Counter[str], of: int, passed_s: float) -> str:
    """Say how far it is."""
    told = ", ".join(f"{words[word]} {word}" for word in WORDS)
    left_s = passed_s / words.total() * (of - words.total())
    return f"{words.total()} of {of} seeds in {passed_s:.0f} s, {left_s:.0f} s to go: {told}"


def note(found: Found) -> None:
    """Append what broke something to the file, once."""
    text = SEEDS.read_text(encoding="utf-8")
    if found.line not in read_lines(text):
        told = " ".join(found.sentences[0].split())[:200] if found.sentences else ""
        SEEDS.write_text(f"{text}{found.line}  # {told}\n", encoding="utf-8")


def parse(arguments: Iterable[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="make nightly", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--first", type=int, help="the first of them; drawn anew unless given")
    parser.add_argument("--nodes", type=int, default=4, help="boxes, beside three who sign")
    parser.add_argument("--hours", type=float, default=0.05, help="virtual, of things that happen")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--show", type=int, metavar="SEED", help="print its scenario, run nothing")
    parser.add_argument("--add-to", type=Path, metavar="FILE", help="JSON of what pieces met")
    options = parser.parse_args(None if arguments is None else list(arguments))
    if options.first is None:
        options.first = random.SystemRandom().randrange(SEED_MAX - options.seeds)
    for word, least in (("seeds", 1), ("first", 0), ("nodes", 1), ("jobs", 1)):
        if getattr(options, word) < least:
            parser.error(f"--{word} {getattr(options, word)}: expected {least} or more")
    if not 0 < options.hours <= 24:
        parser.error(f"--hours {options.hours:g}: expected more than 0, and at most 24")
    return options


def main(arguments: Iterable[str] | None = None) -> int:
    """Run seeds; the exit status says whether all is well."""
    options = parse(arguments)
    if options.show is not None:
        print(drawn_text(nodes=options.nodes, hours=options.hours, seed=options.show), end="")
        return 0
    seeds = range(options.first, options.first + options.seeds)
    broken, met = run([Line(seed, options.nodes, options.hours) for seed in seeds], options.jobs)
    print(table(added(met, options.add_to)))
    for found in broken:
        print(f"make nightly: {found.line} broke: {'; '.join(found.sentences)}")
    where = f"; see {SEEDS.relative_to(ROOT)}" if broken else ""
    print(f"make nightly: {len(broken)} of {len(seeds)} seeds from {seeds[0]} broke{where}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
