"""Typed events: a class on one side, a map on the other, and errors that name the field."""

from dataclasses import FrozenInstanceError, dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.encoding import decode, encode
from mesh.choreography.event_type import EventTypeError, InvalidDataError, event, event_type


@event("test.everything")
class Everything:
    number: int
    text: str
    flag: bool
    share: float
    blob: bytes
    maybe: float | None
    many: list[int]
    words: list[str] | None = None
    kind: str = "van"
    tags: list[str] = field(default_factory=list)


EVERYTHING = event_type(Everything)
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.builds(
    Everything,
    number=INTEGERS,
    text=st.text(),
    flag=st.booleans(),
    share=FLOATS,
    blob=st.binary(),
    maybe=st.none() | FLOATS,
    many=st.lists(INTEGERS),
    words=st.none() | st.lists(st.text()),
    kind=st.text(),
    tags=st.lists(st.text()),
)
GOOD: dict[str, object] = {
    "number": 1,
    "text": "x",
    "flag": True,
    "share": 0.5,
    "blob": b"b",
    "many": [1],
}


@given(VALUES)
def test_what_goes_out_comes_back(value: Everything):
    data = decode(encode(EVERYTHING.encode(value)), floats=True)
    assert isinstance(data, dict)
    assert EVERYTHING.decode(data) == value


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "maybe", "words", "kind", "tags", "unknown"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.binary()
        | st.lists(st.integers() | st.text()),
    )
)
def test_any_map_gives_an_instance_or_the_one_error(changes: dict[str, object]):
    try:
        value = EVERYTHING.decode({**GOOD, **changes})
    except InvalidDataError:
        return
    assert EVERYTHING.decode(EVERYTHING.encode(value)) == value


def test_reading_is_lenient_where_that_is_safe():
    value = EVERYTHING.decode({**GOOD, "share": 1, "later_version": "x"})
    assert value.share == 1.0
    assert isinstance(value.share, float)
    assert value.maybe is None
    assert value.words is None
    assert value.kind == "van"
    assert "maybe" not in EVERYTHING.encode(value)


@pytest.mark.parametrize(
    ("name", "held", "expected"),
    [
        ("number", True, "expected int"),
        ("number", 1.0, "expected int"),
        ("number", 2**53, r"expected int with \|n\| < 2\^53"),
        ("text", b"x", "expected str"),
        ("flag", 1, "expected bool"),
        ("share", "0.5", "expected float"),
        ("share", float("inf"), "expected float, finite"),
        ("share", False, "expected float"),
        ("blob", "x", "expected bytes"),
        ("maybe", "x", "expected float or None"),
        ("many", 1, "expected list of int"),
        ("many", ["1"], "expected list of int"),
        ("words", [None], "expected list of str or None"),
        ("kind", None, "expected str"),
    ],
)
def test_an_error_names_field_value_and_expectation(name: str, held: object, expected: str):
    with pytest.raises(InvalidDataError, match=expected) as caught:
        EVERYTHING.decode({**GOOD, name: held})
    assert f"test.everything.{name}" in str(caught.value)
    assert repr(held) in str(caught.value) or isinstance(held, list)
    with pytest.raises(InvalidDataError, match=expected):
        EVERYTHING.encode(Everything(**{"maybe": None, **GOOD, name: held}))


def test_a_missing_field_is_named():
    with pytest.raises(InvalidDataError, match=r"test\.everything\.number is missing.*int"):
        EVERYTHING.decode({name: held for name, held in GOOD.items() if name != "number"})


def test_a_class_becomes_a_frozen_dataclass():
    value = Everything(1, "x", flag=True, share=0.5, blob=b"", maybe=None, many=[])
    with pytest.raises(FrozenInstanceError):
        value.number = 2
    assert event_type(Everything).name == "test.everything"
    assert event_type(Everything).cls is Everything


def test_a_dataclass_stays_as_it_is_and_may_check_more():
    @event("test.share")
    @dataclass
    class Share:
        value: float
        double: float = field(init=False, default=0.0)

        def __post_init__(self) -> None:
            if self.value > 1:
                raise ValueError(f"value {self.value}: expected at most 1")
            self.double = 2 * self.value

    share = event_type(Share)
    assert share.decode({"value": 0.5}).double == 1.0
    assert share.encode(Share(0.25)) == {"value": 0.25}
    with pytest.raises(InvalidDataError, match="expected at most 1"):
        share.decode({"value": 2})


def test_a_subclass_is_an_event_of_its_own():
    @event("test.more")
    class More(Everything):
        extra: int = 0

    assert event_type(More).name == "test.more"
    assert event_type(Everything).name == "test.everything"

    class Undeclared(Everything):
        pass

    with pytest.raises(EventTypeError, match="Undeclared"):
        event_type(Undeclared)


def test_declarations_that_cannot_be():
    with pytest.raises(EventTypeError, match=r"Near Miss"):
        event("Near Miss")
    with pytest.raises(EventTypeError, match="no event"):
        event_type(int)
    for annotation in (dict, list[list[int]], int | str, int | str | None, complex):
        with pytest.raises(EventTypeError, match=r"test\.bad\.field"):
            event("test.bad")(type("Bad", (), {"__annotations__": {"field": annotation}}))
