"""I3: nothing without a valid signature and the canonical form is ever visible.

Worlds are told once as they are, and once more beside copies that somebody spoilt on the way: other
signatures, other bytes under the same signature, twins of what an honest key said, words that a
thief puts into its mouth, and its own words in another encoding. Whatever comes in by the door that
every box has for a single entry, or in a session with a peer that holds such things, no view may
differ from that of the good ones alone.
"""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from crdt.entry import Entry, Lane, parse_entry, verify_entry
from crdt.errors import InvalidEntryError
from identity import domain
from identity.encoding import encode
from tests.unit.crdt.worlds import offer_all, views

from .conversing import converse, kept, replica_of
from .deeds import KEYS, World
from .strategies import worlds
from .writing import cut_at, grant, key_of, public, revoke, steward_of, two_banks

OWNERS = {public(label): key_of(label) for label in KEYS}
Spoil = Callable[[Random, Entry], bytes]


def flipped(random: Random, data: bytes) -> bytes:
    """Return bytes with one bit of them changed."""
    changed = bytearray(data)
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def raw_of(entry: Entry, **changes: object) -> bytes:
    """Return the signed bytes of an entry, some fields of which are others."""
    fields = {
        "ns": entry.ns,
        "author": entry.author,
        "lane": entry.lane,
        "inc": entry.inc,
        "seq": entry.seq,
        "prev": entry.prev,
        "t": entry.t,
        "kind": entry.kind,
        "body": entry.body,
    }
    return encode([1, *(fields | changes).values()])


def other_signature(random: Random, entry: Entry) -> bytes:
    return flipped(random, entry.sig) + entry.raw


def other_signer(random: Random, entry: Entry) -> bytes:
    """Sign as somebody else."""
    others = [label for label in KEYS if public(label) != entry.author]
    return key_of(random.choice(others)).sign(domain.ENTRY, entry.raw) + entry.raw


def other_bytes(random: Random, entry: Entry) -> bytes:
    return entry.sig + flipped(random, entry.raw)


def twin(_: Random, entry: Entry) -> bytes:
    """Make evidence against an honest author."""
    return entry.sig + raw_of(entry, t=entry.t + 1)


def next_word(random: Random, entry: Entry) -> bytes:
    """Put a grant or a revocation into the author's mouth."""
    kind, body = random.choice(
        (
            grant("thief", "city/n", 2, 2**20, steward_of("city/n")),
            grant("thief", "b/9", 2, 1, steward_of("city")),
            revoke("north", "city/*", cut_at(entry)),
        )
    )
    changes = {"seq": entry.seq + 1, "prev": entry.id, "kind": kind, "body": body}
    raw = raw_of(entry, lane=Lane.AUTH, **changes)
    signature = random.choice((entry.sig, key_of("thief").sign(domain.ENTRY, raw)))
    return signature + raw


def other_encoding(_: Random, entry: Entry) -> bytes:
    """Sign one's own words in bytes that say the same, one byte longer than they need to be."""
    raw = entry.raw[:1] + b"\x18\x01" + entry.raw[2:]
    return OWNERS[entry.author].sign(domain.ENTRY, raw) + raw


SPOILINGS: tuple[Spoil, ...] = (
    other_signature,
    other_signer,
    other_bytes,
    twin,
    next_word,
    other_encoding,
)


def admitted(wires: list[bytes]) -> list[Entry]:
    """Return what comes in by the door: it parses, and its signature is good."""
    return [entry for entry in parsed(wires) if verify_entry(entry)]


def parsed(wires: list[bytes]) -> list[Entry]:
    """Return what can be read at all: all that a peer without a conscience may hold."""
    found: list[Entry] = []
    for wire in wires:
        try:
            found.append(parse_entry(wire))
        except InvalidEntryError:
            continue
    return found


def spoil(world: World, random: Random) -> list[bytes]:
    """Return spoilt copies of some of a world's entries."""
    return [
        random.choice(SPOILINGS)(random, entry) for entry in world.entries if random.random() < 0.7
    ]


@given(worlds(), st.integers(0, 2**16))
def test_i3_by_the_door_no_view_changes(world: World, seed: int) -> None:
    random = Random(seed)
    good = {entry.wire: entry for entry in world.entries}
    offered = [*good, *spoil(world, random)]
    random.shuffle(offered)
    honest = [good[wire] for wire in offered if wire in good]
    alone = offer_all(replica_of(world.fleet, ()), honest)
    beside = offer_all(replica_of(world.fleet, ()), admitted(offered))
    assert views(beside) == views(alone)
    assert kept(beside) == kept(alone)


@given(worlds(), st.integers(0, 2**16), st.booleans())
def test_i3_in_a_session_no_view_changes(world: World, seed: int, begins: bool) -> None:
    random = Random(seed)
    junk = parsed(spoil(world, random))
    honest = offer_all(replica_of(world.fleet, ()), world.entries)
    before, held = views(honest), kept(honest)
    mixed = [*junk, *(entry for entry in world.entries if random.random() < 0.5)]
    random.shuffle(mixed)
    liar = offer_all(replica_of(world.fleet, ()), mixed)
    sides = (honest, liar) if begins else (liar, honest)
    converse(*sides, mangle=lambda queue: None)
    assert views(honest) == before
    assert kept(honest) == held
    event("the peer showed something else" if kept(liar) != held else "nothing new")


@pytest.mark.parametrize("spoiling", SPOILINGS, ids=lambda spoiling: spoiling.__name__)
def test_i3_each_way_to_spoil_is_refused(spoiling: Spoil) -> None:
    fleet = two_banks()
    north = fleet.write("bank-a", grant("north", "city/n", 2, 1, steward_of("city")))
    random = Random(1)
    for _ in range(50):
        wire = spoiling(random, north)
        assert wire != north.wire
        assert not admitted([wire])
