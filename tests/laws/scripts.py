"""Scripts: a small city, and the deeds and plots that are done to it, one after the other."""

from collections.abc import Callable
from dataclasses import dataclass

from crdt.entry import Lane

from .deeds import DEEDS, Deed, World
from .plots import PLOTS
from .writing import Clock, box_of, by_number, grant, put, steward_of, two_banks

DONE: dict[str, Callable[[World, Deed], None]] = {**DEEDS, **PLOTS}
"""What a deed's `what` names."""


def opened(size: int, clock: Clock) -> World:
    """Return a city of two banks and, as `size` grows, stewards, boxes and what they wrote."""
    world = World(two_banks(clock, roots=2))
    stewards = steward_of("city", "a")
    opening = (
        ("bank-a", grant("north", "city/n", 2, 1, stewards), Lane.AUTH),
        ("north", grant("box-0", "city/n/0", 3, 1, steward_of("city/n/0")), Lane.AUTH),
        ("north", grant("box-1", "city/n/1", 3, 1, box_of("city/n/1")), Lane.AUTH),
        ("bank-b", grant("south", "city/s", 2, 1, stewards), Lane.AUTH),
        ("bank-a", grant("east", "a/e", 2, 1, steward_of("a/e")), Lane.AUTH),
        ("box-0", ("status", {"topic": "lamp", "value": 1}), Lane.STATE),
        ("box-1", ("status", {"topic": "lamp", "value": 2}), Lane.STATE),
        ("south", put("city/n/plan", 0), Lane.AUTH),
        ("south", grant("box-2", "city/s/0", 3, 1, box_of("city/s/0")), Lane.AUTH),
    )
    for label, said, lane in opening[:size]:
        world.write(label, 0, said, lane)
    return world


@dataclass(frozen=True)
class Script:
    """How large the city is when the deeds begin, and the deeds."""

    size: int
    deeds: list[Deed]

    def perform(self, clock: Clock = by_number) -> World:
        """Return the world after the deeds; `clock` gives the wall clock of the n-th entry."""
        world = opened(self.size, clock)
        for deed in self.deeds:
            DONE[deed.what](world, deed)
        return world
