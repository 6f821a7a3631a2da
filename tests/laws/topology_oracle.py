"""The topology by its plain words: every pair of members sorted, and taken or not in that order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import combinations

from mesh.coordination.topology import FULL_MESH_MAX, TOPIC_LINKS_MIN, Link, MemberPlace

FULL_TURN_E6 = 360_000_000
"""Microdegrees of a full turn."""
FARTHEST = 1 << 60
"""Squared microdegrees; farther than any two points of the Earth."""


def plain_links(members: Mapping[bytes, MemberPlace], salt: bytes = b"") -> tuple[Link, ...]:
    """The links that the rules of `mesh.coordination.topology` give, in the time of all pairs."""
    if len(members) <= FULL_MESH_MAX:
        return tuple(combinations(sorted(members), 2))
    wants = {peer: frozenset(member.wants) for peer, member in members.items()}
    pairs = sorted(
        (distance(members[a], members[b]), digest(b"mesh-topology/pair/v1\0", salt, a, b), a, b)
        for a, b in combinations(sorted(members), 2)
        if wants[a] & wants[b]
    )
    candidates = [(a, b) for _, _, a, b in pairs]
    chosen = {
        (min(peer, other), max(peer, other)): None
        for peer, member in members.items()
        for other in member.neighbours
        if other in members and other != peer
    }
    chosen |= dict.fromkeys(joining(wants, candidates, list(chosen)))
    chosen |= dict.fromkeys(joining(wants, [one for one in candidates if one not in chosen], []))
    left = [one for one in candidates if one not in chosen]
    chosen |= dict.fromkeys(filling(wants, left, list(chosen)))
    ring = sorted(members, key=lambda peer: digest(b"mesh-topology/ring/v1\0", salt, peer))
    around = zip(ring, [*ring[1:], ring[0]], strict=True)
    return tuple(sorted(chosen | {(min(link), max(link)): None for link in around}))


def joining(
    wants: Mapping[bytes, frozenset[bytes]], candidates: Sequence[Link], given: Sequence[Link]
) -> Iterator[Link]:
    component = {(peer, topic): peer for peer, topics in wants.items() for topic in topics}

    def join(a: bytes, b: bytes) -> bool:
        joins = False
        for topic in wants[a] & wants[b]:
            kept, gone = component[a, topic], component[b, topic]
            if kept != gone:
                joins = True
                for peer, other in component:
                    if other == topic and component[peer, topic] == gone:
                        component[peer, topic] = kept
        return joins

    for link in given:
        join(*link)
    yield from (link for link in candidates if join(*link))


def filling(
    wants: Mapping[bytes, frozenset[bytes]], candidates: Sequence[Link], given: Iterable[Link]
) -> Iterator[Link]:
    count = {(peer, topic): 0 for peer, topics in wants.items() for topic in topics}

    def take(a: bytes, b: bytes) -> None:
        for topic in wants[a] & wants[b]:
            count[a, topic] += 1
            count[b, topic] += 1

    for link in given:
        take(*link)
    for a, b in candidates:
        if any(min(count[a, t], count[b, t]) < TOPIC_LINKS_MIN for t in wants[a] & wants[b]):
            take(a, b)
            yield a, b


def distance(one: MemberPlace, other: MemberPlace) -> int:
    a, b = one.position, other.position
    if a is None or b is None:
        return FARTHEST
    square, turn = (a[0] + b[0]) ** 2, FULL_TURN_E6**2
    cosine_e6 = 1_000_000 * (turn - 4 * square) // (turn + square)
    east = abs(a[1] - b[1])
    east = min(east, FULL_TURN_E6 - east) * cosine_e6 // 1_000_000
    return east**2 + (a[0] - b[0]) ** 2


def digest(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()
