"""The simulator: many minds in one process under virtual time, deterministic for a seed.

It performs the effects of real minds with a simulated network, disk and clock, and replaces nothing
else: the code that decides here is the code that runs on the boxes. A link carries frames in order
with a latency; a partition swallows them, and each end notices a silent link after ten seconds, as
the real keepalive does. All randomness comes from one seed, so a failing run can be run again.
"""

import hashlib
import heapq
import random
from collections.abc import Callable, Collection

from crdt.errors import StoreError
from crdt.store_records import Batch
from identity.genesis import Genesis
from identity.keys import SecretKey
from mesh.framing import FrameReader
from mesh.mind import GOSSIP_PROTOCOL, Mind, MindConfig
from mesh.mind import effects as fx
from mesh.mind.assembly import assemble
from mesh.orchestration.goals import Goal, Waiting
from mesh.testing.simulated_node import SimulatedNode, Wire
from mesh.units import MS, SECOND, Instant

__all__ = ["Simulation"]

EPOCH_MS = 1_800_000_000_000
"""Wall clock at virtual time zero, milliseconds since 1970."""
DIAL_NS = 15 * MS
"""How long a dial takes."""
REDIAL_NS = 2 * SECOND
"""How long after a failed dial the next one follows."""
NOTICED_NS = 10 * SECOND
"""How long a silent link takes to be noticed."""
SYNC_NS = 2 * MS
"""How long the disk takes to make something durable."""
FETCH_NS = SECOND
"""How long after a fetch that found nobody, and work that waits for bytes, it is tried again."""
WORK_NS = 100 * MS
"""How long a slot takes to load, to test or to swap."""
REBOOT_NS = 5 * SECOND
"""How long a box that its own work killed takes to start again."""
FRAME_SIZE_MAX = 1 << 20
"""Largest frame that the simulated streams carry, bytes."""


