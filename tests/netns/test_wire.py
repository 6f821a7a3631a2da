"""Two namespaces and the wire between them, as root and as nobody in particular.

Nothing is skipped: where the kernel gives somebody no namespaces, the wire must say so.
"""

import os
import sys
from pathlib import Path

import pytest
import trio

from mesh.node.processes import Child, Processes
from mesh.testing.wires import namespaces
from mesh.testing.wires.namespaces import NamespacesUnavailableError
from mesh.testing.wires.wire import Wire, side_address
from tests.netns import people

NORTH, SOUTH = side_address(0), side_address(1)
LARGE = 8 << 20
SOON_S, SILENT_S = 10.0, 0.4
USERS = ("root", "nobody") if os.geteuid() == 0 else ("nobody",)


class Banks:
    """A wire, and somebody on either side of it."""

    def __init__(self, processes: Processes, user: str) -> None:
        self.processes, self.user = processes, user
        self.wire = Wire(processes.start(people.wire_of, user, ("north", "south"), name="wire"))
        self.north: Child
        self.south: Child

    async def settle(self) -> dict[str, int]:
        self.sides = sides = await self.wire.stands()
        start = self.processes.start
        self.north = start(people.resident, self.user, sides["north"], name="north")
        self.south = start(people.resident, self.user, sides["south"], name="south")
        return {"north": await self.north.receive(), "south": await self.south.receive()}


async def ask(child: Child, host: str, size: int = 100, within_s: float = SOON_S) -> str:
    child.tell((host, size, within_s))
    return await child.receive()


async def given(processes: Processes, user: str) -> bool:
    """Whether the kernel gives somebody namespaces; if not, see that the wire says so."""
    probe = processes.start(people.gives_namespaces, user)
    if await probe.receive():
        return True
    with pytest.raises(NamespacesUnavailableError, match="namespace"):
        await Banks(processes, user).wire.stands()
    return False


def holders(inodes: set[int]) -> list[str]:
    """Processes that are in one of these namespaces."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            inode = (process / "ns/net").stat().st_ino
        except OSError:
            continue
        found += [process.name] if inode in inodes else []
    return found


@pytest.mark.parametrize("user", USERS)
async def test_a_cut_wire_carries_nothing_and_a_healed_one_carries_on(user: str):
    with Processes() as processes:
        if not await given(processes, user):
            return
        banks = Banks(processes, user)
        await banks.settle()
        assert await ask(banks.north, SOUTH) == "echo"
        assert await ask(banks.south, NORTH, LARGE) == "echo"

        before = await banks.wire.cut()
        assert (before.copied > 0, before.dropped) == (True, 0)
        for child, there, here in ((banks.north, SOUTH, NORTH), (banks.south, NORTH, SOUTH)):
            assert await ask(child, there, within_s=SILENT_S) == "silence"
            assert await ask(child, here) == "echo"
        during = await banks.wire.count()
        assert during.copied == before.copied
        assert during.dropped > 0

        await banks.wire.heal()
        banks.north.stop()
        await banks.north.wait()
        stranger = processes.start(people.resident, user, banks.sides["north"], name="new")
        await stranger.receive()
        assert await ask(stranger, SOUTH, LARGE) == "echo"


@pytest.mark.parametrize("user", USERS)
async def test_a_connection_outlives_a_short_cut(user: str):
    with Processes() as processes:
        if not await given(processes, user):
            return
        banks = Banks(processes, user)
        await banks.settle()
        assert await ask(banks.north, SOUTH) == "echo"
        await banks.wire.cut()
        banks.north.tell((SOUTH, LARGE, SOON_S))
        with trio.fail_after(SOON_S):
            while not (await banks.wire.count()).dropped:
                await trio.lowlevel.checkpoint()
        await banks.wire.heal()
        assert await banks.north.receive() == "echo"


@pytest.mark.parametrize("user", USERS)
async def test_nobody_inside_reaches_what_is_outside(user: str):
    with Processes() as processes:
        if not await given(processes, user):
            return
        banks = Banks(processes, user)
        inside = await banks.settle()
        outside = processes.start(people.resident, user, None)
        assert await outside.receive() not in inside.values()
        assert len(set(inside.values())) == 2
        assert await ask(outside, "127.0.0.1") == "echo"
        banks.north.stop()
        await banks.north.wait()
        assert await ask(banks.south, "127.0.0.1") == "echo", "its own loopback"
        assert await ask(banks.south, NORTH, within_s=SILENT_S) == "ECONNREFUSED"
        assert await ask(banks.south, "10.78.0.1", within_s=SILENT_S) == "ENETUNREACH"


@pytest.mark.parametrize("user", USERS)
async def test_everything_vanishes_with_the_processes(user: str):
    with Processes(stop_s=0.1) as processes:
        if not await given(processes, user):
            return
        banks = Banks(processes, user)
        inside = await banks.settle()
        assert len(holders(set(inside.values()))) == 2
        os.kill(nursery_of(banks.north.pid), 9)
        with trio.fail_after(SOON_S):
            while holders(set(inside.values())):
                await trio.lowlevel.checkpoint()


def nursery_of(pid: int) -> int:
    return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("refused", [people.without_room, people.without_rights])
async def test_a_kernel_that_refuses_is_told_of(refused):
    with Processes() as processes:
        said = await processes.start(refused).receive()
        assert "namespace" in said


def test_elsewhere_than_on_linux_there_are_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NamespacesUnavailableError, match="Linux, not darwin"):
        namespaces.open_ground()
