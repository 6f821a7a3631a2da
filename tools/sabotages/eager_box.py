"""One box, the one with the highest number, that reacts to everything."""

import mesh.demo.boxes.box
from mesh.choreography.places import Places
from mesh.demo.boxes.rule import Reaction, reaction_to


def react(places: Places, me: str, place: str, approach: str) -> Reaction | None:
    """Follow the rule; but if this is the last box, ask for red where the rule asks for nothing."""
    reaction = reaction_to(places, me, place, approach)
    is_last = me == max(places.all, key=lambda name: int(name.rpartition("-")[2]))
    return Reaction("extend_red", 4.0) if is_last and reaction is None else reaction


mesh.demo.boxes.box.reaction_to = react
