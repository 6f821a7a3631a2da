"""Control items on their way out, gathered per peer so that they share RPCs."""

from mesh.gossip.effects import Effect, Priority, Send
from mesh.gossip.messages import control_frames


class ControlBatch:
    """Control items by peer, in the order in which they came."""

    __slots__ = ("_items", "_priority")

    def __init__(self, priority: Priority) -> None:
        self._priority = priority
        self._items: dict[bytes, list[bytes]] = {}

    def add(self, peer: bytes, item: bytes) -> None:
        """Put an item behind the others for a peer."""
        self._items.setdefault(peer, []).append(item)

    def extend(self, peer: bytes, items: list[bytes]) -> None:
        """Put items behind the others for a peer."""
        self._items.setdefault(peer, []).extend(items)

    def flush(self, effects: list[Effect], rpcs_max: int | None = None) -> dict[bytes, int]:
        """Append the RPCs, at most `rpcs_max` to each peer, and return how many each gets."""
        priority = self._priority
        counts: dict[bytes, int] = {}
        for peer, items in self._items.items():
            frames = control_frames(items)[:rpcs_max]
            effects.extend([Send(peer, frame, priority) for frame in frames])
            counts[peer] = len(frames)
        self._items.clear()
        return counts
