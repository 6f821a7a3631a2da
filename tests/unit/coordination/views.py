"""Folded views made by hand, of the real classes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from crdt.registers import Contender, Register
from crdt.standing import ROOT_PAIR, Authority, Pair, RootHead, Standing
from identity.capability import Capability
from identity.genesis import make_genesis
from identity.keys import SecretKey

ALICE = SecretKey.from_seed(bytes([1]) * 32).public
BOB = SecretKey.from_seed(bytes([2]) * 32).public
CAROL = SecretKey.from_seed(bytes([3]) * 32).public
GENESIS = make_genesis([ALICE], 1)


def standing(
    pair: Pair,
    *,
    capabilities: Iterable[Capability] = (),
    epoch: int = 1,
    place: str | None = None,
    winning: bool = True,
    contested: bool = False,
    revoked: bool = False,
    undecided: bool = False,
    expires_ms: int | None = None,
) -> Standing:
    """A box's standing, current unless said otherwise."""
    held = tuple(capabilities)
    return Standing(
        pair, 3, epoch, held, (), place, winning, contested, revoked, undecided, expires_ms
    )


def authority_as_given(standings: Iterable[Standing]) -> Authority:
    """An authority view whose standings lie in the order given."""
    held = {one.pair: one for one in standings}
    return Authority(GENESIS, RootHead(0, bytes(32)), held, {}, {}, {})


def authority(*standings: Standing) -> Authority:
    """An authority view, sorted as the fold sorts it."""
    return authority_as_given(sorted(standings, key=lambda one: (one.pair.name, one.pair.key)))


def register(*values: object) -> Register:
    """A register in which these values stand, and contend if they are several."""
    contenders = tuple(
        Contender(value, ROOT_PAIR, 0, bytes([number]) * 32) for number, value in enumerate(values)
    )
    value = values[0] if len(values) == 1 else None
    return Register("key", value, len(values) > 1, contenders, ())


@dataclass
class View:
    """The views that trust reads, replaceable one by one."""

    authority: Authority = field(default_factory=authority)
    registers: Mapping[str, Register] = field(default_factory=dict)
    known: set[bytes] = field(default_factory=set)

    def is_known_author(self, key: bytes) -> bool:
        return key in self.known
