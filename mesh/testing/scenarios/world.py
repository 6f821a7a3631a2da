"""The world of a scenario: where its steps happen, and what checkers see of it.

`World` is the seam. The simulator is one world; real processes can be another, and the same
scenario, checkers and results serve both. A world decides nothing about what must hold.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from crdt.entry import Entry
from crdt.standing import Authority
from mesh.choreography.event_type import event_type
from mesh.choreography.reactions import Disc, Interest
from mesh.mind.statistics import MindStatistics
from mesh.testing.checkers.rollout_witness import RolloutTally, RolloutWitness, standings
from mesh.testing.fleets.fleet import Fleet, FleetBox, NearMiss
from mesh.testing.fleets.reckoning import Reckoning
from mesh.testing.fleets.sight import Delivered, Sight
from mesh.testing.fleets.sight_rollouts import Standing
from mesh.testing.fleets.town import MODEL
from mesh.testing.scenarios.deeds import Deeds
from mesh.testing.scenarios.scenario import FleetPlan
from mesh.testing.scenarios.steps import Step
from mesh.testing.simulator.simulated_node import SimulatedNode
from mesh.units import SECOND

__all__ = ["LISTENING_S", "SeenBox", "SimulatedWorld", "World"]

LISTENING_S = 5.0
"""Virtual seconds after which everybody knows who listens to what: there a scenario begins."""

NEAR_MISS = event_type(NearMiss)


class World(Protocol):
    """Where a scenario happens."""

    @property
    def now_s(self) -> float:
        """Seconds since the fleet stood."""
        ...

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def perform(self, step: Step) -> None:
        """Do what a step says, `run` and `settle` apart.

        Raises:
            ScenarioError: it cannot be done now.
        """
        ...

    def look(self, step: str, *, is_last: bool = False) -> Sight:
        """Return what there is to see; `step` was just done, empty between two steps."""
        ...

    def told(self) -> tuple[Mapping[str, int], str]:
        """Return what was counted, and a digest that is equal for equal runs; empty for none."""
        ...


class SeenBox:
    """A simulated box, as one look sees it."""

    def __init__(self, name: str, box: FleetBox, *, is_honest: bool) -> None:
        self.name = name
        self.key = box.node.public
        self.is_up = box.node.mind is not None
        self.is_honest = is_honest
        self._box = box
        self._statistics: MindStatistics | None = None

    @property
    def authority(self) -> Authority:
        """Who holds what, in its view."""
        return self._box.mind.replica.authority

    @property
    def seen(self) -> Collection[bytes]:
        """The members that it sees, by key."""
        return self._box.mind.presence.seen

    @property
    def statistics(self) -> MindStatistics:
        """What it counted since it started."""
        if self._statistics is None:
            self._statistics = self._box.mind.statistics()
        return self._statistics

    def entries(self) -> Iterator[Entry]:
        """Every entry that it keeps."""
        return self._box.mind.replica.entries()

    def rollouts(self) -> Iterator[Standing]:
        """How the rollouts over it stand in its view."""
        return standings(self._box.mind.conducting, self._box.name)


class SimulatedWorld:
    """A simulated fleet that stands, whose boxes listen around themselves.

    Args:
        plan: the fleet.
        seed: decides everything.
    """

    def __init__(self, plan: FleetPlan, seed: int) -> None:
        self.fleet = Fleet(
            boxes=plan.boxes,
            seed=seed,
            latency_ms=plan.latency_ms,
            loss=plan.loss,
            is_acquainted=plan.acquainted,
        )
        self.fleet.stand()
        self.deeds = Deeds(self.fleet)
        self._listen_m = plan.listen_m
        self._lives: dict[bytes, int] = {}
        self._heard: list[Delivered] = []
        self._reckoning = Reckoning(self.deeds.counts)
        self._tally = RolloutTally()
        self._witness = RolloutWitness(lambda: self.now_s, frozenset((MODEL,)))
        self.fleet.simulation.workbench.witness = self._witness
        self.fleet.deliver()
        self._attend()
        self.deeds.begin(after_s=LISTENING_S)

    @property
    def now_s(self) -> float:
        """Virtual seconds since the fleet stood."""
        return self.deeds.now_s

    def advance(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.deeds.advance(seconds)

    def perform(self, step: Step) -> None:
        """Do what a step says."""
        self._count()  # what is crashed now will not tell its counts any more
        self.deeds.perform(step)
        self._attend()

    def look(self, step: str, *, is_last: bool = False) -> Sight:
        """Return what there is to see."""
        self._attend()
        self._count()
        deeds, heard = self.deeds, self._heard
        self._heard = []
        moves = self._witness.take()
        self._tally.add(moves, deeds.counts)
        now_ns = self.fleet.simulation.now_ns
        sight = Sight(
            now_s=self.now_s,
            step=step,
            is_last=is_last,
            is_whole=deeds.is_whole,
            is_idle=deeds.is_idle,
            calm_s=(now_ns - deeds.disturbed_ns) / SECOND,
            boxes=[
                SeenBox(name, box, is_honest=box.node.public not in deeds.turned)
                for name, box in self.fleet.boxes.items()
            ],
            deliveries=heard,
            facts=deeds.facts,
            spoken=deeds.spoken,
            moves=moves,
            cuts=self.fleet.simulation.network.cuts(),
            places=self.fleet.town.places,
            listen_m=self._listen_m,
        )
        self._reckoning.look(sight)
        return sight

    def told(self) -> tuple[Mapping[str, int], str]:
        """Return what was counted, and the trace."""
        simulation = self.fleet.simulation
        disks = [node.disk for node in simulation.nodes.values()]
        told = self._reckoning.told(
            facts=len(self.deeds.facts),
            frames=simulation.frames,
            packets_lost=simulation.network.lost,
            poison_caught=sum(simulation.exchanges.penalties.values()),
            writes_refused=sum(disk.refused for disk in disks),
            writes_lost=sum(disk.lost for disk in disks),
        )
        return told, self.fleet.trace

    # ------------------------------------------------------------------------- the boxes' apps

    def _attend(self) -> None:
        """Start the application of every box that has started since."""
        for name, box in self.fleet.boxes.items():
            node = box.node
            if node.mind is not None and self._lives.get(node.public) != node.life:
                if node.public not in self._lives and name in self.fleet.town.places:
                    self._witness.has(node, MODEL)
                self._lives[node.public] = node.life
                self._listen(name, box)

    def _listen(self, name: str, box: FleetBox) -> None:
        place = box.mind.views.places.get(box.name)
        if place is None or not self._listen_m:
            return
        simulation, mind = self.fleet.simulation, box.mind
        number = mind.speaking.subscribe(
            Interest(NEAR_MISS, within=Disc(*place.degrees, self._listen_m))
        )
        simulation.perform(box.node, mind.listen(simulation.instant(box.node)))

        def heard(node: SimulatedNode) -> None:
            now = simulation.instant(node)
            while node.mind is not None:
                delivery = node.mind.speaking.take(number, now)
                if delivery is None:
                    return
                decision = node.mind.speaking.request(delivery, now)
                known = self._name_of(node, name)
                ahead_s = node.clock.ahead_s(simulation.now_ns)
                self._heard.append(Delivered(self.now_s, known, delivery.event, decision, ahead_s))

        box.node.heard = heard

    def _name_of(self, node: SimulatedNode, name: str) -> str:
        """A box whose hardware was replaced since is called otherwise."""
        box = self.fleet.boxes.get(name)
        if box is not None and box.node is node:
            return name
        return next(each for each, held in self.fleet.boxes.items() if held.node is node)

    def _count(self) -> None:
        for box in self.fleet.boxes.values():
            if box.node.mind is not None:
                node, told = box.node, box.node.mind.statistics()
                self._reckoning.take(node.public, node.life, told)
