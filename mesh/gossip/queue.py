"""The outbound queue of one peer: bounded in bytes, events before facts before gossip.

A pure container; the shell that owns the stream pushes what the router wants sent and drains it,
many frames into one write. A stalled peer fills its own queue and delays nobody. When it is full
the frame of least worth goes, the oldest of the lowest class, and is counted, and the router is
told that frames were lost: it advertises again. Facts are repaired by anti-entropy too; an event
that waited is an event too late. Control frames are never dropped for others; when even they do
not fit, `push` says so and the shell hangs up, because a hello on a fresh stream is the only honest
repair.
"""

from collections import deque

from mesh.gossip.effects import Priority

QUEUE_BYTES_MAX = 4 << 20
"""Bytes waiting for one peer; a burst of 5,000 events of 300 B fits twice over."""
WRITE_BYTES_MAX = 64 << 10
"""Bytes of one write: an event that comes meanwhile waits for no more than this."""

_VICTIMS = {
    Priority.CONTROL: (Priority.GOSSIP, Priority.FACT, Priority.EVENT),
    Priority.EVENT: (Priority.GOSSIP, Priority.FACT, Priority.EVENT),
    Priority.FACT: (Priority.GOSSIP, Priority.FACT),
    Priority.GOSSIP: (Priority.GOSSIP,),
}
"""Which classes make room for a frame, in order."""


class OutQueue:
    """Frames waiting to be written to one peer.

    Args:
        bytes_max: bytes that may wait.

    Attributes:
        size: bytes waiting.
        drops: frames dropped so far, by priority.
        dropped_bytes: their bytes.
    """

    __slots__ = ("_bytes_max", "_frames", "_sizes", "dropped_bytes", "drops", "size")

    def __init__(self, bytes_max: int = QUEUE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._frames: tuple[deque[bytes], ...] = tuple(deque[bytes]() for _ in Priority)
        self._sizes = [0 for _ in Priority]
        self.size = 0
        self.drops: dict[Priority, int] = dict.fromkeys(Priority, 0)
        self.dropped_bytes = 0

    def __len__(self) -> int:
        return sum(map(len, self._frames))

    def __bool__(self) -> bool:
        return self.size > 0

    def __repr__(self) -> str:
        return (
            f"OutQueue({len(self)} frames, {self.size} bytes, {sum(self.drops.values())} dropped)"
        )

    def push(self, frame: bytes, priority: Priority) -> bool:
        """Queue a frame; False where it was dropped itself."""
        if self.size + len(frame) > self._bytes_max and not self._make_room(len(frame), priority):
            self.drops[priority] += 1
            self.dropped_bytes += len(frame)
            return False
        self._frames[priority].append(frame)
        self._sizes[priority] += len(frame)
        self.size += len(frame)
        return True

    def drain(self, bytes_max: int = WRITE_BYTES_MAX) -> bytes:
        """Take out the next frames, whole, in order of priority, joined into one write.

        At least one frame, however large; b"" where none waits.
        """
        taken: list[bytes] = []
        size = 0
        for priority, frames in enumerate(self._frames):
            while frames and (not taken or size + len(frames[0]) <= bytes_max):
                frame = frames.popleft()
                taken.append(frame)
                size += len(frame)
                self._sizes[priority] -= len(frame)
            if frames:
                break
        self.size -= size
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def clear(self) -> int:
        """Drop everything (the stream is gone) and return how many frames it was; not counted."""
        count = len(self)
        for frames in self._frames:
            frames.clear()
        self._sizes = [0 for _ in Priority]
        self.size = 0
        return count

    def _make_room(self, needed: int, priority: Priority) -> bool:
        """Drop frames of lower classes, then of the same one unless it is control."""
        victims = _VICTIMS[priority]
        spare = sum(self._sizes[victim] for victim in victims)
        if self.size - spare + needed > self._bytes_max:
            return False
        for victim in victims:
            frames = self._frames[victim]
            while frames and self.size + needed > self._bytes_max:
                size = len(frames.popleft())
                self._sizes[victim] -= size
                self.size -= size
                self.drops[victim] += 1
                self.dropped_bytes += size
        return True
