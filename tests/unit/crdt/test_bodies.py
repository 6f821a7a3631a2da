"""Bodies are parsed totally: well-formed ones to records, all others to nothing."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import bodies
from crdt.bodies import Pin, Place, Put, Revocation, Snapshot, Status
from crdt.entry import Lane
from crdt.kinds import KEY_RULES, KINDS, KeyRule, rule_for_key
from identity.capability import Capability
from identity.encoding import Value
from tests.laws.writing import capability, public

KEY = public("box")
ID = bytes(range(32))
ITEM = [0, 1, 2, ID]
GRANT: dict[str, Value] = {
    "pk": KEY,
    "name": "city/n",
    "stratum": 2,
    "epoch": 3,
    "caps": [{"verb": "state", "names": "city"}, {"verb": "put", "names": "a"}],
    "replaces": [{"pk": public("old"), "cut": [ITEM]}],
    "place": "city/n",
    "exp": 9,
    "more": None,
}
REVOKE: dict[str, Value] = {"pk": KEY, "name": "city/*", "mode": "retire", "cut": [ITEM]}
PIN: dict[str, Value] = {"pk": KEY, "lane": 1, "inc": 2, "seq": 3, "id": ID}
PUT: dict[str, Value] = {"key": "a/b", "value": {"x": 1}, "supersedes": [ID]}
LINKS: dict[str, Value] = {"peers": [bytes(32), KEY]}
RUNS: dict[str, Value] = {
    "models": [{"digest": ID, "since": 1}],
    "agents": [],
    "config": [{"digest": ID, "since": 0, "name": "x"}],
}
CELL = bytes.fromhex("0891fb466257ffff")
PLACE: dict[str, Value] = {
    "cell": CELL,
    "position": [52_000_000, 13_000_000],
    "edges": [{"to": "city/n/1", "metres": 120, "street": "x"}],
}
MODEL: dict[str, Value] = {"digest": ID, "state": "approved", "events": ["a.*"], "area": [CELL]}

PARSERS: dict[str, tuple[Callable[[Value], object], dict[str, Value]]] = {
    "grant": (bodies.parse_grant, GRANT),
    "revoke": (bodies.parse_revocation, REVOKE),
    "pin": (bodies.parse_pin, PIN),
    "put": (bodies.parse_put, PUT),
    "links": (bodies.parse_links, LINKS),
    "runs": (bodies.parse_runs, RUNS),
    "status": (bodies.parse_status, {"topic": "x", "value": 1}),
    "snap": (bodies.parse_snapshot, {"map": {"x": 1}}),
}
OPTIONAL = {"place", "exp", "more"}

VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.text(max_size=3) | st.binary(max_size=33),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(sorted({*GRANT, *PIN, *PUT, *LINKS, *RUNS})), inner)
    ),
    max_leaves=12,
)


def test_well_formed_bodies_are_records() -> None:
    grant = bodies.parse_grant(GRANT)
    assert grant is not None
    assert (grant.key, grant.name, grant.stratum, grant.epoch) == (KEY, "city/n", 2, 3)
    assert grant.capabilities == (
        Capability(verb="put", names="a"),
        Capability(verb="state", names="city"),
    )
    assert grant.replaces[0].key == public("old")
    assert grant.replaces[0].cut == (Place(0, 1, 2, ID),)
    assert (grant.place, grant.expires_ms) == ("city/n", 9)
    assert bodies.parse_revocation(REVOKE) == Revocation(
        KEY, "city/*", "retire", (Place(0, 1, 2, ID),)
    )
    assert bodies.parse_pin(PIN) == Pin(KEY, Place(1, 2, 3, ID))
    assert bodies.parse_put(PUT) == Put("a/b", {"x": 1}, (ID,))
    assert bodies.parse_links(LINKS) == Status("links", LINKS)
    assert bodies.parse_runs(RUNS) == Status("runs", RUNS)
    assert bodies.parse_status({"topic": "x", "value": None}) == Status("x", None)
    assert bodies.parse_snapshot({"map": {"x": 1}}) == Snapshot({"x": 1})


@pytest.mark.parametrize(
    ("name", "prefix"), [("*", ""), ("city/*", "city"), ("city", None), ("a/b/*", "a/b")]
)
def test_a_revocation_names_a_name_or_a_prefix(name: str, prefix: str | None) -> None:
    revocation = bodies.parse_revocation({**REVOKE, "name": name})
    assert revocation is not None
    assert revocation.prefix == prefix


@pytest.mark.parametrize("kind", PARSERS)
def test_a_body_without_a_field_is_nothing(kind: str) -> None:
    parse, body = PARSERS[kind]
    assert parse(body) is not None
    for field in body:
        rest = {other: value for other, value in body.items() if other != field}
        assert (parse(rest) is not None) == (field in OPTIONAL)
    for junk in (None, 1, "x", [], [1]):
        assert parse(junk) is None


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("grant", "pk", bytes(32)),
        ("grant", "pk", KEY[:31]),
        ("grant", "name", "City"),
        ("grant", "name", ""),
        ("grant", "stratum", 0),
        ("grant", "stratum", 8),
        ("grant", "stratum", True),
        ("grant", "epoch", -1),
        ("grant", "epoch", 2**48),
        ("grant", "epoch", False),
        ("grant", "caps", ["state"]),
        ("grant", "place", 1),
        ("grant", "exp", -1),
        ("grant", "exp", "soon"),
        ("grant", "replaces", [{"pk": KEY}]),
        ("grant", "replaces", [{"pk": KEY[:31], "cut": []}]),
        ("grant", "replaces", [{"pk": KEY, "cut": []}, {"pk": KEY, "cut": []}]),
        ("grant", "replaces", [{"pk": KEY, "cut": [ITEM, ITEM]}]),
        ("revoke", "pk", KEY[:31]),
        ("revoke", "mode", "perhaps"),
        ("revoke", "name", "/*"),
        ("revoke", "name", "Ab/*"),
        ("revoke", "cut", [ITEM, [0, 1, 3, ID]]),
        ("revoke", "cut", [[Lane.STATE, 1, 2, ID]]),
        ("revoke", "cut", [[Lane.FLEET, 1, 2, ID]]),
        ("revoke", "cut", [[True, 1, 2, ID]]),
        ("revoke", "cut", [[7, 1, 2, ID]]),
        ("revoke", "cut", [[0, 1, 2]]),
        ("revoke", "cut", [[0, 1, 2, ID[:31]]]),
        ("revoke", "cut", [[0, 2**48, 2, ID]]),
        ("revoke", "cut", [[0, 1, 2**40, ID]]),
        ("revoke", "cut", [[0, 1, True, ID]]),
        ("pin", "pk", KEY[:31]),
        ("pin", "lane", 5),
        ("pin", "id", ID[:31]),
        ("put", "supersedes", [1]),
        ("put", "supersedes", [ID[:31]]),
        ("put", "key", 1),
        ("links", "peers", [KEY, bytes(32)]),
        ("links", "peers", [KEY, KEY]),
        ("links", "peers", [KEY[:31]]),
        ("links", "peers", ["x"]),
        ("runs", "models", [{"digest": ID[:31], "since": 1}]),
        ("runs", "agents", [{"digest": ID, "since": -1}]),
        ("runs", "config", ["x"]),
        ("snap", "map", {f"t{n}": n for n in range(65)}),
        ("snap", "map", []),
    ],
)
def test_a_malformed_field_folds_as_nothing(kind: str, field: str, value: Value) -> None:
    parse, body = PARSERS[kind]
    assert parse({**body, field: value}) is None


def test_a_capability_that_is_none_is_dropped_alone() -> None:
    caps: list[Value] = [
        {"verb": "grant", "names": "a", "events": ["*"]},
        {"verb": "fly", "names": "a"},
        {"verb": "pin", "names": "a"},
        {"verb": "pin", "names": "a"},
    ]
    grant = bodies.parse_grant({**GRANT, "caps": caps})
    assert grant is not None
    assert grant.capabilities == (Capability(verb="pin", names="a"),)


@given(VALUES, st.sampled_from(sorted(PARSERS)), st.data())
def test_parsers_are_total(value: Value, kind: str, data: st.DataObject) -> None:
    parse, body = PARSERS[kind]
    parse(value)
    field = data.draw(st.sampled_from(sorted(body)))
    parse({**body, field: value})
    for rule in KINDS.values():
        rule.parse(value)
    for rule in KEY_RULES:
        rule.check(value)


def rule(key: str) -> KeyRule:
    found = rule_for_key(KEY_RULES, key)
    assert found is not None
    return found


def test_the_longest_prefix_owns_a_key() -> None:
    assert [rule(key).verb for key in ("place/a", "model/a", "a/b", "place")] == [
        "place",
        "approve",
        "put",
        "put",
    ]
    assert rule("place/a/b").name_of("place/a/b") == "a/b"
    assert rule("place/").name_of("place/") is None
    assert rule_for_key(KEY_RULES[:2], "a/b") is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cell", bytes(8)),
        ("cell", "x"),
        ("position", [90_000_001, 0]),
        ("position", [0, -180_000_001]),
        ("position", [0, True]),
        ("position", [0]),
        ("edges", [{"to": "A"}]),
        ("edges", [{"metres": 1}]),
        ("edges", [{"to": "a", "list": []}]),
        ("edges", {}),
    ],
)
def test_a_malformed_place_is_none(field: str, value: Value) -> None:
    assert rule("place/a").check(PLACE)
    assert not rule("place/a").check({**PLACE, field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("digest", ID[:31]),
        ("state", "good"),
        ("events", ["A"]),
        ("events", "*"),
        ("area", [bytes(8)]),
        ("area", "here"),
        ("area", None),
    ],
)
def test_a_malformed_model_is_none(field: str, value: Value) -> None:
    assert rule("model/a").check(MODEL)
    assert not rule("model/a").check({**MODEL, field: value})


@pytest.mark.parametrize(
    ("held", "may"),
    [
        (capability("approve", "city", events=["*"], area="*"), True),
        (capability("approve", "city", events=["a.*", "b"], area=[CELL]), True),
        (capability("approve", "city", events=["a.b"], area="*"), False),
        (capability("approve", "city", events=["*"]), False),
        (capability("approve", "town", events=["*"], area="*"), False),
        (capability("put", ""), False),
    ],
)
def test_approval_covers_events_and_area(held: dict[str, object], may: bool) -> None:
    caps = bodies.parse_grant({**GRANT, "caps": [held]})
    assert caps is not None
    assert rule("model/city").authorises(caps.capabilities[0], "model/city", MODEL) == may
    assert not rule("model/city").authorises(caps.capabilities[0], "model/City", MODEL)


def test_the_most_restrictive_state_is_the_most_severe() -> None:
    severity = [
        rule("model/a").severity({**MODEL, "state": state})
        for state in ("withdrawn", "candidate", "superseded", "approved")
    ]
    assert severity == sorted(severity, reverse=True)
    assert rule("a/b").severity(1) is None
