"""The laws of authority, over generated worlds.

The first one is the main one: the fold says what the oracle says. The others are stated without the
oracle, so that a misreading shared by both still has something to break. Their numbers are those of
docs/records.md, "Invariants the tests must hold".
"""

from collections.abc import Iterable, Iterator
from random import Random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from crdt.authority import fold_authority
from crdt.entry import Entry, FeedId, Lane
from crdt.replica import Offer, Replica
from crdt.standing import Authority, Pair
from identity.capability import covers, is_at_or_under, permits
from identity.genesis import RootChain, RootVerdict, make_root_statement, sign_root

from . import oracle
from .deeds import ISSUERS, KEYS, World
from .scripts import Script
from .strategies import scripts, worlds
from .views import FLAGS, KEY_RULES, Folding, fold_view, oracle_view, plain_counting, plain_pairs
from .writing import (
    Fleet,
    box_of,
    capability,
    grant,
    key_of,
    public,
    put,
    revoke,
    steward_of,
    two_banks,
)

FOLDINGS = pytest.mark.parametrize(
    "folding", [pytest.param(oracle_view, id="oracle"), pytest.param(fold_view, id="fold")]
)
DECISIVE = ("grant", "revoke", "pin")


def fold(world: World, entries: Iterable[Entry] | None = None) -> Authority:
    """Fold the entries of a world, or others in their place."""
    fleet = world.fleet
    return fold_authority(
        fleet.genesis, fleet.statements, world.entries if entries is None else entries
    )


def told(world: World) -> Iterator[tuple[str, dict, bytes | None, bytes]]:
    """Yield kind, body, author (None for the roots) and id of everything said in a world."""
    for statement in world.fleet.statements:
        for item in statement.items:
            assert isinstance(item.body, dict)
            yield item.kind, item.body, None, statement.id
    for entry in world.entries:
        if entry.lane == Lane.AUTH:
            assert isinstance(entry.body, dict)
            yield entry.kind, entry.body, entry.author, entry.id


def ancestors(world: World, id_: bytes) -> set[bytes]:
    """Return the ids from an entry down its chain, as far as they are held."""
    held = {entry.id: entry for entry in world.entries}
    found: set[bytes] = set()
    while id_ in held:
        found.add(id_)
        id_ = held[id_].prev
    return found


@given(worlds())
@settings(max_examples=3 * settings.default.max_examples)
def test_the_fold_is_the_oracle(world: World) -> None:
    """Of all root statements that are offered, and with some entries given twice."""
    fleet = world.fleet
    expected = oracle.fold(fleet.genesis, fleet.statements, world.entries)
    for flag in FLAGS:
        if any(standing[flag] for standing in expected.pairs.values()):
            event(flag)
    if any(not standing["winning"] for standing in expected.pairs.values()):
        event("retired")
    chain = RootChain(fleet.genesis)
    for statement in fleet.offered:
        chain.accept(statement)
    twice = [*world.entries, *world.entries[::3]]
    folded = fold_authority(fleet.genesis, chain.statements, twice)
    assert tuple(folded.root) == expected.root
    assert plain_pairs(folded) == expected.pairs
    assert plain_counting(folded, twice) == expected.counting


@given(worlds(), st.randoms(use_true_random=False))
def test_i1_order_and_duplicates_change_nothing(world: World, random: Random) -> None:
    entries = [*world.entries, *world.entries[::2]]
    random.shuffle(entries)
    assert fold(world, entries) == fold(world)
    assert fold(world, entries).digest == fold(world).digest


@given(worlds(deeds_max=20), st.data())
def test_i1_the_digest_tells_views_apart(world: World, data: st.DataObject) -> None:
    some = [entry for entry in world.entries if data.draw(st.booleans())]
    one, other = fold(world), fold(world, some)
    if one.standings != other.standings:
        assert one.digest != other.digest


