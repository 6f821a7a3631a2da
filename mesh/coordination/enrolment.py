"""What to sign to enrol, replace or revoke somebody, worked out from the view at hand.

The rules leave the signer few choices and many ways to forget something: the epoch one above the
winning one, every lower pair of the name listed with the heads of its AUTH feeds (whatever is not
listed is void), the place kept. So nobody writes these bodies by hand. Roles are the usual sets of
capabilities. See docs/records.md, "Authority is a stratified fold".
"""

from collections.abc import Iterable, Sequence

from crdt.entry import Entry, Lane
from crdt.replica import Replica
from crdt.standing import Pair, Standing
from identity.capability import EVERYWHERE, Capability

__all__ = [
    "authority_role",
    "bootstrap_role",
    "box_role",
    "feed_heads",
    "grant_body",
    "holders",
    "next_epoch",
    "pin_body",
    "put_body",
    "revocation_body",
    "steward_role",
]

_TOPICAL = ("publish", "approve")
_DELEGATED = ("grant", "revoke", "pin", "state", "place", "put", "rollout", "agree", "act")


def authority_role() -> tuple[Capability, ...]:
    """Return what an organisation at stratum 1 may do: everything, to everyone, everywhere."""
    return _everything("")


def steward_role(district: str) -> tuple[Capability, ...]:
    """Return what a steward may do: enrol, revoke and map within one district."""
    return tuple(capability for capability in _everything(district) if capability.verb != "approve")


def box_role(name: str, events: Sequence[str], area: Iterable[bytes]) -> tuple[Capability, ...]:
    """Return what a box may do: state itself, and publish with an approved model in its area."""
    return (
        Capability(verb="state", names=name),
        Capability(
            verb="publish",
            names=name,
            events=tuple(events),
            area=tuple(sorted(set(area))),
            model=True,
        ),
    )


def bootstrap_role(name: str) -> tuple[Capability, ...]:
    """Return what a bootstrap peer may do: be a member, nothing else."""
    return (Capability(verb="none", names=name),)


def _everything(names: str) -> tuple[Capability, ...]:
    plain = tuple(Capability(verb=verb, names=names) for verb in (*_DELEGATED, "none"))
    topical = tuple(
        Capability(verb=verb, names=names, events=(EVERYWHERE,), area=EVERYWHERE)
        for verb in _TOPICAL
    )
    return plain + topical


def feed_heads(replica: Replica, key: bytes) -> list[list[object]]:
    """Return the cut that keeps everything of a key's AUTH feeds that we hold."""
    cut: list[list[object]] = []
    for feed in replica.feeds_of(key):
        head = replica.head(feed) if feed.lane == Lane.AUTH else None
        if head is not None:
            cut.append([feed.lane, feed.inc, head.seq, head.id])
    return cut


def holders(replica: Replica, name: str) -> tuple[Standing, ...]:
    """Return everybody who was ever granted a name, as they stand now."""
    authority = replica.authority
    return tuple(authority.standings[pair] for pair in authority.by_name(name))


def next_epoch(replica: Replica, name: str) -> int:
    """Return the epoch at which the next grant of a name wins: 1 for a new name."""
    return 1 + max((standing.epoch for standing in holders(replica, name)), default=0)


def grant_body(
    replica: Replica,
    *,
    key: bytes,
    name: str,
    stratum: int,
    capabilities: Iterable[Capability],
    place: str | None = None,
    epoch: int | None = None,
) -> dict[str, object]:
    """Return the body of a grant; where the name is held already, one that replaces its holders.

    Args:
        replica: the signer's view.
        key: whom to grant, 32 bytes.
        name: the name to grant.
        stratum: its rank; below the signer's.
        capabilities: what it may do; the signer must hold each.
        place: where it stands; kept from the holder that is replaced, unless given.
        epoch: to set it by hand.
    """
    held = [standing for standing in holders(replica, name) if standing.pair.key != key]
    if place is None:
        place = next((standing.place for standing in held if standing.winning), None)
    body: dict[str, object] = {
        "pk": key,
        "name": name,
        "stratum": stratum,
        "epoch": next_epoch(replica, name) if epoch is None else epoch,
        "caps": [capability.to_value() for capability in capabilities],
        "replaces": [
            {"pk": standing.pair.key, "cut": feed_heads(replica, standing.pair.key)}
            for standing in held
        ],
    }
    if place is not None:
        body["place"] = place
    return body


def revocation_body(replica: Replica, pair: Pair, *, mode: str = "compromise") -> dict[str, object]:
    """Return the body that revokes a pair and keeps what of its AUTH feeds we hold.

    Args:
        replica: the signer's view.
        pair: whom to revoke.
        mode: `compromise` or `retire`.
    """
    return {"pk": pair.key, "name": pair.name, "mode": mode, "cut": feed_heads(replica, pair.key)}


def pin_body(entry: Entry) -> dict[str, object]:
    """Return the body that settles a fork of a feed: the line up to an entry, and on, counts."""
    return {
        "pk": entry.author,
        "lane": entry.lane,
        "inc": entry.inc,
        "seq": entry.seq,
        "id": entry.id,
    }


def put_body(replica: Replica, key: str, value: object) -> dict[str, object]:
    """Return the body that sets a register, superseding every value that stands."""
    known = replica.registers.get(key)
    standing = known.standing if known is not None else ()
    seen = sorted({c.entry_id for c in standing if len(c.entry_id) == 32})
    return {"key": key, "value": value, "supersedes": seen}
