"""The reaction rule of the traffic application: who asks its signal controller for what.

An event says that a vehicle blocks the bike lane at `place`, on the approach that comes from the
neighbour `approach`. A box reads its own part from the places graph, which every box holds as
signed records, so nobody has to tell anybody:

- the two boxes upstream along that street ask for four more seconds of red (`extend_red`): less
  traffic runs into the blocked lane;
- the next box downstream pulls its yellow forward (`advance_yellow`): the cross traffic of the
  vehicles that already passed gets its turn earlier;
- everyone else, and every box beyond the interest radius, does nothing.

Where a street is so short that one box is both, upstream counts. The requests go to a controller
with limits of its own (`mesh.demo.boxes.signals`).
"""

from dataclasses import dataclass

from mesh.choreography.places import Places

__all__ = ["Reaction", "reaction_to"]

INTEREST_RADIUS_M = 600.0
"""How far from the incident a box can be concerned, metres."""
UPSTREAM_HOPS = 2
"""Boxes upstream that react."""
DOWNSTREAM_HOPS = 1
"""Boxes downstream that react."""
EXTEND_RED_S = 4.0
"""Seconds of red that upstream asks for."""
ADVANCE_YELLOW_S = 2.0
"""Seconds by which downstream pulls its yellow forward."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What to ask the signal controller for.

    Attributes:
        kind: `extend_red` or `advance_yellow`, as `mesh.demo.boxes.signals` names them.
        seconds: how much.
    """

    kind: str
    seconds: float


def reaction_to(places: Places, me: str, place: str, approach: str) -> Reaction | None:
    """What the box `me` asks for when the approach to `place` from `approach` is blocked.

    Args:
        places: the graph of all places this box knows.
        me: its own name.
        place: where the vehicle stands.
        approach: the neighbour that the blocked street direction comes from.

    Returns:
        The request, or None: not concerned, too far away, or a place is not known.
    """
    distance = places.distance_m(me, place)
    if me == place or distance is None or distance > INTEREST_RADIUS_M:
        return None
    if me in places.upstream_along(place, approach, hops=UPSTREAM_HOPS):
        return Reaction("extend_red", EXTEND_RED_S)
    if me in places.downstream_along(place, approach, hops=DOWNSTREAM_HOPS):
        return Reaction("advance_yellow", ADVANCE_YELLOW_S)
    return None
