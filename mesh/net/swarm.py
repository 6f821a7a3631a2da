"""libp2p's swarm with the parts replaced that let a stranger do harm.

Compared with the stock one (libp2p 0.8.1, pinned):

- An inbound connection gives its place back when it ends. The stock swarm keeps the place, a task
  and the buffers until the host stops, and refuses everybody after 250 connections.
- Connections are counted for each address, and before their key is proved.
- It never dials on its own account, and remembers nobody who has left.
- Closing takes as long as the slowest connection, not the sum of all.
- Coming and going is told in order through `PeerEvents`, the going at once.
"""

import logging
from typing import cast

import trio
from libp2p.abc import INetConn, IPeerStore, ITransport
from libp2p.io.abc import ReadWriteCloser
from libp2p.network.auto_connector import AutoConnector
from libp2p.network.config import ConnectionConfig, RetryConfig
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.connection.swarm_connection import SwarmConn
from libp2p.network.swarm import Swarm
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from identity.keys import public_from_peer_id
from mesh.net.admission import Admission
from mesh.net.limits import (
    CLOSE_TIMEOUT_S,
    CONNECTIONS_MAX,
    DIAL_TIMEOUT_S,
    DUPLICATE_GRACE_S,
    HANDSHAKE_TIMEOUT_S,
)
from mesh.net.muxer import LeanYamux
from mesh.net.peer_events import PeerEvents
from mesh.net.streams import PeerConnected
from mesh.net.upgrade import NoiseYamuxUpgrader

__all__ = ["ContainedSwarm"]

_logger = logging.getLogger("mesh.net")


class _NoConnector(AutoConnector):
    """Never dials, and keeps no list of those who left."""

    async def run_background_task(self, nursery: trio.Nursery) -> None:
        """Does nothing."""

    async def maybe_connect(self) -> None:
        """Does nothing."""

    def record_disconnect(self, peer_id: ID) -> None:
        """Forgets at once."""


class ContainedSwarm(Swarm):
    """Connections to peers, bounded and contained.

    Attributes:
        peer_events: Who comes and goes.
        admission: Places for inbound connections.
        refused: Inbound connections closed at once because a limit was reached.
        handshakes_failed: Inbound connections that never proved an acceptable key.
    """

    def __init__(
        self,
        peer_id: ID,
        peerstore: IPeerStore,
        upgrader: NoiseYamuxUpgrader,
        transports: list[ITransport],
        peer_events: PeerEvents,
    ) -> None:
        super().__init__(
            peer_id,
            peerstore,
            upgrader,
            transports,
            retry_config=RetryConfig(max_retries=0),
            connection_config=ConnectionConfig(
                max_connections=CONNECTIONS_MAX,
                min_connections=0,
                low_watermark=0,
                high_watermark=CONNECTIONS_MAX,
                # The stock dialler sleeps out its head start even after it has connected, unless
                # one connection is all it may make.
                max_connections_per_peer=1,
                grace_period=DUPLICATE_GRACE_S,
                dial_timeout=DIAL_TIMEOUT_S,
                inbound_upgrade_timeout=HANDSHAKE_TIMEOUT_S,
                outbound_upgrade_timeout=HANDSHAKE_TIMEOUT_S,
            ),
        )
        self.auto_connector = _NoConnector(swarm=self)
        self.peer_events = peer_events
        self.admission = Admission()
        self.refused = 0
        self.handshakes_failed = 0

    def live_connections(self, peer_id: ID) -> list[SwarmConn]:
        """Returns the connections to a peer that can be used, the newest last.

        Others that are still on the books are struck off, so that nobody mistakes them for one.
        """
        live: list[SwarmConn] = []
        for connection in list(self.get_connections(peer_id)):
            standing = cast("SwarmConn", connection)
            if standing.is_closed or _muxer_of(standing).is_closed:
                self.remove_conn(standing)
            else:
                live.append(standing)
        return live

    def note_connected(self, connection: INetConn) -> bool:
        """Announces the peer of a connection, once; False when it is over or has to be closed."""
        muxer = _muxer_of(connection)
        if connection.is_closed or muxer.is_closed:
            return False
        addresses = muxer.get_transport_addresses()
        return self.peer_events.connected(
            PeerConnected(
                peer=public_from_peer_id(muxer.peer_id.to_bytes()),
                outbound=muxer.is_initiator,
                remote_address=str(addresses[0]) if addresses else "",
            )
        )

    async def notify_connected(self, conn: INetConn) -> None:
        """Tells everybody who registered that a connection stands, if it still does.

        The stock swarm puts a connection that broke while it was being registered on its books
        after it was struck off, and there it stays, in the way of every redial.
        """
        if self.note_connected(conn):
            await super().notify_connected(conn)
        else:
            self.refused += not conn.is_closed
            self.remove_conn(cast("SwarmConn", conn))
            await conn.close()

    def remove_conn(self, swarm_conn: SwarmConn) -> None:
        """Strikes a connection off the books; with the last one the peer is gone."""
        super().remove_conn(swarm_conn)
        peer_id = swarm_conn.muxed_conn.peer_id
        if peer_id not in self.connections:
            self.peer_events.disconnected(public_from_peer_id(peer_id.to_bytes()))

    async def _handle_inbound_connection(
        self, read_write_closer: ReadWriteCloser, maddr: Multiaddr
    ) -> None:
        remote = read_write_closer.get_remote_address()
        address = remote[0] if remote is not None else ""
        if remote is None or not self.admission.admit(address):
            self.refused += 1
            await read_write_closer.close()
            return
        raw = RawConnection(read_write_closer, initiator=False)
        try:
            muxed = await self.upgrade_inbound_raw_conn(raw, maddr)
        except Exception:
            _logger.debug("inbound connection from %s failed", address, exc_info=True)
            self.handshakes_failed += 1
            self.admission.failed(address)
            return
        except BaseException:
            self.admission.failed(address)
            raise
        self.admission.established(address)
        try:
            await cast("LeanYamux", muxed).event_closed.wait()
        finally:
            self.admission.released(address)

    def _schedule_auto_connect(self) -> None:
        """Leaves dialling to our own dialer."""

    async def close(self) -> None:
        """Closes all connections together, then everything else."""
        with trio.move_on_after(CLOSE_TIMEOUT_S):
            async with trio.open_nursery() as nursery:
                for connection in self.get_connections():
                    nursery.start_soon(connection.close)
        await super().close()


def _muxer_of(connection: INetConn) -> LeanYamux:
    # Every connection of this swarm was made by `NoiseYamuxUpgrader`.
    return cast("LeanYamux", connection.muxed_conn)
