"""TCP for libp2p, without the scheduler in the way.

libp2p's own TCP transport asks the kernel twice for every noise message and takes a turn through
the scheduler each time; on a small message that is most of its latency. This one reads whatever
the kernel has into a buffer and serves small reads from it without a checkpoint, and it gives
bytes to the kernel at once, keeping what the kernel does not take.

Two more reasons to have our own: the stock listener sets SO_REUSEPORT, so two programs can listen
on one port without noticing; and its reads allocate whatever size the other side announces.
"""

import errno
import socket

import trio
from libp2p.abc import IListener, IRawConnection, ITransport
from libp2p.custom_types import THandler
from libp2p.io.abc import ReadWriteCloser
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.transport.exceptions import OpenConnectionError
from libp2p.utils.address_validation import expand_wildcard_address
from multiaddr import Multiaddr

from mesh.net.limits import (
    ACCEPT_PAUSE_S,
    LISTEN_BACKLOG,
    READ_SIZE,
    READ_TURNS_MAX,
    UNACKNOWLEDGED_TIMEOUT_MS,
)

__all__ = ["TcpListener", "TcpStream", "TcpTransport"]

_EXACT_READ_MAX = 65_537
"""Bytes up to which `TcpStream.read` waits for all that were asked: one noise message and its
length. libp2p gives a message up that comes in more than a hundred pieces."""

