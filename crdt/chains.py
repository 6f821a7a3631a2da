"""Chains of grants: what shows a stranger, or a new box, why a pair stands.

A chain goes from the root down: each link is a grant that counts, written by the pair of the link
before. It is what a box says in its hello. An invite carries more: for each issuer on the chain its
*whole* AUTH feed up to the grant, because gaps are never folded over. See docs/records.md, "Root of
trust".

Whoever is shown a chain may lack what lies before its grants, so that nothing of it counts yet. It
still proves that its holder is no stranger, and has what is missing.
"""

from collections.abc import Iterable

from crdt.bodies import Grant, parse_grant
from crdt.entry import Entry, Lane
from crdt.known import KnownAuthors
from crdt.replica import Replica
from crdt.standing import Authority, Pair
from identity.invite import Invite

__all__ = ["chain_reaches", "grant_chain", "invite_entries", "invite_of"]

STRATA_MAX = 8
"""Strata there are, and so the longest chain."""


def grant_chain(replica: Replica, pair: Pair) -> tuple[Entry, ...]:
    """Return the grant entries that lead to a pair, senior first.

    The links that root statements hold are not among them: they travel with the root. Of several
    grants of one pair the one with the highest epoch is taken, then the smallest id.
    """
    chain: list[Entry] = []
    while len(chain) < STRATA_MAX:
        entry = _grant_of(replica, pair)
        if entry is None:
            break
        chain.append(entry)
        issuer = _issuer(replica.authority, entry, pair)
        if issuer is None:
            break
        pair = issuer
    return tuple(reversed(chain))


def chain_reaches(replica: Replica, chain: Iterable[Entry], key: bytes) -> bool:
    """Whether grants lead to a key from those who were granted something in this view.

    By signatures (which the caller checks), strata and capabilities alone, as for known authors:
    whether they link, or were revoked since, is left aside.
    """
    known = KnownAuthors()
    entries = tuple(chain)
    authority = replica.authority
    for author in dict.fromkeys(entry.author for entry in entries):
        for pair in authority.pairs_of(author):
            held = authority.standings[pair]
            known.hear_root(
                Grant(
                    author, pair.name, held.stratum, held.epoch, held.capabilities, (), None, None
                )
            )
    for entry in entries:
        is_grant = entry.kind == "grant" and entry.lane == Lane.AUTH
        grant = parse_grant(entry.body) if is_grant else None
        if grant is not None and entry.ns == replica.chain.genesis.ns:
            known.hear(entry.author, grant)
    return key in known


def _grant_of(replica: Replica, pair: Pair) -> Entry | None:
    """Return the counting grant entry of a pair with the highest epoch, if an entry granted it.

    The fold knows which entries grant a pair: every hello asks, and a fleet holds as many grants as
    boxes.
    """
    best: tuple[int, bytes] | None = None
    found: Entry | None = None
    for epoch, entry_id in replica.authority.grants.get(pair, ()):
        entry = replica.entry(entry_id)
        rank = (-epoch, entry_id)
        if entry is not None and (best is None or rank < best):
            best, found = rank, entry
    return found


def _issuer(authority: Authority, entry: Entry, pair: Pair) -> Pair | None:
    """Return the most senior pair under which a grant counts; None if that is the root."""
    issuers = [issuer for issuer in authority.counting[entry.id] if issuer.name and issuer != pair]
    return min(
        issuers, key=lambda issuer: (authority.standings[issuer].stratum, issuer), default=None
    )


def invite_entries(replica: Replica, pair: Pair) -> tuple[Entry, ...]:
    """Return the entries of an invite for a pair: whole issuer feeds, senior first."""
    entries: dict[bytes, Entry] = {}
    for grant in grant_chain(replica, pair):
        feeds = [feed for feed in replica.feeds_of(grant.author) if feed.lane == grant.lane]
        for feed in feeds:
            tip = replica.head(feed) if feed != grant.feed else grant
            if tip is None:
                continue
            for entry in reversed(tuple(replica.walk(feed, tip.id))):
                entries[entry.id] = entry
    return tuple(entries.values())


def invite_of(replica: Replica, pair: Pair, addresses: Iterable[str]) -> Invite:
    """Return the invite of a granted pair, by which whoever holds the key joins."""
    chain = replica.chain
    return Invite(
        chain.genesis,
        (chain.number, chain.head),
        chain.statements,
        tuple(entry.wire for entry in invite_entries(replica, pair)),
        tuple(addresses),
    )
