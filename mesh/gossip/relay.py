"""The path of a message: judged, forwarded, delivered; and of our own: flooded, or meshed.

Known id → its sender is noted as a holder, nothing else. New → size, signature policy, then the
validator's verdict, and only then the mesh: nothing unverified is ever forwarded. REJECT and PARK
leave the id unseen, or a copy that came too early would censor the one that comes in time.

An own event is flooded to every subscriber, one hop, and names whom it was told. A receiver does
not forward it to those, provided that whoever sent it is its verified author: anybody else could
cut others off. An author may die in the middle of its flood, so each of those it told watches one
other: the next in the list that is a neighbour still hears the id from it (see `control`).
"""

from collections.abc import Callable
from hashlib import sha256

from mesh.gossip.control import GossipExchange
from mesh.gossip.effects import (
    Deliver,
    Effect,
    Offence,
    Penalise,
    Priority,
    Send,
    Validate,
    Verdict,
)
from mesh.gossip.errors import MessageTooLargeError
from mesh.gossip.fanout import Fanout
from mesh.gossip.mcache import CachedMessage
from mesh.gossip.mesh_topic import Meshes, TopicMesh
from mesh.gossip.messages import (
    MESSAGE_SIZE_MAX,
    PUBLISH_SIZE_MAX,
    TOLD_TAG_SIZE,
    Message,
    control_frames,
    encode_message,
    id_piece,
    idontwant_item,
    message_frame,
    unsigned_frame,
)
from mesh.gossip.params import Params
from mesh.gossip.peers import PeerState, PeerTable
from mesh.gossip.policy import SignaturePolicy
from mesh.gossip.statistics import Counters


