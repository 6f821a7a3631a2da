"""One stream of a `mesh.net.muxer.LeanYamux` connection, with libp2p's interface and our own.

libp2p's protocols read at most so many bytes and get an error at the end; our seam reads what there
is and gets b"". Both wait for the same event, which the connection sets when the other side did
anything to the stream.
"""

from types import TracebackType
from typing import TYPE_CHECKING

import trio
from libp2p.abc import IMuxedStream
from libp2p.stream_muxer.exceptions import MuxedStreamClosed, MuxedStreamEOF, MuxedStreamReset

from mesh.net.yamux import StreamState

if TYPE_CHECKING:
    from mesh.net.muxer import LeanYamux

__all__ = ["LeanStream"]


class LeanStream(IMuxedStream):
    """One stream of a `LeanYamux` connection. One task reads, one task sends."""

    def __init__(self, connection: "LeanYamux", state: StreamState) -> None:
        self.muxed_conn = connection
        self.state = state
        self._connection = connection
        self._changed = trio.Event()

    def wake(self) -> None:
        """Wakes whoever waits for bytes, for room or for the end."""
        self._changed.set()

    async def wait_changed(self) -> None:
        """Waits until the other side has done something to this stream."""
        if self._changed.is_set():
            self._changed = trio.Event()
        await self._changed.wait()

    async def receive_some(self, size_max: int | None = None) -> bytes:
        """Returns bytes that are here, waits for some, or returns b"" at the end.

        Raises:
            MuxedStreamReset: The stream or its connection is gone.
        """
        state, connection = self.state, self._connection
        while True:
            data = connection.take(state, size_max)
            if data:
                return data
            if state.ended_there:
                return b""
            if state.was_reset:
                raise MuxedStreamReset(f"stream {state.identifier} was reset")
            await self.wait_changed()

    async def read(self, n: int | None = None) -> bytes:
        """Reads as libp2p's own protocols expect it: up to `n` bytes, an error at the end.

        Raises:
            MuxedStreamEOF: The other side has ended its direction.
            MuxedStreamReset: The stream or its connection is gone.
        """
        if n == 0:
            return b""
        data = await self.receive_some(None if n is None or n < 0 else n)
        if not data:
            raise MuxedStreamEOF(f"stream {self.state.identifier} has ended")
        return data

    async def write(self, data: bytes) -> None:
        """Sends all of `data`, waiting for room as often as needed.

        Raises:
            MuxedStreamReset: The stream or its connection is gone.
            MuxedStreamClosed: Our direction was ended before.
        """
        state, connection = self.state, self._connection
        rest = memoryview(data)
        while True:
            if state.was_reset:
                raise MuxedStreamReset(f"stream {state.identifier} was reset")
            if state.ended_here:
                raise MuxedStreamClosed(f"our end of stream {state.identifier} is closed")
            if not rest:
                return
            if connection.is_backed_up:
                await connection.wait_drained()
            elif sent := connection.send(state, rest):
                rest = rest[sent:]
            else:
                await self.wait_changed()

    def write_nowait(self, data: bytes) -> bool:
        """Sends all of `data` now, or nothing."""
        state, connection = self.state, self._connection
        if (
            state.was_reset
            or state.ended_here
            or connection.is_backed_up
            or len(data) > state.send_window
        ):
            return False
        rest = memoryview(data)
        while rest:
            rest = rest[connection.send(state, rest) :]
        return not state.was_reset

    async def close(self) -> None:
        """Ends our direction; the other side's goes on."""
        self._connection.end(self.state)

    async def abandon(self) -> None:
        """Ends our direction and drops whatever the other side still sends."""
        self._connection.abandon(self.state)

    async def reset(self) -> None:
        """Drops both directions."""
        self._connection.reset(self.state)
        self.wake()

    def set_deadline(self, ttl: int) -> None:
        """Refuses: use a trio cancel scope.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(f"no deadline of {ttl} s on a stream, use trio.fail_after")

    def get_remote_address(self) -> tuple[str, int] | None:
        """Returns the address and port of the other side."""
        return self._connection.get_remote_address()

    async def __aenter__(self) -> "LeanStream":
        """Returns the stream itself."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Ends our direction."""
        await self.close()
