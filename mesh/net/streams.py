"""The seam between the node and whatever carries its bytes.

A `Network` keeps authenticated connections to peers, each named by its raw 32-byte Ed25519 public
key, and opens `Stream`s over them. What stands behind may be libp2p or plain memory; nothing in
here, and nothing that a caller gets to see, belongs to a third party.

What both implementations promise (and `tests/contract` checks):

- The peer of a connection holds the secret key of `peer`. Nobody else is ever connected.
- Bytes of one stream arrive in the order in which they were accepted, whatever their sizes.
- A stream that ends is either read to its end (`b""`) or raises `StreamResetError`; bytes that
  were sent before `aclose` arrive, as long as the connection lives.
- A receiver that does not read stops the sender, and nobody else.
- An exception in a handler costs its stream, nothing else.
- `PeerConnected` comes before the first stream of that peer reaches a handler, and before the next
  `PeerConnected` there is a `PeerDisconnected`. Several connections to one peer count as one. A
  peer whose connection was replaced shows no event, but its streams are reset.
- A peer that vanishes without a word is disconnected after `limits.VANISHED_AFTER_S`.

Only operations that really wait are checkpoints: bytes that are already here are returned at once,
because each turn through the scheduler costs more than the read.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import trio

from identity.keys import SecretKey

__all__ = [
    "Network",
    "NetworkStatistics",
    "OpenNetwork",
    "PeerConnected",
    "PeerDisconnected",
    "PeerEvent",
    "Stream",
    "StreamHandler",
]


class Stream(Protocol):
    """A two-way stream of bytes with one peer, speaking one protocol.

    Each direction ends for itself: `aclose` ends ours, and reading goes on until the peer ends
    theirs. A stream whose two directions have ended costs nothing more; to drop one earlier,
    `reset` it. At most one task reads and at most one sends.
    """

    @property
    def peer(self) -> bytes:
        """The public key of the other side, 32 bytes."""
        ...

    @property
    def protocol(self) -> str:
        """The protocol that both sides agreed on."""
        ...

    async def receive_some(self) -> bytes:
        """Returns the bytes that are here, or waits for some.

        Returns:
            At least one byte, or b"" once the peer has ended its direction.

        Raises:
            StreamResetError: The stream or its connection is gone.
        """
        ...

    async def send_all(self, data: bytes) -> None:
        """Takes all of `data`, waiting while the peer or the wire does not keep up.

        Raises:
            StreamResetError: The stream or its connection is gone; part of `data` may have arrived.
            StreamClosedError: `aclose` was called before.
        """
        ...

    def send_nowait(self, data: bytes) -> bool:
        """Takes all of `data` at once, or nothing.

        Returns:
            False when some of it would have to wait, or the stream has ended: use `send_all`, which
            waits or raises. Never between two halves of another task's `send_all`.
        """
        ...

    async def aclose(self) -> None:
        """Ends our direction after everything sent so far. Idempotent; never raises."""
        ...

    async def reset(self) -> None:
        """Drops both directions at once, here and at the peer. Idempotent; never raises."""
        ...


StreamHandler = Callable[[Stream], Awaitable[None]]
"""Serves one inbound stream. When it returns, our direction is closed and whatever the peer still
sends is dropped; when it raises, the stream is reset and the exception logged and counted."""


@dataclass(frozen=True, slots=True)
class PeerConnected:
    """The first connection to a peer stands.

    Attributes:
        peer: Its public key, 32 bytes.
        outbound: Whether we dialled.
        remote_address: Where it is, as a multiaddr, such as "/ip4/192.0.2.7/tcp/4001".
    """

    peer: bytes
    outbound: bool
    remote_address: str


@dataclass(frozen=True, slots=True)
class PeerDisconnected:
    """The last connection to a peer is gone.

    Attributes:
        peer: Its public key, 32 bytes.
    """

    peer: bytes


PeerEvent = PeerConnected | PeerDisconnected


@dataclass(frozen=True, slots=True)
class NetworkStatistics:
    """Counts since the network was opened, and sizes now.

    Attributes:
        peers: Peers connected now.
        connections: Connections now, of both directions.
        dials: Connections that we tried to make.
        dials_failed: Of those, without success.
        refused: Inbound connections closed at once because a limit was reached.
        handshakes_failed: Inbound connections that never proved an acceptable key.
        handler_failures: Streams reset because their handler raised.
        streams_refused: Inbound streams whose protocol could not be agreed on.
    """

    peers: int
    connections: int
    dials: int
    dials_failed: int
    refused: int
    handshakes_failed: int
    handler_failures: int
    streams_refused: int


class Network(Protocol):
    """Connections to peers, and streams over them."""

    @property
    def public(self) -> bytes:
        """Our own public key, 32 bytes."""
        ...

    @property
    def addresses(self) -> tuple[str, ...]:
        """Concrete addresses at which we listen, each ending in /p2p/ and our peer id."""
        ...

    @property
    def events(self) -> trio.MemoryReceiveChannel[PeerEvent]:
        """Who came and who went, in order. Read it, or no new peer gets in after a while."""
        ...

    async def connect(self, addresses: tuple[str, ...], peer: bytes) -> None:
        """Makes sure that there is a connection to `peer`.

        Returns at once when there is one. Addresses are tried in order, the next one beside it when
        one has not answered within `limits.DIAL_STAGGER_S`; the first to authenticate wins.

        Args:
            addresses: Multiaddrs; a trailing /p2p/ must name `peer`.
            peer: Public key, 32 bytes.

        Raises:
            AddressError: None of the addresses can be read.
            DialError: None led to `peer` within `limits.DIAL_TIMEOUT_S`.
        """
        ...

    async def disconnect(self, peer: bytes) -> None:
        """Closes every connection to `peer`. No error when there is none."""
        ...

    async def open_stream(self, peer: bytes, protocol: str) -> Stream:
        """Opens a stream over an existing connection; never dials.

        Raises:
            NotConnectedError: There is no connection.
            ProtocolRefusedError: The peer refused, or was silent for too long.
            StreamResetError: The connection went while opening.
        """
        ...

    def serve(self, protocol: str, handler: StreamHandler) -> None:
        """Hands inbound streams of `protocol` to `handler` from now on."""
        ...

    def statistics(self) -> NetworkStatistics:
        """What happened so far."""
        ...


class OpenNetwork(Protocol):
    """Opens a network; everything it started is gone when the context is left."""

    def __call__(
        self, secret_key: SecretKey, listen: tuple[str, ...], handlers: Mapping[str, StreamHandler]
    ) -> AbstractAsyncContextManager[Network]:
        """Listens at `listen` and serves `handlers` from the first connection on.

        Args:
            secret_key: Proves who we are; our peers see its public half.
            listen: Multiaddrs such as "/ip4/192.0.2.1/tcp/4001"; port 0 picks a free one; 0.0.0.0
                and :: stand for every address of this machine.
            handlers: By protocol.

        Raises:
            AddressError: An address cannot be read.
            ListenError: An address cannot be bound.
        """
        ...
