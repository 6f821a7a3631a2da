"""Seen, dark, unknown: presence against an oracle that states the definition and nothing else."""

from collections.abc import Mapping
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.coordination.presence import Presence, Statements, next_last_linked, presence

PEERS = tuple(bytes([letter]) for letter in b"abcdefg")
ME = PEERS[0]

subsets = st.frozensets(st.sampled_from(PEERS), max_size=4)
statements = st.dictionaries(st.sampled_from(PEERS), subsets)


def oracle_up(stated: Mapping[bytes, frozenset[bytes]]) -> set[frozenset[bytes]]:
    """A link is up iff an end states it and neither end's statement denies it."""
    return {
        frozenset(pair)
        for pair in combinations(PEERS, 2)
        if any(pair[1 - end] in stated.get(pair[end], ()) for end in (0, 1))
        and not any(
            pair[end] in stated and pair[1 - end] not in stated[pair[end]] for end in (0, 1)
        )
    }


def oracle(
    my_links: frozenset[bytes],
    members: frozenset[bytes],
    stated: Mapping[bytes, frozenset[bytes]],
    last: Mapping[bytes, frozenset[bytes]],
) -> Presence:
    """Every subset is tried as "dark"; the smallest that satisfies the definition is it."""
    current = members | {ME}
    heard = {peer: stated[peer] for peer in stated if peer in current} | {ME: my_links}
    up = {link for link in oracle_up(heard) if link <= current}
    component = {ME}
    while more := {
        peer
        for link in up
        if link & component & heard.keys()
        for peer in link
        if peer not in component
    }:
        component |= more
    away = sorted(current - component)

    def is_dark(peer: bytes, gone: set[bytes]) -> bool:
        return last.get(peer, frozenset()) & current <= component | gone

    solutions = [
        set(some)
        for size in range(len(away) + 1)
        for some in combinations(away, size)
        if {peer for peer in away if is_dark(peer, set(some))} == set(some)
    ]
    dark = solutions[0]
    assert all(dark <= other for other in solutions), "the smallest is the least"
    return Presence(
        me=ME,
        together=tuple(sorted(component)),
        dark=tuple(sorted(dark)),
        unknown=tuple(peer for peer in away if peer not in dark),
    )


@settings(max_examples=200)
@given(subsets, st.frozensets(st.sampled_from(PEERS)), statements, statements)
def test_presence_is_what_the_oracle_says(
    my_links: frozenset[bytes],
    members: frozenset[bytes],
    stated: dict[bytes, frozenset[bytes]],
    last: dict[bytes, frozenset[bytes]],
) -> None:
    view = presence(me=ME, my_links=my_links, members=members, statements=stated, last_linked=last)
    assert view == oracle(my_links, members, stated, last)
    everyone = (*view.seen, *view.dark, *view.unknown)
    assert sorted(everyone) == sorted(members - {ME})


looks = st.lists(st.tuples(st.sampled_from(PEERS), subsets), min_size=2, max_size=8)


@settings(max_examples=200)
@given(looks, st.frozensets(st.sampled_from(PEERS)), statements, statements)
def test_who_shares_the_statements_sees_what_it_would_see_alone(
    looks: list[tuple[bytes, frozenset[bytes]]],
    members: frozenset[bytes],
    stated: dict[bytes, frozenset[bytes]],
    last: dict[bytes, frozenset[bytes]],
) -> None:
    shared = Statements(members, stated, last)
    for me, mine in looks:
        alone = presence(me=me, my_links=mine, members=members, statements=stated, last_linked=last)
        assert shared.seen_by(me, mine) == alone
        assert alone.counts()["seen"] == len(alone.seen)


