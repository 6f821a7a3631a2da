"""ReactionSafety: who asks for a reaction is near enough, in time, and asks once an incident.

A request to an actuator is made by a box within whose radius the speaker stands, while the event
still lives, and only once for all events of one incident: a second request for what was answered
already is how a signal begins to swing. Where boxes stand, when something was said and to which
incident it belongs is what the world knows, not what a box believes. It lives by the clocks of
speaker and hearer, for they have no other: who speaks while his clock is two seconds ahead is heard
for two seconds longer, if what he says is on its way for so long. What the actuator makes of a
request is inside its own envelope, which is its own business. Its subject is a request.
"""

import math
from collections.abc import Iterator, Mapping

from mesh.choreography.reactions import RequestDecision
from mesh.testing.checkers import Breach
from mesh.testing.fleets.sight import Delivered, Sight, Spoken
from mesh.testing.fleets.town import held_by

__all__ = ["ReactionSafety"]

SKEW_S = 0.5
"""Clocks of a fleet may differ so much, and a deadline with them."""
SLACK_M = 1.0
"""A box on the edge of a disc may be taken for inside."""
EARTH_M = 6_371_000.0


class ReactionSafety:
    """Nobody reacts from afar, too late, or twice."""

    def __init__(self) -> None:
        self.subject = 0
        self._answered: dict[bytes, set[bytes]] = {}
        self._slowest_s = 0.0

    def figures(self) -> Mapping[str, float]:
        """The longest from what was said to a request, seconds."""
        return {"reaction_s": self._slowest_s}

    def look(self, sight: Sight) -> Iterator[Breach]:
        """Judge each request that was made since the last look."""
        keys = {box.name: box.key for box in sight.boxes}
        for heard in sight.deliveries:
            said = sight.spoken.get(heard.event.id)
            if heard.decision is RequestDecision.MAKE and said is not None:
                self.subject += 1
                self._slowest_s = max(self._slowest_s, heard.at_s - said.at_s)
                answered = self._answered.setdefault(keys[heard.receiver], set())
                for told in _wrong(sight, heard, said, answered):
                    yield Breach(heard.receiver, f"at {heard.at_s:.1f} s it {told}")
                answered.add(said.incident or heard.event.id)
        for box in sight.boxes:
            if not box.is_up:  # what it had answered is forgotten with its process
                self._answered.pop(box.key, None)


def _wrong(sight: Sight, heard: Delivered, said: Spoken, answered: set[bytes]) -> Iterator[str]:
    here, there = (_place(sight, name) for name in (heard.receiver, said.name))
    if here is not None and there is not None:
        away_m = _distance_m(here, there)
        if away_m > sight.listen_m + SLACK_M:
            yield (
                f"asked for a reaction to {said.name}, {away_m:.0f} m away; it is concerned with "
                f"{sight.listen_m:.0f} m"
            )
    late_s = (heard.at_s + heard.ahead_s) - (said.at_s + said.ahead_s) - said.ttl_s
    if late_s > SKEW_S:
        yield f"asked for a reaction to {said.name} {late_s:.1f} s after that was over"
    if (said.incident or heard.event.id) in answered:
        yield f"asked again for a reaction to one incident of {said.name}"


def _place(sight: Sight, name: str) -> tuple[float, float] | None:
    """Return where a name stands; replaced hardware stands where the new one does."""
    return sight.places.get(held_by(name))


def _distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the great-circle distance of two points in degrees (haversine formula)."""
    (lat, lon), (lat2, lon2) = (tuple(map(math.radians, point)) for point in (one, other))
    half = math.sin((lat2 - lat) / 2) ** 2
    half += math.cos(lat) * math.cos(lat2) * math.sin((lon2 - lon) / 2) ** 2
    return 2 * EARTH_M * math.asin(math.sqrt(half))
