"""Peer scoring, gossipsub v1.1: what a peer has earned and what it has done.

    score = min(cap, Σ topics (P1 + P2)) + Σ topics P4 + P5 + P6 + P7

P1 time in mesh, P2 first deliveries, P4 invalid messages, P5 the application's opinion (the
authority's: revoked or quarantined graylists at once), P6 many peers from one address, P7
behaviour. P3 (mesh delivery deficit) is off: it prunes honest peers on quiet topics, and ours are
quiet. Unlike the specification the cap is applied before the penalties, so that talking much never
buys off a forgery.

Counters decay by half-lives, computed when they are read: an idle router needs no heartbeat to
forgive. What speaks against a peer outlives its connection for `retain_ns`.

Source: libp2p specs, pubsub/gossipsub/gossipsub-v1.1.md, "Peer Scoring".
"""

from mesh.gossip.params import ScoreParams
from mesh.units import SECOND

DECAYED_TO_ZERO = 0.01
"""A counter below this is zero (v1.1, DecayToZero)."""


class Decaying:
    """A counter that halves every `half_life_ns`."""

    __slots__ = ("_at_ns", "_half_life_ns", "_value")

    def __init__(self, half_life_ns: int) -> None:
        self._half_life_ns = half_life_ns
        self._value = 0.0
        self._at_ns = 0

    def add(self, amount: float, now_ns: int) -> None:
        """Count something. Within a second of the last decay nothing decays: this is hot."""
        if now_ns - self._at_ns >= SECOND:
            self._value = self.value(now_ns)
            self._at_ns = now_ns
        self._value += amount

    def value(self, now_ns: int) -> float:
        """Return the counter as of now."""
        if self._value == 0.0:
            return 0.0
        value = self._value * 0.5 ** ((now_ns - self._at_ns) / self._half_life_ns)
        return value if value >= DECAYED_TO_ZERO else 0.0


class TopicConduct:
    """What one peer did in one topic."""

    __slots__ = ("first_deliveries", "grafted_ns", "invalid")

    def __init__(self, params: ScoreParams) -> None:
        self.grafted_ns: int | None = None
        """Since when the peer is in the mesh; None while it is not."""
        self.first_deliveries = Decaying(params.first_deliveries_half_life_ns)
        self.invalid = Decaying(params.invalid_half_life_ns)


class PeerScore:
    """The conduct of one peer, and the number it comes to.

    Attributes:
        suspect: whether anything at all speaks against the peer. While it is False the score
            cannot be negative and the hot path asks no further.
    """

    __slots__ = ("_book", "_opinion", "_topics", "behaviour", "group", "suspect")

    def __init__(self, book: "ScoreBook") -> None:
        self._book = book
        self._topics: dict[str, TopicConduct] = {}
        self._opinion = 0.0
        self.behaviour = Decaying(book.params.behaviour_half_life_ns)
        self.group = ""
        self.suspect = False

    def topic(self, topic: str) -> TopicConduct:
        """Return the peer's conduct in a topic."""
        conduct = self._topics.get(topic)
        if conduct is None:
            conduct = self._topics[topic] = TopicConduct(self._book.params)
        return conduct

    def grafted(self, topic: str, now_ns: int) -> None:
        """The peer came into the mesh of a topic."""
        self.topic(topic).grafted_ns = now_ns

    def pruned(self, topic: str) -> None:
        """The peer went out of the mesh of a topic."""
        self.topic(topic).grafted_ns = None

    def invalid(self, topic: str, now_ns: int) -> None:
        """The peer sent a message that is wrong in every view."""
        self.topic(topic).invalid.add(1.0, now_ns)
        self.suspect = True

    def misbehaved(self, times: float, now_ns: int) -> None:
        """The peer did what no honest peer does."""
        self.behaviour.add(times, now_ns)
        self.suspect = True

    def set_opinion(self, opinion: float) -> None:
        """Take the application's opinion of the peer, in points of the score (P5)."""
        self._opinion = opinion
        self.suspect = self.suspect or opinion < 0

    def forget_topic(self, topic: str, now_ns: int) -> None:
        """We left a topic; only what speaks against the peer is kept."""
        conduct = self._topics.get(topic)
        if conduct is not None and conduct.invalid.value(now_ns) == 0.0:
            del self._topics[topic]

    def value(self, now_ns: int) -> float:
        """Return the score."""
        params = self._book.params
        earned = spoiled = 0.0
        for conduct in self._topics.values():
            if conduct.grafted_ns is not None:
                share = (now_ns - conduct.grafted_ns) / params.time_in_mesh_quantum_ns
                earned += min(share, 1.0) * params.time_in_mesh_weight
            deliveries = conduct.first_deliveries.value(now_ns)
            earned += min(deliveries, params.first_deliveries_cap) * params.first_deliveries_weight
            spoiled += conduct.invalid.value(now_ns) ** 2 * params.invalid_weight
        behaviour = self.behaviour.value(now_ns)
        surplus = max(0.0, behaviour - params.behaviour_threshold)
        spoiled += surplus**2 * params.behaviour_weight + self._book.colocation(self.group)
        self.suspect = spoiled < 0 or behaviour > 0 or self._opinion < 0 or self.group != ""
        return min(earned, params.topic_cap) + spoiled + self._opinion


class ScoreBook:
    """The scores of all peers, present and recently departed."""

    __slots__ = ("_groups", "_retained", "params")

    def __init__(self, params: ScoreParams) -> None:
        self.params = params
        self._groups: dict[str, int] = {}
        self._retained: dict[bytes, tuple[int, PeerScore]] = {}

    def __len__(self) -> int:
        return len(self._retained)

    def arrived(self, peer: bytes, group: str, now_ns: int) -> PeerScore:
        """Return the score of a peer that connected, the old one if it left with a bad one."""
        until_ns, score = self._retained.pop(peer, (0, None))
        if score is None or until_ns < now_ns:
            score = PeerScore(self)
        score.group = group
        if group:
            self._groups[group] = self._groups.get(group, 0) + 1
            score.suspect = True
        return score

    def departed(self, peer: bytes, score: PeerScore, now_ns: int) -> None:
        """A peer disconnected; what speaks against it is kept a while."""
        if score.group:
            self._groups[score.group] -= 1
            if not self._groups[score.group]:
                del self._groups[score.group]
            score.group = ""
        score.value(now_ns)
        if not score.suspect:
            return
        if len(self._retained) >= self.params.retained_max:
            del self._retained[next(iter(self._retained))]
        self._retained[peer] = (now_ns + self.params.retain_ns, score)

    def colocation(self, group: str) -> float:
        """Return P6, zero or less, for a peer of an address group; "" is exempt."""
        surplus = self._groups.get(group, 0) - self.params.colocation_threshold
        return surplus * surplus * self.params.colocation_weight if surplus > 0 else 0.0
