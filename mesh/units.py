"""Time and length as the rest of the product writes them down.

An `Instant` is what a core is given as `now`: it never asks a clock. Timers run on the monotonic
reading, which no time server can move; the age of events is judged on the wall reading, and only
while that one is trusted.
"""

from dataclasses import dataclass

__all__ = ["MS", "SECOND", "Instant", "km", "metres"]

MS = 1_000_000
"""Nanoseconds in a millisecond."""
SECOND = 1_000_000_000
"""Nanoseconds in a second."""


@dataclass(frozen=True, slots=True)
class Instant:
    """One reading of both clocks of a box.

    Attributes:
        mono_ns: monotonic clock, nanoseconds from an arbitrary start.
        wall_ms: wall clock, milliseconds since 1970 UTC.
        wall_trusted: whether the wall clock agrees with the neighbours' median.
    """

    mono_ns: int
    wall_ms: int
    wall_trusted: bool = True

    def has_passed(self, wall_ms: int) -> bool:
        """Whether a time by the wall clock is here or over; never while that is not trusted."""
        return self.wall_trusted and wall_ms <= self.wall_ms


def km(kilometres: float) -> float:
    """Return a length in metres, from kilometres."""
    return kilometres * 1000.0


def metres(length: float) -> float:
    """Return a length in metres; says the unit where a bare number would not."""
    return float(length)
