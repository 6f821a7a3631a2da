"""What each process of the demo runs, once it is forked; the first argument is its parent."""

import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import trio

from mesh.config import load_config
from mesh.demo.boxes.attackers import AccompliceOptions, run_accomplice
from mesh.demo.boxes.box import BoxOptions, run_box
from mesh.demo.boxes.poisoner import poisoner_verbs
from mesh.demo.releases.release import Release, make_releases
from mesh.demo.scenes.plan import CameraPlan, ScenePlan
from mesh.demo.scenes.scenery import render_cameras
from mesh.node import Node, load_secret, open_prepared_node, read_invite
from mesh.node.console import node_verbs
from mesh.node.control import Verb, serve_control, socket_path
from mesh.node.processes import Parent

__all__ = ["accomplice", "box", "node", "poisoner", "releases", "scenery"]

SCENERY_NICENESS = 5
"""The scenery can wait for whoever plays before it is shown."""


def _run(parent: Parent, main: Callable[[trio.Event], Awaitable[None]]) -> None:
    """Run an async main until the parent asks to stop; tell it when the main is ready."""
    logging.basicConfig(level=logging.ERROR, format="%(name)s: %(message)s")
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)

    async def supervise() -> None:
        ready = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(main, ready)
            nursery.start_soon(_tell, parent, ready)
            await parent.stopped()
            nursery.cancel_scope.cancel()

    trio.run(supervise)


async def _tell(parent: Parent, ready: trio.Event) -> None:
    await ready.wait()
    parent.tell("ready")


def box(parent: Parent, options: BoxOptions) -> None:
    """A box with its camera."""
    _run(parent, lambda ready: run_box(options, ready))


def accomplice(parent: Parent, options: AccompliceOptions) -> None:
    """The attackers' link into the fleet."""
    _run(parent, lambda ready: run_accomplice(options, ready))


def node(parent: Parent, config: str) -> None:
    """A plain node: the authority, a steward, the bootstrap peer."""
    _serve(parent, config, _nothing)


def poisoner(parent: Parent, config: str) -> None:
    """The forker's hardware, which can be told to offer wrong bytes."""
    _serve(parent, config, poisoner_verbs)


def _nothing(node: Node) -> Mapping[str, Verb]:
    del node
    return {}


def _serve(parent: Parent, config: str, verbs: Callable[[Node], Mapping[str, Verb]]) -> None:
    """Run a node whose console answers these verbs, beside the node's own."""
    path = Path(config)

    async def main(ready: trio.Event) -> None:
        read = load_config(path)
        secret, invite = load_secret(read), read_invite(read.path(read.invite))
        async with (
            open_prepared_node(read, secret, invite) as node,
            trio.open_nursery() as nursery,
        ):
            both = {**node_verbs(node), **verbs(node)}
            await nursery.start(serve_control, socket_path(path), both)
            ready.set()
            await trio.sleep_forever()

    _run(parent, main)


def releases(
    parent: Parent,
    wanted: Sequence[Release],
    seed: bytes,
    cameras: Mapping[str, CameraPlan],
    scene: str,
) -> None:
    """Make what is released."""
    make_releases(wanted, seed, cameras, Path(scene))
    parent.tell("done")


def scenery(parent: Parent, plan: ScenePlan, boxes: list[str], scene: str, truth: str) -> None:
    """Render some cameras, one after the other, and say so after each."""
    os.nice(SCENERY_NICENESS)
    for name in boxes:
        render_cameras(plan, [name], Path(scene), Path(truth))
        parent.tell(name)
    parent.tell("done")
