"""Whether this machine's processors ran at their own pace while something was measured.

The host of a virtual machine may run its processors at a fraction of their speed for some tens of
milliseconds, and no kernel books that: it is the time of whoever happened to run. So a witness does
the same small piece of work on each processor, again and again, and takes the processor time that
this took. Waiting for others of this machine does not count, so what is measured beside it cannot
make the witness slow; what comes from outside does.

Source of the method: fixed work quantum, as noise of operating systems is measured (M. Sottile,
R. Minnich, "Analysis of microbenchmarks for performance tuning of clusters", 2004).
"""

import os
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from statistics import median_low
from types import TracebackType
from typing import NamedTuple, Self

from mesh.units import MS

__all__ = ["Look", "PaceWitness", "Slowed"]

PERIOD_S = 0.01
"""Seconds from one look at a processor to the next."""
WORK = 2_000
"""Numbers that a look adds up: about 40 µs of processor time."""
SLOW_FACTOR = 3
"""A look that took so many times the processor's own median finds it slowed. Two processors that
share a core slowed each other by up to 2.4 times here; less than this is no finding."""
REACH_NS = 10 * MS
"""A look speaks of so much time before and after it, nanoseconds: one period."""
LOOKS_MAX = 60_000
"""Looks that are kept of a processor, the latest: ten minutes."""
PROCESSORS_MAX = 8
"""Processors that are watched, the first of those that may be used."""


class Look(NamedTuple):
    """One look at a processor: when, by the monotonic clock, and the processor time it took."""

    at_ns: int
    took_ns: int


class Slowed:
    """The spans of time in which a processor was slowed.

    Args:
        looks: those at each processor.
    """

    def __init__(self, looks: Iterable[Sequence[Look]] = ()) -> None:
        spans = sorted(
            (look.at_ns - REACH_NS, look.at_ns + look.took_ns + REACH_NS)
            for of_one in looks
            for look in _slow(of_one)
        )
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in spans:
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def meets(self, start_ns: int, end_ns: int) -> bool:
        """Whether a processor was slowed at some time from `start_ns` to `end_ns`, monotonic."""
        first = bisect_left(self._ends, start_ns)
        return first < len(self._starts) and self._starts[first] <= end_ns

    @property
    def total_ns(self) -> int:
        """How long it was so, nanoseconds."""
        return sum(self._ends) - sum(self._starts)


class PaceWitness:
    """Watches the processors while its block runs."""

    def __init__(self) -> None:
        self._over = threading.Event()
        processors = sorted(os.sched_getaffinity(0))[:PROCESSORS_MAX]
        self._looks = {one: deque[Look](maxlen=LOOKS_MAX) for one in processors}
        self._threads = [
            threading.Thread(target=self._watch, args=(one,), name=f"pace {one}", daemon=True)
            for one in processors
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def looks(self) -> list[list[Look]]:
        """Return the looks so far, those at each processor."""
        return [list(looks) for looks in self._looks.values()]

    def _watch(self, processor: int) -> None:
        os.sched_setaffinity(0, {processor})  # of this thread alone
        looks = self._looks[processor]
        while not self._over.wait(PERIOD_S):
            sum(range(WORK))  # what others left in the caches is not what is looked at
            at_ns, before_ns = time.monotonic_ns(), time.thread_time_ns()
            sum(range(WORK))
            looks.append(Look(at_ns, time.thread_time_ns() - before_ns))


def _slow(looks: Sequence[Look]) -> list[Look]:
    """Return the looks that took far longer than the median of one processor."""
    if not looks:
        return []
    most_ns = SLOW_FACTOR * median_low(look.took_ns for look in looks)
    return [look for look in looks if look.took_ns > most_ns]
