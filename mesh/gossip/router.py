"""GossipSub v1.1 as a pure state machine: bytes, commands and `now` in, effects out.

    effects = router.receive(rpc, peer, now_ns)      also publish, join, leave, heartbeat,
    for effect in effects: shell.perform(effect)     peer_added, peer_removed, set_opinion

This file puts the parts together: `relay` (the path of a message), `mesh_topic` (who gets it at
once), `control` (who hears of it later), `score` (who is heard at all). A message id is SHA-256 of
the whole data, the inner signature included, so that a genuine body under a junk signature cannot
occupy the genuine message's id.

Nothing beats while nothing happens: `next_heartbeat_ns` is None then. Heartbeats fall on a grid
whose phase is drawn per router, or every box would advertise one event at the same instant.

Wire-compatible with /meshsub/1.1.0. Source: libp2p specs, gossipsub v1.0, v1.1; IDONTWANT of v1.2
for large messages.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from mesh.gossip.control import GossipExchange
from mesh.gossip.decoding import decode_rpc
from mesh.gossip.effects import (
    Effect,
    Offence,
    Penalise,
    Priority,
    StrictSign,
    Validate,
)
from mesh.gossip.errors import RpcError, TopicError
from mesh.gossip.fanout import Fanout
from mesh.gossip.mesh_topic import Meshes
from mesh.gossip.messages import (
    TOPIC_SIZE_MAX,
    Control,
    control_frames,
    graft_item,
    subscription_frames,
)
from mesh.gossip.params import Params
from mesh.gossip.peers import PeerState, PeerTable
from mesh.gossip.policy import SignaturePolicy
from mesh.gossip.relay import Relay
from mesh.gossip.score import ScoreBook
from mesh.gossip.statistics import Counters, Statistics

if TYPE_CHECKING:
    from random import Random


def always_fact(_topic: str) -> Priority:
    """Put every topic into the class of facts."""
    return Priority.FACT


class Router:
    """One GossipSub router. Peers are public keys of 32 bytes, times are monotonic nanoseconds.

    Args:
        rng: source of every random choice.
        validate: (topic, data, peer) → judgement, asked once per message id.
        params: numbers.
        strict_sign: sign and demand signatures, for foreign meshes; None for StrictNoSign.
        priority_of: queue class of a topic's messages. Flooded messages are always events.
        tag: our own name in `told`, as peers were given it; b"" for none: then a flood is covered
            like any other message.
    """

    __slots__ = (
        "_beat_due_ns",
        "_counters",
        "_exchange",
        "_fanout",
        "_meshes",
        "_opportunistic_ns",
        "_params",
        "_peers",
        "_phase_ns",
        "_priority_of",
        "_relay",
        "_scores",
        "_table",
    )

    def __init__(
        self,
        *,
        rng: "Random",
        validate: Validate,
        params: Params | None = None,
        strict_sign: StrictSign | None = None,
        priority_of: Callable[[str], Priority] = always_fact,
        tag: bytes = b"",
    ) -> None:
        params = params or Params()
        self._params = params
        self._priority_of = priority_of
        self._counters = Counters()
        self._scores = ScoreBook(params.score)
        self._table = PeerTable(params)
        self._peers = self._table.peers
        self._meshes = Meshes(rng=rng, params=params, table=self._table, counters=self._counters)
        self._exchange = GossipExchange(
            rng=rng,
            params=params,
            table=self._table,
            meshes=self._meshes,
            counters=self._counters,
        )
        self._fanout = Fanout(rng=rng, params=params)
        self._relay = Relay(
            params=params,
            tag=tag,
            validate=validate,
            policy=SignaturePolicy(strict_sign),
            priority_of=priority_of,
            table=self._table,
            meshes=self._meshes,
            exchange=self._exchange,
            fanout=self._fanout,
            counters=self._counters,
        )
        self._phase_ns = rng.randrange(params.heartbeat_ns)
        self._beat_due_ns: int | None = None
        self._opportunistic_ns = 0

    def __repr__(self) -> str:
        return f"Router({len(self._peers)} peers, {len(self._meshes.joined)} topics)"

    # --------------------------------------------------------------------------------- membership

    def peer_added(
        self,
        peer: bytes,
        *,
        outbound: bool,
        tag: bytes,
        now_ns: int,
        address_group: str = "",
    ) -> list[Effect]:
        """A peer connected. Nothing is sent: the shell opens its stream with `hello`.

        Args:
            peer: its public key.
            outbound: whether we dialled it.
            tag: first 4 bytes of SHA-256(peer id).
            now_ns: monotonic time.
            address_group: what P6 counts together, such as the IP address; "" exempts the peer.

        Raises:
            ParamsError: the tag is not 4 bytes.
        """
        if peer not in self._peers and len(self._peers) < self._params.peers_max:
            score = self._scores.arrived(peer, address_group, now_ns)
            self._table.add(peer, outbound=outbound, tag=tag, score=score)
        return []

    def peer_removed(self, peer: bytes, now_ns: int) -> list[Effect]:
        """A peer disconnected. Back-offs and what speaks against it are remembered."""
        state = self._peers.get(peer)
        if state is not None:
            self._meshes.drop(state, list(state.topics))
            self._table.remove(state)
            self._exchange.cache.forget_holder(state.bit)
            self._scores.departed(peer, state.score, now_ns)
        return []

    def hello(self, peer: bytes) -> list[bytes]:
        """Return the frames that go first on every outbound stream to a peer.

        Also to be sent again on every new inbound stream of a known peer: other implementations
        forget subscriptions together with their own stream. The whole subscription list, ≤ 100
        topics a frame, then a GRAFT for every mesh that we believe the peer to be in. What an
        earlier stream held may be lost, so everything recent is advertised to the peer again.
        """
        self.lost(peer)
        frames = subscription_frames(self._meshes.joined, subscribe=True)
        grafts = [graft_item(m.name) for m in self._meshes.joined.values() if peer in m.peers]
        return frames + control_frames(grafts)

    def lost(self, peer: bytes) -> None:
        """Frames to a connected peer were dropped: whatever was sent to it may not be there.

        The one way in which a link may lose something; what is recent is advertised again.
        """
        state = self._peers.get(peer)
        if state is not None:
            self._exchange.cache.doubt(state.bit)

    def join(self, topic: str, now_ns: int) -> list[Effect]:
        """Subscribe to a topic; joined already is fine.

        Raises:
            TopicError: the name is empty or too long, or there are too many.
        """
        if topic in self._meshes.joined:
            return []
        _check_topic(topic)
        if len(self._meshes.joined) >= self._params.topics_max:
            raise TopicError(f"{topic!r} is one topic too many: {self._params.topics_max} joined")
        self._fanout.forget(topic)
        return self._meshes.join(topic, self._priority_of(topic), now_ns)

    def leave(self, topic: str, now_ns: int) -> list[Effect]:
        """Unsubscribe from a topic; not joined is fine."""
        return self._meshes.leave(topic, now_ns) if topic in self._meshes.joined else []

    def set_opinion(self, peer: bytes, opinion: float, now_ns: int) -> list[Effect]:
        """Take the application's opinion of a connected peer, in points of the score (P5).

        Below the graylist threshold the peer is out of every mesh at once and unread from now on.
        The opinion ends with the connection unless it is bad: then it is kept for a while.
        """
        effects: list[Effect] = []
        state = self._peers.get(peer)
        if state is not None:
            state.score.set_opinion(opinion)
            if state.is_below(0.0, now_ns):
                self._meshes.expel(state, now_ns, effects)
        return effects

    def score(self, peer: bytes, now_ns: int) -> float:
        """Return the score of a connected peer, 0.0 for others."""
        state = self._peers.get(peer)
        return 0.0 if state is None else state.score.value(now_ns)

    # ----------------------------------------------------------------------------------- messages

    def publish(self, topic: str, data: bytes, now_ns: int, *, flood: bool = False) -> list[Effect]:
        """Send an own message; published before (same bytes, so same id) is fine.

        Args:
            topic: where; need not be joined.
            data: payload.
            now_ns: monotonic time.
            flood: send it to every subscriber at once (events). Over `params.flood_size_max` bytes
                it goes to the mesh all the same.

        Raises:
            MessageTooLargeError: over `PUBLISH_SIZE_MAX`; send it by sync.
            TopicError: the name is empty or too long.
        """
        _check_topic(topic)
        return self._relay.publish(topic, data, now_ns, flood=flood)

    def receive(self, rpc: bytes, peer: bytes, now_ns: int) -> list[Effect]:
        """Take one RPC (without its length) from a peer. Never raises for what a peer sends."""
        effects: list[Effect] = []
        state = self._peers.get(peer)
        if state is None:
            self._counters.unknown_peer += 1
            return effects
        try:
            messages, subscriptions, control, told = decode_rpc(rpc)
        except RpcError:
            self._counters.malformed += 1
            state.score.misbehaved(1.0, now_ns)
            self._meshes.mark(state)
            return [Penalise(peer, Offence.MALFORMED_RPC)]
        for subscribe, topic in subscriptions:
            self._subscription(state, topic, subscribe=subscribe)
        if state.is_below(self._params.score.graylist_threshold, now_ns):
            self._counters.graylisted += 1
            return effects
        for message in messages:
            self._relay.take(message, state, told, now_ns, effects)
        if control is not None:
            self._control(control, state, now_ns, effects)
        return effects

    def _subscription(self, state: PeerState, topic: str, *, subscribe: bool) -> None:
        if not subscribe:
            self._meshes.drop(state, [topic])
            self._table.unsubscribe(state, topic)
            return
        self._exchange.cache.doubt(state.bit, topic)  # it knows nothing of what came before
        if self._table.subscribe(state, topic):
            self._meshes.subscribed(state, topic)

    def _control(
        self, control: Control, state: PeerState, now_ns: int, effects: list[Effect]
    ) -> None:
        params, exchange = self._params, self._exchange
        if control.graft:
            self._meshes.grafted(state, control.graft, now_ns, effects)
        if control.prune:
            self._meshes.pruned(state, control.prune, now_ns)
        if not (control.ihave or control.iwant or control.idontwant):
            return
        if state.is_below(params.score.gossip_threshold, now_ns):
            return
        state.open_window(now_ns, params)
        if control.ihave:
            exchange.advertised(state, control.ihave, now_ns, effects)
        if control.iwant:
            exchange.wanted(state, control.iwant, effects)
        if control.idontwant:
            exchange.declined(state, control.idontwant)

    # ---------------------------------------------------------------------------------- heartbeat

    def next_heartbeat_ns(self, now_ns: int) -> int | None:
        """Return when `heartbeat` has something to do next; None = not before another call.

        Cheap: ask after every call. A time that has passed means now.
        """
        beat_ns, ask_ns = self._beat_ns(now_ns), self._exchange.asks.due_ns()
        if beat_ns is None or ask_ns is None:
            return ask_ns if beat_ns is None else beat_ns
        return min(beat_ns, ask_ns)

    def heartbeat(self, now_ns: int) -> list[Effect]:
        """Do what is due: ask again, keep meshes in order, advertise, forget."""
        effects: list[Effect] = []
        exchange, meshes = self._exchange, self._meshes
        for state in exchange.retry(now_ns, effects):
            meshes.mark(state)
        beat_ns = self._beat_ns(now_ns)
        if beat_ns is None or beat_ns > now_ns:
            return effects
        self._beat_due_ns = None
        self._counters.heartbeats += 1
        meshes.expire_backoffs(now_ns)
        meshes.maintain(now_ns, effects)
        if now_ns >= self._opportunistic_ns:
            self._opportunistic_ns = now_ns + self._params.opportunistic_graft_ns
            meshes.graft_opportunistically(now_ns, effects)
        exchange.advertise(now_ns, effects)
        exchange.cache.shift()
        return effects

    def _beat_ns(self, now_ns: int) -> int | None:
        """Return the next point of the grid with work, remembered until it is done."""
        if self._meshes.dirty or len(self._exchange.cache):
            if self._beat_due_ns is None:
                self._beat_due_ns = self._grid_after(now_ns)
            return self._beat_due_ns
        self._beat_due_ns = None
        backoff_ns = self._meshes.backoffs.due_ns()
        return None if backoff_ns is None else self._grid_after(backoff_ns - 1)

    def _grid_after(self, time_ns: int) -> int:
        period_ns = self._params.heartbeat_ns
        return self._phase_ns + ((time_ns - self._phase_ns) // period_ns + 1) * period_ns

    # --------------------------------------------------------------------------------- statistics

    def statistics(self) -> Statistics:
        """Return the numbers of this moment."""
        exchange, meshes = self._exchange, self._meshes
        return Statistics(
            peers=len(self._peers),
            topics=len(meshes.joined),
            mesh_links=sum(len(mesh.peers) for mesh in meshes.joined.values()),
            seen=len(exchange.seen),
            cached=len(exchange.cache),
            cached_bytes=exchange.cache.size,
            asked=len(exchange.asks),
            backoffs=len(meshes.backoffs),
            scores_retained=len(self._scores),
            counters=replace(self._counters),
        )


def _check_topic(topic: str) -> None:
    if not 0 < len(topic.encode()) <= TOPIC_SIZE_MAX:
        raise TopicError(f"topic {topic[:80]!r}: expected 1 to {TOPIC_SIZE_MAX} bytes of UTF-8")
