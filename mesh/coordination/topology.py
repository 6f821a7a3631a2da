"""Topic-aware topology: which boxes should be linked, computed by every box alone.

GossipSub does not route through a peer that is not subscribed. With links chosen by distance or at
random, part of the topics of a city is therefore *split*: some subscribers of a cell cannot reach
each other although everybody is connected. So the links are chosen per topic:

1. Neighbours on the places graph are linked: what one sees concerns the next.
2. All pairs that want a common topic are sorted by (distance, hash). A pair is taken if it joins
   two components of any topic that both want. Each topic's subscriber graph is then connected, by
   its shortest links.
3. Once more, on the pairs that are left, from nothing: a second, disjoint way through each topic,
   so that one dead box does not split it.
4. In the same order, a pair is taken if in a common topic one of the two has fewer than
   `TOPIC_LINKS_MIN` links yet: boxes at the rim must not hang on two neighbours.
5. All live members form one ring in the order of a hash: the few long links for the topics of the
   whole fleet. A newcomer changes two of them.

"All pairs" is the rule, not how it is computed: `mesh.coordination.near_pairs` yields them in that
order as long as anybody lacks anything, so a fleet costs as many pairs as stand close together.

A fleet of at most `FULL_MESH_MAX` live members is linked completely, without these rules.

The result is a pure function of (members, dark, salt): no negotiation, no leader. It holds no float
and no set order, so every implementation computes the same links; a link is kept while either end
wants it, hence two boxes whose views differ for a moment lose nothing. Dark members are left out,
which is the repair: when presence calls a box dark, the rest is connected anew.

Measured on six generated cities of 500 boxes with an interest of 600 m, other ones than those on
which `TOPIC_LINKS_MIN` was chosen: mean degree 8.6 to 8.9 and the ring's 2, at most 16, no split
topic; with a tenth of the boxes dead and before the repair, 0.03 % of the topics split on average
and 0.5 % in the worst of 120 draws. Without step 4, on the cities of the choice, 7 of 120 draws
split over 2 %, the worst 3.6 %. See docs/network.md, "Topic-aware topology".
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from mesh.coordination.near_pairs import Block, NearPairs, Pair, bits, hash_of

__all__ = ["Link", "MemberPlace", "linked_peers", "links"]

Link = tuple[bytes, bytes]
"""Two peers, the smaller key first."""

TOPIC_LINKS_MIN = 4
"""Links that each subscriber has within each of its topics, if the topic has as many others."""
FULL_MESH_MAX = 16
"""Live members up to which everybody is linked with everybody: no one then has more links than the
largest degree that the rules below give, every flood arrives in one hop, and none is forwarded."""
LAYOUTS_MAX = 8
"""Layouts that are remembered: most looks at the topology find the members that were there."""
_COMPARED_TOPICS_MAX = 2
"""Blocks with more split topics in common are near each other: to compare them would not pay."""
_RING_DOMAIN = b"mesh-topology/ring/v1\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPlace:
    """What the topology needs of one member.

    Attributes:
        position: latitude and longitude in microdegrees; None for a member without a place.
        wants: the topics it subscribes to that only part of the fleet wants: H3 cells (8 bytes),
            and any other key, such as a district's name in UTF-8.
        neighbours: the peers (32-byte keys) that are its neighbours on the places graph.
    """

    position: tuple[int, int] | None = None
    wants: tuple[bytes, ...] = ()
    neighbours: tuple[bytes, ...] = ()


def links(
    members: Mapping[bytes, MemberPlace],
    dark: Collection[bytes] = frozenset(),
    *,
    salt: bytes = b"",
) -> tuple[Link, ...]:
    """The links that the fleet should have, sorted.

    Args:
        members: peer (32-byte key) → its place and what it wants, in any order.
        dark: members that are taken for dead; they get no link.
        salt: mixed into each hash, such as the fleet's namespace.
    """
    return _links(tuple((p, members[p]) for p in sorted(members) if p not in dark), salt)


@lru_cache(maxsize=LAYOUTS_MAX)
def _links(members: tuple[tuple[bytes, MemberPlace], ...], salt: bytes) -> tuple[Link, ...]:
    """The links of live members, sorted by key: computed once for each set of them."""
    if len(members) <= FULL_MESH_MAX:
        return tuple(combinations((peer for peer, _ in members), 2))
    keys = [peer for peer, _ in members]
    number_of = {peer: number for number, peer in enumerate(keys)}
    places = [place for _, place in members]
    wants, topics = _want_masks(places)
    near = NearPairs(keys, [place.position for place in places], wants, salt)
    chosen = dict.fromkeys(_neighbour_pairs(number_of, places))
    chosen.update(dict.fromkeys(_joining(near, wants, topics, tuple(chosen), chosen)))
    chosen.update(dict.fromkeys(_joining(near, wants, topics, (), chosen)))
    chosen.update(dict.fromkeys(_filling(near, wants, chosen)))
    chosen.update(dict.fromkeys(_ring(keys, salt)))
    return tuple((keys[one], keys[other]) for one, other in sorted(chosen))


def linked_peers(chosen: Iterable[Link]) -> Mapping[bytes, tuple[bytes, ...]]:
    """The other ends of each peer's links, sorted; of those alone that have any."""
    found: dict[bytes, list[bytes]] = {}
    for a, b in chosen:
        found.setdefault(a, []).append(b)
        found.setdefault(b, []).append(a)
    return {peer: tuple(sorted(others)) for peer, others in found.items()}


