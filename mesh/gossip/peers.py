"""The peers of a router and what they listen to, indexed both ways.

Every index is an insertion-ordered dict, so that iteration, and with it every random draw, is the
same in every run of a seed.
"""

from mesh.gossip.errors import ParamsError
from mesh.gossip.messages import TOLD_TAG_SIZE, TOPIC_SIZE_MAX
from mesh.gossip.params import Params
from mesh.gossip.score import PeerScore


class PeerState:
    """One connected peer.

    Attributes:
        key: its public key, 32 bytes.
        outbound: whether we dialled it.
        tag: first 4 bytes of SHA-256(peer id), its name in `told`.
        index: number of its bit; given to another peer once this one is gone.
        bit: 1 << index, its place in `CachedMessage.holders`.
        score: its score.
        topics: what it subscribed to, in order.
        unwanted: ids it declined by IDONTWANT.
    """

    __slots__ = (
        "_window",
        "asked",
        "bit",
        "broken",
        "ihave_rpcs",
        "index",
        "key",
        "outbound",
        "score",
        "served",
        "tag",
        "topics",
        "unwanted",
    )

    def __init__(
        self, key: bytes, *, outbound: bool, tag: bytes, index: int, score: PeerScore
    ) -> None:
        self.key = key
        self.outbound = outbound
        self.tag = tag
        self.index = index
        self.bit = 1 << index
        self.score = score
        self.topics: dict[str, None] = {}
        self.unwanted: dict[bytes, None] = {}
        self._window = -1
        self.ihave_rpcs = self.asked = self.served = 0
        self.broken = False

    def open_window(self, now_ns: int, params: Params) -> None:
        """Start the budgets anew when a heartbeat's time has passed since they were started."""
        window = now_ns // params.heartbeat_ns
        if window != self._window:
            if window % params.gossip_beats == 0 or window > self._window + params.gossip_beats:
                self.unwanted.clear()
            self._window = window
            self.ihave_rpcs = self.asked = self.served = 0
            self.broken = False

    def is_below(self, threshold: float, now_ns: int) -> bool:
        """Whether the score is below a threshold (zero or less)."""
        return self.score.suspect and self.score.value(now_ns) < threshold


class PeerTable:
    """All connected peers.

    Attributes:
        peers: key → peer.
        subscribers: topic → key → peer; no topic without a subscriber.
    """

    __slots__ = ("_free", "_params", "peers", "subscribers")

    def __init__(self, params: Params) -> None:
        self._params = params
        self._free: list[int] = []
        self.peers: dict[bytes, PeerState] = {}
        self.subscribers: dict[str, dict[bytes, PeerState]] = {}

    def add(self, key: bytes, *, outbound: bool, tag: bytes, score: PeerScore) -> PeerState:
        """Return a new peer.

        Raises:
            ParamsError: the tag has another size than `told` needs.
        """
        if len(tag) != TOLD_TAG_SIZE:
            raise ParamsError(f"tag {tag.hex()}: expected {TOLD_TAG_SIZE} bytes")
        index = self._free.pop() if self._free else len(self.peers)
        state = PeerState(key, outbound=outbound, tag=tag, index=index, score=score)
        self.peers[key] = state
        return state

    def remove(self, state: PeerState) -> None:
        """Forget a peer."""
        for topic in list(state.topics):
            self.unsubscribe(state, topic)
        del self.peers[state.key]
        self._free.append(state.index)

    def subscribe(self, state: PeerState, topic: str) -> bool:
        """Note a subscription; False where it is known already or over the limits."""
        topics = state.topics
        if topic in topics or len(topics) >= self._params.peer_topics_max:
            return False
        if not topic or len(topic.encode()) > TOPIC_SIZE_MAX:
            return False
        topics[topic] = None
        self.subscribers.setdefault(topic, {})[state.key] = state
        return True

    def unsubscribe(self, state: PeerState, topic: str) -> None:
        """Forget a subscription, known or not."""
        if topic not in state.topics:
            return
        del state.topics[topic]
        subscribers = self.subscribers[topic]
        del subscribers[state.key]
        if not subscribers:
            del self.subscribers[topic]
