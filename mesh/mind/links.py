"""Links: who is at the other end, and what that end may do.

Every link goes through the same steps. Connected: we say hello. They say hello: their chain of
grants is offered to the replica, which checks it like any entry, and the peer is sorted by what our
views then say. Sorted: we answer with the class and the reason, admit a member to gossip, and sync
with whoever is known. At every change of view each peer is sorted again, so a revocation ends a
membership in the middle of a conversation, and a grant begins one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from crdt.chains import chain_reaches
from crdt.entry import Entry, Lane, parse_entry, verify_entry
from crdt.errors import InvalidEntryError
from crdt.replica import Replica
from mesh.coordination.hello import Answer, Clock, Head, Hello, HelloError, parse_hello_frame
from mesh.coordination.trust import PeerClass, PeerSort, Refused, Trust

__all__ = ["UNSORTED", "Heard", "Link", "LinkStatistics", "Links", "Sorted"]

LINKS_MAX = 512
"""Most links at one time; the network's own limits are lower."""
UNSORTED = "unsorted"
"""The class of a peer that has not said hello yet."""


@dataclass(slots=True)
class Link:
    """One connected peer.

    Attributes:
        peer: public key, 32 bytes.
        outbound: whether we dialled.
        hello: what it said last; None until it has.
        grants: the chain of grants that it showed.
        sort: how we sort it; None until it has said hello.
        answer: how it sorts us; None until it has answered.
    """

    peer: bytes
    outbound: bool
    hello: Hello | None = None
    grants: tuple[Entry, ...] = ()
    sort: PeerSort | None = None
    answer: Answer | None = None

    @property
    def peer_class(self) -> PeerClass | None:
        """The class of the peer in our view, once it is sorted."""
        return self.sort.peer_class if self.sort else None


class LinkStatistics(NamedTuple):
    """One link as people see it."""

    peer: bytes
    name: str
    outbound: bool
    peer_class: str
    reason: str
    answered: str
    answered_reason: str


class Sorted(NamedTuple):
    """A peer that is sorted otherwise than before."""

    link: Link
    before: PeerClass | None


class Heard(NamedTuple):
    """What one frame on the hello stream brought."""

    hello: Hello | None = None
    clock_ms: int | None = None
    grants: tuple[Entry, ...] = ()
    heads: tuple[Head, ...] = ()


class Links:
    """The linked peers of one node, in the order in which they connected."""

    __slots__ = ("_links", "_replica", "_trust")

    def __init__(self, replica: Replica, trust: Trust) -> None:
        self._replica = replica
        self._trust = trust
        self._links: dict[bytes, Link] = {}

    def __iter__(self) -> Iterator[Link]:
        return iter(tuple(self._links.values()))

    def get(self, peer: bytes) -> Link | None:
        """Return the link to a peer, if there is one."""
        return self._links.get(peer)

    def members(self) -> tuple[Link, ...]:
        """Return the links to current members."""
        return tuple(link for link in self._links.values() if link.peer_class is PeerClass.MEMBER)

    def connected(self, peer: bytes, *, outbound: bool) -> bool:
        """Note a new link; False if it is no new one, or there are too many."""
        if peer in self._links or len(self._links) >= LINKS_MAX:
            return False
        self._links[peer] = Link(peer, outbound)
        return True

    def disconnected(self, peer: bytes) -> Link | None:
        """Forget a link and return it."""
        return self._links.pop(peer, None)

    def receive(self, link: Link, body: bytes) -> Heard:
        """Take one frame of the hello stream.

        Raises:
            HelloError: no honest peer of this fleet says that; hang up.
        """
        said = parse_hello_frame(body)
        if isinstance(said, Clock):
            return Heard(clock_ms=said.wall_ms)
        if isinstance(said, Answer):
            link.answer = said
            return Heard()
        if said.ns != self._replica.chain.genesis.ns:
            raise HelloError(f"it belongs to another fleet: {said.ns.hex()}")
        grants = tuple(_verified(wire) for wire in said.grants)
        link.hello, link.grants = said, grants
        return Heard(said, said.wall_ms, grants, said.heads)

    def sort_again(self) -> list[Sorted]:
        """Sort every peer that has said hello; return those whose class or reason changed."""
        changed: list[Sorted] = []
        for link in self._links.values():
            if link.hello is None:
                continue
            sort = self._sort(link)
            if sort != link.sort:
                before = link.peer_class
                link.sort = sort
                changed.append(Sorted(link, before))
        return changed

    def _sort(self, link: Link) -> PeerSort:
        """Sort by the views; whose chain leads here but does not link yet may bring the rest."""
        sort = self._trust.peer_class(link.peer)
        is_stranger = sort.peer_class is PeerClass.STRANGER and bool(link.grants)
        if is_stranger and chain_reaches(self._replica, link.grants, link.peer):
            return PeerSort(PeerClass.KNOWN, Refused.NOT_GRANTED)
        return sort

    def statistics(self) -> tuple[LinkStatistics, ...]:
        """Return every link as people see it."""
        return tuple(
            LinkStatistics(
                link.peer,
                link.hello.name if link.hello else "",
                link.outbound,
                link.sort.peer_class.value if link.sort else UNSORTED,
                (link.sort.reason or "") if link.sort else "",
                link.answer.peer_class.value if link.answer else "",
                link.answer.reason if link.answer else "",
            )
            for link in self._links.values()
        )


def _verified(wire: bytes) -> Entry:
    try:
        entry = parse_entry(wire)
    except InvalidEntryError as error:
        raise HelloError(f"a grant of its chain is no entry: {error}") from None
    if entry.lane != Lane.AUTH or not verify_entry(entry):
        raise HelloError("a grant of its chain is of another lane or has a wrong signature")
    return entry
