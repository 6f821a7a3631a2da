"""The root of trust: genesis, numbered root statements, and the invite that carries both.

A fleet is its genesis: the root keys, how many of them must agree (m of n), the policy and the
constants that every box must share. Its namespace `ns` is a digest of those bytes, so a box that
holds `ns` can never be talked into another fleet.

Root statements are numbered and hash-chained; one body, signed by m of n. A statement that replaces
the roots must be signed by a threshold of the old and of the new (TUF, "root rotation"). An
accepted chain is never shortened: a second statement under an accepted number changes nothing and
is reported as a twin. See docs/records.md, "Root of trust".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import cast

from identity import domain
from identity.encoding import decode, encode
from identity.errors import EncodingError, InvalidGenesisError, InvalidRootError
from identity.keys import KEY_SIZE, SIGNATURE_SIZE, SecretKey, is_valid_point, verify

__all__ = [
    "CONSTANT_DEFAULTS",
    "Genesis",
    "RootChain",
    "RootItem",
    "RootStatement",
    "RootVerdict",
    "make_genesis",
    "make_root_statement",
    "parse_genesis",
    "parse_root_statement",
    "sign_root",
]

NS_SIZE = 16
"""Bytes of a namespace."""
_PAIR_SIZES = (KEY_SIZE, SIGNATURE_SIZE)
ID_SIZE = 32
"""Bytes of a statement's id."""
NO_STATEMENT = bytes(ID_SIZE)
"""What statement number 1 names as the one before it."""
ROOTS_MAX = 16
"""Most root keys of a fleet."""
ITEMS_MAX = 4096
"""Most items of one root statement."""
ROOT_SIZE_MAX = 1 << 20
"""Largest root statement with its signatures, bytes."""
GENESIS_SIZE_MAX = 16384
"""Largest genesis, bytes."""
CONSTANT_DEFAULTS: dict[str, int] = {
    "district_depth": 1,
    "h3_resolution": 9,
    "interest_m": 600,
    "event_age_ms_max": 2000,
    "clock_skew_ms_max": 500,
}
"""Constants every box must share, with the value that holds where a genesis is silent."""
_CONSTANT_RANGES = {
    "district_depth": (1, 11),
    "h3_resolution": (5, 12),
    "interest_m": (1, 5000),
    "event_age_ms_max": (100, 60_000),
    "clock_skew_ms_max": (0, 60_000),
}


@dataclass(frozen=True, slots=True)
class Genesis:
    """The founding document of a fleet, immutable.

    Attributes:
        roots: public keys of 32 bytes, ascending.
        threshold: how many of them must sign a root statement.
        policy: what the founders wrote down for people and later versions.
        constants: see `CONSTANT_DEFAULTS`.
        raw: its deterministic CBOR.
        ns: the namespace of the fleet, 16 bytes.
    """

    roots: tuple[bytes, ...]
    threshold: int
    policy: Mapping[str, object]
    constants: Mapping[str, object]
    raw: bytes = field(repr=False)
    ns: bytes

    def constant(self, name: str) -> int:
        """Return a shared constant; the default where this genesis does not name it."""
        return cast("int", self.constants.get(name, CONSTANT_DEFAULTS[name]))

    @property
    def district_depth(self) -> int:
        """How many segments of a name are its district."""
        return self.constant("district_depth")

    @property
    def h3_resolution(self) -> int:
        """Resolution of the cells that scope events."""
        return self.constant("h3_resolution")

    @property
    def interest_m(self) -> int:
        """How far from its place a box is taken to listen, metres; the topology is made for it."""
        return self.constant("interest_m")

    @property
    def event_age_ms_max(self) -> int:
        """Oldest event that is forwarded, milliseconds, skew apart."""
        return self.constant("event_age_ms_max")

    @property
    def clock_skew_ms_max(self) -> int:
        """How far two honest clocks differ at most, milliseconds."""
        return self.constant("clock_skew_ms_max")


def make_genesis(
    roots: Sequence[bytes],
    threshold: int,
    *,
    policy: Mapping[str, object] | None = None,
    constants: Mapping[str, object] | None = None,
) -> Genesis:
    """Return the genesis of a new fleet.

    Raises:
        InvalidGenesisError: a key, the threshold or a constant makes no sense.
    """
    value = [1, sorted(roots), threshold, dict(policy or {}), dict(constants or {})]
    try:
        return parse_genesis(encode(value))
    except EncodingError as error:
        raise InvalidGenesisError(f"genesis cannot be encoded: {error}") from None


