"""Event bytes: one form, a total parser, and the terms of CloudEvents."""

import json

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.domain import EVENT, EVENT_ID, digest
from identity.keys import verify
from mesh.choreography.event import (
    EVENT_SIZE_MAX,
    InvalidEventError,
    SealedEvent,
    parse_event,
    seal_event,
    to_cloudevent,
    verify_event,
)
from mesh.choreography.scope import Reach
from tests.unit.choreography.factories import ALICE, BOB, BOOT, CELL, MODEL, NS, sealed

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,9}(/[a-z0-9][a-z0-9_.-]{0,9}){0,3}", fullmatch=True)
TYPES = st.from_regex(r"[a-z0-9_]{1,9}(\.[a-z0-9_]{1,9}){0,3}", fullmatch=True)
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = (
    st.none() | st.booleans() | INTEGERS | FLOATS | st.binary(max_size=8) | st.text(max_size=8)
)
DATA = st.dictionaries(st.text(max_size=8), SCALARS | st.lists(SCALARS, max_size=3), max_size=5)


@st.composite
def events(draw: st.DrawFn) -> SealedEvent:
    return seal_event(
        draw(st.sampled_from([ALICE, BOB])),
        ns=draw(st.binary(min_size=16, max_size=16)),
        name=draw(NAMES),
        boot=draw(st.binary(min_size=8, max_size=8)),
        n=draw(st.integers(0, 2**40 - 1)),
        time_ms=draw(st.integers(0, 2**52 - 1)),
        ttl_ms=draw(st.integers(0, 2**16 - 1)),
        scope=draw(st.sampled_from([0, 1, 2]) | NAMES),
        cell=CELL,
        event_type=draw(TYPES),
        model=draw(st.none() | st.binary(min_size=32, max_size=32)),
        because=draw(st.lists(st.binary(min_size=32, max_size=32), max_size=4)),
        data=draw(DATA),
    )


def identical(a: object, b: object) -> bool:
    """Equality that tells True from 1 and 1 from 1.0."""
    return repr(a) == repr(b)


@given(events())
def test_what_was_sealed_is_what_is_parsed(event: SealedEvent):
    again = parse_event(event.wire)
    assert again == event
    assert hash(again) == hash(event)
    for field in SealedEvent.__dataclass_fields__:
        if field != "data":
            assert getattr(again, field) == getattr(event, field)
    assert identical(
        sorted(again.data.items(), key=repr), sorted(dict(event.data).items(), key=repr)
    )
    assert verify_event(again)


@given(events())
def test_the_format_is_the_documented_one(event: SealedEvent):
    fields = cbor2.loads(event.raw)
    assert fields[:7] == [1, event.ns, event.author, event.name, event.boot, event.n, event.time_ms]
    assert fields[7:12] == [event.ttl_ms, event.scope, event.cell, event.type, event.model]
    assert fields[12]["because"] == list(event.because)
    assert set(fields[12]) == {"because", "data"}
    assert len(fields) == 13
    assert event.id == digest(EVENT_ID, event.raw)
    assert event.wire == event.signature + event.raw
    assert verify(event.author, EVENT, event.raw, event.signature)


@given(st.binary(max_size=300))
def test_any_bytes_give_an_event_or_the_one_error(wire: bytes):
    with pytest.raises(InvalidEventError):
        parse_event(wire)


@given(events(), st.data())
def test_mutated_bytes_are_refused_or_another_event(event: SealedEvent, data: st.DataObject):
    wire = bytearray(event.wire)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(wire) - 1))
        change = data.draw(st.sampled_from(["flip", "cut", "insert"]))
        if change == "flip":
            wire[at] ^= data.draw(st.integers(1, 255))
        elif change == "cut":
            del wire[at:]
        else:
            wire.insert(at, data.draw(st.integers(0, 255)))
        if not wire:
            break
    try:
        parsed = parse_event(bytes(wire))
    except InvalidEventError:
        return
    assert bytes(wire) == parsed.wire
    assert parsed.wire == event.wire or not verify_event(parsed)


def with_field(place: int, value: object) -> bytes:
    fields = cbor2.loads(sealed().raw)
    fields[place] = value
    return bytes(64) + cbor2.dumps(fields, canonical=True)


