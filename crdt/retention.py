"""What a replica keeps of what it is offered: a set bounded for any sequence of valid entries.

Entries of known authors are taken in, also when void; whether they count is for the folds. Of each
key and lane the longest run that any pair of it may need is *kept*, with what effective cuts and
pins cover, and with the smallest evidence of each feed. The rest waits in a small room or is
dropped. The folds read all that is in memory: by their own limits what waits changes no view,
unless as evidence, and evidence is kept at once. So what is kept can be settled lazily.
See docs/records.md, "Bounds without clocks".
"""

from collections.abc import Iterable, Mapping, Sequence

from crdt.bodies import Grant
from crdt.entry import Entry, FeedId, Lane, verify_entry
from crdt.evidence import PinRuling
from crdt.excess import Excess
from crdt.feed import Feed
from crdt.index import PRUNED_LANES, Addition, EntryIndex
from crdt.kinds import Kinds
from crdt.known import KnownAuthors
from crdt.quota import INCARNATIONS_MAX, SMALL, Limit, Run, run_of, run_of_status
from crdt.standing import Ruling
from identity.genesis import RootStatement

__all__ = ["Retention"]

FORK_DISTANCE_MAX = 64
"""Entries between a pinned one and the fork above it that are kept outside the limits."""

Place = tuple[bytes, int]
"""A key and a lane."""


