"""Yamux as a pure state machine: bytes in, bytes out, and which streams changed.

Yamux (hashicorp/yamux, spec.md; `/yamux/1.0.0` in libp2p) carries many streams over one connection:
a 12-byte header (version, type, flags, stream, length), for data frames followed by a body. Each
direction of each stream has a window of unread bytes; the receiver returns credit, here once half a
window was read, so that credit costs one frame in 128 KiB.

Frames may arrive split anywhere. A body that is only partly here is delivered as far as it is here,
so there is nothing to put back in order later. A peer that breaks the rules, and whoever makes us
queue more answers than it reads, loses the connection (`YamuxError`). A stream beyond
`INBOUND_STREAMS_MAX`, or one whose unread bytes exceed what a connection may hold, is reset alone.

Bytes to send collect in one queue in the order of the calls; `take_outgoing` hands them out in
pieces that fit one noise message.
"""

import struct
from collections import deque

from mesh.net.limits import (
    CONNECTION_UNREAD_MAX,
    CONTROL_QUEUE_MAX,
    FRAME_BODY_MAX,
    INBOUND_STREAMS_MAX,
    STREAM_WINDOW,
)

__all__ = ["StreamState", "YamuxError", "YamuxSession"]

_HEADER = struct.Struct("!BBHII")
_DATA, _WINDOW_UPDATE, _PING, _GO_AWAY = range(4)
_SYN, _ACK, _FIN, _RST = 1, 2, 4, 8
_SEND_WINDOW_MAX = 1 << 32
_IDENTIFIER_MAX = (1 << 32) - 1
_GO_AWAY_PROTOCOL_ERROR = 1


class YamuxError(Exception):
    """The other side broke the protocol or a limit; the connection cannot go on."""


class StreamState:
    """One stream as the session sees it; change it through the session only.

    Attributes:
        identifier: Its number on the wire.
        chunks: Bytes received and not yet read, in order.
        unread: How many bytes they are.
        send_window: Bytes that the other side still lets us send.
        ended_here: We have ended our direction.
        ended_there: The other side has ended its direction.
        was_reset: Either side has dropped the stream. If `ended_there` is set beside it, the other
            side had sent everything before, and `chunks` may still be read.
    """

    __slots__ = (
        "chunks",
        "credit",
        "ended_here",
        "ended_there",
        "identifier",
        "receive_window",
        "send_window",
        "unread",
        "was_reset",
    )

    def __init__(self, identifier: int) -> None:
        self.identifier = identifier
        self.chunks: deque[bytes] = deque()
        self.unread = 0
        self.credit = 0
        self.receive_window = STREAM_WINDOW
        self.send_window = STREAM_WINDOW
        self.ended_here = False
        self.ended_there = False
        self.was_reset = False

    def __repr__(self) -> str:
        flags = [name for name in ("ended_here", "ended_there", "was_reset") if getattr(self, name)]
        return f"<StreamState {self.identifier} unread={self.unread} {' '.join(flags)}>"


