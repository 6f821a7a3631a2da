"""From a bare connection to an authenticated, multiplexed one: noise, then yamux, nothing else.

libp2p's defaults offer `/plaintext/2.0.0` beside noise, and with it a way to be anybody. Here noise
is the only security and `LeanYamux` the only multiplexer, and only a peer whose identity is an
Ed25519 key gets through: elsewhere in the product a peer *is* those 32 bytes.
"""

from libp2p.abc import IMuxedConn, IRawConnection, ISecureConn
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.io.abc import ReadWriteCloser
from libp2p.peer.id import ID
from libp2p.protocol_muxer.multiselect import Multiselect
from libp2p.protocol_muxer.multiselect_client import MultiselectClient
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.transport.exceptions import MuxerUpgradeFailure, SecurityUpgradeFailure
from libp2p.transport.upgrader import TransportUpgrader

from identity.errors import IdentityError
from identity.keys import public_from_peer_id
from mesh.net.limits import HANDSHAKE_TIMEOUT_S
from mesh.net.muxer import LeanYamux
from mesh.net.negotiation import BoundedCommunicator

__all__ = ["NoiseYamuxUpgrader"]


class NoiseYamuxUpgrader(TransportUpgrader):
    """Secures connections with noise and multiplexes them with `LeanYamux`."""

    def __init__(self, identity: KeyPair) -> None:
        self._noise = NoiseTransport(identity, noise_privkey=create_new_key_pair().private_key)
        super().__init__({NOISE: self._noise}, {TProtocol(YAMUX): LeanYamux})

    async def upgrade_security(
        self, raw_conn: IRawConnection, is_initiator: bool, peer_id: ID | None = None
    ) -> ISecureConn:
        """Proves to each side who the other is.

        Args:
            raw_conn: The bare connection.
            is_initiator: Whether we dialled.
            peer_id: Whom we dialled.

        Raises:
            SecurityUpgradeFailure: It is somebody else, or nobody that can be believed.
        """
        try:
            await _agree(raw_conn, NOISE, is_initiator=is_initiator)
            if is_initiator and peer_id is not None:
                secured = await self._noise.secure_outbound(raw_conn, peer_id)
            else:
                secured = await self._noise.secure_inbound(raw_conn)
            remote = secured.get_remote_peer()
            public_from_peer_id(remote.to_bytes())
        except IdentityError as error:
            raise SecurityUpgradeFailure(f"not an Ed25519 identity: {error}") from error
        except Exception as error:
            raise SecurityUpgradeFailure(f"noise failed: {error!r}") from error
        if is_initiator and remote != peer_id:
            raise SecurityUpgradeFailure(f"Peer ID mismatch: expected {peer_id}, got {remote}")
        return secured

    async def upgrade_connection(self, conn: ISecureConn, peer_id: ID) -> IMuxedConn:
        """Multiplexes a secured connection.

        Raises:
            MuxerUpgradeFailure: The other side does not speak yamux.
        """
        try:
            await _agree(conn, TProtocol(YAMUX), is_initiator=conn.is_initiator)
        except Exception as error:
            raise MuxerUpgradeFailure(f"{peer_id} did not agree on yamux: {error!r}") from error
        return LeanYamux(conn, peer_id)


async def _agree(stream: ReadWriteCloser, protocol: TProtocol, *, is_initiator: bool) -> None:
    communicator = BoundedCommunicator(stream)
    timeout_s = int(HANDSHAKE_TIMEOUT_S)
    if is_initiator:
        await MultiselectClient().select_one_of([protocol], communicator, timeout_s)
    else:
        await Multiselect({protocol: None}).negotiate(communicator, timeout_s)
