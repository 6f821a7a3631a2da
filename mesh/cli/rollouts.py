"""`mesh apply`, `mesh rollout`: what is rolled out, how it goes, and how to stop it.

A running node is asked; where none runs, its store is read and written, and what was signed spreads
when the node next speaks to anybody. Nothing here decides: the plan, the refusals and the sentences
are those of `mesh.orchestration`.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast

import trio
import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from identity.encoding import Value
from mesh.cli.asking import Answer, ask_or_serve
from mesh.cli.nodes import check_output, console, only_config
from mesh.cli.options import CommandError
from mesh.files.yaml_tree import YAML_SIZE_MAX
from mesh.orchestration.errors import RolloutFileError
from mesh.orchestration.explain import counted
from mesh.orchestration.rollout_file import RolloutFile, parse_rollout_file, rollout_schema
from mesh.orchestration.wish import wish_in

__all__ = ["app", "apply", "diff", "explain", "read_rollout_file", "rollouts"]

WATCH_S = 1.0
"""Seconds between two looks of `status -w`."""
FAILED = 1
"""Exit code of `status -w` where the rollout ended before it was complete."""
BAR_SIZE = 24
"""Characters of a stage's bar."""
PERCENT_PPM = 10_000
"""A percent is this many parts per million."""

app = typer.Typer(no_args_is_help=True, help="Watch rollouts; pause, resume, promote, end them.")

Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Whose view and key; the only one here.")
]
RolloutPath = Annotated[
    Path, typer.Option("--file", "-f", help="A rollout in YAML; see `mesh rollout schema`.")
]
ArtifactPath = Annotated[
    Path | None,
    typer.Option("--artifact", help="The signed artefact, where this node has it not yet."),
]
Output = Annotated[str, typer.Option("-o", "--output", help="table or json.")]
RolloutName = Annotated[
    str, typer.Argument(metavar="NAME", help="Its name, or the beginning of its id.")
]

Row = Mapping[str, object]


def _ask(config: Path | None, request: Mapping[str, object]) -> tuple[Answer, Path]:
    path = config or only_config()
    values = cast("Mapping[str, Value]", {k: v for k, v in request.items() if v is not None})
    return trio.run(ask_or_serve, path, values), path


def _say_whose(answer: Answer, path: Path) -> None:
    if not answer.is_live:
        typer.echo(f"no node runs with {path}: this is what its store held last")


# ------------------------------------------------------------------------------------ applying


def apply(
    file: RolloutPath,
    config: Config = None,
    artifact: ArtifactPath = None,
) -> None:
    """Sign a rollout, so that boxes begin with its first stage; the same again changes nothing."""
    answer, path = _ask(config, _request(file, artifact, dry=False))
    value = answer.value
    title = f"{value['title']} ({value['id']})"
    if value["unchanged"]:
        typer.echo(f"{title} is rolled out already: unchanged")
    else:
        how = "by the running node" if answer.is_live else "offline, in the store"
        typer.echo(f"{title} rolled out to {value['slot']} of {_boxes(value['names'])}")
        typer.echo(f"signed {how} of {path}")
    for note in cast("list[str]", value["notes"]):
        typer.echo(note)
    whose = "" if config is None else f" --config {config}"
    typer.echo(f"next: mesh rollout status {value['title']} -w{whose}")


def diff(
    file: RolloutPath,
    config: Config = None,
    artifact: ArtifactPath = None,
) -> None:
    """Show what `mesh apply` would change, and sign nothing."""
    answer, _ = _ask(config, _request(file, artifact, dry=True))
    value = answer.value
    changes = cast("list[Row]", value["changes"])
    if value["unchanged"]:
        typer.echo(f"{value['title']} ({value['id']}) is rolled out already: no difference")
    for row in changes:
        for sign, text in (("-", row["before"]), ("+", row["after"])):
            if text:
                typer.echo(f"{sign} {row['field']}: {text}")
    for note in cast("list[str]", value["notes"]):
        typer.echo(f"# {note}")


def _request(file: Path, artifact: Path | None, *, dry: bool) -> dict[str, object]:
    wish = wish_in(read_rollout_file(file))
    given = None if artifact is None else str(artifact.absolute())
    return {"do": "apply", "wish": wish.to_value(), "artifact": given, "dry": dry}


