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

Everything here is a pure function; see docs/architecture.md, "Presence".
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

__all__ = ["Presence", "next_last_linked", "presence"]

WITNESSES_MIN = 2
"""Fewest last-linked peers remembered of a member that had as many."""


@dataclass(frozen=True, slots=True)
class Presence:
    """Every member but me, in one of three classes; each sorted.

    Attributes:
        seen: connected with me by up links.
        dark: gone, by the word of everyone who was linked to it.
        unknown: neither: perhaps alive behind a partition.
    """

    seen: tuple[bytes, ...]
    dark: tuple[bytes, ...]
    unknown: tuple[bytes, ...]


def presence(
    *,
    me: bytes,
    my_links: Collection[bytes],
    members: Collection[bytes],
    statements: Mapping[bytes, Collection[bytes]],
    last_linked: Mapping[bytes, Collection[bytes]],
) -> Presence:
    """How the members stand, seen from me.

    Args:
        me: my key.
        my_links: the peers I am linked to now; they stand for my statement.
        members: every current member, me among them or not.
        statements: member → the peers that its latest statement lists; no entry if it made none.
        last_linked: member → its last-linked peers (`next_last_linked`); no entry if none ever.
    """
    current = frozenset(members) | {me}
    heard = {peer: linked for peer, linked in statements.items() if peer in current}
    heard[me] = my_links
    component = _component(me, current, heard)
    away = sorted(current - component)
    witnesses = {peer: current & frozenset(last_linked.get(peer, ())) for peer in away}
    dark: set[bytes] = set()
    grown = True
    while grown:
        gone = component | dark
        fresh = [peer for peer in away if peer not in dark and witnesses[peer] <= gone]
        dark.update(fresh)
        grown = bool(fresh)
    return Presence(
        seen=tuple(sorted(component - {me})),
        dark=tuple(sorted(dark)),
        unknown=tuple(peer for peer in away if peer not in dark),
    )


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


def _component(
    start: bytes, current: Collection[bytes], heard: Mapping[bytes, Collection[bytes]]
) -> frozenset[bytes]:
    """Who is reached from `start`, which states its links, over up links and who states theirs.

    Nothing is reached through who states nothing, so each link here is one that its near end
    states: it is up unless the far end denies it.
    """
    stated = {peer: frozenset(linked) for peer, linked in heard.items()}
    reached, frontier = {start}, [start]
    while frontier:
        peer = frontier.pop()
        for other in stated[peer]:
            if other in reached or other not in current:
                continue
            theirs = stated.get(other)
            if theirs is None:
                reached.add(other)
            elif peer in theirs:
                reached.add(other)
                frontier.append(other)
    return frozenset(reached)
