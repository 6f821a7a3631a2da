"""Processes that end with their parent."""

import os
from pathlib import Path
from signal import SIGINT, SIGKILL

import pytest
import trio

from mesh.node.processes import Parent, Processes, ProcessFailedError


def echo(parent: Parent, greeting: str) -> None:
    """Says a greeting and its process id, then repeats what it is told."""

    async def main() -> None:
        parent.tell((greeting, os.getpid()))
        async for message in parent:
            if message == "fail":
                raise ValueError("as asked")
            parent.tell(message)

    trio.run(main)


def deaf(parent: Parent) -> None:
    """Never stops by itself."""
    parent.tell("up")
    trio.run(trio.sleep_forever)


def worker(parent: Parent) -> None:
    """A child without an event loop."""
    while not parent.is_stopped:
        message = parent.take(None)
        if message is not None:
            parent.tell(message * 2)


def is_gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


async def test_values_travel_both_ways_and_stopping_is_clean():
    with Processes() as processes:
        child = processes.start(echo, "hello", name="echo-1")
        assert await child.receive() == ("hello", child.pid)
        child.tell({"a": (1, b"2")})
        assert await child.receive() == {"a": (1, b"2")}
        assert child.alive
        child.stop()
        await child.wait()
        assert (child.alive, child.exit_code) == (False, 0)
        twice = processes.start(worker)
        twice.tell("ab")
        assert twice.receive_within(10) == "abab"
    assert is_gone(twice.pid)


async def test_whoever_does_not_stop_is_killed_also_after_an_exception():
    processes = Processes(stop_s=0.1)

    async def fail() -> None:
        with processes:
            assert await processes.start(deaf).receive() == "up"
            raise KeyError("an app's own")

    with pytest.raises(KeyError):
        await fail()
    assert is_gone(processes.children[0].pid)


async def test_a_killed_child_and_a_failed_one_are_told_apart():
    with Processes() as processes:
        killed, failed = processes.start(deaf), processes.start(echo, "")
        for child in (killed, failed):
            await child.receive()
        killed.kill()
        assert killed.exit_code == -SIGKILL
        with pytest.raises(ProcessFailedError, match="deaf ended"):
            await killed.receive()
        failed.tell("fail")
        with pytest.raises(ProcessFailedError, match="ValueError: as asked"):
            await failed.receive()
        await failed.wait()
        assert failed.exit_code == 1


async def test_ctrl_c_reaches_the_parent_alone():
    with Processes() as processes:
        child = processes.start(echo, "")
        await child.receive()
        os.kill(child.pid, SIGINT)
        child.tell("still there")
        assert await child.receive() == "still there"


def test_nothing_starts_outside_the_block():
    with pytest.raises(ProcessFailedError, match="outside"):
        Processes().start(deaf)
