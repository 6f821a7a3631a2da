"""What a mind counted, in one value: its parts for code, and flat named counters for people."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from mesh.choreography.reactions import ReactionsStatistics
from mesh.choreography.verdict import AdmissionStatistics
from mesh.coordination.presence import Presence
from mesh.coordination.trust import PeerClass, Refused
from mesh.gossip.statistics import Statistics as GossipStatistics
from mesh.mind.hearing import HearingStatistics
from mesh.mind.links import UNSORTED, LinkStatistics
from mesh.mind.syncing import SyncStatistics

__all__ = ["MindStatistics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MindStatistics:
    """Counts since the start, and the links and clocks as they are now.

    Attributes:
        links: one for each peer that is connected, and how each side sorted the other.
        admission: others' events: accepted, and refused by reason.
        reactions: what the subscriptions did with the accepted ones, and the requests made.
        gossip: what the router did.
        sync: sessions of anti-entropy.
        facts: others' facts that came by gossip.
        unheard: (reason, model) → own events that the own view refuses.
        presence: which members are seen, dark or unknown.
        clock_offset_ms: how far the neighbours' median is ahead of the own wall clock.
        clock_trusted: whether the own wall clock agrees with it.
        clock_witnesses: how many neighbours say what time it is.
    """

    links: tuple[LinkStatistics, ...]
    admission: AdmissionStatistics
    reactions: ReactionsStatistics
    gossip: GossipStatistics
    sync: SyncStatistics
    facts: HearingStatistics
    unheard: Mapping[tuple[Refused, bytes | None], int]
    presence: Presence
    clock_offset_ms: int
    clock_trusted: bool
    clock_witnesses: int

    def counters(self) -> dict[str, int]:
        """Return every number under a name of its own, such as `events.refused.stale`."""
        return {
            "events.accepted": self.admission.accepted,
            **_under("events.refused", self.admission.refused),
            **_under("events.unheard", self._unheard()),
            **_under("reactions", self._reactions()),
            **_under("requests", self.reactions.requests),
            **_under("links", self._links()),
            **_under("members", self.presence.counts()),
            **_under("facts", self.facts._asdict()),
            **_under("sync", self.sync._asdict()),
            **_under("gossip", self._gossip()),
            "clock.offset_ms": self.clock_offset_ms,
            "clock.untrusted": int(not self.clock_trusted),
            "clock.witnesses": self.clock_witnesses,
        }

    def _unheard(self) -> Mapping[str, int]:
        """Own events that the own view refuses, by reason alone."""
        counts: dict[str, int] = {}
        for (reason, _), count in self.unheard.items():
            counts[reason.value] = counts.get(reason.value, 0) + count
        return counts

    def _reactions(self) -> Mapping[str, int]:
        """What became of accepted events, over all subscriptions."""
        totals: dict[str, int] = {}
        for subscription in self.reactions.subscriptions.values():
            for name, count in asdict(subscription).items():
                totals[name] = totals.get(name, 0) + count
        return totals

    def _links(self) -> Mapping[str, int]:
        counts = dict.fromkeys((*(each.value for each in PeerClass), UNSORTED), 0)
        for link in self.links:
            counts[link.peer_class] += 1
        return counts

    def _gossip(self) -> Mapping[str, int]:
        parts = asdict(self.gossip)
        return {**parts.pop("counters"), **parts}


def _under(prefix: str, counts: Mapping[str, int]) -> dict[str, int]:
    return {f"{prefix}.{name}": count for name, count in counts.items()}
