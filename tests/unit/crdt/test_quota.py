"""The run of a key: the longest from the start, in the order (inc, seq, id)."""

from hypothesis import given
from hypothesis import strategies as st

from crdt.entry import Entry, Lane
from crdt.index import EntryIndex, entry_size
from crdt.quota import LARGE, SMALL, Limit, limit_for, run_of, run_of_status
from identity.capability import Capability
from tests.laws.writing import Fleet, public


def write(incs: list[int], sizes: list[int]) -> Fleet:
    fleet = Fleet()
    heads: dict[int, Entry] = {}
    for inc, size in zip(incs, sizes, strict=False):
        head = fleet.write("box", ("note", "x" * size), after=heads.get(inc), inc=inc)
        heads[inc] = head
    return fleet


@given(
    st.lists(st.integers(0, 90), max_size=90),
    st.lists(st.integers(0, 300), min_size=90, max_size=90),
    st.integers(0, 12),
    st.integers(0, 4000),
    st.integers(2, 9),
)
def test_a_run_is_the_longest_prefix(
    incs: list[int], sizes: list[int], entries: int, size: int, modulus: int
) -> None:
    fleet = write(incs, sizes)
    index = EntryIndex.of(fleet.genesis.ns, fleet.entries)
    feeds = index.lane(public("box"), Lane.AUTH)
    totals = index.totals(public("box"), Lane.AUTH)
    assert totals == (len(fleet.entries), sum(map(entry_size, fleet.entries)))

    def exempt(entry: Entry) -> bool:
        return entry.id[0] % modulus == 0

    lowest = sorted(set(incs))[:64]
    rest = sorted(
        (e for e in fleet.entries if e.inc in lowest and not exempt(e)),
        key=lambda e: (e.inc, e.seq, e.id),
    )
    expected: list[Entry] = []
    while len(expected) < min(entries, len(rest)):
        if sum(map(entry_size, rest[: len(expected) + 1])) > size:
            break
        expected.append(rest[len(expected)])
    run = run_of(feeds, totals, Limit(entries, size), exempt)
    if run is None:
        assert totals.entries <= entries
        assert totals.size <= size
        assert len(lowest) == len(set(incs))
        return
    assert run.ids == {entry.id for entry in expected}
    for entry in fleet.entries:
        if not exempt(entry):
            assert (entry.id in run.ids) == ((entry.inc, entry.seq, entry.id) < run.end)


def test_limits_grow_with_what_one_decides() -> None:
    assert limit_for([]) == SMALL == (64, 65_536)
    assert limit_for([Capability(verb="put", names="")]) == SMALL
    for verb in ("grant", "revoke", "approve", "rollout", "witness", "agree"):
        assert (
            limit_for([Capability(verb="none", names=""), Capability(verb=verb, names="a")])
            == LARGE
        )
    assert LARGE == (65_536, 67_108_864)


def test_a_snapshot_does_not_count_against_the_64_after_it() -> None:
    fleet = Fleet()
    head = fleet.write("box", ("snap", {"map": {}}), lane=Lane.STATE)
    for _ in range(64):
        head = fleet.write("box", ("note", 1), after=head)
    index = EntryIndex.of(fleet.genesis.ns, fleet.entries)
    feed = index.feeds()[head.feed]
    assert run_of_status(feed, index.totals(head.author, head.lane)) is None
    over = fleet.write("box", ("note", 1), after=head)
    index.add(over)
    run = run_of_status(feed, index.totals(head.author, head.lane))
    assert run is not None
    assert over.id not in run.ids
    assert len(run.ids) == 65
