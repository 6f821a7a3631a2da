"""An alarm calls when it was told to, and wakes nobody for a time that moved later."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from mesh.node.alarm import Alarm
from mesh.units import MS, SECOND


def now_ns() -> int:
    return round(trio.current_time() * SECOND)


class Steps(trio.abc.Instrument):
    """Counts how often one task is woken."""

    def __init__(self) -> None:
        self.task: trio.lowlevel.Task | None = None
        self.count = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += task is self.task


class Bell:
    """What an alarm calls; notes when, and may set it again."""

    def __init__(self) -> None:
        self.alarm = Alarm(now_ns=now_ns)
        self.rang_ns: list[int] = []
        self.again_ns: list[int] = []
        self.steps = Steps()

    def ring(self) -> None:
        self.rang_ns.append(now_ns())
        if self.again_ns:
            self.alarm.set(self.again_ns.pop(0))

    async def run(self) -> None:
        self.steps.task = trio.lowlevel.current_task()
        await self.alarm.run(self.ring)


@asynccontextmanager
async def running() -> AsyncGenerator[Bell]:
    bell = Bell()
    trio.lowlevel.add_instrument(bell.steps)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bell.run)
        await trio.testing.wait_all_tasks_blocked()
        bell.steps.count = 0
        yield bell
        nursery.cancel_scope.cancel()
    trio.lowlevel.remove_instrument(bell.steps)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.none() | st.integers(-10, 100)), max_size=20),
    st.lists(st.integers(0, 300), max_size=3),
)
def test_it_calls_at_the_time_that_was_set_last(
    history: list[tuple[int, int | None]], again: list[int]
) -> None:
    """Each time is set some milliseconds after the one before, and may lie in the past."""

    async def play() -> None:
        async with running() as bell:
            bell.again_ns = [at * MS for at in sorted(again)]
            expected: list[int] = []
            due_ns, left = None, list(bell.again_ns)

            def pass_until(end_ns: int) -> None:
                nonlocal due_ns
                while due_ns is not None and due_ns <= end_ns:
                    expected.append(due_ns)
                    due_ns = max(due_ns, left.pop(0)) if left else None

            for wait, after in history:
                end_ns = now_ns() + wait * MS + MS // 2
                pass_until(end_ns)
                await trio.sleep_until(end_ns / SECOND)
                await trio.testing.wait_all_tasks_blocked()
                due_ns = None if after is None else max(now_ns(), end_ns + after * MS)
                bell.alarm.set(None if after is None else end_ns + after * MS)
                await trio.testing.wait_all_tasks_blocked()
            pass_until(10 * SECOND)
            await trio.sleep_until(10)
            assert len(bell.rang_ns) == len(expected)
            for rang_ns, at_ns in zip(bell.rang_ns, expected, strict=True):
                assert abs(rang_ns - at_ns) < 1000, "to within what a float of seconds can say"

    trio.run(play, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_a_time_that_moves_later_wakes_nobody(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as bell:
        bell.alarm.set(now_ns() + SECOND)
        await trio.testing.wait_all_tasks_blocked()
        bell.steps.count = 0
        for later in range(2, 50):
            bell.alarm.set(now_ns() + later * SECOND)
            await trio.testing.wait_all_tasks_blocked()
        bell.alarm.set(None)
        await trio.testing.wait_all_tasks_blocked()
        assert bell.steps.count == 0
        bell.alarm.set(now_ns() + 9 * SECOND)
        await trio.sleep(8)
        assert bell.steps.count == 1, "when the earlier one was due"
        assert not bell.rang_ns
        await trio.sleep(2)
        assert len(bell.rang_ns) == 1
        assert "off" in repr(bell.alarm)


async def test_a_time_that_moves_earlier_is_heeded(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as bell:
        bell.alarm.set(now_ns() + 100 * SECOND)
        await trio.testing.wait_all_tasks_blocked()
        bell.alarm.set(now_ns() + SECOND)
        assert str(now_ns() + SECOND) in repr(bell.alarm)
        await trio.sleep(2)
        assert len(bell.rang_ns) == 1
