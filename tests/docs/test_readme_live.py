"""What the README tells a newcomer to type, typed: a small live fleet and a node in it."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from signal import SIGINT
from subprocess import PIPE, STDOUT

import pytest
import trio

from tests.docs.pages import ROOT, blocks

pytestmark = pytest.mark.live

MESH = "import sys; from mesh.cli import main; sys.exit(main())"
FLEET_STANDS_S = 120
HEARD_S = 60
ENDED_S = 20


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[trio.Process]:
    """A Python process; killed if it is still there at the end."""
    command = [sys.executable, "-u", *arguments]
    open_process = partial(trio.lowlevel.open_process, command, cwd=ROOT)
    process = await open_process(stdin=None, stdout=PIPE, stderr=STDOUT)
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            if process.poll() is None:
                process.kill()
            await process.wait()
            assert process.stdout is not None
            await process.stdout.aclose()


async def line_with(process: trio.Process, *words: str) -> str:
    """The first line of a process that holds one of these words."""
    said = b""
    assert process.stdout is not None
    async for chunk in process.stdout:
        said += chunk
        for line in said.decode().splitlines():
            if any(word in line for word in words):
                return line
    raise AssertionError(f"ended without saying any of {words}:\n{said.decode()}")


@pytest.mark.parametrize("program", ["my_node.py", "examples/near_miss.py"])
async def test_a_node_of_ones_own_hears_the_dev_fleet(tmp_path: Path, program: str):
    path = ROOT / program
    if program == "my_node.py":
        (code,) = (block.code for block in blocks("README.md") if "sys.argv" in block.code)
        path = tmp_path / program
        path.write_text(code, encoding="utf-8")
    play = tmp_path / "play"
    async with started("-c", MESH, "dev", "--nodes", "3", "--dir", str(play)) as fleet:
        with trio.fail_after(FLEET_STANDS_S):
            await line_with(fleet, "Ctrl-C ends everything")
        async with started(str(path), str(play / "you.toml")) as node:
            with trio.fail_after(HEARD_S):
                await line_with(node, "downstream", "elsewhere", "more red")
        fleet.send_signal(SIGINT)
        with trio.fail_after(ENDED_S):
            assert await fleet.wait() == 0
