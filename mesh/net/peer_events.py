"""Who is connected, told as events that always alternate and never get lost.

The channel is bounded without ever dropping one: a peer is let in only while there is room for its
coming *and* for the going of everybody who is in. A consumer that stops reading therefore keeps new
peers out, and nothing else.
"""

import trio

from mesh.net.limits import CONNECTIONS_MAX
from mesh.net.streams import PeerConnected, PeerDisconnected, PeerEvent

__all__ = ["PeerEvents"]


class PeerEvents:
    """Turns connections that come and go into `PeerConnected` and `PeerDisconnected`.

    Attributes:
        peers: Who is connected, by public key, with the event that said so.
        channel: Where the events are read.
    """

    def __init__(self) -> None:
        self.peers: dict[bytes, PeerConnected] = {}
        self._sender, self.channel = trio.open_memory_channel[PeerEvent](2 * CONNECTIONS_MAX)

    def connected(self, event: PeerConnected) -> bool:
        """Announces a peer, unless it is connected already.

        Returns:
            False when too many events wait unread: close the connection again.
        """
        if event.peer in self.peers:
            return True
        waiting = self._sender.statistics().current_buffer_used
        if waiting + len(self.peers) + 2 > 2 * CONNECTIONS_MAX:
            return False
        self.peers[event.peer] = event
        self._tell(event)
        return True

    def disconnected(self, peer: bytes) -> None:
        """Announces that a peer is gone, if it was announced before."""
        if self.peers.pop(peer, None) is not None:
            self._tell(PeerDisconnected(peer))

    def close(self) -> None:
        """Ends the channel after the events that are in it."""
        self._sender.close()

    def _tell(self, event: PeerEvent) -> None:
        try:
            self._sender.send_nowait(event)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The reader has gone: nobody wants to know any more.
            return
