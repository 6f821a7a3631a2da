"""A feed is a tree that links in any order; lines, forks and common ancestors of it."""

from hypothesis import given
from hypothesis import strategies as st

from crdt.entry import Entry, FeedId, Lane
from crdt.feed import Feed
from tests.laws.writing import Fleet, public

from .test_replica_laws import RANDOMS, shuffled

FEED = FeedId(public("box"), 0, 0)
TREES = st.lists(st.integers(0, 9), max_size=14)
"""Parents, each counted back from the last entry written; 0 is the last itself."""


def tree(backs: list[int]) -> list[Entry]:
    fleet = Fleet()
    written: list[Entry] = []
    for number, back in enumerate(backs):
        after = written[-1 - back] if back < len(written) else None
        written.append(fleet.write("box", ("note", number), after=after))
    return written


def grow(entries: list[Entry]) -> Feed:
    feed = Feed(FEED)
    for entry in entries:
        if entry.id not in feed:
            feed.add(entry)
    return feed


def ancestry(entry: Entry, entries: list[Entry]) -> list[Entry]:
    by_id = {one.id: one for one in entries}
    found = [entry]
    while found[-1].prev in by_id:
        found.append(by_id[found[-1].prev])
    return found


@given(TREES, RANDOMS)
def test_lines_forks_and_meetings_are_those_of_the_tree(backs: list[int], random: object) -> None:
    entries = tree(backs)
    feed = grow(shuffled(random, entries))
    assert list(feed.linked()) == sorted(entries, key=lambda e: (e.seq, e.id))
    assert feed.is_line == (len({e.seq for e in entries}) == len(entries))
    for one in entries:
        up = ancestry(one, entries)
        line = feed.line(one)
        assert {e.id for e in entries if line.holds(e)} == {e.id for e in up}
        for other in entries:
            common = [e for e in ancestry(other, entries) if e in up]
            assert feed.meet(one, other) == (common[0] if common else None)


@given(TREES, RANDOMS, st.data())
def test_gaps_link_nothing_and_heal(backs: list[int], random: object, data: st.DataObject) -> None:
    entries = tree(backs)
    missing = [entry for entry in entries if data.draw(st.booleans())]
    held = [entry for entry in entries if entry not in missing]
    feed = grow(shuffled(random, held))
    complete = {e.id for e in held if not any(a in missing for a in ancestry(e, entries))}
    assert {e.id for e in feed.linked()} == complete
    linked = [one for entry in missing for one in feed.add(entry)]
    assert len(linked) == len(entries) - len(complete)
    assert feed.has_linked == bool(entries)
    feed.discard([entry.id for entry in missing])
    assert {e.id for e in feed.linked()} == complete


def test_growth_ends_at_the_first_fork() -> None:
    a, b, c, d, e = tree([0, 0, 0, 1, 0])
    assert (c.prev, d.prev, e.prev) == (b.id, b.id, d.id)
    feed = grow([a, b, c, d, e])
    assert feed.growth(a).last == b
    assert feed.growth(a).fork == tuple(sorted((c, d), key=lambda entry: entry.id))
    assert feed.growth(d) == (e, ())
    assert feed.evidence() == tuple(sorted((c, d), key=lambda entry: entry.id))
    assert feed.has_twin(2)
    assert not feed.has_twin(3)
    assert "forks at 2" in repr(feed)


def test_an_entry_is_linked_only_at_its_place() -> None:
    a, b = tree([0, 0])
    feed = grow([b])
    assert feed.linked_at(1, b.id) is None
    feed.add(a)
    assert feed.linked_at(1, b.id) == b
    assert feed.linked_at(0, b.id) is None
    assert feed.linked_at(0, bytes(32)) is None
    assert feed.get(b.id) == b
    assert "2>" in repr(feed)


def test_a_floor_begins_the_feed_at_its_snapshots() -> None:
    fleet = Fleet()
    a = fleet.write("box", ("note", 1), lane=Lane.STATE)
    b = fleet.write("box", ("note", 2), after=a)
    c = fleet.write("box", ("note", 3), after=b)
    other = fleet.write("box", ("note", 4), after=a)
    feed = Feed(a.feed)
    for entry in (a, other, c):
        feed.add(entry)
    assert feed.add(b, anchor=True) == [b, c]
    assert feed.is_forked_above_floor
    assert feed.raise_floor(1) == [a]
    assert feed.is_forked_above_floor
    assert list(feed.linked()) == [b, c]
    assert not feed.is_linked(other)
    assert feed.last == c
    assert feed.raise_floor(2) == []
    assert not feed.is_forked_above_floor
    assert feed.latest_evidence() == feed.evidence() is not None
