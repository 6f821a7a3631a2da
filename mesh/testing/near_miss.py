"""The event that boxes of a scenario publish and hear."""

from dataclasses import dataclass

from mesh.choreography.event_type import event, event_type

__all__ = ["NEAR_MISS", "NearMiss"]


@event("traffic.near_miss")
@dataclass(frozen=True)
class NearMiss:
    """A vehicle came close to a person: what it was, and how sure the camera is."""

    kind: str
    confidence: float


NEAR_MISS = event_type(NearMiss)
"""Its type."""
