"""NothingLost: a fact that its author called durable is never forgotten by anybody.

A box says of a fact that it is written only once its disk holds it. From then on the author itself
holds it whenever it is up, also after a crash; and whenever the fleet has settled, everybody does.
What a restored backup brings back is older than what was written since: there the others must give
it back. Facts of authors that were revoked since may be cut off, as records.md says; and what only
a box holds that is down nobody else can have.
"""

from collections.abc import Iterator

from mesh.testing.checkers import Breach
from mesh.testing.fleets.sight import BoxSight, Fact, Sight

__all__ = ["NothingLost"]


class NothingLost:
    """What was durable once is held by all who settled."""

    def __init__(self) -> None:
        self.subject = 0

    def look(self, sight: Sight) -> Iterator[Breach]:
        """After settling, look for each fact at each member."""
        self.subject = len(sight.facts)
        if sight.step != "settle" or not sight.is_whole:
            return
        held_by = {box.name: {entry.id for entry in box.entries()} for box in sight.members}
        known = set[bytes]().union(*held_by.values())
        up = {box.key for box in sight.boxes if box.is_up}
        facts = [fact for fact in sight.facts if fact.entry.id in known or fact.entry.author in up]
        for box in sight.members:
            for fact in facts:
                if fact.entry.id not in held_by[box.name] and not _may_be_cut(box, fact):
                    told = f"lacks {fact.entry!r} that {fact.by} wrote at {fact.at_s:.1f} s"
                    yield Breach(box.name, told)


def _may_be_cut(box: BoxSight, fact: Fact) -> bool:
    authority = box.authority
    pairs = authority.pairs_of(fact.entry.author)
    return not pairs or any(not authority.current(pair) for pair in pairs)
