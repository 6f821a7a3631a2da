"""What becomes of a packet on its way from one side of a switch to another.

The rules are those of the simulated network (`simulator.network`): the same cuts, the same
links, the same word for who may be dialled. Only what a model of streams has to work out is left to
the real streams above: a packet that is lost is lost, and TCP sends it again.

A frame is an Ethernet frame as a packet socket gives it, behind the header of virtio_net.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh.testing.simulator.network import REORDERED_NS, Network
from mesh.units import MS, SECOND

if TYPE_CHECKING:
    from random import Random

__all__ = ["ETHERNET", "PACKET", "Ways", "destination", "is_dial", "side_key"]

ETHERNET = 10
"""Where the Ethernet header begins: behind that of virtio_net."""
PACKET = ETHERNET + 14
"""Where the IP packet begins."""
_IPV4_BYTES_MIN = 20
_TCP, _SYN, _ACK = 6, 0x02, 0x10


def side_key(number: int) -> bytes:
    """Return what the rules of a network call a side, counted from 0."""
    return number.to_bytes(2, "big")


def destination(frame: memoryview) -> int | None:
    """Return the number of the side that an IPv4 packet goes to; None for anything else.

    Sides have the addresses 10.77.(number + 1).1.
    """
    if len(frame) < PACKET + _IPV4_BYTES_MIN or frame[PACKET] >> 4 != 4:
        return None
    first, second, third, fourth = frame[PACKET + 16 : PACKET + 20]
    return third - 1 if (first, second, fourth) == (10, 77, 1) else None


def is_dial(frame: memoryview) -> bool:
    """Whether a packet asks for a new TCP connection."""
    flags = PACKET + (frame[PACKET] & 0x0F) * 4 + 13
    if frame[PACKET + 9] != _TCP or len(frame) <= flags:
        return False
    return frame[flags] & (_SYN | _ACK) == _SYN


@dataclass(slots=True)
class _Way:
    """What one direction between two sides remembers; see `simulator.network.Timing`."""

    sent_ns: int = 0
    ready_ns: int = 0


class Ways:
    """When packets arrive, by the rules of a network whose boxes are called by `side_key`.

    Args:
        network: the rules; whoever changes them does it here.
        rng: where every random number comes from.
    """

    def __init__(self, network: Network, rng: "Random") -> None:
        self.network = network
        self._random = rng.random
        self._ways: dict[tuple[int, int], _Way] = {}

    def due_ns(
        self, sender: int, receiver: int, size: int, now_ns: int, *, dials: bool = False
    ) -> tuple[int, ...]:
        """Return when a packet that is sent now arrives, once for each copy; empty if it is lost.

        Packets of one way arrive in order, but for those that the link reorders.

        Args:
            sender: number of the side that it comes from.
            receiver: number of the side that it goes to.
            size: bytes.
            now_ns: monotonic time.
            dials: whether it asks for a new connection.
        """
        network, random = self.network, self._random
        a, b = side_key(sender), side_key(receiver)
        if not network.crosses(a, b) or (dials and not network.may_dial(a, b)):
            return ()
        model = network.model_of(a, b)
        if model.loss and random() < model.loss:
            return ()
        way = self._ways.setdefault((sender, receiver), _Way())
        if not network.fits(way, a, b, size, now_ns):
            return ()
        copies = 2 if model.duplication and random() < model.duplication else 1
        due: list[int] = []
        for _ in range(copies):
            way.sent_ns = max(now_ns, way.sent_ns)
            if model.kbit_s is not None:
                way.sent_ns += int(size * 8 * SECOND / (model.kbit_s * 1000))
            at_ns = way.sent_ns + int((model.latency_ms + random() * model.jitter_ms) * MS)
            if model.reordering and random() < model.reordering:
                due.append(at_ns + int(random() * REORDERED_NS))
                continue
            way.ready_ns = max(way.ready_ns, at_ns)
            due.append(way.ready_ns)
        return tuple(due)