class Simulation:
    """The world: virtual time, links, and the nodes in it.

    Args:
        genesis: the fleet.
        seed: decides everything.
        latency_ms: one way, every link.
        jitter_ms: added at random, up to this much.
        loss: share of gossip frames that vanish; the other streams are reliable.
    """

    def __init__(
        self,
        genesis: Genesis,
        *,
        seed: int = 0,
        latency_ms: float = 5.0,
        jitter_ms: float = 1.0,
        loss: float = 0.0,
    ) -> None:
        self.genesis = genesis
        self.seed = seed
        self.loss = loss
        self.now_ns = 0
        self.nodes: dict[bytes, SimulatedNode] = {}
        self._latency_ns = int(latency_ms * MS)
        self._jitter_ns = int(jitter_ms * MS)
        self._rng = random.Random(f"{seed}/network")  # noqa: S311  (a seed decides everything)
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._sides: dict[bytes, int] = {}
        self._trace = hashlib.sha256()
        self.frames = 0

    @property
    def trace(self) -> str:
        """Digest of every frame that arrived so far, with its time: equal runs, equal traces."""
        return self._trace.hexdigest()

    def instant(self, node: SimulatedNode) -> Instant:
        """Return what a node's clocks say."""
        return Instant(self.now_ns, EPOCH_MS + self.now_ns // MS + node.clock_offset_ms)

    # ------------------------------------------------------------------------------ nodes

    def add(self, name: str, secret: SecretKey, config: MindConfig) -> SimulatedNode:
        """Add a box, down."""
        address = f"/sim/{len(self.nodes)}"
        node = SimulatedNode(name, secret, config, address)
        self.nodes[node.public] = node
        return node

    def boot(self, node: SimulatedNode) -> None:
        """Start a box from its disk."""
        node.life += 1
        node.timer_ns = None
        life = f"{self.seed}/{node.name}/{node.life}"
        rng = random.Random(life)  # noqa: S311  (a seed decides it)
        now = self.instant(node)
        node.mind = assemble(
            node.config,
            secret=node.secret,
            genesis=self.genesis,
            loaded=node.disk.load(),
            boot=node.disk.next_boot(),
            rng=rng,
            now=now,
        )
        self.perform(node, node.mind.start((node.address,), now))

    def crash(self, node: SimulatedNode) -> None:
        """Stop a box at once: what its disk had not synced is gone; peers see the links end."""
        node.mind = None
        node.life += 1
        node.wants.clear()
        for peer in tuple(node.wires):
            self._unlink(node, self.nodes[peer])

    def partition(self, side: Collection[SimulatedNode]) -> None:
        """Cut the given boxes off from all others; the two sides notice after ten seconds."""
        for node in side:
            self._sides[node.public] = 1
        for a in self.nodes.values():
            for peer in tuple(a.wires):
                b = self.nodes[peer]
                if not self._reachable(a, b):
                    self._at(self.now_ns + NOTICED_NS, lambda a=a, b=b: self._notice(a, b))

    def heal(self) -> None:
        """Every box reaches every other again."""
        self._sides.clear()

    # ------------------------------------------------------------------------------- time

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let virtual time pass; stop early as soon as `until` holds. Says whether it held."""
        end = self.now_ns + int(seconds * SECOND)
        while self._queue and self._queue[0][0] <= end:
            if until is not None and until():
                return True
            at, _, action = heapq.heappop(self._queue)
            self.now_ns = at
            action()
        if until is not None and until():
            return True
        self.now_ns = end
        return False

    def _at(self, at_ns: int, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (at_ns, self._order, action))

    # ----------------------------------------------------------------------------- effects

    def perform(self, node: SimulatedNode, effects: list[fx.Effect]) -> None:
        """Do what a mind asks for."""
        for effect in effects:
            self._perform(node, effect)

    def _perform(self, node: SimulatedNode, effect: fx.Effect) -> None:
        if isinstance(effect, fx.Send):
            self._send(node, effect)
        elif isinstance(effect, fx.Persist):
            self._persist(node, effect)
        elif isinstance(effect, fx.SetTimer):
            self._timer(node, effect.at_ns)
        elif isinstance(effect, fx.Wanted):
            self._want(node, effect)
        elif isinstance(effect, fx.Admit):
            self._admit(node, effect.peer)
        elif isinstance(effect, fx.Suspend):
            wire = node.wires.get(effect.peer)
            if wire is not None:
                wire.admitted = False
        elif isinstance(effect, fx.Disconnect):
            self._unlink(node, self.nodes[effect.peer])
        else:
            self._perform_within(node, effect)

    def _perform_within(self, node: SimulatedNode, effect: fx.Effect) -> None:
        if isinstance(effect, fx.Deliver) and node.heard is not None:
            node.heard(node)
        elif isinstance(effect, fx.Wrote):
            node.wrote[effect.handle] = effect
        elif isinstance(effect, fx.Fetch):
            self._fetch(node, effect.reference.digest, node.life)
        elif isinstance(effect, fx.Apply):
            node.workshop.goals[effect.goal.slot] = effect.goal
            self._work(node, effect.goal, node.life)

    def _mind(self, node: SimulatedNode, life: int) -> Mind | None:
        """The mind that asked for something, if it still lives."""
        return node.mind if node.life == life else None

    def _persist(self, node: SimulatedNode, effect: fx.Persist) -> None:
        life = node.life

        def synced() -> None:
            mind = self._mind(node, life)
            if mind is None:
                return
            batch = Batch(
                own=effect.entries if effect.own else (),
                entries=() if effect.own else effect.entries,
                roots=effect.roots,
                dropped=effect.dropped,
                memory=effect.memory,
            )
            now = self.instant(node)
            try:
                node.disk.append(batch)
            except StoreError as error:
                self.perform(node, mind.persist_failed(effect.ticket, str(error), now))
            else:
                self.perform(node, mind.persisted(effect.ticket, now))

        self._at(self.now_ns + SYNC_NS, synced)

    def _timer(self, node: SimulatedNode, at_ns: int) -> None:
        node.timer_ns = at_ns
        life = node.life

        def fire() -> None:
            mind = self._mind(node, life)
            if mind is not None and node.timer_ns == at_ns:
                node.timer_ns = None
                self.perform(node, mind.tick(self.instant(node)))

        self._at(max(at_ns, self.now_ns), fire)

    # ----------------------------------------------------------------------------- rollouts

    def _fetch(self, node: SimulatedNode, digest: bytes, life: int) -> None:
        """Get bytes from whoever is linked and has them, and try again while nobody is."""
        mind, shelf = self._mind(node, life), node.workshop.shelf
        if mind is None:
            return
        for peer in node.wires:
            if digest not in shelf and self._reachable(node, self.nodes[peer]):
                shelf.update(self.nodes[peer].workshop.copy(digest))
        if digest in shelf:
            now, data = self.instant(node), shelf[digest]
            self.perform(node, mind.conduct(lambda told: told.fetched(digest, data), now))
        else:
            self._at(self.now_ns + FETCH_NS, lambda: self._fetch(node, digest, life))

    def _work(self, node: SimulatedNode, goal: Goal, life: int) -> None:
        """Do a piece of work towards a goal, as long as it stands."""

        def work() -> None:
            mind, shop = self._mind(node, life), node.workshop
            if mind is None or shop.goals.get(goal.slot) != goal or goal.artefact is None:
                return
            artefact, answer = goal.artefact, shop.work(goal)
            if answer is None:
                self.crash(node)
                self._at(self.now_ns + REBOOT_NS, lambda: self.boot(node))
                return
            now = self.instant(node)
            tell = mind.conduct(lambda told: told.answer(goal.slot, artefact, answer), now)
            self.perform(node, tell)
            if isinstance(answer, Waiting):
                self._at(self.now_ns + FETCH_NS, work)

        self._at(self.now_ns + WORK_NS, work)

    # ------------------------------------------------------------------------------- links

    def _reachable(self, a: SimulatedNode, b: SimulatedNode) -> bool:
        sides = self._sides
        return (
            a.mind is not None
            and b.mind is not None
            and sides.get(a.public, 0) == sides.get(b.public, 0)
        )

    def _want(self, node: SimulatedNode, effect: fx.Wanted) -> None:
        fresh = [want for want in effect.peers if want.peer not in node.wants]
        node.wants = {want.peer: want for want in effect.peers}
        for want in fresh:
            self._dial(node, want.peer, node.life)

    def _dial(self, node: SimulatedNode, peer: bytes, life: int) -> None:
        """Dial once, and again while it is wanted and not linked."""

        def dialled() -> None:
            if node.life != life or peer not in node.wants:
                return
            other = self.nodes.get(peer)
            if peer in node.wires:
                pass
            elif other is not None and self._reachable(node, other):
                self._link(node, other)
            jitter = int(self._rng.random() * REDIAL_NS / 2)
            self._at(self.now_ns + REDIAL_NS + jitter, dialled)

        self._at(self.now_ns + DIAL_NS, dialled)

    def _link(self, a: SimulatedNode, b: SimulatedNode) -> None:
        a.wires[b.public] = Wire(self.now_ns)
        b.wires[a.public] = Wire(self.now_ns)
        for node, other, outbound in ((a, b, True), (b, a, False)):
            if node.mind is not None:
                now = self.instant(node)
                self.perform(node, node.mind.connected(other.public, now, outbound=outbound))

    def _notice(self, a: SimulatedNode, b: SimulatedNode) -> None:
        if not self._reachable(a, b):
            self._unlink(a, b)

    def _unlink(self, a: SimulatedNode, b: SimulatedNode) -> None:
        for node, other in ((a, b), (b, a)):
            if node.wires.pop(other.public, None) is not None and node.mind is not None:
                now = self.instant(node)
                self.perform(node, node.mind.disconnected(other.public, now))

    def _admit(self, node: SimulatedNode, peer: bytes) -> None:
        """Open our gossip stream, and read what the peer's has brought so far."""
        wire, mind = node.wires.get(peer), node.mind
        if wire is None or mind is None:
            return
        wire.admitted = True
        self.perform(node, mind.stream_opened(peer, GOSSIP_PROTOCOL, self.instant(node)))
        held, wire.held = wire.held, []
        for protocol, body in held:
            self._receive(node, peer, protocol, body)

    def _send(self, node: SimulatedNode, effect: fx.Send) -> None:
        wire = node.wires.get(effect.peer)
        if wire is None:
            return
        if self.loss and effect.protocol == GOSSIP_PROTOCOL and self._rng.random() < self.loss:
            return
        jitter = int(self._rng.random() * self._jitter_ns)
        other = self.nodes[effect.peer]
        far = other.wires.get(node.public)
        wire.ready_ns = max(wire.ready_ns, self.now_ns + self._latency_ns + jitter)
        bodies = FrameReader(FRAME_SIZE_MAX).feed(effect.data)

        def arrive() -> None:
            if other.wires.get(node.public) is far and self._reachable(node, other):
                for body in bodies:
                    self._receive(other, node.public, effect.protocol, body)

        self._at(wire.ready_ns, arrive)

    def _receive(self, node: SimulatedNode, peer: bytes, protocol: str, body: bytes) -> None:
        wire, mind = node.wires.get(peer), node.mind
        if wire is None or mind is None:
            return
        if protocol == GOSSIP_PROTOCOL and not wire.admitted:
            wire.held.append((protocol, body))
            return
        self.frames += 1
        self._trace.update(self.now_ns.to_bytes(8) + node.public[:4] + peer[:4])
        self._trace.update(hashlib.sha256(body).digest())
        self.perform(node, mind.receive(peer, protocol, body, self.instant(node)))
