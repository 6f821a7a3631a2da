"""The replica: the grow-only set of signed entries, what is kept of it, and its cached views.

Join is union. A replica is offered entries in any order and any number of times; whoever was
offered the same set shows the same views. It does no input or output and reads no clock: signatures
are checked by the caller, entries to persist or pass on are drained by it. Views are folds over the
set, computed when read and forgotten exactly when something they depend on changes.
See docs/records.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from crdt.bodies import Place
from crdt.entry import Entry, FeedId, Lane
from crdt.folds import ALONE, Folds
from crdt.index import PRUNED_LANES
from crdt.kinds import KEY_RULES, KINDS, KeyRule, Kinds
from crdt.registers import Register, registers_of
from crdt.retention import Retention
from crdt.snapshot import Topics
from crdt.standing import Authority, Pair, Ruling
from crdt.statuses import LaneStatus
from identity.genesis import Genesis, RootChain, RootStatement, RootVerdict

__all__ = ["Offer", "Replica", "ReplicaStatistics"]


class Offer(Enum):
    """What became of an offered entry."""

    STORED = "stored"
    KNOWN = "known"
    """An entry of that id is held already, whatever its signature."""
    ORPHAN = "orphan"
    """It waits for what is before it; it may be dropped if that does not come."""
    UNKNOWN_AUTHOR = "unknown author"
    """No chain of grants held here reaches its author; offer it again after new grants."""
    OVER_LIMIT = "over limit"
    """Beyond what is kept of its author, or superseded by a snapshot or a later incarnation."""
    INVALID = "invalid"
    """Of another fleet, or, next to another entry of its seq, without a signature of its own."""


@dataclass(frozen=True, slots=True)
class ReplicaStatistics:
    """Sizes, in entries unless they say otherwise."""

    kept: int
    waiting: int
    waiting_bytes: int
    feeds: int
    known_authors: int
    folds: int
    """How often the authority was folded."""


class Replica:
    """One party's copy of the shared state.

    Args:
        genesis: of the fleet.
        rules: the register keys.
        kinds: the table of kinds.
        folds: computes the views; only a process with many replicas has others.
    """

    def __init__(
        self,
        genesis: Genesis,
        rules: Sequence[KeyRule] = KEY_RULES,
        *,
        kinds: Kinds = KINDS,
        folds: Folds = ALONE,
    ) -> None:
        self.chain = RootChain(genesis)
        """The accepted root statements; offer new ones with `offer_root`."""
        self.folds = folds
        """Computes the views, and what others fold from them."""
        self._rules = rules
        self._retention = Retention(genesis.ns, kinds)
        self._is_shared = False
        self._authority: Authority | None = None
        self._registers: Mapping[str, Register] | None = None
        self._status = {lane: LaneStatus(lane) for lane in PRUNED_LANES}
        self._settled = 0
        self._version = 0

    def twin(self) -> "Replica":
        """Return a replica that holds the same; both share it in memory until one is changed.

        Drain what is new and what was dropped first: each of the two would tell it.
        """
        index, authority = self._retention.index, self.authority
        made = Replica(self.chain.genesis, self._rules, kinds=index.kinds, folds=self.folds)
        for statement in self.chain.statements:
            made.chain.accept(statement)
        made._retention, made._authority = self._retention, authority
        made._registers = self.registers
        made._status = {lane: each.copy(authority, index) for lane, each in self._status.items()}
        made._is_shared = self._is_shared = True
        return made

    def _own(self) -> Retention:
        """Return the books to write into: from now on our own."""
        if self._is_shared:
            self._retention = self._retention.copy()
            self._is_shared = False
        return self._retention

    # Offering

    def offer(self, entry: Entry, *, verified: bool = True) -> Offer:
        """Take in an entry.

        Args:
            entry: of any author, in any order.
            verified: its own signature was checked. False for one of a segment whose last entry's
                was: it is checked when it has to prove something, see `has_signature`.
        """
        retention = self._retention
        if entry.ns != self.chain.genesis.ns:
            return Offer.INVALID
        if retention.holds(entry.id):
            if verified and retention.is_unverified(entry.id):
                self._own().refresh(entry)
            return Offer.KNOWN
        if entry.author not in retention.known:
            return Offer.UNKNOWN_AUTHOR
        retention = self._own()
        index, author = retention.index, entry.author
        twinned, proof, discards = index.is_twinned(author), index.proof(entry.feed), index.discards
        if not retention.admits(entry, verified=verified):
            return Offer.INVALID
        addition = retention.take(entry, verified=verified)
        linked = index.feeds()[entry.feed].is_linked(entry)
        named = any(each.id in index.named for each in addition.linked)
        moves = linked or bool(addition.shortened)
        forked = moves and (twinned or index.is_twinned(author))
        if named or forked or index.discards != discards or index.proof(entry.feed) != proof:
            self._forget_authority(author)
        if linked:
            self._forget_views(entry)
        if retention.excess.is_full:
            self._make_room()
        if entry.id in retention.kept:
            return Offer.STORED
        return Offer.OVER_LIMIT if linked or addition.superseded else Offer.ORPHAN

    def offer_root(self, statement: RootStatement) -> RootVerdict:
        """Take in a root statement; only an accepted one changes anything."""
        verdict = self.chain.accept(statement)
        if verdict is RootVerdict.ACCEPTED:
            self._own().hear_root(statement)
            self._forget_authority()
        return verdict

    def keep_whole(self, key: bytes) -> None:
        """Keep all of a key's feeds from now on, whatever the limits: for one's own issuers."""
        self._own().keep_whole(key)
        self._version += 1

    def has_signature(self, identifier: bytes) -> bool:
        """Whether an entry's own signature is good: ask before it is served or gossiped singly.

        A copy with a bad one, which only the word of a later entry let in, is forgotten here.
        """
        entry = self.entry(identifier)
        if entry is None:
            return False
        if not self._retention.is_unverified(identifier):
            return True
        good = self._own().has_signature(identifier)
        if not good:
            self._forget_authority(entry.author)
        return good

    def _forget_views(self, entry: Entry) -> None:
        """Forget what depends on the linked entries of a feed."""
        if entry.lane in PRUNED_LANES:
            self._status[Lane(entry.lane)].forget(entry.author)
        else:
            self._forget_authority()

    def _forget_authority(self, *authors: bytes) -> None:
        self._authority = None
        self._registers = None
        self._version += 1
        for cache in self._status.values():
            cache.forget(*authors)

    def _make_room(self) -> None:
        """Drop entries that wait, after those were kept that seniors' rulings cover."""
        if self._retention.is_crowded:
            self._settle()
        self._own().make_room()
        self._forget_authority()

    # Views

    @property
    def version(self) -> int:
        """A number that grows with all that may decide what of an author is kept.

        Until then what was offered in vain is offered in vain again.
        """
        return self._version

    @property
    def authority(self) -> Authority:
        """Who holds what. The same object until something it depends on changes."""
        return self._authority if self._authority is not None else self._settle()

    def _settle(self) -> Authority:
        retention, chain = self._own(), self.chain
        authority = self.folds.authority(
            retention.index, chain.genesis, chain.statements, self._rules
        )
        rulings: dict[bytes, list[Ruling]] = {}
        for pair, ruling in authority.rulings.items():
            rulings.setdefault(pair.key, []).append(ruling)
        retention.settle(rulings)
        self._authority = authority
        self._settled += 1
        return authority

    @property
    def registers(self) -> Mapping[str, Register]:
        """The multi-writer registers by key. The same object until the authority changes."""
        authority = self.authority
        if self._registers is None:
            of = authority, self.chain.statements, self._retention.index, self._rules
            self._registers = self.folds.once("registers", of[:1], lambda: registers_of(*of))
        return self._registers

    def status(self, lane: Lane) -> Mapping[Pair, Topics]:
        """Return what each current pair states, by (name, key); treat as immutable.

        Args:
            lane: STATE or FLEET.
        """
        return self._status[lane].topics(self.authority, self._retention.index)

    # The set, as sync and the store see it

    @property
    def remembered(self) -> dict[object, object]:
        """What others worked out of this content, for them alone; twins have it in common."""
        return self._retention.remembered

    def is_known_author(self, key: bytes) -> bool:
        """Whether a chain of grants reaches a key, cuts and revocations aside."""
        return key in self._retention.known

    def holds(self, identifier: bytes) -> bool:
        """Whether an entry is in memory, kept or waiting: for its twin, for what is before it."""
        return self._retention.holds(identifier)

    def entry(self, identifier: bytes) -> Entry | None:
        """Return a kept entry."""
        return self._retention.kept.get(identifier)

    def entries(self) -> Iterator[Entry]:
        """Yield all kept entries, feed by feed, by (seq, id); evidence may lack ancestors."""
        for identifier in self.feeds():
            for entry in self._retention.index.feeds()[identifier]:
                if entry.id in self._retention.kept:
                    yield entry

    def feeds(self) -> list[FeedId]:
        """Return the feeds of which anything is kept, ascending."""
        return sorted(self._retention.feeds())

    def feeds_of(self, author: bytes) -> list[FeedId]:
        """Return those of one author, ascending; what others wrote is not looked at."""
        held = (feed.id for lane in Lane for feed in self._retention.index.lane(author, lane))
        return sorted(feed for feed in held if feed in self._retention.feeds())

    def tips(self, feed: FeedId) -> tuple[bytes, ...]:
        """Return the ids of the ends of a feed's kept branches, ascending."""
        held = self._retention.index.feed(feed)
        if held is None:
            return ()
        last = held.last
        if last is not None and held.is_line and self._retention.is_on_line(last):
            return (last.id,)
        line = [entry for entry in held.linked() if self._retention.is_on_line(entry)]
        parents = {entry.prev for entry in line}
        return tuple(sorted(entry.id for entry in line if entry.id not in parents))

    def head(self, feed: FeedId) -> Entry | None:
        """Return the kept linked entry of the highest seq; of several that of the smallest id."""
        tips = [entry for tip in self.tips(feed) if (entry := self.entry(tip)) is not None]
        return min(tips, key=lambda entry: (-entry.seq, entry.id), default=None)

    def walk(self, feed: FeedId, tip: bytes, below: int | None = None) -> Iterator[Entry]:
        """Yield the kept linked entry `tip` of a feed and its linked ancestors, newest first.

        Args:
            feed: where to look.
            tip: id of the entry to begin at; nothing is yielded where it is not kept and linked.
            below: yield only entries of a lower seq than this.
        """
        held = self._retention.index.feed(feed)
        entry = self.entry(tip)
        if held is None or entry is None or entry.feed != feed:
            return
        if not self._retention.is_on_line(entry):
            return
        at: Entry | None = entry
        while at is not None and held.is_linked(at):
            if below is None or at.seq < below:
                yield at
            at = held.get(at.prev)

    def segment(self, feed: FeedId, tip: bytes, after_seq: int) -> list[Entry]:
        """Return `tip` and its ancestors of a higher seq than `after_seq`, oldest first."""
        found: list[Entry] = []
        for entry in self.walk(feed, tip):
            if entry.seq <= after_seq:
                break
            found.append(entry)
        found.reverse()
        return found

    def evidence(self, feed: FeedId) -> tuple[tuple[Entry, Entry], ...]:
        """Return the evidence kept of a feed: the smallest, and those above pinned entries.

        Where the lane prunes, the latest is above whatever a pin settles. Each pair is ascending by
        id, the pairs by (seq, ids).
        """
        held = self._retention.index.judged(feed.author).get(feed)
        found = [held.evidence()] if held is not None else []
        if held is not None and feed.lane in PRUNED_LANES:
            found.append(held.latest_evidence())
        pairs = {(pair[0].seq, pair[0].id, pair[1].id): pair for pair in found if pair}
        if not pairs:
            return ()
        for pair in self.authority.pairs_of(feed.author):
            ruling = self.authority.rulings.get(pair)
            pin = ruling.pins.get(feed) if ruling is not None and ruling.pins else None
            if pin is not None and pin.fork:
                first, second = pin.fork[:2]
                pairs[first.seq, first.id, second.id] = (first, second)
        kept = self._retention.kept
        ordered = [pairs[place] for place in sorted(pairs)]
        return tuple((a, b) for a, b in ordered if a.id in kept and b.id in kept)

    def wanted(self) -> list[tuple[FeedId, int, bytes]]:
        """Return what effective cuts and pins name, and what leads to it, that is not held.

        Each is (feed, seq, id), ascending: the entry that is missing, or the first missing ancestor
        of one that waits.
        """
        found: dict[tuple[FeedId, int, bytes], None] = {}
        for feed, place in self._named():
            missing = self._retention.index.missing(feed, place.seq, place.id)
            if missing is not None:
                found[missing] = None
        return sorted(found)

    def _named(self) -> Iterator[tuple[FeedId, Place]]:
        """Yield what effective cuts and pins name."""
        for pair, ruling in self.authority.rulings.items():
            for place in ruling.named:
                yield FeedId(pair.key, place.lane, place.inc), place

    @property
    def has_news(self) -> bool:
        """Whether one of the two drains has something to return."""
        return bool(self._retention.new or self._retention.dropped)

    def drain_new(self) -> list[Entry]:
        """Return the entries kept since the last call, in that order: to persist and to pass on."""
        new = list(self._retention.new.values())
        if new:
            self._own().new.clear()
        return new

    def drain_dropped(self) -> list[Entry]:
        """Return the entries no longer kept since the last call: to delete from a store."""
        dropped = list(self._retention.dropped.values())
        if dropped:
            self._own().dropped.clear()
        return dropped

    def statistics(self) -> ReplicaStatistics:
        """Return sizes and counts."""
        retention = self._retention
        return ReplicaStatistics(
            kept=len(retention.kept),
            waiting=len(retention.excess),
            waiting_bytes=retention.excess.size,
            feeds=len(self.feeds()),
            known_authors=len(retention.known),
            folds=self._settled,
        )

    def __repr__(self) -> str:
        return f"<Replica root {self.chain.number}, {len(self._retention.kept)} entries>"