def _neighbour_pairs(
    number_of: Mapping[bytes, int], places: Sequence[MemberPlace]
) -> Iterator[Pair]:
    for number, place in enumerate(places):
        for peer in place.neighbours:
            other = number_of.get(peer, number)
            if other != number:
                yield _pair(number, other)


def _want_masks(places: Sequence[MemberPlace]) -> tuple[list[int], int]:
    """What each member wants, as a mask with one bit a topic; and how many topics there are."""
    topics = sorted({topic for place in places for topic in place.wants})
    bit_of = {topic: 1 << number for number, topic in enumerate(topics)}
    wants = [sum(bit_of[topic] for topic in dict.fromkeys(place.wants)) for place in places]
    return wants, len(topics)


def _joining(
    near: NearPairs,
    wants: Sequence[int],
    topics: int,
    given: tuple[Pair, ...],
    chosen: Collection[Pair],
) -> Iterator[Pair]:
    """The pairs that join two components of a common topic, when taken from the nearest on.

    Args:
        near: all pairs.
        wants: each member's topics.
        topics: how many there are.
        given: links that exist already.
        chosen: what is not to be taken.
    """
    components = _Components(wants, topics)
    for pair in given:
        components.join(*pair)
    if not components.split:
        return
    for pair in near.nearest_first(components):
        if pair not in chosen and components.join(*pair):
            yield pair
            if not components.split:
                return


class _Components:
    """What is connected in each topic so far, and so which pairs may still join anything.

    Attributes:
        split: the topics with more than one component.
    """

    def __init__(self, wants: Sequence[int], topics: int) -> None:
        self._wants = wants
        self._forests = [_Forest() for _ in range(topics)]
        for mask in wants:
            for bit in bits(mask):
                self._forest(bit).parts += 1
        self.split = sum(1 << n for n, forest in enumerate(self._forests) if forest.parts > 1)
        self._whole: dict[tuple[int, int], int] = {}

    def in_pair(self, one: int, other: int) -> bool:
        return bool(self._wants[one] & self._wants[other] & self.split)

    def in_blocks(self, one: Block, other: Block) -> bool:
        common = one.wanted & other.wanted & self.split
        if common.bit_count() > _COMPARED_TOPICS_MAX:
            return True
        for bit in bits(common):
            root = self._only(one, bit)
            if root is None or root != self._only(other, bit):
                return True
        return False

    def join(self, one: int, other: int) -> bool:
        """Link two members; whether that joined any topic that both want."""
        joins = False
        for bit in bits(self._wants[one] & self._wants[other] & self.split):
            forest = self._forest(bit)
            if forest.join(one, other):
                joins = True
                if forest.parts == 1:
                    self.split ^= bit
        return joins

    def _forest(self, bit: int) -> "_Forest":
        return self._forests[bit.bit_length() - 1]

    def _only(self, block: Block, bit: int) -> int | None:
        """The root of a block's subscribers of a topic; None if they have more than one."""
        forest, key = self._forest(bit), (block.number, bit)
        member = self._whole.get(key)
        if member is not None:  # joined once is joined for ever
            return forest.root(member)
        if block.halves:
            roots = (self._only(half, bit) for half in block.halves if half.wanted & bit)
        else:
            roots = (forest.root(one) for one in block.members if self._wants[one] & bit)
        found = next(roots)
        if found is None or any(root != found for root in roots):
            return None
        self._whole[key] = found
        return found