@given(subsets, statements, st.randoms(use_true_random=False))
def test_the_order_of_what_was_heard_does_not_matter(
    my_links: frozenset[bytes], stated: dict[bytes, frozenset[bytes]], random: object
) -> None:
    turned = dict(reversed(stated.items()))
    view = presence(me=ME, my_links=my_links, members=PEERS, statements=stated, last_linked=stated)
    again = presence(
        me=ME,
        my_links=tuple(sorted(my_links, reverse=True)),
        members=PEERS[::-1],
        statements=turned,
        last_linked=turned,
    )
    assert view == again


def line(*peers: bytes) -> dict[bytes, tuple[bytes, ...]]:
    """The statements of peers that stand in a line, each linked with its neighbours."""
    return {
        peer: tuple(peers[place] for place in (at - 1, at + 1) if 0 <= place < len(peers))
        for at, peer in enumerate(peers)
    }


def test_one_dead_box_is_dark_and_two_adjacent_ones_stay_unknown() -> None:
    a, b, c, d, e = PEERS[:5]
    ring = {a: (b, e), b: (a, c), c: (b, d), d: (c, e), e: (d, a)}
    one_gone = {**ring, b: (a,), d: (e,)}
    view = presence(me=a, my_links=(b, e), members=PEERS[:5], statements=one_gone, last_linked=ring)
    assert (view.seen, view.dark, view.unknown) == ((b, d, e), (c,), ())
    two_gone = {**ring, b: (a,), e: (a,)}
    view = presence(me=a, my_links=(b, e), members=PEERS[:5], statements=two_gone, last_linked=ring)
    assert (view.seen, view.dark, view.unknown) == ((b, e), (), (c, d))


def test_who_states_nothing_keeps_no_dead_box_alive() -> None:
    a, b, c, bootstrap = PEERS[:4]
    alive = {b: (a, c, bootstrap), c: (a, b, bootstrap)}
    view = presence(
        me=a,
        my_links=(b, bootstrap),
        members=PEERS[:4],
        statements={**alive, b: (a, bootstrap)},
        last_linked=alive,
    )
    assert (view.seen, view.dark, view.unknown) == ((b, bootstrap), (c,), ())


def test_the_other_side_of_a_partition_is_unknown() -> None:
    a, b, c, d = PEERS[:4]
    stated = line(a, b, c, d)
    view = presence(
        me=a, my_links=(b,), members=PEERS[:4], statements={**stated, b: (a,)}, last_linked=stated
    )
    assert (view.seen, view.dark, view.unknown) == ((b,), (), (c, d))


def test_after_a_start_nobody_is_seen_and_who_never_spoke_is_dark() -> None:
    a, b, c = PEERS[:3]
    stated = line(a, b)
    view = presence(
        me=a, my_links=(), members=(a, b, c), statements=stated, last_linked={b: (a, c), c: ()}
    )
    assert (view.seen, view.dark, view.unknown) == ((), (b, c), ())


def test_a_revoked_witness_no_longer_counts() -> None:
    a, b, c, x = PEERS[:4]
    last = {c: (b, x)}
    with_x = presence(
        me=a,
        my_links=(b,),
        members=(a, b, c, x),
        statements={b: (a,), x: (c,), c: (b, x)},
        last_linked={**last, x: (c,)},
    )
    without_x = presence(
        me=a, my_links=(b,), members=(a, b, c), statements={b: (a,), c: (b, x)}, last_linked=last
    )
    assert (with_x.seen, with_x.dark, with_x.unknown) == ((b,), (), (c, x))
    assert (without_x.seen, without_x.dark, without_x.unknown) == ((b,), (c,), ())


@given(st.lists(subsets, max_size=6))
def test_at_least_two_witnesses_are_remembered_where_there_were_two(
    history: list[frozenset[bytes]],
) -> None:
    last: tuple[bytes, ...] = ()
    ever: set[bytes] = set()
    for stated in history:
        last = next_last_linked(last, stated)
        ever |= stated
        assert set(last) >= stated
        assert set(last) <= ever
        assert len(set(last)) == len(last)
        assert len(last) <= max(len(stated), 2)
    assert len(last) >= min(2, max((len(stated) for stated in history), default=0))
