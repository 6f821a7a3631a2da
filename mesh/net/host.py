"""The network over libp2p: TCP, noise and yamux between Ed25519 identities.

A stock libp2p host with the dangerous parts replaced (`mesh.net.swarm`, `upgrade`, `muxer`, `tcp`,
`negotiation`). It answers `identify` and `ping` so that other implementations feel at home. It does
not ask others to identify themselves and takes no pushed identification: nothing here uses what
they would say, and the stock address book would keep it for ever.

Every inbound stream is contained: whatever its bytes provoke costs that stream.
"""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import trio
from libp2p.abc import INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import StreamHandlerFn, TProtocol
from libp2p.host.basic_host import BasicHost
from libp2p.identity.identify_push.identify_push import ID_PUSH
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.stream.net_stream import NetStream
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from libp2p.protocol_muxer.exceptions import MultiselectClientError, MultiselectError
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.stream_muxer.exceptions import MuxedConnUnavailable, MuxedStreamError, MuxedStreamReset
from multiaddr import Multiaddr

from identity.keys import SecretKey, peer_id, peer_id_bytes, public_from_peer_id
from mesh.net.dialling import dial_any
from mesh.net.errors import (
    AddressError,
    ListenError,
    NetworkFailedError,
    NotConnectedError,
    ProtocolRefusedError,
    StreamClosedError,
    StreamError,
    StreamResetError,
)
from mesh.net.limits import CLOSE_TIMEOUT_S, NEGOTIATION_TIMEOUT_S
from mesh.net.muxer import LeanStream
from mesh.net.negotiation import BoundedCommunicator
from mesh.net.peer_events import PeerEvents
from mesh.net.streams import NetworkStatistics, PeerEvent, StreamHandler
from mesh.net.swarm import ContainedSwarm
from mesh.net.tcp import TcpTransport
from mesh.net.upgrade import NoiseYamuxUpgrader

__all__ = ["open_network"]

_logger = logging.getLogger("mesh.net")


class _Stream:
    """A `LeanStream` as the seam wants it."""

    def __init__(self, peer: bytes, protocol: str, stream: LeanStream) -> None:
        self.peer = peer
        self.protocol = protocol
        self._stream = stream

    async def receive_some(self) -> bytes:
        try:
            return await self._stream.receive_some()
        except MuxedStreamReset as error:
            raise StreamResetError(f"{self!r} was reset") from error

    async def send_all(self, data: bytes) -> None:
        try:
            await self._stream.write(data)
        except MuxedStreamReset as error:
            raise StreamResetError(f"{self!r} was reset") from error
        except MuxedStreamError as error:
            raise StreamClosedError(f"{self!r} was closed before these {len(data)} B") from error

    def send_nowait(self, data: bytes) -> bool:
        return self._stream.write_nowait(data)

    async def aclose(self) -> None:
        await self._stream.close()

    async def reset(self) -> None:
        await self._stream.reset()

    def __repr__(self) -> str:
        return f"<stream {self.protocol} with {peer_id(self.peer)}>"


class _Host(BasicHost):
    """A stock host whose inbound streams cannot harm it."""

    def __init__(self, swarm: ContainedSwarm) -> None:
        super().__init__(swarm, disable_identify_address_discovery=True)
        self.remove_stream_handler(ID_PUSH)
        self.swarm = swarm
        self.handler_failures = 0
        self.streams_refused = 0

    def _schedule_identify(self, peer_id: ID, *, reason: str) -> None:
        """Asks nobody: the answer would be kept and never used."""

    async def _swarm_stream_handler(self, net_stream: INetStream) -> None:
        stream = cast("LeanStream", cast("NetStream", net_stream).muxed_stream)
        connection = cast("SwarmConn", cast("NetStream", net_stream).swarm_conn)
        try:
            if not self.swarm.note_connected(connection):
                return
            protocol, handler = await self.multiselect.negotiate(
                BoundedCommunicator(stream), int(NEGOTIATION_TIMEOUT_S)
            )
            net_stream.set_protocol(cast("TProtocol", protocol))
            await cast("StreamHandlerFn", handler)(net_stream)
            await stream.abandon()
        except MultiselectError:
            self.streams_refused += 1
            _logger.debug("a stream of %s was refused", stream.muxed_conn.peer_id, exc_info=True)
        except StreamError:
            _logger.debug("a stream of %s ended", stream.muxed_conn.peer_id, exc_info=True)
        except Exception:
            self.handler_failures += 1
            _logger.exception(
                "the handler of %s failed, resetting the stream of %s",
                net_stream.get_protocol(),
                stream.muxed_conn.peer_id,
            )
        finally:
            # Nothing to do after `abandon`; on every other way out the peer learns of it. In our
            # muxer this never waits, so it works in a cancelled task as well.
            await stream.reset()


