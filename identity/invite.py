"""The invite: everything a new box needs to join, in one file that may travel by mail or USB stick.

CBOR [1, genesis, [root number, root id], [root wires], [entry wires], [addresses]]. It is no secret
and no capability: it names who was granted what, and works only for the holder of the granted key.
Every issuer on the chain is present with its whole AUTH feed up to the grant, because gaps are
never folded over. The entries stay bytes here: they belong to a floor above and are verified there.
"""

from dataclasses import dataclass
from typing import TypeVar, cast

from identity.encoding import Value, decode, encode
from identity.errors import (
    EncodingError,
    InvalidGenesisError,
    InvalidInviteError,
    InvalidRootError,
)
from identity.genesis import (
    Genesis,
    RootChain,
    RootStatement,
    RootVerdict,
    is_version_1,
    parse_genesis,
    parse_root_statement,
)

__all__ = ["Invite", "parse_invite"]

INVITE_SIZE_MAX = 8 << 20
"""Largest invite, bytes."""
ADDRESSES_MAX = 64
"""Most addresses of an invite."""
_T = TypeVar("_T")

ADDRESS_SIZE_MAX = 256
"""Longest address, characters."""


@dataclass(frozen=True, slots=True)
class Invite:
    """A parsed invite.

    Attributes:
        genesis: the fleet.
        pin: (number, id) of the root statement the issuer held; a newcomer starts from it.
        statements: the root chain up to the pin.
        entries: entry wires, feed by feed, oldest first.
        addresses: where members may be found, multiaddrs with a peer id.
    """

    genesis: Genesis
    pin: tuple[int, bytes]
    statements: tuple[RootStatement, ...]
    entries: tuple[bytes, ...]
    addresses: tuple[str, ...]

    def encode(self) -> bytes:
        """Return the bytes of the invite file."""
        return encode(
            [
                1,
                self.genesis.raw,
                list(self.pin),
                [statement.wire for statement in self.statements],
                list(self.entries),
                list(self.addresses),
            ]
        )


def parse_invite(data: bytes) -> Invite:
    """Return the invite in a file's bytes, its root chain verified up to the pin.

    Raises:
        InvalidInviteError: it is none, or its root statements do not lead to its pin.
    """
    if len(data) > INVITE_SIZE_MAX:
        raise InvalidInviteError(f"invite of {len(data)} bytes: expected ≤ {INVITE_SIZE_MAX}")
    try:
        value = decode(data)
    except EncodingError as error:
        raise InvalidInviteError(f"this file is no invite: {error}") from None
    if not isinstance(value, list) or len(value) != 6 or not is_version_1(value[0]):
        raise InvalidInviteError("this file is no invite of version 1")
    _, raw, pin, roots, entries, addresses = value
    if not isinstance(raw, bytes):
        raise InvalidInviteError("invite: expected the genesis bytes in second place")
    try:
        genesis = parse_genesis(raw)
        statements = tuple(map(parse_root_statement, _list_of(roots, bytes, "root statements")))
    except (InvalidGenesisError, InvalidRootError) as error:
        raise InvalidInviteError(f"invite: {error}") from None
    chain = RootChain(genesis)
    if any(chain.accept(statement) is not RootVerdict.ACCEPTED for statement in statements):
        raise InvalidInviteError("invite: its root statements do not form a signed chain")
    if pin != [chain.number, chain.head]:
        raise InvalidInviteError("invite: its root statements do not lead to the root it pins")
    texts = _list_of(addresses, str, "addresses")
    if len(texts) > ADDRESSES_MAX or any(len(text) > ADDRESS_SIZE_MAX for text in texts):
        raise InvalidInviteError(f"invite: expected at most {ADDRESSES_MAX} short addresses")
    return Invite(
        genesis,
        (chain.number, chain.head),
        statements,
        tuple(_list_of(entries, bytes, "entries")),
        tuple(texts),
    )


def _list_of(value: Value, kind: type[_T], what: str) -> list[_T]:
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise InvalidInviteError(f"invite: expected a list of {kind.__name__} for its {what}")
    return cast("list[_T]", value)