def read_rollout_file(path: Path) -> RolloutFile:
    """Return the rollout in a YAML file.

    Raises:
        CommandError: it cannot be read, or holds no rollout; see `parse_rollout_file`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(YAML_SIZE_MAX + 1)
    except OSError as error:
        raise CommandError(
            f"{path} cannot be read: {error.strerror}; expected a rollout in YAML"
        ) from None
    if b"\0" in data:
        raise CommandError(
            f"{path} is no text and looks like an artefact: -f wants a rollout in YAML, and the "
            "artefact goes with --artifact"
        )
    try:
        return parse_rollout_file(data, str(path))
    except RolloutFileError as error:
        raise CommandError(str(error)) from None


@app.command()
def schema() -> None:
    """Print the JSON Schema of a rollout file, for editors and checks."""
    typer.echo(rollout_schema().decode())


# ------------------------------------------------------------------------------------- looking


def rollouts(config: Config = None, output: Output = "table") -> None:
    """List every rollout: those that are live first."""
    check_output(output)
    answer, path = _ask(config, {"do": "rollouts"})
    rows = cast("list[Row]", answer.value["rollouts"])
    if output == "json":
        typer.echo(json.dumps(rows, indent=2))
        return
    table = _table("NAME", "ID", "SLOT", "OVER", "BOXES", "OPEN", "GOOD", "BAD", "MODEL", "STATE")
    for row in rows:
        fields = ("title", "id", "slot", "over", "names", "open", "good", "bad", "model", "state")
        table.add_row(*(Text(str(row[field]) or "-") for field in fields))
    console().print(table)
    _say_whose(answer, path)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    return table


@app.command()
def status(
    name: RolloutName,
    config: Config = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Look on until it is complete or over.")
    ] = False,
    output: Output = "table",
) -> int:
    """Show a bar a stage, the gate with its sample, why it holds and what it needs."""
    check_output(output)
    path = config or only_config()
    answer = _status_of(path, name)
    told = cast("Row", answer.value["rollout"])
    if output == "json":
        typer.echo(json.dumps(told, indent=2))
        return 0
    if watch:
        if not answer.is_live:
            raise CommandError(f"no node runs with {path}: nothing changes; leave -w out")
        return _watch(path, name)
    typer.echo("\n".join(_lines(told)))
    _say_whose(answer, path)
    return 0


def _status_of(path: Path, name: str) -> Answer:
    return trio.run(ask_or_serve, path, {"do": "rollout", "name": name})


def _watch(path: Path, name: str) -> int:
    """Show a rollout until it is complete or over; where nobody looks, each change once."""
    shown = console()
    said = ""
    with Live(console=shown, auto_refresh=False) as live:
        while True:
            told = cast("Row", _status_of(path, name).value["rollout"])
            text = "\n".join(_lines(told))
            if shown.is_terminal:
                live.update(Text(text), refresh=True)
            elif text != said:
                typer.echo(text)
            said = text
            if told["ended"]:
                return FAILED
            if told["complete"]:
                return 0
            time.sleep(WATCH_S)


def _lines(told: Row) -> list[str]:
    lines = [
        f"{told['title']} ({told['id']}): {told['state']}",
        f"{told['slot']} over {told['over']}, sha256:{str(told['artefact'])[:12]}…",
    ]
    bars = cast("list[Row]", told["bars"])
    lines += [f"{each['percent']:>7} {_bar(each)}  {_counts(each)}; {_gate(each)}" for each in bars]
    lines += [f"why:   {text}" for text in cast("list[str]", told["why"])]
    lines += [f"needs: {text}" for text in cast("list[str]", told["needs"])]
    for said in cast("list[Row]", told["reports"]):
        if said["verdict"] == "bad" and not said["forgiven"]:
            reason = f": {said['reason']}" if said["reason"] else ""
            lines.append(f"bad:   {said['name']}, attempt {said['attempt']}{reason}{_found(said)}")
    return lines


def _bar(bar: Row) -> str:
    """Return a stage as a bar: healthy, failed, not yet; dotted where it is not open."""
    names = max(1, cast("int", bar["names"]))
    healthy = cast("int", bar["healthy"]) * BAR_SIZE // names
    failed = -(-cast("int", bar["failed"]) * BAR_SIZE // names)
    rest = "-" if bar["open"] else "."
    return (
        f"[{'#' * healthy}{'!' * min(failed, BAR_SIZE - healthy)}".ljust(BAR_SIZE + 1, rest) + "]"
    )


def _counts(bar: Row) -> str:
    kinds = ("healthy", "held", "failed", "dark", "unknown")
    told = ", ".join(f"{bar[kind]} {kind}" for kind in kinds if bar[kind] or kind == "healthy")
    return f"{_boxes(bar['names'])}: {told}"


def _boxes(count: object) -> str:
    return counted(cast("int", count), "box", "boxes")


def _gate(bar: Row) -> str:
    if not bar["open"]:
        return "not open"
    soak = cast("int | None", bar["soak_left_ms"])
    left = f", {-(-soak // 1000)} s of soak left" if soak else ""
    verdict = "passes" if bar["passes"] else "holds"
    return (
        f"gate {verdict}: {bar['reported']} of {counted(cast('int', bar['needed']), 'report')}, "
        f"{bar['bad']} bad of {bar['allowed']} allowed{left}"
    )


def _found(said: Row) -> str:
    """Return what a box measured, in the units of a rollout file."""
    found = [
        f"{label} {cast('int', said[field]) / scale:g}"
        for field, label, scale in (
            ("p95_us", "p95_ms", 1000),
            ("map50_ppm", "map50", 1_000_000),
            ("disagreement_ppm", "disagreement", 1_000_000),
        )
        if said[field] is not None
    ]
    return f" ({', '.join(found)})" if found else ""


def explain(
    box: Annotated[str, typer.Argument(metavar="BOX", help="A name of `mesh get nodes`.")],
    config: Config = None,
    output: Output = "table",
) -> None:
    """Say what a box runs of each rollout over it, and what keeps it from more."""
    check_output(output)
    answer, path = _ask(config, {"do": "explain", "box": box})
    value = answer.value
    if output == "json":
        typer.echo(json.dumps({k: v for k, v in value.items() if k != "ok"}, indent=2))
        return
    seen = f", {value['presence']} from here" if value["presence"] else ""
    typer.echo(f"{value['name']}: {value['state']}{seen}")
    slots = cast("list[Row]", value["slots"])
    for row in slots:
        title = f" {row['title']} ({row['id']}):" if row["title"] else ""
        found = "".join(_found(said) for said in cast("list[Row]", row["said"]))
        typer.echo(f"{row['slot']}:{title} {row['why']}{found}")
        for over in cast("list[Row]", row["past"]):
            found = "".join(_found(said) for said in cast("list[Row]", over["said"]))
            typer.echo(f"  before: {over['title']} ({over['id']}): {over['why']}{found}")
    if not slots:
        typer.echo("no rollout speaks of it: it runs what it was delivered with")
    _say_whose(answer, path)


# ---------------------------------------------------------------------------------- commanding


def _command(
    name: str, command: str, config: Path | None, share: int | None = None
) -> Mapping[str, object]:
    request = {"do": "command", "name": name, "command": command, "share": share}
    answer, path = _ask(config, request)
    how = "by the running node" if answer.is_live else "offline, in the store"
    value = answer.value
    typer.echo(f"{value['title']} ({value['id']}): {value['state']}")
    typer.echo(f"{command} signed {how} of {path}")
    for note in cast("list[str]", value["notes"]):
        typer.echo(note)
    for title in cast("list[str]", value["revived"]):
        typer.echo(f"live again, because nothing takes its place now: {title}")
    return value


@app.command()
def pause(name: RolloutName, config: Config = None) -> None:
    """Freeze it: no stage opens, no box starts; what runs stays. `resume` ends it."""
    _command(name, "pause", config)


@app.command()
def resume(name: RolloutName, config: Config = None) -> None:
    """Lift every pause and forgive every bad report that is held; stages open anew."""
    value = _command(name, "resume", config)
    lifted, forgave = cast("int", value["lifted"]), cast("int", value["forgave"])
    typer.echo(f"{counted(lifted, 'pause')} lifted, {counted(forgave, 'bad report')} forgiven")


@app.command()
def promote(
    name: RolloutName,
    config: Config = None,
    percent: Annotated[
        float | None, typer.Option(help="Up to the stage of so many percent; else the next.")
    ] = None,
) -> None:
    """Open a stage without its gate, in a partition too; it lifts no pause and no halt."""
    share = None if percent is None else round(percent * PERCENT_PPM)
    _command(name, "promote", config, share)


@app.command()
def undo(name: RolloutName, config: Config = None) -> None:
    """End it: boxes go back to what they ran before. Final."""
    _command(name, "undo", config)


@app.command()
def abort(name: RolloutName, config: Config = None) -> None:
    """End it, and say that it was a mistake: stronger than `undo`. Final."""
    _command(name, "abort", config)
