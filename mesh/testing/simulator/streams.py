"""Links between simulated boxes: dialled, carried over, noticed dead.

Each box keeps its own end of a link, because ends disagree: who closes a link across a cut is seen
to have closed it by itself alone, and the other end learns by its keepalive, ten seconds after the
last sign of life. Nothing crosses a cut, not even the news that somebody hung up. An end whose
other end is gone meets a reset as soon as the way is open again.

Whom to dial and when is decided by `mesh.net.dial_plan`, as on a real box. A dial that meets
silence asks again after one, three and seven seconds, as TCP does, and fails after ten.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from mesh.framing import FrameReader
from mesh.mind import GOSSIP_PROTOCOL
from mesh.mind import effects as fx
from mesh.net.dial_plan import Nearness
from mesh.orchestration.blob_frames import BLOB_PROTOCOL
from mesh.testing.simulator.exchanges import Exchanges
from mesh.testing.simulator.network import BACKLOG_BYTES_MAX, NOTICED_NS, Network
from mesh.testing.simulator.simulated_node import Carried, SimulatedNode, Unread, Wire
from mesh.testing.simulator.trace import Trace
from mesh.units import MS, SECOND, Instant

__all__ = ["Streams", "World"]

KNOCKS_NS = (0, 1 * SECOND, 3 * SECOND, 7 * SECOND)
"""When a dial asks, counted from its start: the SYN of TCP and its repetitions (RFC 6298)."""
DIAL_TIMEOUT_NS = 10 * SECOND
"""When a dial that met silence is given up."""
ACCEPT_NS = 2 * MS
"""What the two ends compute until a connection stands, beside the way of its messages."""
DIALS_AT_ONCE_MAX = 8
"""Dials that a box begins at one moment."""
HANDLING_NS = 200_000
"""What a frame costs a box of ordinary speed; only slow boxes are charged."""
FRAME_SIZE_MAX = 1 << 20
"""Largest frame that the simulated streams carry, bytes."""
HELD_MAX = 1_024
"""Frames of one peer that wait for its admission; a real stream stops reading."""


class World(Protocol):
    """What the links need of the simulation."""

    now_ns: int

    def at(self, at_ns: int, action: Callable[[], None]) -> None:
        """Do something at a virtual time."""

    def instant(self, node: SimulatedNode) -> Instant:
        """Return what the clocks of a box say."""
        ...

    def perform(self, node: SimulatedNode, effects: list[fx.Effect]) -> None:
        """Do what a mind asks for."""


class Streams:
    """All links of a world.

    Args:
        world: its time and its boxes' minds.
        nodes: the boxes, by public key.
        network: who reaches whom and how fast.
        trace: told of every frame that reaches a mind or an exchange.
        exchanges: what boxes do with artefacts, over links that both ends admitted.
    """

    def __init__(
        self,
        world: World,
        nodes: Mapping[bytes, SimulatedNode],
        network: Network,
        trace: Trace,
        exchanges: Exchanges,
    ) -> None:
        self._world = world
        self._nodes = nodes
        self._network = network
        self._trace = trace
        self._exchanges = exchanges
        self._links = 0
        self.dropped = 0

    # ---------------------------------------------------------------------------------- dialling

    def want(self, node: SimulatedNode, effect: fx.Wanted) -> None:
        """A box wants these links from now on."""
        nearness = {
            want.peer: Nearness.NEIGHBOUR if want.near else Nearness.OTHER for want in effect.peers
        }
        node.plan.want(nearness, self._world.now_ns)
        self._look(node)

    def _look(self, node: SimulatedNode) -> None:
        """See to it that whoever is due is dialled."""
        world, life = self._world, node.life
        due_ns = node.plan.next_due_ns()
        if due_ns is None or node.mind is None:
            return
        at_ns = max(due_ns, world.now_ns)
        if node.dial_ns is not None and node.dial_ns <= at_ns:
            return
        node.dial_ns = at_ns

        def look() -> None:
            if node.life != life or node.dial_ns != at_ns:
                return
            node.dial_ns = None
            for peer in node.plan.due(world.now_ns, room=DIALS_AT_ONCE_MAX):
                self._dial(node, peer)
            self._look(node)

        world.at(at_ns, look)

    def _dial(self, node: SimulatedNode, peer: bytes) -> None:
        node.plan.started(peer)
        self._knock(node, peer, node.life, self._world.now_ns, 0)

    def _knock(
        self, node: SimulatedNode, peer: bytes, life: int, started_ns: int, times: int
    ) -> None:
        """Ask for a connection: an answer, a refusal, or silence."""
        world, other = self._world, self._nodes.get(peer)
        if node.life != life:
            return
        if other is None:
            self._failed(node, peer, life)
        elif not self._answers(node, other):
            following = (*KNOCKS_NS, DIAL_TIMEOUT_NS)[times + 1]
            if times + 1 < len(KNOCKS_NS):
                again = times + 1
                world.at(
                    started_ns + following,
                    lambda: self._knock(node, peer, life, started_ns, again),
                )
            else:
                world.at(started_ns + following, lambda: self._failed(node, peer, life))
        else:
            way_ns = self._network.handshake_ns(node.public, peer)
            if way_ns is None:
                at_ns = started_ns + DIAL_TIMEOUT_NS
                world.at(at_ns, lambda: self._failed(node, peer, life))
                return
            world.at(world.now_ns + ACCEPT_NS + way_ns, lambda: self._dialled(node, other, life))

    def _answers(self, node: SimulatedNode, other: SimulatedNode) -> bool:
        """Whether a dial meets anything but silence, be it a refusal."""
        return other.has_power and self._network.may_dial(node.public, other.public)

    def _dialled(self, node: SimulatedNode, other: SimulatedNode, life: int) -> None:
        if node.life != life:
            return
        wire, far = node.wires.get(other.public), other.wires.get(node.public)
        if wire is not None and far is not None and wire.link == far.link:
            node.plan.connected(other.public, self._world.now_ns)
        elif other.mind is None or not self._answers(node, other):
            self._failed(node, other.public, life)
        else:
            self._connect(node, other)

    def _failed(self, node: SimulatedNode, peer: bytes, life: int) -> None:
        if node.life == life:
            node.plan.failed(peer, self._world.now_ns)
            self._look(node)

    def _connect(self, a: SimulatedNode, b: SimulatedNode) -> None:
        """Make a link; an end of an older one, whose other end is gone, is replaced."""
        for node, other in ((a, b), (b, a)):
            if other.public in node.wires:
                self._end(node, other.public)
        self._links += 1
        link, now_ns = self._links, self._world.now_ns
        for node, other in ((a, b), (b, a)):
            node.wires[other.public] = Wire(link, sent_ns=now_ns, ready_ns=now_ns)
            node.plan.connected(other.public, now_ns)
        for node, other, outbound in ((a, b, True), (b, a, False)):
            wire = node.wires.get(other.public)
            if node.mind is not None and wire is not None and wire.link == link:
                now = self._world.instant(node)
                told = node.mind.connected(other.public, now, outbound=outbound)
                self._world.perform(node, told)

    # ----------------------------------------------------------------------------------- endings

    def close(self, node: SimulatedNode, peer: bytes) -> None:
        """A box hangs up; the other end is told, if the way is open."""
        wire = node.wires.get(peer)
        if wire is not None:
            self._end(node, peer)
            self._tell_end(node, self._nodes[peer], wire)

    def fall_silent(self, node: SimulatedNode) -> None:
        """A box lost its power: it has no links any more, and tells nobody."""
        node.wires.clear()
        self.ways_changed()

    def ways_changed(self) -> None:
        """Something was cut, healed, switched off or on: look at every link again."""
        now_ns = self._world.now_ns
        for node in self._nodes.values() if self._links else ():
            for peer, wire in tuple(node.wires.items()):
                other = self._nodes[peer]
                is_whole = other.has_power and self._network.is_whole(node.public, peer)
                if not is_whole:
                    self._watch(node, peer, wire)
                    continue
                far = other.wires.get(node.public)
                if far is None or far.link != wire.link:
                    at_ns = now_ns + self._network.latency_ns(node.public, peer)
                    self._world.at(at_ns, lambda n=node, p=peer, w=wire: self._reset(n, p, w))
                elif not (wire.is_lost or far.is_lost):
                    silent_ns, wire.silent_ns = wire.silent_ns, None
                    self._resume(node, other, wire, silent_ns)

    def _watch(self, node: SimulatedNode, peer: bytes, wire: Wire) -> None:
        """Nothing gets through: unless that ends, the keepalive ends this end of the link."""
        if wire.silent_ns is not None:
            return
        since_ns = wire.silent_ns = self._world.now_ns

        def notice() -> None:
            if node.wires.get(peer) is wire and wire.silent_ns == since_ns:
                self.close(node, peer)

        self._world.at(since_ns + NOTICED_NS, notice)

    def _end(self, node: SimulatedNode, peer: bytes) -> None:
        """End one end of a link, and tell its mind."""
        del node.wires[peer]
        node.plan.disconnected(peer, self._world.now_ns)
        self._exchanges.ended(node, peer)
        if node.mind is not None:
            now = self._world.instant(node)
            self._world.perform(node, node.mind.disconnected(peer, now))
        self._look(node)

    def _tell_end(self, node: SimulatedNode, other: SimulatedNode, wire: Wire) -> None:
        """Tell the other end of a link that this one is closed, behind all that was sent."""
        world, network = self._world, self._network
        if not network.crosses(node.public, other.public):
            return

        def told() -> None:
            far = other.wires.get(node.public)
            if far is None or far.link != wire.link:
                return
            if network.crosses(node.public, other.public):
                self._end(other, node.public)

        at_ns = world.now_ns + network.latency_ns(node.public, other.public)
        world.at(max(at_ns, wire.ready_ns), told)

    def _reset(self, node: SimulatedNode, peer: bytes, wire: Wire) -> None:
        """An end whose other end is gone learns it."""
        if node.wires.get(peer) is wire and self._network.is_whole(node.public, peer):
            self._end(node, peer)

    # ---------------------------------------------------------------------------------- carrying

    def send(self, node: SimulatedNode, effect: fx.Send) -> None:
        """Put framed bytes on their way; without a link they go nowhere."""
        wire, network = node.wires.get(effect.peer), self._network
        if wire is None or wire.is_lost:
            return
        other, size = self._nodes[effect.peer], len(effect.data)
        if not network.fits(wire, node.public, effect.peer, size, self._world.now_ns):
            self._drop(node, effect.peer, effect.protocol)
            return
        due_ns = network.arrival_ns(wire, node.public, effect.peer, size, self._world.now_ns)
        if due_ns is None:
            self._lose(node, other, wire)
            return
        wire.queue.append(Carried(due_ns, effect.protocol, effect.data))
        self._world.at(due_ns, lambda: self._arrive(node, other, wire))

    def _drop(self, sender: SimulatedNode, receiver: bytes, protocol: str) -> None:
        """A frame finds no room; its sender knows, as the queue of a real box does."""
        self.dropped += 1
        if mind := sender.mind:
            mind.dropped(receiver, protocol)

    def _lose(self, node: SimulatedNode, other: SimulatedNode, wire: Wire) -> None:
        """A frame is lost for good: nothing follows it, and both ends notice."""
        wire.is_lost = True
        far = other.wires.get(node.public)
        self._watch(node, other.public, wire)
        if far is not None and far.link == wire.link:
            self._watch(other, node.public, far)

    def _resume(
        self, node: SimulatedNode, other: SimulatedNode, wire: Wire, silent_ns: int | None
    ) -> None:
        """The way is open again: what waits is sent again, the later the longer it was shut."""
        if not wire.is_stalled:
            return
        network, world = self._network, self._world
        due_ns = network.arrival_ns(wire, node.public, other.public, 0, world.now_ns)
        shut_ns = world.now_ns - (world.now_ns if silent_ns is None else silent_ns)
        if due_ns is None:
            self._lose(node, other, wire)
            return

        def resume() -> None:
            wire.is_stalled = False
            self._arrive(node, other, wire)

        world.at(due_ns + shut_ns // 2, resume)

    def _arrive(self, node: SimulatedNode, other: SimulatedNode, wire: Wire) -> None:
        """What is due reaches the other end, in order, if the way is open and the link stands."""
        far = other.wires.get(node.public)
        if far is None or far.link != wire.link or wire.is_stalled:
            return
        if not self._network.crosses(node.public, other.public) or wire.is_lost:
            wire.is_stalled = True
            return
        now_ns = self._world.now_ns
        while wire.queue and wire.queue[0].due_ns <= now_ns:
            carried = wire.queue.popleft()
            for body in FrameReader(FRAME_SIZE_MAX).feed(carried.data):
                self._handle(other, node.public, far, carried.protocol, body)

    def _handle(
        self, node: SimulatedNode, peer: bytes, wire: Wire, protocol: str, body: bytes
    ) -> None:
        """Let a box take a frame; a slow one takes its time, and what waits too long is lost."""
        if node.slowness <= 1 and not node.is_busy:
            if node.wires.get(peer) is wire:
                self._receive(node, peer, wire, protocol, body)
        elif wire.unread + len(body) > BACKLOG_BYTES_MAX:
            self._drop(self._nodes[peer], node.public, protocol)
        else:
            wire.unread += len(body)
            node.inbox.append(Unread(peer, wire, protocol, body))
            if not node.is_busy:
                self._work_off(node)

    def _work_off(self, node: SimulatedNode) -> None:
        """Handle the oldest frame that waits, and then the next: as fast as the box is by then."""
        life, node.is_busy = node.life, True

        def handled() -> None:
            if node.life != life:
                return
            oldest = node.inbox.popleft()
            oldest.wire.unread -= len(oldest.body)
            if node.wires.get(oldest.peer) is oldest.wire:
                self._receive(node, *oldest)
            if node.life == life:
                node.is_busy = False
                if node.inbox:
                    self._work_off(node)

        self._world.at(self._world.now_ns + int(HANDLING_NS * node.slowness), handled)

    def _receive(
        self, node: SimulatedNode, peer: bytes, wire: Wire, protocol: str, body: bytes
    ) -> None:
        mind, world = node.mind, self._world
        if mind is None:
            return
        if protocol == GOSSIP_PROTOCOL and not wire.is_admitted:
            if len(wire.held) < HELD_MAX:
                wire.held.append((protocol, body))
            return
        self._trace.frame(world.now_ns, node.public, peer, protocol, body)
        if protocol == BLOB_PROTOCOL:
            self._exchanges.received(node, peer, body)
            return
        now = world.instant(node)
        if node.misbehaviour is not None:
            node.misbehaviour.incoming(protocol, body, now)
        world.perform(node, mind.receive(peer, protocol, body, now))

    def admit(self, node: SimulatedNode, peer: bytes) -> None:
        """Open our gossip stream, and read what the peer's has brought so far."""
        wire, mind = node.wires.get(peer), node.mind
        if wire is None or mind is None:
            return
        wire.is_admitted = True
        other = self._nodes[peer]
        far = other.wires.get(node.public)
        if far is not None and far.link == wire.link and far.is_admitted:
            self._exchanges.admitted(node, other)
        opened = mind.stream_opened(peer, GOSSIP_PROTOCOL, self._world.instant(node))
        self._world.perform(node, opened)
        held, wire.held = wire.held, []
        for protocol, body in held:
            if node.wires.get(peer) is wire:
                self._receive(node, peer, wire, protocol, body)

    def suspend(self, node: SimulatedNode, peer: bytes) -> None:
        """Stop reading the gossip of a peer."""
        wire = node.wires.get(peer)
        if wire is not None:
            wire.is_admitted = False
            self._exchanges.ended(node, peer)
