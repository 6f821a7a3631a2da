"""The laws of pins where lanes prune: a snapshot takes entries away, and no judgement with them.

A box writes its STATE or FLEET, forks, states snapshots and opens incarnations in any order, and
seniors pin what it wrote: what is held, what a snapshot superseded, and places where nothing is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random

from hypothesis import event, given, settings
from hypothesis import strategies as st

from crdt.entry import Entry, Lane
from crdt.replica import Replica
from tests.unit.crdt.worlds import offer_all, views

from .conversing import converse, replica_of
from .histories_of_pruning import boxed
from .views import View, fold_view, oracle_view
from .writing import Fleet, pin, public

BOX = (public("box"), "city/box")
EVIDENCE_KEPT_MAX = 4
"""Entries kept of a feed as evidence alone: the smallest pair and the latest."""


@dataclass(frozen=True)
class Move:
    """One thing that the box writes or a senior pins.

    Attributes:
        what: "write", "snap", "begin" an incarnation, "pin" an entry, or "guess" at a place.
        near: which entry it follows or names, counted from the last.
        value: what it says, or who pins.
    """

    what: str
    near: int
    value: int


MOVES = st.lists(
    st.builds(
        Move,
        what=st.sampled_from(
            ("write",) * 6 + ("snap",) * 4 + ("begin",) + ("pin",) * 4 + ("guess",)
        ),
        near=st.sampled_from((0, 0, 0, 0, 1, 1, 2, 3, 5)),
        value=st.integers(0, 4),
    ),
    min_size=5,
    max_size=18,
)
LANES = st.sampled_from((Lane.STATE, Lane.FLEET))


def said(move: Move, lane: Lane) -> tuple[str, object]:
    """Return what the box writes."""
    links = {"peers": [public(f"peer-{move.value}")]}
    if move.what == "snap":
        return "snap", {"map": {"lamp": move.value} if lane == Lane.STATE else {"links": links}}
    if lane == Lane.FLEET:
        return "links", links
    return "status", {"topic": f"lamp-{move.value % 2}", "value": move.value}


def perform(moves: Sequence[Move], lane: Lane) -> Fleet:
    """Return the fleet after some moves."""
    fleet, bank = boxed()
    heads: dict[str, Entry | None] = {"bank-a": bank}
    written = [fleet.write("box", said(Move("write", 0, 0), lane), lane=lane, inc=5)]
    for move in moves:
        near = written[-1 - move.near % len(written)]
        if move.what in ("pin", "guess"):
            kind, body = pin(near)
            if move.what == "guess":
                body |= {"seq": near.seq + move.near, "id": bytes(32)}
            by = ("bank-a", "bank-b", "north", "south", "root")[move.value]
            if by == "root":
                fleet.declare((kind, body))
            else:
                heads[by] = fleet.write(by, (kind, body), after=heads.get(by))
        elif move.what == "begin":
            inc = (5, 3, 7, 8, 9)[move.value]
            written.append(fleet.write("box", said(move, lane), lane=lane, inc=inc))
        else:
            written.append(fleet.write("box", said(move, lane), after=near))
    return fleet


def is_pin(entry: Entry) -> bool:
    """Whether an entry decides."""
    return entry.kind == "pin"


def as_seen_whole(fleet: Fleet, random: Random) -> list[Entry]:
    """Return the entries in an order in which no proof is superseded before it is complete.

    Pins come at any time: long before what they name, or when it is gone.
    """
    rest = [entry for entry in fleet.entries if not is_pin(entry)]
    rest.sort(key=lambda entry: (entry.lane, entry.inc, entry.kind == "snap", entry.seq))
    banks = {entry.author: 0 for entry in fleet.entries if is_pin(entry)}
    for entry in filter(is_pin, fleet.entries):
        place = random.randint(banks[entry.author], len(rest))
        rest.insert(place, entry)
        banks = {key: at + (at > place) for key, at in banks.items()} | {entry.author: place + 1}
    return rest


def undecided(view: View) -> bool:
    return view.pairs[BOX]["undecided"]


def plain(view: View) -> object:
    """Return of a view what these moves reach."""
    return view.pairs, view.state, view.fleet


def seen(fleet: Fleet, folding: Callable[..., View], entries: Iterable[Entry]) -> object:
    return plain(folding(fleet.genesis, tuple(fleet.statements), tuple(entries)))


@given(MOVES, LANES)
@settings(max_examples=2 * settings.default.max_examples)
def test_pins_above_and_below_snapshots_are_the_oracle_s(moves: list[Move], lane: Lane) -> None:
    fleet = perform(moves, lane)
    expected = oracle_view(*fleet.history)
    assert fold_view(*fleet.history) == expected
    told = [entry for entry in fleet.entries if not is_pin(entry)]
    forked = undecided(oracle_view(fleet.genesis, fleet.statements[:1], told))
    event("undecided" if undecided(expected) else "decided" if forked else "no fork")


@given(MOVES, LANES, st.integers(0, 2**16))
def test_what_is_kept_says_what_the_whole_said(moves: list[Move], lane: Lane, seed: int) -> None:
    """Whoever hears only what was kept judges as one who forgets nothing, by the oracle."""
    random = Random(seed)
    fleet = perform(moves, lane)
    expected = seen(fleet, oracle_view, fleet.entries)
    whole = offer_all(replica_of(fleet, ()), as_seen_whole(fleet, random))
    views(whole)
    kept = list(whole.entries())
    assert seen(fleet, oracle_view, kept) == seen(fleet, fold_view, kept) == expected
    random.shuffle(kept)
    second = offer_all(replica_of(fleet, ()), kept)  # a snapshot may come between two halves
    third = replica_of(fleet, ())
    converse(second, whole)
    converse(third, second)
    for replica in (second, third):
        assert views(replica) == views(whole)
        assert {entry.id for entry in replica.entries()} == {entry.id for entry in kept}


@given(MOVES, LANES)
def test_nothing_that_a_forker_writes_ends_its_quarantine(moves: list[Move], lane: Lane) -> None:
    """Entry by entry as they were written: only what others say, the pins, may end it."""
    fleet = perform(moves, lane)
    replica = replica_of(fleet, ())
    told: list[Entry] = []
    before = False, False
    for entry in fleet.entries:
        told.append(entry)
        replica.offer(entry)
        folded = fold_view(fleet.genesis, tuple(fleet.statements), told)
        after = BOX in folded.pairs and undecided(folded), quarantined(replica)
        if entry.author == public("box"):
            assert after[0] or not before[0]
            assert after[1] or not before[1]
        before = after


def quarantined(replica: Replica) -> bool:
    return any(
        standing.undecided
        for pair, standing in replica.authority.standings.items()
        if tuple(pair) == BOX
    )


@given(MOVES, LANES, st.integers(0, 2**16))
def test_of_a_pruned_feed_evidence_is_bounded(moves: list[Move], lane: Lane, seed: int) -> None:
    """Whatever is pinned: what no snapshot superseded, and two pairs of each feed."""
    fleet = perform(moves, lane)
    order = [*fleet.entries]
    Random(seed).shuffle(order)
    replica = offer_all(replica_of(fleet, ()), order)
    views(replica)
    for feed in replica.feeds():
        if feed.lane == lane:
            held = [entry for entry in replica.entries() if entry.feed == feed]
            linked = {at.id for tip in replica.tips(feed) for at in replica.walk(feed, tip)}
            assert sum(entry.id not in linked for entry in held) <= EVIDENCE_KEPT_MAX
