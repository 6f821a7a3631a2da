"""The cores of one mind and what they share: the effects so far, the time, and what is due when."""

from dataclasses import dataclass, field
from hashlib import sha256

from crdt.replica import Replica
from identity.keys import peer_id_bytes
from mesh.choreography.topics import district_of
from mesh.coordination.clock import ClockConsensus
from mesh.coordination.trust import Trust
from mesh.gossip import effects as gossip
from mesh.gossip.router import Router
from mesh.mind.config import MindConfig
from mesh.mind.effects import Effect, Penalise, Send
from mesh.mind.hearing import Hearing
from mesh.mind.links import Links
from mesh.mind.neighbours import Neighbours
from mesh.mind.speaking import Speaking
from mesh.mind.syncing import Syncing
from mesh.mind.views import Views
from mesh.mind.writing import Writing
from mesh.units import Instant

__all__ = ["GOSSIP_PROTOCOL", "Cores", "tag_of"]

GOSSIP_PROTOCOL = "/meshsub/1.1.0"


@dataclass(slots=True)
class Cores:
    """Everything a mind is made of.

    Attributes:
        out: the effects of the input that is being taken, in order.
        now: when that input came.
        due: what is to be done when, monotonic nanoseconds.
        heard_ns: when anything of a linked peer or a verified author was heard last; its keys are
            links and known authors, and so bounded as those are.
    """

    config: MindConfig
    public: bytes
    replica: Replica
    views: Views
    trust: Trust
    links: Links
    clock: ClockConsensus
    neighbours: Neighbours
    hearing: Hearing
    writing: Writing
    syncing: Syncing
    router: Router
    speaking: Speaking
    now: Instant
    out: list[Effect] = field(default_factory=list[Effect])
    due: dict[str, int] = field(default_factory=dict[str, int])
    heard_ns: dict[bytes, int] = field(default_factory=dict[bytes, int])

    @property
    def ns(self) -> bytes:
        """Namespace of the fleet, 16 bytes."""
        return self.replica.chain.genesis.ns

    def route(self, effects: list[gossip.Effect]) -> None:
        """Turn the router's effects into ours; what it delivers was taken in when it was judged."""
        for effect in effects:
            if isinstance(effect, gossip.Send):
                self.out.append(Send(effect.peer, GOSSIP_PROTOCOL, effect.frame, effect.priority))
            elif isinstance(effect, gossip.Penalise):
                self.out.append(Penalise(effect.peer, f"gossip: {effect.reason}"))

    def soon(self, what: str, delay_ns: int) -> None:
        """Have something done after a delay, unless it is to be done earlier already."""
        at_ns = self.now.mono_ns + delay_ns
        self.due[what] = min(at_ns, self.due.get(what, at_ns))

    def districts(self, key: bytes) -> set[str]:
        """Return the districts in which a key holds a name."""
        depth = self.replica.chain.genesis.district_depth
        pairs = self.replica.authority.pairs_of(key)
        found = {district_of(pair.name, depth) for pair in pairs}
        return {district for district in found if district is not None}


def tag_of(peer: bytes) -> bytes:
    """Return the four bytes under which a peer is named as told of a flood."""
    return sha256(peer_id_bytes(peer)).digest()[:4]
