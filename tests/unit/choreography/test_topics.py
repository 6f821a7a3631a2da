"""One topic has one spelling, and parsing is the inverse of building."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.choreography.scope import Reach, encode_scope, parse_scope
from mesh.choreography.topics import (
    Topic,
    TopicKind,
    auth_topic,
    cell_at,
    cell_topic,
    district_of,
    district_topic,
    event_topic,
    everyone_topic,
    fleet_topic,
    named_topic,
    parse_topic,
    state_topic,
)

NS = bytes(range(16))
PREFIX = "/000102030405060708090a0b0c0d0e0f/"
CELL = cell_at(47.0, -30.0, 9)

segments = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,8}", fullmatch=True)
names = st.lists(
    segments | st.sampled_from(["d", "e", "all", "state", "n"]), min_size=1, max_size=4
)
names = names.map("/".join)
cells = st.builds(cell_at, st.floats(-90, 90), st.floats(-180, 180), st.integers(0, 15))
namespaces = st.binary(min_size=16, max_size=16)
topics = st.one_of(
    st.builds(
        Topic,
        namespaces,
        st.sampled_from([TopicKind.AUTH, TopicKind.FLEET, TopicKind.EVERYONE]),
    ),
    st.builds(
        Topic,
        namespaces,
        st.sampled_from([TopicKind.STATE, TopicKind.DISTRICT, TopicKind.NAMED]),
        names,
    ),
    st.builds(Topic, namespaces, st.just(TopicKind.CELL), cells),
)
spellings = st.text(max_size=60) | st.builds(
    lambda rest: PREFIX + rest,
    st.text("/adensfltuh0123-_.A", max_size=24)
    | st.sampled_from(["", "e/", "d//state", "d/state", "n/", "e/d/", "auth/", "e/all/", "n/A"]),
)


@given(topics)
def test_a_built_topic_parses_to_itself(topic: Topic) -> None:
    assert parse_topic(topic.text) == topic


@given(spellings)
def test_any_text_is_exactly_one_topic_or_none(text: str) -> None:
    topic = parse_topic(text)
    assert topic is None or topic.text == text


@given(topics, topics)
def test_two_topics_never_share_a_spelling(a: Topic, b: Topic) -> None:
    assert (a.text == b.text) == (a == b)


def test_the_spellings_are_those_of_the_documentation() -> None:
    assert auth_topic(NS) == PREFIX + "auth"
    assert fleet_topic(NS) == PREFIX + "fleet"
    assert state_topic(NS, "south/east") == PREFIX + "d/south/east/state"
    assert cell_topic(NS, CELL) == PREFIX + "e/" + CELL.hex()[1:]
    assert district_topic(NS, "north") == PREFIX + "e/d/north"
    assert everyone_topic(NS) == PREFIX + "e/all"
    assert named_topic(NS, "acme/fleet") == PREFIX + "n/acme/fleet"


@pytest.mark.parametrize(
    "text",
    [
        PREFIX + "e/d/",
        PREFIX + "d/state",
        PREFIX + "e/089261b5ac63ffff",
        PREFIX + "e/" + CELL.hex()[1:].upper(),
        PREFIX.upper() + "n/x",
        PREFIX.replace("0", "A", 1) + "auth",
        PREFIX[:-2] + "/auth",
        "",
    ],
)
def test_near_misses_are_no_topics(text: str) -> None:
    assert parse_topic(text) is None


def test_an_event_travels_on_the_topic_of_its_scope() -> None:
    assert event_topic(NS, Reach.CELL, CELL, "north") == cell_topic(NS, CELL)
    assert event_topic(NS, 0, CELL, None) == cell_topic(NS, CELL)
    assert event_topic(NS, 1, CELL, "north") == district_topic(NS, "north")
    assert event_topic(NS, 1, CELL, None) is None
    assert event_topic(NS, 2, CELL, None) == everyone_topic(NS)
    assert event_topic(NS, 3, CELL, "north") is None
    assert event_topic(NS, "acme", CELL, "north") == named_topic(NS, "acme")


def test_a_district_is_the_beginning_of_a_name() -> None:
    assert district_of("north/box-1", 1) == "north"
    assert district_of("eu/north/box-1", 2) == "eu/north"
    assert district_of("north", 1) == "north"
    assert district_of("north", 2) is None
    assert district_of("north/box-1", 0) is None


scope_values = (
    st.none() | st.booleans() | st.integers(-3, 5) | st.floats() | st.binary() | st.text() | names
)


@given(scope_values)
def test_a_scope_is_what_it_encodes_to_or_none(value: object) -> None:
    scope = parse_scope(value)
    if scope is None:
        assert type(value) is not int or value not in (0, 1, 2)
    else:
        assert encode_scope(scope) == value
        assert type(encode_scope(scope)) is type(value)