MALFORMED = {
    "ns of 15 bytes": (1, bytes(15)),
    "author of 33 bytes": (2, bytes(33)),
    "name with a capital": (3, "North"),
    "name is bytes": (3, b"north"),
    "boot is an integer": (4, 7),
    "n of 41 bits": (5, 1 << 40),
    "n is negative": (5, -1),
    "n is true": (5, True),
    "n is a float": (5, 1.5),
    "time of 53 bits": (6, 1 << 52),
    "ttl of 17 bits": (7, 1 << 16),
    "scope 3": (8, 3),
    "scope is false": (8, False),
    "scope is no name": (8, "a//b"),
    "cell is no cell": (9, bytes(8)),
    "cell is text": (9, "89"),
    "type with a capital": (10, "Traffic"),
    "type is null": (10, None),
    "model of 31 bytes": (11, bytes(31)),
    "body is a list": (12, []),
    "body without because": (12, {"data": {}}),
    "body with a third key": (12, {"because": [], "data": {}, "more": 1}),
    "because is text": (12, {"because": "x", "data": {}}),
    "five causes": (12, {"because": [bytes(32)] * 5, "data": {}}),
    "a cause of 31 bytes": (12, {"because": [bytes(31)], "data": {}}),
    "data is a list": (12, {"because": [], "data": []}),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_one_wrong_field_is_malformed(case: str):
    with pytest.raises(InvalidEventError, match="expected") as caught:
        parse_event(with_field(*MALFORMED[case]))
    assert caught.value.reason == "malformed"


def test_other_containers_are_malformed():
    fields = cbor2.loads(sealed().raw)
    for value in (fields[:12], [*fields, 0], {"a": 1}, 7, "text of some length"):
        with pytest.raises(InvalidEventError) as caught:
            parse_event(bytes(64) + cbor2.dumps(value, canonical=True))
        assert caught.value.reason == "malformed"


@pytest.mark.parametrize("version", [True, 1.0, "1", -1, 24, None])
def test_a_version_that_is_no_small_number_is_malformed(version: object):
    with pytest.raises(InvalidEventError) as caught:
        parse_event(with_field(0, version))
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize("version", [0, 2, 23])
def test_an_unknown_version_is_told_apart_whatever_follows(version: int):
    for tail in (b"", b"\xff junk", sealed().raw[2:]):
        with pytest.raises(InvalidEventError) as caught:
            parse_event(bytes(64) + bytes([0x8D, version]) + tail)
        assert caught.value.reason == "unknown_version"


def test_sizes():
    with pytest.raises(InvalidEventError, match="2048"):
        parse_event(bytes(EVENT_SIZE_MAX + 1))
    room = EVENT_SIZE_MAX - len(sealed(data={"x": b""}).wire) - 2
    assert len(sealed(data={"x": bytes(room)}).wire) == EVENT_SIZE_MAX
    with pytest.raises(InvalidEventError, match="reference"):
        sealed(data={"x": bytes(room + 1)})


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "North"},
        {"n": -1},
        {"ttl_ms": 70_000},
        {"scope": 9},
        {"cell": bytes(8)},
        {"event_type": "a..b"},
        {"model": b""},
        {"because": [bytes(32)] * 5},
        {"data": {"x": float("nan")}},
        {"data": {"x": object()}},
    ],
)
def test_sealing_refuses_what_parsing_would(changes: dict[str, object]):
    with pytest.raises(InvalidEventError):
        sealed(**changes)


def test_the_signature_is_not_in_the_id():
    event = sealed()
    other = parse_event(bytes(64) + event.raw)
    assert other == event
    assert not verify_event(other)
    assert event != "event"
    assert "north/box-1" in repr(event)


def test_cloudevents():
    event = sealed(
        time_ms=1_700_000_000_123,
        n=5,
        because=[bytes(32)],
        data={"photo": b"\x00\x01", "lanes": [1, {"deep": b"x"}], "kind": "van"},
    )
    cloud = to_cloudevent(event)
    assert cloud["specversion"] == "1.0"
    assert cloud["id"] == f"{BOOT.hex()}-5"
    assert cloud["source"] == "north/box-1"
    assert cloud["type"] == "traffic.near_miss"
    assert cloud["time"] == "2023-11-14T22:13:20.123Z"
    assert cloud["scope"] == "cell"
    assert cloud["cell"] == CELL.hex()[1:]
    assert cloud["model"] == f"sha256:{MODEL.hex()}"
    assert cloud["because"] == bytes(32).hex()
    assert cloud["data"] == {"photo": "AAE=", "lanes": [1, {"deep": "eA=="}], "kind": "van"}
    assert str(cloud["author"]).startswith("did:key:z6Mk")
    assert all(key.isalnum() and key == key.lower() for key in cloud)
    json.dumps(cloud)
    plain = to_cloudevent(sealed(model=None, scope="city/agent"))
    assert "model" not in plain
    assert "because" not in plain
    assert plain["scope"] == "city/agent"


def test_a_time_beyond_the_calendar_has_no_cloudevent():
    with pytest.raises(InvalidEventError, match="10000"):
        to_cloudevent(sealed(time_ms=2**52 - 1))


def test_scopes_become_reaches():
    assert sealed(scope=1).scope is Reach.DISTRICT
    assert sealed(scope=Reach.EVERYONE, ns=NS).scope is Reach.EVERYONE
