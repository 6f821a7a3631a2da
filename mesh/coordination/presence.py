"""Presence: who is seen, who is dark, who is merely unknown. It costs nothing when nothing happens.

A box states, as a signed fact and at changes only, which peers it is linked to. From everyone's
latest statements and my own links:

- a link is *up* iff one of its ends states it and neither end's latest statement denies it (a
  statement denies each link that it does not list; an end that never stated anything denies none);
- *seen* are the members in my component of up links, where nothing is reached through a member that
  never stated anything: it denies nobody, so the dead would be linked through it for ever;
- *dark* is the smallest set of members not seen whose last-linked peers, as far as those are still
  members, are all seen or dark: everyone who would know says that the link is gone. One of whom
  nobody ever heard is dark;
- *unknown* are the rest: the other side of a partition. Unknown is not dead.

"The smallest" makes two dead boxes that were linked with each other stay unknown: each could be the
other's witness. A box that dies loses its links one after the other, and its last statement may
list the few that were left; so a member's last-linked peers are at least two where it had two
(`next_last_linked`). My own links count as my statement, and after a start they are none.

Where I stand hardly matters to what there is to compute: the statements fall into parts, whatever I
see of them is some of those parts, and who is gone follows from that. So `Statements` is made ready
once, and many can look from their place in it (`Statements.seen_by`).

Everything here is a pure function; see docs/architecture.md, "Presence".
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Presence", "Statements", "next_last_linked", "presence"]

WITNESSES_MIN = 2
"""Fewest last-linked peers remembered of a member that had as many."""
PARTS_MAX = 16
"""Parts that are remembered: who looks for itself alone sees one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Every member in one of three classes, and me; each sorted.

    Attributes:
        me: whose view it is.
        together: who is connected by up links with me, and I; those who see the same share it.
        dark: gone, by the word of everyone who was linked to it.
        unknown: neither: perhaps alive behind a partition.
    """

    me: bytes
    together: tuple[bytes, ...]
    dark: tuple[bytes, ...] = ()
    unknown: tuple[bytes, ...] = ()

    @property
    def seen(self) -> tuple[bytes, ...]:
        """Who is connected with me by up links."""
        return tuple(peer for peer in self.together if peer != self.me)

    def counts(self) -> Mapping[str, int]:
        """Return how many others there are of each class."""
        seen = len(self.together) - 1
        return {"seen": seen, "dark": len(self.dark), "unknown": len(self.unknown)}


@dataclass(frozen=True, slots=True)
class _Part:
    """Those who reach each other, and so who is gone if nobody else does."""

    ordered: tuple[bytes, ...]
    dark: tuple[bytes, ...]
    unknown: tuple[bytes, ...]


class Statements:
    """What all members said of their links.

    Args:
        members: every current member.
        statements: member → the peers that its latest statement lists; no entry if it made none.
        last_linked: member → its last-linked peers (`next_last_linked`); no entry if none ever.
    """

    def __init__(
        self,
        members: Iterable[bytes],
        statements: Mapping[bytes, Collection[bytes]],
        last_linked: Mapping[bytes, Collection[bytes]],
    ) -> None:
        self._members = frozenset(members)
        self._last_linked = last_linked
        self._statements = {
            peer: frozenset(linked) for peer, linked in statements.items() if peer in self._members
        }
        self._up = {
            peer: frozenset(other for other in linked if self._is_up(peer, other))
            for peer, linked in self._statements.items()
        }
        self._part_of: dict[bytes, frozenset[bytes]] = {}
        self._parts: dict[frozenset[bytes], _Part] = {}

    def seen_by(self, me: bytes, my_links: Collection[bytes]) -> Presence:
        """Return how the members stand, seen from me.

        Args:
            me: my key, a member's or not.
            my_links: the peers I am linked to now; they stand for my statement.
        """
        reached = self._reached(me, my_links)
        part = self._parts.get(reached)
        if part is None:
            part = self._standing(reached)
            if len(self._parts) < PARTS_MAX:
                self._parts[reached] = part
        return Presence(me=me, together=part.ordered, dark=part.dark, unknown=part.unknown)

    def _is_up(self, peer: bytes, other: bytes) -> bool:
        """Whether a link that one end states is not denied by the other."""
        said = self._statements.get(other)
        return other in self._members if said is None else peer in said

    def _standing(self, reached: frozenset[bytes]) -> _Part:
        """How the others stand if so many are seen."""
        away = sorted(self._members - reached)
        witnesses = {
            peer: self._members.intersection(self._last_linked.get(peer, ())) for peer in away
        }
        dark: set[bytes] = set()
        grown = True
        while grown:
            gone = reached | dark
            fresh = [peer for peer in away if peer not in dark and witnesses[peer] <= gone]
            dark.update(fresh)
            grown = bool(fresh)
        unknown = tuple(peer for peer in away if peer not in dark)
        return _Part(tuple(sorted(reached)), tuple(sorted(dark)), unknown)

    def _reached(self, me: bytes, my_links: Collection[bytes]) -> frozenset[bytes]:
        """Who is reached from me over up links and who states theirs, and I.

        Nothing is reached through who states nothing, so each link here is one that its near end
        states: it is up unless the far end denies it.
        """
        mine = [
            peer
            for peer in my_links
            if peer in self._members and peer != me
            if peer not in self._up or me in self._statements[peer]
        ]
        found = {me, *mine}
        parts = {id(part): part for part in map(self._part, mine) if part}
        if self._up.get(me, frozenset()) <= found:  # what I stated stands: whole parts are reached
            for part in parts.values():
                found |= part
        else:
            self._flood(found, mine)
        reached = frozenset(found)
        return next((part for part in parts.values() if part == reached), reached)

    def _part(self, peer: bytes) -> frozenset[bytes]:
        """Who is reached from a member that states its links; of others, nobody."""
        if peer not in self._up:
            return frozenset()
        if peer not in self._part_of:
            found = {peer}
            self._flood(found, found)
            part = frozenset(found)
            self._part_of.update((one, part) for one in part if one in self._up)
        return self._part_of[peer]

    def _flood(self, found: set[bytes], frontier: Iterable[bytes]) -> None:
        """Add to those found whoever is reached from the frontier."""
        while frontier:
            links = [self._up[peer] for peer in frontier if peer in self._up]
            frontier = set[bytes]().union(*links) - found
            found |= frontier


def presence(
    *,
    me: bytes,
    my_links: Collection[bytes],
    members: Collection[bytes],
    statements: Mapping[bytes, Collection[bytes]],
    last_linked: Mapping[bytes, Collection[bytes]],
) -> Presence:
    """How the members stand, seen from me; see `Statements`, where nobody shares it."""
    return Statements(members, statements, last_linked).seen_by(me, my_links)


def next_last_linked(before: tuple[bytes, ...], stated: Collection[bytes]) -> tuple[bytes, ...]:
    """A member's last-linked peers after one more statement of it.

    Args:
        before: its last-linked peers so far, the latest first.
        stated: the peers that its new statement lists.

    Returns:
        The peers of the statement, sorted, and behind them as many earlier ones as make it
        `WITNESSES_MIN`, if there were as many.
    """
    linked = sorted(stated)
    earlier = [peer for peer in before if peer not in stated]
    return (*linked, *earlier[: max(0, WITNESSES_MIN - len(linked))])
