"""What every benchmark prints and writes: one row a figure, with its budget and its peer.

    {"rows": [{"figure", "value", "unit", "budget", "met", "peer", "ratio"}]}

`budget` is the most the figure may be (the least, for a rate); `ratio` is our figure divided by
what the named peer took in the same run. Null where it does not apply.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["Report", "parser", "percentile", "progress"]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure."""

    figure: str
    value: float
    unit: str
    budget: float | None
    met: bool | None
    peer: str | None
    ratio: float | None


@dataclass(slots=True)
class Report:
    """The rows of one run."""

    title: str
    rows: list[Row] = field(default_factory=list[Row])

    def add(
        self,
        figure: str,
        value: float,
        unit: str,
        *,
        budget: float | None = None,
        at_least: bool = False,
        peer: tuple[str, float] | None = None,
    ) -> None:
        """Add a figure; `at_least` turns the budget round, `peer` is a name and its figure."""
        met = None
        if budget is not None:
            met = value >= budget if at_least else value <= budget
        name, other = peer if peer is not None else (None, 0.0)
        ratio = value / other if name is not None and other else None
        self.rows.append(Row(figure, value, unit, budget, met, name, ratio))

    def finish(self, file: Path | None) -> None:
        """Print the table, and write the file if one was asked for."""
        table = Table(title=self.title)
        for heading in ("figure", "value", "budget", "met", "ratio"):
            table.add_column(heading, justify="left" if heading == "figure" else "right")
        for row in self.rows:
            met = {None: "", True: "yes", False: "[bold red]no[/]"}[row.met]
            ratio = "" if row.ratio is None else f"{row.ratio:.2f} of {row.peer}"
            budget = "" if row.budget is None else f"{row.budget:g}"
            table.add_row(row.figure, f"{row.value:.4g} {row.unit}", budget, met, ratio)
        Console().print(table)
        if file is not None:
            rows = {"rows": [asdict(row) for row in self.rows]}
            file.write_text(json.dumps(rows, indent=2) + "\n")


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--quick", action="store_true", help="under a minute, coarser")
    made.add_argument("--json", type=Path, help="write the rows there")
    return made


def progress(words: str) -> None:
    """Say on the error stream what goes on."""
    print(words, file=sys.stderr, flush=True)


def percentile(sample: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of a sample; 0.0 of none."""
    ordered = sorted(sample)
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, max(0, -int(-percent * len(ordered) // 100) - 1))]