_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class TcpStream(ReadWriteCloser):
    """One TCP connection.

    Attributes:
        unsent: Bytes accepted by `write` that the kernel has not taken yet.
    """

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_TIMEOUT_MS)
        self._socket = connected
        self._remote = _peer_of(connected)
        self._received = bytearray()
        self._turns = 0
        self._flushing = trio.Lock()
        self._defers = False
        self.unsent = bytearray()

    def defer_writes(self) -> None:
        """From now on `write` never waits; the owner calls `flush` when `unsent` is not empty."""
        self._defers = True

    async def read(self, n: int | None = None) -> bytes:
        """Reads up to `n` bytes, waiting for all of them when they fit one noise message.

        Raises:
            ConnectionClosedError: The connection broke.
        """
        wanted = 1 if n is None else min(n, _EXACT_READ_MAX)
        received = self._received
        while len(received) < wanted:
            chunk = await self._receive()
            if not chunk:
                break
            received += chunk
        size = len(received) if n is None else min(n, len(received))
        data = bytes(memoryview(received)[:size])
        del received[:size]
        return data

    async def _receive(self) -> bytes:
        self._turns += 1
        if self._turns >= READ_TURNS_MAX:
            self._turns = 0
            await trio.lowlevel.checkpoint()
        try:
            while True:
                try:
                    return self._socket.recv(READ_SIZE)
                except BlockingIOError:
                    self._turns = 0
                    await trio.lowlevel.wait_readable(self._socket)
        except (OSError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError(f"TCP read failed: {error}", transport="tcp") from error

    async def write(self, data: bytes) -> None:
        """Takes all of `data`; the order of calls is the order on the wire.

        Raises:
            ConnectionClosedError: The connection broke.
        """
        if self.unsent:
            self.unsent += data
        else:
            sent = self._send(data)
            if sent < len(data):
                self.unsent += memoryview(data)[sent:]
        if self.unsent and not self._defers:
            await self.flush()

    async def flush(self) -> None:
        """Waits until the kernel has taken everything.

        Raises:
            ConnectionClosedError: The connection broke.
        """
        async with self._flushing:
            while self.unsent:
                try:
                    await trio.lowlevel.wait_writable(self._socket)
                except (OSError, trio.ClosedResourceError) as error:
                    raise ConnectionClosedError(f"TCP: {error}", transport="tcp") from error
                sent = self._send(self.unsent[:READ_SIZE])
                del self.unsent[:sent]

    def _send(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ConnectionClosedError(f"TCP write failed: {error}", transport="tcp") from error

    async def close(self) -> None:
        """Closes at once; whoever waits on the connection is woken."""
        if self._socket.fileno() != -1:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    def get_remote_address(self) -> tuple[str, int] | None:
        """Returns the address and port of the other side."""
        return self._remote


class TcpListener(IListener):
    """Accepts connections on one address, in the swarm's own nursery.

    The swarm makes one listener for each address and sets `background_nursery` before `listen`.
    """

    background_nursery: trio.Nursery

    def __init__(self, handler: THandler, failures: dict[str, str]) -> None:
        self._handler = handler
        self._failures = failures
        self._addresses: list[Multiaddr] = []
        self._scope = trio.CancelScope()

    async def listen(self, maddr: Multiaddr) -> None:
        """Binds one address and starts to accept.

        Raises:
            OpenConnectionError: The address cannot be bound.
        """
        host, port = _host_and_port(maddr)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind((host, port))
            listening.listen(LISTEN_BACKLOG)
        except OSError as error:
            listening.close()
            self._failures[str(maddr)] = error.strerror or str(error)
            raise OpenConnectionError(f"cannot listen on {maddr}: {error}") from error
        bound_host, bound_port = listening.getsockname()[:2]
        # A wildcard is no address that anybody could dial: say which ones it stands for.
        self._addresses += expand_wildcard_address(_multiaddr(bound_host, bound_port))
        self.background_nursery.start_soon(self._accept, listening)

    async def _accept(self, listening: socket.socket) -> None:
        with listening, self._scope:
            async with trio.open_nursery() as nursery:
                while True:
                    await trio.lowlevel.wait_readable(listening)
                    try:
                        connected, _ = listening.accept()
                    except BlockingIOError:
                        continue
                    except OSError as error:
                        if error.errno in _OUT_OF_DESCRIPTORS:
                            await trio.sleep(ACCEPT_PAUSE_S)
                        continue
                    nursery.start_soon(self._serve, connected)

    async def _serve(self, connected: socket.socket) -> None:
        with connected:
            try:
                stream = TcpStream(connected)
            except OSError:
                return
            try:
                await self._handler(stream)
            finally:
                await stream.close()

    def get_addrs(self) -> tuple[Multiaddr, ...]:
        """Returns the addresses that were bound, with their real ports."""
        return tuple(self._addresses)

    async def close(self) -> None:
        """Stops accepting; connections made here are closed."""
        self._scope.cancel()
        self._addresses.clear()


class TcpTransport(ITransport):
    """Plain TCP: /ip4, /ip6 or a DNS name, then /tcp.

    Attributes:
        failures: Why an address could not be bound, by address.
    """

    def __init__(self) -> None:
        self.failures: dict[str, str] = {}

    async def dial(self, maddr: Multiaddr) -> IRawConnection:
        """Connects.

        Raises:
            OpenConnectionError: Nobody answers there.
        """
        host, port = _host_and_port(maddr)
        try:
            connected = await trio.open_tcp_stream(host, port)
        except OSError as error:
            raise OpenConnectionError(f"cannot connect to {maddr}: {error}") from error
        plain = socket.socket(fileno=connected.socket.detach())
        try:
            return RawConnection(TcpStream(plain), initiator=True)
        except OSError as error:
            plain.close()
            raise OpenConnectionError(f"lost the connection to {maddr}: {error}") from error

    def create_listener(self, handler_function: THandler) -> TcpListener:
        """Returns a listener that calls `handler_function` for each connection."""
        return TcpListener(handler_function, self.failures)

    def can_dial(self, maddr: Multiaddr) -> bool:
        """Whether the address is plain TCP."""
        names = [protocol.name for protocol in maddr.protocols()]
        return (
            names[:2] in (["ip4", "tcp"], ["ip6", "tcp"], ["dns4", "tcp"], ["dns", "tcp"])
            and names[2:] in ([], ["p2p"])
        )  # fmt: skip

    def can_listen(self, maddr: Multiaddr) -> bool:
        """Whether the address is plain TCP with a numeric host."""
        return self.can_dial(maddr) and not str(maddr).startswith("/dns")

    def protocols(self) -> list[str]:
        """Returns the multiaddr protocols of this transport."""
        return ["tcp"]


def _host_and_port(address: Multiaddr) -> tuple[str, int]:
    _, _, host, _, port, *_ = str(address).split("/")
    return host, int(port)


def _multiaddr(host: str, port: int) -> Multiaddr:
    return Multiaddr(f"/{'ip6' if ':' in host else 'ip4'}/{host}/tcp/{port}")


def _peer_of(connected: socket.socket) -> tuple[str, int] | None:
    try:
        host, port = connected.getpeername()[:2]
    except OSError:
        return None
    return str(host), int(port)
