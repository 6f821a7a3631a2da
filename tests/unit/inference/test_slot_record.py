"""The record: one encoding, total reading."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.encoding import encode
from inference.errors import SlotError
from inference.slot_record import (
    Failure,
    Key,
    Side,
    SlotRecord,
    parse_record,
    record_bytes,
)

digests = st.binary(min_size=32, max_size=32)
keys = st.builds(Key, digests, st.binary(max_size=8), st.integers(0, 9))
any_keys = st.builds(Key, st.none() | digests, st.binary(max_size=8), st.integers(0, 9))
figures = st.dictionaries(st.text(max_size=5), st.integers(-9, 9), max_size=3)
sides = st.none() | st.builds(Side, keys, st.booleans(), figures)


@st.composite
def records(draw: st.DrawFn) -> SlotRecord:
    held = (draw(sides), draw(sides))
    runnable = [None, *(number for number in (0, 1) if held[number] is not None)]
    return SlotRecord(
        sides=held,
        active=draw(st.sampled_from(runnable)),
        starts=draw(st.integers(0, 9)),
        trying=draw(st.none() | any_keys),
        tries=draw(st.integers(0, 9)),
        failed=tuple(draw(st.lists(st.builds(Failure, any_keys, st.text(max_size=9)), max_size=3))),
        withdrawn=tuple(draw(st.lists(digests, max_size=3))),
    )


@given(records())
def test_what_was_written_is_what_is_read(record: SlotRecord):
    assert parse_record(record_bytes(record)) == record


@given(records(), st.data())
def test_damage_gives_a_record_or_its_error(record: SlotRecord, data: st.DataObject):
    raw = bytearray(record_bytes(record))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(SlotError):
        assert record_bytes(parse_record(bytes(raw))) == bytes(raw)


@given(records(), st.data())
def test_another_value_in_a_field_gives_a_record_or_its_error(
    record: SlotRecord, data: st.DataObject
):
    from identity.encoding import decode

    value = decode(record_bytes(record))
    assert isinstance(value, dict)
    junk = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-3, 3)
        | st.binary(max_size=33)
        | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
        max_leaves=5,
    )
    value[data.draw(st.sampled_from(sorted(value)))] = data.draw(junk)
    raw = encode(value)
    with contextlib.suppress(SlotError):
        assert record_bytes(parse_record(raw)) == raw


def test_a_side_that_runs_and_is_empty_is_no_record():
    raw = record_bytes(SlotRecord()).replace(b"\x66active\xf6", b"\x66active\x00")
    with pytest.raises(SlotError, match="side 0 runs and is empty"):
        parse_record(raw)
