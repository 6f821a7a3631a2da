"""The simulator: many minds in one process under virtual time, deterministic for a seed.

It performs the effects of real minds with a simulated network, disk and clock, and replaces nothing
else: the code that decides here is the code that runs on the boxes, whom to dial and when included.
Links are `simulator.streams`, the ways between boxes `simulator.network`. All randomness
comes from one seed, so a failing run can be run again.
"""

import heapq
import random
from collections.abc import Callable, Collection, Iterable
from functools import partial

from crdt.errors import StoreError
from crdt.store_records import Batch
from identity.genesis import Genesis
from identity.keys import SecretKey
from mesh.mind import Mind, MindConfig
from mesh.mind import effects as fx
from mesh.mind.assembly import assemble
from mesh.testing.simulator.awakening import Awakening
from mesh.testing.simulator.exchanges import Exchanges
from mesh.testing.simulator.network import LinkModel, Network
from mesh.testing.simulator.simulated_node import Misbehaviour, SimulatedNode
from mesh.testing.simulator.streams import Streams
from mesh.testing.simulator.trace import Trace
from mesh.testing.simulator.workbench import Workbench
from mesh.units import MS, SECOND, Instant

__all__ = ["Simulation"]

ACT_NS = SECOND
"""How often a malicious box does something of its own accord."""
LOOK_NS = 20 * MS
"""How often a run looks whether what it waits for is so."""


