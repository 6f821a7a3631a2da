"""The artefact exchanges of simulated boxes: the real ones, over simulated links and shelves.

What runs is `mesh.orchestration.blobs.Exchange`, as on a box; here is only what its shell does
there (`mesh.node.blobs`): bytes go over the links, chunks to the shelf, and what is due is done.
Two ends exchange as soon as both have admitted each other, and each forgets the other when its end
is gone. What was fetched in part is lost with the process; what is complete lies on the shelf.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from mesh.gossip.effects import Priority
from mesh.mind import effects as fx
from mesh.orchestration import blob_effects as be
from mesh.orchestration.blob_frames import BLOB_PROTOCOL
from mesh.orchestration.blob_limits import BLOBS_MAX, ExchangeLimits
from mesh.orchestration.blob_tree import (
    CHUNK_SIZE,
    Reference,
    leaf_hash,
    leaves_of,
    reference_and_leaves_of,
)
from mesh.orchestration.blobs import Exchange
from mesh.testing.simulator.simulated_node import SimulatedNode
from mesh.units import MS

if TYPE_CHECKING:
    import random

__all__ = ["ExchangeWorld", "Exchanges"]

SHELF_NS = MS
"""How long a shelf takes to find, write or prove something."""
SERVED_AT_START_MAX = BLOBS_MAX // 2
"""Artefacts of a shelf that are served after a start, those put there last."""

Answer = Callable[[Exchange, int], list[be.BlobEffect]]
"""Tells an exchange what became of something, at a time."""


class ExchangeWorld(Protocol):
    """What the exchanges need of the simulation."""

    now_ns: int

    def at(self, at_ns: int, action: Callable[[], None]) -> None:
        """Do something at a virtual time."""
        ...

    def random(self, what: str) -> "random.Random":
        """Return a generator of its own for something."""
        ...

    def send(self, node: SimulatedNode, effect: fx.Send) -> None:
        """Put framed bytes of a box on their way."""
        ...


class _Part:
    """An artefact that is being fetched: its leaves, and the chunks so far."""

    def __init__(self, reference: Reference, leaves: bytes) -> None:
        self.leaves = leaves
        self.chunks: list[bytes] = [b""] * reference.chunks

    def damaged(self) -> int:
        """Return a bit for each chunk that does not hash to its leaf."""
        size = len(self.leaves) // len(self.chunks)
        return sum(
            1 << index
            for index, chunk in enumerate(self.chunks)
            if leaf_hash(chunk) != self.leaves[index * size : (index + 1) * size]
        )


class _Running:
    """The exchange of one life of one box."""

    def __init__(self, exchange: Exchange, fetched: Callable[[bytes], None]) -> None:
        self.exchange = exchange
        self.fetched = fetched
        self.parts: dict[bytes, _Part] = {}
        self.peers: set[bytes] = set()
        self.due_ns: int | None = None


class Exchanges:
    """The exchanges of all boxes that are up.

    Args:
        world: its time, and what carries their frames.
        nodes: the boxes, by public key.

    Attributes:
        penalties: how often a box caught a peer sending what no honest peer sends, by the peer.
    """

    def __init__(self, world: ExchangeWorld, nodes: Mapping[bytes, SimulatedNode]) -> None:
        self._world = world
        self._nodes = nodes
        self._running: dict[bytes, _Running] = {}
        self.penalties: Counter[bytes] = Counter()

    # ---------------------------------------------------------------------------------- lives

    def booted(self, node: SimulatedNode, fetched: Callable[[bytes], None]) -> None:
        """A box starts: it serves what lies on its shelf.

        Args:
            node: the box.
            fetched: called with the digest of what it wanted and has now.
        """
        rng = self._world.random(f"blobs/{node.name}/{node.life}")
        self._running[node.public] = _Running(Exchange(ExchangeLimits(), rng), fetched)
        for digest, data in list(node.workshop.shelf.items())[-SERVED_AT_START_MAX:]:
            if sha256(data).digest() == digest:
                self._have(node, data)

    def died(self, node: SimulatedNode) -> None:
        """A box has no process any more."""
        self._running.pop(node.public, None)

    # ------------------------------------------------------------------------------- artefacts

    def put(self, node: SimulatedNode, data: bytes) -> None:
        """Lay an artefact that a person brought onto a shelf, and serve it."""
        node.workshop.shelf[sha256(data).digest()] = data
        self._have(node, data)

    def want(self, node: SimulatedNode, reference: Reference) -> None:
        """Get an artefact from whoever has it, or say at once that it is here."""
        running = self._running[node.public]
        if reference.digest in node.workshop.shelf:
            running.fetched(reference.digest)
            return
        self._perform(node, running.exchange.want(reference, self._world.now_ns))

    def _have(self, node: SimulatedNode, data: bytes) -> None:
        running = self._running.get(node.public)
        if running is not None:
            reference, leaves = reference_and_leaves_of(data)
            told = running.exchange.have(reference, leaves, self._world.now_ns)
            self._perform(node, told)

    # ----------------------------------------------------------------------------------- links

    def admitted(self, one: SimulatedNode, other: SimulatedNode) -> None:
        """Both ends of a link admit each other from now on."""
        for node, peer in ((one, other.public), (other, one.public)):
            self.ended(node, peer)
            running = self._running.get(node.public)
            if running is not None:
                running.peers.add(peer)
                self._perform(node, running.exchange.peer_added(peer, self._world.now_ns))

    def ended(self, node: SimulatedNode, peer: bytes) -> None:
        """One end of a link is gone, or no member is at the other any more."""
        running = self._running.get(node.public)
        if running is not None and peer in running.peers:
            running.peers.discard(peer)
            self._perform(node, running.exchange.peer_removed(peer, self._world.now_ns))

    def received(self, node: SimulatedNode, peer: bytes, body: bytes) -> None:
        """A frame of the exchange has arrived."""
        running = self._running.get(node.public)
        if running is not None:
            told = running.exchange.receive(peer, body, self._world.now_ns)
            self._perform(node, told)

    # --------------------------------------------------------------------------------- effects

    def _perform(self, node: SimulatedNode, effects: list[be.BlobEffect]) -> None:
        running = self._running[node.public]
        for effect in effects:
            match effect:
                case be.Send(peer, data, ticket):
                    framed = fx.Send(peer, BLOB_PROTOCOL, bytes(data), Priority.GOSSIP)
                    self._world.send(node, framed)
                    if ticket:
                        self._answer(node, 0, lambda x, now, t=ticket: x.sent(t, now))
                case be.Penalise(peer, _):
                    self.penalties[peer] += 1
                case be.Complete(reference):
                    self._complete(node, reference)
                case be.Failed() | be.Lost():
                    pass  # of a false reference, or of a damaged disk: neither is simulated
                case _:
                    self._answer(node, SHELF_NS, _shelved(node, running, effect))
        self._wake(node, running)

    def _complete(self, node: SimulatedNode, reference: Reference) -> None:
        """Tell who wanted an artefact, once all that is under way is done."""
        running = self._running[node.public]

        def tell() -> None:
            if self._running.get(node.public) is running:
                running.fetched(reference.digest)

        self._world.at(self._world.now_ns, tell)

    def _answer(self, node: SimulatedNode, after_ns: int, answer: Answer) -> None:
        """Tell an exchange something a little later, if it is still that life's."""
        running = self._running[node.public]

        def tell() -> None:
            if self._running.get(node.public) is running:
                self._perform(node, answer(running.exchange, self._world.now_ns))

        self._world.at(self._world.now_ns + after_ns, tell)

    def _wake(self, node: SimulatedNode, running: _Running) -> None:
        """See to it that what is due is done then."""
        due_ns = running.exchange.deadline_ns()
        if due_ns is None or due_ns == running.due_ns:
            return
        running.due_ns = due_ns

        def tick() -> None:
            if self._running.get(node.public) is running and running.due_ns == due_ns:
                running.due_ns = None
                self._perform(node, running.exchange.tick(self._world.now_ns))

        self._world.at(max(due_ns, self._world.now_ns), tick)


