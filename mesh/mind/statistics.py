"""What a mind counted, in one value."""

from collections.abc import Mapping
from typing import NamedTuple

from mesh.choreography.reactions import ReactionsStatistics
from mesh.choreography.verdict import AdmissionStatistics
from mesh.coordination.presence import Presence
from mesh.coordination.trust import Refused
from mesh.gossip.statistics import Statistics as GossipStatistics
from mesh.mind.hearing import HearingStatistics
from mesh.mind.links import LinkStatistics
from mesh.mind.syncing import SyncStatistics

__all__ = ["MindStatistics"]


class MindStatistics(NamedTuple):
    """Counts since the start, and the links and clocks as they are now."""

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
