"""Malicious boxes: a real mind, and lips that lie in exactly one way.

The mind is honest and knows nothing of it; what it wants sent is tampered with on the way out. So
the box is a member like any other, with real links and a real grant, and what it says is built with
the product's own encoders: everything is right but for one thing. What honest boxes must answer:

    FORGE        its events in another member's name, under its own signature     bad_signature
                 and one fact likewise                                            rejected
    REPLAY       what it heard a minute ago, again                                stale, or known
    BACK_DATE    its events, ten seconds old, signed again                        stale
    EQUIVOCATE   two records with one number, one for each half of its peers      quarantined
    FLOOD        true events, five times as many as an author may send       rate_limited_author
    POISON       wrong bytes in every chunk of an artefact               an end to its chunks
    WITHHOLD     nothing of what others say is passed on, by gossip or by sync
    ECLIPSE      the same, with links to everybody

Against the last two nothing can be refused, since nothing is said: what helps is that links are
computed by every box itself and that each topic has a second way (`mesh.coordination.topology`).
"""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from crdt.entry import GENESIS_LINK, Entry, Lane, make_entry, parse_entry
from identity.domain import ENTRY, EVENT
from identity.encoding import decode, encode
from identity.keys import SecretKey
from mesh.choreography.event import InvalidEventError, SealedEvent, parse_event, seal_event
from mesh.choreography.scope import Reach
from mesh.choreography.topics import auth_topic, everyone_topic
from mesh.coordination.facts import FactError, encode_entry, parse_fact
from mesh.framing import FrameReader, frame
from mesh.gossip.decoding import decode_rpc
from mesh.gossip.effects import Priority
from mesh.gossip.messages import Message, encode_message, message_frame
from mesh.mind import GOSSIP_PROTOCOL, SYNC_PROTOCOL, Mind
from mesh.mind import effects as fx
from mesh.mind.spreading import is_event_topic
from mesh.orchestration.blob_frames import BLOB_PROTOCOL, Chunk, decode_frame, encode_frame
from mesh.testing.fleets.town import MODEL
from mesh.testing.simulator.simulated_node import SimulatedNode
from mesh.units import SECOND, Instant

if TYPE_CHECKING:
    from random import Random

__all__ = ["Adversary", "Behaviour", "forge"]

BACK_DATED_MS = 10_000
"""How old back-dated events claim to be; 2.5 s is the most that is heard."""
REPLAYED_NS = 60 * SECOND
"""How old what is replayed is: long stale, and whoever started since has never heard it."""
REPLAYS_MAX = 64
"""Events remembered for a replay, the first that are heard: the last would never get old."""
FLOOD_EVENTS = 250
"""Events of a flood each second; an author may publish 50, and 200 in advance."""
INCARNATION = 1 << 16
"""The incarnation in which the two records with one number are written."""
FRAME_SIZE_MAX = 1 << 20
"""Largest frame that is read back, bytes."""


class Behaviour(Enum):
    """In which one way a box lies."""

    FORGE = "forge"
    REPLAY = "replay"
    BACK_DATE = "back_date"
    EQUIVOCATE = "equivocate"
    FLOOD = "flood"
    POISON = "poison"
    WITHHOLD = "withhold"
    ECLIPSE = "eclipse"


def forge(event: SealedEvent, *, author: bytes, name: str, secret: SecretKey) -> bytes:
    """Return an event's wire with another speaker written into it, signed with another key."""
    fields = decode(event.raw, floats=True)
    assert isinstance(fields, list)
    fields[2], fields[3] = author, name
    raw = encode(fields)
    return secret.sign(EVENT, raw) + raw


class _Heard(NamedTuple):
    """An honest event that waits for its replay."""

    at_ns: int
    topic: str
    wire: bytes


