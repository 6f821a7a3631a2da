"""Convergence: who can reach each other comes to hold the same facts and the same view of them.

Judged when a scenario has let the fleet settle while no cut stood; its subject is a moment in which
views differed. A fleet that never disagreed has shown nothing about agreeing.
"""

from collections.abc import Iterator

from mesh.testing.checkers import Breach
from mesh.testing.sight import Sight, agreement, differences

__all__ = ["Convergence"]


class Convergence:
    """All members hold the same authority view and the same AUTH entries once they settled."""

    def __init__(self) -> None:
        self.subject = 0

    def look(self, sight: Sight) -> Iterator[Breach]:
        """Note that views differ; after settling they must not."""
        members = sight.members
        if len({box.authority.digest for box in members}) > 1:
            self.subject += 1
        if sight.step == "settle" and sight.is_whole and not agreement(members):
            yield Breach(members[0].name, f"views differ: {differences(members)}")