@given(worlds())
def test_i4_capabilities_only_narrow_from_senior_to_junior(world: World) -> None:
    authority = fold(world)
    for pair, standing in authority.standings.items():
        issuers = [
            issuer
            for kind, body, author, id_ in told(world)
            if kind == "grant" and (body["pk"], body["name"]) == tuple(pair)
            for issuer in ([None] if author is None else authority.counting.get(id_, ()))
        ]
        seniors = [
            issuer
            for issuer in issuers
            if issuer is None or authority.standings[issuer].stratum < standing.stratum
        ]
        assert seniors
        assert 1 <= standing.stratum <= 7
        for held in standing.capabilities:
            assert any(
                issuer is None
                or any(covers(outer, held) for outer in authority.standings[issuer].capabilities)
                for issuer in seniors
            )


@given(worlds())
def test_i5_nothing_survives_beyond_or_beside_a_cut(world: World) -> None:
    authority = fold(world)
    for kind, body, author, id_ in told(world):
        if kind != "revoke":
            continue
        named = body["name"]
        for pair, standing in authority.standings.items():
            counts = author is None or any(
                authority.standings[issuer].stratum < standing.stratum
                for issuer in authority.counting.get(id_, ())
            )
            meant = (
                is_at_or_under(pair.name, named.removesuffix("/*"))
                if named.endswith("/*")
                else named == pair.name or (named == "*" and author is None)
            )
            if not counts or not meant or pair.key != body["pk"]:
                continue
            assert standing.revoked
            assert not standing.current
            covered: set[bytes] = set().union(*(ancestors(world, end) for *_, end in body["cut"]))
            survivors = {end for end, pairs in authority.counting.items() if pair in pairs}
            assert survivors <= covered


@given(worlds(deeds_max=12), st.sampled_from(DECISIVE))
def test_i6_one_root_of_two_changes_nothing(world: World, kind: str) -> None:
    fleet = Fleet(roots=2)
    fleet.declare(grant("bank-a", "a", 1, 1, steward_of("a", "city")))
    chain = RootChain(fleet.genesis)
    assert chain.accept(fleet.statements[0]) is RootVerdict.ACCEPTED
    lone = make_root_statement(fleet.genesis, [], number=2, prev=chain.head)
    for key in ("root-0", "bank-a"):
        lone = sign_root(lone, key_of(key))
        assert chain.accept(lone) is RootVerdict.INVALID
    said = {
        "grant": grant("thief", "city/n/0", 3, 9, steward_of("city")),
        "revoke": revoke("north", "city/n", []),
        "pin": ("pin", {"pk": public("north"), "lane": 0, "inc": 0, "seq": 0, "id": bytes(32)}),
    }
    before = fold(world)
    world.fleet.write("root-0", said[kind])
    assert fold(world) == before


@given(worlds(), st.integers(1, 4))
def test_i7_equals_and_juniors_decide_nothing(world: World, stratum: int) -> None:
    authority = fold(world)
    senior = {pair.key for pair, view in authority.standings.items() if view.stratum < stratum}
    silenced = fold(
        world,
        [entry for entry in world.entries if entry.lane != Lane.AUTH or entry.author in senior],
    )
    for pair, view in authority.standings.items():
        if view.stratum <= stratum:
            other = silenced.standings[pair]
            assert (view.epoch, view.capabilities, view.dropped, view.place) == (
                other.epoch,
                other.capabilities,
                other.dropped,
                other.place,
            )
            assert (view.winning, view.contested, view.revoked) == (
                other.winning,
                other.contested,
                other.revoked,
            )
            if pair.key in senior:
                assert view.undecided == other.undecided
    assert {pair for pair, view in silenced.standings.items() if view.stratum <= stratum} == {
        pair for pair, view in authority.standings.items() if view.stratum <= stratum
    }


@given(worlds())
def test_i9_only_forks_quarantine(world: World) -> None:
    places = [(entry.feed, entry.seq) for entry in world.entries]
    forkers = {feed.author for feed, seq in places if places.count((feed, seq)) > 1}
    for pair, standing in fold(world).standings.items():
        if pair.key not in forkers:
            assert not standing.undecided


@given(worlds())
def test_i9_one_entry_given_twice_convicts_nobody(world: World) -> None:
    seen: set[tuple[FeedId, int]] = set()
    honest: list[Entry] = []
    for entry in world.entries:
        if (entry.feed, entry.seq) not in seen:
            seen.add((entry.feed, entry.seq))
            honest.append(entry)
    authority = fold(world, [*honest, *reversed(honest)])
    assert not any(standing.undecided for standing in authority.standings.values())


