"""Where processor time goes, by the rooms of this house: a sampler that costs next to nothing.

Every few milliseconds *of processor time* the stack is looked at once. The sample belongs to the
innermost frame that lies in a room: what a library or the interpreter's own modules do is charged
to who called them, checks of signatures apart, which are a room of their own.
"""

import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

__all__ = ["ROOMS", "Sampler", "room_of", "shares"]

PERIOD_S = 0.004
"""Processor seconds between two looks."""
ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    "identity": "identity",
    "crdt": "crdt",
    "mesh/gossip": "gossip",
    "mesh/coordination": "coordination",
    "mesh/choreography": "choreography",
    "mesh/orchestration": "orchestration",
    "mesh/mind": "mind",
    "mesh/framing.py": "network",
    "mesh/net": "network",
    "mesh/testing/simulator/network.py": "network",
    "mesh/testing/simulator/streams.py": "network",
    "mesh/testing/simulator/simulated_node.py": "network",
    "mesh/testing/simulator/sim.py": "event loop",
    "mesh/testing/simulator/trace.py": "trace",
    "mesh/testing": "fleet",
    "bench": "bench",
}
"""Path from the root of the repository → room; the longest that fits."""
SIGNATURES = "nacl/"


def room_of(paths: Iterable[str]) -> str:
    """Return the room of a stack, given the files of its frames, innermost first."""
    for path in paths:
        if SIGNATURES in path:
            return "signatures"
        inside = path.removeprefix(f"{ROOT}/")
        found = [place for place in ROOMS if inside == place or inside.startswith(f"{place}/")]
        if found:
            return ROOMS[max(found, key=len)]
    return "elsewhere"


def shares(samples: Mapping[str, int]) -> dict[str, float]:
    """Return the share of each room, per cent, the largest first."""
    whole = sum(samples.values()) or 1
    ranked = sorted(samples.items(), key=lambda item: (-item[1], item[0]))
    return {room: 100 * count / whole for room, count in ranked}


class Sampler:
    """Counts samples by room; in the main thread only, as signals are."""

    def __init__(self) -> None:
        self.samples: Counter[str] = Counter()

    @contextmanager
    def running(self) -> Iterator[Counter[str]]:
        """Sample until the block ends; yields what it counts."""
        self.samples = Counter()
        before = signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, PERIOD_S, PERIOD_S)
        try:
            yield self.samples
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        self.samples[room_of(_files(frame))] += 1


def _files(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield frame.f_code.co_filename
        frame = frame.f_back
