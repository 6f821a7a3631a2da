"""Who must not be grafted before when.

Kept by (topic, peer), apart from meshes and connections: a back-off outlives leaving the topic and
losing the peer, because the other end remembers it and punishes a GRAFT before its end.
"""

from heapq import heappop, heappush


class Backoffs:
    """Back-offs, at most `size_max`; those about to end make room for new ones.

    Args:
        slack_ns: how much longer than agreed we wait before an own GRAFT.
        size_max: number of back-offs remembered.
    """

    __slots__ = ("_heap", "_size_max", "_slack_ns", "_until")

    def __init__(self, slack_ns: int, size_max: int) -> None:
        self._slack_ns = slack_ns
        self._size_max = size_max
        self._until: dict[tuple[str, bytes], int] = {}
        self._heap: list[tuple[int, str, bytes]] = []

    def __len__(self) -> int:
        return len(self._until)

    def extend(self, topic: str, peer: bytes, until_ns: int) -> None:
        """Hold a back-off until a time; never shortens one."""
        key = (topic, peer)
        known_ns = self._until.get(key)
        if known_ns is None:  # one heap entry per pair: re-pushed when it turns out to be early
            if len(self._until) >= self._size_max:
                _, old_topic, old_peer = heappop(self._heap)
                del self._until[old_topic, old_peer]
            heappush(self._heap, (until_ns + self._slack_ns, topic, peer))
        elif until_ns <= known_ns:
            return
        self._until[key] = until_ns

    def until_ns(self, topic: str, peer: bytes) -> int | None:
        """Return the agreed end of a back-off, None where there is none."""
        return self._until.get((topic, peer))

    def allows(self, topic: str, peer: bytes, now_ns: int) -> bool:
        """Whether we may send a GRAFT, the slack included."""
        until_ns = self._until.get((topic, peer))
        return until_ns is None or until_ns + self._slack_ns <= now_ns

    def due_ns(self) -> int | None:
        """Return when `expire` next has something to do."""
        return self._heap[0][0] if self._heap else None

    def expire(self, now_ns: int) -> list[str]:
        """Forget what has ended, slack included, and return the topics, in order of time."""
        ended: dict[str, None] = {}
        while self._heap and self._heap[0][0] <= now_ns:
            _, topic, peer = heappop(self._heap)
            due_ns = self._until[topic, peer] + self._slack_ns
            if due_ns > now_ns:
                heappush(self._heap, (due_ns, topic, peer))
                continue
            del self._until[topic, peer]
            ended[topic] = None
        return list(ended)
