"""The views a node looks at, folded from its replica and kept while that does not change."""

from collections.abc import Mapping
from typing import NamedTuple, cast

from crdt.entry import Lane
from crdt.registers import Register
from crdt.replica import Replica
from crdt.standing import Authority, Pair
from mesh.choreography.places import Places
from mesh.coordination.membership import Member, Membership, fold_membership, inventories

__all__ = ["Views"]

_PLACE = "place/"


class _Folded(NamedTuple):
    """The membership and what it was folded from; of the FLEET status only the inventories."""

    authority: Authority
    registers: Mapping[str, Register]
    fleet: Mapping[Pair, Mapping[str, object]]
    stated: Mapping[Pair, object]
    membership: Membership


class Views:
    """Membership and places of one replica.

    A replica replaces a view whenever it changed, so identity tells whether one did.
    """

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._seen: tuple[object, ...] = ()
        self._folded: _Folded | None = None
        self._places: Places | None = None
        self._registers: object = None
        self._members: tuple[Member, ...] = ()
        self._current_of: Membership | None = None

    def refresh(self) -> bool:
        """Whether a view changed since the last call."""
        now = self._current()
        if all(a is b for a, b in zip(now, self._seen, strict=False)) and self._seen:
            return False
        self._seen = now
        return True

    @property
    def membership(self) -> Membership:
        """Who is in the fleet. The same object while nothing changed but who is linked to whom."""
        replica, before = self._replica, self._folded
        authority, registers = replica.authority, replica.registers
        fleet = replica.status(Lane.FLEET)
        same = (
            before is not None and before.authority is authority and before.registers is registers
        )
        if before is not None and same and before.fleet is fleet:
            return before.membership
        stated = inventories(fleet)
        if before is not None and same and before.stated == stated:
            membership = before.membership
        elif stated:
            membership = self._fold(authority, registers, fleet)
        else:
            membership = replica.folds.once(
                "membership", (authority, registers), lambda: self._fold(authority, registers, {})
            )
        self._folded = _Folded(authority, registers, fleet, stated, membership)
        return membership

    @property
    def members(self) -> tuple[Member, ...]:
        """Every member that may act, sorted by name and key."""
        membership = self.membership
        if membership is not self._current_of:
            self._current_of = membership
            fold = self._replica.folds.once
            self._members = fold("members", (membership,), membership.current)
        return self._members

    @property
    def places(self) -> Places:
        """The places graph."""
        registers = self._replica.registers
        if self._places is None or registers is not self._registers:
            self._registers = registers
            self._places = self._replica.folds.once(
                "places", (registers,), lambda: _places(registers)
            )
        return self._places

    def _fold(
        self,
        authority: Authority,
        registers: Mapping[str, Register],
        fleet: Mapping[Pair, Mapping[str, object]],
    ) -> Membership:
        depth = self._replica.chain.genesis.district_depth
        return fold_membership(authority, registers, fleet, district_depth=depth)

    def _current(self) -> tuple[object, ...]:
        replica = self._replica
        return (
            replica.authority,
            replica.registers,
            replica.status(Lane.FLEET),
            replica.status(Lane.STATE),
        )


def _places(registers: Mapping[str, Register]) -> Places:
    return Places(
        {
            key.removeprefix(_PLACE): cast("Mapping[str, object]", register.value)
            for key, register in registers.items()
            if key.startswith(_PLACE) and register.value is not None
        }
    )
