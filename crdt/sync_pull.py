"""The asking half of a sync session: looks at the peer's leaves and asks for what is missing.

It keeps no list of what to ask. After every answer it looks at the page again and asks for the ends
of branches and the evidence that the replica still lacks: so an author that becomes known through
the last answer is asked about in the next request, whatever came in between. First what proves a
fork, then the branches, then what cuts and pins name by id.

An end is asked for with the ends that I hold; where none of them is in the peer's chain, our
branches differ, and it is asked again with ids at growing distances, so that the answer begins at
(or a little below) the last common entry and both branches end up on both sides. Where it begins
further below than an answer reaches, the next request names what is in between.

What was sent and not kept (over a limit, superseded) may be of use later: a cut or a pin covers it,
a grant raises the limit. So an end of a branch is *refused* only until the replica's version grows,
and then asked for again, after all that is new: junk delays nothing. What proves a fork or is named
by id, which the peer may get meanwhile, is asked for in every round. Within a round nothing is
asked for twice in vain, so it ends; a session has a bounded number of rounds, bytes and entries.

Every signature is checked before an entry is offered (60 µs each): what the replica holds may be
served singly.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from crdt.entry import Entry, FeedId, parse_entry, verify_entry
from crdt.errors import InvalidEntryError, SyncError
from crdt.replica import Offer, Replica
from crdt.sync_limits import REFUSED_MAX, SyncLimits
from crdt.sync_messages import (
    HAVE_MAX,
    ITEMS_MAX,
    SEGMENT_SIZE_MAX,
    Busy,
    Done,
    Item,
    Leaf,
    Next,
    Page,
    RootPart,
    RootWant,
    Segment,
    Status,
    Tip,
    Want,
)
from crdt.sync_vector import LANES_PRUNED, Reach, is_stale, locator, locator_above
from identity.errors import InvalidRootError
from identity.genesis import ROOT_SIZE_MAX, RootVerdict, parse_root_statement

__all__ = ["Puller", "Refused"]

Refused = Mapping[bytes, int | None]
"""Ids that were sent and not kept, the latest last, each with the replica's version at that time:
it is asked for again when that has grown. None for a root statement, which nothing makes useful."""
Request = Next | Want | RootWant | Done
Answer = Page | Segment | RootPart | Busy


class Puller:
    """Asks one peer for what its leaves show and `replica` lacks, one request at a time."""

    def __init__(
        self, replica: Replica, reach: Reach, limits: SyncLimits, refused: Refused
    ) -> None:
        self._replica = replica
        self._reach = reach
        self._limits = limits
        self._refused: dict[bytes, int | None] = dict(refused)
        self._tried: dict[bytes, None] = {}
        self._located: set[bytes] = set()
        self._cursors: dict[bytes, Tip] = {}
        self._lane = 0
        self._page: Page | None = None
        self._announced: set[bytes] = set()
        self._proofs: set[bytes] = set()
        self._highest: dict[bytes, int] = {}
        self._roots: tuple[bytes, ...] = ()
        self._root_wire = bytearray()
        self._root_number = 0
        self._request: Request | None = None
        self._added_before = 0
        self._bytes = 0
        self._pages = 0
        self.entries_received = 0
        self.added: list[Entry] = []
        """Entries that the replica kept, since the session last took them."""
        self.entries_added = 0
        self.roots_added = 0
        self.root_twins = 0
        self.requests = 0
        self.exhausted = False

    @property
    def refused(self) -> Refused:
        """Ids that were sent and not kept, the latest last."""
        return MappingProxyType(self._refused)

    @property
    def is_waiting(self) -> bool:
        """Whether a request of mine is unanswered."""
        return self._request is not None

    def begin(self, lane: int) -> None:
        """Start a round over one lane; the peer's first page comes unasked."""
        self._lane = lane
        self._page = None
        self._roots = ()
        self._root_number = 0
        self._cursors.clear()
        self._tried.clear()
        self._added_before = self.entries_added + self.roots_added
        self._request = Next(lane, b"", 0)

    def take(self, answer: Answer) -> Request:
        """Take the peer's answer and return what to ask next; `Done` where nothing is left to ask.

        Raises:
            SyncError: it answers no request of mine, or no honest peer would send it.
        """
        request, self._request = self._request, None
        match answer, request:
            case Busy(), Next() | Want() | RootWant():
                self.exhausted = True
            case Page(), Next():
                self._take_page(answer, request)
            case Segment(), Want():
                self._take_segment(answer, request)
            case RootPart(), RootWant():
                self._take_root(answer, request)
            case _:
                asked = type(request).__name__ if request else "no request"
                raise SyncError(f"{type(answer).__name__} in answer to {asked}")
        following = self._next()
        if not isinstance(following, Done):
            self._request = following
            self.requests += 1
        return following

    def _next(self) -> Request:
        spent = (
            self._bytes >= self._limits.bytes_in_max
            or self.entries_received >= self._limits.entries_in_max
            or self._pages > self._limits.pages_max
        )
        roots = self._root_request()  # never cut short: one that is not signed ends the session
        request = roots or self._want() or self._next_page()
        if request is not None and not self.exhausted and (roots is not None or not spent):
            return request
        self.exhausted = self.exhausted or request is not None
        return Done(self.entries_added + self.roots_added - self._added_before, self.exhausted)

    # Pages

    def _take_page(self, page: Page, request: Next) -> None:
        if page.lane != self._lane:
            raise SyncError(f"page of lane {page.lane}: expected lane {self._lane}")
        first = page.leaves[0] if page.leaves else None
        if self._page is None:
            self._roots = page.roots
        elif first is not None and (first.author, first.inc) <= (request.author, request.inc):
            raise SyncError("page begins before the place asked for")
        self._pages += 1
        self._page = page
        self._announced = {tip.id for leaf in page.leaves for tip in leaf.tips}
        self._proofs = {proof for leaf in page.leaves for pair in leaf.evidence for proof in pair}
        self._highest = {}
        if self._lane in LANES_PRUNED:
            for feed in self._replica.feeds():
                if feed.lane == self._lane and self._replica.tips(feed):
                    known = self._highest.get(feed.author, 0)
                    self._highest[feed.author] = max(feed.inc, known)

    def _next_page(self) -> Next | None:
        if self._page is None or self._page.last:
            return None
        leaf = self._page.leaves[-1]
        return Next(self._lane, leaf.author, leaf.inc)

    # Chains

    def _want(self) -> Want | None:
        """Return a request for what the page shows and I lack, at most one chain a feed."""
        if self._page is None:
            return None
        items = (
            self._first(self._shown(self._page, again=False))
            or self._first(self._named(self._page))
            or self._first(self._shown(self._page, again=True))
        )
        if not items:
            return None
        left = self._limits.bytes_in_max - self._bytes
        size = max(1, min(self._limits.segment_size_max, left, SEGMENT_SIZE_MAX))
        return Want(size, tuple(items.values()))

    def _first(self, missing: Iterable[tuple[FeedId, bytes]]) -> dict[FeedId, Item]:
        items: dict[FeedId, Item] = {}
        for feed, tip in missing:
            if feed not in items:
                items[feed] = self._item(feed, tip)
            if len(items) == ITEMS_MAX:
                break
        return items

    def _shown(self, page: Page, *, again: bool) -> Iterator[tuple[FeedId, bytes]]:
        """Yield what leaves show and I lack: first what is new, then what was once refused."""
        for leaf in page.leaves:
            feed = FeedId(leaf.author, self._lane, leaf.inc)
            tip = self._missing(feed, leaf, again=again)
            if tip is not None:
                yield feed, tip

    def _named(self, page: Page) -> Iterator[tuple[FeedId, bytes]]:
        """Yield, beside the last page, what cuts and pins name and I lack."""
        for feed, _, tip in self._replica.wanted() if page.last else ():
            if feed.lane == self._lane and self._lacks(feed, tip):
                yield feed, tip

    def _missing(self, feed: FeedId, leaf: Leaf, *, again: bool) -> bytes | None:
        """Return the id to ask of a feed next, or None where I hold all of it or want none."""
        for pair in leaf.evidence:
            for identifier in pair:
                if not self._replica.holds(identifier) and self._may_ask(feed, identifier):
                    return identifier
        if leaf.inc < self._highest.get(leaf.author, 0):
            return None
        for tip in leaf.tips:
            if self._is_linked(feed, tip.id) or is_stale(self._replica, feed, tip):
                continue
            refused = tip.id in self._refused
            if refused is again and self._may_ask(feed, tip.id) and not self._is_refused(tip.id):
                return tip.id
        return None

    def _is_refused(self, identifier: bytes) -> bool:
        return self._refused.get(identifier) == self._replica.version

    def _is_linked(self, feed: FeedId, identifier: bytes) -> bool:
        """Whether an entry is held with all its ancestors; evidence may be held without."""
        return next(self._replica.walk(feed, identifier), None) is not None

    def _lacks(self, feed: FeedId, identifier: bytes) -> bool:
        return self._replica.entry(identifier) is None and self._may_ask(feed, identifier)

    def _may_ask(self, feed: FeedId, identifier: bytes) -> bool:
        """Whether an entry was not asked for in vain in this round, and would be stored."""
        return (
            identifier not in self._tried
            and len(self._tried) < REFUSED_MAX
            and self._replica.is_known_author(feed.author)
            and self._reach.shares(self._replica, feed)
        )

    def _item(self, feed: FeedId, tip: bytes) -> Item:
        located, cursor = tip in self._located, self._cursors.get(tip)
        have: Iterable[bytes] = self._replica.tips(feed)[: HAVE_MAX - 1]
        if located and cursor is None:
            have = locator(self._replica, feed)
        elif located and cursor is not None:
            have = locator_above(self._replica, feed, cursor)
        ids = dict.fromkeys((*(() if cursor is None else (cursor.id,)), *have))
        return Item(feed, tip, tuple(ids), located or feed.lane in LANES_PRUNED)

    def _take_segment(self, segment: Segment, want: Want) -> None:
        if len(segment.statuses) > len(want.items):
            raise SyncError(f"{len(segment.statuses)} statuses for {len(want.items)} chains")
        asked = {item.feed for item in want.items}
        last: Entry | None = None
        for wire in segment.wires:
            last = self._take_entry(wire, asked)
        for item, status in zip(want.items, segment.statuses, strict=False):
            if status == Status.PARTIAL:
                self._take_partial(item, last)
            elif status == Status.DIVERGED and not item.whole:
                self._located.add(item.tip)
            elif not self._is_linked(item.feed, item.tip):
                self._give_up(item)

    def _take_entry(self, wire: bytes, asked: set[FeedId]) -> Entry:
        try:
            entry = parse_entry(wire)
        except InvalidEntryError as error:
            raise SyncError(f"entry in a segment: {error}") from None
        if entry.ns != self._replica.chain.genesis.ns:
            raise SyncError(f"entry of fleet {entry.ns.hex()}: expected ours")
        if entry.feed not in asked:
            raise SyncError(f"{entry!r} was not asked for")
        self._bytes += len(wire)
        if self._replica.entry(entry.id) is None:
            self.entries_received += 1
            if not verify_entry(entry):
                raise SyncError(f"{entry!r} has a wrong signature")
            if self._replica.offer(entry) is Offer.STORED:
                self.entries_added += 1
                self.added.append(entry)
        return entry

    def _take_partial(self, item: Item, last: Entry | None) -> None:
        """Go on above the last entry that came, if that is further than the last time.

        What is not kept leads to no end of a branch that would be. But it may lead to a proof, or
        to what a cut or a pin names, and wait until that is here: then all of it is kept.
        """
        before = self._cursors.get(item.tip)
        if (
            last is not None
            and last.feed == item.feed
            and (before is None or last.seq > before.seq)
            and (self._keeps(last.id) or self._is_named(item.tip))
        ):
            self._cursors[item.tip] = Tip(last.seq, last.id)
        else:
            self._give_up(item)

    def _keeps(self, identifier: bytes) -> bool:
        """Whether an entry is kept, also by what came beside it: that is settled when read."""
        if self._replica.entry(identifier) is None:
            _ = self._replica.authority
        return self._replica.entry(identifier) is not None

    def _is_named(self, identifier: bytes) -> bool:
        return identifier in self._proofs or any(
            identifier == wanted for _, _, wanted in self._replica.wanted()
        )

    def _give_up(self, item: Item) -> None:
        """Ask no more for an entry in this round; if it is an end of a branch, see `Refused`."""
        self._tried[item.tip] = None
        if item.tip in self._announced:
            self._refuse(item.tip, self._replica.version)

    def _refuse(self, identifier: bytes, version: int | None = None) -> None:
        self._refused.pop(identifier, None)
        self._refused[identifier] = version
        if len(self._refused) > REFUSED_MAX:
            del self._refused[next(iter(self._refused))]

    # Root statements

    def _root_request(self) -> RootWant | None:
        """Return a request for the first statement that differs from mine, or that I lack."""
        mine = self._replica.chain.statements
        for index, identifier in enumerate(self._roots):
            if index < len(mine) and mine[index].id == identifier:
                continue
            if identifier in self._refused:
                return None
            if self._root_number != index + 1:
                self._root_number = index + 1
                self._root_wire.clear()
            return RootWant(index + 1, len(self._root_wire))
        return None

    def _take_root(self, answer: RootPart, request: RootWant) -> None:
        if (answer.number, answer.offset) != (request.number, request.offset):
            raise SyncError(f"part of root {answer.number} at {answer.offset}: not asked for")
        identifier = self._roots[answer.number - 1]
        if answer.total == 0:
            self._refuse(identifier)
            return
        self._root_wire += answer.part
        if answer.total > ROOT_SIZE_MAX or len(self._root_wire) > answer.total or not answer.part:
            raise SyncError(f"root statement of {answer.total} bytes: parts do not fit")
        if len(self._root_wire) == answer.total:
            wire = bytes(self._root_wire)
            self._root_wire.clear()
            self._offer_root(wire, identifier)

    def _offer_root(self, wire: bytes, identifier: bytes) -> None:
        try:
            statement = parse_root_statement(wire)
        except InvalidRootError as error:
            raise SyncError(f"root statement: {error}") from None
        if statement.id != identifier:
            raise SyncError(f"root statement {statement.number}: not the one announced")
        match self._replica.offer_root(statement):
            case RootVerdict.ACCEPTED:
                self.roots_added += 1
            case RootVerdict.INVALID:
                raise SyncError(f"root statement {statement.number} is not signed as it must be")
            case RootVerdict.TWIN:
                self.root_twins += 1
                self._refuse(identifier)
            case RootVerdict.KNOWN | RootVerdict.GAP:
                self._refuse(identifier)
