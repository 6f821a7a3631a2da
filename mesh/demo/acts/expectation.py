"""What each box must do about an incident, from the ground truth alone.

The demo compares this with what the boxes did. So that it cannot grade itself, this file knows the
city model and nothing of the code under test: no place records, no graph of the choreography, no
rule of the application. It walks the streets by their names and measures with the city's own ruler.

For an incident on the approach A → P (see `mesh.demo.city.model`): A, and the box before it on the
same street, ask for four more seconds of red; the next box beyond P on that street pulls its yellow
forward by two; all within 600 m of P, and nobody else does anything.
"""

from dataclasses import dataclass

from mesh.demo.city.model import City, StreetDirection, ground_distance_m

__all__ = ["ExpectedReaction", "Incident", "expected_reactions", "watched_incident"]

RADIUS_M = 600.0
"""No box further from the incident is concerned."""
RED_SECONDS = 4.0
"""What upstream asks for."""
YELLOW_SECONDS = 2.0
"""What downstream asks for."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A vehicle in the bike lane.

    Attributes:
        place: the box whose crossing it blocks.
        approach: the neighbour from which the blocked street direction comes.
    """

    place: str
    approach: str


@dataclass(frozen=True, slots=True, order=True)
class ExpectedReaction:
    """One request that a box must make to its signal controller.

    Attributes:
        box: who.
        kind: `extend_red` or `advance_yellow`.
        seconds: how much.
    """

    box: str
    kind: str
    seconds: float


def watched_incident(city: City, name: str) -> Incident | None:
    """An incident where a box's camera sees it; None if no traffic enters there."""
    approach = city.place(name).watched
    return None if approach is None else Incident(place=name, approach=approach)


def expected_reactions(city: City, incident: Incident) -> tuple[ExpectedReaction, ...]:
    """Every reaction to an incident, by box name; all other boxes do nothing.

    Raises:
        CityError: the incident's place or approach is not in the city.
    """
    blocked = city.direction(incident.approach, incident.place)
    if blocked is None:
        return ()
    expected: dict[str, ExpectedReaction] = {}
    beyond = city.beyond(blocked)
    if beyond is not None:
        expected[beyond.to] = ExpectedReaction(beyond.to, "advance_yellow", YELLOW_SECONDS)
    upstream: list[StreetDirection] = [blocked]
    before = city.before(blocked)
    if before is not None:
        upstream.append(before)
    for direction in upstream:
        box = direction.origin
        expected[box] = ExpectedReaction(box, "extend_red", RED_SECONDS)
    expected.pop(incident.place, None)
    scene = city.place(incident.place).position
    return tuple(
        reaction
        for _, reaction in sorted(expected.items())
        if ground_distance_m(city.place(reaction.box).position, scene) <= RADIUS_M
    )
