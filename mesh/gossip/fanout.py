"""Peers for topics we publish to and have not joined (v1.0, fanout).

They are kept while we go on publishing, so that a stream of messages takes one path; members that
left are replaced at the next message.
"""

from typing import TYPE_CHECKING

from mesh.gossip.params import Params
from mesh.gossip.peers import PeerState

if TYPE_CHECKING:
    from random import Random


class Fanout:
    """Up to D peers for each such topic; at most `params.fanout_max` topics."""

    __slots__ = ("_params", "_rng", "_topics")

    def __init__(self, *, rng: "Random", params: Params) -> None:
        self._rng = rng
        self._params = params
        self._topics: dict[str, tuple[int, dict[bytes, None]]] = {}

    def peers(
        self, topic: str, subscribers: dict[bytes, PeerState], now_ns: int
    ) -> list[PeerState]:
        """Return the peers a message goes to now."""
        params = self._params
        until_ns, chosen = self._topics.pop(topic, (0, {}))
        if until_ns < now_ns:
            chosen = {}
        threshold = params.score.publish_threshold
        fit = {
            key: state
            for key, state in subscribers.items()
            if not state.is_below(threshold, now_ns)
        }
        chosen = {key: None for key in chosen if key in fit}
        fresh = [key for key in fit if key not in chosen]
        missing = params.degree - len(chosen)
        if len(fresh) > missing:
            fresh = self._rng.sample(fresh, missing)
        chosen.update(dict.fromkeys(fresh))
        if len(self._topics) >= params.fanout_max:
            del self._topics[next(iter(self._topics))]
        self._topics[topic] = (now_ns + params.fanout_ttl_ns, chosen)
        return [fit[key] for key in chosen]

    def forget(self, topic: str) -> None:
        """The topic was joined; its mesh takes over."""
        self._topics.pop(topic, None)