class Adversary:
    """What one malicious box does; see `simulator.simulated_node.Misbehaviour`.

    Args:
        behaviour: in which way it lies.
        node: the box; its mind, while it has one, is an honest one.
        rng: source of what it invents.
    """

    def __init__(self, behaviour: Behaviour, node: SimulatedNode, rng: "Random") -> None:
        self.behaviour = behaviour
        self._node = node
        self._boot = rng.randbytes(8)
        self._number = 0
        self._heard: deque[_Heard] = deque()
        self._has_forked = self._has_forged = False

    def __repr__(self) -> str:
        return self.behaviour.value

    # ----------------------------------------------------------------------- what the world asks

    def incoming(self, protocol: str, body: bytes, now: Instant) -> None:
        """Keep honest events for a replay."""
        if self.behaviour is Behaviour.REPLAY and protocol == GOSSIP_PROTOCOL:
            for message in decode_rpc(body).messages:
                if is_event_topic(message.topic) and len(self._heard) < REPLAYS_MAX:
                    self._heard.append(_Heard(now.mono_ns, message.topic, message.data))

    def outgoing(self, effect: fx.Send, now: Instant) -> list[fx.Send]:
        """Return what is sent in the place of a frame that the mind wants sent."""
        del now
        if self.behaviour is Behaviour.POISON and effect.protocol == BLOB_PROTOCOL:
            return [effect._replace(data=_poisoned(effect.data))]
        change = {
            Behaviour.FORGE: self._forged,
            Behaviour.BACK_DATE: self._back_dated,
            Behaviour.WITHHOLD: self._own,
            Behaviour.ECLIPSE: self._own,
        }.get(self.behaviour)
        if change is None:
            return [effect]
        if effect.protocol == GOSSIP_PROTOCOL:
            data = _tampered(effect.data, change)
            return [effect._replace(data=data)] if data else []
        is_silent = change == self._own and effect.protocol == SYNC_PROTOCOL
        return [] if is_silent else [effect]

    def wanted(self, effect: fx.Wanted) -> fx.Wanted:
        """Return whom to keep links with: everybody, if others are to be surrounded."""
        mind = self._node.mind
        if self.behaviour is not Behaviour.ECLIPSE or mind is None:
            return effect
        members = [member.key for member in mind.views.membership.current()]
        known = {want.peer: want.addresses for want in effect.peers}
        return fx.Wanted(
            tuple(
                fx.Want(peer, known.get(peer, ()), near=True)
                for peer in members
                if peer != self._node.public
            )
        )

    def act(self, now: Instant) -> list[fx.Send]:
        """Return what it sends of its own accord; asked once a second."""
        mind = self._node.mind
        peers = [] if mind is None else [link.peer for link in mind.links.members()]
        if mind is None or not peers:
            return []
        match self.behaviour:
            case Behaviour.REPLAY:
                return self._replays(peers, now)
            case Behaviour.EQUIVOCATE:
                return self._fork(mind, peers, now)
            case Behaviour.FORGE:
                return self._forge_fact(mind, peers, now)
            case Behaviour.FLOOD:
                return self._flood(mind, peers, now)
            case _:
                return []

    # --------------------------------------------------------------------------------- the lies

    def _forged(self, message: Message) -> bytes | None:
        """An own event becomes another member's word, under our signature."""
        event = self._own_event(message)
        mind = self._node.mind
        if event is None or mind is None:
            return message.data
        victim = next(m for m in mind.views.membership.current() if m.key != event.author)
        return forge(event, author=victim.key, name=victim.name, secret=self._node.secret)

    def _back_dated(self, message: Message) -> bytes | None:
        """An own event is older than it is, and signed rightly."""
        event = self._own_event(message)
        if event is None:
            return message.data
        return seal_event(
            self._node.secret,
            ns=event.ns,
            name=event.name,
            boot=event.boot,
            n=event.n,
            time_ms=event.time_ms - BACK_DATED_MS,
            ttl_ms=event.ttl_ms,
            scope=event.scope,
            cell=event.cell,
            event_type=event.type,
            model=event.model,
            because=event.because,
            data=event.data,
        ).wire

    def _own(self, message: Message) -> bytes | None:
        """What others say is kept back."""
        if is_event_topic(message.topic):
            return message.data if self._own_event(message) else None
        try:
            fact = parse_fact(message.data)
        except FactError:
            return None
        is_own = any(entry.author == self._node.public for entry in fact.entries)
        return message.data if is_own else None

    def _own_event(self, message: Message) -> SealedEvent | None:
        if not is_event_topic(message.topic):
            return None
        try:
            event = parse_event(message.data)
        except InvalidEventError:
            return None
        return event if event.author == self._node.public else None

    def _replays(self, peers: list[bytes], now: Instant) -> list[fx.Send]:
        sent: list[fx.Send] = []
        while self._heard and now.mono_ns - self._heard[0].at_ns >= REPLAYED_NS:
            heard = self._heard.popleft()
            sent += [_say(peer, heard.topic, heard.wire, Priority.EVENT) for peer in peers]
        return sent

    def _fork(self, mind: Mind, peers: list[bytes], now: Instant) -> list[fx.Send]:
        """Sign two records with one number, once, and show each half of the peers one."""
        if self._has_forked or len(peers) < 2:
            return []
        self._has_forked = True
        ns = mind.replica.chain.genesis.ns
        twins = [self._first_put(ns, now, "twin", number) for number in range(2)]
        return [
            _say(peer, auth_topic(ns), encode_entry(twins[place % 2]), Priority.FACT)
            for place, peer in enumerate(peers)
        ]

    def _forge_fact(self, mind: Mind, peers: list[bytes], now: Instant) -> list[fx.Send]:
        """Put something in another member's name, once, under our signature."""
        if self._has_forged:
            return []
        self._has_forged = True
        ns = mind.replica.chain.genesis.ns
        victim = next(m for m in mind.views.membership.current() if m.key != self._node.public)
        fields = decode(self._first_put(ns, now, "forged", 1).raw)
        assert isinstance(fields, list)
        fields[2] = victim.key
        raw = encode(fields)
        forged = parse_entry(self._node.secret.sign(ENTRY, raw) + raw)
        topic, data = auth_topic(ns), encode_entry(forged)
        return [_say(peer, topic, data, Priority.FACT) for peer in peers]

    def _first_put(self, ns: bytes, now: Instant, key: str, value: int) -> Entry:
        """Return the first entry of an own feed that nobody has seen."""
        return make_entry(
            self._node.secret,
            ns=ns,
            lane=Lane.AUTH,
            inc=INCARNATION,
            seq=0,
            prev=GENESIS_LINK,
            t=now.wall_ms,
            kind="put",
            body={"key": key, "value": value, "supersedes": []},
        )

    def _flood(self, mind: Mind, peers: list[bytes], now: Instant) -> list[fx.Send]:
        """Say true things, far too often."""
        ns, name = mind.replica.chain.genesis.ns, self._node.name
        place = mind.views.places.get(name)
        if place is None:
            return []
        sent: list[fx.Send] = []
        for _ in range(FLOOD_EVENTS):
            self._number += 1
            event = seal_event(
                self._node.secret,
                ns=ns,
                name=name,
                boot=self._boot,
                n=self._number,
                time_ms=now.wall_ms,
                ttl_ms=1_000,
                scope=Reach.EVERYONE,
                cell=place.cell,
                event_type="traffic.near_miss",
                model=MODEL,
                because=(),
                data={"kind": "flood", "confidence": 1.0},
            )
            topic = everyone_topic(ns)
            sent += [_say(peer, topic, event.wire, Priority.EVENT) for peer in peers]
        return sent