class _Network:
    """The seam over a host."""

    def __init__(self, secret_key: SecretKey) -> None:
        identity = create_new_key_pair(secret_key.seed)
        own = ID(peer_id_bytes(secret_key.public))
        peerstore = PeerStore()
        peerstore.add_key_pair(own, identity)
        self.public = secret_key.public
        self.transport = TcpTransport()
        self.peer_events = PeerEvents()
        self.swarm = ContainedSwarm(
            own, peerstore, NoiseYamuxUpgrader(identity), [self.transport], self.peer_events
        )
        self.host = _Host(self.swarm)
        self._dials = 0
        self._dials_failed = 0
        self._dialling: dict[bytes, trio.Event] = {}

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(str(address) for address in self.host.get_addrs())

    @property
    def events(self) -> trio.MemoryReceiveChannel[PeerEvent]:
        return self.peer_events.channel

    async def connect(self, addresses: tuple[str, ...], peer: bytes) -> None:
        target = ID(peer_id_bytes(peer))
        while not self.swarm.live_connections(target):
            under_way = self._dialling.get(peer)
            if under_way is not None:
                await under_way.wait()
                continue
            done = self._dialling[peer] = trio.Event()
            self._dials += 1
            connected = False
            try:
                await dial_any(self.swarm, addresses, target)
                connected = True
            finally:
                self._dials_failed += not connected
                del self._dialling[peer]
                done.set()

    async def disconnect(self, peer: bytes) -> None:
        async with trio.open_nursery() as nursery:
            for connection in self.swarm.live_connections(ID(peer_id_bytes(peer))):
                nursery.start_soon(connection.close)

    async def open_stream(self, peer: bytes, protocol: str) -> _Stream:
        live = self.swarm.live_connections(ID(peer_id_bytes(peer)))
        if not live:
            raise NotConnectedError(f"no connection to {peer_id(peer)}, connect first")
        try:
            stream = cast("LeanStream", await live[-1].muxed_conn.open_stream())
        except MuxedConnUnavailable as error:
            raise StreamResetError(f"the connection to {peer_id(peer)} just ended") from error
        agreed = False
        try:
            await MultiselectClient().select_one_of(
                [TProtocol(protocol)], BoundedCommunicator(stream), int(NEGOTIATION_TIMEOUT_S)
            )
            agreed = True
        except MultiselectClientError as error:
            if live[-1].muxed_conn.is_closed:
                raise StreamResetError(f"the connection to {peer_id(peer)} just ended") from error
            raise ProtocolRefusedError(f"{peer_id(peer)} refused {protocol}: {error}") from error
        finally:
            if not agreed:
                await stream.reset()
        return _Stream(peer, protocol, stream)

    def serve(self, protocol: str, handler: StreamHandler) -> None:
        async def adapt(net_stream: INetStream) -> None:
            stream = cast("LeanStream", cast("NetStream", net_stream).muxed_stream)
            peer = public_from_peer_id(stream.muxed_conn.peer_id.to_bytes())
            await handler(_Stream(peer, protocol, stream))

        self.host.set_stream_handler(TProtocol(protocol), adapt)

    def statistics(self) -> NetworkStatistics:
        return NetworkStatistics(
            peers=len(self.peer_events.peers),
            connections=len(self.swarm.get_connections()),
            dials=self._dials,
            dials_failed=self._dials_failed,
            refused=self.swarm.refused,
            handshakes_failed=self.swarm.handshakes_failed,
            handler_failures=self.host.handler_failures,
            streams_refused=self.host.streams_refused,
        )

    async def listen(self, addresses: tuple[str, ...]) -> None:
        for text in addresses:
            try:
                address = Multiaddr(text)
            except ValueError as error:
                raise AddressError(f"{text!r} is no multiaddr: {error}") from error
            if not self.transport.can_listen(address):
                raise AddressError(f"cannot listen on {text!r}: expected /ip4/…/tcp/…")
            if not await self.swarm.listen(address):
                reason = self.transport.failures.get(str(address), "unknown reason")
                raise ListenError(f"cannot listen on {text}: {reason}; choose another address")

    def __repr__(self) -> str:
        return f"<network {peer_id(self.public)} {self.statistics()}>"


@asynccontextmanager
async def open_network(
    secret_key: SecretKey, listen: tuple[str, ...], handlers: Mapping[str, StreamHandler]
) -> AsyncGenerator[_Network, None]:
    """Opens a network over libp2p; see `mesh.net.streams.OpenNetwork`.

    Raises:
        AddressError: An address cannot be read.
        ListenError: An address cannot be bound.
        NetworkFailedError: The network's own tasks died, chained from what they died of.
    """
    network = _Network(secret_key)
    for protocol, handler in handlers.items():
        network.serve(protocol, handler)
    raised: Exception | None = None
    try:
        async with network.host.run([]):
            try:
                await network.listen(listen)
                yield network
            except Exception as error:  # noqa: BLE001 - raised again below, out of the nursery
                raised = error
            finally:
                with trio.move_on_after(2 * CLOSE_TIMEOUT_S, shield=True):
                    await network.host.close()
    except ExceptionGroup as group:
        raise NetworkFailedError(f"the tasks of {network!r} died: {group}") from group
    finally:
        network.peer_events.close()
    if raised is not None:
        raise raised
