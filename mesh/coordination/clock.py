"""Whether our wall clock can be believed, judged by what the neighbours' clocks say.

Time never decides a replicated winner, but an event's age is judged on it. A box whose clock
disagrees with its neighbours' median by more than the assumed skew says so (`clock_untrusted`): it
observes and does not act. Alone, or with neighbours that all say nothing, it trusts itself.

A clock frame is always read later than it was written, so its offset errs to one side: towards a
neighbour that seems behind. Of a neighbour's last few frames the one that seems least behind was
delayed least, and is the one that counts (the minimum filter of NTP, RFC 5905, section 10). A box
that is too busy to read its mail must not conclude that everybody else's clock is wrong.
"""

from collections import deque
from statistics import median_low

__all__ = ["ClockConsensus"]

PEERS_MAX = 256
"""Most neighbours whose clocks are remembered."""
FRAMES_MAX = 4
"""Last clock frames of a neighbour that are looked at."""


class ClockConsensus:
    """Remembers how far each neighbour's clock is from ours and answers one question.

    Args:
        skew_ms_max: how far two honest clocks are assumed to differ at most, milliseconds.
    """

    __slots__ = ("_median_ms", "_offsets_ms", "_skew_ms_max")

    def __init__(self, skew_ms_max: int) -> None:
        self._skew_ms_max = skew_ms_max
        self._offsets_ms: dict[bytes, deque[int]] = {}
        self._median_ms = 0

    def heard(self, peer: bytes, theirs_ms: int, ours_ms: int) -> None:
        """Note one clock frame; both readings in milliseconds since 1970."""
        if peer not in self._offsets_ms and len(self._offsets_ms) >= PEERS_MAX:
            return
        frames = self._offsets_ms.setdefault(peer, deque(maxlen=FRAMES_MAX))
        frames.append(theirs_ms - ours_ms)
        self._look()

    def forget(self, peer: bytes) -> None:
        """A neighbour left; its clock says nothing more."""
        if self._offsets_ms.pop(peer, None) is not None:
            self._look()

    @property
    def witnesses(self) -> int:
        """How many neighbours said what time it is."""
        return len(self._offsets_ms)

    @property
    def offset_ms(self) -> int:
        """Median of the neighbours' clocks minus ours, milliseconds; 0 without neighbours."""
        return self._median_ms

    @property
    def trusted(self) -> bool:
        """Whether our clock is within the assumed skew of the neighbours' median."""
        return abs(self.offset_ms) <= self._skew_ms_max

    def _look(self) -> None:
        """Work the median out: it is asked for at every frame, and changes with few of them."""
        latest = self._offsets_ms.values()
        self._median_ms = median_low(map(max, latest)) if latest else 0
