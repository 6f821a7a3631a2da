"""What of a mind may be looked at, by its shell, people and tests; looking changes nothing."""

from collections.abc import Mapping

from crdt.replica import Replica
from mesh.coordination.displaced import Displaced
from mesh.coordination.presence import Presence
from mesh.coordination.trust import Trust
from mesh.mind.conducting import Conducting
from mesh.mind.config import MindConfig
from mesh.mind.cores import Cores
from mesh.mind.heeding import Heeding
from mesh.mind.links import Links
from mesh.mind.speaking import Speaking
from mesh.mind.statistics import MindStatistics
from mesh.mind.views import Views

__all__ = ["Readable"]


class Readable:
    """The readable side of a mind."""

    _cores: Cores
    _conducting: Conducting
    _heeding: Heeding

    @property
    def config(self) -> MindConfig:
        """What it was told about itself."""
        return self._cores.config

    @property
    def public(self) -> bytes:
        """Its public key, 32 bytes."""
        return self._cores.public

    @property
    def replica(self) -> Replica:
        """What it holds, and the folded views."""
        return self._cores.replica

    @property
    def views(self) -> Views:
        """Membership and places."""
        return self._cores.views

    @property
    def trust(self) -> Trust:
        """Who may do what, and how a peer is sorted."""
        return self._cores.trust

    @property
    def links(self) -> Links:
        """Who is connected."""
        return self._cores.links

    @property
    def presence(self) -> Presence:
        """Which members are seen, dark or unknown."""
        return self._cores.neighbours.presence

    @property
    def displaced(self) -> Displaced | None:
        """Why this node's own pair counts no more, in its own view; None while it does."""
        return self._heeding.displaced

    @property
    def heard_ns(self) -> Mapping[bytes, int]:
        """When anything of a key was heard last, monotonic nanoseconds."""
        return self._cores.heard_ns

    @property
    def speaking(self) -> Speaking:
        """Events in and out."""
        return self._cores.speaking

    @property
    def conducting(self) -> Conducting:
        """Rollouts: what is held of them, and what this node does about them."""
        return self._conducting

    def statistics(self) -> MindStatistics:
        """Return what happened so far, for people and for tests."""
        cores = self._cores
        return MindStatistics(
            links=cores.links.statistics(),
            admission=cores.speaking.admission_statistics(),
            reactions=cores.speaking.reaction_statistics(),
            gossip=cores.router.statistics(),
            sync=cores.syncing.statistics(),
            facts=cores.hearing.statistics(),
            unheard=self._heeding.unheard,
            presence=cores.neighbours.presence,
            clock_offset_ms=cores.clock.offset_ms,
            clock_trusted=cores.clock.trusted,
            clock_witnesses=cores.clock.witnesses,
        )
