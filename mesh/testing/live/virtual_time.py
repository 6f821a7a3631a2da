"""Virtual time for tasks: trio's clock jumps to whatever is waited for next, and waits for threads.

trio's own autojump clock does not know of threads: it jumps while one works, so that every timeout
around it strikes at once. Here a task of its own moves the clock, and only once all tasks wait and
no thread is at work: a thread takes no virtual time. Threads are let in one at a time, each when
all tasks wait, so that what they bring arrives in an order that does not depend on the machine.
What this cannot see are threads of a limiter other than trio's own, processes and sockets.

trio shuffles the tasks that are ready at one moment. What it offers hypothesis for that (the flag
and the generator of `trio._core._run`, as pytest-trio uses them too) makes the order one of a seed
here.
"""

import math
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any, TypeVar

import trio
from trio._core import _run as scheduler  # pyright: ignore[reportPrivateUsage]  (no other way)
from trio.abc import Instrument
from trio.testing import MockClock, wait_all_tasks_blocked

__all__ = ["run_in_virtual_time", "same_order_of_tasks"]

T = TypeVar("T")

LOOK_S = 0.001
"""How often it is looked whether a thread is done, or something came from outside; real seconds."""
PATIENCE_LOOKS = 500
"""Looks after which another thread is let in beside one that works: it may wait for just that."""


def run_in_virtual_time(
    main: Callable[..., Awaitable[T]],
    *arguments: Any,
    clock: trio.abc.Clock | None = None,
    instruments: Iterable[Instrument] = (),
) -> T:
    """Run as `trio.run` does, in virtual time that begins at zero.

    Raises:
        ValueError: a clock is given.
    """
    if clock is not None:
        raise ValueError(f"{clock!r} is given: leave it out, virtual time has a clock of its own")
    jumping = MockClock()
    moved = partial(_move_while, jumping, partial(main, *arguments))
    return trio.run(moved, clock=jumping, instruments=tuple(instruments))


class _Order:
    """The orders that a seed gives, one for each moment.

    How often the shuffler was asked before a moment may depend on the machine, where a thread calls
    back into trio and works on; so it begins anew at each.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._moment = 0
        self.next()

    def next(self) -> None:
        """Another moment begins."""
        self._moment += 1
        _shuffler().seed(f"{self._seed}/{self._moment}")


_ORDER: trio.lowlevel.RunVar[_Order | None] = trio.lowlevel.RunVar("order", None)


def _shuffler() -> Random:
    """Return what trio shuffles tasks with."""
    shuffler = vars(scheduler)["_r"]
    assert isinstance(shuffler, Random)
    return shuffler


@contextmanager
def same_order_of_tasks(seed: int) -> Generator[None]:
    """Have tasks that are ready at one moment run in an order that the seed gives."""
    rng, flag = _shuffler(), "_ALLOW_DETERMINISTIC_SCHEDULING"
    shuffled, state = getattr(scheduler, flag), rng.getstate()
    setattr(scheduler, flag, True)
    _ORDER.set(_Order(seed))
    try:
        yield
    finally:
        _ORDER.set(None)
        setattr(scheduler, flag, shuffled)
        rng.setstate(state)


async def _move_while(clock: MockClock, main: Callable[[], Awaitable[T]]) -> T:
    """Move the clock until main is done."""
    threads = trio.to_thread.current_default_thread_limiter()
    threads.total_tokens = 0
    trio.lowlevel.spawn_system_task(_move, clock, threads)
    return await main()


def _begin_moment() -> None:
    order = _ORDER.get()
    if order is not None:
        order.next()


async def _move(clock: MockClock, threads: trio.CapacityLimiter) -> None:
    """Whenever nothing else happens, let a thread work, or move the clock to the next deadline."""
    looks = 0
    while True:
        await wait_all_tasks_blocked()
        waiting, at_work = threads.statistics().tasks_waiting, threads.borrowed_tokens
        left_s = trio.lowlevel.current_statistics().seconds_to_next_deadline
        if waiting and (not at_work or looks >= PATIENCE_LOOKS):
            _begin_moment()
            threads.total_tokens = at_work + 1  # whoever waits longest gets in
            threads.total_tokens = 0
            looks = 0
        elif at_work or math.isinf(left_s):
            await wait_all_tasks_blocked(LOOK_S)
            looks += 1
        elif left_s > 0:
            _begin_moment()
            clock.jump(left_s)
