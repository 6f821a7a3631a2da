"""Who looks on while a fleet is driven by hand, for a page of it; what is done stays the same."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mesh.testing.fleets.fleet_box import FleetBox

__all__ = ["Onlooker"]


class Onlooker(Protocol):
    """Who is told what no other line of the journal says; it changes nothing."""

    def published(self, box: "FleetBox", event: bytes, type_name: str) -> None:
        """A box has said something.

        Args:
            box: who.
            event: its id.
            type_name: of which type.
        """
        ...

    def wrote(self, box: "FleetBox", kind: str, handle: int) -> None:
        """A fact was written at a box; `handle` says when it is durable."""
        ...
