"""A member that does not play by the rules: says what it likes over links that are real.

A rogue is a real node with a real key that others admit; beside what its mind does, it puts bytes
of its own into its authenticated streams. What it says is built with the product's own encoders, so
that each attack is wrong in exactly one thing.
"""

from collections.abc import Iterable, Mapping

import trio

from mesh.coordination.trust import PeerClass
from mesh.gossip.messages import Message, encode_message, message_frame
from mesh.mind import GOSSIP_PROTOCOL
from mesh.net.errors import NetworkError
from mesh.node import Node
from mesh.testing.fleets.adversaries import forge

__all__ = ["Rogue", "forge"]

POLL_S = 0.05
"""How often the links are looked at while waiting, seconds."""


class Rogue:
    """A node of ours and what it says out of turn.

    Args:
        node: a running, enrolled node.
    """

    def __init__(self, node: Node) -> None:
        self.node = node

    async def link(self, peers: Mapping[bytes, tuple[str, ...]]) -> None:
        """Connect to peers, by public key and addresses; one that cannot be reached is left out."""
        network = self.node.shell.network
        for peer, addresses in peers.items():
            try:
                await network.connect(addresses, peer)
            except NetworkError:
                continue

    def members(self) -> tuple[bytes, ...]:
        """The linked peers that take us, and that we take, for a member."""
        return tuple(
            link.peer
            for link in self.node.mind.links
            if link.peer_class is PeerClass.MEMBER
            and link.answer is not None
            and link.answer.peer_class is PeerClass.MEMBER
        )

    async def linked(self, peers: Iterable[bytes]) -> None:
        """Wait until each of these peers is a member at the other end of a link."""
        wanted = set(peers)
        while not wanted <= set(self.members()):  # noqa: ASYNC110  (an answer wakes nobody)
            await trio.sleep(POLL_S)

    def say(self, topic: str, data: bytes, to: Iterable[bytes] | None = None) -> tuple[bytes, ...]:
        """Publish a payload as it is, to some members or all; returns to whom it went."""
        peers = self.members() if to is None else tuple(to)
        framed = message_frame(encode_message(Message(topic, data)))
        for peer in peers:
            self.node.shell.inject(peer, GOSSIP_PROTOCOL, framed)
        return peers
