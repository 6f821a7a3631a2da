"""A switch between many network namespaces: each side of its own, and every way between two ruled.

    side 0 (10.77.1.1) ── veth ──╮
    side 1 (10.77.2.1) ── veth ──┤  one process: delay, loss, rate, cuts, who may be dialled
    side 2 (10.77.3.1) ── veth ──╯

The rules are a `simulator.network.Network`, the one that the simulator asks; a packet lives by
them as `wires.packets` says. Packets are looked up by their IPv4 address alone: no side asks
who has an address, so that a way that is cut in one direction carries the other one as before.

    switch = Switch(processes.start(run_switch, 7, seed, model, name="switch"))
    sides = switch.stands()                                    # side → namespace
    switch.rule("cut", "river", [side_key(0), side_key(1)])

All namespaces vanish with the last process in them. A packet costs 20 to 40 µs of processor time.
"""

import heapq
import random
import selectors
import socket
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from mesh.node.nursery import Parent
from mesh.node.processes import Child
from mesh.testing.simulator.network import LinkModel, Network
from mesh.testing.wires.namespaces import (
    Namespace,
    NamespacesUnavailableError,
    make_namespace,
    open_ground,
    visiting,
)
from mesh.testing.wires.packets import ETHERNET, Ways, destination, is_dial
from mesh.testing.wires.rtnetlink import add_address, add_veth, bring_up
from mesh.testing.wires.wire import (
    FRAME_SIZE_MAX,
    FRAMES_AT_ONCE_MAX,
    PREFIX,
    Refused,
    WireCounts,
    listen_at,
    side_address,
)
from mesh.units import SECOND

__all__ = ["SIDES_MAX", "Switch", "run_switch"]

SIDES_MAX = 64
"""Most sides of a switch."""
WAITING_BYTES_MAX = 64 << 20
"""Bytes under way in all; more are lost, as in the queue of a real switch."""
STANDS_S = 30.0
"""Seconds that the making of the namespaces may take."""
ANSWER_S = 10.0
"""Seconds within which a rule must be in force: the switch may be short of processor time."""
RULES = ("behind_nat", "blackhole", "cut", "cut_one_way", "heal", "shape", "stands_with")
"""What may be asked of the network of a running switch."""
_HARDWARE_BYTES = 6


class Rule(NamedTuple):
    """A method of `Network`, and what it is called with."""

    verb: str
    arguments: tuple[Any, ...]


class Switch:
    """A switch, as the process sees it that started `run_switch`.

    Args:
        child: the switch's process.
    """

    def __init__(self, child: Child) -> None:
        self.child = child

    def stands(self) -> Sequence[Namespace]:
        """Wait until it stands, and return the namespace of each side.

        Raises:
            NamespacesUnavailableError: this machine gives us none.
            ProcessFailedError: the process ended, or takes too long.
        """
        said = self.child.receive_within(STANDS_S)
        if isinstance(said, Refused):
            raise NamespacesUnavailableError(said.text)
        return said

    def rule(self, verb: str, *arguments: object) -> WireCounts:
        """Change the rules; returns once they are in force.

        Raises:
            ValueError: there is no such rule.
        """
        if verb not in RULES:
            raise ValueError(f"rule {verb!r:.40}: expected one of {', '.join(RULES)}")
        return self._ask(Rule(verb, arguments))

    def count(self) -> WireCounts:
        """Return how many packets it carried, and how many were lost on the way."""
        return self._ask(None)

    def _ask(self, rule: Rule | None) -> WireCounts:
        self.child.tell((rule,))
        return self.child.receive_within(ANSWER_S)


def run_switch(parent: Parent, sides: int, seed: int, model: LinkModel) -> None:
    """Make namespaces and be the switch between them, until the parent asks to stop.

    Tells the namespaces, then after each order what was counted.
    """
    try:
        namespaces, ends = _build(sides)
    except (NamespacesUnavailableError, OSError) as error:
        parent.tell(Refused(str(error)))
        return
    parent.tell(namespaces)
    rng = random.Random(f"{seed}/switch")  # noqa: S311  (a seed decides what is lost)
    _Pump(parent, ends, Ways(Network(rng, model), rng)).run()


