"""Where the fourth act plays: four crossings on either bank, around one bridge.

On each bank it is a crossing near the bridge with its whole chain: two boxes upstream, one
downstream. So each bank can react by itself, and the two camera boxes with the most to say there
see one incident each. The plan is the scene's secret, as in the second act.
"""

from dataclasses import dataclass, replace
from itertools import chain
from random import Random

from mesh.demo.acts.expectation import ExpectedReaction, expected_reactions, watched_incident
from mesh.demo.city.model import (
    City,
    CityPlace,
    StreetDirection,
    ground_distance_m,
    watched_chain,
    with_watched,
)
from mesh.demo.scenes.clip import incident_frames
from mesh.demo.scenes.culprit import IncidentSpec
from mesh.demo.scenes.plan import CameraPlan, ScenePlan

__all__ = ["Riverside", "plan_riverside", "reactions_on_bank", "riverside"]

CHAIN = 3
"""Boxes that react to an incident: two upstream, one downstream."""
CAMERAS = 2
"""Camera boxes a bank that see an incident."""
FIRST_FRAME = -6
"""The vehicle is on its way when a clip begins: it veers some ten frames after it entered."""
QUIET_FRAMES_LAST = 3
"""Frames after the last vehicle left."""
NIGHT_SHARE = 0.4
"""Share of cameras that look at a night."""


@dataclass(frozen=True, slots=True)
class Riverside:
    """The part of the city where the bridges go down.

    Attributes:
        city: both banks, as a city of its own.
        near: boxes of the bank that learns something during the cut, by number.
        far: boxes of the other bank, by number.
        cameras: boxes that will see an incident; the banks take turns.
        revoked: the box of the far bank that will be revoked; it has no camera.
        panels: boxes with a panel beside the road: all of the near bank, and two of the far one,
            of which one will be revoked. So the near bank misses one of five, and the far one four
            of six.
    """

    city: City
    near: tuple[str, ...]
    far: tuple[str, ...]
    cameras: tuple[str, ...]
    revoked: str
    panels: tuple[str, ...]

    @property
    def boxes(self) -> tuple[str, ...]:
        """Every box, by number."""
        return self.city.names

    def bank(self, name: str) -> tuple[str, ...]:
        """The boxes of the bank on which a box stands."""
        return self.near if name in self.near else self.far

    def across(self, name: str) -> tuple[str, ...]:
        """The boxes of the other bank."""
        return self.far if name in self.near else self.near


def riverside(city: City) -> Riverside:
    """Return the part of a city around the bridge nearest to box 247; its bank is the far one."""
    middle, bank = city.hero.position, city.hero.bank

    def rank(direction: StreetDirection) -> tuple[float, str]:
        return ground_distance_m(city.place(direction.origin).position, middle), direction.to

    bridges = (one for place in city.places for one in place.directions if one.bridge)
    bridge = min((one for one in bridges if city.place(one.origin).bank == bank), key=rank)
    names = {*_chain_on_bank(city, bridge.origin), *_chain_on_bank(city, bridge.to)}
    part = _part(city, names)
    far = tuple(place.name for place in part.places if place.bank == bank)
    near = tuple(place.name for place in part.places if place.bank != bank)
    cameras = tuple(
        chain.from_iterable(zip(_cameras(part, near), _cameras(part, far), strict=True))
    )
    revoked = next(name for name in reversed(far) if name not in cameras)
    stays = next(name for name in far if name != revoked)
    return Riverside(part, near, far, cameras, revoked, (*near, stays, revoked))


def reactions_on_bank(city: City, box: str) -> tuple[ExpectedReaction, ...]:
    """Return what must be done about an incident where no word crosses the river."""
    incident, bank = watched_incident(city, box), city.place(box).bank
    expected = expected_reactions(city, incident) if incident else ()
    return tuple(one for one in expected if city.place(one.box).bank == bank)


def plan_riverside(side: Riverside, seed: int) -> ScenePlan:
    """Return the scene: one incident before each camera, all while the bridges are down."""
    rng = Random(f"{seed}/partition")
    cameras: dict[str, CameraPlan] = {}
    incident = IncidentSpec(first_frame=FIRST_FRAME)
    last = 0
    for box in side.cameras:
        camera, night = rng.randrange(1_000_000), rng.random() < NIGHT_SHARE
        last = max(last, incident_frames(camera, incident))
        cameras[box] = CameraPlan(box, camera, night, (incident,))
    return ScenePlan(last + QUIET_FRAMES_LAST, cameras)


def _chain_on_bank(city: City, end: str) -> list[str]:
    """Return the crossing nearest to one end of a bridge whose chain is whole without bridges."""
    bank, at = city.place(end).bank, city.place(end).position
    here = _part(city, {place.name for place in city.places if place.bank == bank})

    def rank(place: CityPlace) -> tuple[float, int]:
        return ground_distance_m(place.position, at), place.number

    whole = (place for place in here.places if len(watched_chain(here, place)) == CHAIN)
    middle = min(whole, key=rank)
    return [middle.name, *watched_chain(here, middle)]


def _part(city: City, names: set[str]) -> City:
    return with_watched(
        city.seed,
        (
            replace(place, directions=tuple(one for one in place.directions if one.to in names))
            for place in city.places
            if place.name in names
        ),
    )


def _cameras(city: City, bank: tuple[str, ...]) -> tuple[str, ...]:
    """Return the boxes whose incidents most boxes of their own bank react to."""
    ranked = sorted(bank, key=lambda name: (-len(reactions_on_bank(city, name)), name))
    return tuple(ranked[:CAMERAS])
