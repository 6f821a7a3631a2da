"""Simulated boxes that exchange one artefact over links with a bandwidth, in virtual time.

Each box has one access link, as wide up as down and shared by all its neighbours: what it sends
leaves in the order in which it was written, what it receives arrives one frame after the other. So
a request waits behind the chunks that were written before it, on both ends, as it would on a real
line. Around that, a fixed latency and a share of bytes for headers.
"""

import heapq
from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random

from mesh.framing import FrameReader
from mesh.orchestration.blob_effects import (
    Begin,
    BlobEffect,
    Complete,
    Found,
    Load,
    Penalise,
    Resume,
    Seal,
    Sealed,
    Send,
    Store,
)
from mesh.orchestration.blob_frames import BLOB_FRAME_SIZE_MAX
from mesh.orchestration.blob_limits import ExchangeLimits
from mesh.orchestration.blob_tree import CHUNK_SIZE, leaves_of, reference_of
from mesh.orchestration.blobs import Exchange
from mesh.units import MS, SECOND

__all__ = ["Line", "Swarm"]

DISK_NS = 1 * MS
"""To write or read one chunk."""
HEADERS = 1.06
"""Bytes on the line for each byte of ours: noise, yamux, TCP, IP and Ethernet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A box's access link."""

    rate: float = 100e6 / 8
    """Bytes a second, each way."""
    latency_ns: int = 5 * MS


class _Box:
    def __init__(self, name: bytes, exchange: Exchange) -> None:
        self.name = name
        self.exchange = exchange
        self.up_ns = 0
        self.down_ns = 0
        self.timer_ns: int | None = None
        self.complete_ns: int | None = None
        self.penalties = 0
        self.bytes_up = 0


class Swarm:
    """Boxes and what is on its way between them."""

    def __init__(
        self, data: bytes, neighbours: dict[bytes, Collection[bytes]], line: Line, seed: int
    ) -> None:
        self.now_ns = 0
        self._completed = 0
        self._data = memoryview(data)
        self._line = line
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self.reference = reference_of(data)
        self._leaves = leaves_of(data)
        self.boxes = {
            name: _Box(name, Exchange(ExchangeLimits(), Random(f"{seed} {number}")))
            for number, name in enumerate(neighbours)
        }
        for name, near in neighbours.items():
            for other in near:
                self._perform(name, self.boxes[name].exchange.peer_added(other, 0))

    def start(self, holders: Collection[bytes]) -> None:
        """Let some hold the artefact and the others want it, all at once."""
        for name, box in self.boxes.items():
            if name in holders:
                box.complete_ns = 0
                self._perform(name, box.exchange.have(self.reference, self._leaves, 0))
            else:
                self._perform(name, box.exchange.want(self.reference, 0))

    def run(self, until_ns: int) -> bool:
        """Run until every box has it; returns whether they do in time."""
        missing = sum(box.complete_ns is None for box in self.boxes.values())
        while self._queue and missing:
            self.now_ns, _, action = heapq.heappop(self._queue)
            if self.now_ns > until_ns:
                return False
            before = self._completed
            action()
            missing -= self._completed - before
        return not missing

    @property
    def penalties(self) -> int:
        """Frames that a box took for no honest peer's."""
        return sum(box.penalties for box in self.boxes.values())

    def bytes_up(self, name: bytes) -> int:
        """What a box has sent."""
        return self.boxes[name].bytes_up

    def _at(self, at_ns: int, action: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (at_ns, self._order, action))

    def _answer(self, name: bytes, call: Callable[[int], list[BlobEffect]]) -> None:
        self._perform(name, call(self.now_ns))

    def _perform(self, name: bytes, effects: list[BlobEffect]) -> None:
        box = self.boxes[name]
        exchange = box.exchange
        for effect in effects:
            match effect:
                case Send():
                    self._send(box, effect)
                case Resume(ticket, _):
                    self._later(name, lambda now, t=ticket: exchange.resumed(t, Found(), now))
                case Begin(ticket, _, _) | Store(ticket, _, _, _):
                    self._later(name, lambda now, t=ticket: exchange.stored(t, now))
                case Load(ticket, _, index):
                    chunk = self._data[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]
                    self._later(name, lambda now, t=ticket, c=chunk: exchange.loaded(t, c, now))
                case Seal(ticket, _):
                    self._later(name, lambda now, t=ticket: exchange.sealed(t, Sealed(True), now))
                case Complete():
                    box.complete_ns = self.now_ns
                    self._completed += 1
                case Penalise():
                    box.penalties += 1
                case _:
                    raise AssertionError(effect)
        self._arm(box)

    def _later(self, name: bytes, call: Callable[[int], list[BlobEffect]]) -> None:
        self._at(self.now_ns + DISK_NS, lambda: self._answer(name, call))

    def _send(self, box: _Box, send: Send) -> None:
        took_ns = int(len(send.data) * HEADERS * SECOND / self._line.rate)
        box.up_ns = max(box.up_ns, self.now_ns) + took_ns
        box.bytes_up += len(send.data)
        if send.ticket:
            self._at(
                box.up_ns,
                lambda: self._answer(box.name, lambda now: box.exchange.sent(send.ticket, now)),
            )
        other = self.boxes[send.peer]

        def arrive() -> None:
            other.down_ns = max(other.down_ns, self.now_ns) + took_ns
            self._at(other.down_ns, take)

        def take() -> None:
            for frame in FrameReader(BLOB_FRAME_SIZE_MAX).feed(send.data):
                self._answer(
                    other.name, lambda now, f=frame: other.exchange.receive(box.name, f, now)
                )

        # Its first byte arrives a latency after it left; the last one when the line down is free.
        self._at(box.up_ns - took_ns + self._line.latency_ns, arrive)

    def _arm(self, box: _Box) -> None:
        at_ns = box.exchange.deadline_ns()
        if at_ns is None or (box.timer_ns is not None and box.timer_ns <= at_ns):
            return
        box.timer_ns = max(at_ns, self.now_ns)

        def fire() -> None:
            if box.timer_ns is not None and self.now_ns >= box.timer_ns:
                box.timer_ns = None
                self._answer(box.name, box.exchange.tick)

        self._at(box.timer_ns, fire)
