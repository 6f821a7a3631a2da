"""The stratified fold: from root statements and a set of entries to who holds what.

Strata are settled in ascending order, root first. All that can add to or take from a stratum is
written under pairs of strictly lower strata, which are settled before it; so negation (cuts,
revocations, evidence) never looks at what is still open, and there is exactly one model of the
*set*: no order of arrival, no clock, no tie-break, no cycle of mutual revocations. Each numbered
rule of docs/records.md, "Authority is a stratified fold", is one function here.

What a void entry says is never dispatched: that is how a cut takes decisions with it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import cast

from crdt.bodies import STRATUM_MAX, Grant, Pin, Put, Revocation, ascending
from crdt.cuts import EffectiveCut, join_cuts, resolve_cut
from crdt.entry import Entry, FeedId, Lane
from crdt.evidence import rule_on_pins
from crdt.feed import Line
from crdt.holders import ROOT_STRATUM, Claim, Holder
from crdt.index import PRUNED_LANES, EntryIndex
from crdt.kinds import KEY_RULES, KINDS, Body, KeyRule, Kinds, rule_for_key
from crdt.quota import limit_for, run_of
from crdt.standing import ROOT_PAIR, Authority, Pair, RootHead, Ruling, Standing
from identity.capability import is_at_or_under
from identity.encoding import Value
from identity.genesis import Genesis, RootStatement

__all__ = ["epoch_bound", "fold_authority", "settle"]

EPOCH_BITS = 48
EPOCH_BITS_PER_STRATUM = 6
"""Each stratum writes epochs below a sixty-fourth of what the one above it can write."""


def fold_authority(
    genesis: Genesis,
    statements: Sequence[RootStatement],
    entries: Iterable[Entry],
    *,
    rules: Sequence[KeyRule] = KEY_RULES,
    kinds: Kinds = KINDS,
) -> Authority:
    """Return the authority that a set of entries amounts to.

    Args:
        genesis: of the fleet; entries of another are ignored.
        statements: the accepted root statements, number 1 first.
        entries: each with a valid signature; in any order, and any number of times.
        rules: the register keys, which say what authorises a put.
        kinds: the table of kinds.
    """
    index = EntryIndex.of(genesis.ns, entries, kinds, statements)
    return settle(index, genesis, statements, rules)


def settle(
    index: EntryIndex,
    genesis: Genesis,
    statements: Sequence[RootStatement],
    rules: Sequence[KeyRule],
) -> Authority:
    """Return the authority of an indexed set."""
    fold = _Fold(index, rules)
    fold.hear_root(statements)
    for stratum in range(1, STRATUM_MAX + 1):
        fold.settle_stratum(stratum)
    last = statements[-1] if statements else None
    head = RootHead(last.number, last.id) if last is not None else RootHead(0, bytes(32))
    return fold.result(genesis, head)


def epoch_bound(stratum: int) -> int:
    """Return the epoch that an issuer of a stratum must stay below: a senior can go above."""
    return 1 << (EPOCH_BITS - EPOCH_BITS_PER_STRATUM * stratum)


class _Fold:
    """The working state: what settled strata said about those still open."""

    def __init__(self, index: EntryIndex, rules: Sequence[KeyRule]) -> None:
        self.index = index
        self.rules = rules
        self.root = Holder(ROOT_PAIR, ROOT_STRATUM)
        self.holders: dict[Pair, Holder] = {}
        self.names: dict[str, int] = {}
        self.claims: dict[int, dict[bytes, Claim]] = {s: {} for s in range(1, STRATUM_MAX + 1)}
        self.revocations: dict[bytes, list[Revocation]] = {}
        self.pins: dict[bytes, list[tuple[Holder, Pin]]] = {}
        self.counting: dict[bytes, tuple[Pair, ...]] = {}
        self.surviving: dict[bytes, tuple[Pair, ...]] = {}

    def hear_root(self, statements: Sequence[RootStatement]) -> None:
        """Stratum 0: every item of an accepted statement counts under the root's pair."""
        for statement in statements:
            for number, item in enumerate(statement.items):
                said = self.index.root_item(statement, number, item)
                self.dispatch(statement.id + number.to_bytes(4), said, self.root)

    def settle_stratum(self, stratum: int) -> None:
        """Settle one stratum, and only then let its pairs speak.

        What they say of their own stratum or a senior one comes too late: so "strictly senior".
        """
        names = self.granted_names(stratum)
        holders = [holder for claims in names.values() for holder in self.granted(stratum, claims)]
        for name, claims in names.items():
            self.retire(name, claims)
        for holder in holders:
            self.revoke(holder)
            self.judge_evidence(holder)
        for claims in names.values():
            self.contest(claims)
        for holder in holders:
            self.speak(holder)

    def granted_names(self, stratum: int) -> dict[str, list[Claim]]:
        """Rule 1: G(s), the grants of a stratum that count for giving a pair, by name."""
        names: dict[str, list[Claim]] = {}
        for claim in self.claims[stratum].values():
            grant = claim.grant
            claim.issuers = [
                issuer for issuer in claim.issuers if grant.epoch < epoch_bound(issuer.stratum)
            ]
            if claim.issuers and self.names.get(grant.name, stratum) == stratum:
                names.setdefault(grant.name, []).append(claim)
        self.names.update(dict.fromkeys(names, stratum))
        return names

    def granted(self, stratum: int, claims: list[Claim]) -> list[Holder]:
        """Rule 2: the pairs that a name's grants give, with what issuers could pass on."""
        by_key: dict[bytes, list[Claim]] = {}
        for claim in claims:
            by_key.setdefault(claim.grant.key, []).append(claim)
        found: list[Holder] = []
        for key, own in by_key.items():
            holder = Holder(Pair(key, own[0].grant.name), stratum)
            holder.grants = [claim.grant for claim in own]
            holder.epoch = max(grant.epoch for grant in holder.grants)
            passed = [claim.passed() for claim in own]
            if len(passed) == 1:
                holder.capabilities = passed[0]
            else:
                holder.capabilities = ascending(dict.fromkeys(chain.from_iterable(passed)))
            self.holders[holder.pair] = holder
            found.append(holder)
        return found

    def retire(self, name: str, claims: list[Claim]) -> None:
        """Rule 3: pairs below the winning epoch are retired, with the cut that grants list."""
        winning = max(claim.grant.epoch for claim in claims)
        for key in dict.fromkeys(claim.grant.key for claim in claims):
            holder = self.holders[Pair(key, name)]
            if holder.epoch == winning:
                continue
            holder.winning = False
            listed = [
                (claim.grant.epoch, replaced.cut)
                for claim in claims
                if claim.grant.epoch > holder.epoch
                for replaced in claim.grant.replaces
                if replaced.key == key
            ]
            if listed:
                highest = max(epoch for epoch, _ in listed)
                cuts = [cut for epoch, cut in listed if epoch == highest]
                self.cut(holder, join_cuts(self.index, key, cuts))

    def revoke(self, holder: Holder) -> None:
        """Rule 4: revocations by strictly senior pairs, of this name or of a prefix of it."""
        key, name = holder.pair
        for revocation in self.revocations.get(key, ()):
            prefix = revocation.prefix
            speaks = revocation.name == name if prefix is None else is_at_or_under(name, prefix)
            if speaks:
                holder.revoked = True
                self.cut(holder, resolve_cut(self.index, key, revocation.cut))

    @staticmethod
    def cut(holder: Holder, cut: EffectiveCut) -> None:
        holder.cuts.append(cut)
        holder.named.extend(cut.named)

    def judge_evidence(self, holder: Holder) -> None:
        """Rule 5: pins by strictly senior pairs, and whether all evidence is decided."""
        key, name = holder.pair
        by_feed: dict[FeedId, list[tuple[int, Entry]]] = {}
        settled: dict[FeedId, int] = {}
        for author, pin in self.pins.get(key, ()):
            if not author.may("pin", name):
                continue
            holder.named.append(pin.place)
            lane, inc, seq, identifier = pin.place
            pinned = FeedId(key, lane, inc)
            if lane in PRUNED_LANES:
                settled[pinned] = max(seq, settled.get(pinned, -1))
            feed = self.index.feed(pinned)
            entry = feed.linked_at(seq, identifier) if feed is not None else None
            if entry is not None:
                by_feed.setdefault(pinned, []).append((author.stratum, entry))
        for identifier, pins in by_feed.items():
            ruling = rule_on_pins(self.index.feeds()[identifier], pins)
            if ruling is not None:
                holder.pins[identifier] = ruling
        if not holder.cuts:
            feeds = self.index.judged(key).values()
            holder.undecided = any(holder.is_open(feed, settled.get(feed.id, -1)) for feed in feeds)

    def contest(self, claims: list[Claim]) -> None:
        """Rule 3: two keys at the winning epoch, neither revoked, are contested."""
        pairs = dict.fromkeys(Pair(claim.grant.key, claim.grant.name) for claim in claims)
        holders = [self.holders[pair] for pair in pairs]
        rivals = [holder for holder in holders if holder.winning and not holder.revoked]
        for holder in rivals:
            holder.contested = len(rivals) > 1

    def speak(self, holder: Holder) -> None:
        """Hand on what the entries that survive for a settled pair say."""
        for entry in self.survivors(holder):
            pairs = self.surviving.get(entry.id)
            self.surviving[entry.id] = (holder.pair,) if pairs is None else (*pairs, holder.pair)
            self.dispatch(entry.id, self.index.body(entry), holder)

    def survivors(self, holder: Holder) -> Iterator[Entry]:
        """Yield the linked AUTH entries of a pair's key that nothing voids for that pair.

        What every effective cut covers survives, whatever the evidence and the limits.
        """
        key = holder.pair.key
        feeds = self.index.lane(key, Lane.AUTH)
        if holder.cuts:
            lines = holder.cuts[0].lines
            listed = [feed for feed in feeds if (int(Lane.AUTH), feed.id.inc) in lines]
            for entry in chain.from_iterable(feed.linked() for feed in listed):
                if all(cut.covers(entry) for cut in holder.cuts):
                    yield entry
            return
        totals = self.index.totals(key, Lane.AUTH)
        exempt = holder.is_pinned if holder.pins else None
        run = run_of(feeds, totals, limit_for(holder.capabilities), exempt)
        judged = self.index.judged(key)
        for feed in feeds:
            evidence = feed.evidence() if feed.id in judged else None
            for entry in feed.linked():
                if holder.voids(entry, evidence):
                    continue
                if run is None or entry.id in run.ids or holder.is_pinned(entry):
                    yield entry

    def dispatch(self, reference: bytes, said: Body | None, holder: Holder) -> None:
        """Take what one counting entry or root item says to the strata that it speaks about."""
        match said:
            case Grant():
                counts = holder.may("grant", said.name)
                if counts:
                    claims = self.claims[said.stratum]
                    claims.setdefault(reference, Claim(said, [])).issuers.append(holder)
            case Revocation():
                counts = self.may_revoke(holder, said)
                if counts:
                    self.revocations.setdefault(said.key, []).append(said)
            case Pin():
                counts = holder is self.root or any(c.verb == "pin" for c in holder.capabilities)
                if counts:
                    self.pins.setdefault(said.key, []).append((holder, said))
            case Put():
                counts = self.may_put(holder, said)
            case _:
                counts = False
        if counts and holder is not self.root:
            pairs = self.counting.get(reference)
            self.counting[reference] = (holder.pair,) if pairs is None else (*pairs, holder.pair)

    def may_revoke(self, holder: Holder, revocation: Revocation) -> bool:
        """Rule 4: the verb must cover the name, or p of `p/*`; only root may write `*`."""
        prefix = revocation.prefix
        if prefix == "":
            return holder is self.root
        return holder.may("revoke", revocation.name if prefix is None else prefix)

    def may_put(self, holder: Holder, put: Put) -> bool:
        rule = rule_for_key(self.rules, put.key)
        value = cast("Value", put.value)
        return (
            rule is not None
            and rule.check(value)
            and any(rule.authorises(held, put.key, value) for held in holder.capabilities)
        )

    def result(self, genesis: Genesis, head: RootHead) -> Authority:
        """Rule 6: freeze what every pair came to."""
        pairs = sorted(self.holders, key=lambda pair: (pair.name, pair.key))
        standings = {pair: _standing(self.holders[pair]) for pair in pairs}
        rulings = {
            pair: self.ruling(holder)
            for pair in pairs
            if (holder := self.holders[pair]).cuts or holder.named
        }
        counting = {reference: tuple(sorted(held)) for reference, held in self.counting.items()}
        grants: dict[Pair, list[tuple[int, bytes]]] = {}
        for claims in self.claims.values():
            for reference, claim in claims.items():
                pair, place = (
                    Pair(claim.grant.key, claim.grant.name),
                    (claim.grant.epoch, reference),
                )
                grants.setdefault(pair, []).append(place)
        return Authority(genesis, head, standings, counting, self.surviving, rulings, grants)

    def ruling(self, holder: Holder) -> Ruling:
        """Freeze what seniors decided about a pair."""
        lines: list[Line] = []
        for lane, inc, seq, identifier in dict.fromkeys(holder.named):
            feed = self.index.feed(FeedId(holder.pair.key, lane, inc))
            tip = feed.linked_at(seq, identifier) if feed is not None else None
            if feed is not None and tip is not None:
                lines.append(feed.line(tip))
        return Ruling(tuple(holder.cuts), holder.pins, tuple(holder.named), tuple(lines))


def _standing(holder: Holder) -> Standing:
    latest = [grant for grant in holder.grants if grant.epoch == holder.epoch]
    places = {grant.place for grant in latest}
    expiries = [grant.expires_ms for grant in latest]
    held = holder.capabilities
    proposed = chain.from_iterable(grant.capabilities for grant in holder.grants)
    dropped = dict.fromkeys(each for each in proposed if each not in held)
    return Standing(
        holder.pair,
        holder.stratum,
        holder.epoch,
        held,
        ascending(dropped),
        places.pop() if len(places) == 1 else None,
        holder.winning,
        holder.contested,
        holder.revoked,
        holder.undecided,
        None if None in expiries else max(cast("list[int]", expiries)),
    )
