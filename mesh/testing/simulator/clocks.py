"""The clocks of simulated boxes: true, jumped, or drifting.

There is one virtual time. A box's monotonic clock reads it as it is: timers that are off by the
100 ppm of a cheap crystal decide nothing. Its wall clock reads it plus an offset, which jumps when
somebody sets it, and grows when the crystal is wrong and nobody corrects it. Whether the box takes
its wall clock for right is not decided here: that is its mind's business.
"""

from mesh.units import MS, SECOND

__all__ = ["EPOCH_MS", "SimulatedClock"]

EPOCH_MS = 1_800_000_000_000
"""Wall clock at virtual time zero, milliseconds since 1970."""
_PPM = 1_000_000


class SimulatedClock:
    """The wall clock of one box; it runs on while the box is down."""

    __slots__ = ("_drift_ppm", "_offset_ns", "_since_ns")

    def __init__(self) -> None:
        self._offset_ns = 0
        self._drift_ppm = 0.0
        self._since_ns = 0

    def wall_ms(self, now_ns: int) -> int:
        """Return what it shows at a virtual time, milliseconds since 1970."""
        return EPOCH_MS + (now_ns + self._wrong_ns(now_ns)) // MS

    def ahead_s(self, now_ns: int) -> float:
        """Return by how much it is ahead at a virtual time, seconds; negative if it is behind."""
        return self._wrong_ns(now_ns) / SECOND

    def jump(self, seconds: float) -> None:
        """Set it forward, or back where negative, at once."""
        self._offset_ns += int(seconds * SECOND)

    def drift(self, ppm: float, now_ns: int) -> None:
        """From now on it gains so many microseconds a second; what it gained so far stays."""
        self._offset_ns = self._wrong_ns(now_ns)
        self._drift_ppm, self._since_ns = ppm, now_ns

    def _wrong_ns(self, now_ns: int) -> int:
        return self._offset_ns + int((now_ns - self._since_ns) * self._drift_ppm / _PPM)
