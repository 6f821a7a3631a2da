"""Checkers: what must hold whatever happens to a fleet, looked at after every step and second.

A checker is anything with two members, so an own one takes ten lines:

    class NobodyDrowns:
        subject = 0  # how often what it is about occurred

        def look(self, sight):
            for box in sight.members:
                self.subject += 1
                waiting = box.statistics.facts.parked
                if waiting > 100:
                    yield Breach(box.name, f"{waiting} facts wait for their author")

The first breach decides: *broken*, with when, who and the sentence. A checker whose subject never
occurred is *vacuous*: it has shown nothing, and that is a failure too.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from mesh.testing.fleets.sight import Sight

__all__ = ["Breach", "Checker", "Measuring"]


class Breach(NamedTuple):
    """Something that must never be: at whom, and a sentence with the evidence."""

    who: str
    evidence: str


class Checker(Protocol):
    """One invariant."""

    subject: int
    """How often what it is about occurred."""

    def look(self, sight: Sight) -> Iterable[Breach]:
        """Look at the world, and tell what is wrong."""
        ...


@runtime_checkable
class Measuring(Protocol):
    """A checker that measured something on the way."""

    def figures(self) -> Mapping[str, float]:
        """What was measured, by name with its unit last."""
        ...
