"""Meeting a peer: hello, sorting, and what follows from it.

Connected: we say hello. They say hello: their grants are heard like any facts, and our own feeds
learn what they hold of them. Then, and at every change of view, each peer is sorted and told how: a
member is admitted to gossip, a member or known key may sync, a stranger gets nothing.
"""

from crdt.chains import grant_chain
from crdt.own import Head as OwnHead
from crdt.standing import Pair
from crdt.sync import Reach
from mesh.coordination.hello import HELLO_PROTOCOL, Answer, Clock, Head, Hello, HelloError
from mesh.coordination.trust import PeerClass
from mesh.framing import frame
from mesh.gossip.effects import Priority
from mesh.mind.cores import GOSSIP_PROTOCOL, Cores, tag_of
from mesh.mind.effects import Admit, Disconnect, Send, Suspend
from mesh.mind.links import Link
from mesh.mind.syncing import SYNC_PROTOCOL
from mesh.units import SECOND

__all__ = ["PROTOCOLS", "STATEMENT_DELAY_NS", "Meeting"]

PROTOCOLS = (HELLO_PROTOCOL, SYNC_PROTOCOL, GOSSIP_PROTOCOL)
"""What a mind speaks; hello first."""
STATEMENT_DELAY_NS = 2 * SECOND
"""Link changes are stated this much later, so that a flapping link is one statement."""

CHAIN_SIZE_MAX = 40_000
"""Largest chain of grants told in a hello, bytes: with 256 heads it fits into a frame."""


class Meeting:
    """The links of one node and how it treats the other ends."""

    __slots__ = ("_cores",)

    def __init__(self, cores: Cores) -> None:
        self._cores = cores

    def hello(self, peer: bytes) -> None:
        """Say hello to a peer."""
        cores = self._cores
        replica = cores.replica
        chain = grant_chain(replica, Pair(cores.public, cores.config.name))
        if sum(len(entry.wire) for entry in chain) > CHAIN_SIZE_MAX:
            chain = ()  # sync brings it
        heads = [
            Head(feed.lane, feed.inc, head.seq, head.id)
            for feed in replica.feeds_of(peer)
            if (head := replica.head(feed)) is not None
        ]
        hello = Hello(
            cores.ns,
            (replica.chain.number, replica.chain.head),
            cores.now.wall_ms,
            PROTOCOLS,
            cores.config.name,
            tuple(entry.wire for entry in chain),
            tuple(heads),
        )
        self.say(peer, hello)

    def hello_again(self, link: Link) -> None:
        """Say again what a hello stream held that ended."""
        self.hello(link.peer)
        if link.sort is not None:
            self.say(link.peer, Answer(link.sort.peer_class, link.sort.reason or ""))

    def say(self, peer: bytes, what: Hello | Answer | Clock) -> None:
        """Send one frame of the hello protocol."""
        data = frame(what.encode())
        self._cores.out.append(Send(peer, HELLO_PROTOCOL, data, Priority.CONTROL))

    def hear(self, link: Link, body: bytes) -> None:
        """Take one frame of the hello protocol."""
        cores = self._cores
        try:
            heard = cores.links.receive(link, body)
        except HelloError as error:
            cores.out.append(Disconnect(link.peer, f"hello: {error}"))
            return
        for entry in heard.grants:
            cores.hearing.offer(entry, link.peer)
        if heard.hello is not None:
            heads = tuple(OwnHead(head.lane, head.inc, head.seq, head.id) for head in heard.heads)
            cores.writing.heard(heads, holds=lambda key: cores.replica.entry(key) is not None)
            self.sort()
        if heard.clock_ms is not None and link.peer_class is PeerClass.MEMBER:
            cores.clock.heard(link.peer, heard.clock_ms, cores.now.wall_ms)

    def sort(self) -> None:
        """Sort every peer by today's views, and act where that changed."""
        for link, before in self._cores.links.sort_again():
            sort = link.sort
            assert sort is not None
            self.say(link.peer, Answer(sort.peer_class, sort.reason or ""))
            if sort.peer_class is before:
                continue
            if before is not None:
                self.leave(link)
            if sort.peer_class is PeerClass.MEMBER:
                self._admit(link)
            if sort.peer_class is not PeerClass.STRANGER:
                self._cores.syncing.peer_added(
                    link.peer,
                    self._reach(link),
                    member=sort.peer_class is PeerClass.MEMBER,
                    begin=link.outbound or before is not None,
                    now_ns=self._cores.now.mono_ns,
                )

    def leave(self, link: Link) -> None:
        """End what a peer was admitted to."""
        cores = self._cores
        cores.clock.forget(link.peer)
        cores.syncing.peer_removed(link.peer, cores.now.mono_ns)
        cores.route(cores.router.peer_removed(link.peer, cores.now.mono_ns))
        if cores.links.get(link.peer) is not None:
            cores.out.append(Suspend(link.peer))
        cores.soon("statement", STATEMENT_DELAY_NS)

    def _admit(self, link: Link) -> None:
        cores = self._cores
        effects = cores.router.peer_added(
            link.peer, outbound=link.outbound, tag=tag_of(link.peer), now_ns=cores.now.mono_ns
        )
        cores.route(effects)
        cores.out.append(Admit(link.peer))
        cores.soon("statement", STATEMENT_DELAY_NS)

    def _reach(self, link: Link) -> Reach:
        cores = self._cores
        if cores.config.caches_only:
            return Reach.bootstrap()
        if link.peer_class is not PeerClass.MEMBER:
            return Reach.known()
        return Reach.member(cores.districts(cores.public) & cores.districts(link.peer))
