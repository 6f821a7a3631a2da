"""Notes every move of every box in a rollout, at the moment at which it is made.

A look once a second would miss a stage that opened and was halted in between. So the witness stands
at the benches (`simulator.workbench`): it reads a conductor's memory whenever that is to be
written down, which is before anything is done upon it, and a slot whenever it swaps.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Literal

from mesh.mind.conducting import Conducting
from mesh.orchestration.goals import Goal
from mesh.orchestration.memory import IntentMemory, Memory
from mesh.orchestration.opening import is_cut
from mesh.orchestration.rollouts import Rollout
from mesh.testing.fleets.sight_rollouts import Move, Situation, Standing
from mesh.testing.simulator.simulated_node import SimulatedNode

__all__ = ["RolloutTally", "RolloutWitness", "standings"]

PARTITIONED = "it counts itself partitioned"
"""Why a rollout that holds opens nothing, where the view itself forbids nothing."""


class RolloutWitness:
    """Notes moves until somebody takes them.

    Args:
        now_s: what time it is.
        delivered: digests of what boxes came with, whose bytes nobody signed.
    """

    def __init__(self, now_s: Callable[[], float], delivered: frozenset[bytes]) -> None:
        self._now_s = now_s
        self._delivered = delivered
        self._moves: list[Move] = []
        self._memories: dict[bytes, tuple[int, Memory]] = {}

    def take(self) -> list[Move]:
        """Return the moves since the last call, in their order."""
        moves, self._moves = self._moves, []
        return moves

    def has(self, node: SimulatedNode, artefact: bytes) -> None:
        """A box was delivered with something."""
        self._note(node, "has", artefact)

    def decided(self, node: SimulatedNode) -> None:
        """Compare what a conductor remembers with what it remembered before."""
        conducting = _conducting(node)
        conductor = conducting.conductor
        assert conductor is not None, "only a conductor has a memory"
        life, before = self._memories.get(node.public, (-1, Memory()))
        if life != node.life:
            before = Memory.recalled(node.disk.memory)
        after = conductor.memory
        self._memories[node.public] = (node.life, after)
        for identifier, held in after.intents.items():
            earlier = before.intents.get(identifier, IntentMemory())
            rollout = conducting.rollouts.by_id.get(identifier)
            if rollout is None:
                continue
            situation = _situation(conducting, rollout, _widest(earlier))
            artefact = rollout.intent.artefact
            if _widest(held) > _widest(earlier):
                self._note(node, "opened", artefact, situation, _widest(held))
            if held.phase is not None and earlier.phase is None:
                self._note(node, "started", artefact, situation)

    def swapped(self, node: SimulatedNode, goal: Goal) -> None:
        """Note what a slot runs from now on."""
        artefact = goal.artefact
        assert artefact is not None, "nothing cannot be swapped in"
        conducting = _conducting(node)
        rollout = conducting.rollouts.by_id.get(goal.intent or b"")
        situation = None
        if rollout is not None and conducting.conductor is not None:
            held = conducting.conductor.memory.intents.get(rollout.id, IntentMemory())
            situation = _situation(conducting, rollout, _widest(held))
        data = node.workshop.shelf.get(artefact, b"")
        is_genuine = artefact in self._delivered or sha256(data).digest() == artefact
        self._note(node, "swapped", artefact, situation, is_genuine=is_genuine)

    def _note(
        self,
        node: SimulatedNode,
        deed: Literal["has", "opened", "started", "swapped"],
        artefact: bytes,
        situation: Situation | None = None,
        stage: int = -1,
        *,
        is_genuine: bool = True,
    ) -> None:
        rollouts = _conducting(node).rollouts
        self._moves.append(
            Move(
                at_s=self._now_s(),
                who=node.name,
                key=node.public,
                deed=deed,
                artefact=artefact,
                stage=stage,
                situation=situation,
                is_approved=rollouts.is_proven(artefact),
                is_withdrawn=rollouts.is_withdrawn(artefact),
                is_genuine=is_genuine,
            )
        )


class RolloutTally:
    """Counts moves: `stages_opened`, `swaps` to what an intent brings, and `went_back`."""

    def __init__(self) -> None:
        self._ran: dict[bytes, set[bytes]] = {}
        self._opened: set[tuple[bytes, int]] = set()

    def add(self, moves: Iterable[Move], counts: Counter[str]) -> None:
        """Count some moves."""
        for move in moves:
            ran = self._ran.setdefault(move.key, set())
            if move.deed == "opened" and move.situation is not None:
                stage = (move.situation.intent.id, move.stage)
                counts["stages_opened"] += stage not in self._opened
                self._opened.add(stage)
            elif move.deed == "swapped":
                counts["went_back" if move.artefact in ran else "swaps"] += 1
            if move.deed in ("has", "swapped"):
                ran.add(move.artefact)


def standings(conducting: Conducting, name: str) -> Iterator[Standing]:
    """Yield how the rollouts over a box stand in its own view; nothing of who has no such slot."""
    slots = conducting.conductor.memory.slots if conducting.conductor is not None else ()
    for rollout in conducting.rollouts.by_id.values():
        intent, cohort = rollout.intent, rollout.cohort
        if intent.slot not in slots or (cohort is not None and name not in cohort.ranks):
            continue
        obstacle = rollout.obstacle or ""
        holds = intent.on_partition == "hold" and not rollout.is_proven
        if not obstacle and holds and is_cut(rollout, conducting.sight):
            obstacle = PARTITIONED
        is_over = rollout.dead is not None or bool(rollout.halts or rollout.superseded_by)
        yield Standing(intent=intent, obstacle=obstacle, is_over=is_over)


def _conducting(node: SimulatedNode) -> Conducting:
    assert node.mind is not None, "only who is up decides"
    return node.mind.conducting


def _widest(memory: IntentMemory) -> int:
    return max((latch.stage for latch in memory.latches), default=-1)


def _situation(conducting: Conducting, rollout: Rollout, opened: int) -> Situation:
    sight, cohort = conducting.sight, rollout.cohort
    return Situation(
        intent=rollout.intent,
        names=frozenset(cohort.ranked if cohort is not None else ()),
        current=rollout.current,
        seen=sight.seen,
        dark=sight.dark,
        promoted=rollout.promoted,
        opened=opened,
    )
