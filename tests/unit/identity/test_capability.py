"""The algebra of capabilities: `covers` is set inclusion of what `permits` permits."""

import h3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.capability import (
    AREA_CELLS_MAX,
    Capability,
    capability_from_value,
    cell_contains,
    covers,
    is_at_or_under,
    is_cell,
    is_event_pattern,
    is_event_type,
    is_name,
    pattern_covers,
    permits,
)
from identity.encoding import decode, encode
from identity.errors import InvalidCapabilityError

NAMES = ("n", "n/a", "n/a/b", "n/ab", "m", "m/a")
TYPES = ("t", "t.a", "t.a.b", "t.ab", "u.a")
PATTERNS = (*TYPES, "*", "t.*", "t.a.*", "u.*")
TREE = [
    cell
    for top in h3.grid_disk(h3.latlng_to_cell(48.1, 11.5, 7), 1)[:2]
    for middle in [top, *h3.cell_to_children(top, 8)[:2]]
    for cell in [middle, *h3.cell_to_children(middle, 9)[:2]]
]
CELLS = tuple(sorted({h3.str_to_int(cell).to_bytes(8) for cell in TREE}))
FINE = tuple(cell for cell in CELLS if int.from_bytes(cell) >> 52 & 15 == 9)

areas = (
    st.none()
    | st.just("*")
    | st.sets(st.sampled_from(CELLS), max_size=3).map(lambda cells: tuple(sorted(cells)))
)
publishing = st.builds(
    Capability,
    verb=st.sampled_from(["publish"]),
    names=st.sampled_from(("", *NAMES)),
    events=st.none() | st.lists(st.sampled_from(PATTERNS), max_size=3).map(tuple),
    area=areas,
    model=st.sampled_from([None, False, True]),
)
plain = st.builds(
    Capability, verb=st.sampled_from(["grant", "state"]), names=st.sampled_from(("", *NAMES))
)
capabilities = publishing | plain


@given(capabilities, capabilities, st.sampled_from(NAMES), st.sampled_from(TYPES))
def test_what_is_covered_permits_nothing_more(outer, inner, name, event):
    if not covers(outer, inner):
        return
    for cell in FINE:
        if permits(inner, verb=inner.verb, name=name, event=event, cell=cell):
            assert permits(outer, verb=inner.verb, name=name, event=event, cell=cell)


@given(capabilities, capabilities, capabilities)
def test_covers_is_a_preorder(a, b, c):
    assert covers(a, a)
    if covers(a, b) and covers(b, c):
        assert covers(a, c)


@given(capabilities)
def test_a_capability_survives_its_encoding(capability):
    assert capability_from_value(decode(encode(capability.to_value()))) == capability


@given(publishing)
def test_a_capability_that_needs_a_model_cannot_give_one_that_does_not(capability):
    if capability.model:
        assert not covers(capability, Capability(**{**fields(capability), "model": None}))


def fields(capability: Capability) -> dict:
    return {name: getattr(capability, name) for name in Capability.__slots__}


def test_cells_agree_with_h3():
    for outer in CELLS:
        for inner in CELLS:
            a, b = h3.int_to_str(int.from_bytes(outer)), h3.int_to_str(int.from_bytes(inner))
            inside = (
                h3.get_resolution(b) >= h3.get_resolution(a)
                and h3.cell_to_parent(b, h3.get_resolution(a)) == a
            )
            assert cell_contains(outer, inner) == inside


@given(st.binary(min_size=8, max_size=8) | st.sampled_from(CELLS), st.integers(0, 63))
def test_is_cell_agrees_with_h3_but_for_pentagons(cell, bit):
    flipped = (int.from_bytes(cell) ^ (1 << bit)).to_bytes(8)
    for candidate in (cell, flipped):
        if h3.is_valid_cell(h3.int_to_str(int.from_bytes(candidate))):
            assert is_cell(candidate)
        elif is_cell(candidate):  # the deleted sub-sequence of a pentagon needs H3's tables
            assert (int.from_bytes(candidate) >> 45 & 127) in {
                4,
                14,
                24,
                38,
                49,
                58,
                63,
                72,
                83,
                97,
                107,
                117,
            }


def test_names():
    for good in ("a", "north/box-247", "a.b_c-d/0", "/".join(["a"] * 12), "a" * 32):
        assert is_name(good)
    for bad in (
        "",
        "/",
        "a/",
        "/a",
        "A",
        "a//b",
        "-a",
        "a" * 33,
        "/".join(["a"] * 13),
        "é",
        "a b",
        "a\n",
    ):
        assert not is_name(bad)
    assert not is_name("/".join(["a" * 32] * 7))


def test_under_goes_by_whole_segments():
    assert is_at_or_under("a/b", "a")
    assert is_at_or_under("a", "a")
    assert is_at_or_under("a", "")
    assert not is_at_or_under("ab", "a")
    assert not is_at_or_under("a", "a/b")


def test_event_types_and_patterns():
    for good in ("traffic.near_miss", "a", "a.b.c"):
        assert is_event_type(good)
        assert is_event_pattern(good)
        assert is_event_pattern(good + ".*")
    for bad in ("", ".", "a.", "A", "a..b", "a-b", "a" * 101, "a\n"):
        assert not is_event_type(bad)
    for bad in ("", "*.a", "a*", "**", "a.*.*"):
        assert not is_event_pattern(bad)
    assert is_event_pattern("*")


def test_a_starred_pattern_means_below_and_not_itself():
    assert pattern_covers("a.*", "a.b")
    assert pattern_covers("a.*", "a.b.*")
    assert pattern_covers("a.*", "a.*")
    assert not pattern_covers("a.*", "a")
    assert not pattern_covers("a.*", "ab.c")
    assert not pattern_covers("a", "a.b")
    assert not pattern_covers("a.b.*", "a.*")
    assert not pattern_covers("a.*", "*")


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"verb": "publish"},
        {"verb": "fly", "names": "a"},
        {"verb": 1, "names": "a"},
        {"verb": "grant", "names": "A"},
        {"verb": "grant", "names": "*"},
        {"verb": "grant", "names": "a", "events": ["*"]},
        {"verb": "grant", "names": "a", "area": "*"},
        {"verb": "approve", "names": "a", "model": True},
        {"verb": "publish", "names": "a", "events": "x"},
        {"verb": "publish", "names": "a", "events": [1]},
        {"verb": "publish", "names": "a", "events": ["A"]},
        {"verb": "publish", "names": "a", "events": ["a"] * 65},
        {"verb": "publish", "names": "a", "area": "x"},
        {"verb": "publish", "names": "a", "area": [b"12345678"]},
        {"verb": "publish", "names": "a", "area": [CELLS[1], CELLS[0]]},
        {"verb": "publish", "names": "a", "area": [CELLS[0], CELLS[0]]},
        {"verb": "publish", "names": "a", "area": [CELLS[0]] * (AREA_CELLS_MAX + 1)},
        {"verb": "publish", "names": "a", "model": 1},
        {"verb": "publish", "names": "a", "surprise": 1},
    ],
)
def test_other_values_are_refused(value):
    with pytest.raises(InvalidCapabilityError):
        capability_from_value(value)
