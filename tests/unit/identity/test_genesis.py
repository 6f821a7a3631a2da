"""The root of trust: fewer than m roots never change anything; an accepted chain never shortens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity import domain
from identity.encoding import decode, encode
from identity.errors import InvalidGenesisError, InvalidInviteError, InvalidRootError
from identity.genesis import (
    CONSTANT_DEFAULTS,
    RootChain,
    RootItem,
    RootVerdict,
    make_genesis,
    make_root_statement,
    parse_genesis,
    parse_root_statement,
    sign_root,
)
from identity.invite import Invite, parse_invite
from identity.keys import SecretKey

KEYS = sorted((SecretKey.from_seed(bytes([i]) * 32) for i in range(5)), key=lambda k: k.public)
ROOTS, STRANGERS = KEYS[:3], KEYS[3:]
GENESIS = make_genesis([key.public for key in ROOTS], 2, policy={"city": "x"})
ITEM = RootItem("grant", {"pk": KEYS[4].public, "name": "north"})


def signed(statement, *keys):
    for key in keys:
        statement = sign_root(statement, key)
    return statement


FIRST = signed(make_root_statement(GENESIS, [ITEM]), *ROOTS[:2])


@given(st.sets(st.sampled_from(range(5))))
def test_fewer_than_m_roots_never_change_anything(signers):
    statement = signed(make_root_statement(GENESIS, [ITEM]), *[KEYS[i] for i in signers])
    chain = RootChain(GENESIS)
    enough = len(signers & {0, 1, 2}) >= 2
    assert chain.accept(statement) is (RootVerdict.ACCEPTED if enough else RootVerdict.INVALID)
    assert chain.number == enough


@given(st.sets(st.sampled_from(range(5))))
def test_a_rotation_needs_the_old_and_the_new(signers):
    chain = RootChain(GENESIS)
    chain.accept(FIRST)
    new = [KEYS[2].public, KEYS[3].public, KEYS[4].public]
    second = make_root_statement(GENESIS, [], number=2, prev=FIRST.id, roots=new, threshold=2)
    verdict = chain.accept(signed(second, *[KEYS[i] for i in signers]))
    enough = len(signers & {0, 1, 2}) >= 2 and len(signers & {2, 3, 4}) >= 2
    assert verdict is (RootVerdict.ACCEPTED if enough else RootVerdict.INVALID)


def test_keys_that_were_rotated_out_cannot_sign_a_twin_that_shortens_the_chain():
    chain = RootChain(GENESIS)
    chain.accept(FIRST)
    second = make_root_statement(
        GENESIS, [], number=2, prev=FIRST.id, roots=[KEYS[3].public], threshold=1
    )
    assert chain.accept(signed(second, *ROOTS[:2], KEYS[3])) is RootVerdict.ACCEPTED
    twin = signed(make_root_statement(GENESIS, [], number=2, prev=FIRST.id), *ROOTS[:2])
    before = chain.statements
    assert chain.accept(twin) is RootVerdict.TWIN
    assert chain.twins == 1
    assert chain.statements == before
    junk = signed(make_root_statement(GENESIS, [], number=2, prev=FIRST.id), ROOTS[0])
    assert chain.accept(junk) is RootVerdict.INVALID
    assert chain.twins == 1


def test_the_chain_is_numbered_and_linked():
    chain = RootChain(GENESIS)
    assert (chain.number, chain.head) == (0, bytes(32))
    third = signed(make_root_statement(GENESIS, [], number=3, prev=FIRST.id), *ROOTS)
    assert chain.accept(third) is RootVerdict.GAP
    assert chain.accept(FIRST) is RootVerdict.ACCEPTED
    assert chain.accept(sign_root(FIRST, ROOTS[2])) is RootVerdict.KNOWN
    loose = signed(make_root_statement(GENESIS, [], number=2, prev=bytes([7]) * 32), *ROOTS)
    assert chain.accept(loose) is RootVerdict.INVALID
    other = make_genesis([ROOTS[0].public], 1)
    assert chain.accept(sign_root(make_root_statement(other, []), ROOTS[0])) is RootVerdict.INVALID


def test_bytes_are_fixed():
    """Golden bytes: these forms are wire and may never change."""
    assert GENESIS.raw == encode([1, [k.public for k in ROOTS], 2, {"city": "x"}, {}])
    assert GENESIS.ns == domain.digest(b"mesh-genesis/v1\0", GENESIS.raw)[:16]
    raw = encode(
        [1, GENESIS.ns, 1, bytes(32), [k.public for k in ROOTS], 2, [[ITEM.kind, ITEM.body]]]
    )
    assert FIRST.raw == raw
    assert FIRST.id == domain.digest(b"mesh-root/id/v1\0", raw)
    pairs = [[k.public, k.sign(b"mesh-root/v1\0", raw)] for k in ROOTS[:2]]
    assert FIRST.wire == encode([raw, pairs])
    assert parse_root_statement(FIRST.wire) == FIRST


def test_constants_have_defaults_and_ranges():
    assert GENESIS.district_depth == CONSTANT_DEFAULTS["district_depth"]
    assert GENESIS.h3_resolution == 9
    assert GENESIS.event_age_ms_max == 2000
    assert GENESIS.clock_skew_ms_max == 500
    assert make_genesis([ROOTS[0].public], 1, constants={"h3_resolution": 8}).h3_resolution == 8
    for constants in ({"h3_resolution": 99}, {"district_depth": True}, {"event_age_ms_max": "1"}):
        with pytest.raises(InvalidGenesisError, match=next(iter(constants))):
            make_genesis([ROOTS[0].public], 1, constants=constants)


@pytest.mark.parametrize(
    ("roots", "threshold"),
    [
        ([], 1),
        ([ROOTS[0].public], 0),
        ([ROOTS[0].public], 2),
        ([ROOTS[0].public], True),
        ([ROOTS[0].public, ROOTS[0].public], 1),
        ([bytes(32)], 1),
        (["x"], 1),
    ],
)
def test_roots_that_make_no_sense_are_refused(roots, threshold):
    with pytest.raises(InvalidGenesisError):
        make_genesis(roots, threshold)


@given(st.binary(max_size=80), st.integers(0, 2000), st.integers(1, 255))
def test_parsers_are_total(junk, at, flip):
    invite = Invite(GENESIS, (1, FIRST.id), (FIRST,), (b"entry",), ("/ip4/127.0.0.1",)).encode()
    for parse, error, good in (
        (parse_genesis, InvalidGenesisError, GENESIS.raw),
        (parse_root_statement, InvalidRootError, FIRST.wire),
        (parse_invite, InvalidInviteError, invite),
    ):
        mutated = bytearray(good)
        mutated[at % len(good)] ^= flip
        for data in (junk, bytes(mutated)):
            try:
                parsed = parse(data)
            except error:
                continue
            assert parsed is not None


def _forged(place, value):
    fields = decode(FIRST.raw)
    fields[place] = value
    return encode([encode(fields), []])


@pytest.mark.parametrize(
    "wire",
    [
        bytes((1 << 20) + 1),
        encode([1, 2, 3]),
        encode([b"x", [[b"k", b"s"]]]),
        encode([FIRST.raw, 7]),
        encode([FIRST.raw, [[KEYS[1].public, bytes(64)], [KEYS[0].public, bytes(64)]]]),
        _forged(0, True),
        _forged(1, b"short"),
        _forged(2, 0),
        _forged(2, True),
        _forged(3, b"short"),
        _forged(3, bytes([1]) * 32),
        _forged(4, "roots"),
        _forged(5, 9),
        _forged(6, "items"),
        _forged(6, [["kind"]]),
        _forged(6, [[1, 2]]),
    ],
)
def test_malformed_statements_are_refused(wire):
    with pytest.raises(InvalidRootError):
        parse_root_statement(wire)


def test_values_without_an_encoding_are_refused():
    with pytest.raises(InvalidRootError, match="encoded"):
        make_root_statement(GENESIS, [RootItem("grant", 1 << 60)])
    with pytest.raises(InvalidGenesisError, match="encoded"):
        make_genesis([ROOTS[0].public], 1, policy={"x": 1 << 60})


def test_an_invite_survives_the_trip_and_starts_from_its_pin():
    invite = Invite(GENESIS, (1, FIRST.id), (FIRST,), (b"entry",), ("/ip4/127.0.0.1/tcp/1",))
    assert parse_invite(invite.encode()) == invite


@pytest.mark.parametrize(
    ("place", "value", "match"),
    [
        (0, 2, "version"),
        (1, 5, "genesis bytes"),
        (1, b"\x01", "genesis"),
        (2, [1, bytes(32)], "pins"),
        (3, [b"\x01"], "root statement"),
        (3, [], "pins"),
        (3, [FIRST.wire, FIRST.wire], "signed chain"),
        (4, ["text"], "entries"),
        (5, ["x"] * 65, "addresses"),
        (5, ["x" * 257], "addresses"),
    ],
)
def test_invites_that_do_not_hang_together_are_refused(place, value, match):
    fields = decode(Invite(GENESIS, (1, FIRST.id), (FIRST,), (), ()).encode())
    fields[place] = value
    with pytest.raises(InvalidInviteError, match=match):
        parse_invite(encode(fields))
