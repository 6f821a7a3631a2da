"""Convergence: who can reach each other comes to hold the same facts and the same view of them.

Judged when a scenario has let the fleet settle while no cut stood; its subject is such a moment
after views differed. A fleet that never disagreed has shown nothing about agreeing, nor has one
that nobody let settle.
"""

from collections.abc import Iterator

from mesh.testing.checkers import Breach
from mesh.testing.fleets.sight import Sight, agreement, differences

__all__ = ["Convergence"]


class Convergence:
    """All members hold the same authority view and the same AUTH entries once they settled."""

    def __init__(self) -> None:
        self.subject = 0
        self._differed = False

    def look(self, sight: Sight) -> Iterator[Breach]:
        """Note that views differ; after settling they must not."""
        members = sight.members
        if len({box.authority.digest for box in members}) > 1:
            self._differed = True
        if sight.step != "settle" or not sight.is_whole:
            return
        self.subject += self._differed
        if not agreement(members):
            yield Breach(members[0].name, f"views differ: {differences(members)}")
