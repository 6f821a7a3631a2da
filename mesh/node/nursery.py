"""The nursery process and what it forks; `mesh.node.processes` is how to use them.

It imports, forks and reaps, and answers the parent one question at a time. A fork inherits nothing
that matters: the nursery runs no thread, loop or key, and its own descriptors are closed first.
"""

import ctypes
import gc
import importlib
import os
import random
import select
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler, recv_handle
from typing import Any, NamedTuple, NoReturn, cast

import trio

__all__ = ["STOP", "Failure", "Parent", "Target", "serve"]

STOP = "mesh.stop"
"""The message that asks a child to stop."""
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15

Target = Callable[..., None]
"""What a child runs: target(parent, *arguments)."""


class Failure(NamedTuple):
    """The last words of a child."""

    text: str


class Parent:
    """The parent, as a child sees it. Iterating yields its messages until it asks to stop."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._is_stopped = False

    def fileno(self) -> int:
        """Return what becomes readable when `take` has something; for loops of one's own."""
        return self._connection.fileno()

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
            message = STOP
        self._is_stopped = self._is_stopped or message == STOP
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
            elif verb == "reap" and argument in self._running:
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
            connection.send(Failure(said))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
