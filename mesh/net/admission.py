"""Who may take up one of our inbound connections: a count for each address and one for all.

Pure: it counts what it is told. A connection is *shaking hands* from the moment it is accepted
until its key is proved, and *standing* from then until it is gone.
"""

from mesh.net.limits import (
    CONNECTIONS_MAX,
    CONNECTIONS_PER_ADDRESS_MAX,
    HANDSHAKES_MAX,
    HANDSHAKES_PER_ADDRESS_MAX,
)

__all__ = ["Admission"]


class Admission:
    """Counts inbound connections by the address they come from.

    Attributes:
        handshakes: Connections that are shaking hands.
        standing: Connections that have proved a key.
    """

    def __init__(self) -> None:
        self.handshakes = 0
        self.standing = 0
        self._handshakes_from: dict[str, int] = {}
        self._standing_from: dict[str, int] = {}

    def admit(self, address: str) -> bool:
        """Asks for a place; True takes it, and `established` or `failed` must follow."""
        shaking = self._handshakes_from.get(address, 0)
        standing = self._standing_from.get(address, 0)
        if (
            self.handshakes >= HANDSHAKES_MAX
            or shaking >= HANDSHAKES_PER_ADDRESS_MAX
            or shaking + standing >= CONNECTIONS_PER_ADDRESS_MAX
            or self.handshakes + self.standing >= CONNECTIONS_MAX
        ):
            return False
        self.handshakes += 1
        self._handshakes_from[address] = shaking + 1
        return True

    def failed(self, address: str) -> None:
        """Gives back the place of a connection that was shaking hands."""
        self.handshakes -= 1
        _decrement(self._handshakes_from, address)

    def established(self, address: str) -> None:
        """Turns a handshake into a standing connection; `released` must follow."""
        self.failed(address)
        self.standing += 1
        self._standing_from[address] = self._standing_from.get(address, 0) + 1

    def released(self, address: str) -> None:
        """Gives back the place of a standing connection."""
        self.standing -= 1
        _decrement(self._standing_from, address)


def _decrement(counts: dict[str, int], address: str) -> None:
    counts[address] -= 1
    if not counts[address]:
        del counts[address]
