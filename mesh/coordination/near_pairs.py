"""Pairs of members, the nearest first, without looking at all of them.

A district of 2,500 boxes has three million pairs, and a topology takes some ten thousand of them,
nearly all between boxes that stand close together. So places are put into blocks, a tree of halves.
A heap holds pairs of blocks by the least distance that any pair within has, and pairs of members by
(distance, hash). What comes out of the heap as a pair of blocks is taken apart, what comes out as a
pair of members is the next: the very order in which all of them sorted would come, ties included
(Hjaltason and Samet, Incremental Distance Join Algorithms, SIGMOD 1998).

Whoever takes the pairs says which still interest it (`Interest`). A pair of blocks none of whose
pairs do is thrown away whole, which keeps two villages of one district from being compared house by
house once each of them is joined.

Distance says nothing about members without a place. They come last, by hash alone. Where a topic
has many of them, each is paired with those alone that are near it in a ring of all subscribers in
the order of a hash: that joins them all, and leaves no square. The same goes for more members than
`SAME_PLACE_MAX` who all say that they stand on one point: somebody filled in a form without care.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Protocol

__all__ = ["Block", "Interest", "NearPairs", "Pair", "Position", "bits", "hash_of"]

Position = tuple[int, int]
"""Latitude and longitude in microdegrees."""
Pair = tuple[int, int]
"""Two members by their numbers, the smaller first."""

BLOCK_MEMBERS_MAX = 8
"""Members of a block that is not halved any more."""
SAME_PLACE_MAX = 64
"""Members on one point that are taken to stand there."""
LOOSE_PAIRS_MAX = 1 << 18
"""Pairs with members without a place that are all looked at in one topic: of 512 members, say."""
LOOSE_STEPS = 8
"""Steps along the ring to each side within which such members are paired where there are more."""
_CIRCLE_E6 = 360_000_000
"""Microdegrees of a full turn."""
_RING_DOMAIN = b"mesh-topology/loose/v1\0"
_PAIR_DOMAIN = b"mesh-topology/pair/v1\0"


class Block:
    """Some members with a place, and the rectangle in which they stand.

    Attributes:
        number: of this block; each has another one.
        members: their numbers.
        halves: the two blocks that it consists of; none if it is small.
        wanted: the topics that any of them wants, one bit a topic.
        low: the smallest latitude and longitude.
        high: the largest.
    """

    __slots__ = ("halves", "high", "low", "members", "number", "wanted")

    def __init__(self, number: int, members: Sequence[int], at: Mapping[int, Position]) -> None:
        self.number = number
        self.members = members
        self.halves: tuple[Block, ...] = ()
        self.wanted = 0
        self.low = (min(at[one][0] for one in members), min(at[one][1] for one in members))
        self.high = (max(at[one][0] for one in members), max(at[one][1] for one in members))


class Interest(Protocol):
    """Which pairs still matter; one that does not will not matter again."""

    def in_pair(self, one: int, other: int) -> bool:
        """Whether this pair does."""
        ...

    def in_blocks(self, one: Block, other: Block) -> bool:
        """Whether any pair with a member from each may, of those that want a common topic."""
        ...


class NearPairs:
    """The pairs of some members that want a common topic.

    Args:
        keys: the members' keys, ascending; a member's number is its index.
        positions: where each stands; None if nobody knows.
        wants: the topics that each wants, one bit a topic.
        salt: mixed into each hash.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        positions: Sequence[Position | None],
        wants: Sequence[int],
        salt: bytes,
    ) -> None:
        self._keys, self._wants, self._salt = keys, wants, salt
        standing = Counter(positions)
        self._at: dict[int, Position] = {
            number: at
            for number, at in enumerate(positions)
            if at is not None and standing[at] <= SAME_PLACE_MAX
        }
        self._blocks = 0
        self._root = self._block(list(self._at)) if self._at else None
        self._last: tuple[Pair, ...] | None = None

    def nearest_first(self, interest: Interest) -> Iterator[Pair]:
        """Yield the pairs that interest by (distance, hash), and some that do no more."""
        if self._root is not None:
            yield from self._by_distance(self._root, interest)
        if self._last is None:
            self._last = self._loose()
        for one, other in self._last:
            if interest.in_pair(one, other):
                yield one, other

    def _block(self, members: list[int]) -> Block:
        at = self._at
        block = Block(self._blocks, members, at)
        self._blocks += 1
        if len(members) > BLOCK_MEMBERS_MAX:
            tall = block.high[0] - block.low[0] > block.high[1] - block.low[1]
            members.sort(key=lambda one: at[one][0 if tall else 1])
            middle = len(members) // 2
            block.halves = (self._block(members[:middle]), self._block(members[middle:]))
            for half in block.halves:
                block.wanted |= half.wanted
        for one in () if block.halves else members:
            block.wanted |= self._wants[one]
        return block

    def _by_distance(self, root: Block, interest: Interest) -> Iterator[Pair]:
        count = 0
        heap: list[tuple[int, bytes, int, Pair | tuple[Block, Block]]] = [(0, b"", 0, (root, root))]
        while heap:
            _, _, _, (one, other) = heapq.heappop(heap)
            if isinstance(one, int) and isinstance(other, int):
                yield one, other
                continue
            assert isinstance(one, Block)
            assert isinstance(other, Block)
            if not interest.in_blocks(one, other):
                continue
            if one.halves or other.halves:
                for parts in _taken_apart(one, other):
                    if parts[0].wanted & parts[1].wanted:
                        count += 1
                        heapq.heappush(heap, (_distance_least(*parts), b"", count, parts))
                continue
            for a, b in _members_of(one, other):
                if interest.in_pair(a, b):
                    count += 1
                    far = _distance_squared(self._at[a], self._at[b])
                    heapq.heappush(heap, (far, self._hash(a, b), count, (a, b)))

    def _hash(self, a: int, b: int) -> bytes:
        return hash_of(_PAIR_DOMAIN, self._salt, self._keys[a], self._keys[b])

    def _loose(self) -> tuple[Pair, ...]:
        """The pairs of those without a place, by hash."""
        subscribers: dict[int, list[int]] = {}
        loose = [number for number in range(len(self._keys)) if number not in self._at]
        asked = 0
        for one in loose:
            asked |= self._wants[one]
        for number, mask in enumerate(self._wants):
            for bit in bits(mask & asked):
                subscribers.setdefault(bit, []).append(number)
        pairs: dict[Pair, None] = {}
        for topic, members in subscribers.items():
            here = [one for one in loose if self._wants[one] & topic]
            if len(here) * len(members) <= LOOSE_PAIRS_MAX:
                found = product(here, members)
            else:
                found = self._along_ring(here, members)
            pairs.update(((min(pair), max(pair)), None) for pair in found if pair[0] != pair[1])
        return tuple(sorted(pairs, key=lambda pair: self._hash(*pair)))

    def _along_ring(self, here: list[int], members: list[int]) -> Iterator[Pair]:
        ring = sorted(members, key=lambda one: hash_of(_RING_DOMAIN, self._salt, self._keys[one]))
        place_of = {one: place for place, one in enumerate(ring)}
        for one in here:
            for step in range(1, LOOSE_STEPS + 1):
                for place in (place_of[one] - step, place_of[one] + step):
                    yield one, ring[place % len(ring)]