def _shelved(node: SimulatedNode, running: _Running, effect: be.BlobEffect) -> Answer:
    """Do on a shelf what an exchange asks for; returns how to tell it."""
    shelf, parts = node.workshop.shelf, running.parts
    match effect:
        case be.Resume(ticket, reference):
            data = shelf.get(reference.digest)
            found = be.Found()
            if data is not None:
                found = be.Found(leaves_of(data), (1 << reference.chunks) - 1, is_complete=True)
            return lambda x, now: x.resumed(ticket, found, now)
        case be.Begin(ticket, reference, leaves):
            parts[reference.digest] = _Part(reference, leaves)
            return lambda x, now: x.stored(ticket, now)
        case be.Store(ticket, reference, index, data):
            parts[reference.digest].chunks[index] = bytes(data)
            return lambda x, now: x.stored(ticket, now)
        case be.Load(ticket, reference, index):
            whole = shelf.get(reference.digest)
            part = parts.get(reference.digest)
            chunk = b"" if part is None else part.chunks[index]
            if whole is not None:
                chunk = whole[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]
            return lambda x, now: x.loaded(ticket, chunk, now)
        case be.Seal(ticket, reference):
            part = parts[reference.digest]
            whole = b"".join(part.chunks)
            verdict = be.Sealed(sha256(whole).digest() == reference.digest, part.damaged())
            if verdict.is_complete:
                shelf[reference.digest] = whole
                del parts[reference.digest]
            return lambda x, now: x.sealed(ticket, verdict, now)
        case _:
            raise AssertionError(effect)
