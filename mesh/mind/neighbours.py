"""Whom to keep links with: the topology that every box computes alone from the membership.

Input are the current members with their places and what presence says of them; output is the list
that the shell's dialler works from. Where a member can be reached it says itself, in its link
statement; where nobody is known yet (a box that just joined), the addresses of its invite are
dialled. See docs/network.md, "Topic-aware topology".
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from crdt.folds import Folds
from crdt.standing import Pair
from identity.genesis import Genesis
from mesh.choreography.cells import cells_covering
from mesh.choreography.places import Places
from mesh.choreography.topics import district_of
from mesh.coordination.membership import Member
from mesh.coordination.presence import Presence, Statements, next_last_linked
from mesh.coordination.topology import Link, MemberPlace, linked_peers, links
from mesh.mind.effects import Want

__all__ = ["Neighbours"]

OUTSIDERS = 3
"""Links out of the own district that are redialled as soon as neighbours: a heal must not wait."""
ADDRESSES_MAX = 8
"""Most addresses of one member that are dialled."""
ADDRESS_SIZE_MAX = 256
"""Longest address looked at, characters."""

_Lists = Mapping[bytes, tuple[bytes, ...]]
_NOBODY: _Lists = MappingProxyType({})


class Neighbours:
    """The topology as one box sees it.

    Args:
        genesis: the fleet; its `interest_m` is how far a box is assumed to listen.
        me: our key.
        bootstraps: peers and addresses of the invite, dialled while hardly anybody is known.
        folds: where members stand is a function of the views, and computed as these are.
    """

    def __init__(
        self,
        genesis: Genesis,
        me: bytes,
        bootstraps: Mapping[bytes, tuple[str, ...]],
        folds: Folds,
    ) -> None:
        self._genesis = genesis
        self._me = me
        self._folds = folds
        self._bootstraps = dict(bootstraps)
        self._last_linked = self._stated = _NOBODY  # one object, so that all begin from the same
        self._said: object = None
        self._cells: dict[tuple[int, int], tuple[bytes, ...]] = {}
        self.presence = Presence(me=me, together=(me,))

    def look(
        self,
        members: tuple[Member, ...],
        fleet: Mapping[Pair, Mapping[str, object]],
        my_links: tuple[bytes, ...],
    ) -> None:
        """Take the current members and their link statements, and see who is there."""
        said = self._folds.once("said", (members, fleet), lambda: _said(members, fleet))
        if said is not self._said:
            self._said = said
            self._take(said, members)
        stated, last_linked = self._stated, self._last_linked
        statements = self._folds.once(
            "statements",
            (members, stated, last_linked),
            lambda: Statements((member.key for member in members), stated, last_linked),
        )
        self.presence = statements.seen_by(self._me, my_links)

    def _take(self, said: Mapping[bytes, tuple[bytes, ...]], members: tuple[Member, ...]) -> None:
        """Follow the statements of those who are members; who says nothing now said it before."""
        stated, linked = self._stated, self._last_linked
        self._stated, self._last_linked = self._folds.once(
            "taken", (said, members, stated, linked), lambda: _taken(said, members, stated, linked)
        )

    def wanted(
        self,
        members: tuple[Member, ...],
        places: Places,
        fleet: Mapping[Pair, Mapping[str, object]],
    ) -> tuple[Want, ...]:
        """Return the peers to keep links with, those on our list of neighbours as near."""
        located = self._located(members, places)
        # Who sees nobody cannot tell who is gone: it may be the one that was cut off.
        dark = self.presence.dark if len(self.presence.together) > 1 else ()
        linked = self._folds.once(
            "linked",
            (located, dark),
            lambda: linked_peers(links(located, dark, salt=self._genesis.ns)),
        )
        mine = linked.get(self._me, ())
        held = self._folds.once("held", (members,), lambda: _held(members))
        addresses = {
            member.key: _addresses(fleet.get(Pair(member.key, member.name), {}))
            for key in mine
            for member in held[key]
        }
        near = self._near(mine, held, located)
        wants = [
            Want(peer, addresses[peer] or self._bootstraps.get(peer, ()), peer in near)
            for peer in mine
        ]
        reached = {want.peer for want in wants if want.addresses}
        wants += [
            Want(peer, where, near=False)
            for peer, where in self._bootstraps.items()
            if peer not in reached and peer != self._me
        ]
        return tuple(want for want in wants if want.addresses)

    def _near(
        self,
        mine: tuple[bytes, ...],
        held: Mapping[bytes, tuple[Member, ...]],
        located: Mapping[bytes, MemberPlace],
    ) -> set[bytes]:
        """Whom to redial soon: places graph neighbours, and three outside our own districts."""
        near = set(located[self._me].neighbours) if self._me in located else set[bytes]()
        home = {member.district for member in held.get(self._me, ())}
        peers = sorted((m for key in mine for m in held[key]), key=lambda m: (m.name, m.key))
        outside = [member.key for member in peers if member.district not in home]
        return near | set(outside[:OUTSIDERS])

    def layout(self, members: tuple[Member, ...], places: Places) -> tuple[Link, ...]:
        """Return the links that the fleet should have while nobody is dark, sorted."""
        return self._folds.once(
            "layout",
            (members, places),
            lambda: links(self._located(members, places), salt=self._genesis.ns),
        )

    def _located(self, members: tuple[Member, ...], places: Places) -> Mapping[bytes, MemberPlace]:
        def locate() -> Mapping[bytes, MemberPlace]:
            held = {member.place: member.key for member in members if member.place}
            return {member.key: self._place(member, held, places) for member in members}

        return self._folds.once("located", (members, places), locate)

    def _place(self, member: Member, held: Mapping[str, bytes], places: Places) -> MemberPlace:
        """Where a member stands; `held` says who holds which place."""
        district = district_of(member.name, self._genesis.district_depth)
        home = () if district is None else (district.encode(),)
        place = places.get(member.place) if member.place else None
        if place is None:
            return MemberPlace(wants=home)
        around = places.neighbours(place.name)
        return MemberPlace(
            position=place.position,
            wants=(*home, *self._covering(place.position)),
            neighbours=tuple(sorted(held[name] for name in around if name in held)),
        )

    def _covering(self, position: tuple[int, int]) -> tuple[bytes, ...]:
        cells = self._cells.get(position)
        if cells is None:
            latitude, longitude = position[0] / 1e6, position[1] / 1e6
            genesis = self._genesis
            cells = cells_covering(latitude, longitude, genesis.interest_m, genesis.h3_resolution)
            self._cells[position] = cells
        return cells


def _held(members: tuple[Member, ...]) -> Mapping[bytes, tuple[Member, ...]]:
    """Return the members of each key: it may hold several names."""
    found: dict[bytes, tuple[Member, ...]] = {}
    for member in members:
        found[member.key] = (*found.get(member.key, ()), member)
    return found


def _taken(
    said: _Lists, members: tuple[Member, ...], before: _Lists, linked: _Lists
) -> tuple[_Lists, _Lists]:
    """Return the latest statements and the last-linked peers, after what is said now."""
    if not linked:  # all are news, as for every box that starts
        return said, {peer: next_last_linked((), stated) for peer, stated in said.items()}
    stated = {
        member.key: latest
        for member in members
        if (latest := said.get(member.key, before.get(member.key))) is not None
    }
    news = said.items() - before.items()
    after = {peer: next_last_linked(linked.get(peer, ()), latest) for peer, latest in news}
    return stated, {**linked, **after} if after else linked


def _said(
    members: tuple[Member, ...], fleet: Mapping[Pair, Mapping[str, object]]
) -> dict[bytes, tuple[bytes, ...]]:
    """Return the link statements of the members that made any."""
    nothing: Mapping[str, object] = {}
    found = ((m.key, _stated(fleet.get(Pair(m.key, m.name), nothing))) for m in members)
    return {key: stated for key, stated in found if stated is not None}


def _stated(topics: Mapping[str, object]) -> tuple[bytes, ...] | None:
    """Return the peers of a link statement, whose shape the fold has checked."""
    value = topics.get("links")
    if not isinstance(value, dict):
        return None
    return tuple(cast("dict[str, list[bytes]]", value)["peers"])


def _addresses(topics: Mapping[str, object]) -> tuple[str, ...]:
    """Return where a member says it can be reached; its own word, so checked here."""
    value = topics.get("links")
    listed = cast("dict[str, object]", value).get("addresses") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        return ()
    texts = cast("list[object]", listed)[:ADDRESSES_MAX]
    return tuple(text for text in texts if isinstance(text, str) and len(text) <= ADDRESS_SIZE_MAX)
