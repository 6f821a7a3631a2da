"""The entry parser is total, and what it accepts re-encodes to the same bytes (I14)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.entry import (
    ENTRY_SIZE_MAX,
    GENESIS_LINK,
    Entry,
    Lane,
    make_entry,
    parse_entry,
    verify_entry,
)
from crdt.errors import InvalidEntryError
from identity import domain
from identity.encoding import encode
from identity.keys import SecretKey

KEY = SecretKey.from_seed(bytes(range(32)))
NS = bytes(range(16))


def entry(**changes) -> Entry:
    fields = {
        "ns": NS, "lane": Lane.AUTH, "inc": 7, "seq": 0, "prev": GENESIS_LINK,
        "t": 1_700_000_000_000, "kind": "grant", "body": {"name": "north"},
    }  # fmt: skip
    return make_entry(KEY, **{**fields, **changes})


def test_bytes_are_fixed():
    """Golden bytes: this form is wire and may never change."""
    raw = encode(
        [1, NS, KEY.public, 0, 7, 0, bytes(32), 1_700_000_000_000, "grant", {"name": "north"}]
    )
    made = entry()
    assert made.raw == raw
    assert made.sig == KEY.sign(b"mesh-crdt/entry/v1\0", raw)
    assert made.id == domain.digest(b"mesh-crdt/id/v1\0", raw)
    assert made.wire == made.sig + raw
    assert made.feed == (KEY.public, 0, 7)


def test_a_parsed_entry_is_the_one_that_was_made():
    made = entry()
    parsed = parse_entry(made.wire)
    assert parsed == made
    assert hash(parsed) == hash(made)
    assert parsed != "entry"
    assert (parsed.author, parsed.lane, parsed.inc, parsed.seq) == (KEY.public, 0, 7, 0)
    assert (parsed.ns, parsed.prev, parsed.t) == (NS, GENESIS_LINK, made.t)
    assert verify_entry(parsed)
    assert "grant AUTH" in repr(parsed)


def test_resigning_is_no_fork():
    made = entry()
    copy = parse_entry(bytes(64) + made.raw)
    assert copy == made
    assert not verify_entry(copy)


@given(st.binary(max_size=300))
def test_any_bytes_give_an_entry_or_the_one_error(data):
    for wire in (data, bytes(64) + data):
        with pytest.raises(InvalidEntryError):
            parse_entry(wire)


@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from("xid"))
def test_a_mutated_entry_is_refused_or_unsigned(at, byte, how):
    good = entry().wire
    data = bytearray(good)
    at %= len(data)
    match how:
        case "x":
            data[at] ^= byte
        case "i":
            data.insert(at, byte)
        case _:
            del data[at]
    try:
        parsed = parse_entry(bytes(data))
    except InvalidEntryError:
        return
    assert parsed.wire == bytes(data)
    assert verify_entry(parsed) == (bytes(data) == good)


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        [2, NS, KEY.public, 0, 0, 0, bytes(32), 0, "k", None],
        [True, NS, KEY.public, 0, 0, 0, bytes(32), 0, "k", None],
        [1, NS[:15], KEY.public, 0, 0, 0, bytes(32), 0, "k", None],
        [1, NS, KEY.public[:31], 0, 0, 0, bytes(32), 0, "k", None],
        [1, NS, KEY.public, 5, 0, 0, bytes(32), 0, "k", None],
        [1, NS, KEY.public, -1, 0, 0, bytes(32), 0, "k", None],
        [1, NS, KEY.public, False, 0, 0, bytes(32), 0, "k", None],
        [1, NS, KEY.public, 0, 2**48, 0, bytes(32), 0, "k", None],
        [1, NS, KEY.public, 0, 0, 2**40, bytes([1]) * 32, 0, "k", None],
        [1, NS, KEY.public, 0, 0, 0, bytes(31), 0, "k", None],
        [1, NS, KEY.public, 0, 0, 0, bytes([1]) * 32, 0, "k", None],
        [1, NS, KEY.public, 0, 0, 1, bytes(32), 0, "k", None],
        [1, NS, KEY.public, 0, 0, 0, bytes(32), 2**52, "k", None],
        [1, NS, KEY.public, 0, 0, 0, bytes(32), -1, "k", None],
        [1, NS, KEY.public, 0, 0, 0, bytes(32), 0, "", None],
        [1, NS, KEY.public, 0, 0, 0, bytes(32), 0, "k" * 65, None],
        [1, NS, KEY.public, 0, 0, 0, bytes(32), 0, b"k", None],
    ],
)
def test_fields_out_of_range_are_refused(value):
    with pytest.raises(InvalidEntryError):
        parse_entry(bytes(64) + encode(value))


@pytest.mark.parametrize("lane", list(Lane))
def test_a_lane_bounds_the_size(lane):
    room = ENTRY_SIZE_MAX[lane] - len(entry(lane=lane, body=b"").wire) - 2
    assert entry(lane=lane, body=bytes(room)).lane == lane
    with pytest.raises(InvalidEntryError, match="expected"):
        entry(lane=lane, body=bytes(room + 3))


def test_a_body_without_an_encoding_is_refused():
    with pytest.raises(InvalidEntryError, match="grant entry"):
        entry(body={"x": 1.5j})
    with pytest.raises(InvalidEntryError, match="no such type"):
        entry(body=1.5)


def test_an_oversized_wire_is_refused_before_it_is_read():
    with pytest.raises(InvalidEntryError, match="at most"):
        parse_entry(bytes(1 << 20))
