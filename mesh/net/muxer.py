"""The yamux session of `mesh.net.yamux` on a libp2p connection.

What costs time on a small message is not the work but the wake-ups, so the shell around the session
has none to spare. Over TCP a frame is encrypted and given to the kernel inside the call that sends
it; what arrives is decrypted and sorted to its streams in one go, and only then are their readers
woken. Nothing that the reader does can block on the other side, so two peers that send each other
more than they read never wait for each other in a circle.

Over anything that is not our own TCP (websockets, relays) a task of its own writes the queue.

A peer that vanished without a word is noticed by its silence: after `KEEPALIVE_S` without a byte it
is asked, after another `PONG_TIMEOUT_S` without a byte the connection is closed.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import trio
from libp2p.abc import IMuxedConn, ISecureConn
from libp2p.connection_types import ConnectionType
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.security.noise.io import NoiseTransportReadWriter
from libp2p.security.secure_session import SecureSession
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable
from multiaddr import Multiaddr

from mesh.net.limits import (
    CLOSE_TIMEOUT_S,
    CONNECTION_UNSENT_MAX,
    KEEPALIVE_S,
    PLAINTEXT_MAX,
    PONG_TIMEOUT_S,
)
from mesh.net.muxed_stream import LeanStream
from mesh.net.tcp import TcpStream
from mesh.net.yamux import StreamState, YamuxError, YamuxSession

__all__ = ["LeanYamux"]

_logger = logging.getLogger("mesh.net")


class LeanYamux(IMuxedConn):
    """One multiplexed, authenticated connection.

    Attributes:
        on_close: Called once the connection is gone; libp2p's swarm sets it.
    """

    on_close: Callable[[], Awaitable[None]] | None

    def __init__(self, secured: ISecureConn, peer_id: ID) -> None:
        self.peer_id = peer_id
        self.event_started = trio.Event()
        self.event_closed = trio.Event()
        self.on_close = None
        self._secured = secured
        self._link = _tcp_below(secured)
        self._session = YamuxSession(is_initiator=secured.is_initiator)
        self._streams: dict[int, LeanStream] = {}
        self._accepted: deque[LeanStream] = deque()
        self._acceptable = trio.Event()
        self._writable = trio.Event()
        self._drained = trio.Event()
        self._heard = 0.0
        self._broken = False
        self._scope = trio.CancelScope()
        if self._link is not None:
            self._link.defer_writes()

    # What libp2p asks.

    @property
    def is_initiator(self) -> bool:
        """Whether we dialled."""
        return self._secured.is_initiator

    @property
    def is_established(self) -> bool:
        """Whether streams can be opened."""
        return self.event_started.is_set() and not self.is_closed

    @property
    def is_closed(self) -> bool:
        """Whether the connection is gone."""
        return self._broken or self.event_closed.is_set()

    def get_transport_addresses(self) -> list[Multiaddr]:
        """Returns the multiaddrs of the connection below."""
        remote = self.get_remote_address()
        if remote is None:
            return []
        host, port = remote
        return [Multiaddr(f"/{'ip6' if ':' in host else 'ip4'}/{host}/tcp/{port}")]

    def get_connection_type(self) -> ConnectionType:
        """Returns how we reach the peer."""
        return ConnectionType.DIRECT if self._link else self._secured.get_connection_type()

    def get_remote_address(self) -> tuple[str, int] | None:
        """Returns the address and port of the other side."""
        return self._secured.get_remote_address()

    async def open_stream(self) -> LeanStream:
        """Opens a stream; the other side hears of it at once.

        Raises:
            MuxedConnUnavailable: The connection is gone.
        """
        if self.is_closed:
            raise MuxedConnUnavailable(f"connection to {self.peer_id} is closed")
        try:
            state = self._session.open()
        except YamuxError as error:
            self._break()
            raise MuxedConnUnavailable(str(error)) from error
        stream = self._streams[state.identifier] = LeanStream(self, state)
        self._pump()
        return stream

    async def accept_stream(self) -> LeanStream:
        """Waits for the other side to open a stream.

        Raises:
            MuxedConnUnavailable: The connection is gone.
        """
        while not self._accepted:
            if self.is_closed:
                raise MuxedConnUnavailable(f"connection to {self.peer_id} is closed")
            self._acceptable = trio.Event()
            await self._acceptable.wait()
        return self._accepted.popleft()

    async def start(self) -> None:
        """Runs the connection until it is closed or breaks. Never raises on the peer's account."""
        self._heard = trio.current_time()
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write_queue)
                    nursery.start_soon(self._watch_silence)
                    self.event_started.set()
                    await self._read_frames()
                    nursery.cancel_scope.cancel()
        except Exception:
            _logger.exception("connection to %s failed", self.peer_id)
        finally:
            self.event_started.set()
            await self._shut()

    async def close(self) -> None:
        """Says goodbye, gives the kernel what is queued and closes."""
        if not self.is_closed:
            self._session.go_away()
            self._pump()
            with trio.move_on_after(CLOSE_TIMEOUT_S):
                while self._unsent and not self.is_closed:
                    await self.wait_drained()
        await self._shut()

    # What its streams ask.

    @property
    def is_backed_up(self) -> bool:
        """Whether so much is queued that senders have to wait."""
        return self._unsent >= CONNECTION_UNSENT_MAX

    @property
    def _unsent(self) -> int:
        return self._session.queued + (len(self._link.unsent) if self._link else 0)

    async def wait_drained(self) -> None:
        """Waits until the queue has become shorter, or the connection is gone."""
        self._writable.set()
        if self._drained.is_set():
            self._drained = trio.Event()
        await self._drained.wait()

    def take(self, state: StreamState, size_max: int | None) -> bytes:
        """Takes bytes that have arrived on a stream."""
        try:
            data = self._session.read(state, size_max)
        except YamuxError as error:
            self._misbehaved(error)
            return b""
        self._settle(state)
        return data

    def send(self, state: StreamState, data: memoryview) -> int:
        """Sends as much as one frame and the window take; returns how many bytes."""
        sent = self._session.send(state, data)
        if sent:
            self._pump()
        return sent

    def end(self, state: StreamState) -> None:
        """Ends our direction of a stream."""
        self._tell(self._session.end, state)

    def abandon(self, state: StreamState) -> None:
        """Ends our direction of a stream and drops the other."""
        self._tell(self._session.abandon, state)

    def reset(self, state: StreamState) -> None:
        """Drops both directions of a stream."""
        self._tell(self._session.reset, state)

    def _tell(self, command: Callable[[StreamState], None], state: StreamState) -> None:
        if self.is_closed:
            return
        try:
            command(state)
        except YamuxError as error:
            self._misbehaved(error)
        self._settle(state)

    def _settle(self, state: StreamState) -> None:
        if state.identifier not in self._session.streams:
            self._streams.pop(state.identifier, None)
        if self._session.queued:
            self._pump()

    # The three tasks.

    async def _read_frames(self) -> None:
        while True:
            try:
                data = await self._secured.read()
            except Exception:
                # Whatever a broken or forged wire provokes: an end, a cut, a wrong tag.
                _logger.debug("connection to %s ended", self.peer_id, exc_info=True)
                return
            self._heard = trio.current_time()
            try:
                touched = self._session.receive(data)
            except YamuxError as error:
                self._misbehaved(error)
                return
            self._announce(touched)
            if self._session.queued:
                self._pump()
            if self._session.is_over or not data or self._broken:
                return

    def _announce(self, touched: list[StreamState]) -> None:
        for state in self._session.take_opened():
            stream = self._streams[state.identifier] = LeanStream(self, state)
            self._accepted.append(stream)
            self._acceptable.set()
        for state in touched:
            stream = self._streams.get(state.identifier)
            if stream is not None:
                stream.wake()
                if state.identifier not in self._session.streams:
                    del self._streams[state.identifier]

    async def _write_queue(self) -> None:
        while True:
            await self._writable.wait()
            self._writable = trio.Event()
            try:
                await self._flush()
            except Exception:
                _logger.debug("connection to %s broke", self.peer_id, exc_info=True)
                self._break()
                return

    async def _flush(self) -> None:
        link, session = self._link, self._session
        if link is None:
            while session.queued:
                await self._secured.write(session.take_outgoing(PLAINTEXT_MAX))
                self._drained.set()
        else:
            while session.queued or link.unsent:
                await link.flush()
                self._pump()
                self._drained.set()
        self._drained.set()

    async def _watch_silence(self) -> None:
        while True:
            await trio.sleep_until(self._heard + KEEPALIVE_S)
            asked = trio.current_time()
            if asked - self._heard < KEEPALIVE_S:
                continue
            self._session.ping()
            self._pump()
            await trio.sleep(PONG_TIMEOUT_S)
            if self._heard < asked:
                _logger.info("%s was silent for %.0f s", self.peer_id, asked - self._heard)
                self._break()
                return

    def _pump(self) -> None:
        """Gives queued frames to the kernel until it takes no more; never waits."""
        link, session = self._link, self._session
        if link is None:
            self._writable.set()
            return
        try:
            while session.queued and not link.unsent:
                _complete(self._secured.write(session.take_outgoing(PLAINTEXT_MAX)))
        except ConnectionClosedError as error:
            _logger.debug("connection to %s broke: %r", self.peer_id, error)
            self._break()
            return
        if link.unsent:
            self._writable.set()

    def _misbehaved(self, error: YamuxError) -> None:
        _logger.info("closing the connection to %s: %s", self.peer_id, error)
        self._pump()
        self._break()

    def _break(self) -> None:
        self._broken = True
        self._scope.cancel()
        self._wake_all()

    def _wake_all(self) -> None:
        self._session.reset_all()
        for stream in self._streams.values():
            stream.wake()
        self._streams.clear()
        self._acceptable.set()
        self._drained.set()

    async def _shut(self) -> None:
        if self.event_closed.is_set():
            return
        self.event_closed.set()
        self._scope.cancel()
        self._wake_all()
        with trio.CancelScope(shield=True):
            try:
                await self._secured.close()
            except Exception:
                _logger.debug("closing the connection to %s", self.peer_id, exc_info=True)
        if self.on_close is not None:
            await self.on_close()

    def __repr__(self) -> str:
        return f"<LeanYamux {self.peer_id} {self._session!r}>"


def _tcp_below(secured: ISecureConn) -> TcpStream | None:
    """Returns the TCP stream under a noise session, or None when there is anything else."""
    if not isinstance(secured, SecureSession):
        return None
    noise = secured.conn
    if not isinstance(noise, NoiseTransportReadWriter):
        return None
    raw = noise.read_writer.read_write_closer
    if isinstance(raw, RawConnection) and isinstance(raw.stream, TcpStream):
        return raw.stream
    return None


def _complete(writing: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine that has nothing to wait for.

    A noise session over a `TcpStream` that defers its writes encrypts and hands over without ever
    waiting, which is what lets a frame leave inside the call that sends it.
    """
    try:
        writing.send(None)
    except StopIteration:
        return
    writing.close()
    raise AssertionError("a deferred TCP write must not wait")