def _say(peer: bytes, topic: str, data: bytes, priority: Priority) -> fx.Send:
    framed = message_frame(encode_message(Message(topic, data)))
    return fx.Send(peer, GOSSIP_PROTOCOL, framed, priority)


def _poisoned(data: bytes) -> bytes:
    """Return framed bytes of the artefact exchange with a wrong bit in each chunk."""
    out: list[bytes] = []
    for body in FrameReader(FRAME_SIZE_MAX).feed(data):
        found = decode_frame(body)
        if isinstance(found, Chunk):
            wrong = bytes((found.data[0] ^ 1,)) + bytes(found.data[1:])
            out.append(encode_frame(Chunk(found.id, found.index, wrong)))
        else:
            out.append(frame(body))
    return b"".join(out)


def _tampered(data: bytes, change: Callable[[Message], bytes | None]) -> bytes:
    """Return framed RPCs with each message changed, or left out; what has none stays as it is."""
    out: list[bytes] = []
    for body in FrameReader(FRAME_SIZE_MAX).feed(data):
        rpc = decode_rpc(body)
        if not rpc.messages:
            out.append(frame(body))
        for message in rpc.messages:
            changed = change(message)
            if changed is not None:
                encoded = encode_message(message._replace(data=changed))
                out.append(message_frame(encoded, rpc.told))
    return b"".join(out)
