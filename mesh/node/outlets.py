"""Our outbound streams: one a peer and protocol, opened on demand, each with a bounded queue.

Every end opens its own stream and only writes to it; it only reads from those that the peer opened,
as gossipsub does. A writer drains its queue into one write; while nothing waits, a frame goes
straight to the socket, because a wake-up costs more than the write. A stream that ends is opened
again, a few times, as long as the peer is connected. A stalled peer delays nobody else: its queue
fills, and what it loses is counted.
"""

from collections.abc import Callable

import trio

from mesh.gossip.effects import Priority
from mesh.gossip.queue import OutQueue
from mesh.net.errors import NetworkError
from mesh.net.streams import Network, Stream

__all__ = ["Outlets"]

REOPEN_MAX = 4
"""How often a stream that ends is opened again before we hang up and let the redialler try."""
REOPEN_S = 0.2
"""Wait before the first reopening, seconds; it doubles."""


class _Outlet:
    """One outbound stream."""

    __slots__ = ("queue", "scope", "stream", "wake")

    def __init__(self) -> None:
        self.queue = OutQueue()
        self.scope = trio.CancelScope()
        self.stream: Stream | None = None
        self.wake = trio.Event()


class Outlets:
    """The outbound streams of one node.

    Args:
        network: opens streams.
        nursery: owns the writers.
        opened: called with (peer, protocol, times opened before) when a stream stands, before
            anything is written: what the mind says first goes first.
        failed: called with a peer whose stream cannot be kept open.
        lost: called with (peer, protocol) when frames found no room.
    """

    def __init__(
        self,
        network: Network,
        nursery: trio.Nursery,
        opened: Callable[[bytes, str, int], None],
        failed: Callable[[bytes], None],
        lost: Callable[[bytes, str], None],
    ) -> None:
        self._network = network
        self._nursery = nursery
        self._opened = opened
        self._failed = failed
        self._lost = lost
        self._outlets: dict[tuple[bytes, str], _Outlet] = {}
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Frames that found no room, since the start."""
        waiting = sum(sum(outlet.queue.drops.values()) for outlet in self._outlets.values())
        return self._dropped + waiting

    def send(self, peer: bytes, protocol: str, data: bytes, priority: Priority) -> None:
        """Send framed bytes now, or queue them."""
        outlet = self.open(peer, protocol)
        stream = outlet.stream
        if stream is not None and not outlet.queue and stream.send_nowait(data):
            return
        before = outlet.queue.dropped_bytes
        outlet.queue.push(data, priority)
        if outlet.queue.dropped_bytes != before:
            self._lost(peer, protocol)
        outlet.wake.set()

    def open(self, peer: bytes, protocol: str) -> "_Outlet":
        """Return the outlet, whose stream is opened if it is none yet."""
        outlet = self._outlets.get((peer, protocol))
        if outlet is None:
            outlet = self._outlets[peer, protocol] = _Outlet()
            self._nursery.start_soon(self._write, peer, protocol, outlet)
        return outlet

    def close(self, peer: bytes, protocol: str | None = None) -> None:
        """End our streams to a peer, or the one of a protocol; what waits is dropped."""
        for key in [key for key in self._outlets if key[0] == peer and protocol in (None, key[1])]:
            outlet = self._outlets.pop(key)
            self._dropped += sum(outlet.queue.drops.values())
            outlet.scope.cancel()

    async def _write(self, peer: bytes, protocol: str, outlet: _Outlet) -> None:
        with outlet.scope:
            for attempt in range(REOPEN_MAX):
                try:
                    outlet.stream = None
                    stream = await self._network.open_stream(peer, protocol)
                    try:
                        self._opened(peer, protocol, attempt)
                        await self._drain(outlet, stream)
                    finally:
                        outlet.stream = None
                        with trio.CancelScope(shield=True) as patience:
                            patience.deadline = trio.current_time() + 1
                            await stream.reset()
                except NetworkError:
                    outlet.queue.clear()
                    await trio.sleep(REOPEN_S * 2**attempt)
            self._outlets.pop((peer, protocol), None)
            self._failed(peer)

    async def _drain(self, outlet: _Outlet, stream: Stream) -> None:
        """Write what is queued; between two batches the fast way is open."""
        while True:
            while outlet.queue:
                outlet.stream = None  # nothing may slip between two halves of a write
                await stream.send_all(outlet.queue.drain())
            outlet.stream = stream
            outlet.wake = trio.Event()
            await outlet.wake.wait()
