"""Deterministic CBOR: one value, one byte string; the decoder is total."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.encoding import DEPTH_MAX, INTEGER_MAX, decode, encode
from identity.errors import EncodingError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-INTEGER_MAX, INTEGER_MAX)
    | st.binary(max_size=40)
    | TEXT
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def values(leaves: st.SearchStrategy) -> st.SearchStrategy:
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
        max_leaves=12,
    ).filter(lambda value: depth(value) <= DEPTH_MAX)


def depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 0


def same(a: object, b: object) -> bool:
    """Equality that tells 1 from 1.0 and True from 1."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


@given(values(SCALARS))
def test_a_value_survives_the_round_trip(value):
    assert same(decode(encode(value)), value)


@given(values(SCALARS | FLOATS))
def test_a_value_with_floats_survives_where_floats_are_asked_for(value):
    assert same(decode(encode(value), floats=True), value)


@given(st.binary(max_size=60))
def test_whatever_decodes_is_the_encoding_of_what_it_decodes_to(data):
    try:
        value = decode(data, floats=True)
    except EncodingError:
        return
    assert encode(value) == data


@given(values(SCALARS | FLOATS), st.integers(0, 200), st.integers(0, 255), st.sampled_from("xid"))
def test_mutated_bytes_give_a_canonical_value_or_the_named_error(value, at, byte, how):
    data = bytearray(encode(value))
    at %= len(data)
    match how:
        case "x":
            data[at] ^= byte
        case "i":
            data.insert(at, byte)
        case _:
            del data[at]
    try:
        again = decode(bytes(data), floats=True)
    except EncodingError:
        return
    assert encode(again) == bytes(data)
    assert same(cbor2.loads(bytes(data)), again)


@pytest.mark.parametrize(
    "data",
    [
        "1800",  # 0 in two bytes
        "190001",
        "1a00000001",
        "1b0000000000000001",
        "1b0020000000000000",  # 2^53
        "3b001fffffffffffff",  # -2^53
        "5f4101ff",  # indefinite
        "9fff",
        "c001",  # tag
        "d9d9f700",
        "f7",  # undefined
        "f8ff",
        "e0",
        "a10101",  # key is no text
        "a2616201616101",  # out of order
        "a2616101616101",  # twice
        "61ff",  # not UTF-8
        "9b00ffffffffffffff",  # a billion items
        "5a7fffffff",
        "818181818181818181 00".replace(" ", ""),  # nine levels
        "",
        "0000",  # trailing
        "fb3ff8000000000000",  # 1.5 as a double
        "fa3fc00000",
        "f97e00",  # NaN
        "f97c00",  # infinity
    ],
)
def test_other_forms_are_refused(data):
    with pytest.raises(EncodingError):
        decode(bytes.fromhex(data), floats=True)


def test_floats_are_refused_unless_asked_for():
    with pytest.raises(EncodingError, match="0xf9"):
        decode(encode(1.5))


@pytest.mark.parametrize(
    "value",
    [2**53, -(2**53), float("nan"), float("inf"), {1: 2}, {"\ud800": 1}, "\ud800", object(), {1}],
)
def test_values_outside_the_subset_are_refused(value):
    with pytest.raises(EncodingError):
        encode([value])


def test_nesting_is_bounded_on_the_way_in():
    nested: object = 0
    for _ in range(DEPTH_MAX):
        nested = [nested]
    encode(nested)
    for deeper in ([nested], {"a": nested}):
        with pytest.raises(EncodingError, match="deep"):
            encode(deeper)


def test_map_keys_are_ordered_by_their_encoded_bytes():
    assert encode({"b": 1, "aa": 2, "a": 3}).hex() == "a361610361620162616102"