def _build(sides: int) -> tuple[list[Namespace], list[socket.socket]]:
    """Make the namespaces; returns them, and a socket at our end of each."""
    if not 0 < sides <= SIDES_MAX:
        raise NamespacesUnavailableError(f"a switch with {sides} sides: expected 1 to {SIDES_MAX}")
    user = open_ground()
    namespaces: list[Namespace] = []
    ends: list[socket.socket] = []
    for number in range(sides):
        there = make_namespace()
        here = f"switch-{number}"
        add_veth(here, "bridge", there, hardware=_hardware(number))
        bring_up(here)
        with visiting(there):
            bring_up("lo")
            add_address("bridge", side_address(number), PREFIX)
            bring_up("bridge", resolves=False)
        namespaces.append(Namespace.held(there, user))
        ends.append(listen_at(here))
    return namespaces, ends


def _hardware(number: int) -> bytes:
    """Return the Ethernet address of a side: one that is administered locally."""
    return bytes((2, 0, 10, 77, number + 1, 1))


class _Pump:
    """Carries packets between sockets, each when its time has come."""

    def __init__(self, parent: Parent, ends: list[socket.socket], ways: Ways) -> None:
        self._parent = parent
        self._ends = ends
        self._ways = ways
        self._copied = self._lost = 0
        self._buffer = bytearray(FRAME_SIZE_MAX)
        self._under_way: list[tuple[int, int, int, bytes]] = []
        """When it arrives, its number, the side it goes to, the frame."""
        self._waiting_bytes = self._number = 0

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            for number, end in enumerate(self._ends):
                selector.register(end, selectors.EVENT_READ, number)
            selector.register(self._parent, selectors.EVENT_READ)
            while not self._parent.is_stopped:
                for key, _ in selector.select(self._wait_s()):
                    if key.data is None:
                        self._obey()
                    else:
                        self._take(cast("socket.socket", key.fileobj), key.data)
                self._hand_over()

    def _wait_s(self) -> float | None:
        """Seconds until the next packet arrives; None while none is under way."""
        if not self._under_way:
            return None
        return max(0.0, (self._under_way[0][0] - time.monotonic_ns()) / SECOND)

    def _obey(self) -> None:
        order = self._parent.take()
        if order is None:
            return
        rule: Rule | None = order[0]
        if rule is not None:
            getattr(self._ways.network, rule.verb)(*rule.arguments)
        self._parent.tell(WireCounts(self._copied, self._lost))

    def _take(self, origin: socket.socket, sender: int) -> None:
        """Take what one side has sent, and work out when it arrives."""
        for _ in range(FRAMES_AT_ONCE_MAX):
            try:
                size = origin.recv_into(self._buffer)
            except BlockingIOError:
                return
            frame = memoryview(self._buffer)[:size]
            receiver = destination(frame)
            if receiver is None or not 0 <= receiver < len(self._ends):
                continue  # what the kernel says of itself, such as IPv6's first words
            now_ns = time.monotonic_ns()
            due = self._ways.due_ns(sender, receiver, size, now_ns, dials=is_dial(frame))
            if not due or self._waiting_bytes > WAITING_BYTES_MAX:
                self._lost += 1
                continue
            self._buffer[ETHERNET : ETHERNET + _HARDWARE_BYTES] = _hardware(receiver)
            for at_ns in due:
                self._number += 1
                self._waiting_bytes += size
                heapq.heappush(self._under_way, (at_ns, self._number, receiver, bytes(frame)))

    def _hand_over(self) -> None:
        """Hand over what has arrived; what finds no room is lost."""
        now_ns = time.monotonic_ns()
        while self._under_way and self._under_way[0][0] <= now_ns:
            _, _, receiver, frame = heapq.heappop(self._under_way)
            self._waiting_bytes -= len(frame)
            try:
                self._ends[receiver].send(frame)
            except OSError:
                self._lost += 1
            else:
                self._copied += 1
