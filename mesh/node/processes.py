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

import ctypes
import gc
import importlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler, recv_handle, send_handle
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, cast

import trio

__all__ = ["Child", "Parent", "ProcessFailedError", "Processes"]

STOP_S = 3.0
"""Seconds that children get to stop before they are killed, unless asked otherwise."""
START_S = 60.0
"""Seconds that importing what is to be preloaded may take."""
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_STOP = "mesh.stop"
_BOOT = (
    "import json, sys; boot = json.loads(sys.argv[1]); sys.path[:] = boot['path'];"
    "from mesh.node.processes import serve; serve(boot['descriptor'], boot['preload'])"
)

Target = Callable[..., None]
"""What a child runs: target(parent, *arguments)."""


def _pipe() -> tuple[Connection, Connection]:
    return cast("tuple[Connection, Connection]", Pipe())


class _Failure(NamedTuple):
    """The last words of a child."""

    text: str


class ProcessFailedError(Exception):
    """A process ended where it should not have; the message holds what it said last."""


class Parent:
    """The parent, as a child sees it. Iterating yields its messages until it asks to stop."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_stopped = False

    def tell(self, value: object) -> None:
        """Send a value; one that arrives after the parent is gone is lost."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.send(value)

    def take(self, timeout_s: float | None = 0.0) -> Any:
        """Return the next message, waiting in this thread; None if none came or it is time to end.

        Args:
            timeout_s: seconds to wait at most; None waits for ever.
        """
        try:
            if self._is_stopped or not self._connection.poll(timeout_s):
                return None
            message = self._connection.recv()
        except (EOFError, OSError):
            message = _STOP
        self._is_stopped = self._is_stopped or message == _STOP
        return None if self._is_stopped else message

    @property
    def is_stopped(self) -> bool:
        """Whether the parent asked to stop, or is gone; set once a message was taken after that."""
        return self._is_stopped

    async def __aiter__(self) -> AsyncIterator[Any]:
        while not self._is_stopped:
            await trio.lowlevel.wait_readable(self._connection.fileno())
            message = self.take()
            if not self._is_stopped:
                yield message

    async def stopped(self) -> None:
        """Wait until the parent asks to stop, or is gone; messages before that are dropped."""
        async for _ in self:
            pass


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
        if isinstance(message, _Failure):
            self._said = message.text
            raise ProcessFailedError(f"{self.name} failed: {self._said}")
        return message

    def stop(self) -> None:
        """Ask it to stop; returns at once."""
        self.tell(_STOP)

    def kill(self) -> None:
        """Send it SIGKILL; returns when it is gone."""
        self._nursery.ask("kill", self.pid)

    async def wait(self) -> None:
        """Wait until it has ended; what it still tells is dropped."""
        with suppress(ProcessFailedError):
            while True:
                await self.receive()

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
                raise ProcessFailedError(f"the nursery process did not answer in {START_S:g} s")
            return self._connection.recv()
        except (EOFError, OSError):
            raise ProcessFailedError(
                "the nursery process died: its children died with it"
            ) from None

    def end(self) -> None:
        """End it; it kills what still runs first."""
        self._connection.close()
        self._process.wait()


# --------------------------------------------------------------------------- in the nursery process


def serve(descriptor: int, preload: Sequence[str]) -> NoReturn:
    """Be the nursery process: import, then fork children until the parent's end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _woken)
    connection = Connection(descriptor)
    for module in preload:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    nursery = _Forker(connection, wake_read, wake_write)
    try:
        nursery.run()
    except (EOFError, OSError):
        nursery.kill_all()
    os._exit(0)


def _woken(number: int, at: object) -> None:
    """Do nothing: that a handler is set makes the signal write to the wake-up pipe."""


class _Forker:
    """Forks children and knows how they ended."""

    def __init__(self, connection: Connection, wake_read: int, wake_write: int) -> None:
        self._connection = connection
        self._wake_read = wake_read
        self._wake_write = wake_write
        self._running: dict[int, None] = {}
        self._exit_codes: dict[int, int] = {}

    def run(self) -> None:
        while True:
            verb, argument = self._connection.recv()
            if verb == "start":
                self._connection.send(self._fork(*argument))
                continue
            if verb == "kill" and argument in self._running:
                os.kill(argument, signal.SIGKILL)
                self._reap_one(argument, 0)
            elif verb == "wait":
                # Wakes for a child that ended, or for the parent that died.
                select.select([self._wake_read, self._connection], [], [], max(0.0, argument))
                os.set_blocking(self._wake_read, False)
                with suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            self._reap()
            running = len(self._running)
            self._connection.send(self._exit_codes.get(argument) if verb == "status" else running)

    def kill_all(self) -> None:
        for pid in self._running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in tuple(self._running):
            self._reap_one(pid, 0)

    def _reap(self) -> None:
        for pid in tuple(self._running):
            self._reap_one(pid, os.WNOHANG)

    def _reap_one(self, pid: int, options: int) -> None:
        done, status = os.waitpid(pid, options)
        if done:
            del self._running[pid]
            self._exit_codes[pid] = os.waitstatus_to_exitcode(status)

    def _fork(self, name: str, work: bytes) -> int:
        descriptor = recv_handle(self._connection)
        nursery_pid = os.getpid()
        pid = os.fork()
        if pid:
            os.close(descriptor)
            self._running[pid] = None
            return pid
        try:
            _settle_in(name, nursery_pid)
            self._connection.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
            _run_child(work, Connection(descriptor))
        finally:
            os._exit(1)


# ----------------------------------------------------------------------------- in a child process


def _settle_in(name: str, nursery_pid: int) -> None:
    """Tie this process to the nursery's life, and undo what it needed for itself."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
    if os.getppid() != nursery_pid:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    random.seed()


_loads = cast("Callable[[bytes], object]", vars(ForkingPickler)["loads"])


def _run_child(work: bytes, connection: Connection) -> NoReturn:
    code = 0
    try:
        target, arguments = cast("tuple[Target, tuple[object, ...]]", _loads(work))
        target(Parent(connection), *arguments)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException as error:  # noqa: BLE001  (the process ends here; the parent hears why)
        code = 1
        with suppress(OSError):
            where = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
            connection.send(_Failure(said))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
