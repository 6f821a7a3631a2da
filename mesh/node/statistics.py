"""What a node counted since its start, for code and for people."""

from dataclasses import asdict, dataclass

from mesh.mind import MindStatistics
from mesh.net.streams import NetworkStatistics

__all__ = ["NodeStatistics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatistics:
    """What a node counted since its start; as text, a line for each counter that is not zero.

    Attributes:
        mind: events, facts, links, gossip, presence and clocks.
        network: connections, dials and streams.
        frames_dropped: frames dropped because a peer did not keep up.
        store_failures: commits that the store refused.
        penalties: times that a peer did what no honest peer does.
    """

    mind: MindStatistics
    network: NetworkStatistics
    frames_dropped: int
    store_failures: int
    penalties: int

    def counters(self) -> dict[str, int]:
        """Return every number under a name of its own, such as `events.refused.stale`."""
        return {
            **self.mind.counters(),
            **{f"network.{name}": count for name, count in asdict(self.network).items()},
            "frames_dropped": self.frames_dropped,
            "store_failures": self.store_failures,
            "penalties": self.penalties,
        }

    def __str__(self) -> str:
        shown = {name: count for name, count in self.counters().items() if count}
        width = max(map(len, shown), default=0)
        return "\n".join(f"{name:<{width}}  {count}" for name, count in shown.items())
