"""A timer that a core sets as it likes, and one task that waits for it.

Cores say when they want to be called, and change their mind with every event that passes. A time
that moves earlier must be heeded at once; one that moves later wakes nobody: it is looked at again
when the earlier one is due, which spares a wake-up for every event.
"""

import time
from collections.abc import Callable
from typing import NoReturn

import trio

from mesh.units import SECOND

__all__ = ["Alarm"]


class Alarm:
    """Calls when it is time; set it again at will, also from within the call.

    Args:
        now_ns: the clock, nanoseconds.
    """

    def __init__(self, *, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._now_ns = now_ns
        self._at_ns: int | None = None
        self._armed_ns: int | None = None
        """What the task waits for: `_at_ns`, or what that was before it moved later."""
        self._sooner = trio.Event()

    def __repr__(self) -> str:
        return f"<Alarm {'off' if self._at_ns is None else f'at {self._at_ns} ns'}>"

    def set(self, at_ns: int | None) -> None:
        """Let it call at a time, in place of the one set before; None lets it not call."""
        self._at_ns = at_ns
        if at_ns is not None and (self._armed_ns is None or at_ns < self._armed_ns):
            self._sooner.set()

    async def run(self, call: Callable[[], None]) -> NoReturn:
        """Call whenever it is time, once for each time that was set, until cancelled."""
        while True:
            self._sooner, self._armed_ns = trio.Event(), self._at_ns
            if self._at_ns is None:
                await self._sooner.wait()
                continue
            left_ns = self._at_ns - self._now_ns()
            if left_ns > 0:
                with trio.move_on_after(left_ns / SECOND):
                    await self._sooner.wait()
                continue
            self._at_ns = None
            call()
            await trio.lowlevel.checkpoint()
