"""Facts that were written at boxes, from then until they are durable or lost."""

from mesh.testing.fleets.fleet_box import FleetBox
from mesh.testing.fleets.sight import Fact

__all__ = ["Written"]


class Written:
    """Waits for what was written to become durable."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, str, FleetBox, int, int]] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing is waited for."""
        return not self._waiting

    def add(self, at_s: float, name: str, box: FleetBox, handle: int) -> None:
        """A fact was written; `handle` says when it is durable."""
        self._waiting.append((at_s, name, box, handle, box.node.life))

    def take(self) -> list[Fact]:
        """Return those that became durable; those that failed or were lost go."""
        durable: list[Fact] = []
        waiting: list[tuple[float, str, FleetBox, int, int]] = []
        for at_s, name, box, handle, life in self._waiting:
            wrote = box.node.wrote.get(handle)
            if wrote is not None and wrote.entry is not None:
                durable.append(Fact(at_s, name, wrote.entry))
            elif wrote is None and box.node.life == life:
                waiting.append((at_s, name, box, handle, life))
        self._waiting = waiting
        return durable
