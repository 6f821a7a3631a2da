"""Who the tests of the namespaces run as, and what their processes do there."""

import ctypes
import encodings.idna  # now, by whoever may read the interpreter's library: nobody may not
import errno
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from signal import SIGKILL

import trio

from crdt.authority import _Fold
from mesh.node.processes import Parent
from mesh.testing.simulator.network import LinkModel
from mesh.testing.wires.box_process import run_box
from mesh.testing.wires.namespaces import Namespace, NamespacesUnavailableError, enter, open_ground
from mesh.testing.wires.switch import run_switch
from mesh.testing.wires.wire import run_wire

NOBODY = 65534
PORT = 4001
CHUNK = 1 << 16
_SET_DUMPABLE, _SET_DEATH_SIGNAL = 4, 1
_NEW_USER = 0x10000000
_CAPABILITIES = 0x20080522

assert encodings.idna


def become(user: str) -> None:
    """Give up root where we are it and are to be nobody, keeping what somebody else would have.

    Who changes into another user is hidden in /proc from then on, and outlives who forked it.
    """
    if user == "nobody" and os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        libc = ctypes.CDLL(None)
        libc.prctl(_SET_DUMPABLE, 1, 0, 0, 0)
        libc.prctl(_SET_DEATH_SIGNAL, SIGKILL, 0, 0, 0)


def wire_of(parent: Parent, user: str, sides: tuple[str, str]) -> None:
    """The wire, built by root or by nobody."""
    become(user)
    run_wire(parent, sides)


def switch_of(parent: Parent, user: str, sides: int, seed: int, model: LinkModel) -> None:
    """Be a switch, as a user."""
    become(user)
    run_switch(parent, sides, seed, model)


def box_that_retires_nobody(parent: Parent, config: str, listen_m: float) -> None:
    """A box in whose view two keys win one name."""
    _Fold.retire = lambda *_: None
    run_box(parent, config, listen_m)


def resident(parent: Parent, user: str, namespace: Namespace | None) -> None:
    """Echoes whatever connects; asked to, connects somewhere and says whether the echo was true."""
    become(user)
    if namespace:
        enter(namespace)
    trio.run(_live, parent)


async def _live(parent: Parent) -> None:
    streams: dict[str, trio.SocketStream] = {}
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(trio.serve_tcp, _echo, PORT, host="0.0.0.0"))
        parent.tell(Path("/proc/self/ns/net").stat().st_ino)
        async for host, size, within_s in parent:
            said = "silence"
            with trio.move_on_after(within_s):
                try:
                    if host not in streams:
                        streams[host] = await _connect(host)
                    said = await _ask(streams[host], os.urandom(size))
                except OSError as error:
                    said = errno.errorcode[error.errno]
            if said == "silence" and host in streams:
                await trio.aclose_forcefully(streams.pop(host))  # what comes late is for nobody
            parent.tell(said)
        nursery.cancel_scope.cancel()


async def _connect(host: str) -> trio.SocketStream:
    socket = trio.socket.socket()
    try:
        await socket.connect((host, PORT))
    except BaseException:
        socket.close()
        raise
    return trio.SocketStream(socket)


async def _echo(stream: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError):
        async for chunk in stream:
            await stream.send_all(chunk)


async def _ask(stream: trio.SocketStream, data: bytes) -> str:
    heard = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, data)
        while len(heard) < len(data):
            heard += await stream.receive_some(CHUNK)
    return "echo" if heard == data else "garbled"


# ------------------------------------------------------------------- where there are none


def without_room(parent: Parent) -> None:
    """Ask for namespaces where the kernel has none left to give."""
    become("nobody")
    _unshare_user()
    for kind in ("net", "user"):
        Path(f"/proc/sys/user/max_{kind}_namespaces").write_text("0")
    parent.tell(_refusal(open_ground))


def wire_without_room(parent: Parent, sides: tuple[str, str]) -> None:
    """The wire, where the kernel has no namespaces left to give."""
    become("nobody")
    _unshare_user()
    for kind in ("net", "user"):
        Path(f"/proc/sys/user/max_{kind}_namespaces").write_text("0")
    run_wire(parent, sides)


def without_rights(parent: Parent) -> None:
    """Ask for namespaces as somebody who may make neither kind."""
    become("nobody")
    _unshare_user()
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    ctypes.CDLL(None).capset(struct.pack("=Ii", _CAPABILITIES, 0), bytes(24))
    parent.tell(_refusal(open_ground))


def _unshare_user() -> None:
    user, group = os.getuid(), os.getgid()
    ctypes.CDLL(None).unshare(_NEW_USER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _refusal(ask: Callable[[], object]) -> str:
    try:
        ask()
    except NamespacesUnavailableError as error:
        return str(error)
    return "given"


def gives_namespaces(parent: Parent, user: str) -> None:
    """Ask the kernel itself, past the code under test, whether somebody gets namespaces."""
    become(user)
    kinds = 0x40000000 if os.geteuid() == 0 else 0x40000000 | _NEW_USER
    parent.tell(ctypes.CDLL(None).unshare(kinds) == 0)
