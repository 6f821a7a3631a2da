"""The mind of a node: all cores in one state machine, without a clock, a socket or a file."""

from mesh.mind.config import MindConfig
from mesh.mind.cores import GOSSIP_PROTOCOL
from mesh.mind.effects import Effect
from mesh.mind.meeting import PROTOCOLS
from mesh.mind.mind import Mind
from mesh.mind.speaking import Draft
from mesh.mind.statistics import MindStatistics
from mesh.mind.syncing import SYNC_FRAME_SIZE_MAX, SYNC_PROTOCOL

__all__ = [
    "GOSSIP_PROTOCOL",
    "PROTOCOLS",
    "SYNC_FRAME_SIZE_MAX",
    "SYNC_PROTOCOL",
    "Draft",
    "Effect",
    "Mind",
    "MindConfig",
    "MindStatistics",
]
