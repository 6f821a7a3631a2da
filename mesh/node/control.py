"""The console of a running node: a Unix socket beside its configuration, for its owner alone.

One request, one answer, then the connection ends; both are frames of deterministic CBOR:

    {"do": verb, …arguments}  →  {"ok": true, …}  or  {"ok": false, "error": sentence}

The socket has mode 0600, so the file system says who may ask. Whatever arrives is checked like
anything else from outside; a wrong request costs its connection. The verbs are registered by
whoever runs the node.
"""

import logging
import os
import socket
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import trio

from identity.encoding import Value, decode, encode
from identity.errors import EncodingError
from mesh.framing import FrameError, FrameReader, frame

__all__ = ["ControlError", "NoConsoleError", "Verb", "ask", "serve_control", "socket_path"]

_logger = logging.getLogger("mesh.node")

FRAME_SIZE_MAX = 8 << 20
"""Largest request or answer, bytes."""
REQUEST_S_MAX = 30
"""Seconds that one request may take."""
SOCKET_NAME_SIZE_MAX = 107
"""Longest name of a Unix socket, bytes (unix(7): 108 with the final zero)."""
CONNECTIONS_MAX = 8
"""Requests at one time."""

Verb = Callable[[Mapping[str, Value]], Awaitable[Mapping[str, object]]]
"""Takes the request and returns the answer; raises ControlError for a request it refuses."""


class ControlError(Exception):
    """A request that cannot be answered, or a node that is not there to ask."""


class NoConsoleError(ControlError):
    """No node runs with that configuration, or it serves no console."""


def socket_path(config: Path) -> Path:
    """Return where the console of a configuration is."""
    return config.with_suffix(".sock")


async def serve_control(
    path: Path,
    verbs: Mapping[str, Verb],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve a console until cancelled.

    Raises:
        ControlError: the socket cannot be made.
    """
    listener = _listen(path)
    room = trio.CapacityLimiter(CONNECTIONS_MAX)

    async def serve(stream: trio.SocketStream) -> None:
        async with room:
            with trio.move_on_after(REQUEST_S_MAX):
                await _answer(stream, verbs)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, serve, [listener])
            task_status.started()
    finally:
        path.unlink(missing_ok=True)


def _listen(path: Path) -> trio.SocketListener:
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        with _short(path) as name:
            raw.bind(name)
    except OSError as error:
        raw.close()
        raise ControlError(f"console {path} cannot be made: {error}") from None
    finally:
        os.umask(before)
    raw.listen(CONNECTIONS_MAX)
    return trio.SocketListener(trio.socket.from_stdlib_socket(raw))


@contextmanager
def _short(path: Path) -> Generator[str]:
    """Yield a name of a socket that the kernel takes; in a deep directory, one through its handle.

    Raises:
        OSError: its directory cannot be opened.
    """
    if len(os.fsencode(path)) <= SOCKET_NAME_SIZE_MAX:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


async def _answer(stream: trio.SocketStream, verbs: Mapping[str, Verb]) -> None:
    try:
        request = await _receive(stream)
        verb = verbs.get(str(request.get("do")))
        if verb is None:
            raise ControlError(f"do {request.get('do')!r:.40}: expected one of {sorted(verbs)}")
        answer: Mapping[str, object] = {"ok": True, **await verb(request)}
    except ControlError as error:
        answer = {"ok": False, "error": str(error)}
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return
    except Exception as error:
        # A fault of ours costs one answer, never the node.
        _logger.exception("a request to the console failed")
        answer = {"ok": False, "error": f"the node failed to answer: {error!r:.200}"}
    try:
        await stream.send_all(frame(encode(answer, depth_max=16)))
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def _receive(stream: trio.SocketStream) -> dict[str, Value]:
    reader = FrameReader(FRAME_SIZE_MAX)
    try:
        while True:
            chunk = await stream.receive_some(65536)
            if not chunk:
                raise ControlError("the connection ended before a whole message arrived")
            for body in reader.feed(bytes(chunk)):
                value = decode(body, depth_max=16)
                if not isinstance(value, dict):
                    raise ControlError("expected a map")
                return value
    except (FrameError, EncodingError) as error:
        raise ControlError(f"not a message of the console: {error}") from None


async def ask(config: Path, request: Mapping[str, object]) -> dict[str, Value]:
    """Ask the node that runs with a configuration, and return its answer.

    Raises:
        ControlError: it does not run, or refuses; the message says which and why.
    """
    path = socket_path(config)
    try:
        with _short(path) as name:
            stream = await trio.open_unix_socket(name)
    except (OSError, FileNotFoundError):
        raise NoConsoleError(f"no node runs with {config}: start it first") from None
    async with stream:
        try:
            await stream.send_all(frame(encode(dict(request), depth_max=16)))
            answer = await _receive(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise ControlError(f"the node of {config} ended while it was asked") from None
    if answer.get("ok") is not True:
        raise ControlError(str(answer.get("error")))
    return answer
