"""The membership view: every winning pair, no tie broken, one digest for one set of facts."""

from hypothesis import given
from hypothesis import strategies as st

from crdt.standing import Authority, Pair, Standing
from identity.did import did_from_public
from mesh.choreography.cells import cell_at
from mesh.choreography.topics import district_of
from mesh.coordination.membership import (
    Inventory,
    Running,
    fold_membership,
    node_rows,
    parse_inventory,
)
from mesh.units import Instant
from tests.unit.coordination.views import (
    ALICE,
    BOB,
    CAROL,
    authority,
    authority_as_given,
    register,
    standing,
)

CELL = cell_at(52.01, 4.36, 9)
PLACE = {"cell": CELL, "position": [52_010_000, 4_360_000], "edges": []}
DIGEST = bytes([7]) * 32
RUNS = {"models": [{"digest": DIGEST, "since": 5}], "agents": [], "config": []}


def fold(view: Authority, registers: dict | None = None, fleet: dict | None = None):
    return fold_membership(view, registers or {}, fleet or {}, district_depth=1)


def test_a_member_has_place_district_and_inventory():
    pair = Pair(ALICE, "north/box-1")
    view = authority(standing(pair, place="north/box-1", epoch=2))
    members = fold(view, {"place/north/box-1": register(PLACE)}, {pair: {"runs": RUNS}})
    (member,) = members.get("north/box-1")
    assert (member.key, member.name, member.epoch, member.stratum) == (ALICE, pair.name, 2, 3)
    assert (member.place, member.cell, member.district) == ("north/box-1", CELL, "north")
    assert member.inventory == Inventory(models=(Running(DIGEST, 5),))
    assert member.current
    assert member.state == "current"
    assert members.of_key(ALICE) == members.current() == members.all() == (member,)
    assert members.of_key(BOB) == members.get("north/box-2") == ()


def test_who_is_shown_and_how():
    view = authority(
        standing(Pair(ALICE, "")),
        standing(Pair(ALICE, "north/box-1"), winning=False),
        standing(Pair(BOB, "north/box-1"), contested=True),
        standing(Pair(CAROL, "north/box-1"), contested=True),
        standing(Pair(ALICE, "north/box-2"), revoked=True),
        standing(Pair(BOB, "north/box-3"), undecided=True),
    )
    members = fold(view)
    shown = [(member.name, member.key, member.state) for member in members.all()]
    contenders = [("north/box-1", key, "contested") for key in sorted((BOB, CAROL))]
    assert shown == [
        *contenders,
        ("north/box-2", ALICE, "revoked"),
        ("north/box-3", BOB, "quarantined"),
    ]
    assert [member.name for member in members.current()] == ["north/box-1", "north/box-1"]


def test_a_place_that_is_unknown_contested_or_malformed_has_no_cell():
    view = authority(standing(Pair(ALICE, "north/box-1"), place="p"))
    for place in ([], [PLACE, {**PLACE, "position": [0, 0]}], [{"cell": bytes(8)}], ["text"]):
        registers = {"place/p": register(*place)} if place else {}
        assert fold(view, registers).all()[0].cell is None


@given(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=4), st.integers(0, 4))
def test_a_district_is_the_one_that_topics_use(segments: list[str], depth: int):
    name = "/".join(segments)
    view = authority(standing(Pair(ALICE, name)))
    members = fold_membership(view, {}, {}, district_depth=depth)
    assert members.all()[0].district == district_of(name, depth)


STANDINGS = st.builds(
    standing,
    pair=st.builds(Pair, st.sampled_from([ALICE, BOB]), st.sampled_from(["n/a", "n/b", "m"])),
    epoch=st.integers(1, 2),
    contested=st.booleans(),
    revoked=st.booleans(),
    place=st.sampled_from([None, "p"]),
)


@given(
    st.lists(STANDINGS, unique_by=lambda one: one.pair, max_size=5),
    st.lists(STANDINGS, unique_by=lambda one: one.pair, max_size=5),
)
def test_digests_are_equal_iff_what_is_shown_is_equal(one: list[Standing], other: list[Standing]):
    first, second = fold(authority(*one)), fold(authority(*other))
    shuffled = fold(authority_as_given(reversed(one)))
    assert shuffled == first
    assert (first.digest == second.digest) == (first.members == second.members)


def test_the_inventory_is_part_of_the_digest():
    pair = Pair(ALICE, "north/box-1")
    view = authority(standing(pair))
    digests = {
        fold(view, {}, fleet).digest
        for fleet in ({}, {pair: {"runs": {}}}, {pair: {"runs": RUNS}}, {pair: {"links": {}}})
    }
    assert len(digests) == 3


def test_malformed_inventories_lose_what_is_malformed():
    assert parse_inventory("text") == parse_inventory({"models": 7}) == Inventory()
    items = [
        {"digest": DIGEST, "since": 1},
        {"digest": b"short", "since": 1},
        {"digest": DIGEST, "since": True},
        "text",
    ]
    assert parse_inventory({"agents": items}) == Inventory(agents=(Running(DIGEST, 1),))
    assert len(parse_inventory({"config": items[:1] * 99}).config) == 64


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["models", "digest", "since"]), inner)
        ),
    )
)
def test_any_value_is_some_inventory(value: object):
    assert isinstance(parse_inventory(value), Inventory)


def test_the_listing():
    pair = Pair(ALICE, "north/box-1")
    view = authority(standing(pair, place="north/box-1"), standing(Pair(BOB, "m")))
    members = fold_membership(view, {}, {pair: {"runs": RUNS}}, district_depth=2)
    now = Instant(mono_ns=9_500_000_000, wall_ms=0)
    unheard, heard = node_rows(members, {ALICE: 2_000_000_000}, now)
    assert (unheard.name, unheard.place, unheard.district) == ("m", "", "")
    assert (unheard.models, unheard.heard_s) == ((), None)
    assert heard.did == did_from_public(ALICE)
    assert (heard.place, heard.district, heard.state) == (pair.name, pair.name, "current")
    assert (heard.models, heard.heard_s) == ((DIGEST.hex(),), 7)
