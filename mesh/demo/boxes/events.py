"""The event types of the traffic application."""

from mesh.choreography.event_type import event

__all__ = ["BikeLaneBlocked", "Notice"]


@event("traffic.bike_lane_blocked")
class BikeLaneBlocked:
    """A vehicle stands in the bike lane of the watched approach."""

    approach: str
    confidence: float


@event("traffic.notice")
class Notice:
    """Words for everyone; nobody reacts to it. The trust act speaks in these."""

    text: str
