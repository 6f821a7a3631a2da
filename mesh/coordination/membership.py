"""Membership: who is in the fleet, where it stands, and what it runs.

The view is a fold of views: a member is a pair at the winning epoch of its name, with the place
that its grant gives it, the district that its name lies in, and the inventory that it stated of
itself. A name has one member, or several that contest it: nothing here breaks such a tie, a caller
that needs one must say what it does with two. Retired keys are no members; a revoked or quarantined
one is shown as such, since the name has no other key.

`digest` is the same on every box that holds the same facts. When a member was last heard is local,
differs everywhere, and is therefore an argument of the listing and no part of the view.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import cast

from crdt.registers import Register
from crdt.standing import Authority, Pair
from identity.capability import is_cell
from identity.did import did_from_public
from identity.encoding import encode
from mesh.units import SECOND, Instant

__all__ = [
    "Inventory",
    "Member",
    "Membership",
    "NodeRow",
    "Running",
    "fold_membership",
    "inventories",
    "node_rows",
    "parse_inventory",
]

INVENTORY_MAX = 64
"""Items of one sort that a box may state it runs."""
_RUNS = "runs"
_PLACE_PREFIX = "place/"
_DIGEST_SIZE = 32


@dataclass(frozen=True, slots=True)
class Running:
    """One artefact that a box runs: its digest, and since when by its own clock, ms since 1970."""

    digest: bytes
    since_ms: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a box says it runs; a claim of the box, not an attestation of its hardware."""

    models: tuple[Running, ...] = ()
    agents: tuple[Running, ...] = ()
    config: tuple[Running, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One pair at the winning epoch of its name.

    Attributes:
        key: public key, 32 bytes.
        name: the name it holds.
        stratum: its rank; 3 is a box.
        epoch: the winning epoch of the name.
        place: the id of its place, or None.
        cell: the H3 cell of that place, 8 bytes; None while no place record is known.
        district: the first segments of its name; None if it has fewer.
        current: whether it may act.
        contested: whether another key holds the name at the same epoch.
        revoked: whether a revocation counts on it.
        undecided: whether a fork of its key awaits a decision.
        inventory: what it says it runs; None if it has not said.
    """

    key: bytes
    name: str
    stratum: int
    epoch: int
    place: str | None
    cell: bytes | None
    district: str | None
    current: bool
    contested: bool
    revoked: bool
    undecided: bool
    inventory: Inventory | None

    @property
    def state(self) -> str:
        """One word for people: current, contested, revoked or quarantined."""
        if self.revoked:
            return "revoked"
        if self.undecided:
            return "quarantined"
        return "contested" if self.contested else "current"


@dataclass(frozen=True, slots=True)
class Membership:
    """The members, sorted by name and key.

    Attributes:
        members: name → its members, more than one only if they contest it.
        digest: SHA-256 over everything shown, 32 bytes.
    """

    members: Mapping[str, tuple[Member, ...]]
    digest: bytes

    def get(self, name: str) -> tuple[Member, ...]:
        """The members of a name; empty if there is none."""
        return self.members.get(name, ())

    def all(self) -> tuple[Member, ...]:
        """Every member, sorted by name and key."""
        return tuple(member for members in self.members.values() for member in members)

    def current(self) -> tuple[Member, ...]:
        """Every member that may act, sorted by name and key."""
        return tuple(member for member in self.all() if member.current)

    def of_key(self, key: bytes) -> tuple[Member, ...]:
        """The members of one key, sorted by name."""
        return tuple(member for member in self.all() if member.key == key)


def fold_membership(
    authority: Authority,
    registers: Mapping[str, Register],
    fleet: Mapping[Pair, Mapping[str, object]],
    *,
    district_depth: int,
) -> Membership:
    """Return the membership view.

    Args:
        authority: who holds what.
        registers: where `place/<id>` says in which cell a place lies.
        fleet: the FLEET status of current pairs; the topic `runs` is the inventory.
        district_depth: how many segments of a name are its district, from genesis.
    """
    members: dict[str, tuple[Member, ...]] = {}
    for pair in sorted(authority.standings, key=lambda pair: (pair.name, pair.key)):
        standing = authority.standings[pair]
        if not standing.winning or not pair.name:
            continue
        segments = pair.name.split("/")
        stated = fleet.get(pair, {}).get(_RUNS)
        member = Member(
            key=pair.key,
            name=pair.name,
            stratum=standing.stratum,
            epoch=standing.epoch,
            place=standing.place,
            cell=_cell(registers, standing.place),
            district="/".join(segments[:district_depth])
            if 0 < district_depth <= len(segments)
            else None,
            current=standing.current,
            contested=standing.contested,
            revoked=standing.revoked,
            undecided=standing.undecided,
            inventory=None if stated is None else parse_inventory(stated),
        )
        members[pair.name] = (*members.get(pair.name, ()), member)
    return Membership(MappingProxyType(members), _digest(members))


def inventories(fleet: Mapping[Pair, Mapping[str, object]]) -> dict[Pair, object]:
    """Return what boxes say they run, as stated: all that membership takes from a status."""
    return {pair: said[_RUNS] for pair, said in fleet.items() if _RUNS in said}


def parse_inventory(value: object) -> Inventory:
    """Return the inventory in a decoded `runs` statement; whatever is malformed is left out."""
    if not isinstance(value, Mapping):
        return Inventory()
    fields = cast("Mapping[str, object]", value)
    return Inventory(
        models=_running(fields.get("models")),
        agents=_running(fields.get("agents")),
        config=_running(fields.get("config")),
    )


def _running(value: object) -> tuple[Running, ...]:
    if not isinstance(value, list):
        return ()
    found: list[Running] = []
    for item in cast("list[object]", value)[:INVENTORY_MAX]:
        if not isinstance(item, Mapping):
            continue
        fields = cast("Mapping[str, object]", item)
        digest, since_ms = fields.get("digest"), fields.get("since")
        if isinstance(digest, bytes) and len(digest) == _DIGEST_SIZE and type(since_ms) is int:
            found.append(Running(digest, since_ms))
    return tuple(found)


def _cell(registers: Mapping[str, Register], place: str | None) -> bytes | None:
    """The cell of a place; None while it is unknown, contested or malformed."""
    register = registers.get(f"{_PLACE_PREFIX}{place}")
    if register is None or not isinstance(register.value, Mapping):
        return None
    cell = cast("Mapping[str, object]", register.value).get("cell")
    return cell if isinstance(cell, bytes) and is_cell(cell) else None


def _digest(members: Mapping[str, tuple[Member, ...]]) -> bytes:
    """SHA-256 over one CBOR row a member; such rows delimit themselves."""
    total = sha256()
    for name in members:
        for member in members[name]:
            row = [
                member.name,
                member.key,
                [member.stratum, member.epoch],
                [member.place, member.cell],
                [member.current, member.contested, member.revoked, member.undecided],
                _inventory_value(member.inventory),
            ]
            total.update(encode(row))
    return total.digest()


def _inventory_value(inventory: Inventory | None) -> object:
    if inventory is None:
        return None
    return [
        [[item.digest, item.since_ms] for item in items]
        for items in (inventory.models, inventory.agents, inventory.config)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """One line of `mesh get nodes`.

    Attributes:
        name: the name.
        did: the key as did:key.
        place: id of its place, "" if it has none.
        district: its district, "" if it has none.
        state: current, contested, revoked or quarantined.
        models: digests of the models it says it runs, hexadecimal.
        heard_s: seconds since it was last heard here; None if never.
    """

    name: str
    did: str
    place: str
    district: str
    state: str
    models: tuple[str, ...]
    heard_s: int | None


def node_rows(
    membership: Membership, heard_ns: Mapping[bytes, int], now: Instant
) -> tuple[NodeRow, ...]:
    """Return the listing of all members, sorted by name and key.

    Args:
        membership: the view.
        heard_ns: key → monotonic time at which something signed by it last arrived.
        now: both clocks.
    """
    rows: list[NodeRow] = []
    for member in membership.all():
        at_ns = heard_ns.get(member.key)
        inventory = member.inventory or Inventory()
        rows.append(
            NodeRow(
                name=member.name,
                did=did_from_public(member.key),
                place=member.place or "",
                district=member.district or "",
                state=member.state,
                models=tuple(item.digest.hex() for item in inventory.models),
                heard_s=None if at_ns is None else max(0, now.mono_ns - at_ns) // SECOND,
            )
        )
    return tuple(rows)