class Relay:
    """Sends own messages and passes on those of others."""

    __slots__ = (
        "_counters",
        "_exchange",
        "_fanout",
        "_meshes",
        "_params",
        "_policy",
        "_priority_of",
        "_table",
        "_tag",
        "_validate",
    )

    def __init__(
        self,
        *,
        params: Params,
        tag: bytes,
        validate: Validate,
        policy: SignaturePolicy,
        priority_of: Callable[[str], Priority],
        table: PeerTable,
        meshes: Meshes,
        exchange: GossipExchange,
        fanout: Fanout,
        counters: Counters,
    ) -> None:
        self._params = params
        self._tag = tag
        self._validate = validate
        self._policy = policy
        self._priority_of = priority_of
        self._table = table
        self._meshes = meshes
        self._exchange = exchange
        self._fanout = fanout
        self._counters = counters

    # ---------------------------------------------------------------------------------------- own

    def publish(self, topic: str, data: bytes, now_ns: int, *, flood: bool) -> list[Effect]:
        """Send an own message to every subscriber (`flood`, if small) or to the mesh."""
        params, exchange = self._params, self._exchange
        if len(data) > PUBLISH_SIZE_MAX:
            raise MessageTooLargeError(
                f"{len(data)} bytes for {topic!r}: expected at most {PUBLISH_SIZE_MAX}, use sync"
            )
        message_id = sha256(data).digest()
        if message_id in exchange.seen:
            return []
        self._counters.published += 1
        exchange.seen.add(message_id, now_ns)
        exchange.asks.arrived(message_id)
        encoded = encode_message(self._policy.dress(topic, data))
        frame = message_frame(encoded)
        priority = Priority.EVENT if flood else self._priority_of(topic)
        piece = id_piece(message_id)
        cached = CachedMessage(message_id, topic, frame, piece, priority, None, 0)
        exchange.cache.put(cached)
        subscribers = self._table.subscribers.get(topic)
        if not subscribers:
            return []
        if not flood or len(data) > params.flood_size_max:
            states = self._mesh_or_fanout(topic, subscribers, now_ns)
        else:
            threshold = params.score.publish_threshold
            states = [s for s in subscribers.values() if not s.is_below(threshold, now_ns)]
            if params.told and len(states) > 1:
                frame = message_frame(encoded, b"".join([state.tag for state in states]))
        for state in states:
            cached.sent |= state.bit
        return [Send(state.key, frame, priority) for state in states]

    def _mesh_or_fanout(
        self, topic: str, subscribers: dict[bytes, PeerState], now_ns: int
    ) -> list[PeerState]:
        mesh = self._meshes.joined.get(topic)
        if mesh is not None and mesh.peers:
            return list(mesh.peers.values())
        return self._fanout.peers(topic, subscribers, now_ns)

    # ------------------------------------------------------------------------------------- others

    def take(
        self, message: Message, state: PeerState, told: bytes, now_ns: int, effects: list[Effect]
    ) -> None:
        """Judge one message, and forward and deliver it as judged."""
        counters, exchange = self._counters, self._exchange
        mesh = self._meshes.joined.get(message.topic)
        if mesh is None:
            counters.not_joined += 1
            return
        data = message.data
        message_id = sha256(data).digest()
        if message_id in exchange.seen:
            counters.duplicates += 1
            cached = exchange.cache.get(message_id)
            if cached is not None:
                cached.holders |= state.bit
            return
        if len(data) > MESSAGE_SIZE_MAX:
            counters.oversize += 1
            return
        if not self._policy.allows(message):
            counters.signature_policy += 1
            self._wrong(state, mesh.name, Offence.SIGNATURE_POLICY, now_ns, effects)
            return
        counters.received += 1
        verdict, author = self._validate(mesh.name, data, state.key)
        if verdict is Verdict.ACCEPT or verdict is Verdict.FORWARD:
            cached = self._keep(message, message_id, mesh, state, author, now_ns)
            if len(data) >= self._params.idontwant_size_min:
                self._decline(cached, mesh, effects)
            self._forward(cached, mesh, told if author == state.key else b"", effects)
            if verdict is Verdict.ACCEPT:
                counters.delivered += 1
                effects.append(Deliver(mesh.name, data, state.key, message_id))
            return
        exchange.asks.arrived(message_id)
        if verdict is Verdict.IGNORE:
            counters.ignored += 1
            exchange.seen.add(message_id, now_ns)
            return
        exchange.parked.add(message_id, now_ns)
        if verdict is Verdict.PARK:
            counters.parked += 1
            return
        counters.rejected += 1
        self._wrong(state, mesh.name, Offence.REJECTED_MESSAGE, now_ns, effects)

    def _keep(
        self,
        message: Message,
        message_id: bytes,
        mesh: TopicMesh,
        state: PeerState,
        author: bytes | None,
        now_ns: int,
    ) -> CachedMessage:
        """Remember an accepted message, and who is known to hold it."""
        exchange = self._exchange
        exchange.seen.add(message_id, now_ns)
        state.score.topic(mesh.name).first_deliveries.add(1.0, now_ns)
        holders, peers = state.bit, self._table.peers
        writer = peers.get(author) if author is not None else None
        if writer is not None:
            holders |= writer.bit
        ask = exchange.asks.arrived(message_id)
        if ask is not None:
            for peer in (ask.peer, *ask.others):
                holders |= peers[peer].bit if peer in peers else 0
        cached = CachedMessage(
            message_id,
            mesh.name,
            unsigned_frame(message.data, mesh.field)
            if message.signature is None
            else message_frame(encode_message(message)),
            id_piece(message_id),
            mesh.priority,
            author,
            holders,
        )
        exchange.cache.put(cached)
        return cached

    def _forward(
        self,
        cached: CachedMessage,
        mesh: TopicMesh,
        told: bytes,
        effects: list[Effect],
    ) -> None:
        """Send a message to the mesh peers that neither have it, nor were told it, nor declined."""
        counters, holders, message_id = self._counters, cached.holders, cached.id
        frame, priority = cached.frame, cached.priority
        tags: list[bytes] = []
        if told:
            tags = [told[n : n + TOLD_TAG_SIZE] for n in range(0, len(told), TOLD_TAG_SIZE)]
            self._watch(cached, tags)
        before, sent = len(effects), 0
        for key, other in mesh.peers.items():
            if holders & other.bit:  # the sender, the author, whoever advertised it
                continue
            if other.tag in tags:
                counters.spared += 1
            elif message_id in other.unwanted:
                counters.declined += 1
            else:
                effects.append(Send(key, frame, priority))
                sent |= other.bit
        cached.sent |= sent
        counters.forwarded += len(effects) - before

    def _watch(self, cached: CachedMessage, tags: list[bytes]) -> None:
        """Leave those whom the author told to one another, but the next neighbour behind us.

        Who is not in the list itself watches all of them.
        """
        if self._tag not in tags:
            return
        subscribers = self._table.subscribers.get(cached.topic, {})
        named = {state.tag: state for state in subscribers.values()}
        place = tags.index(self._tag)
        behind = [named[tag] for tag in (*tags[place + 1 :], *tags[:place]) if tag in named]
        for state in behind[1:]:
            cached.sent |= state.bit

    def _decline(self, cached: CachedMessage, mesh: TopicMesh, effects: list[Effect]) -> None:
        """Tell the other mesh peers that their copy of a large message is not needed (v1.2)."""
        frame = control_frames([idontwant_item(cached.id)])[0]
        for key, other in mesh.peers.items():
            if not cached.holders & other.bit:
                effects.append(Send(key, frame, Priority.CONTROL))

    def _wrong(
        self,
        state: PeerState,
        topic: str,
        offence: Offence,
        now_ns: int,
        effects: list[Effect],
    ) -> None:
        state.score.invalid(topic, now_ns)
        self._meshes.mark(state)
        effects.append(Penalise(state.key, offence))
