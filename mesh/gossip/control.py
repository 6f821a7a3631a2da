"""The lazy half of gossipsub: IHAVE, IWANT and IDONTWANT.

What the mesh lost, gossip repairs. With `cover` an id is advertised to every subscriber not known
to hold it, mesh peers included: by the specification they get no IHAVE, and then a mesh sparser
than its losses never repairs itself. Who holds what is learnt from duplicates, from IHAVE and from
IWANT answers, one bit per peer and message.

A link loses nothing in silence (see `effects.Send`), so nothing is said twice on one: a peer that
was sent a copy, or told the id, is told no more until the link is doubted: a frame was dropped, a
stream opened again, a topic announced again. Only a burst of more ids than one RPC holds is said at
every heartbeat, because whoever hears it may have had to leave some out.

Everything a peer can make us do here has a budget per heartbeat: RPCs looked at, ids asked,
messages sent.
"""

from typing import TYPE_CHECKING

from mesh.gossip.asks import Asks
from mesh.gossip.batch import ControlBatch
from mesh.gossip.effects import Effect, Offence, Penalise, Priority, Send
from mesh.gossip.mcache import CachedMessage, MessageCache, SeenIds
from mesh.gossip.mesh_topic import Meshes
from mesh.gossip.messages import ID_SIZE, ihave_items, iwant_items
from mesh.gossip.params import Params
from mesh.gossip.peers import PeerState, PeerTable
from mesh.gossip.statistics import Counters

if TYPE_CHECKING:
    from random import Random


