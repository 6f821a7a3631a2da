"""`mesh dev`: a live fleet on this machine, of real processes on loopback, to play with.

An authority, a bootstrap peer and boxes along a street, 150 m apart, whose cameras now and then
show a vehicle in the bike lane. Each has a slot with a detector, into which models can be rolled
out. One more place on that street belongs to you: its configuration lies ready, and your own
program runs as that box. Everything ends with Ctrl-C, and nothing is left behind.
"""

import math
import shutil
import socket
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Annotated, cast

import msgspec
import trio
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from identity.encoding import Value
from identity.invite import Invite, parse_invite
from identity.keys import peer_id
from mesh.cli.asking import ask_or_serve
from mesh.cli.dev_camera import delivered_path
from mesh.cli.dev_node import run_dev_node
from mesh.cli.nodes import nodes_table
from mesh.cli.options import CommandError
from mesh.config import load_config, render_config
from mesh.node.control import ControlError, ask
from mesh.node.founding import found_authority, found_node, install_invite, replace_file
from mesh.node.processes import Child, Processes, ProcessFailedError

__all__ = ["dev"]

NODES_MAX = 40
"""Most boxes; each is a process of about 80 MiB."""
START = (48.137, 11.575)
"""Where the street begins: latitude and longitude, degrees."""
STEP_M = 150.0
"""Distance of two boxes along the street, metres."""
METRES_PER_DEGREE = 111_320.0
LOOK_S = 1.0
"""Seconds between two looks at the fleet."""
STORY_LINES = 6
"""Events shown below the table."""
PRELOAD = ("mesh.net.host", "mesh.cli.dev_node", "mesh.demo.scenes")
"""What every process needs and is slow to import."""
LABELS = {"camera": "true"}
"""What the boxes carry that run here; yours has no camera."""
EXAMPLE = "examples/near_miss.py"


@dataclass(slots=True)
class _Street:
    """The founded fleet.

    Attributes:
        directory: where its files are.
        authority: configuration of the authority.
        nodes: name → configuration of everybody that runs.
        yours: configuration of the box that is yours.
    """

    directory: Path
    authority: Path
    nodes: dict[str, Path]
    yours: Path
    story: list[str] = field(default_factory=list[str])


def dev(
    nodes: Annotated[int, typer.Option(help="How many boxes run.")] = 5,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Keep the files there; an empty one.")
    ] = None,
) -> None:
    """Run a fleet on this machine to play with, and leave one place in it to your program."""
    if not 1 <= nodes <= NODES_MAX:
        raise CommandError(f"--nodes {nodes}: expected 1 to {NODES_MAX}")
    with _home(directory) as home:
        typer.echo(f"founding a fleet of {nodes} boxes in {home} …")
        street = trio.run(_found, home, nodes)
        with Processes(preload=PRELOAD) as processes:
            trio.run(_live, processes, street)


@contextmanager
def _home(directory: Path | None) -> Generator[Path]:
    if directory is None:
        with tempfile.TemporaryDirectory(prefix="mesh-dev-") as name:
            yield Path(name)
        return
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CommandError(f"--dir {directory}: expected an empty directory, or none of that name")
    yield directory.absolute()


# ------------------------------------------------------------------------------------- founding


