"""The views a node looks at, folded from its replica and kept while that does not change."""

from collections.abc import Mapping
from typing import cast

from crdt.entry import Lane
from crdt.replica import Replica
from mesh.choreography.places import Places
from mesh.coordination.membership import Membership, fold_membership

__all__ = ["Views"]

_PLACE = "place/"


class Views:
    """Membership and places of one replica.

    A replica replaces a view whenever it changed, so identity tells whether one did.
    """

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._seen: tuple[object, ...] = ()
        self._membership: Membership | None = None
        self._places: Places | None = None
        self._registers: object = None

    def refresh(self) -> bool:
        """Whether a view changed since the last call."""
        now = self._current()
        if all(a is b for a, b in zip(now, self._seen, strict=False)) and self._seen:
            return False
        self._seen = now
        self._membership = None
        return True

    @property
    def membership(self) -> Membership:
        """Who is in the fleet."""
        self.refresh()
        if self._membership is None:
            replica = self._replica
            self._membership = fold_membership(
                replica.authority,
                replica.registers,
                replica.status(Lane.FLEET),
                district_depth=replica.chain.genesis.district_depth,
            )
        return self._membership

    @property
    def places(self) -> Places:
        """The places graph."""
        registers = self._replica.registers
        if self._places is None or registers is not self._registers:
            self._registers = registers
            self._places = Places(
                {
                    key.removeprefix(_PLACE): cast("Mapping[str, object]", register.value)
                    for key, register in registers.items()
                    if key.startswith(_PLACE) and register.value is not None
                }
            )
        return self._places

    def _current(self) -> tuple[object, ...]:
        replica = self._replica
        return (
            replica.authority,
            replica.registers,
            replica.status(Lane.FLEET),
            replica.status(Lane.STATE),
        )
