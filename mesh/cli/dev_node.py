"""One process of `mesh dev`: a node, and for a box a camera and a slot with a detector."""

import random
import time
from pathlib import Path

import trio

from mesh.choreography.event_type import event
from mesh.cli.dev_camera import SLOT, Camera, Moment
from mesh.cli.logs import configure_logging
from mesh.config import load_config
from mesh.node.node import Node
from mesh.node.opening import open_node
from mesh.node.processes import Parent
from mesh.node.slot import Slot

__all__ = ["NearMiss", "run_dev_node"]

FRAME_S = 1.0
"""Seconds between two frames of a camera: five boxes share a small machine with their reader."""
PAUSE_S = (3.0, 9.0)
"""Shortest and longest time between two vehicles in a bike lane, seconds."""


@event("traffic.near_miss")
class NearMiss:
    """Something almost happened.

    Attributes:
        kind: what.
        confidence: how sure the camera is, 0 to 1.
    """

    kind: str
    confidence: float


def run_dev_node(parent: Parent, config: str) -> None:
    """Run a node until the parent asks to stop; its words are lines for the story."""
    configure_logging(verbose=False)
    trio.run(_run, parent, Path(config))


async def _run(parent: Parent, path: Path) -> None:
    async with open_node(path) as node:
        if load_config(path).role != "box":
            parent.tell("")
            await parent.stopped()
            return
        camera = await trio.to_thread.run_sync(Camera, int(path.stem.removeprefix("box-")))
        async with (
            node.slot(SLOT, camera.make_host, factory=camera.delivered) as slot,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(_watch, parent, node, slot, camera)
            parent.tell("")
            await parent.stopped()
            nursery.cancel_scope.cancel()


async def _watch(parent: Parent, node: Node, slot: Slot, camera: Camera) -> None:
    """Look at a frame a second, and publish what the detector makes of it."""
    rng = random.SystemRandom()
    await trio.to_thread.run_sync(camera.render)
    at = trio.current_time() + rng.uniform(*PAUSE_S)
    while True:
        blocked = trio.current_time() >= at
        if blocked:
            at = trio.current_time() + rng.uniform(*PAUSE_S)
        seen = await trio.to_thread.run_sync(lambda now=blocked: camera.look(rng, blocked=now))
        slot.seen(seen.model, seen.problem)
        await _tell(parent, node, seen)
        await trio.sleep(FRAME_S)


async def _tell(parent: Parent, node: Node, seen: Moment) -> None:
    if seen.confidence is None:
        return
    event = NearMiss("vehicle in the bike lane", round(seen.confidence, 2))
    await node.publish(event, model=seen.model)
    clock = time.strftime("%H:%M:%S")
    parent.tell(f"{clock}  {node.name}: {event.kind} ({event.confidence}, {seen.version})")