class GossipExchange:
    """Advertises, asks and answers.

    Attributes:
        seen: ids that need no second look.
        cache: messages that can be sent again.
        asks: ids asked for.
        parked: ids of messages not taken now; not asked for again for a while.
    """

    __slots__ = (
        "_counters",
        "_meshes",
        "_params",
        "_rng",
        "_table",
        "asks",
        "cache",
        "parked",
        "seen",
    )

    def __init__(
        self,
        *,
        rng: "Random",
        params: Params,
        table: PeerTable,
        meshes: Meshes,
        counters: Counters,
    ) -> None:
        self._rng = rng
        self._params = params
        self._table = table
        self._meshes = meshes
        self._counters = counters
        self.seen = SeenIds(params.seen_ttl_ns, params.seen_max)
        self.parked = SeenIds(params.parked_ns, params.parked_max)
        self.asks = Asks(params)
        self.cache = MessageCache(
            history=params.history_beats,
            gossip=params.gossip_beats,
            bytes_max=params.cache_bytes_max,
        )

    # ----------------------------------------------------------------------------------- received

    def advertised(
        self,
        state: PeerState,
        ihave: list[tuple[str, list[bytes]]],
        now_ns: int,
        effects: list[Effect],
    ) -> None:
        """A peer says what it holds: note it, and ask for what is new."""
        params = self._params
        state.ihave_rpcs += 1
        if state.ihave_rpcs > params.ihave_rpcs_max:
            self._counters.ihave_refused += 1
            return
        wanted: list[bytes] = []
        seen, cache, joined = self.seen, self.cache, self._meshes.joined
        for topic, ids in ihave:
            if topic not in joined:
                continue
            for message_id in ids:
                if message_id in seen:
                    cached = cache.get(message_id)
                    if cached is not None:
                        cached.holders |= state.bit
                elif self._asks_of(state, message_id, now_ns):
                    wanted.append(message_id)
        self._ask(state.key, wanted, effects)

    def _asks_of(self, state: PeerState, message_id: bytes, now_ns: int) -> bool:
        if len(message_id) != ID_SIZE or state.asked >= self._params.ihave_ids_max:
            return False
        if self.parked.holds(message_id, now_ns):
            return False
        if not self.asks.want(message_id, state.key, now_ns):
            return False
        state.asked += 1
        return True

    def _ask(self, peer: bytes, ids: list[bytes], effects: list[Effect]) -> None:
        if ids:
            self._counters.iwant_sent += len(ids)
            batch = ControlBatch(Priority.GOSSIP)
            batch.extend(peer, iwant_items(ids))
            batch.flush(effects)

    def wanted(self, state: PeerState, ids: list[bytes], effects: list[Effect]) -> None:
        """A peer asks for messages: send those still held, each a few times at most."""
        params, peer = self._params, state.key
        for message_id in ids:
            state.served += 1
            if state.served > params.ihave_ids_max:
                return
            message = self.cache.get(message_id)
            if message is None or message.author == peer:
                continue
            if message.served is None:
                message.served = {}
            times = message.served.get(peer, 0)
            if times < params.retransmissions:
                message.served[peer] = times + 1
                self._counters.iwant_served += 1
                effects.append(Send(peer, message.frame, message.priority))

    def declined(self, state: PeerState, ids: list[bytes]) -> None:
        """A peer does not want messages it is about to have (gossipsub v1.2)."""
        for message_id in ids:
            if len(state.unwanted) >= self._params.idontwant_max:
                return
            if len(message_id) == ID_SIZE:
                state.unwanted[message_id] = None

    # ------------------------------------------------------------------------------------- timers

    def retry(self, now_ns: int, effects: list[Effect]) -> list[PeerState]:
        """Ask again for what stayed unanswered; return the peers that broke their promise.

        A peer is reported once in a heartbeat, however much it left unanswered: a link that stalls
        for a second is no attacker.
        """
        broken: dict[bytes, PeerState] = {}
        again: dict[bytes, list[bytes]] = {}
        peers = self._table.peers
        for message_id, ask in self.asks.overdue(now_ns):
            state = peers.get(ask.peer)
            if state is not None:
                state.open_window(now_ns, self._params)
                if not state.broken:
                    state.broken = True
                    broken[state.key] = state
            candidates = [peer for peer in (*ask.others, ask.peer) if peer in peers]
            if candidates and ask.tries < self._params.iwant_tries:
                ask.others = [peer for peer in ask.others if peer != candidates[0]]
                self.asks.again(message_id, ask, candidates[0], now_ns)
                again.setdefault(candidates[0], []).append(message_id)
                self._counters.iwant_retries += 1
        for peer, ids in again.items():
            self._ask(peer, ids, effects)
        for state in broken.values():
            self._counters.broken_promises += 1
            state.score.misbehaved(1.0, now_ns)
            effects.append(Penalise(state.key, Offence.BROKEN_PROMISE))
        return list(broken.values())

    def advertise(self, now_ns: int, effects: list[Effect]) -> None:
        """Say what we hold to those not known to hold it."""
        params = self._params
        batch = ControlBatch(Priority.GOSSIP)
        told: list[tuple[PeerState, list[CachedMessage]]] = []
        for topic, window in self.cache.advertised().items():
            messages = list(window)
            if len(messages) > params.ihave_ids_max:
                messages = self._rng.sample(messages, params.ihave_ids_max)
            whole: list[bytes] = []
            for state in self._audience(topic, now_ns):
                missing = _missing(messages, state.bit)
                if not missing:
                    continue
                told.append((state, missing))
                if len(missing) == len(messages):  # the same bytes for all: encoded once
                    whole = whole or ihave_items(topic, [message.piece for message in missing])
                    batch.extend(state.key, whole)
                else:
                    items = ihave_items(topic, [message.piece for message in missing])
                    batch.extend(state.key, items)
        rpcs = batch.flush(effects, params.ihave_rpcs_max)
        self._counters.ihave_sent += sum(rpcs.values())
        for state, missing in told:
            if rpcs[state.key] == 1:
                for message in missing:
                    message.sent |= state.bit

    def _audience(self, topic: str, now_ns: int) -> list[PeerState]:
        """Return the subscribers that gossip about a topic goes to."""
        params = self._params
        subscribers = self._table.subscribers.get(topic, {})
        mesh = self._meshes.joined.get(topic)
        if params.cover or mesh is None:
            candidates, least = list(subscribers.values()), params.cover_peers_max
        else:
            candidates = [s for key, s in subscribers.items() if key not in mesh.peers]
            least = params.degree_lazy
        count = max(least, int(len(candidates) * params.gossip_fraction))
        if len(candidates) > count:
            candidates = self._rng.sample(candidates, count)
        threshold = params.score.gossip_threshold
        return [state for state in candidates if not state.is_below(threshold, now_ns)]


def _missing(messages: list[CachedMessage], bit: int) -> list[CachedMessage]:
    """Return what the peer with this bit is neither known to hold nor on the way to."""
    return [message for message in messages if not (message.holders | message.sent) & bit]
