"""What simulated boxes do for their conductors: load what is wanted, test it, swap, answer.

A mind has a goal for a slot; the workbench works towards it in virtual time, as the node of a real
box does; bytes come by `simulator.exchanges`. A witness is told what the conductors decided and
what the slots swapped.
"""

from collections.abc import Callable
from typing import Protocol

from mesh.mind import Mind
from mesh.mind import effects as fx
from mesh.orchestration.goals import Goal, Waiting
from mesh.testing.simulator.simulated_node import SimulatedNode
from mesh.units import MS, SECOND, Instant

__all__ = ["Witness", "Workbench", "Workplace"]

LOOK_NS = SECOND
"""How long work waits for bytes before it looks again."""
WORK_NS = 100 * MS
"""How long a slot takes to load, to test or to swap."""
REBOOT_NS = 5 * SECOND
"""How long a box that its own work killed takes to start again."""


class Witness(Protocol):
    """Who is told what happens on the benches."""

    def decided(self, node: SimulatedNode) -> None:
        """A conductor changed what it must not forget."""
        ...

    def swapped(self, node: SimulatedNode, goal: Goal) -> None:
        """A slot runs something else from now on."""
        ...


class Workplace(Protocol):
    """What the benches need of the simulation."""

    now_ns: int

    def at(self, at_ns: int, action: Callable[[], None]) -> None:
        """Do something at a virtual time."""
        ...

    def instant(self, node: SimulatedNode) -> Instant:
        """Return what the clocks of a box say."""
        ...

    def perform(self, node: SimulatedNode, effects: list[fx.Effect]) -> None:
        """Do what a mind asks for."""
        ...

    def boot(self, node: SimulatedNode) -> None:
        """Start a box from its disk."""
        ...

    def crash(self, node: SimulatedNode) -> None:
        """Kill a box's process."""
        ...


class Workbench:
    """The slots of all boxes of a world.

    Args:
        world: its time and its boxes' minds.

    Attributes:
        witness: told what is decided and swapped, if anybody is.
    """

    def __init__(self, world: Workplace) -> None:
        self._world = world
        self.witness: Witness | None = None

    def decided(self, node: SimulatedNode) -> None:
        """Tell the witness that a conductor changed its memory."""
        if self.witness is not None and node.mind is not None:
            self.witness.decided(node)

    def fetched(self, node: SimulatedNode, life: int, digest: bytes) -> None:
        """Something that was wanted lies on the shelf: tell the conductor."""
        mind = _living(node, life)
        if mind is not None:
            now, data = self._world.instant(node), node.workshop.shelf[digest]
            tell = mind.conduct(lambda told: told.fetched(digest, data), now)
            self._world.perform(node, tell)

    def apply(self, node: SimulatedNode, goal: Goal) -> None:
        """Take a goal, and do a piece of work towards it for as long as it stands."""
        world, life = self._world, node.life
        node.workshop.goals[goal.slot] = goal

        def work() -> None:
            mind, shop = _living(node, life), node.workshop
            if mind is None or shop.goals.get(goal.slot) != goal or goal.artefact is None:
                return
            artefact, swaps = goal.artefact, len(shop.swaps)
            answer = shop.work(goal)
            if len(shop.swaps) > swaps and self.witness is not None:
                self.witness.swapped(node, goal)
            if answer is None:
                world.crash(node)
                world.at(world.now_ns + REBOOT_NS, lambda: self._reboot(node))
                return
            now = world.instant(node)
            tell = mind.conduct(lambda told: told.answer(goal.slot, artefact, answer), now)
            world.perform(node, tell)
            if isinstance(answer, Waiting):
                world.at(world.now_ns + LOOK_NS, work)

        world.at(world.now_ns + WORK_NS, work)

    def _reboot(self, node: SimulatedNode) -> None:
        """Start a box that its own work killed, unless somebody did so already."""
        if node.mind is None and node.has_power:
            self._world.boot(node)


def _living(node: SimulatedNode, life: int) -> Mind | None:
    """The mind that asked for something, if it still lives."""
    return node.mind if node.life == life else None
