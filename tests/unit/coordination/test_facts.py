"""The payload of the fact topics: three forms, and nothing else."""

from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.entry import Entry
from identity.encoding import decode, encode
from mesh.coordination.facts import (
    FACT_SIZE_MAX,
    Fact,
    FactError,
    encode_entry,
    encode_root,
    parse_fact,
)
from tests.laws.writing import Fleet, grant, put
from tests.unit.mind.mutating import mutate

FLEET = Fleet()
ROOT = FLEET.declare(grant("bank", "a", 1, 1, []))
ONE, TWO = (FLEET.write("bank", put("a/x", number)) for number in range(2))
PAYLOADS = (encode_entry(ONE), encode_root(ROOT), encode([1, ONE.wire, TWO.wire]))


def test_the_three_forms_are_read_back() -> None:
    assert parse_fact(encode_entry(ONE)).entries == (ONE,)
    fact = parse_fact(encode_root(ROOT))
    assert (fact.entries, fact.root) == ((), ROOT)
    fact = parse_fact(encode([1, ONE.wire, TWO.wire]))
    assert (fact.entries, fact.root) == ((ONE, TWO), None)


@given(seed=st.integers(0, 2**64), which=st.sampled_from(PAYLOADS))
def test_a_spoilt_payload_is_refused_or_means_what_its_bytes_say(seed: int, which: bytes) -> None:
    rng = Random(seed)
    for _ in range(10):
        data = mutate(rng, which)
        try:
            fact = parse_fact(data)
        except FactError:
            continue
        wires = [entry.wire for entry in fact.entries]
        assert fact.root is not None or data == encode([len(wires) - 1, *wires])
        assert fact.root is None or data == encode_root(fact.root)


@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_fact_or_refused(data: bytes) -> None:
    with suppress(FactError):
        assert isinstance(parse_fact(data), Fact)


@pytest.mark.parametrize(
    "data",
    [
        bytes(FACT_SIZE_MAX + 1),
        encode([]),
        encode({}),
        encode([0]),
        encode([False, ONE.wire]),
        encode([True, ONE.wire, TWO.wire]),
        encode([0, ONE.wire, TWO.wire]),
        encode([1, ONE.wire]),
        encode([2, ONE.wire]),
        encode([3, ONE.wire]),
        encode([0, "text"]),
        encode([0, ROOT.wire]),
    ],
)
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(FactError):
        parse_fact(data)


def test_a_payload_is_canonical() -> None:
    value = decode(encode_entry(ONE))
    assert value == [0, ONE.wire]
    assert isinstance(parse_fact(encode_entry(ONE)).entries[0], Entry)