def parse_genesis(raw: bytes) -> Genesis:
    """Return the genesis in `raw`. Total.

    Raises:
        InvalidGenesisError: it is none; the message says which field.
    """
    if len(raw) > GENESIS_SIZE_MAX:
        raise InvalidGenesisError(f"genesis of {len(raw)} bytes: expected ≤ {GENESIS_SIZE_MAX}")
    try:
        value = decode(raw)
    except EncodingError as error:
        raise InvalidGenesisError(f"genesis is not deterministic CBOR: {error}") from None
    if not isinstance(value, list) or len(value) != 5 or not is_version_1(value[0]):
        raise InvalidGenesisError("genesis: expected [1, roots, threshold, policy, constants]")
    _, roots, threshold, policy, constants = value
    keys = _keys(roots, threshold, InvalidGenesisError)
    if not isinstance(policy, dict) or not isinstance(constants, dict):
        raise InvalidGenesisError("genesis: expected maps for policy and constants")
    for name, (low, high) in _CONSTANT_RANGES.items():
        number = constants.get(name, CONSTANT_DEFAULTS[name])
        if not _is_integer(number) or not low <= cast("int", number) <= high:
            raise InvalidGenesisError(f"constant {name} = {number!r}: expected {low} to {high}")
    ns = domain.digest(domain.GENESIS, raw)[:NS_SIZE]
    return Genesis(keys, cast("int", threshold), policy, constants, raw, ns)


def is_version_1(value: object) -> bool:
    """Whether a decoded version field says 1; CBOR `true` equals 1 in Python and does not."""
    return _is_integer(value) and value == 1


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _keys(
    roots: object, threshold: object, error: type[InvalidGenesisError | InvalidRootError]
) -> tuple[bytes, ...]:
    """Return the root keys, or raise `error` naming what is wrong with them or the threshold."""
    if not isinstance(roots, list):
        raise error("roots: expected a list of keys")
    items = cast("list[object]", roots)
    keys = [key for key in items if isinstance(key, bytes) and is_valid_point(key)]
    if not 1 <= len(items) <= ROOTS_MAX or len(keys) != len(items):
        raise error(f"roots: expected 1 to {ROOTS_MAX} valid Ed25519 keys of {KEY_SIZE} bytes")
    if keys != sorted(set(keys)):
        raise error("roots: expected ascending keys, none twice")
    if not _is_integer(threshold) or not 1 <= cast("int", threshold) <= len(keys):
        raise error(f"threshold {threshold!r}: expected 1 to {len(keys)}, the number of roots")
    return tuple(keys)


@dataclass(frozen=True, slots=True)
class RootItem:
    """One thing a root statement says: a kind of the AUTH lane and its body."""

    kind: str
    body: object


@dataclass(frozen=True, slots=True)
class RootStatement:
    """A numbered statement of the roots; as parsed, its signatures unchecked.

    Attributes:
        ns: namespace of the fleet, 16 bytes.
        number: 1, 2, 3 …
        prev: id of the statement before it, 32 bytes; zeros for number 1.
        roots: the keys in force from here on.
        threshold: how many of them must sign from here on.
        items: what it says, in order.
        raw: the signed bytes.
        signatures: (key, signature), ascending by key.
        id: SHA-256 under the root id domain, 32 bytes.
    """

    ns: bytes
    number: int
    prev: bytes
    roots: tuple[bytes, ...]
    threshold: int
    items: tuple[RootItem, ...]
    raw: bytes = field(repr=False)
    signatures: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    id: bytes

    @property
    def wire(self) -> bytes:
        """The bytes that travel: [raw, [[key, signature]…]]."""
        return encode([self.raw, [[key, signature] for key, signature in self.signatures]])

    def signers(self, roots: Sequence[bytes]) -> int:
        """Return how many of `roots` signed it validly."""
        return sum(
            verify(key, domain.ROOT, self.raw, signature)
            for key, signature in self.signatures
            if key in roots
        )


def make_root_statement(
    genesis: Genesis,
    items: Sequence[RootItem],
    *,
    number: int = 1,
    prev: bytes = NO_STATEMENT,
    roots: Sequence[bytes] | None = None,
    threshold: int | None = None,
) -> RootStatement:
    """Return an unsigned statement; hand it to `sign_root` as often as the threshold asks.

    Raises:
        InvalidRootError: a field makes no sense or cannot be encoded.
    """
    head: list[object] = [1, genesis.ns, number, prev]
    in_force = [sorted(roots or genesis.roots), threshold or genesis.threshold]
    body = [*head, *in_force, [[item.kind, item.body] for item in items]]
    try:
        return _parse_raw(encode(body, depth_max=_ITEM_DEPTH_MAX), ())
    except EncodingError as error:
        raise InvalidRootError(f"root statement cannot be encoded: {error}") from None


_ITEM_DEPTH_MAX = 10
"""A body nests 8 levels as in an entry; here it stands two levels deeper."""


def sign_root(statement: RootStatement, key: SecretKey) -> RootStatement:
    """Return the statement with the signature of one more root key."""
    signatures = dict(statement.signatures)
    signatures[key.public] = key.sign(domain.ROOT, statement.raw)
    return _parse_raw(statement.raw, tuple(sorted(signatures.items())))


