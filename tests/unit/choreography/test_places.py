"""The places graph answers like a walk over the records, and no record can break it."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mesh.choreography.cells import cell_at
from mesh.choreography.places import EDGES_MAX, Places, check_place

CELL = cell_at(47.0, -30.0, 9)
NAMES = tuple("abcdefgh")

junk: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
edges = st.lists(
    st.fixed_dictionaries(
        {"to": st.sampled_from(NAMES)}, optional={"street": st.sampled_from(["x", "y"])}
    ),
    max_size=4,
)
positions = st.tuples(
    st.integers(46_990_000, 47_010_000), st.integers(-30_010_000, -29_990_000)
).map(list)
bodies = st.fixed_dictionaries(
    {"cell": st.just(CELL), "position": positions, "edges": edges}, optional={"note": junk}
)
records = st.dictionaries(st.sampled_from(NAMES), bodies)


def body(*to: str, at: tuple[int, int] = (0, 0), street: str = "x") -> dict[str, object]:
    return {
        "cell": CELL,
        "position": list(at),
        "edges": [{"to": name, "street": street} for name in to],
    }


@given(records, st.sampled_from(NAMES), st.integers(1, 3))
def test_upstream_and_downstream_are_one_relation(
    given_records: dict[str, Any], name: str, hops: int
) -> None:
    places = Places(given_records)
    for other in NAMES:
        downstream = name in places.downstream(other, hops=hops)
        assert downstream == (other in places.upstream(name, hops=hops))
        assert downstream == places.is_upstream_of(other, name, hops=hops)
        assert downstream == places.is_downstream_of(name, other, hops=hops)


@given(records, st.sampled_from(NAMES), st.integers(1, 3))
def test_upstream_is_what_a_walk_backwards_finds(
    given_records: dict[str, Any], name: str, hops: int
) -> None:
    found = {name} if name in given_records else set()
    for _ in range(hops):
        found |= {
            origin
            for origin, place in given_records.items()
            if {edge["to"] for edge in place["edges"]} & found
        }
    assert set(Places(given_records).upstream(name, hops=hops)) == found - {name}


@given(records, st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(0, 4))
def test_a_chain_follows_edges_of_one_street(
    given_records: dict[str, Any], name: str, approach: str, hops: int
) -> None:
    places = Places(given_records)
    upstream = places.upstream_along(name, approach, hops=hops)
    chain = (name, *upstream)
    for to, origin in itertools.pairwise(chain):
        assert places.edge(origin, to) is not None
    downstream = places.downstream_along(name, approach, hops=hops)
    if downstream:
        assert places.edge(approach, name) is not None
        assert approach != downstream[0]
    chain = (approach, name, *downstream)
    for origin, to in itertools.pairwise(chain):
        assert not downstream or places.edge(origin, to) is not None
    for found in (upstream, downstream):
        assert len(found) <= hops
        assert len(set(found)) == len(found)
        assert name not in found


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), junk | bodies))
def test_a_malformed_record_is_left_out_whole(given_records: dict[str, object]) -> None:
    places = Places(given_records)
    for name, value in given_records.items():
        assert name not in places or check_place(value)
        assert places.get(name) is not None or name not in NAMES or not check_place(value)
    assert list(places.all) == sorted(places.all)
    assert len(places) == len(places.all)


@given(bodies)
def test_check_accepts_well_formed_records(value: dict[str, object]) -> None:
    assert check_place(value)


@given(
    bodies,
    st.sampled_from(
        [
            ("cell", b"12345678"),
            ("cell", "8926"),
            ("position", [1]),
            ("position", [True, 0]),
            ("position", [0, False]),
            ("position", [0.5, 0]),
            ("position", (0, 0)),
            ("position", [90_000_001, 0]),
            ("position", [0, -180_000_001]),
            ("edges", {}),
            ("edges", [{}]),
            ("edges", ["a"]),
            ("edges", [{"to": "A"}]),
            ("edges", [{"to": 1}]),
            ("edges", [{"to": "a"}] * (EDGES_MAX + 1)),
        ]
    ),
)
def test_check_refuses_each_wrong_field(
    value: dict[str, object], wrong: tuple[str, object]
) -> None:
    assert not check_place({**value, wrong[0]: wrong[1]})
    assert not check_place({key: item for key, item in value.items() if key != wrong[0]})


def test_the_street_decides_who_is_upstream() -> None:
    """z → a → p → b is Main Street; q → p and p → r is another."""
    main, side = "Main Street", "Side Street"
    places = Places(
        {
            "z": body("a", street=main),
            "a": body("p", "z", at=(0, 1000), street=main),
            "p": {
                **body("b", "a", at=(0, 2000), street=main),
                "edges": [
                    {"to": "b", "street": main, "bearing": 90},
                    {"to": "a", "street": main},
                    {"to": "r", "street": side},
                ],
            },
            "b": body("p", at=(0, 3000), street=main),
            "q": body("p", at=(1000, 2000), street=side),
            "r": body(at=(-1000, 2000)),
        }
    )
    assert places.upstream_along("p", "a", hops=2) == ("a", "z")
    assert places.downstream_along("p", "a", hops=1) == ("b",)
    assert places.upstream_along("p", "b", hops=2) == ("b",)
    assert places.downstream_along("p", "b", hops=2) == ("a", "z")
    assert places.upstream_along("p", "q", hops=2) == ("q",)
    assert places.downstream_along("p", "q", hops=1) == ("r",)
    assert places.upstream_along("p", "r", hops=2) == ()
    assert places.neighbours("p") == ("a", "b", "q", "r")
    edge = places.edge("p", "b")
    assert edge is not None
    assert (edge.street, dict(edge.attributes)) == (main, {"street": main, "bearing": 90})


def test_where_a_street_forks_the_straighter_branch_is_the_street() -> None:
    places = Places(
        {
            "a": body("p"),
            "p": body("left", "straight", at=(1000, 0)),
            "left": body(at=(1000, -1000)),
            "straight": body(at=(2000, 100)),
        }
    )
    assert places.downstream_along("p", "a", hops=1) == ("straight",)


def test_distances_are_metres() -> None:
    places = Places({"a": body(), "b": body(at=(9000, 0)), "c": body(at=(0, 5000))})
    assert round(places.distance_m("a", "b") or 0) == 1001
    assert places.distance_m("a", "nowhere") is None
    assert places.within("a", 600.0) == ("c",)
    assert places.within("nowhere", 600.0) == ()
    assert repr(places) == "<Places 3>"


def test_an_edge_without_a_street_leads_nowhere_along() -> None:
    bare = {"cell": CELL, "position": [0, 0]}
    places = Places(
        {
            "a": {**bare, "edges": [{"to": "b"}]},
            "b": {**bare, "edges": [{"to": "c", "street": 7}]},
            "c": {**bare, "edges": []},
        }
    )
    assert places.upstream_along("c", "b", hops=2) == ("b",)
    assert places.downstream_along("b", "a", hops=2) == ()
    assert places.downstream("nowhere") == ()
