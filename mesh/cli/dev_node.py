"""One process of `mesh dev`: a node, and for a box a camera that makes things up."""

import random
import time
from hashlib import sha256
from pathlib import Path

import trio

from mesh.choreography.event_type import event
from mesh.cli.logs import configure_logging
from mesh.config import load_config
from mesh.node.node import Node
from mesh.node.opening import open_node
from mesh.node.processes import Parent
from mesh.units import MS

__all__ = ["MODEL", "NearMiss", "run_dev_node"]

MODEL = sha256(b"mesh dev: no model at all").digest()
"""What the boxes say they made their events with."""
PAUSE_S = (3.0, 9.0)
"""Shortest and longest time between two events of a box, seconds."""
KINDS = ("van in the bike lane", "car past the stop line", "cyclist cut off")


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
    async with open_node(path) as node, trio.open_nursery() as nursery:
        if load_config(path).role == "box":
            await node.facts.runs(models=[(MODEL, time.time_ns() // MS)])
            nursery.start_soon(_camera, parent, node)
        parent.tell("")
        await parent.stopped()
        nursery.cancel_scope.cancel()


async def _camera(parent: Parent, node: Node) -> None:
    rng = random.SystemRandom()
    while True:
        await trio.sleep(rng.uniform(*PAUSE_S))
        seen = NearMiss(rng.choice(KINDS), round(rng.uniform(0.6, 0.99), 2))
        await node.publish(seen, model=MODEL)
        parent.tell(f"{time.strftime('%H:%M:%S')}  {node.name}: {seen.kind} ({seen.confidence})")
