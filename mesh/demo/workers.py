"""What each process of the demo runs, once it is forked; the first argument is its parent."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from mesh.demo.attackers import AccompliceOptions, run_accomplice
from mesh.demo.box import BoxOptions, run_box
from mesh.demo.plan import ScenePlan
from mesh.demo.scenery import render_cameras
from mesh.node import open_node
from mesh.node.processes import Parent

__all__ = ["accomplice", "box", "node", "scenery"]


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
    """A plain node: the authority, the bootstrap peer, the forker's hardware."""

    async def main(ready: trio.Event) -> None:
        async with open_node(config):
            ready.set()
            await trio.sleep_forever()

    _run(parent, main)


def scenery(parent: Parent, plan: ScenePlan, boxes: list[str], scene: str, truth: str) -> None:
    """Render some cameras, one after the other, and say so after each."""
    for name in boxes:
        render_cameras(plan, [name], Path(scene), Path(truth))
        parent.tell(name)
    parent.tell("done")
