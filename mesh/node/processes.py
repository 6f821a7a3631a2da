"""Processes that end with their parent, forked from one that has imported what is slow to import.

    with Processes(preload=("mesh.net.host",)) as processes:
        child = processes.start(run_box, "box-1.toml")      # run_box(parent, "box-1.toml")
        address = await child.receive()                     # the child: parent.tell(address)
        child.kill()

Importing libp2p costs seconds, forking milliseconds. So a *nursery* process imports the modules
named in `preload`, starts no thread, loop or key, and forks every child. Children are functions of
importable modules; their first argument is the `Parent`, over which both sides exchange values that
can be pickled.

No process is left behind. Leaving the block asks every child to stop, kills those that do not, and
ends the nursery. Should the parent die, even of SIGKILL, the nursery sees the end of its connection
and kills every child; should the nursery die, the kernel does it (`PR_SET_PDEATHSIG`). Ctrl-C
reaches the parent alone: the others are in a process group of their own and ignore SIGINT.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler, send_handle
from types import TracebackType
from typing import Any, cast

import trio

from mesh.node.nursery import STOP, Failure, Parent, Target

__all__ = ["Child", "Parent", "ProcessFailedError", "Processes"]

STOP_S = 3.0
"""Seconds that children get to stop before they are killed, unless asked otherwise."""
START_S = 60.0
"""Seconds that importing what is to be preloaded may take."""
_BOOT = (
    "import json, sys; boot = json.loads(sys.argv[1]); sys.path[:] = boot['path'];"
    "from mesh.node.nursery import serve; serve(boot['descriptor'], boot['preload'])"
)


def _pipe() -> tuple[Connection, Connection]:
    return cast("tuple[Connection, Connection]", Pipe())


class ProcessFailedError(Exception):
    """A process ended where it should not have; the message holds what it said last."""


class Child:
    """A process that was started.

    Attributes:
        name: how it is called in messages and in `ps`.
        pid: its process id.
    """

    def __init__(self, name: str, pid: int, connection: Connection, nursery: "_Nursery") -> None:
        self.name = name
        self.pid = pid
        self._connection = connection
        self._nursery = nursery
        self._said = ""

    def __repr__(self) -> str:
        return f"<Child {self.name} {self.pid}>"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, minus the signal that ended it, or None while it runs."""
        return self._nursery.ask("status", self.pid)

    def tell(self, value: object) -> None:
        """Send a value; nothing happens if it is gone."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.send(value)

    async def receive(self) -> Any:
        """Wait for the next value that it tells.

        Raises:
            ProcessFailedError: it ended.
        """
        await trio.lowlevel.wait_readable(self._connection.fileno())
        return self._take()

    def receive_within(self, timeout_s: float) -> Any:
        """As `receive`, waiting in this thread.

        Raises:
            ProcessFailedError: it ended, or said nothing in time.
        """
        if not self._connection.poll(timeout_s):
            raise ProcessFailedError(f"{self.name} said nothing within {timeout_s:g} s")
        return self._take()

    def _take(self) -> Any:
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            raise ProcessFailedError(f"{self.name} ended {self._said or 'silently'}") from None
        if isinstance(message, Failure):
            self._said = message.text
            raise ProcessFailedError(f"{self.name} failed: {self._said}")
        return message

    def stop(self) -> None:
        """Ask it to stop; returns at once."""
        self.tell(STOP)

    def kill(self) -> None:
        """Send it SIGKILL; returns when it is gone."""
        self._nursery.ask("kill", self.pid)

    async def wait(self) -> None:
        """Wait until it has ended; what it still tells is dropped."""
        with suppress(ProcessFailedError):
            while True:
                await self.receive()
        self._nursery.ask("reap", self.pid)

    def close(self) -> None:
        """Close the connection to it."""
        self._connection.close()


class Processes:
    """Starts processes and owns them.

    Args:
        preload: modules that are imported before the first fork.
        stop_s: seconds that children get to stop when the block is left.
    """

    def __init__(self, preload: Sequence[str] = (), *, stop_s: float = STOP_S) -> None:
        self._preload = tuple(preload)
        self._stop_s = stop_s
        self._nursery: _Nursery | None = None
        self.children: list[Child] = []

    def __enter__(self) -> "Processes":
        self._nursery = _Nursery(self._preload)
        return self

    def start(self, target: Target, *arguments: object, name: str = "") -> Child:
        """Start target(parent, *arguments) in a new process; waits for the preloading to end.

        Args:
            target: a function at the top of an importable module.
            arguments: what it is called with; they are pickled.
            name: for messages and `ps`; the function's unless given.

        Raises:
            ProcessFailedError: the nursery process died.
        """
        if self._nursery is None:
            raise ProcessFailedError("no process can be started outside of the `with` block")
        name = name or target.__name__
        ours, theirs = _pipe()
        work = bytes(ForkingPickler.dumps((target, arguments)))
        pid = self._nursery.ask("start", (name, work), descriptor=theirs.fileno())
        theirs.close()
        child = Child(name, pid, ours, self._nursery)
        self.children.append(child)
        return child

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        nursery, self._nursery = self._nursery, None
        if nursery is None:
            return
        try:
            for child in self.children:
                child.stop()
            deadline = time.monotonic() + self._stop_s
            with suppress(ProcessFailedError):
                while nursery.ask("running", None) and time.monotonic() < deadline:
                    nursery.ask("wait", deadline - time.monotonic())
        finally:
            nursery.end()
            for child in self.children:
                child.close()


class _Nursery:
    """The parent's end of the nursery process: one question, one answer."""

    def __init__(self, preload: Sequence[str]) -> None:
        ours, theirs = _pipe()
        boot = {"path": sys.path, "descriptor": theirs.fileno(), "preload": list(preload)}
        self._process = subprocess.Popen(  # noqa: S603  (this interpreter, our own code)
            [sys.executable, *(f"-W{option}" for option in sys.warnoptions), "-c", _BOOT,
             json.dumps(boot)],
            stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], process_group=0,
        )  # fmt: skip
        theirs.close()
        self._connection = ours

    def ask(self, verb: str, argument: object, *, descriptor: int | None = None) -> Any:
        try:
            self._connection.send((verb, argument))
            if descriptor is not None:
                send_handle(self._connection, descriptor, self._process.pid)
            if not self._connection.poll(START_S):
                raise ProcessFailedError(
                    f"the process that starts all others did not answer in {START_S:g} s: other "
                    "work keeps the processors or the memory busy; end some of it and run again"
                )
            return self._connection.recv()
        except (EOFError, OSError):
            raise ProcessFailedError(
                "the nursery process died: its children died with it"
            ) from None

    def end(self) -> None:
        """End it; it kills what still runs first."""
        self._connection.close()
        self._process.wait()
