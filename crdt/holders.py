"""The granted pairs while the fold runs: what each holds, and what seniors decided about it so far.

A holder is settled in its stratum and speaks after that; a claim is a grant that counts, with those
of its author's pairs under which it does. See docs/records.md, "Authority is a stratified fold".
"""

from dataclasses import dataclass, field

from crdt.bodies import Grant, Place
from crdt.cuts import EffectiveCut
from crdt.entry import Entry, FeedId
from crdt.evidence import PinRuling
from crdt.feed import Feed
from crdt.standing import Pair
from identity.capability import Capability, covers, permits

__all__ = ["ROOT_STRATUM", "Claim", "Holder"]

ROOT_STRATUM = 0


@dataclass(slots=True, eq=False)
class Holder:
    """One granted pair while the fold runs; the root is one too. Mutable."""

    pair: Pair
    stratum: int
    epoch: int = 0
    capabilities: tuple[Capability, ...] = ()
    grants: list[Grant] = field(default_factory=list[Grant])
    cuts: list[EffectiveCut] = field(default_factory=list[EffectiveCut])
    pins: dict[FeedId, PinRuling] = field(default_factory=dict[FeedId, PinRuling])
    named: list[Place] = field(default_factory=list[Place])
    winning: bool = True
    contested: bool = False
    revoked: bool = False
    undecided: bool = False

    def may(self, verb: str, name: str) -> bool:
        """Whether it holds a capability of that verb over that name."""
        if self.stratum == ROOT_STRATUM:
            return True
        return any(permits(held, verb=verb, name=name) for held in self.capabilities)

    def holds(self, wanted: Capability) -> bool:
        """Whether a single capability of it covers another."""
        if self.stratum == ROOT_STRATUM:
            return True
        verb = wanted.verb
        return any(held.verb == verb and covers(held, wanted) for held in self.capabilities)

    def voids(self, entry: Entry, evidence: tuple[Entry, Entry] | None) -> bool:
        """Rule 5: whether evidence in the feed of a linked AUTH entry takes it from this pair."""
        if evidence is None or entry.seq < evidence[0].seq:
            return False
        pin = self.pins.get(entry.feed)
        return pin is None or not pin.exempt.holds(entry)

    def is_open(self, feed: Feed, settled: int) -> bool:
        """Rule 5: whether evidence in a feed of the key waits for a decision.

        Args:
            feed: one with evidence.
            settled: where the lane prunes, the highest seq that a pin names; else -1.
        """
        pin = self.pins.get(feed.id)
        if pin is not None and not pin.fork:
            return False
        latest = feed.latest_evidence()
        return latest is not None and latest[0].seq > settled

    def is_pinned(self, entry: Entry) -> bool:
        """Whether a pin that counts names a linked entry or a descendant of it."""
        pin = self.pins.get(entry.feed)
        return pin is not None and pin.named.holds(entry)


@dataclass(slots=True, eq=False)
class Claim:
    """A grant that counts, and the pairs of its author under which it does."""

    grant: Grant
    issuers: list[Holder]

    def passed(self) -> tuple[Capability, ...]:
        """Return those of its capabilities that a single one of one issuer covers, ascending."""
        return tuple(
            wanted
            for wanted in self.grant.capabilities
            if any(issuer.holds(wanted) for issuer in self.issuers)
        )
