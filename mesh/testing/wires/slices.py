"""Slow processes: stopped and continued again and again, so that they run a share of the time.

A process that is so many times slower runs for `RUN_S` and stands still for the rest of its turn.
It is the whole box that is slow, as under a throttled processor: what reaches it waits in the
kernel. Nobody else is asked to do anything, and no thread is needed: whoever waits calls `turn`.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Protocol

from mesh.units import SECOND

__all__ = ["SLOW_MAX", "Slices"]

RUN_S = 0.05
"""Seconds that a slow process runs in each of its turns."""
SLOW_MAX = 20.0
"""The slowest: it stands still for most of a second. Keepalives of five seconds still get answers;
slower than that is a box that hangs, and whether a link survives it is chance."""
HELD_S, HELD_POLL_S = 1.0, 0.001
"""Seconds that the threads of a process may take to stand still, and between two looks at them."""


class Kill(Protocol):
    """Sends a signal to a process, as `os.kill` does."""

    def __call__(self, pid: int, signal: int, /) -> None:
        """Send it."""
        ...


@dataclass(slots=True)
class _Slice:
    factor: float
    turns_ns: int
    runs: bool = True


class Slices:
    """Who is slow.

    Args:
        kill: sends signals; `os.kill` unless given.
    """

    def __init__(self, kill: Kill = os.kill) -> None:
        self._kill = kill
        self._slow: dict[int, _Slice] = {}

    def slow(self, pid: int, factor: float, now_ns: int) -> None:
        """Have a process be so many times slower from now on; 1 makes it well again."""
        self.forget(pid)
        if factor > 1:
            self._slow[pid] = _Slice(factor, now_ns)

    def forget(self, pid: int) -> None:
        """Let a process run, and think of it no more."""
        held = self._slow.pop(pid, None)
        if held is not None and not held.runs:
            self._signal(pid, SIGCONT)

    def next_ns(self) -> int | None:
        """Return when `turn` has something to do; None for never."""
        return min((held.turns_ns for held in self._slow.values()), default=None)

    def turn(self, now_ns: int) -> None:
        """Stop and continue whoever it is time for."""
        for pid, held in self._slow.items():
            if held.turns_ns > now_ns:
                continue
            held.runs = not held.runs
            length_s = RUN_S if held.runs else RUN_S * (held.factor - 1)
            held.turns_ns = now_ns + round(length_s * SECOND)
            self._signal(pid, SIGCONT if held.runs else SIGSTOP)

    def let_run(self, now_ns: int) -> None:
        """Continue everybody for a turn: somebody waits for their answers."""
        for pid, held in self._slow.items():
            held.turns_ns = now_ns + round(RUN_S * SECOND)
            if not held.runs:
                held.runs = True
                self._signal(pid, SIGCONT)

    def hold(self, pid: int) -> None:
        """Stop a process until it is released; returns once none of its threads runs."""
        self._signal(pid, SIGSTOP)
        end_s = time.monotonic() + HELD_S
        tasks = Path("/proc") / str(pid) / "task"
        while time.monotonic() < end_s and not all(_stands_still(each) for each in _listed(tasks)):
            time.sleep(HELD_POLL_S)

    def release(self, pid: int) -> None:
        """Let it run on."""
        self._signal(pid, SIGCONT)

    def _signal(self, pid: int, signal: int) -> None:
        with suppress(ProcessLookupError):
            self._kill(pid, signal)


def _listed(tasks: Path) -> list[Path]:
    try:
        return list(tasks.iterdir())
    except OSError:
        return []


def _stands_still(task: Path) -> bool:
    """Whether a thread is stopped, or gone; see proc(5), stat."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0] in "TtZX"
    except OSError:
        return True