async def _found(directory: Path, count: int) -> _Street:
    """Make every key, and let the authority sign everything before anybody runs."""
    founded = found_authority(directory, listen=f"/ip4/127.0.0.1/tcp/{_free_port()}")
    street = _Street(directory, founded.config, {}, directory / "you.toml")
    sign = partial(ask_or_serve, founded.config)
    delivered = sha256(delivered_path().read_bytes()).digest()
    await sign(
        {"do": "approve", "name": "detector", "digest": delivered, "state": "approved",
         "events": ["traffic.*"], "area": "*"}
    )  # fmt: skip
    port = _free_port()
    config, secret = found_node(
        directory / "bootstrap.toml", listen=f"/ip4/127.0.0.1/tcp/{port}", role="bootstrap"
    )
    bootstrap = f"{config.listen[0]}/p2p/{peer_id(secret.public)}"
    answer = await sign(
        {"do": "grant", "key": secret.public, "name": "bootstrap", "role": "bootstrap"}
    )
    _install(directory / "bootstrap.toml", "bootstrap", answer.value["invite"], bootstrap)
    street.nodes = {"centre": founded.config, "bootstrap": directory / "bootstrap.toml"}
    names = [f"dev/box-{number + 1}" for number in range(count)]
    names.insert((count + 1) // 2, "dev/you")
    for place, name in enumerate(names):
        path = directory / f"{name.removeprefix('dev/')}.toml"
        _, secret = found_node(path)
        request: dict[str, Value] = {
            "do": "grant",
            "key": secret.public,
            "name": name,
            "role": "box",
            "position": cast("list[Value]", _position(place)),
        }
        answer = await sign(request)
        _install(path, name, answer.value["invite"], bootstrap)
        if name != "dev/you":
            _label(path)
            street.nodes[name] = path
    return street


def _install(path: Path, name: str, data: object, bootstrap: str) -> None:
    invite = parse_invite(cast("bytes", data))
    addresses = (*invite.addresses, bootstrap)
    whole = Invite(invite.genesis, invite.pin, invite.statements, invite.entries, addresses)
    install_invite(path, whole, name=name)


def _label(path: Path) -> None:
    """Say in a configuration that the box has a camera: rollouts of detectors are for those."""
    config = msgspec.structs.replace(load_config(path), labels=LABELS)
    replace_file(path, render_config(config).encode())


def _position(place: int) -> list[int]:
    latitude, longitude = START
    east = place * STEP_M / (METRES_PER_DEGREE * math.cos(math.radians(latitude)))
    return [round(latitude * 1e6), round((longitude + east) * 1e6)]


def _free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --------------------------------------------------------------------------------------- living


async def _live(processes: Processes, street: _Street) -> None:
    typer.echo(f"starting {len(street.nodes)} processes …")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_on_signal, nursery.cancel_scope)
        children = await trio.to_thread.run_sync(_start, processes, street)
        for child in children:
            await _hear(child, street)  # its first word: it stands
        for child in children:
            nursery.start_soon(_follow, child, street)
        typer.echo(_how_to_attach(street))
        await _show(street)


def _start(processes: Processes, street: _Street) -> list[Child]:
    return [
        processes.start(run_dev_node, str(path), name=name.replace("/", "-"))
        for name, path in street.nodes.items()
    ]


async def _end_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(SIGINT, SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


async def _follow(child: Child, street: _Street) -> None:
    """Tell what a process tells, and its end: boxes may be killed here to see what happens."""
    try:
        while True:
            await _hear(child, street)
    except ProcessFailedError as error:
        _tell(street, f"{error}; the others go on")


async def _hear(child: Child, street: _Street) -> None:
    told = str(await child.receive())
    if told:
        _tell(street, told)


def _tell(street: _Street, told: str) -> None:
    street.story = [*street.story, told][-STORY_LINES:]
    if not Console().is_terminal:
        typer.echo(told)


def _how_to_attach(street: _Street) -> str:
    return "\n".join(
        (
            "",
            f"{len(street.nodes)} processes run. One more box of this street is yours, dev/you;",
            "in another terminal, let the example run as that box:",
            "",
            f"    {_command('python')} {EXAMPLE} {street.yours}",
            "",
            f"or look around:    {_command('mesh')} get nodes --config {street.authority}",
            "Ctrl-C ends everything.",
            "",
        )
    )


def _command(name: str) -> str:
    """Return a program of this environment as it can be typed here."""
    ours = Path(sys.executable).with_name(name)
    if shutil.which(name) == str(ours) or not ours.exists():
        return name
    here = Path.cwd()
    return str(ours.relative_to(here) if ours.is_relative_to(here) else ours)


async def _show(street: _Street) -> None:
    console = Console()
    if not console.is_terminal:
        await trio.sleep_forever()
    with Live(console=console, auto_refresh=False) as live:
        while True:
            try:
                answer = await ask(street.authority, {"do": "nodes"})
            except ControlError as error:
                raise ProcessFailedError(f"the authority ended: {error}") from None
            table = nodes_table(cast("list[dict[str, object]]", answer["nodes"]))
            story = Text("\n".join(["", *street.story]))
            live.update(Group(table, story), refresh=True)
            await trio.sleep(LOOK_S)
