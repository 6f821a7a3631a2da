"""Who signs, and what the signer's view says about what it may sign.

A signer is a running node or a desk without a network; whatever signs on a person's word goes
through this seam, and asks here first whether it would count.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Protocol, cast

from crdt.chains import invite_of
from crdt.entry import Entry, Lane
from crdt.replica import Replica
from crdt.standing import Pair, Standing
from identity.invite import Invite
from mesh.coordination import rights
from mesh.coordination.membership import fold_membership
from mesh.node.control import ControlError

__all__ = [
    "Signer",
    "able",
    "invite_for",
    "known_addresses",
    "may",
    "refused",
    "signed_last",
]

ADDRESSES_MAX = 16
"""Most addresses put into an invite."""


class Signer(Protocol):
    """Who signs: a view, the own key and addresses, and a way to write AUTH entries."""

    @property
    def replica(self) -> Replica:
        """The view."""
        ...

    @property
    def public(self) -> bytes:
        """The key that signs, 32 bytes."""
        ...

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the signer itself can be reached."""
        ...

    async def write(self, kind: str, body: object) -> Entry:
        """Write an AUTH entry; returns it once it is durable."""
        ...


def able(signer: Signer, verb: str, name: str, *, below: int = rights.STRATA) -> list[Standing]:
    """Return the signer's current pairs of a stratum below one that hold a verb over a name.

    Raises:
        ControlError: there is none; the message says what the signer is instead.
    """
    with refused():
        return rights.able(signer.replica, signer.public, verb, name, below=below)


@contextmanager
def refused() -> Generator[None]:
    """What would not count is refused on the console."""
    try:
        yield
    except rights.UnentitledError as error:
        raise ControlError(str(error)) from None


def may(signer: Signer, verb: str, name: str) -> bool:
    """Whether a current pair of the signer holds a verb over a name."""
    authority = signer.replica.authority
    mine = [authority.standings[pair] for pair in authority.pairs_of(signer.public)]
    return any(standing.current and standing.may(verb, name) for standing in mine)


def signed_last(signer: Signer) -> tuple[int | None, dict[str, int]]:
    """Return when the signer says that it signed last, and each other author of now, by name.

    Who is not current says nothing of the time; keys of one name are one author.
    """
    authority = signer.replica.authority
    own: int | None = None
    others: dict[str, int] = {}
    for entry in signer.replica.entries():
        if entry.author == signer.public:
            own = max(entry.t, own or 0)
            continue
        pairs = authority.pairs_of(entry.author)
        for pair in [pair for pair in pairs if authority.standings[pair].current][:1]:
            others[pair.name] = max(entry.t, others.get(pair.name, 0))
    return own, others


def invite_for(signer: Signer, pair: Pair) -> Invite:
    """Return the invite of a granted pair, with the addresses that the signer knows."""
    return invite_of(signer.replica, pair, known_addresses(signer)[:ADDRESSES_MAX])


def known_addresses(signer: Signer) -> tuple[str, ...]:
    """Return where members can be reached: the signer first, then what others state, by name."""
    replica = signer.replica
    fleet = replica.status(Lane.FLEET)
    members = fold_membership(
        replica.authority,
        replica.registers,
        fleet,
        district_depth=replica.chain.genesis.district_depth,
    ).current()
    found = dict.fromkeys(signer.addresses)
    for member in members:
        links = fleet.get(Pair(member.key, member.name), {}).get("links")
        stated = cast("Mapping[str, object]", links).get("addresses") if links else None
        for address in cast("list[object]", stated) if isinstance(stated, list) else []:
            if isinstance(address, str):
                found[address] = None
    return tuple(found)
