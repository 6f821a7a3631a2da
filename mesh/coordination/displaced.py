"""Why a pair counts no more, for whoever holds it: what took its place, whose word that is.

A box learns that it was replaced or revoked as everybody does, from the facts; its peers answer
hello with the reason, and go on giving it root, evidence and AUTH. But whoever refuses what it says
does not tell it, so its own people have to be told here.
"""

from typing import NamedTuple

from crdt.bodies import Revocation, parse_grant, parse_revocation
from crdt.entry import Entry
from crdt.replica import Replica
from crdt.standing import Pair
from mesh.coordination.trust import Refused, refusal_of

__all__ = ["Displaced", "displaced"]


class Displaced(NamedTuple):
    """A pair that is not current.

    Attributes:
        pair: the key and its name.
        reason: revoked, superseded_key, quarantined or not_granted.
        holder: the key that holds the name now, 32 bytes; None if none does.
        epoch: at which it does; 0 if none does.
        by: the names under which somebody decided it, sorted; empty for the root, or if nobody did.
        when_ms: when, by the wall clock of who signed it; for people, no rule reads it. None for
            the root, or if nobody did.
    """

    pair: Pair
    reason: Refused
    holder: bytes | None = None
    epoch: int = 0
    by: tuple[str, ...] = ()
    when_ms: int | None = None


def displaced(replica: Replica, pair: Pair) -> Displaced | None:
    """Return why a pair is not current; None if it is, or if its key was never granted anything."""
    standing = replica.authority.standings.get(pair)
    reason = refusal_of(standing)
    if reason is None or (standing is None and not replica.is_known_author(pair.key)):
        return None
    if reason is Refused.REVOKED:
        return _told(replica, Displaced(pair, reason), _revocation(replica, pair))
    if reason is not Refused.SUPERSEDED_KEY:
        return Displaced(pair, reason)
    held = replica.authority.standings
    winners = [each for each in replica.authority.by_name(pair.name) if held[each].winning]
    found = Displaced(pair, reason, winners[0].key, held[winners[0]].epoch)
    return _told(replica, found, _grant(replica, winners[0], found.epoch))


def _told(replica: Replica, found: Displaced, entry: Entry | None) -> Displaced:
    """Add who wrote the entry that decided it, and when."""
    if entry is None:
        return found
    names = sorted({issuer.name for issuer in replica.authority.counting[entry.id]})
    return found._replace(by=tuple(names), when_ms=entry.t)


def _grant(replica: Replica, pair: Pair, epoch: int) -> Entry | None:
    """Return the first counting grant of a pair at an epoch; None if the root gave it."""
    found: list[Entry] = []
    for entry in _counting(replica, "grant"):
        grant = parse_grant(entry.body)
        if grant is not None and (grant.key, grant.name, grant.epoch) == (*pair, epoch):
            found.append(entry)
    return _first(found)


def _revocation(replica: Replica, pair: Pair) -> Entry | None:
    """Return the first counting revocation that reaches a pair; None if the root wrote it."""
    found: list[Entry] = []
    for entry in _counting(replica, "revoke"):
        said = parse_revocation(entry.body)
        if said is not None and said.key == pair.key and _reaches(said, pair.name):
            found.append(entry)
    return _first(found)


def _reaches(said: Revocation, name: str) -> bool:
    if said.prefix is None:
        return said.name == name
    return said.prefix in ("", name) or name.startswith(f"{said.prefix}/")


def _counting(replica: Replica, kind: str) -> list[Entry]:
    entries = [replica.entry(identifier) for identifier in replica.authority.counting]
    return [entry for entry in entries if entry is not None and entry.kind == kind]


def _first(entries: list[Entry]) -> Entry | None:
    return min(entries, key=lambda entry: (entry.t, entry.id), default=None)
