"""The numbers of the router, frozen, each with its reason.

Where the specification (libp2p specs, gossipsub v1.0 and v1.1) names a value we take it; where
other implementations punish one we stay below. Limits that no configuration should move, such as
the sizes that other implementations refuse, are constants of `messages`.
"""

from dataclasses import dataclass, field

from mesh.gossip.errors import ParamsError
from mesh.units import MS, SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreParams:
    """Weights, decays and thresholds of the peer score (gossipsub v1.1, "Peer Scoring").

    One set serves all topics: ours differ in who listens, not in how much is said.
    """

    topic_cap: float = 10.0
    """Most that good conduct in all topics together earns. It must not buy off two rejections."""
    time_in_mesh_weight: float = 1.0
    """P1, per hour in a mesh, at most one hour: a little loyalty, so that meshes do not churn."""
    time_in_mesh_quantum_ns: int = 3600 * SECOND
    """Time in mesh that earns the whole weight."""
    first_deliveries_weight: float = 0.1
    """P2, per message this peer was the first to bring."""
    first_deliveries_cap: float = 20.0
    """P2 counts this many: a busy topic must not make a peer untouchable."""
    first_deliveries_half_life_ns: int = 60 * SECOND
    """P2 forgets within minutes: it is about the mesh as it is now."""
    invalid_weight: float = -25.0
    """P4, times the square: one rejection ends gossip with a peer, two graylist it."""
    invalid_half_life_ns: int = 600 * SECOND
    """P4 forgets slowly: only what is wrong in every view counts here."""
    colocation_weight: float = -5.0
    """P6, times the square of the surplus."""
    colocation_threshold: int = 4
    """P6: peers from one address group that cost nothing. Granted peers have no group."""
    behaviour_weight: float = -10.0
    """P7, times the square of the surplus."""
    behaviour_threshold: float = 10.0
    """P7: offences a lossy link commits without malice (unanswered IWANT) stay below this."""
    behaviour_half_life_ns: int = 60 * SECOND
    """P7 forgives an hour of bad radio within minutes."""
    gossip_threshold: float = -10.0
    """Below it a peer gets and gives no gossip (IHAVE, IWANT)."""
    publish_threshold: float = -40.0
    """Below it own messages are not sent to a peer outside the mesh."""
    graylist_threshold: float = -80.0
    """Below it everything but subscriptions is dropped unread."""
    opportunistic_graft_threshold: float = 0.5
    """A mesh whose median is below this has stopped being useful: try others."""
    retain_ns: int = 600 * SECOND
    """A bad score outlives the connection, or hanging up would wash it clean."""
    retained_max: int = 1024
    """Scores kept of departed peers."""

    def __post_init__(self) -> None:
        ordered = (0.0, self.gossip_threshold, self.publish_threshold, self.graylist_threshold)
        if list(ordered) != sorted(ordered, reverse=True):
            raise ParamsError(f"thresholds {ordered[1:]}: expected 0 ≥ gossip ≥ publish ≥ graylist")
        penalties = (self.invalid_weight, self.colocation_weight, self.behaviour_weight)
        if max(penalties) > 0:
            raise ParamsError(f"penalty weights {penalties}: expected none above zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Params:
    """Everything a router can be told, with the values for a fleet of boxes.

    Raises:
        ParamsError: the values contradict each other.
    """

    degree: int = 5
    """D: peers a mesh is filled up to, from any number below. It stands a little above, because
    nobody is cut below D_hi; at 5 a copy in seven is spared against 6, and none comes later."""
    degree_low: int = 4
    """D_lo: below it a mesh is short of outbound quota checks (v1.1)."""
    degree_high: int = 12
    """D_hi: above it a mesh is cut back to D."""
    degree_score: int = 4
    """D_score: best-scored peers that survive a cut; the rest is drawn."""
    degree_outbound: int = 2
    """D_out: mesh peers we dialled ourselves; an attacker cannot dial us out of the mesh."""
    degree_lazy: int = 6
    """D_lazy: least peers gossip goes to when `cover` is off."""
    gossip_fraction: float = 0.25
    """Share of the candidates that gossip goes to when there are many."""
    cover: bool = True
    """IHAVE to every subscriber not known to hold an id, in the mesh or not. By the specification
    mesh peers get none; a sparse mesh then never repairs itself (98 % delivered at 5 % loss)."""
    cover_peers_max: int = 64
    """Up to this many subscribers `cover` means all; above, a drawn share and never fewer."""
    told: bool = True
    """A flooded message names who got it, and receivers do not forward it to them."""
    heartbeat_ns: int = SECOND
    """Distance of the points in time at which a router with something to do does it."""
    history_beats: int = 5
    """Heartbeats a message can be asked for."""
    gossip_beats: int = 3
    """Heartbeats a message is advertised."""
    cache_bytes_max: int = 16 << 20
    """Bytes of messages kept for IWANT; a burst of 5,000 events of 2 KiB fits."""
    seen_ttl_ns: int = 120 * SECOND
    """How long an id is remembered (v1.0)."""
    seen_max: int = 1 << 18
    """Ids remembered: two minutes at 2,000 messages/s, about 40 MB when full."""
    prune_backoff_s: int = 60
    """No GRAFT for this long after a PRUNE; also meant where a PRUNE names none (v1.1)."""
    unsubscribe_backoff_s: int = 10
    """Shorter back-off where the PRUNE means that we left the topic (v1.1)."""
    backoff_s_max: int = 3600
    """A peer asking for more is not believed."""
    backoff_slack_ns: int = SECOND
    """We wait this much longer than agreed: the other end's clock started later."""
    backoff_max: int = 16384
    """Back-offs remembered; beyond, those about to end are dropped."""
    graft_flood_ns: int = 10 * SECOND
    """A GRAFT this soon after the PRUNE counts twice (v1.1, GraftFloodThreshold)."""
    flood_size_max: int = 2048
    """Largest own message that is flooded, bytes: the size of an event (v1.1 flood publishing)."""
    fanout_ttl_ns: int = 60 * SECOND
    """How long the peers for a topic we publish to without joining are kept (v1.0)."""
    fanout_max: int = 256
    """Such topics at a time."""
    ihave_rpcs_max: int = 10
    """IHAVE RPCs to and from one peer in one heartbeat; rust ignores the eleventh."""
    ihave_ids_max: int = 5000
    """Ids asked of one peer, and asked by it, in one heartbeat (v1.1)."""
    iwant_retry_ns: int = 1500 * MS
    """An unanswered IWANT is asked again after this, of another peer where there is one."""
    iwant_tries: int = 3
    """Times one id is asked for."""
    asked_max: int = 10_000
    """Ids asked for at a time."""
    retransmissions: int = 3
    """Times one message is sent to one peer on its IWANT (v1.1)."""
    parked_max: int = 4096
    """Ids of parked and rejected messages that are not asked for again for a while."""
    parked_ns: int = 3 * SECOND
    """That while: as long as a message is advertised, and longer than an event lives."""
    idontwant_size_min: int = 4096
    """Messages from this size, bytes, are declined at the other mesh peers (gossipsub v1.2): for
    smaller ones the notice costs more than the copy."""
    idontwant_max: int = 1024
    """Declined ids remembered per peer."""
    peers_max: int = 1024
    """Peers; the shell's connection limit lies below."""
    peer_topics_max: int = 1024
    """Topics one peer may subscribe to."""
    topics_max: int = 1024
    """Topics we may join; a box has about 25."""
    opportunistic_graft_ns: int = 60 * SECOND
    """How often a mesh of low score is offered others (v1.1)."""
    opportunistic_graft_peers: int = 2
    """How many (v1.1)."""
    score: ScoreParams = field(default_factory=ScoreParams)
    """Peer scoring."""

    def __post_init__(self) -> None:
        if not 0 < self.degree_low <= self.degree <= self.degree_high:
            raise ParamsError(
                f"degrees {self.degree_low}/{self.degree}/{self.degree_high}: "
                "expected 0 < low ≤ degree ≤ high"
            )
        if self.degree_outbound > self.degree // 2 or self.degree_score > self.degree:
            raise ParamsError(
                f"degree_outbound {self.degree_outbound}, degree_score {self.degree_score}: "
                f"expected at most {self.degree // 2} and {self.degree}"
            )
        if not 0 < self.gossip_beats <= self.history_beats:
            raise ParamsError(
                f"gossip_beats {self.gossip_beats}: expected 1 to {self.history_beats}, "
                "an advertised message must still be there"
            )
        if self.told and not self.cover:
            raise ParamsError("told without cover: whoever a flood missed would never be repaired")
        if min(self.heartbeat_ns, self.iwant_retry_ns, self.seen_ttl_ns) <= 0:
            raise ParamsError("heartbeat, retry and seen times: expected more than zero")