def parse_root_statement(wire: bytes) -> RootStatement:
    """Return the statement in `wire`, signatures unchecked. Total.

    Raises:
        InvalidRootError: it is none; the message says which field.
    """
    if len(wire) > ROOT_SIZE_MAX:
        raise InvalidRootError(f"root statement of {len(wire)} bytes: expected ≤ {ROOT_SIZE_MAX}")
    try:
        value = decode(wire)
    except EncodingError as error:
        raise InvalidRootError(f"root statement is not deterministic CBOR: {error}") from None
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], bytes):
        raise InvalidRootError("root statement: expected [raw, signatures]")
    raw, pairs = value
    signatures: list[tuple[bytes, bytes]] = []
    for pair in pairs if isinstance(pairs, list) else [None]:
        match pair:
            case [bytes(key), bytes(signature)] if (len(key), len(signature)) == _PAIR_SIZES:
                signatures.append((key, signature))
            case _:
                raise InvalidRootError("signatures: expected a list of [key, signature]")
    keys = [key for key, _ in signatures]
    if keys != sorted(set(keys)) or len(keys) > 2 * ROOTS_MAX:
        raise InvalidRootError("signatures: expected ascending keys, none twice, at most 32")
    return _parse_raw(cast("bytes", raw), tuple(signatures))


def _parse_raw(raw: bytes, signatures: tuple[tuple[bytes, bytes], ...]) -> RootStatement:
    try:
        value = decode(raw, depth_max=_ITEM_DEPTH_MAX)
    except EncodingError as error:
        raise InvalidRootError(f"root body is not deterministic CBOR: {error}") from None
    if not isinstance(value, list) or len(value) != 7 or not is_version_1(value[0]):
        raise InvalidRootError("root: expected [1, ns, number, prev, roots, threshold, items]")
    _, ns, number, prev, roots, threshold, items = value
    if not isinstance(ns, bytes) or len(ns) != NS_SIZE:
        raise InvalidRootError(f"ns: expected {NS_SIZE} bytes")
    if not _is_integer(number) or cast("int", number) < 1:
        raise InvalidRootError(f"number {number!r}: expected 1 or more")
    if not isinstance(prev, bytes) or len(prev) != ID_SIZE:
        raise InvalidRootError(f"prev: expected {ID_SIZE} bytes")
    if (number == 1) != (prev == NO_STATEMENT):
        raise InvalidRootError("prev is zero for number 1 and only there")
    keys = _keys(roots, threshold, InvalidRootError)
    parsed = _items(items)
    m, place = cast("int", threshold), cast("int", number)
    identifier = domain.digest(domain.ROOT_ID, raw)
    return RootStatement(ns, place, prev, keys, m, parsed, raw, signatures, identifier)


def _items(items: object) -> tuple[RootItem, ...]:
    if not isinstance(items, list) or len(cast("list[object]", items)) > ITEMS_MAX:
        raise InvalidRootError(f"items: expected a list of at most {ITEMS_MAX}")
    parsed: list[RootItem] = []
    for item in cast("list[object]", items):
        pair = cast("list[object]", item) if isinstance(item, list) else []
        if len(pair) != 2 or not isinstance(pair[0], str):
            raise InvalidRootError("item: expected [kind, body]")
        parsed.append(RootItem(pair[0], pair[1]))
    return tuple(parsed)


class RootVerdict(Enum):
    """What became of a statement that was offered to a chain."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    GAP = "gap"
    TWIN = "twin"
    INVALID = "invalid"


class RootChain:
    """The accepted root statements of one fleet, in order; it only ever grows."""

    __slots__ = ("_statements", "genesis", "twins")

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self._statements: list[RootStatement] = []
        self.twins = 0
        """How many validly signed rivals of accepted statements were seen: raise an alarm."""

    @property
    def statements(self) -> tuple[RootStatement, ...]:
        """The accepted statements, number 1 first."""
        return tuple(self._statements)

    @property
    def number(self) -> int:
        """Number of the last accepted statement, 0 before the first."""
        return len(self._statements)

    @property
    def head(self) -> bytes:
        """Id of the last accepted statement, zeros before the first."""
        return self._statements[-1].id if self._statements else NO_STATEMENT

    def accept(self, statement: RootStatement) -> RootVerdict:
        """Take a statement into the chain if it is the next one and signed as the rules ask."""
        if statement.ns != self.genesis.ns:
            return RootVerdict.INVALID
        if statement.number > self.number + 1:
            return RootVerdict.GAP
        if statement.number <= self.number:
            return self._rival(statement)
        if statement.prev != self.head or not self._signed(statement, self.number):
            return RootVerdict.INVALID
        self._statements.append(statement)
        return RootVerdict.ACCEPTED

    def _rival(self, statement: RootStatement) -> RootVerdict:
        if self._statements[statement.number - 1].id == statement.id:
            return RootVerdict.KNOWN
        if not self._signed(statement, statement.number - 1):
            return RootVerdict.INVALID
        self.twins += 1
        return RootVerdict.TWIN

    def _signed(self, statement: RootStatement, before: int) -> bool:
        """Whether enough roots in force after `before` statements, and of the new, signed."""
        last = self._statements[before - 1] if before else self.genesis
        return statement.signers(last.roots) >= last.threshold and (
            (statement.roots, statement.threshold) == (last.roots, last.threshold)
            or statement.signers(statement.roots) >= statement.threshold
        )