def _filling(near: NearPairs, wants: Sequence[int], chosen: Collection[Pair]) -> Iterator[Pair]:
    """The pairs that give an end a link it lacks in a common topic, taken from the nearest on."""
    lacking = _Lacking(wants)
    for pair in chosen:
        lacking.count(*pair)
    for one, other in near.nearest_first(lacking):
        if lacking.in_pair(one, other) and (one, other) not in chosen:
            yield one, other
            lacking.count(one, other)
            if not lacking.members:
                return


class _Lacking:
    """Who has fewer than `TOPIC_LINKS_MIN` links in which topic, or fewer than there are others.

    `_counts[member][n]` has the bits of the topics in which it has more than n links.

    Attributes:
        members: how many of them lack any.
    """

    def __init__(self, wants: Sequence[int]) -> None:
        self._wants = wants
        # More than n want these, for n from 0 on; so a subscriber can have n links there.
        more = [0] * (TOPIC_LINKS_MIN + 1)
        for mask in wants:
            for level in range(TOPIC_LINKS_MIN, 0, -1):
                more[level] |= more[level - 1] & mask
            more[0] |= mask
        self._small = [more[n + 1] & ~more[n + 2] for n in range(TOPIC_LINKS_MIN - 1)]
        self._counts = [[0] * TOPIC_LINKS_MIN for _ in wants]
        self._lack = [mask & more[1] for mask in wants]
        self._of_block: dict[int, int] = {}
        self.members = sum(1 for mask in self._lack if mask)

    def in_pair(self, one: int, other: int) -> bool:
        common = self._wants[one] & self._wants[other]
        return bool(common & (self._lack[one] | self._lack[other]))

    def in_blocks(self, one: Block, other: Block) -> bool:
        common = one.wanted & other.wanted
        return self._lacks(one, common) or (one is not other and self._lacks(other, common))

    def count(self, one: int, other: int) -> None:
        """Count a link."""
        common = self._wants[one] & self._wants[other]
        for member in (one, other):
            levels = self._counts[member]
            for level in range(TOPIC_LINKS_MIN - 1, 0, -1):
                levels[level] |= levels[level - 1] & common
            levels[0] |= common
            before = self._lack[member]
            after = before & ~levels[-1]
            for level, small in enumerate(self._small):
                after &= ~(levels[level] & small)
            self._lack[member] = after
            self.members -= bool(before) and not after

    def _lacks(self, block: Block, topics: int) -> bool:
        """Whether any member of a block lacks links in these topics; none will lack new ones."""
        if not self._of_block.get(block.number, block.wanted) & topics:
            return False
        found = 0
        if not block.halves:
            for one in block.members:
                found |= self._lack[one]
        else:
            for half in block.halves:
                if self._lacks(half, topics):
                    return True
                found |= self._of_block.get(half.number, half.wanted)
        self._of_block[block.number] = found
        return bool(found & topics)


class _Forest:
    """Union-find over the subscribers of one topic."""

    __slots__ = ("_parent", "parts")

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self.parts = 0

    def join(self, a: int, b: int) -> bool:
        """Puts two members into one component; False if they were in one."""
        root_a, root_b = self.root(a), self.root(b)
        if root_a == root_b:
            return False
        self._parent[root_b] = root_a
        self.parts -= 1
        return True

    def root(self, member: int) -> int:
        """The member that stands for a component."""
        parent = self._parent
        while (above := parent.get(member, member)) != member:
            parent[member] = member = parent.get(above, above)
        return member


def _ring(keys: Sequence[bytes], salt: bytes) -> Iterator[Pair]:
    ring = sorted(range(len(keys)), key=lambda number: hash_of(_RING_DOMAIN, salt, keys[number]))
    return (_pair(ring[place - 1], number) for place, number in enumerate(ring))


def _pair(a: int, b: int) -> Pair:
    return (a, b) if a < b else (b, a)
