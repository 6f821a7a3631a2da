"""Virtual time: it jumps, it waits for threads, and its order of tasks is a seed's."""

import threading
import time
from importlib import import_module

import pytest
import trio
import trio.testing

from mesh.testing.live.virtual_time import run_in_virtual_time, same_order_of_tasks

SCHEDULER = import_module("trio._core._run")


def test_time_begins_at_zero_and_jumps_to_what_is_waited_for():
    async def main(told: str) -> str:
        assert trio.current_time() == 0
        await trio.sleep(3600)
        assert trio.current_time() == 3600
        return told

    began_s = time.process_time()
    assert run_in_virtual_time(main, "done") == "done"
    assert time.process_time() - began_s < 60


def test_what_is_raised_leaves_as_it_is():
    async def main() -> None:
        await trio.sleep(1)
        raise ZeroDivisionError("planted")

    with pytest.raises(ZeroDivisionError, match="planted"):
        run_in_virtual_time(main)


def test_a_thread_takes_no_virtual_time_and_timeouts_around_it_do_not_strike():
    """Also when it is busy for longer, in real seconds, than it is looked after."""

    async def main() -> None:
        let_go, at_work = threading.Event(), threading.Event()

        def work() -> None:
            at_work.set()
            let_go.wait(60)

        def release() -> None:
            at_work.wait(60)
            for _ in range(3):
                trio.from_thread.run(trio.lowlevel.checkpoint)
            let_go.set()

        with trio.fail_after(0.001):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, work)
                nursery.start_soon(trio.to_thread.run_sync, release)
        assert trio.current_time() == 0
        await trio.sleep(1)
        assert trio.current_time() == 1

    run_in_virtual_time(main)


def test_what_waits_for_a_thread_without_a_deadline_gets_it():
    async def main() -> int:
        return await trio.to_thread.run_sync(lambda: 7)

    assert run_in_virtual_time(main) == 7


def orders(seed: int, noise: int = 0) -> list[int]:
    told: list[int] = []

    async def tell(number: int) -> None:
        for _ in range(3):
            await trio.sleep(1)
            told.append(number)

    async def make_noise() -> None:
        await trio.sleep(0.5)
        async with trio.open_nursery() as nursery:
            for _ in range(noise):
                nursery.start_soon(trio.lowlevel.checkpoint)

    async def main() -> None:
        with same_order_of_tasks(seed):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(make_noise)
                for number in range(12):
                    nursery.start_soon(tell, number)

    run_in_virtual_time(main)
    return told


def test_the_order_of_tasks_is_that_of_the_seed():
    assert len({tuple(orders(1)) for _ in range(5)}) == 1
    assert len({tuple(orders(seed)) for seed in range(5)}) > 1


def test_what_happened_at_a_moment_does_not_change_the_order_of_the_next():
    """Such as threads that call back into trio, now in one turn of its loop and now in two."""
    assert len({tuple(orders(1, noise)) for noise in range(5)}) == 1


@pytest.mark.parametrize("is_set", [True, False])
def test_afterwards_trio_shuffles_as_before(monkeypatch: pytest.MonkeyPatch, is_set: bool):
    monkeypatch.setattr(SCHEDULER, "_ALLOW_DETERMINISTIC_SCHEDULING", is_set)

    async def main() -> None:
        before, inside = SCHEDULER._r.getstate(), list[object]()

        def break_inside() -> None:
            with same_order_of_tasks(7):
                inside.append(SCHEDULER._ALLOW_DETERMINISTIC_SCHEDULING)
                inside.append(SCHEDULER._r.getstate() != before)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            break_inside()
        assert inside == [True, True]
        assert SCHEDULER._ALLOW_DETERMINISTIC_SCHEDULING is is_set
        assert SCHEDULER._r.getstate() == before

    run_in_virtual_time(main)


def test_a_clock_of_ones_own_is_refused():
    async def main() -> None:
        raise AssertionError("it ran")

    with pytest.raises(ValueError, match="leave it out"):
        run_in_virtual_time(main, clock=trio.testing.MockClock())
