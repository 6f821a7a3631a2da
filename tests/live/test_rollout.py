"""A rollout over real sockets and disks: bytes from neighbours, slots in threads, a restart."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from crdt.entry import Lane
from crdt.standing import Pair
from inference.artifact import parse_artifact
from inference.slot_events import Outcome
from mesh.node import Node
from mesh.orchestration.blob_tree import reference_of
from mesh.orchestration.cohort import encode_names
from mesh.orchestration.intent import Gate, Intent, Stage, intent_key
from tests.live.founded import Founded
from tests.live.waiting import eventually
from tests.unit.inference.artifacts import a_configuration

LIMIT_S = 60
NAMES = ("north/box-0", "north/box-1", "north/box-2")
SLOT = "config/signals"
FACTORY = bytes(32)
"""Stands for the configuration that a box is delivered with."""


class Signals:
    """The host of a slot: what runs is the payload of a configuration."""

    def __init__(
        self, *, fetch: Callable[[bytes], bytes | None], report: Callable[[Outcome], None]
    ) -> None:
        self.fetch = fetch
        self.report = report
        self.runs = [b"as delivered"]

    def test(self, data: bytes) -> tuple[str | None, dict[str, int]]:
        parse_artifact(data)
        return None, {"errors": 0}

    def live_figures(self) -> dict[str, int]:
        return {}

    def forget(self) -> None:
        pass

    def activate(self, data: bytes | None) -> None:
        self.runs.append(b"as delivered" if data is None else parse_artifact(data).payload)


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

    @property
    def states(self) -> list[bytes]:
        """What it told the fleet that it runs, as its own view shows it."""
        me = Pair(self.node.public, self.node.name)
        runs = self.node.mind.replica.status(Lane.FLEET).get(me, {}).get("runs")
        return [each["digest"] for each in runs["config"]] if isinstance(runs, dict) else []


@asynccontextmanager
async def running(founded: Founded, *names: str) -> AsyncGenerator[Mapping[str, Box]]:
    boxes = {name: Box() for name in names}
    async with trio.open_nursery() as nursery:
        for name, box in boxes.items():
            await nursery.start(box.run, founded, name)
        yield boxes
        nursery.cancel_scope.cancel()


def intent_for(data: bytes) -> tuple[Intent, bytes]:
    listed = encode_names(NAMES)
    artefact, names = reference_of(data), reference_of(listed)
    return Intent(
        title="signals",
        scope="",
        slot=SLOT,
        artefact=artefact.digest,
        size=artefact.size,
        tree=artefact.tree,
        cohort=names.digest,
        cohort_size=names.size,
        cohort_tree=names.tree,
        count=len(NAMES),
        within="",
        stages=(Stage(500_000, 1000), Stage(1_000_000)),
        gate=Gate(min_reports_ppm=900_000, success_ppm=990_000),
    ), listed


@pytest.fixture
def founded(tmp_path: Path) -> Founded:
    founded = Founded(tmp_path, NAMES)
    addresses = tuple(founded.address(name) for name in NAMES)
    founded.invites["centre"] = replace(founded.invites["centre"], addresses=addresses)
    return founded


async def apply(centre: Node, data: bytes) -> Intent:
    applying = centre.shell.applying
    assert applying is not None
    intent, listed = intent_for(data)
    await applying.put(data)
    await applying.put(listed)
    await centre.facts.put(intent_key(intent.scope, intent.id), intent.to_value())
    return intent


async def test_a_configuration_reaches_every_box_and_stays_after_a_restart(
    founded: Founded,
) -> None:
    artefact = a_configuration(7, size=200_000)
    with trio.fail_after(LIMIT_S):
        async with founded.open("centre") as centre, running(founded, *NAMES) as boxes:
            nodes = [centre, *(box.node for box in boxes.values())]
            await eventually(lambda: all(links(node) == len(NAMES) for node in nodes), LIMIT_S)
            intent = await apply(centre, artefact.raw)
            await eventually(lambda: runs(boxes, artefact.payload), LIMIT_S)
            told = centre.mind.conducting
            await eventually(lambda: len(told.rollouts.by_id[intent.id].reports) == 3, LIMIT_S)
            await eventually(
                lambda: all(box.states == [artefact.digest] for box in boxes.values()), LIMIT_S
            )
        async with running(founded, NAMES[1]) as boxes:
            assert runs(boxes, artefact.payload), "from its own disk, with nobody there"


def runs(boxes: Mapping[str, Box], payload: bytes) -> bool:
    """Whether every box runs just this."""
    return all(box.host.runs[-1] == payload for box in boxes.values())


def links(node: Node) -> int:
    """With how many peers a node is linked as members."""
    return sum(link.answered == "member" for link in node.mind.statistics().links)
