"""A rollout over real sockets and disks: bytes from neighbours, slots in threads, a restart."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from inference.slot_events import Outcome
from mesh.node import Node
from tests.live.founded import Founded
from tests.live.signals import FACTORY, SLOT, Signals, apply, stated
from tests.live.waiting import eventually
from tests.unit.inference.artifacts import a_configuration

LIMIT_S = 60
NAMES = ("north/box-0", "north/box-1", "north/box-2")


class Box:
    """A node with one slot, whose application sees that it works."""

    node: Node
    host: Signals

    def make(
        self, *, fetch: Callable[[bytes], bytes | None], report: Callable[[Outcome], None]
    ) -> Signals:
        self.host = Signals(fetch=fetch, report=report)
        return self.host

    async def run(self, founded: Founded, name: str, *, task_status: trio.TaskStatus[None]) -> None:
        async with (
            founded.open(name) as self.node,
            self.node.slot(SLOT, self.make, factory=FACTORY) as slot,
        ):
            task_status.started()
            while True:
                slot.seen(slot.running)
                await trio.sleep(0.05)


@asynccontextmanager
async def running(founded: Founded, *names: str) -> AsyncGenerator[Mapping[str, Box]]:
    boxes = {name: Box() for name in names}
    async with trio.open_nursery() as nursery:
        for name, box in boxes.items():
            await nursery.start(box.run, founded, name)
        yield boxes
        nursery.cancel_scope.cancel()


@pytest.fixture
def founded(tmp_path: Path) -> Founded:
    founded = Founded(tmp_path, NAMES)
    addresses = tuple(founded.address(name) for name in NAMES)
    founded.invites["centre"] = replace(founded.invites["centre"], addresses=addresses)
    return founded


async def test_a_configuration_reaches_every_box_and_stays_after_a_restart(
    founded: Founded,
) -> None:
    artefact = a_configuration(7, size=200_000)
    with trio.fail_after(LIMIT_S):
        async with founded.open("centre") as centre, running(founded, *NAMES) as boxes:
            nodes = [centre, *(box.node for box in boxes.values())]
            await eventually(lambda: all(links(node) == len(NAMES) for node in nodes), LIMIT_S)
            intent = await apply(centre, artefact.raw, NAMES)
            await eventually(lambda: runs(boxes, artefact.payload), LIMIT_S)
            told = centre.mind.conducting
            await eventually(lambda: len(told.rollouts.by_id[intent.id].reports) == 3, LIMIT_S)
            await eventually(
                lambda: all(stated(node) == [artefact.digest] for node in nodes[1:]), LIMIT_S
            )
        async with running(founded, NAMES[1]) as boxes:
            assert runs(boxes, artefact.payload), "from its own disk, with nobody there"


def runs(boxes: Mapping[str, Box], payload: bytes) -> bool:
    """Whether every box runs just this."""
    return all(box.host.runs[-1] == payload for box in boxes.values())


def links(node: Node) -> int:
    """With how many peers a node is linked as members."""
    return sum(link.answered == "member" for link in node.mind.statistics().links)
