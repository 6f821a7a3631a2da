"""Topics stay whole: the law of the topology, on generated cities.

While all live, each topic's subscribers are connected among themselves; with a tenth of the boxes
dead at most 2 % of the topics are split; once the dead are known, all are joined again.
"""

import hashlib
import statistics
from collections.abc import Collection, Mapping
from functools import lru_cache
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.choreography.topics import cells_covering
from mesh.coordination.topology import (
    TOPIC_LINKS_MIN,
    Link,
    MemberPlace,
    linked_peers,
    links,
)
from mesh.demo.city.generator import generate_city

INTEREST_M = 600.0
SEEDS = (17, 18, 247)


@lru_cache(maxsize=4)
def members_of(seed: int) -> Mapping[bytes, MemberPlace]:
    """A generated city as the topology sees it: cells of interest, the district, neighbours."""
    city = generate_city(seed)
    key = {name: hashlib.sha256(name.encode()).digest() for name in city.names}
    return {
        key[place.name]: MemberPlace(
            position=place.position,
            wants=(
                *cells_covering(place.position[0] / 1e6, place.position[1] / 1e6, INTEREST_M, 9),
                place.district.encode(),
            ),
            neighbours=tuple(key[name] for name in city.neighbours(place.name)),
        )
        for place in city.places
    }


@lru_cache(maxsize=4)
def links_in(seed: int) -> tuple[Link, ...]:
    return links(members_of(seed))


def split_share(
    members: Mapping[bytes, MemberPlace], chosen: Collection[Link], dead: Collection[bytes] = ()
) -> float:
    """The share of topics, with the one that all want, whose live subscribers are not connected."""
    near: dict[bytes, set[bytes]] = {peer: set() for peer in members}
    for a, b in chosen:
        near[a].add(b)
        near[b].add(a)
    subscribers: dict[bytes, set[bytes]] = {b"everyone": set()}
    for peer, member in members.items():
        if peer not in dead:
            for topic in (*member.wants, b"everyone"):
                subscribers.setdefault(topic, set()).add(peer)
    split = 0
    for peers in subscribers.values():
        reached = {min(peers)} if peers else set()
        frontier = list(reached)
        while frontier:
            fresh = (near[frontier.pop()] & peers) - reached
            reached |= fresh
            frontier.extend(fresh)
        split += reached != peers
    return split / len(subscribers)


@pytest.mark.parametrize("seed", SEEDS)
def test_while_all_live_no_topic_is_split_and_degrees_are_bounded(seed: int) -> None:
    members, chosen = members_of(seed), links_in(seed)
    assert split_share(members, chosen) == 0
    by_peer = linked_peers(chosen)
    degrees = [len(by_peer.get(peer, ())) for peer in list(members)[::10]]
    assert 6 <= statistics.mean(degrees) <= 9 + 2 + 1
    assert max(degrees) <= 18
    assert 6 <= 2 * len(chosen) / len(members) <= 9 + 2
    for peer, member in members.items():
        assert all(min((peer, near), (near, peer)) in set(chosen) for near in member.neighbours[:1])


@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_tenth_dead_few_topics_split_and_the_repair_joins_all(seed: int) -> None:
    members, chosen = members_of(seed), links_in(seed)
    for draw in range(8):
        dead = frozenset(Random(draw).sample(sorted(members), len(members) // 10))
        assert split_share(members, chosen, dead) <= 0.02
    repaired = links(members, dead)
    assert split_share(members, repaired, dead) == 0
    assert not dead & {peer for link in repaired for peer in link}


peers = st.integers(0, 40).map(lambda number: hashlib.sha256(bytes([number])).digest())
places = st.builds(
    MemberPlace,
    position=st.none()
    | st.tuples(st.integers(-90, 90), st.integers(-180, 180)).map(
        lambda degrees: (degrees[0] * 1_000_000, degrees[1] * 1_000_000)
    ),
    wants=st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=4).map(tuple),
    neighbours=st.lists(peers, max_size=3).map(tuple),
)
fleets = st.dictionaries(peers, places, max_size=14)


@given(fleets, st.frozensets(peers, max_size=5), st.randoms(use_true_random=False))
def test_any_fleet_is_connected_per_topic_and_in_any_order(
    members: dict[bytes, MemberPlace], dark: frozenset[bytes], random: Random
) -> None:
    chosen = links(members, dark)
    live = {peer: member for peer, member in members.items() if peer not in dark}
    assert split_share(live, chosen) == 0
    assert list(chosen) == sorted(set(chosen))
    assert all(a < b and a in live and b in live for a, b in chosen)
    shuffled = list(members.items())
    random.shuffle(shuffled)
    assert links(dict(shuffled), dark) == chosen
    assert links(live) == chosen


@given(fleets)
def test_each_subscriber_has_its_links_within_each_topic(members: dict[bytes, MemberPlace]) -> None:
    chosen = links(members)
    for peer, member in members.items():
        near = set(linked_peers(chosen).get(peer, ()))
        for topic in member.wants:
            others = {one for one in members if topic in members[one].wants} - {peer}
            assert len(near & others) >= min(TOPIC_LINKS_MIN, len(others))
        for neighbour in member.neighbours:
            assert neighbour in near or neighbour == peer or neighbour not in members


@settings(max_examples=10)
@given(st.sampled_from(SEEDS[:1]), st.integers(0, 499))
def test_one_dead_box_splits_nothing(seed: int, index: int) -> None:
    members = members_of(seed)
    assert split_share(members, links_in(seed), [sorted(members)[index]]) == 0


def test_a_newcomer_without_a_place_changes_two_long_links() -> None:
    members = dict(list(members_of(17).items())[:60])
    before = set(links(members))
    after = set(links({**members, bytes(32): MemberPlace()}))
    assert len(after - before) == 2
    assert len(before - after) <= 1
    assert len(linked_peers(after)[bytes(32)]) == 2


def test_the_salt_moves_the_long_links() -> None:
    members = {bytes([number]) * 32: MemberPlace() for number in range(20)}
    assert links(members, salt=b"a") != links(members, salt=b"b")
    assert links({}) == ()
    assert links({bytes(32): MemberPlace()}) == ()
