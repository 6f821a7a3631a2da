"""Running a node in the foreground: its console, one line about how it fares, a clean end."""

import signal
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Literal, cast

import msgspec
import trio
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from mesh.config import ConfigError, NodeConfig, load_config, render_config
from mesh.coordination.trust import PeerClass
from mesh.node.control import socket_path
from mesh.node.node import Node
from mesh.node.opening import load_secret, open_prepared_node, read_invite
from mesh.units import MS

__all__ = ["run_node"]

STATUS_S = 1.0
"""Seconds between two looks at the node."""


def run_node(path: Path, *, role: str = "", models: Sequence[bytes] = ()) -> None:
    """Run the node of a configuration until SIGINT or SIGTERM.

    Args:
        path: the configuration.
        role: replaces that of the configuration, unless "".
        models: digests of what it runs, for the inventory, 32 bytes each.

    Raises:
        ConfigError, KeyFileError, InvalidInviteError, StoreError, NetworkError, ControlError: what
            is wrong with a file or an address.
    """
    config = load_config(path)
    if not config.invite:
        raise ConfigError(
            f"{path} names no invite: have its key granted, then run `mesh box join INVITE`"
        )
    if role:
        config = msgspec.structs.replace(config, role=cast("Literal['bootstrap']", role))
    trio.run(_run, path, config, tuple(models))


async def _run(path: Path, config: NodeConfig, models: tuple[bytes, ...]) -> None:
    secret, invite = load_secret(config), read_invite(config.path(config.invite))
    async with trio.open_nursery() as ended:
        await ended.start(_end_on_signal, ended.cancel_scope)
        async with open_prepared_node(config, secret, invite, console=socket_path(path)) as node:
            if config.role == "box" and _is_member(node):
                await _state(node, config, models)
            await _show(node)


async def _end_on_signal(
    scope: trio.CancelScope, *, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            scope.cancel()


async def _state(node: Node, config: NodeConfig, models: tuple[bytes, ...]) -> None:
    """State what we run, for everybody's inventory."""
    now_ms = time.time_ns() // MS
    settings = sha256(render_config(config).encode()).digest()
    await node.facts.runs(
        models=[(digest, now_ms) for digest in models], config=[(settings, now_ms)]
    )


def _is_member(node: Node) -> bool:
    return node.mind.trust.peer_class(node.public).peer_class is PeerClass.MEMBER


async def _show(node: Node) -> None:
    typer.echo(f"{node.name} runs as {node.did} at {', '.join(node.addresses)}; Ctrl-C ends it")
    console = Console()
    if not console.is_terminal:
        await trio.sleep_forever()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(Text(_status(node), no_wrap=True, overflow="ellipsis"), refresh=True)
            await trio.sleep(STATUS_S)


def _status(node: Node) -> str:
    statistics = node.statistics().mind
    presence, admission = statistics.presence, statistics.admission
    refused = sum(admission.refused.values()) - admission.refused.get("duplicate", 0)
    words = [
        f"{len(statistics.links)} links",
        f"{len(presence.seen)} seen, {len(presence.dark)} dark, {len(presence.unknown)} unknown",
        f"{admission.accepted} events, {refused} refused",
    ]
    if not _is_member(node):
        reason = node.mind.trust.peer_class(node.public).reason
        words.append(f"not a member any more: {reason}" if reason else "not a member")
    if not statistics.clock_trusted:
        words.append("clock untrusted: reacting to nothing")
    return " · ".join(words)