class Retention:
    """The entries in memory, which of them are kept, and who is known. Mutable, reads no view."""

    def __init__(self, ns: bytes, kinds: Kinds) -> None:
        self.index = EntryIndex(ns, kinds)
        self.known = KnownAuthors()
        self.excess = Excess()
        self.kept: dict[bytes, Entry] = {}
        self.new: dict[bytes, Entry] = {}
        """Kept since the last drain, in order."""
        self.dropped: dict[bytes, Entry] = {}
        """No longer kept since the last drain."""
        self._feeds: dict[FeedId, int] = {}
        self._unverified: dict[bytes, None] = {}
        self._strays: dict[FeedId, tuple[bytes, ...]] = {}
        self._crowded: dict[Place, tuple[int, int, bytes]] = {}
        self._rulings: Mapping[bytes, Sequence[Ruling]] = {}
        self._whole: dict[bytes, None] = {}
        self._root_grants: list[Grant] = []
        self.remembered: dict[object, object] = {}
        """What others worked out of what is kept; see `Replica.remembered`."""
        self._gained = False
        self._lost = False

    def copy(self) -> "Retention":
        """Return books of their own that hold the same; nothing is drained on either side."""
        made = Retention(self.index.ns, self.index.kinds)
        made.index, made.known = self.index.copy(), self.known.copy()
        made.excess = self.excess.copy()
        made.kept, made.new, made.dropped = dict(self.kept), dict(self.new), dict(self.dropped)
        made._feeds, made._unverified = dict(self._feeds), dict(self._unverified)
        made._strays, made._crowded = dict(self._strays), dict(self._crowded)
        made._rulings, made._whole = self._rulings, dict(self._whole)
        made._root_grants = list(self._root_grants)
        return made

    # Who is known

    def hear_root(self, statement: RootStatement) -> None:
        """Take in the grants of an accepted root statement."""
        for number, item in enumerate(statement.items):
            said = self.index.root_item(statement, number, item)
            if isinstance(said, Grant):
                self._root_grants.append(said)
                self.known.hear_root(said)
        self._classify_crowded()

    def keep_whole(self, key: bytes) -> None:
        """Keep all of a key's feeds from now on, whatever the limits, the pruned lanes apart."""
        self._whole[key] = None
        self._classify_crowded()

    def settle(self, rulings: Mapping[bytes, Sequence[Ruling]]) -> None:
        """Judge crowded lanes by what seniors decided about the pairs of each key."""
        self._rulings = rulings
        self._classify_crowded()

    # Taking in

    def holds(self, identifier: bytes) -> bool:
        """Whether an entry is in memory, kept or waiting."""
        return identifier in self.kept or identifier in self.excess

    def is_unverified(self, identifier: bytes) -> bool:
        """Whether an entry is held whose own signature was never checked."""
        return identifier in self._unverified

    def refresh(self, entry: Entry) -> None:
        """Take the place of a held copy whose own signature was never checked."""
        if self._unverified.pop(entry.id, 0) == 0:
            return
        self.index.replace(entry)
        if entry.id in self.kept:
            self.kept[entry.id] = self.new[entry.id] = entry
        else:
            self.excess.discard(entry.id)
            self.excess.add(entry)

    def has_signature(self, identifier: bytes) -> bool:
        """Whether a held entry's own signature is good; a bad copy is forgotten here."""
        if identifier not in self._unverified:
            return True
        entry = self.kept.get(identifier) or self.excess.get(identifier)
        del self._unverified[identifier]
        if entry is None or verify_entry(entry):
            return entry is not None
        self._remove([entry])
        return False

    def admits(self, entry: Entry, *, verified: bool) -> bool:
        """Whether an entry may be taken in next to others of its seq: all must be proven.

        Entries taken on the word of a later one of their chain are checked now, so that nobody is
        convicted by a copy with a junk signature.
        """
        feed = self.index.feed(entry.feed)
        rivals = feed.at(entry.seq) if feed is not None else ()
        if not rivals:
            return True
        if not verified and not verify_entry(entry):
            return False
        for rival in rivals:
            self.has_signature(rival.id)
        return True

    def take(self, entry: Entry, *, verified: bool) -> Addition:
        """Take in an entry of a known author that is not in memory."""
        addition = self.index.add(entry)
        if not verified:
            self._unverified[entry.id] = None
        for gone in addition.dropped:
            self._forget(gone)
        feed = self.index.feeds()[entry.feed]
        if not feed.is_linked(entry):
            self.excess.add(entry)
        place = (entry.author, entry.lane)
        for shortened in addition.shortened:
            self._unlink(shortened)
            self._keep_evidence(shortened)
        if addition.shortened:
            self._classify(place)
        elif addition.linked:
            self._admit(place, addition.linked)
        if feed.evidence() is not None:
            self._keep_evidence(feed)
        self._follow_grants()
        return addition

    def _admit(self, place: Place, linked: Sequence[Entry]) -> None:
        """Keep entries that became linked, as far as there is room."""
        end = self._crowded.get(place)
        if end is None and self._fits(place):
            for entry in linked:
                self._keep(entry)
            return
        late = end is not None and all((e.inc, e.seq, e.id) >= end for e in linked)
        if late and not (place[1] in PRUNED_LANES and place[0] in self._rulings):
            for entry in linked:
                if not self.holds(entry.id):
                    self.excess.add(entry)
        else:
            self._classify(place)

    def _limit(self, place: Place) -> Limit:
        author, lane = place
        return self.known.limit(author) if lane == Lane.AUTH else SMALL

    def _fits(self, place: Place) -> bool:
        """Whether all that is linked of a key's lane is kept."""
        author, lane = place
        totals = self.index.totals(author, lane)
        if lane in PRUNED_LANES:
            top = self.index.top(author, lane)
            return top is None or run_of_status(top, totals) is None
        if author in self._whole:
            return True
        limit = self._limit(place)
        return (
            totals.entries <= limit.entries
            and totals.size <= limit.size
            and len(self.index.lane(author, lane)) <= INCARNATIONS_MAX
        )

    def _keep(self, entry: Entry) -> None:
        """Keep a linked entry."""
        strays = self._strays.get(entry.feed)
        if strays is not None and entry.id in strays:
            self._set_strays(entry.feed, [each for each in strays if each != entry.id])
        elif entry.id in self.kept:
            return
        self._hold(entry)
        said = self.index.body(entry) if entry.lane == Lane.AUTH else None
        if isinstance(said, Grant) and self.known.hear(entry.author, said):
            self._gained = True

    def _hold(self, entry: Entry) -> None:
        if entry.id in self.kept:
            return
        self.excess.discard(entry.id)
        self.dropped.pop(entry.id, None)
        self.kept[entry.id] = self.new[entry.id] = entry
        self._feeds[entry.feed] = self._feeds.get(entry.feed, 0) + 1

    # Crowded lanes

    def _classify_crowded(self) -> None:
        for place in tuple(self._crowded):
            self._classify(place)
        self._follow_grants()

    def _classify(self, place: Place) -> None:
        """Settle which linked entries of a key's lane are kept, and which wait."""
        author, lane = place
        runs = self._runs(place)
        rulings = self._rulings.get(author, ())
        if runs:
            self._crowded[place] = runs[0].end
        else:
            self._crowded.pop(place, None)
        for feed in self.index.lane(author, lane):
            for entry in feed.linked():
                in_a_run = not runs or any(entry.id in run.ids for run in runs)
                if in_a_run or any(_holds_on_to(ruling, entry) for ruling in rulings):
                    self._keep(entry)
                elif not self._is_stray(entry):
                    self._let_wait(entry)
            if feed.evidence() is not None:
                self._keep_evidence(feed)

    def _runs(self, place: Place) -> list[Run]:
        """Return the runs that pairs of a key may need, that of no ruling first; none if all fits.

        Where something is covered, it takes no room, and the run reaches further.
        """
        author, lane = place
        if self._fits(place):
            return []
        feeds, totals = self.index.lane(author, lane), self.index.totals(author, lane)
        top = self.index.top(author, lane)
        runs: list[Run | None] = []
        for exempt in (None, *(ruling.covers for ruling in self._rulings.get(author, ()))):
            if lane in PRUNED_LANES and top is not None:
                runs.append(run_of_status(top, totals, exempt))
            else:
                runs.append(run_of(feeds, totals, self._limit(place), exempt))
        return [run for run in runs if run is not None]

    def _keep_evidence(self, feed: Feed) -> None:
        """Keep the smallest evidence of a feed, and if it prunes the latest, beyond all limits."""
        judged = self.index.judged(feed.id.author)
        for other in self.index.twinned(feed.id.author):
            if other.id not in judged:
                self._release(other, ())
        proofs: list[Entry] = []
        if feed.id in judged:
            proofs += feed.evidence() or ()
            if feed.id.lane in PRUNED_LANES:
                proofs += feed.latest_evidence() or ()
        strays = self._strays.get(feed.id, ())
        members = [e for e in dict.fromkeys(proofs) if e.id not in self.kept or e.id in strays]
        self._release(feed, [entry.id for entry in members])
        for entry in members:
            self._hold(entry)

    def _release(self, feed: Feed, still: Sequence[bytes]) -> None:
        """Let former evidence wait again, all but the strays that are `still` evidence."""
        for identifier in self._strays.get(feed.id, ()):
            entry = feed.get(identifier)
            if entry is not None and identifier not in still:
                self._let_wait(entry)
        self._set_strays(feed.id, still)

    def _set_strays(self, feed: FeedId, strays: Sequence[bytes]) -> None:
        if strays:
            self._strays[feed] = tuple(strays)
        else:
            self._strays.pop(feed, None)

    # Letting go

    def _let_wait(self, entry: Entry) -> None:
        self._let_go(entry)
        if entry.id not in self.excess:
            self.excess.add(entry)

    def _let_go(self, entry: Entry) -> None:
        """Stop keeping an entry, if it is kept."""
        if self.kept.pop(entry.id, None) is None:
            return
        if self.new.pop(entry.id, None) is None:
            self.dropped[entry.id] = entry
        self._feeds[entry.feed] -= 1
        if not self._feeds[entry.feed]:
            del self._feeds[entry.feed]
        if entry.lane == Lane.AUTH and entry.kind == "grant" and not self._is_stray(entry):
            self._lost = True

    def _forget(self, entry: Entry) -> None:
        """Strike an entry from the books; the index has dropped it, or will."""
        self._let_go(entry)
        self.excess.discard(entry.id)
        self._unverified.pop(entry.id, None)
        strays = self._strays.get(entry.feed, ())
        self._set_strays(entry.feed, [each for each in strays if each != entry.id])

    def _unlink(self, feed: Feed) -> None:
        """Let those wait that lost their link, evidence apart."""
        for entry in feed:
            if not feed.is_linked(entry) and not self._is_stray(entry):
                self._let_wait(entry)

    def _remove(self, entries: Sequence[Entry]) -> None:
        """Forget entries that are not superseded; what they linked waits."""
        for entry in entries:
            self._forget(entry)
        self.index.discard(entries)
        for identifier in dict.fromkeys(entry.feed for entry in entries):
            feed = self.index.feed(identifier)
            if feed is not None:
                self._unlink(feed)
                self._classify((identifier.author, identifier.lane))
                self._keep_evidence(feed)
        self._follow_grants()

    def make_room(self) -> None:
        """Drop some of what waits."""
        self._remove(self.excess.make_room())

    def _follow_grants(self) -> None:
        """Draw the consequences of grants gained or lost since."""
        while self._gained or self._lost:
            gained, lost, self._gained, self._lost = self._gained, self._lost, False, False
            if lost:
                self._rebuild_known()
            if gained:
                for place in tuple(self._crowded):
                    self._classify(place)

    def _rebuild_known(self) -> None:
        """Work out anew who is known, and forget the entries of those who no longer are."""
        self.known = KnownAuthors()
        for grant in self._root_grants:
            self.known.hear_root(grant)
        for entry in self.kept.values():
            said = self.index.body(entry) if entry.lane == Lane.AUTH else None
            if isinstance(said, Grant) and self.is_on_line(entry):
                self.known.hear(entry.author, said)
        strangers = [entry for entry in self.index if entry.author not in self.known]
        if strangers:
            self._remove(strangers)
        for place in tuple(self.index.lanes()):
            if place not in self._crowded and not self._fits(place):
                self._classify(place)

    def _is_stray(self, entry: Entry) -> bool:
        return entry.id in self._strays.get(entry.feed, ())

    def feeds(self) -> Iterable[FeedId]:
        """Return the feeds of which anything is kept, as they came."""
        return self._feeds.keys()

    def is_on_line(self, entry: Entry) -> bool:
        """Whether an entry in memory is kept with all its ancestors, not as evidence alone."""
        linked = self.index.feeds()[entry.feed].is_linked(entry)
        return linked and entry.id in self.kept and not self._is_stray(entry)

    @property
    def is_crowded(self) -> bool:
        """Whether any key wrote more than is kept of it."""
        return bool(self._crowded)


def _holds_on_to(ruling: Ruling, entry: Entry) -> bool:
    """Whether a ruling needs an entry kept: leading to what it names, or to a fork above that."""
    if ruling.leads_to_named(entry):
        return True
    pin = ruling.pins.get(entry.feed) if ruling.pins else None
    return pin is not None and _leads_to_fork(pin, entry)


def _leads_to_fork(pin: PinRuling, entry: Entry) -> bool:
    if not pin.fork or pin.fork[0].seq - pin.pinned.seq > FORK_DISTANCE_MAX:
        return False
    return entry in pin.fork[:2] or pin.exempt.holds(entry)