@FOLDINGS
@pytest.mark.parametrize(
    "where", ["at the head", "unlinked", "below a snapshot", "lower incarnation"]
)
@pytest.mark.parametrize("lane", [Lane.AUTH, Lane.STATE, Lane.FLEET])
def test_i9_a_fork_is_evidence_wherever_it_is(folding: Folding, lane: Lane, where: str) -> None:
    fleet = two_banks()
    fleet.write("bank-a", grant("box", "city/n", 3, 1, box_of("city/n")))
    first = fleet.write("box", ("status", {"topic": "lamp", "value": 0}), lane=lane)
    before = folding(*fleet.history)
    assert before.current("box", "city/n")
    second, _ = (fleet.write("box", ("status", {}), after=first) for _ in range(2))
    if where == "unlinked":
        fleet.entries.remove(first)
    elif where == "below a snapshot":
        fleet.write("box", ("snap", {"map": {}}), after=second)
    elif where == "lower incarnation":
        fleet.write("box", ("snap", {"map": {}}), inc=9, lane=lane)
    view = folding(*fleet.history)
    assert view.standing("box", "city/n")["undecided"]
    assert not view.current("box", "city/n")


@given(worlds(), st.sampled_from(KEYS))
def test_i11_a_key_reaches_only_what_depends_on_it(world: World, label: str) -> None:
    key = public(label)
    views = (fold(world), fold(world, [e for e in world.entries if e.author != key]))
    reached = dependent(views, key)
    event(f"{len(reached)} names reached")
    for pair in {*views[0].standings, *views[1].standings}:
        if pair.name not in reached:
            assert views[0].standings[pair] == views[1].standings[pair]


def dependent(views: tuple[Authority, ...], key: bytes) -> set[str]:
    """Return the names that a key holds or may act on, and so on for those who hold these."""
    holdings = [(pair, view) for authority in views for pair, view in authority.standings.items()]
    names = {pair.name for pair, _ in holdings}
    keys, reached = {key}, set[str]()
    while True:
        acting = [view for pair, view in holdings if pair.key in keys]
        wider = {pair.name for pair, _ in holdings if pair.key == key} | {
            name
            for name in names
            for view in acting
            for held in view.capabilities
            for verb in DECISIVE
            if permits(held, verb=verb, name=name)
        }
        if wider == reached:
            return reached
        reached = wider
        keys |= {pair.key for pair, _ in holdings if pair.name in reached}


@given(scripts(), st.randoms(use_true_random=False))
def test_i12_clocks_change_nothing(script: Script, random: Random) -> None:
    numbers = list(range(1000))
    random.shuffle(numbers)
    wrong = [0, 2**52 - 1 - 1000, 4_070_908_800_000]
    world = script.perform()
    shifted = script.perform(lambda number: random.choice(wrong) + numbers[number])
    assert by_place(world) == by_place(shifted)


def by_place(world: World) -> object:
    """Return the whole view of a world, naming each entry by its number instead of its id."""
    numbers = {entry.id: number for number, entry in enumerate(world.fleet.entries)}
    view = fold_view(world.fleet.genesis, world.fleet.statements, world.entries)
    registers = {
        key: {
            **register,
            "standing": sorted(numbers.get(one[3], -1) for one in register["standing"]),
            "shown": sorted(numbers.get(one[3], -1) for one in register["shown"]),
        }
        for key, register in view.registers.items()
    }
    counting = {numbers[id_]: pairs for id_, pairs in view.counting.items()}
    return view.pairs, counting, registers, view.state, view.fleet


