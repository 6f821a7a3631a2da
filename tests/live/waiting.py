"""Waiting for what another task is about to do, without guessing how long it takes."""

from collections.abc import Callable

import trio
import trio.testing


async def eventually(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    """Looks whenever every other task has come to rest, until the condition holds."""
    with trio.fail_after(within_s):
        while not condition():
            await trio.testing.wait_all_tasks_blocked(0.002)
