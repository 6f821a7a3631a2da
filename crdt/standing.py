"""Who holds what: the view that the authority fold yields, frozen.

Everything belongs to the pair (key, name), never to the key: a foreign organisation that grants
your key a name must neither revive nor kill what you hold under another. See docs/records.md,
"Authority is a stratified fold".
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from crdt.bodies import Place
from crdt.cuts import EffectiveCut
from crdt.entry import Entry, FeedId
from crdt.evidence import PinRuling
from crdt.feed import Line
from identity.capability import Capability, permits
from identity.domain import digest
from identity.encoding import encode
from identity.genesis import Genesis

__all__ = ["ROOT_PAIR", "Authority", "Pair", "RootHead", "Ruling", "Standing"]

AUTHORITY_DIGEST = b"mesh-crdt/authority/v1\0"
"""Domain tag of the digest of an authority view."""


class Pair(NamedTuple):
    """A key under one name."""

    key: bytes
    name: str


ROOT_PAIR = Pair(b"", "")
"""The pair of the root: no single key, every name, stratum 0."""


class RootHead(NamedTuple):
    """The last accepted root statement: its number, 0 before the first, and its id, 32 bytes."""

    number: int
    id: bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """What one granted pair is and may do.

    Attributes:
        pair: the key and the name.
        stratum: 1 (organisations, regions) to 7; the root alone is 0.
        epoch: the highest of its grants.
        capabilities: what it holds, ascending by canonical encoding.
        dropped: what a grant proposed and no single capability of an issuer covers, likewise.
        place: where its grants of that epoch put it; None where they name none or disagree.
        winning: it is at the highest epoch of its name; otherwise it is retired.
        contested: another key, not revoked either, stands at the winning epoch too.
        revoked: a revocation counts on it.
        undecided: evidence against one of its key's feeds is not decided for it.
        expires_ms: the latest expiry among its grants of that epoch, wall clock; None for never.
            No fold reads it: expiry is a local refusal to act.
    """

    pair: Pair
    stratum: int
    epoch: int
    capabilities: tuple[Capability, ...]
    dropped: tuple[Capability, ...]
    place: str | None
    winning: bool
    contested: bool
    revoked: bool
    undecided: bool
    expires_ms: int | None = None

    @property
    def current(self) -> bool:
        """Whether it may publish, vouch, act, and show its status. A contested pair may."""
        return self.winning and not self.revoked and not self.undecided

    def may(self, verb: str, name: str) -> bool:
        """Whether it holds a capability of that verb over that name; not whether it is current."""
        return any(permits(held, verb=verb, name=name) for held in self.capabilities)

    def to_value(self) -> list[object]:
        """Return it as a value that can be encoded."""
        return [
            *self.pair,
            self.stratum,
            self.epoch,
            [held.to_value() for held in self.capabilities],
            [held.to_value() for held in self.dropped],
            self.place,
            [self.winning, self.contested, self.revoked, self.undecided],
            self.expires_ms,
        ]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What seniors decided about one pair.

    Attributes:
        cuts: those that are effective on it; they intersect.
        pins: the pin that counts, by feed.
        named: every place that a counting cut or pin names, held or not.
        lines: of these places those that are held, each with its ancestors.
    """

    cuts: tuple[EffectiveCut, ...] = ()
    pins: Mapping[FeedId, PinRuling] | None = None
    named: tuple[Place, ...] = ()
    lines: tuple[Line, ...] = ()

    def covers(self, entry: Entry) -> bool:
        """Whether an effective cut or a pin covers a linked entry of the pair's key."""
        if self.pins and (pin := self.pins.get(entry.feed)) is not None and pin.named.holds(entry):
            return True
        return any(cut.covers(entry) for cut in self.cuts)

    def leads_to_named(self, entry: Entry) -> bool:
        """Whether a linked entry of the pair's key is named or an ancestor of one that is.

        That is more than what is covered: of items on two branches only the common part counts,
        and contradicting pins decide nothing; who lacks one of them would judge otherwise.
        """
        return any(line.tip.feed == entry.feed and line.holds(entry) for line in self.lines)


