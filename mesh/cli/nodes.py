"""`mesh get`: what a node, or its store, knows of the fleet."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, cast

import trio
import typer
from rich.console import Console
from rich.table import Table

from mesh.cli.asking import ask_or_serve
from mesh.cli.options import CommandError
from mesh.config import ConfigError, load_config
from mesh.node.control import ask

__all__ = ["app", "check_output", "console", "nodes_table", "only_config"]

CONFIG_VARIABLE = "MESH_CONFIG"
"""Environment variable that names the configuration where no option does."""
WIDE = 400
"""Characters of a line where nobody looks at a terminal: nothing is cut off."""

app = typer.Typer(no_args_is_help=True, help="Show what a node knows of its fleet.")

Row = Mapping[str, object]

_COLOURS = {"self": "cyan", "seen": "green", "dark": "red", "unknown": "yellow"}


@app.command()
def nodes(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Whose view; the only one here.")
    ] = None,
    output: Annotated[str, typer.Option("-o", "--output", help="table or json.")] = "table",
) -> None:
    """List every member: who it is, where it stands, whether it is seen, what it runs."""
    check_output(output)
    path = config or only_config()
    answer = trio.run(ask_or_serve, path, {"do": "nodes"})
    rows = cast("list[Row]", answer.value["nodes"])
    if answer.value["warning"]:
        typer.echo(f"warning: {answer.value['warning']}", err=True)
    if output == "json":
        typer.echo(json.dumps(rows, indent=2))
        return
    shown = console()
    shown.print(nodes_table(rows, is_live=answer.is_live, wide=not shown.is_terminal))
    if not answer.is_live:
        typer.echo(f"no node runs with {path}: this is what its store held last")


@app.command()
def counters(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Whose; the only one here.")
    ] = None,
    output: Annotated[str, typer.Option("-o", "--output", help="table or json.")] = "table",
) -> None:
    """Show what a running node counted since its start, each refusal by its reason."""
    check_output(output)
    answer = trio.run(partial(ask, config or only_config(), {"do": "counters"}))
    counts = cast("Mapping[str, int]", answer["counters"])
    if output == "json":
        typer.echo(json.dumps(dict(counts), indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("COUNTER", no_wrap=True)
    table.add_column("COUNT", justify="right")
    for name, count in counts.items():
        if count:
            table.add_row(name, str(count))
    console().print(table)


def check_output(output: str) -> None:
    """Refuse a form of output that is none."""
    if output not in ("table", "json"):
        raise CommandError(f"-o {output!r:.20}: expected table or json")


def console() -> Console:
    """Return where tables are shown; nothing is cut off where nobody looks at a terminal."""
    shown = Console(emoji=False, highlight=False)
    if not shown.is_terminal:
        shown.width = WIDE
    return shown


def only_config() -> Path:
    """Return the configuration that is meant where none is named."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    found = [path for path in sorted(Path().glob("*.toml")) if _is_config(path)]
    if len(found) != 1:
        raise CommandError(
            f"{len(found)} node configurations in {Path.cwd()}: name one with --config FILE or "
            f"{CONFIG_VARIABLE}"
        )
    return found[0]


def _is_config(path: Path) -> bool:
    try:
        load_config(path)
    except ConfigError:
        return False
    return True


def nodes_table(rows: Sequence[Row], *, is_live: bool = True, wide: bool = False) -> Table:
    """Return the listing as a table.

    Args:
        rows: as `mesh.node.listing` describes them.
        is_live: whether somebody looks at who is there.
        wide: whether keys are shown whole.
    """
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in ("NAME", "KEY", "PLACE", "DISTRICT", "STATE", "SEEN", "EPOCH", "RUNS", "HEARD"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        presence = str(row["presence"]) if is_live else ""
        colour = _COLOURS.get(presence, "")
        state = str(row["state"])
        table.add_row(
            str(row["name"]),
            _key(str(row["did"]), wide=wide),
            str(row["place"]) or "-",
            str(row["district"]) or "-",
            state if state == "current" else f"[red]{state}[/red]",
            f"[{colour}]{presence}[/{colour}]" if colour else presence or "-",
            str(row["epoch"]),
            _models(cast("list[Mapping[str, str]]", row["models"])),
            _heard(row["heard_s"]),
        )
    return table


def _key(did: str, *, wide: bool) -> str:
    return did if wide else f"…{did[-8:]}"


def _models(models: Sequence[Mapping[str, str]]) -> str:
    texts = [
        f"{model['name']} ({model['digest'][:8]})" if model["name"] else model["digest"][:8]
        for model in models
    ]
    return ", ".join(texts) or "-"


def _heard(seconds: object) -> str:
    return f"{seconds} s ago" if isinstance(seconds, int) else "-"
