"""What has passed through: ids remembered, and messages kept for a while to answer IWANT.

`SeenIds` answers "had this one" for two minutes. `MessageCache` holds the messages of the last few
heartbeats, indexed by id, and says per topic which of them are still advertised. Both are bounded
in number or bytes, drop the oldest first, and pay for expiry a little at each insertion.

A cached message also knows which peers are known to hold it, and which will hear of it without
another word of ours: one bit per peer, because a set of peers for each message of a burst would
cost more memory than the messages.
"""

from collections import deque

from mesh.gossip.effects import Priority


class SeenIds:
    """Message ids of the last `ttl_ns`, at most `size_max` of them."""

    __slots__ = ("_ids", "_order", "_size_max", "_ttl_ns")

    def __init__(self, ttl_ns: int, size_max: int) -> None:
        self._ttl_ns = ttl_ns
        self._size_max = size_max
        self._ids: dict[bytes, int] = {}
        self._order: deque[tuple[int, bytes]] = deque()

    def __contains__(self, message_id: bytes) -> bool:
        return message_id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def holds(self, message_id: bytes, now_ns: int) -> bool:
        """Whether an id is in and its time is not over (membership alone may be late to forget)."""
        return self._ids.get(message_id, now_ns - self._ttl_ns - 1) >= now_ns - self._ttl_ns

    def add(self, message_id: bytes, now_ns: int) -> None:
        """Remember an id, unless it is in already, and forget up to two old ones."""
        ids, order = self._ids, self._order
        if message_id in ids:
            return
        ids[message_id] = now_ns
        order.append((now_ns, message_id))
        deadline_ns = now_ns - self._ttl_ns
        for _ in range(2):  # two out for one in: it shrinks, and never pauses
            if order[0][0] >= deadline_ns and len(order) <= self._size_max:
                break
            del ids[order.popleft()[1]]


class CachedMessage:
    """A message that can be sent again.

    Attributes:
        id: message id, 32 bytes.
        topic: topic name.
        frame: delimited RPC with this message alone.
        piece: the id as it stands in an IHAVE.
        priority: queue class of its topic.
        author: verified author, 32 bytes, who never gets it back; None where unknown.
        holders: bit n = the peer with that bit is known to hold it.
        sent: bit n = a copy or the id is on its way to the peer with that bit, over a link that
            loses nothing in silence.
        beat: heartbeat number at which it came.
        served: peer → times sent on its IWANT; None until the first.
    """

    __slots__ = (
        "author",
        "beat",
        "frame",
        "holders",
        "id",
        "piece",
        "priority",
        "sent",
        "served",
        "topic",
    )

    def __init__(
        self,
        message_id: bytes,
        topic: str,
        frame: bytes,
        piece: bytes,
        priority: Priority,
        author: bytes | None,
        holders: int,
    ) -> None:
        self.id = message_id
        self.topic = topic
        self.frame = frame
        self.piece = piece
        self.priority = priority
        self.author = author
        self.holders = holders
        self.sent = 0
        self.beat = 0
        self.served: dict[bytes, int] | None = None


class MessageCache:
    """Messages of the last `history` heartbeats, within `bytes_max`."""

    __slots__ = (
        "_beat",
        "_bytes_max",
        "_gossip",
        "_history",
        "_messages",
        "_order",
        "_windows",
        "size",
    )

    def __init__(self, *, history: int, gossip: int, bytes_max: int) -> None:
        self._history = history
        self._gossip = gossip
        self._bytes_max = bytes_max
        self._beat = 0
        self._messages: dict[bytes, CachedMessage] = {}
        self._order: deque[CachedMessage] = deque()
        self._windows: dict[str, deque[CachedMessage]] = {}
        self.size = 0
        """Bytes of the frames held."""

    def __len__(self) -> int:
        return len(self._messages)

    def get(self, message_id: bytes) -> CachedMessage | None:
        """Return the message with an id, None where it is not (or no longer) held."""
        return self._messages.get(message_id)

    def put(self, message: CachedMessage) -> None:
        """Keep a message from the present heartbeat on; the oldest make room for it.

        One that is held already (its id was forgotten sooner than the message) stays as it is.
        """
        if message.id in self._messages:
            return
        message.beat = self._beat
        self._messages[message.id] = message
        self._order.append(message)
        window = self._windows.get(message.topic)
        if window is None:
            window = self._windows[message.topic] = deque()
        window.append(message)
        self.size += len(message.frame)
        while self.size > self._bytes_max:
            self._drop_oldest()

    def advertised(self) -> dict[str, deque[CachedMessage]]:
        """Return, per topic, the messages to advertise now, oldest first."""
        return self._windows

    def shift(self) -> None:
        """A heartbeat has passed."""
        self._beat += 1
        order = self._order
        while order and order[0].beat <= self._beat - self._history:
            self._drop_oldest()
        for topic in list(self._windows):
            window = self._windows[topic]
            while window and window[0].beat <= self._beat - self._gossip:
                window.popleft()
            if not window:
                del self._windows[topic]

    def forget_holder(self, bit: int) -> None:
        """A peer has left; its bit will be given to another."""
        for message in self._order:
            message.holders &= ~bit

    def doubt(self, bit: int, topic: str | None = None) -> None:
        """What was sent to a peer, in one topic or in all, may never have reached it."""
        windows = self._windows.values() if topic is None else (self._windows.get(topic, ()),)
        for window in windows:
            for message in window:
                message.sent &= ~bit

    def _drop_oldest(self) -> None:
        message = self._order.popleft()
        del self._messages[message.id]
        self.size -= len(message.frame)
        window = self._windows.get(message.topic)
        if window and window[0] is message:
            window.popleft()
