"""Whether what somebody is about to sign would count, by the rules and in a view at hand.

Nothing forbids to write a fact that nobody heeds, and it changes no view; a person who signs one
has made a mistake that nobody else will tell of. So whoever signs on a person's word asks here
first. See docs/records.md, "Authority is a stratified fold".
"""

from collections.abc import Iterable

from crdt.entry import Entry, Lane
from crdt.kinds import KeyRule, rule_for_key
from crdt.replica import Replica
from crdt.standing import Standing
from identity.did import did_from_public
from identity.encoding import Value
from mesh.coordination.enrolment import holders

__all__ = ["STRATA", "UnentitledError", "able", "granting", "pinning", "putting", "revoking"]

STRATA = 8
"""Strata there are."""


class UnentitledError(Exception):
    """What was to be signed would not count; the message says why."""


def able(
    replica: Replica, public: bytes, verb: str, name: str, *, below: int = STRATA
) -> list[Standing]:
    """Return the current pairs of a key, of a stratum below one, that hold a verb over a name.

    Raises:
        UnentitledError: there is none; the message says what the key is instead.
    """
    mine, current = _pairs(replica, public)
    able = [held for held in current if held.may(verb, name) and held.stratum < below]
    if able:
        return able
    who = did_from_public(public)
    if not mine:
        raise UnentitledError(f"{who} holds no grant in this fleet: it cannot {verb} {name}")
    if not current:
        told = f"{mine[0].pair.name} ({who}) is not current any more: it signs nothing"
        raise UnentitledError(told)
    rank = f" at a stratum below {below}" if below < STRATA else ""
    raise UnentitledError(
        f"{current[0].pair.name} may not {verb} {name}: expected a key that holds `{verb}` over "
        f"it{rank}"
    )


def revoking(replica: Replica, public: bytes, name: str) -> list[Standing]:
    """Return the holders of a name that a key's revocation would reach.

    Raises:
        UnentitledError: it would reach none, or one of them stands too high for it.
    """
    targets = [each for each in holders(replica, name) if each.winning and not each.revoked]
    if not targets:
        raise UnentitledError(f"{name} is revoked already: enrol a new key to bring it back")
    for standing in targets:
        if standing.stratum == 0 or standing.pair.key == public:
            raise UnentitledError(f"{name} is this key's own name: only a senior can revoke it")
        issuers = able(replica, public, "revoke", standing.pair.name)
        if min(issuer.stratum for issuer in issuers) >= standing.stratum:
            raise UnentitledError(
                f"{name} stands at stratum {standing.stratum}: only a senior of it can revoke it"
            )
    return targets


def granting(replica: Replica, public: bytes, name: str, role: str, stratum: int) -> list[Standing]:
    """Return the pairs of a key under which its grant of a name would count.

    Args:
        replica: the view.
        public: the key that signs.
        name: what is granted.
        role: as what, for people.
        stratum: at which rank.

    Raises:
        UnentitledError: there is none, or a senior holds the name.
    """
    issuers = able(replica, public, "grant", name, below=stratum)
    senior = [held for held in holders(replica, name) if held.stratum < stratum]
    if senior:
        raise UnentitledError(
            f"{name} is granted at stratum {senior[0].stratum}: a {role} (stratum {stratum}) "
            "cannot take it; choose another name"
        )
    return issuers


def pinning(replica: Replica, public: bytes, name: str) -> list[Entry]:
    """Return the heads of the forked AUTH feeds of who holds a name, which a key may pin.

    Raises:
        UnentitledError: none is forked and undecided, or the key may not.
    """
    undecided = [standing for standing in holders(replica, name) if standing.undecided]
    for standing in undecided:
        able(replica, public, "pin", name, below=standing.stratum)
    keys = {standing.pair.key for standing in undecided}
    forked = [
        feed
        for feed in replica.feeds()
        if feed.author in keys and feed.lane == Lane.AUTH and replica.evidence(feed)
    ]
    heads = [head for feed in forked if (head := replica.head(feed)) is not None]
    if not heads:
        raise UnentitledError(f"no feed of {name} is forked and undecided: there is nothing to pin")
    return heads


def putting(
    replica: Replica, public: bytes, key: str, value: Value, rules: Iterable[KeyRule]
) -> None:
    """See that a put of a register would count.

    Raises:
        UnentitledError: it would not.
    """
    rule = rule_for_key(rules, key)
    name = None if rule is None else rule.name_of(key)
    if rule is None or name is None:
        told = f"no register is called {key!r:.60}: expected a name such as limit or north/limit"
        raise UnentitledError(told)
    if not rule.check(value):
        raise UnentitledError(f"{key} cannot have the value {value!r:.60}: it is folded as nothing")
    _, current = _pairs(replica, public)
    if not any(rule.authorises(held, key, value) for pair in current for held in pair.capabilities):
        able(replica, public, rule.verb, name)
        raise UnentitledError(f"{key} cannot have that value by this key: it holds less than that")


def _pairs(replica: Replica, public: bytes) -> tuple[list[Standing], list[Standing]]:
    """Return all pairs of a key, and those that are current."""
    authority = replica.authority
    mine = [authority.standings[pair] for pair in authority.pairs_of(public)]
    return mine, [standing for standing in mine if standing.current]