class YamuxSession:
    """Both directions of one multiplexed connection.

    Attributes:
        streams: Streams that are not over, by number.
        unread: Bytes of all streams that nobody has read.
        queued: Bytes waiting in `take_outgoing`.
        pongs: How often the other side answered `ping`.
        is_over: The other side has said goodbye.
    """

    def __init__(self, *, is_initiator: bool) -> None:
        self.streams: dict[int, StreamState] = {}
        self.unread = 0
        self.queued = 0
        self.pongs = 0
        self.is_over = False
        self._next_identifier = 1 if is_initiator else 2
        self._parity_there = 0 if is_initiator else 1
        self._inbound = 0
        self._opened: list[StreamState] = []
        self._outgoing: deque[bytes] = deque()
        self._control_queued = 0
        self._header = bytearray()
        self._body_left = 0
        self._body_stream: StreamState | None = None
        self._body_flags = 0
        self._touched: dict[int, StreamState] = {}

    # What the wire tells us.

    def receive(self, data: bytes) -> list[StreamState]:
        """Takes the next bytes from the connection.

        Args:
            data: Plaintext, cut anywhere.

        Returns:
            Streams that have something new: bytes, room to send, an end. In order of first touch.

        Raises:
            YamuxError: The connection has to be closed, after sending what is queued.
        """
        position, end = 0, len(data)
        while position < end:
            if self._body_left:
                taken = min(self._body_left, end - position)
                self._take_body(data[position : position + taken])
                position += taken
            elif self._header or end - position < _HEADER.size:
                taken = min(_HEADER.size - len(self._header), end - position)
                self._header += data[position : position + taken]
                position += taken
                if len(self._header) == _HEADER.size:
                    fields = _HEADER.unpack(self._header)
                    self._header.clear()
                    self._take_header(*fields)
            else:
                self._take_header(*_HEADER.unpack_from(data, position))
                position += _HEADER.size
        touched = list(self._touched.values())
        self._touched.clear()
        return touched

    def take_opened(self) -> list[StreamState]:
        """Returns the streams that the other side has opened since the last call."""
        opened, self._opened = self._opened, []
        return opened

    def _take_header(
        self, version: int, kind: int, flags: int, identifier: int, length: int
    ) -> None:
        if version != 0 or kind > _GO_AWAY:
            self._fail(f"version {version} type {kind}, expected version 0 and a type up to 3")
        if kind == _PING:
            if flags & _SYN:
                self._control(_PING, _ACK, 0, length)
            else:
                self.pongs += 1
        elif kind == _GO_AWAY:
            self.is_over = True
        else:
            self._take_stream_header(kind, flags, identifier, length)

    def _take_stream_header(self, kind: int, flags: int, identifier: int, length: int) -> None:
        stream = self.streams.get(identifier)
        refused = False
        if flags & _SYN:
            if stream is not None or identifier & 1 != self._parity_there or identifier == 0:
                self._fail(f"opened stream {identifier}, which is ours or open")
            stream = self._accept(identifier)
            refused = stream is None
        if kind == _WINDOW_UPDATE:
            if stream is not None:
                stream.send_window = min(stream.send_window + length, _SEND_WINDOW_MAX)
                self._touch(stream)
                self._take_end(stream, flags)
            return
        window = STREAM_WINDOW if stream is None else stream.receive_window
        if length > window:
            self._fail(f"{length} bytes on stream {identifier}, window {window}")
        if stream is None and not refused and not flags & (_FIN | _RST):
            self._control(_WINDOW_UPDATE, _RST, identifier, 0)
        self._body_left, self._body_stream, self._body_flags = length, stream, flags
        if not length:
            self._end_body()

    def _accept(self, identifier: int) -> StreamState | None:
        if self._inbound >= INBOUND_STREAMS_MAX:
            self._control(_WINDOW_UPDATE, _RST, identifier, 0)
            return None
        stream = self.streams[identifier] = StreamState(identifier)
        self._inbound += 1
        self._opened.append(stream)
        self._control(_WINDOW_UPDATE, _ACK, identifier, 0)
        return stream

    def _take_body(self, chunk: bytes) -> None:
        self._body_left -= len(chunk)
        stream = self._body_stream
        if stream is not None and not stream.was_reset and not stream.ended_there:
            stream.chunks.append(chunk)
            stream.unread += len(chunk)
            stream.receive_window -= len(chunk)
            self.unread += len(chunk)
            self._touch(stream)
            if self.unread > CONNECTION_UNREAD_MAX:
                self.reset(stream)
        if not self._body_left:
            self._end_body()

    def _end_body(self) -> None:
        if self._body_stream is not None:
            self._take_end(self._body_stream, self._body_flags)
        self._body_stream = None

    def _take_end(self, stream: StreamState, flags: int) -> None:
        if flags & _RST:
            if stream.ended_there:
                # It was complete before it was dropped, so what is here may still be read.
                stream.was_reset = True
                self._forget_if_over(stream)
            else:
                self._drop(stream)
            self._touch(stream)
        elif flags & _FIN:
            stream.ended_there = True
            self._touch(stream)
            self._forget_if_over(stream)

    def _touch(self, stream: StreamState) -> None:
        self._touched[stream.identifier] = stream

    def _fail(self, violation: str) -> None:
        self._queue(_HEADER.pack(0, _GO_AWAY, 0, 0, _GO_AWAY_PROTOCOL_ERROR))
        raise YamuxError(f"yamux violation: {violation}")

    # What we want to tell.

    def open(self) -> StreamState:
        """Opens a stream.

        Raises:
            YamuxError: All 2^31 numbers were used; the connection has to be replaced.
        """
        if self._next_identifier > _IDENTIFIER_MAX:
            raise YamuxError("no stream numbers left on this connection, open a new connection")
        stream = self.streams[self._next_identifier] = StreamState(self._next_identifier)
        self._next_identifier += 2
        self._control(_WINDOW_UPDATE, _SYN, stream.identifier, 0)
        return stream

    def send(self, stream: StreamState, data: memoryview) -> int:
        """Queues as much of `data` as the window and one frame take; returns how many bytes."""
        size = min(len(data), stream.send_window, FRAME_BODY_MAX)
        if size:
            stream.send_window -= size
            header = _HEADER.pack(0, _DATA, 0, stream.identifier, size)
            self._queue(header + data[:size])
        return size

    def read(self, stream: StreamState, size_max: int | None = None) -> bytes:
        """Takes bytes that have arrived and returns credit for them.

        Args:
            stream: Of this session.
            size_max: At most so many bytes; None for all.

        Returns:
            The bytes in order, b"" when there are none.
        """
        chunks = stream.chunks
        if not chunks:
            return b""
        if size_max is None or size_max >= stream.unread:
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.clear()
        else:
            data = chunks.popleft()
            if len(data) > size_max:
                chunks.appendleft(data[size_max:])
                data = data[:size_max]
        stream.unread -= len(data)
        self.unread -= len(data)
        stream.credit += len(data)
        if stream.credit >= STREAM_WINDOW // 2 and not stream.ended_there:
            self._control(_WINDOW_UPDATE, 0, stream.identifier, stream.credit)
            stream.receive_window += stream.credit
            stream.credit = 0
        self._forget_if_over(stream)
        return data

    def end(self, stream: StreamState) -> None:
        """Ends our direction of a stream, after what was sent."""
        if not stream.ended_here and not stream.was_reset:
            stream.ended_here = True
            self._control(_WINDOW_UPDATE, _FIN, stream.identifier, 0)
            self._forget_if_over(stream)

    def abandon(self, stream: StreamState) -> None:
        """Ends our direction and forgets theirs: what still comes is refused."""
        self.end(stream)
        self._drop(stream)

    def reset(self, stream: StreamState) -> None:
        """Drops both directions of a stream."""
        if not stream.was_reset and stream.identifier in self.streams:
            self._control(_WINDOW_UPDATE, _RST, stream.identifier, 0)
        self._drop(stream)

    def reset_all(self) -> None:
        """Marks every stream as reset without a word, because the connection is gone."""
        for stream in list(self.streams.values()):
            self._drop(stream)

    def ping(self) -> None:
        """Asks the other side for a sign of life; `pongs` counts the answers."""
        self._control(_PING, _SYN, 0, 0)

    def go_away(self) -> None:
        """Says goodbye."""
        self._queue(_HEADER.pack(0, _GO_AWAY, 0, 0, 0))

    def take_outgoing(self, size_max: int) -> bytes:
        """Takes queued frames off the queue.

        Args:
            size_max: At most so many bytes, at least one frame's.

        Returns:
            Whole frames, b"" when there are none.
        """
        outgoing = self._outgoing
        taken: list[bytes] = []
        size = 0
        while outgoing and (not taken or size + len(outgoing[0]) <= size_max):
            frame = outgoing.popleft()
            size += len(frame)
            if len(frame) == _HEADER.size:
                self._control_queued -= len(frame)
            taken.append(frame)
        self.queued -= size
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _control(self, kind: int, flags: int, identifier: int, length: int) -> None:
        if self._control_queued >= CONTROL_QUEUE_MAX:
            raise YamuxError(
                f"{self._control_queued} bytes of answers wait for a peer that does not read them"
            )
        self._queue(_HEADER.pack(0, kind, flags, identifier, length))

    def _queue(self, frame: bytes) -> None:
        if len(frame) == _HEADER.size:
            self._control_queued += len(frame)
        self._outgoing.append(frame)
        self.queued += len(frame)

    def _forget_if_over(self, stream: StreamState) -> None:
        if stream.ended_there and not stream.chunks and (stream.ended_here or stream.was_reset):
            self._forget(stream)

    def _drop(self, stream: StreamState) -> None:
        stream.was_reset = True
        stream.ended_there = False
        self.unread -= stream.unread
        stream.unread = 0
        stream.chunks.clear()
        self._forget(stream)

    def _forget(self, stream: StreamState) -> None:
        if self.streams.pop(stream.identifier, None) is not None:
            self._inbound -= stream.identifier & 1 == self._parity_there

    def __repr__(self) -> str:
        return f"<YamuxSession streams={len(self.streams)} unread={self.unread} out={self.queued}>"
