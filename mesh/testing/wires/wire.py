"""A wire between two network namespaces that can be cut, for partitions that are no pretence.

    north (10.77.1.1) ── veth ── the wire's own namespace ── veth ── south (10.77.2.1)

One process holds both namespaces and copies every frame from one to the other. Cut, it throws the
frames away: nobody is told, no connection is closed, packets just do not arrive, as when a bridge
with the fibre in it falls. Whoever lives in a namespace runs the same code as anywhere else and
reaches its own side without the wire.

    wire = Wire(processes.start(run_wire, ("north", "south"), name="wire"))
    sides = await wire.stands()                                # side → namespace
    processes.start(inside, sides["north"], target, *arguments)
    await wire.cut()

Both namespaces vanish with the last process in them. A frame costs 10 to 20 µs of processor time.
"""

import selectors
import socket
import struct
import sys
from collections.abc import Mapping
from typing import NamedTuple, cast

from mesh.node.nursery import Parent, Target
from mesh.node.processes import Child
from mesh.testing.wires.namespaces import (
    Namespace,
    NamespacesUnavailableError,
    enter,
    make_namespace,
    open_ground,
    visiting,
)
from mesh.testing.wires.rtnetlink import add_address, add_veth, bring_up

__all__ = [
    "FRAMES_AT_ONCE_MAX",
    "FRAME_SIZE_MAX",
    "PREFIX",
    "Refused",
    "Wire",
    "WireCounts",
    "inside",
    "listen_at",
    "run_wire",
    "side_address",
]

PREFIX = 16
"""Bits of the network that all sides share."""
FRAME_SIZE_MAX = 1 << 17
"""Largest frame copied, bytes: the kernel joins TCP segments to up to 64 KiB and their headers."""
FRAMES_AT_ONCE_MAX = 64
"""Frames copied from one side before the other, and the parent, get a turn."""
BUFFER_SIZE = 4 << 20
"""Bytes that the kernel holds for the wire while it is not running."""
CUT, HEAL, COUNT = "cut", "heal", "count"
_ALL_PROTOCOLS = 0x0003
_PACKET, _PACKET_HEADER, _PACKET_IGNORE_OUTGOING = 263, 15, 23
"""SOL_PACKET, PACKET_VNET_HDR and PACKET_IGNORE_OUTGOING; packet(7)."""


class WireCounts(NamedTuple):
    """What a wire did since it stands: frames copied, and frames thrown away by a cut."""

    copied: int
    dropped: int


class Refused(NamedTuple):
    """What is to carry frames cannot stand; for people."""

    text: str


def side_address(number: int) -> str:
    """Return the IPv4 address of a side, counted from 0."""
    return f"10.77.{number + 1}.1"


def inside(parent: Parent, namespace: Namespace, target: Target, *arguments: object) -> None:
    """Run target(parent, *arguments) in a namespace; what it runs knows nothing of it."""
    enter(namespace)
    target(parent, *arguments)


class Wire:
    """A wire, as the process sees it that started `run_wire`.

    Args:
        child: the wire's process.
    """

    def __init__(self, child: Child) -> None:
        self.child = child

    async def stands(self) -> Mapping[str, Namespace]:
        """Wait until it stands, and return each side's namespace.

        Raises:
            NamespacesUnavailableError: this machine gives us none.
            ProcessFailedError: the process ended.
        """
        said = await self.child.receive()
        if isinstance(said, Refused):
            raise NamespacesUnavailableError(said.text)
        return said

    async def cut(self) -> WireCounts:
        """Cut it; returns once nothing gets through."""
        return await self._ask(CUT)

    async def heal(self) -> WireCounts:
        """Let frames through again."""
        return await self._ask(HEAL)

    async def count(self) -> WireCounts:
        """Return what it did."""
        return await self._ask(COUNT)

    async def _ask(self, order: str) -> WireCounts:
        self.child.tell(order)
        return await self.child.receive()


def run_wire(parent: Parent, sides: tuple[str, str]) -> None:
    """Make two namespaces and be the wire between them, until the parent asks to stop.

    Tells the namespaces by side, then after each order what was counted.
    """
    try:
        namespaces, ends = _build(sides)
    except (NamespacesUnavailableError, OSError) as error:
        parent.tell(Refused(str(error)))
        return
    parent.tell(namespaces)
    _Pump(parent, ends).run()


def _build(sides: tuple[str, str]) -> tuple[dict[str, Namespace], list[socket.socket]]:
    """Make the namespaces and what joins them; returns them, and a socket on each side's veth."""
    user = open_ground()
    namespaces: dict[str, Namespace] = {}
    ends: list[socket.socket] = []
    for number, side in enumerate(sides):
        there = make_namespace()
        here = f"wire-{number}"
        add_veth(here, "bridge", there)
        bring_up(here)
        with visiting(there):
            bring_up("lo")
            add_address("bridge", side_address(number), PREFIX)
            bring_up("bridge")
        namespaces[side] = Namespace.held(there, user)
        ends.append(listen_at(here))
    return namespaces, ends


def listen_at(interface: str) -> socket.socket:
    """Open a socket that takes every frame that arrives at an interface, and sends there.

    Frames come with what the kernel still owes them, the header of virtio_net: a checksum not yet
    computed, a large one not yet cut to size. The other end is told the same and pays.
    """
    if sys.platform != "linux":
        raise NamespacesUnavailableError("packet sockets exist on Linux alone")
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
    end.setsockopt(_PACKET, _PACKET_HEADER, struct.pack("=i", 1))
    end.setsockopt(_PACKET, _PACKET_IGNORE_OUTGOING, struct.pack("=i", 1))
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        end.setsockopt(socket.SOL_SOCKET, option, BUFFER_SIZE)
    end.bind((interface, _ALL_PROTOCOLS))
    end.setblocking(False)
    return end


class _Pump:
    """Copies frames between two sockets."""

    def __init__(self, parent: Parent, ends: list[socket.socket]) -> None:
        self._parent = parent
        self._ends = ends
        self._is_cut = False
        self._copied = self._dropped = 0
        self._buffer = bytearray(FRAME_SIZE_MAX)

    def run(self) -> None:
        first, second = self._ends
        with selectors.DefaultSelector() as selector:
            selector.register(first, selectors.EVENT_READ, second)
            selector.register(second, selectors.EVENT_READ, first)
            selector.register(self._parent, selectors.EVENT_READ)
            while not self._parent.is_stopped:
                for key, _ in selector.select():
                    if key.data is None:
                        self._obey(self._parent.take())
                    else:
                        self._copy(cast("socket.socket", key.fileobj), key.data)

    def _obey(self, order: object) -> None:
        if order is None:
            return
        if order != COUNT:
            self._is_cut = order == CUT
        self._parent.tell(WireCounts(self._copied, self._dropped))

    def _copy(self, origin: socket.socket, to: socket.socket) -> None:
        """Copy what has arrived at one end, or throw it away; what finds no room is lost too."""
        for _ in range(FRAMES_AT_ONCE_MAX):
            try:
                size = origin.recv_into(self._buffer)
            except BlockingIOError:
                return
            if self._is_cut:
                self._dropped += 1
                continue
            try:
                to.send(memoryview(self._buffer)[:size])
            except OSError:
                self._dropped += 1
            else:
                self._copied += 1