class Authority:
    """The settled authority: a function of the root statements and the set of entries.

    Attributes:
        ns: namespace of the fleet, 16 bytes.
        district_depth: how many segments of a name are its district.
        root: the last accepted root statement; digests of views name it.
        standings: every granted pair, by (name, key).
        counting: AUTH entries whose author's pairs authorise them, and under which pairs.
        surviving: AUTH entries that no cut, evidence or limit voids, and for which pairs; a kind
            that no capability guards counts by this.
        rulings: of the pairs about which seniors decided anything.
        grants: epoch and entry id of every grant that counts, by the pair that it grants.
    """

    __slots__ = (
        "_digest",
        "_keys",
        "_later",
        "_names",
        "counting",
        "district_depth",
        "grants",
        "ns",
        "root",
        "rulings",
        "standings",
        "surviving",
    )

    def __init__(
        self,
        genesis: Genesis,
        root: RootHead,
        standings: Mapping[Pair, Standing],
        counting: Mapping[bytes, tuple[Pair, ...]],
        surviving: Mapping[bytes, tuple[Pair, ...]],
        rulings: Mapping[Pair, Ruling],
        grants: Mapping[Pair, Sequence[tuple[int, bytes]]] = MappingProxyType({}),
    ) -> None:
        self.ns = genesis.ns
        self.district_depth = genesis.district_depth
        self.root = root
        self.standings = standings
        self.counting = counting
        self.surviving = surviving
        self.rulings = rulings
        self.grants = grants
        self._digest: bytes | None = None
        self._later: tuple[Authority, dict[bytes, None]] | None = None
        self._keys: dict[bytes, tuple[Pair, ...]] = {}
        self._names: dict[str, tuple[Pair, ...]] = {}
        for pair in standings:
            self._keys[pair.key] = (*self._keys.get(pair.key, ()), pair)
            self._names[pair.name] = (*self._names.get(pair.name, ()), pair)

    def current(self, pair: Pair) -> bool:
        """Whether a pair is current in this view."""
        standing = self.standings.get(pair)
        return standing is not None and standing.current

    def pairs_of(self, key: bytes) -> tuple[Pair, ...]:
        """Return the granted pairs of a key, ascending by name."""
        return self._keys.get(key, ())

    def by_name(self, name: str) -> tuple[Pair, ...]:
        """Return the granted pairs of a name, ascending by key."""
        return self._names.get(name, ())

    def keys(self) -> Collection[bytes]:
        """Return every key that holds a granted pair."""
        return self._keys.keys()

    def changed_in(self, later: "Authority") -> dict[bytes, None]:
        """Return the keys of whose pairs a later view says something else, or that only one has.

        The answer about the latest is kept: many replicas go from one view to the next.
        """
        if self._later is None or self._later[0] is not later:
            pairs = {**self.standings, **later.standings}
            keys = {pair.key: None for pair in pairs if not self._says_as(later, pair)}
            self._later = later, keys
        return self._later[1]

    def _says_as(self, other: "Authority", pair: Pair) -> bool:
        if self.standings.get(pair) != other.standings.get(pair):
            return False
        return self.rulings.get(pair) == other.rulings.get(pair)

    @property
    def digest(self) -> bytes:
        """32 bytes that are equal for equal views; computed once."""
        if self._digest is None:
            parts = [encode([1, self.ns, *self.root])]
            parts += [encode(standing.to_value()) for standing in self.standings.values()]
            parts += [encode([i, *map(list, self.counting[i])]) for i in sorted(self.counting)]
            self._digest = digest(AUTHORITY_DIGEST, b"".join(parts))
        return self._digest

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Authority)
            and (self.ns, self.root) == (other.ns, other.root)
            and self.standings == other.standings
            and self.counting == other.counting
        )

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        current = sum(standing.current for standing in self.standings.values())
        return (
            f"<Authority root {self.root.number}, {current} of {len(self.standings)} pairs current>"
        )
