"""The topology looks at few pairs, and chooses what it would have chosen had it looked at all."""

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from itertools import combinations
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.coordination import near_pairs
from mesh.coordination.near_pairs import LOOSE_STEPS, SAME_PLACE_MAX, Block, NearPairs
from mesh.coordination.topology import TOPIC_LINKS_MIN, MemberPlace, linked_peers, links
from tests.laws.test_topology import members_of, split_share
from tests.laws.topology_oracle import digest, distance, plain_links

VILLAGES = ((48_000_000, 11_000_000), (48_090_000, 11_000_000), (-17_000_000, 179_999_500))
"""Where boxes stand: two villages ten kilometres apart, and one on the antimeridian."""
POLE = (89_999_000, 0)


def key_of(number: int) -> bytes:
    return sha256(number.to_bytes(4)).digest()


def on_earth(latitude: int, longitude: int) -> tuple[int, int]:
    return min(latitude, 90_000_000), (longitude + 180_000_000) % 360_000_000 - 180_000_000


steps = st.integers(0, 9) | st.integers(0, 4_000)
"""Few, so that many pairs are equally far; or many, so that hardly any are."""
positions = st.none() | st.builds(
    lambda village, north, east: on_earth(village[0] + north, village[1] + east),
    st.sampled_from([*VILLAGES, POLE]),
    steps,
    steps,
)
members = st.builds(
    MemberPlace,
    position=positions,
    wants=st.lists(st.sampled_from([b"a", b"b", b"c", b"d", b"e"]), max_size=4).map(tuple),
    neighbours=st.lists(st.integers(0, 70).map(key_of), max_size=2).map(tuple),
)
fleets = st.lists(members, min_size=17, max_size=64).map(
    lambda listed: {key_of(number): member for number, member in enumerate(listed)}
)


@settings(deadline=None)
@given(fleets, st.sampled_from([b"", b"salt"]))
def test_it_chooses_what_all_pairs_sorted_would_have_it_choose(
    fleet: Mapping[bytes, MemberPlace], salt: bytes
) -> None:
    assert links(fleet, salt=salt) == plain_links(fleet, salt)


def test_in_a_city_it_chooses_what_all_pairs_sorted_would_have_it_choose() -> None:
    city = dict(list(members_of(17).items())[:100])
    assert links(city) == plain_links(city)


@settings(deadline=None)
@given(fleets)
def test_all_pairs_come_nearest_first(fleet: Mapping[bytes, MemberPlace]) -> None:
    class Everything:
        def in_pair(self, one: int, other: int) -> bool:
            return one != other

        def in_blocks(self, one: Block, other: Block) -> bool:
            return bool(one.members and other.members)

    keys = sorted(fleet)
    standing = [fleet[key].position for key in keys]
    near = NearPairs(keys, standing, [1] * len(keys), b"")

    def order(pair: tuple[int, int]) -> tuple[int, bytes]:
        a, b = keys[pair[0]], keys[pair[1]]
        return distance(fleet[a], fleet[b]), digest(b"mesh-topology/pair/v1\0", a, b)

    found = list(near.nearest_first(Everything()))
    assert found == sorted(combinations(range(len(keys)), 2), key=order)


@settings(deadline=None, max_examples=30)
@given(fleets)
def test_the_links_of_each_are_the_links_of_all(fleet: Mapping[bytes, MemberPlace]) -> None:
    chosen = links(fleet)
    by_peer = linked_peers(chosen)
    for peer in fleet:
        others = sorted(a if b == peer else b for a, b in chosen if peer in (a, b))
        assert by_peer.get(peer, ()) == tuple(others)


def whole(fleet: Mapping[bytes, MemberPlace]) -> Counter[int]:
    """Assert the laws of one topic that all want; returns how many have each degree."""
    chosen = links(fleet)
    assert split_share(fleet, chosen) == 0
    degrees = Counter(map(len, linked_peers(chosen).values()))
    assert min(degrees) >= TOPIC_LINKS_MIN
    return degrees


@settings(deadline=None, max_examples=20)
@given(st.integers(20, 90), st.integers(0, 20), st.integers(0, 9))
def test_many_without_a_place_are_joined_along_a_ring(loose: int, placed: int, salt: int) -> None:
    fleet = {key_of(number + 100 * salt): MemberPlace(wants=(b"a",)) for number in range(loose)}
    for number in range(placed):
        position = on_earth(48_000_000 + 1_000 * number, 11_000_000)
        fleet[key_of(9_000 + number)] = MemberPlace(position=position, wants=(b"a",))
    with patch.object(near_pairs, "LOOSE_PAIRS_MAX", 0):
        degrees = whole(fleet | {key_of(9_999): MemberPlace(wants=(b"a", str(salt).encode()))})
    assert max(degrees) <= 2 * LOOSE_STEPS + 2 + 2


def test_more_on_one_point_than_can_stand_there_are_as_without_a_place() -> None:
    here = MemberPlace(position=VILLAGES[0], wants=(b"a",))
    there = MemberPlace(wants=(b"a",))
    fleet = {key_of(number): here for number in range(SAME_PLACE_MAX)}
    assert links(fleet) == plain_links(fleet)
    more = {**fleet, key_of(SAME_PLACE_MAX): here}
    assert links(more) == links(dict.fromkeys(more, there))
    whole(more)


def street(boxes: int) -> dict[bytes, MemberPlace]:
    """Two districts ten kilometres apart of blocks of a hundred metres; cells of 500 by 500."""
    rng, fleet = Random(7), dict[bytes, MemberPlace]()
    side = int((boxes / 2) ** 0.5) + 1
    for number in range(boxes):
        bank, corner = divmod(number, boxes // 2 + 1)
        row, column = divmod(corner, side)
        position = (48_000_000 + 90_000 * bank + 900 * row, 11_000_000 + 1_300 * column)
        near = {
            f"{bank}/{(row + up) // 5}/{(column + right) // 5}".encode()
            for up in (-2, 2)
            for right in (-2, 2)
        }
        wants = (b"north", b"south")[bank], *sorted(near)
        jitter = (position[0] + rng.randrange(90), position[1] + rng.randrange(90))
        fleet[key_of(number)] = MemberPlace(position=jitter, wants=wants)
    return fleet


@pytest.mark.parametrize("two_villages", [False, True])
def test_the_pairs_that_are_looked_at_grow_as_the_fleet(*, two_villages: bool) -> None:
    hashed = near_pairs.hash_of

    def looked_at(boxes: int) -> float:
        fleet = street(boxes)
        if two_villages:  # one district of two villages, which nothing but distance tells apart
            fleet = {
                key: MemberPlace(position=one.position, wants=(b"all", *one.wants[1:]))
                for key, one in fleet.items()
            }
        count = 0

        def counted(*parts: bytes) -> bytes:
            nonlocal count
            count += 1
            return hashed(*parts)

        with patch.object(near_pairs, "hash_of", counted):
            links(fleet)
        return count / boxes

    assert looked_at(1_200) < 1.3 * looked_at(300)
