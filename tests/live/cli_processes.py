"""`mesh` commands as processes of their own, and their words as lines."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from signal import SIGINT
from subprocess import DEVNULL, PIPE, STDOUT

import trio

ROOT = Path(__file__).resolve().parent.parent.parent
MESH = "import sys; from mesh.cli import main; sys.exit(main())"
END_S = 15


class Running:
    """A process that is heard."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.said = ""

    async def says(self, words: str, *, within_s: float = 60.0) -> str:
        """Wait for a line that holds some words, and return it."""
        stream = self.process.stdout
        assert stream is not None
        with trio.move_on_after(within_s):
            while True:
                for line in self.said.splitlines():
                    if words in line:
                        return line
                chunk = await stream.receive_some(65536)
                if not chunk:
                    break
                self.said += chunk.decode()
        raise AssertionError(f"never said {words!r}:\n{self.said}")

    async def interrupt(self) -> int:
        """Press Ctrl-C and return the exit code; everything it still says is kept."""
        self.process.send_signal(SIGINT)
        stream = self.process.stdout
        assert stream is not None
        with trio.fail_after(END_S):
            async for chunk in stream:
                self.said += chunk.decode()
            return await self.process.wait()


@asynccontextmanager
async def running(home: Path, *words: str, code: str = MESH) -> AsyncIterator[Running]:
    """A command that runs until it is interrupted; killed where it still runs at the end."""
    command = [sys.executable, "-u", *(("-c", code) if code else ()), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    start = partial(trio.lowlevel.open_process, command, cwd=home, env=environment)
    process = await start(stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    try:
        yield Running(process)
    finally:
        with trio.CancelScope(shield=True):
            if process.poll() is None:
                process.kill()
            await process.wait()
            assert process.stdout is not None
            await process.stdout.aclose()


async def mesh(home: Path, *words: str, code: int = 0) -> str:
    """Run a command to its end, which must be with this exit code; returns what it said."""
    async with running(home, *words) as command:
        stream = command.process.stdout
        assert stream is not None
        with trio.fail_after(60):
            async for chunk in stream:
                command.said += chunk.decode()
            assert await command.process.wait() == code, command.said
        return command.said


def processes_of(word: str) -> list[int]:
    """Return the processes, zombies apart, whose command line or environment holds a word."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if word.encode() in text:
            found.append(int(entry.name))
    return found