class Simulation:
    """The world: virtual time, links, and the nodes in it.

    Args:
        genesis: the fleet.
        seed: decides everything.
        model: how links behave, until `network.shape` says otherwise.
    """

    def __init__(self, genesis: Genesis, *, seed: int = 0, model: LinkModel | None = None) -> None:
        self.genesis = genesis
        self.seed = seed
        self.now_ns = 0
        self.nodes: dict[bytes, SimulatedNode] = {}
        self.record = Trace()
        self._awakening = Awakening()
        self.network = Network(self.random("network"), model or LinkModel())
        self.exchanges = Exchanges(self, self.nodes)
        self.workbench = Workbench(self)
        self.look: Callable[[], None] | None = None
        """Called before whatever happens next, to look on and change nothing."""
        self._streams = Streams(self, self.nodes, self.network, self.record, self.exchanges)
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0

    def random(self, what: str) -> random.Random:
        """Return a generator of its own for something; the seed and the words decide it."""
        return random.Random(f"{self.seed}/{what}")  # noqa: S311  (a seed decides everything)

    @property
    def trace(self) -> str:
        """Digest of every frame that arrived and every fault, with its time."""
        return self.record.hexdigest()

    @property
    def frames(self) -> int:
        """Frames that reached a mind so far."""
        return self.record.frames

    def instant(self, node: SimulatedNode) -> Instant:
        """Return what a node's clocks say."""
        return Instant(self.now_ns, node.clock.wall_ms(self.now_ns))

    # ------------------------------------------------------------------------------ nodes

    def add(self, name: str, secret: SecretKey, config: MindConfig) -> SimulatedNode:
        """Add a box, down."""
        number = len(self.nodes)
        node = SimulatedNode(name, secret, config, f"/sim/{number}", self.random(f"dial/{number}"))
        self.nodes[node.public] = node
        return node

    def boot(self, node: SimulatedNode) -> None:
        """Start a box from its disk."""
        self.note(f"{node.name} starts")
        node.life += 1
        node.timer_ns = None
        node.has_power = True
        node.forget_dials()
        now = self.instant(node)
        node.mind = assemble(
            node.config,
            secret=node.secret,
            genesis=self.genesis,
            loaded=node.disk.load(),
            boot=node.disk.next_boot(),
            rng=self.random(f"{node.name}/{node.life}"),
            now=now,
            wake=self._awakening.wake,
            verify=self._awakening.verify,
        )
        self.exchanges.booted(node, partial(self.workbench.fetched, node, node.life))
        self.perform(node, node.mind.start((node.address,), now))
        self._streams.ways_changed()
        if node.booted is not None:
            node.booted(node)

    def crash(self, node: SimulatedNode) -> None:
        """Kill a box's process: what its disk had not synced is gone; peers see the links end."""
        self.note(f"{node.name} dies")
        self._die(node)
        for peer in tuple(node.wires):
            self._streams.close(node, peer)

    def cut_power(self, nodes: Iterable[SimulatedNode], *, keep: int = 0) -> None:
        """Switch boxes off at once: peers hear nothing more, and notice ten seconds later.

        Args:
            nodes: which boxes.
            keep: how many of the writes that were under way reached each disk all the same, though
                nobody was told; the rest is lost.
        """
        for node in tuple(nodes):
            self.note(f"{node.name} loses its power")
            node.disk.lose_power(keep)
            self._die(node)
            node.has_power = False
            self._streams.fall_silent(node)

    def _die(self, node: SimulatedNode) -> None:
        if node.mind is not None:
            node.refused.update(node.mind.speaking.admission_statistics().refused)
        node.disk.forget_unsynced()
        self.exchanges.died(node)
        node.mind = None
        node.life += 1

    def turn(self, node: SimulatedNode, misbehaviour: Misbehaviour) -> None:
        """From now on a box is malicious: its mind is an honest one, what it sends is not."""
        self.note(f"{node.name} turns: {misbehaviour!r}")
        node.misbehaviour = misbehaviour
        if node.mind is not None:
            self._want(node, node.wanted)

        def act() -> None:
            if node.misbehaviour is not misbehaviour:
                return
            if node.mind is not None:
                for effect in misbehaviour.act(self.instant(node)):
                    self._streams.send(node, effect)
            self.at(self.now_ns + ACT_NS, act)

        self.at(self.now_ns, act)

    # ------------------------------------------------------------------------------- ways

    def partition(self, side: Collection[SimulatedNode], label: str = "partition") -> None:
        """Cut the given boxes off from all others; the two sides notice after ten seconds."""
        self.network.cut(label, [node.public for node in side])
        self.ways_changed(f"cut {label}: {_names(side)}")

    def ways_changed(self, words: str) -> None:
        """Note what was done to the network, and have every link looked at."""
        self.note(words)
        self._streams.ways_changed()

    def note(self, words: str) -> None:
        """Write a line into the journal, and into the trace."""
        self.record.note(self.now_ns, words)

    # ------------------------------------------------------------------------------- time

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let virtual time pass; stop as soon as `until` is seen to hold. Says whether it held.

        It is looked at 50 times a virtual second, because looking may cost more than the fleet.
        """
        end = self.now_ns + int(seconds * SECOND)
        self._looked_at()
        look_ns = self.now_ns
        while self._queue and self._queue[0][0] <= end:
            if until is not None and self._queue[0][0] >= look_ns:
                if until():
                    return True
                look_ns = self._queue[0][0] + LOOK_NS
            at, _, action = heapq.heappop(self._queue)
            self.now_ns = at
            if self.look is not None:
                self.look()
            action()
        if until is not None and until():
            return True
        self.now_ns = end
        self._looked_at()
        return False

    def _looked_at(self) -> None:
        if self.look is not None:
            self.look()

    def at(self, at_ns: int, action: Callable[[], None]) -> None:
        """Do something at a virtual time; what falls on one moment is done in order."""
        self._order += 1
        heapq.heappush(self._queue, (at_ns, self._order, action))

    # ----------------------------------------------------------------------------- effects

    def perform(self, node: SimulatedNode, effects: list[fx.Effect]) -> None:
        """Do what a mind asks for."""
        for effect in effects:
            self._perform(node, effect)

    def _perform(self, node: SimulatedNode, effect: fx.Effect) -> None:
        if isinstance(effect, fx.Send):
            self.send(node, effect)
        elif isinstance(effect, fx.Persist):
            self._persist(node, effect)
        elif isinstance(effect, fx.SetTimer):
            self._timer(node, effect.at_ns)
        elif isinstance(effect, fx.Wanted):
            self._want(node, effect)
        elif isinstance(effect, fx.Admit):
            self._streams.admit(node, effect.peer)
        elif isinstance(effect, fx.Suspend):
            self._streams.suspend(node, effect.peer)
        elif isinstance(effect, fx.Disconnect):
            self._streams.close(node, effect.peer)
        else:
            self._perform_within(node, effect)

    def _perform_within(self, node: SimulatedNode, effect: fx.Effect) -> None:
        if isinstance(effect, fx.Deliver) and node.heard is not None:
            node.heard(node)
        elif isinstance(effect, fx.Wrote):
            node.wrote[effect.handle] = effect
        elif isinstance(effect, fx.Fetch):
            self.exchanges.want(node, effect.reference)
        elif isinstance(effect, fx.Apply):
            self.workbench.apply(node, effect.goal)

    def send(self, node: SimulatedNode, effect: fx.Send) -> None:
        """Put framed bytes on their way, or what a malicious box sends in their place."""
        if node.misbehaviour is None:
            self._streams.send(node, effect)
            return
        for other in node.misbehaviour.outgoing(effect, self.instant(node)):
            self._streams.send(node, other)

    def _want(self, node: SimulatedNode, effect: fx.Wanted) -> None:
        node.wanted = effect
        if node.misbehaviour is not None:
            effect = node.misbehaviour.wanted(effect)
        self._streams.want(node, effect)

    def _mind(self, node: SimulatedNode, life: int) -> Mind | None:
        """The mind that asked for something, if it still lives."""
        return node.mind if node.life == life else None

    def _persist(self, node: SimulatedNode, effect: fx.Persist) -> None:
        life = node.life
        if effect.memory is not None:
            self.workbench.decided(node)
        batch = Batch(
            own=effect.entries if effect.own else (),
            entries=() if effect.own else effect.entries,
            roots=effect.roots,
            dropped=effect.dropped,
            memory=effect.memory,
        )

        def synced() -> None:
            mind = self._mind(node, life)
            if mind is None:
                return
            now = self.instant(node)
            try:
                node.disk.sync()
            except StoreError as error:
                self.perform(node, mind.persist_failed(effect.ticket, str(error), now))
            else:
                self.perform(node, mind.persisted(effect.ticket, now))

        self.at(node.disk.write(batch, self.now_ns), synced)

    def _timer(self, node: SimulatedNode, at_ns: int) -> None:
        node.timer_ns = at_ns
        life = node.life

        def fire() -> None:
            mind = self._mind(node, life)
            if mind is not None and node.timer_ns == at_ns:
                node.timer_ns = None
                self.perform(node, mind.tick(self.instant(node)))

        self.at(max(at_ns, self.now_ns), fire)


def _names(nodes: Collection[SimulatedNode]) -> str:
    return ", ".join(node.name for node in nodes)
