"""Streams and links of the in-memory network.

A pipe is one direction of one stream: chunks with the time at which they arrive, at most a window
of them. A link is what two networks share while they are connected; when it goes silent, readers
see nothing until it speaks again, and when it is cut every pipe of it is reset.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol
from weakref import WeakSet

import trio

from identity.keys import peer_id
from mesh.net.errors import StreamClosedError, StreamResetError
from mesh.net.limits import STREAM_WINDOW, VANISHED_AFTER_S

__all__ = ["Latency", "Link", "LinkEnd", "MemoryStream", "Pipe"]

Latency = Callable[[bytes, bytes], float]
"""Seconds from the first public key to the second."""


class LinkEnd(Protocol):
    """A network, as far as a link is concerned."""

    @property
    def public(self) -> bytes:
        """Its public key."""
        ...

    def lost(self, peer: bytes) -> None:
        """Hears that its link to `peer` is gone."""
        ...


class Pipe:
    """One direction of one stream.

    Attributes:
        ended_at: When the end arrives, on the clock of trio; None while it is open.
        was_reset: The stream was dropped.
        is_refused: Nobody reads any more.
    """

    def __init__(self, link: "Link", sender: bytes, receiver: bytes) -> None:
        self._link = link
        self._ends = sender, receiver
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._changed = trio.Event()
        self.ended_at: float | None = None
        self.was_reset = False
        self.is_refused = False

    def wake(self) -> None:
        """Wakes whoever waits for this direction to change."""
        self._changed.set()

    async def _wait_changed(self, until: float) -> None:
        if self._changed.is_set():
            self._changed = trio.Event()
        with trio.move_on_at(until):
            await self._changed.wait()

    async def receive(self) -> bytes:
        """Reads what has arrived, b"" at the end.

        Raises:
            StreamResetError: The stream or the link is gone.
        """
        while True:
            if self.was_reset:
                raise StreamResetError(f"the stream with {peer_id(self._ends[0])} was reset")
            wake_at = float("inf")
            if not self._link.is_silent:
                now = trio.current_time()
                data = self._take(now)
                if data:
                    return data
                if self._chunks:
                    wake_at = self._chunks[0][0]
                elif self.ended_at is not None:
                    if self.ended_at <= now:
                        return b""
                    wake_at = self.ended_at
            await self._wait_changed(wake_at)

    def _take(self, now: float) -> bytes:
        taken: list[bytes] = []
        while self._chunks and self._chunks[0][0] <= now:
            taken.append(self._chunks.popleft()[1])
        data = b"".join(taken)
        self._size -= len(data)
        if data:
            self.wake()
        return data

    async def send(self, data: bytes) -> None:
        """Sends everything, waiting for the reader as often as needed.

        Raises:
            StreamResetError: The stream or the link is gone.
            StreamClosedError: This direction has ended.
        """
        rest = memoryview(data)
        while self._may_send() and rest:
            room = STREAM_WINDOW - self._size
            if room > 0:
                self._put(bytes(rest[:room]))
                rest = rest[room:]
            else:
                await self._wait_changed(float("inf"))

    def send_nowait(self, data: bytes) -> bool:
        """Sends everything now, or nothing."""
        if self.was_reset or self.is_refused or self.ended_at is not None:
            return False
        if len(data) > STREAM_WINDOW - self._size:
            return False
        self._put(data)
        return True

    def _may_send(self) -> bool:
        if self.was_reset or self.is_refused:
            raise StreamResetError(f"the stream with {peer_id(self._ends[1])} was reset")
        if self.ended_at is not None:
            raise StreamClosedError(f"our end of the stream with {peer_id(self._ends[1])} is over")
        return True

    def _put(self, data: bytes) -> None:
        if data:
            self._chunks.append((self._link.due(*self._ends), data))
            self._size += len(data)
            self.wake()

    def end(self) -> None:
        """Ends this direction after what was sent."""
        if self.ended_at is None:
            self.ended_at = self._link.due(*self._ends)
            self.wake()

    def refuse(self) -> None:
        """Drops what is still sent, because nobody will read it."""
        self.is_refused = True
        self.wake()

    def reset(self) -> None:
        """Drops what is under way."""
        self.was_reset = True
        self._chunks.clear()
        self.wake()


class MemoryStream:
    """One end of a stream between two memory networks."""

    def __init__(self, link: "Link", peer: bytes, protocol: str, pipes: tuple[Pipe, Pipe]):
        self.peer = peer
        self.protocol = protocol
        self._link = link
        self._inbound, self._outbound = pipes

    async def receive_some(self) -> bytes:
        """Returns the bytes that are here, or waits for some."""
        return await self._inbound.receive()

    async def send_all(self, data: bytes) -> None:
        """Sends everything."""
        await self._outbound.send(data)

    def send_nowait(self, data: bytes) -> bool:
        """Sends everything now, or nothing."""
        return self._outbound.send_nowait(data)

    async def aclose(self) -> None:
        """Ends our direction."""
        self._outbound.end()

    async def reset(self) -> None:
        """Drops both directions."""
        self.cut()

    def cut(self) -> None:
        """Drops both directions."""
        self._inbound.reset()
        self._outbound.reset()

    def abandon(self) -> None:
        """Ends our direction and drops whatever the other side still sends."""
        self._outbound.end()
        self._inbound.refuse()

    def __repr__(self) -> str:
        return f"<stream {self.protocol} with {peer_id(self.peer)}>"


class Link:
    """A connection between two networks."""

    def __init__(self, latency_s: Latency, dialler: "LinkEnd", listener: "LinkEnd") -> None:
        self.is_silent = False
        self._silences = 0
        self._latency_s = latency_s
        self._ends = dialler, listener
        # Weakly, so that a stream which both ends have let go of is gone.
        self._pipes: WeakSet[Pipe] = WeakSet()

    def due(self, sender: bytes, receiver: bytes) -> float:
        """When something sent now arrives, on the clock of trio."""
        return trio.current_time() + self._latency_s(sender, receiver)

    def open(self, near: bytes, far: bytes, protocol: str) -> tuple[MemoryStream, MemoryStream]:
        """Returns both ends of a new stream, the near one first."""
        there, back = Pipe(self, near, far), Pipe(self, far, near)
        self._pipes |= {there, back}
        return MemoryStream(self, far, protocol, (back, there)), MemoryStream(
            self, near, protocol, (there, back)
        )

    def set_silent(self, *, silent: bool) -> None:
        """Stops everything under way without a word, or lets it go on."""
        self.is_silent = silent
        self._silences += silent
        for pipe in list(self._pipes):
            pipe.wake()

    async def give_up_if_silent(self) -> None:
        """Cuts the link if it is silent all the time until a keepalive would have noticed."""
        silence = self._silences
        await trio.sleep(VANISHED_AFTER_S)
        if self.is_silent and self._silences == silence:
            self.cut()

    def cut(self) -> None:
        """Resets every stream and tells both networks."""
        for pipe in list(self._pipes):
            pipe.reset()
        self._pipes.clear()
        dialler, listener = self._ends
        dialler.lost(listener.public)
        listener.lost(dialler.public)
