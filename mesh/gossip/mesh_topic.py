"""The meshes: for each joined topic, the few peers that get every message at once.

A mesh is filled to D from any number below (not only from below D_lo: every missing peer is a
longer path), cut to D above D_hi, and keeps D_out peers that we dialled. A topic is looked at only
when something happened to it: `dirty` names those, and an idle router has none.

    join ──────────► GRAFT to D          GRAFT received ──► in, or PRUNE (full, back-off, bad score)
    heartbeat ─────► GRAFT / PRUNE       PRUNE received ──► out, back-off
    leave ─────────► PRUNE, then UNSUBSCRIBE, each an RPC of its own (rust would else keep the
                     back-off of 60 s on a re-join)

Source: libp2p specs, gossipsub v1.0 "Mesh maintenance", v1.1 "Outbound Mesh Quotas",
"Opportunistic Grafting", "Prune Backoff".
"""

from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING

from mesh.gossip.backoff import Backoffs
from mesh.gossip.batch import ControlBatch
from mesh.gossip.effects import Effect, Offence, Penalise, Priority, Send
from mesh.gossip.messages import (
    BACKOFF_DEFAULT_S,
    control_frames,
    graft_item,
    prune_item,
    subscription_frames,
    topic_field,
)
from mesh.gossip.params import Params
from mesh.gossip.peers import PeerState, PeerTable
from mesh.gossip.statistics import Counters
from mesh.units import SECOND

if TYPE_CHECKING:
    from random import Random


class TopicMesh:
    """One joined topic.

    Attributes:
        name: topic name.
        priority: queue class of its messages.
        peers: mesh peers by key.
        field: the topic as it stands in a message.
    """

    __slots__ = ("field", "name", "peers", "priority")

    def __init__(self, name: str, priority: Priority) -> None:
        self.name = name
        self.field = topic_field(name)
        self.priority = priority
        self.peers: dict[bytes, PeerState] = {}


