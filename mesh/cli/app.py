"""The command tree, and the one place where an error becomes a line.

Every error tree of the project is known here. What is in none of them is a bug of ours: it gives
one line too, exit code 1, and its traceback with `--verbose`.
"""

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, cast

import typer

from crdt.errors import CrdtError
from identity.errors import IdentityError
from inference.errors import InferenceError
from mesh.choreography.cells import CellError
from mesh.choreography.event import EventError
from mesh.cli import artifact, authority, box, dev, net, nodes, rollouts, sim
from mesh.cli.logs import configure_logging
from mesh.cli.options import CommandError
from mesh.config import ConfigError
from mesh.files.form import MistakeError
from mesh.mind.writing import WriteError
from mesh.net.errors import NetworkError
from mesh.node.control import ControlError
from mesh.node.facts import FactFailedError
from mesh.node.node import NodeError
from mesh.node.offline import DeskError
from mesh.node.processes import ProcessFailedError
from mesh.testing.wires.namespaces import NamespacesUnavailableError
from mesh.testing.wires.plan import UnfitForWiresError

__all__ = ["app", "run", "sentence_of"]

WRONG_INPUT = 2
"""Exit code of a command that was given something it cannot use."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
LINE_SIZE_MAX = 600
"""Longest error line, characters."""

_EXPECTED = (
    CellError,
    CommandError,
    ConfigError,
    ControlError,
    CrdtError,
    DeskError,
    EventError,
    FactFailedError,
    IdentityError,
    InferenceError,
    MistakeError,
    NamespacesUnavailableError,
    NetworkError,
    NodeError,
    OSError,
    ProcessFailedError,
    UnfitForWiresError,
    WriteError,
)

_USAGE = cast("type[Exception]", typer.BadParameter.__base__)
"""What is raised for a command line that cannot be read; click's, or the one that typer brings."""

app = typer.Typer(
    name="mesh",
    help="Fleets of edge AI boxes that act together without a controller.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(artifact.app, name="artifact")
app.add_typer(authority.app, name="authority")
app.add_typer(box.app, name="box")
app.add_typer(nodes.app, name="get")
app.add_typer(net.app, name="net")
app.add_typer(rollouts.app, name="rollout")
app.add_typer(sim.app, name="sim")
app.command()(rollouts.apply)
app.command()(box.bootstrap)
app.command()(dev.dev)
app.command()(rollouts.diff)
app.command()(rollouts.explain)
nodes.app.command("rollouts")(rollouts.rollouts)


@app.callback()
def options(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log what happens, also inside libp2p.")
    ] = False,
) -> None:
    """Fleets of edge AI boxes that act together without a controller."""
    configure_logging(verbose=verbose)


@app.command()
def demo(
    boxes: Annotated[int, typer.Option(help="How many boxes, at least 12 for all claims.")] = 12,
    seed: Annotated[int, typer.Option(help="Decides the city and all that happens.")] = 247,
    act: Annotated[
        str | None, typer.Option(help="rollout, trust, reaction or partition; all unless given.")
    ] = None,
    incidents: Annotated[int, typer.Option(help="Incidents after the first.")] = 60,
    keep_going: Annotated[bool, typer.Option(help="Go on after a claim that fails.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the results there.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a page of HTML there, to be read offline.")
    ] = None,
) -> int:
    """Show it: a city of boxes, its centre killed, and 17:47; fails when a claim does not hold."""
    # The demo stands beside the command line and not below it: no import statement may name it.
    face = importlib.import_module("mesh.demo.cli")
    try:
        return face.demo(
            boxes=boxes, seed=seed, act=act, incidents=incidents, keep_going=keep_going, json=json,
            report=report,
        )  # fmt: skip
    except face.DemoUsageError as error:
        raise CommandError(str(error)) from None


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        answer = typer.main.get_command(app).main(
            args=words, prog_name="mesh", standalone_mode=False
        )
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except _USAGE as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            return WRONG_INPUT  # a group without a command: its help was shown already
        message = cast("Callable[[], str]", getattr(error, "format_message", error.__str__))()
        return _fail(f"{message.rstrip('. ')}; see `mesh --help`")
    except Exception as error:  # noqa: BLE001  (the top of the program)
        return _explain(error, words)
    return answer if isinstance(answer, int) else 0


def sentence_of(error: BaseException) -> str | None:
    """Return the sentence of an error that is told in one; None for what is a bug."""
    leaves = list(_leaves(error))
    if not all(isinstance(leaf, _EXPECTED) for leaf in leaves):
        return None
    first = leaves[0]
    if isinstance(first, OSError) and first.strerror:
        return f"{first.filename or 'the system'}: {first.strerror}"
    return str(first)


def _explain(error: Exception, words: Sequence[str]) -> int:
    leaves = list(_leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        return INTERRUPTED
    if (sentence := sentence_of(error)) is not None:
        return _fail(sentence)
    if "--verbose" in words:
        traceback.print_exception(error)
    where = traceback.extract_tb(leaves[0].__traceback__)[-1]
    _fail(
        f"a fault of ours, {type(leaves[0]).__name__}: {leaves[0]} at {where.filename}:"
        f"{where.lineno}; run again with --verbose and report it"
    )
    return 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _fail(message: str) -> int:
    line = " ".join(message.split())[:LINE_SIZE_MAX]
    typer.echo(f"mesh: {line}", err=True)
    return WRONG_INPUT