def bits(mask: int) -> Iterator[int]:
    """Yield each set bit of a mask, the lowest first."""
    while mask:
        bit = mask & -mask
        yield bit
        mask ^= bit


def hash_of(*parts: bytes) -> bytes:
    """Return the digest by which what is equally near is told apart."""
    return hashlib.sha256(b"".join(parts)).digest()


def _taken_apart(one: Block, other: Block) -> Iterator[tuple[Block, Block]]:
    """The pairs of smaller blocks that make up a pair."""
    if one is other:
        left, right = one.halves
        yield from ((left, left), (left, right), (right, right))
    elif len(one.members) >= len(other.members):
        yield from ((half, other) for half in one.halves)
    else:
        yield from ((one, half) for half in other.halves)


def _members_of(one: Block, other: Block) -> Iterator[Pair]:
    """The pairs with a member from each of two small blocks."""
    if one is other:
        yield from combinations(sorted(one.members), 2)
    else:
        yield from ((a, b) if a < b else (b, a) for a in one.members for b in other.members)


def _cosine_e6(latitudes: int) -> int:
    """The cosine in millionths of the mean of two latitudes, of which this is the sum.

    It is Bhaskara's: cos d = (180² - 4 d²) / (180² + d²), d in degrees, good to 0.2 %. A library's
    may differ in the last digit from machine to machine; this one cannot.
    """
    square = latitudes * latitudes
    full_turn = _CIRCLE_E6 * _CIRCLE_E6
    return 1_000_000 * (full_turn - 4 * square) // (full_turn + square)


def _distance_squared(a: Position, b: Position) -> int:
    """Squared distance in microdegrees of latitude, in whole numbers: an order, not a measure."""
    east = abs(a[1] - b[1])
    east = min(east, _CIRCLE_E6 - east) * _cosine_e6(a[0] + b[0]) // 1_000_000
    return east * east + (a[0] - b[0]) ** 2


def _distance_least(one: Block, other: Block) -> int:
    """No member of one is nearer to any of the other than this."""
    if one is other:
        return 0
    north = max(0, other.low[0] - one.high[0], one.low[0] - other.high[0])
    gap = max(0, other.low[1] - one.high[1], one.low[1] - other.high[1])
    around = _CIRCLE_E6 - (max(one.high[1], other.high[1]) - min(one.low[1], other.low[1]))
    sums = (one.low[0] + other.low[0], one.high[0] + other.high[0])
    cosine_e6 = min(map(_cosine_e6, sums))
    east = max(0, min(gap, around)) * max(0, cosine_e6) // 1_000_000
    return east * east + north * north