@given(
    st.lists(st.tuples(st.integers(0, 90), st.sampled_from((10, 10, 900, 9000))), max_size=90),
    st.booleans(),
)
def test_i13_what_counts_is_bounded(writes: list[tuple[int, int]], issuing: bool) -> None:
    fleet = Fleet()
    fleet.declare(grant("bank-a", "a", 1, 1, steward_of("a", "city")))
    caps = [capability("put", "city/n"), capability("pin", "city/n")]
    boxed = [*caps, *([capability("agree", "city/n")] if issuing else [])]
    fleet.declare(grant("bank-b", "b", 1, 1, [*steward_of("city"), capability("agree", "city")]))
    fleet.write("bank-b", grant("box", "city/n", 3, 1, boxed))
    heads: dict[int, Entry] = {}
    for number, (inc, size) in enumerate(writes):
        said = put(f"city/n/k{number}", bytes(size))
        heads[inc] = fleet.write("box", said, after=heads.get(inc), inc=inc)
    view = fold_view(*fleet.history)
    shown = [
        e
        for e in fleet.entries
        if any(e.id == r["standing"][0][3] for r in view.registers.values())
    ]
    assert len({entry.inc for entry in shown}) <= 64
    if not issuing:
        assert len(shown) <= 64
        assert sum(len(entry.wire) for entry in shown) <= 64 << 10
    assert view == oracle_view(*fleet.history)


@given(worlds(), st.randoms(use_true_random=False))
def test_known_authors_only_grow(world: World, random: Random) -> None:
    fleet = world.fleet
    some = [entry for entry in world.entries if random.random() < 0.8]
    fewer = oracle.known_authors(fleet.genesis, fleet.statements, some)
    known = oracle.known_authors(fleet.genesis, fleet.statements, world.entries)
    assert fewer <= known
    assert {pair.key for pair in fold(world).standings} <= known


def test_known_authors_pass_on_what_they_hold_and_no_more() -> None:
    fleet = two_banks()
    granted = fleet.write("bank-a", grant("north", "city/n", 2, 1, [capability("grant", "city/n")]))
    wide = [capability("grant", "city"), capability("revoke", "city/n")]
    fleet.write("north", grant("box", "city/n/0", 3, 1, wide))
    fleet.write("box", grant("puppet", "city/n/1", 4, 1, []))
    replica = Replica(fleet.genesis, KEY_RULES)
    replica.offer_root(fleet.statements[0])
    assert [replica.offer(entry) for entry in fleet.entries] == [Offer.STORED] * 3
    known = {public(label) for label in ("bank-a", "bank-b", "north", "box")}
    assert oracle.known_authors(*fleet.history) == known
    assert not replica.is_known_author(public("puppet"))
    wider = grant("north", "city/n", 2, 1, [capability("grant", "city")])
    assert replica.offer(fleet.write("bank-a", wider, after=granted)) is Offer.STORED
    assert oracle.known_authors(*fleet.history) == known | {public("puppet")}
    assert replica.is_known_author(public("puppet"))


@given(worlds(), st.randoms(use_true_random=False))
def test_i2_a_replica_says_what_the_oracle_says(world: World, random: Random) -> None:
    fleet = world.fleet
    entries = [entry for entry in world.entries if entry.lane == Lane.AUTH]
    random.shuffle(entries)
    replica = Replica(fleet.genesis, KEY_RULES)
    for statement in fleet.statements:
        replica.offer_root(statement)
    while Offer.STORED in [replica.offer(entry) for entry in entries]:
        assert replica.authority.root == (len(fleet.statements), fleet.statements[-1].id)
    known = oracle.known_authors(fleet.genesis, fleet.statements, entries)
    assert {public(label) for label in KEYS if replica.is_known_author(public(label))} == known
    expected = oracle.fold(fleet.genesis, fleet.statements, entries).pairs
    shown = {tuple(pair): standing for pair, standing in replica.authority.standings.items()}
    assert shown.keys() == expected.keys()
    for pair, standing in shown.items():
        for flag in ("epoch", "stratum", *FLAGS):
            assert getattr(standing, flag) == expected[pair][flag]
        assert list(standing.capabilities) == expected[pair]["capabilities"]


def test_pairs_are_named_by_key_and_name() -> None:
    fleet = Fleet()
    fleet.declare(grant("bank-a", "a", 1, 1, steward_of("a")))
    authority = fold_authority(*fleet.history)
    assert authority.current(Pair(public("bank-a"), "a"))
    assert authority.root == (1, fleet.statements[0].id)
    assert set(ISSUERS) <= set(KEYS)
