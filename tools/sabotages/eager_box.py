"""One box, the one with the highest number, that reacts to everything."""

import mesh.demo.box
from mesh.choreography.places import Places
from mesh.demo.rule import Reaction, reaction_to


def react(places: Places, me: str, place: str, approach: str) -> Reaction | None:
    """Ask for red whatever happens, if this is the last box; else follow the rule."""
    if me == max(places.all, key=lambda name: int(name.rpartition("-")[2])):
        return Reaction("extend_red", 4.0)
    return reaction_to(places, me, place, approach)


mesh.demo.box.reaction_to = react