class Meshes:
    """All joined topics, their meshes and the back-offs.

    Attributes:
        joined: topic → mesh.
        dirty: topics that the next heartbeat looks at.
        backoffs: who must not be grafted before when.
    """

    __slots__ = ("_counters", "_params", "_rng", "_table", "backoffs", "dirty", "joined")

    def __init__(
        self, *, rng: "Random", params: Params, table: PeerTable, counters: Counters
    ) -> None:
        self._rng = rng
        self._params = params
        self._table = table
        self._counters = counters
        self.joined: dict[str, TopicMesh] = {}
        self.dirty: dict[str, None] = {}
        self.backoffs = Backoffs(params.backoff_slack_ns, params.backoff_max)

    # ----------------------------------------------------------------------------- our own wishes

    def join(self, topic: str, priority: Priority, now_ns: int) -> list[Effect]:
        """Announce a topic and graft its first peers."""
        self.joined[topic] = TopicMesh(topic, priority)
        frame = subscription_frames([topic], subscribe=True)[0]
        effects: list[Effect] = [Send(peer, frame, Priority.CONTROL) for peer in self._table.peers]
        self._maintain_now([topic], now_ns, effects)
        return effects

    def leave(self, topic: str, now_ns: int) -> list[Effect]:
        """Leave the mesh, then withdraw the announcement, in that order."""
        mesh = self.joined.pop(topic)
        self.dirty.pop(topic, None)
        seconds = self._params.unsubscribe_backoff_s
        effects: list[Effect] = []
        if mesh.peers:
            frame = control_frames([prune_item(topic, seconds)])[0]
            for state in mesh.peers.values():
                self._out(mesh, state)
                self.backoffs.extend(topic, state.key, now_ns + seconds * SECOND)
                effects.append(Send(state.key, frame, Priority.CONTROL))
        frame = subscription_frames([topic], subscribe=False)[0]
        effects.extend(Send(peer, frame, Priority.CONTROL) for peer in self._table.peers)
        for state in self._table.peers.values():
            state.score.forget_topic(topic, now_ns)
        return effects

    # ------------------------------------------------------------------------- what peers ask for

    def subscribed(self, state: PeerState, topic: str) -> None:
        """A peer subscribed; a mesh short of peers, or of dialled ones, may want it."""
        mesh = self.joined.get(topic)
        if mesh is not None and (
            len(mesh.peers) < self._params.degree or (state.outbound and self._outbound_short(mesh))
        ):
            self.dirty[topic] = None

    def drop(self, state: PeerState, topics: list[str]) -> None:
        """A peer unsubscribed, or is gone."""
        for topic in topics:
            mesh = self.joined.get(topic)
            if mesh is not None and mesh.peers.pop(state.key, None) is not None:
                self._out(mesh, state)
                self.dirty[topic] = None

    def grafted(
        self, state: PeerState, topics: list[str], now_ns: int, effects: list[Effect]
    ) -> None:
        """Take a peer into meshes, or refuse by PRUNE. Unknown topics are ignored (v1.1)."""
        refusals = ControlBatch(Priority.CONTROL)
        for topic in topics:
            mesh = self.joined.get(topic)
            if mesh is None or state.key in mesh.peers:
                continue
            if self._welcomes(state, mesh, now_ns, effects):
                self._in(mesh, state, now_ns)
                if len(mesh.peers) > self._params.degree_high:
                    self.dirty[topic] = None
                continue
            self._counters.grafts_refused += 1
            self._back_off(mesh, state, now_ns, refusals)
        refusals.flush(effects)

    def _welcomes(
        self, state: PeerState, mesh: TopicMesh, now_ns: int, effects: list[Effect]
    ) -> bool:
        params = self._params
        until_ns = self.backoffs.until_ns(mesh.name, state.key)
        if until_ns is not None and now_ns < until_ns:
            began_ns = until_ns - params.prune_backoff_s * SECOND
            times = 2.0 if now_ns < began_ns + params.graft_flood_ns else 1.0
            state.score.misbehaved(times, now_ns)
            self.mark(state)
            effects.append(Penalise(state.key, Offence.GRAFT_IN_BACKOFF))
            return False
        if state.is_below(0.0, now_ns):
            return False
        if len(mesh.peers) >= params.degree_high and not state.outbound:
            return False
        # A peer that grafts wants the topic: its announcement was lost or is on its way.
        self._table.subscribe(state, mesh.name)
        return mesh.name in state.topics

    def pruned(self, state: PeerState, prunes: list[tuple[str, int]], now_ns: int) -> None:
        """Take a peer out of meshes and remember how long.

        For a topic that we left it counts only where a back-off is running: the other end's longer
        one crossed ours on the way.
        """
        for topic, seconds in prunes:
            mesh = self.joined.get(topic)
            if mesh is None:
                if self.backoffs.until_ns(topic, state.key) is None:
                    continue
            elif mesh.peers.pop(state.key, None) is not None:
                self._out(mesh, state)
                self.dirty[topic] = None
            held_s = min(seconds or BACKOFF_DEFAULT_S, self._params.backoff_s_max)
            self.backoffs.extend(topic, state.key, now_ns + held_s * SECOND)

    # ---------------------------------------------------------------------------------- heartbeat

    def expire_backoffs(self, now_ns: int) -> None:
        """Look again at topics whose mesh is short and where a back-off has ended."""
        for topic in self.backoffs.expire(now_ns):
            mesh = self.joined.get(topic)
            if mesh is not None and len(mesh.peers) < self._params.degree:
                self.dirty[topic] = None

    def maintain(self, now_ns: int, effects: list[Effect]) -> None:
        """Put every dirty mesh in order."""
        if self.dirty:
            topics = list(self.dirty)
            self.dirty.clear()
            self._maintain_now(topics, now_ns, effects)

    def expel(self, state: PeerState, now_ns: int, effects: list[Effect]) -> None:
        """Take a peer of bad score out of every mesh at once."""
        topics = [name for name, mesh in self.joined.items() if state.key in mesh.peers]
        self._maintain_now(topics, now_ns, effects)

    def mark(self, state: PeerState) -> None:
        """A peer's score fell; the next heartbeat looks at its meshes."""
        for topic in state.topics:
            mesh = self.joined.get(topic)
            if mesh is not None and state.key in mesh.peers:
                self.dirty[topic] = None

    def graft_opportunistically(self, now_ns: int, effects: list[Effect]) -> None:
        """Offer better peers to meshes whose median score is low.

        A peer is in many meshes, and its score is one: it is worked out once.
        """
        params = self._params
        scores: dict[bytes, float] = {}

        def score_of(state: PeerState) -> float:
            if state.key not in scores:
                scores[state.key] = state.score.value(now_ns)
            return scores[state.key]

        batch = ControlBatch(Priority.CONTROL)
        for mesh in self.joined.values():
            if len(mesh.peers) < 2:
                continue
            middle = median(map(score_of, mesh.peers.values()))
            if middle < params.score.opportunistic_graft_threshold:
                better = self._candidates(
                    mesh, now_ns, lambda state, floor=middle: score_of(state) > floor
                )
                self._graft(mesh, better, params.opportunistic_graft_peers, now_ns, batch)
        batch.flush(effects)

    def _maintain_now(self, topics: list[str], now_ns: int, effects: list[Effect]) -> None:
        batch = ControlBatch(Priority.CONTROL)
        for topic in topics:
            self._maintain(self.joined[topic], now_ns, batch)
        batch.flush(effects)

    def _maintain(self, mesh: TopicMesh, now_ns: int, batch: ControlBatch) -> None:
        params = self._params
        for state in list(mesh.peers.values()):
            if state.is_below(0.0, now_ns):
                self._prune(mesh, state, now_ns, batch)
        missing = params.degree - len(mesh.peers)
        if missing > 0:
            self._graft(mesh, self._candidates(mesh, now_ns), missing, now_ns, batch)
        elif len(mesh.peers) > params.degree_high:
            keep = self._chosen(mesh, now_ns)
            for state in list(mesh.peers.values()):
                if state.key not in keep:
                    self._prune(mesh, state, now_ns, batch)
        short = self._outbound_short(mesh)
        if short and len(mesh.peers) >= params.degree_low:
            dialled = self._candidates(mesh, now_ns, lambda state: state.outbound)
            self._graft(mesh, dialled, short, now_ns, batch)

    def _outbound_short(self, mesh: TopicMesh) -> int:
        """Return how many dialled peers a mesh lacks."""
        outbound = sum(state.outbound for state in mesh.peers.values())
        return max(0, self._params.degree_outbound - outbound)

    def _chosen(self, mesh: TopicMesh, now_ns: int) -> dict[bytes, PeerState]:
        """Return the D peers that survive a cut: the best, enough dialled ones, the rest drawn."""
        params = self._params
        states = list(mesh.peers.values())
        self._rng.shuffle(states)
        states.sort(key=lambda state: -state.score.value(now_ns))
        rest = states[params.degree_score :]
        self._rng.shuffle(rest)
        keep = {state.key: state for state in states[: params.degree_score]}
        short = params.degree_outbound - sum(state.outbound for state in keep.values())
        dialled = [state for state in rest if state.outbound][: max(0, short)]
        for state in (*dialled, *rest):
            if len(keep) < params.degree:
                keep[state.key] = state
        return keep

    def _candidates(
        self,
        mesh: TopicMesh,
        now_ns: int,
        fits: Callable[[PeerState], bool] | None = None,
    ) -> list[PeerState]:
        return [
            state
            for key, state in self._table.subscribers.get(mesh.name, {}).items()
            if key not in mesh.peers
            and self.backoffs.allows(mesh.name, key, now_ns)
            and not state.is_below(0.0, now_ns)
            and (fits is None or fits(state))
        ]

    # ------------------------------------------------------------------------------- single steps

    def _graft(
        self,
        mesh: TopicMesh,
        candidates: list[PeerState],
        count: int,
        now_ns: int,
        batch: ControlBatch,
    ) -> None:
        """Draw peers and graft them."""
        if len(candidates) > count:
            candidates = self._rng.sample(candidates, count)
        item = graft_item(mesh.name)
        for state in candidates:
            self._in(mesh, state, now_ns)
            batch.add(state.key, item)

    def _prune(self, mesh: TopicMesh, state: PeerState, now_ns: int, batch: ControlBatch) -> None:
        del mesh.peers[state.key]
        self._out(mesh, state)
        self._back_off(mesh, state, now_ns, batch)

    def _back_off(
        self, mesh: TopicMesh, state: PeerState, now_ns: int, batch: ControlBatch
    ) -> None:
        seconds = self._params.prune_backoff_s
        self.backoffs.extend(mesh.name, state.key, now_ns + seconds * SECOND)
        batch.add(state.key, prune_item(mesh.name, seconds))

    def _in(self, mesh: TopicMesh, state: PeerState, now_ns: int) -> None:
        mesh.peers[state.key] = state
        state.score.grafted(mesh.name, now_ns)
        self._counters.grafted += 1

    def _out(self, mesh: TopicMesh, state: PeerState) -> None:
        state.score.pruned(mesh.name)
        self._counters.pruned += 1
