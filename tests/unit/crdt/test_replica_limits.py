"""The replica's bounds: floods, and the same laws where almost nothing fits."""

from random import Random
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt import excess as excess_module
from crdt import index, known, quota
from crdt.entry import Entry, FeedId, Lane
from crdt.quota import Limit
from crdt.replica import Offer, Replica
from tests.laws.writing import Fleet, capability, cut_at, grant, pin, public, put, revoke

from .test_replica_laws import RANDOMS, shuffled
from .worlds import (
    LINES,
    NOTE,
    PEN,
    TINY,
    Line,
    batch_views,
    converge,
    offer_all,
    one_box,
    perform,
    replica_of,
    tiny_limits,
    views,
)


@given(st.lists(LINES, max_size=24), RANDOMS)
@settings(max_examples=80)
def test_order_changes_no_view_where_nothing_fits(lines: list[Line], random: Random) -> None:
    with tiny_limits():
        fleet = perform(lines)
        one = offer_all(replica_of(fleet), shuffled(random, fleet.entries))
        other = offer_all(replica_of(fleet), shuffled(random, fleet.entries))
        converge(one, other)
        assert views(one) == views(other) == batch_views(fleet, one.entries())


@given(st.lists(LINES, max_size=20), RANDOMS)
@settings(max_examples=60)
def test_reads_are_exact_where_nothing_fits(lines: list[Line], random: Random) -> None:
    with tiny_limits():
        fleet = perform(lines)
        replica = replica_of(fleet)
        for entry in shuffled(random, fleet.entries):
            replica.offer(entry)
            if random.random() < 0.7:
                assert views(replica) == batch_views(fleet, replica.entries())


@given(st.lists(LINES, max_size=24), RANDOMS)
@settings(max_examples=60)
def test_exchange_converges_where_nothing_fits(lines: list[Line], random: Random) -> None:
    with tiny_limits():
        fleet = perform(lines)
        half = [entry for entry in fleet.entries if random.random() < 0.6]
        one = offer_all(replica_of(fleet), shuffled(random, half))
        other = offer_all(replica_of(fleet), shuffled(random, fleet.entries))
        converge(one, other)
        assert views(one) == views(other)


def chain(fleet: Fleet, label: str, count: int, inc: int = 0) -> list[Entry]:
    return fleet.write_all(label, [NOTE] * count, inc=inc)


def test_no_more_than_the_limit_is_kept_and_folded() -> None:
    fleet = one_box()
    notes = chain(fleet, "box", 100)
    replica = offer_all(replica_of(fleet), fleet.entries)
    assert set(replica.authority.counting) == {
        entry.id for entry in [fleet.entries[0], *notes[:64]]
    }
    assert replica.head(FeedId(public("box"), 0, 0)) == notes[63]
    assert replica.offer(fleet.write("box", NOTE, after=notes[-1])) is Offer.OVER_LIMIT
    assert replica.entry(notes[64].id) is None
    assert replica.statistics().kept == 65


def test_a_cut_brings_back_what_was_beyond_the_limit() -> None:
    fleet = one_box()
    notes = chain(fleet, "box", 100)
    replica = offer_all(replica_of(fleet), fleet.entries)
    assert notes[89].id not in replica.authority.counting
    fleet.write("bank", revoke("box", "city/n/0", cut_at(notes[89])), after=fleet.entries[0])
    replica.offer(fleet.entries[-1])
    counting = {entry.id for entry in notes if entry.id in replica.authority.counting}
    assert counting == {entry.id for entry in notes[:90]}
    assert replica.entry(notes[89].id) == notes[89]
    assert replica.head(FeedId(public("box"), 0, 0)) == notes[99]


def test_a_pin_takes_what_it_covers_out_of_the_limit() -> None:
    fleet = one_box()
    notes = chain(fleet, "box", 100)
    fleet.write("bank", pin(notes[49]), after=fleet.entries[0])
    replica = offer_all(replica_of(fleet), fleet.entries)
    assert set(replica.authority.counting) >= {entry.id for entry in notes}
    assert replica.authority.rulings
    assert replica.statistics().waiting == 0


def test_keys_that_decide_about_others_may_write_more() -> None:
    fleet = one_box([*PEN, capability("agree", "city")])
    fleet.declare(
        grant("bank", "a", 1, 2, [capability("agree", "city"), *PEN, capability("grant", "city")])
    )
    chain(fleet, "box", 80)
    replica = offer_all(replica_of(fleet), fleet.entries)
    assert replica.statistics().kept == 81


def test_a_limit_that_grows_lets_in_what_waits() -> None:
    fleet = one_box()
    chain(fleet, "box", 80)
    replica = offer_all(replica_of(fleet), fleet.entries)
    assert replica.statistics().kept == 65
    fleet.declare(grant("box", "b", 1, 1, [capability("agree", "b")]))
    replica.offer_root(fleet.statements[-1])
    assert replica.statistics().kept == 81


def test_a_grant_entry_that_raises_a_limit_lets_in_what_waits() -> None:
    fleet = one_box()
    chain(fleet, "box", 80)
    replica = offer_all(replica_of(fleet), fleet.entries)
    caps = [capability("approve", "city", events=["*"], area="*")]
    fleet.write("bank", grant("box", "city/n/1", 3, 1, caps), after=fleet.entries[0])
    assert replica.offer(fleet.entries[-1]) is Offer.STORED
    assert replica.statistics().kept == 82


def test_lower_incarnations_displace_and_only_the_lowest_count() -> None:
    fleet = one_box()
    high = chain(fleet, "box", 3, inc=1000)
    replica = offer_all(replica_of(fleet), fleet.entries)
    for inc in range(100, 163):
        offer_all(replica, chain(fleet, "box", 1, inc=inc))
    assert replica.statistics().kept == 1 + 63 + 1
    assert replica.entry(high[0].id) is not None
    assert replica.entry(high[1].id) is None
    replica.drain_dropped()
    offer_all(replica, chain(fleet, "box", 1, inc=5))
    assert replica.entry(high[0].id) is None
    assert views(replica) == batch_views(fleet, fleet.entries)


def test_own_feeds_can_be_kept_whole() -> None:
    fleet = one_box()
    chain(fleet, "box", 80)
    replica = offer_all(replica_of(fleet), fleet.entries)
    replica.keep_whole(public("box"))
    assert replica.statistics().kept == 81
    assert views(replica) == batch_views(fleet, fleet.entries)
    offer_all(replica, chain(fleet, "box", 10, inc=7))
    assert replica.statistics().kept == 91


def test_who_is_known_by_a_displaced_grant_is_forgotten() -> None:
    with tiny_limits(), patch.object(known, "LARGE", TINY), patch.object(quota, "LARGE", TINY):
        fleet = one_box()
        bank = fleet.entries[-1]
        later = fleet.write("bank", grant("other", "city/n/1", 3, 1, PEN), inc=5)
        note = fleet.write("other", NOTE)
        replica = offer_all(replica_of(fleet), fleet.entries)
        assert replica.is_known_author(public("other"))
        assert replica.entry(note.id) == note
        for _ in range(3):
            bank = fleet.write("bank", NOTE, after=bank)
            replica.offer(bank)
        assert replica.entry(later.id) is None
        assert not replica.is_known_author(public("other"))
        assert replica.entry(note.id) is None
        assert note in replica.drain_dropped() or note not in replica.drain_new()
        assert replica.offer(note) is Offer.UNKNOWN_AUTHOR
        assert views(replica) == batch_views(fleet, fleet.entries)


def test_a_limit_that_shrinks_lets_the_last_wait() -> None:
    four = Limit(4, 1 << 20)
    with tiny_limits(), patch.object(known, "LARGE", four), patch.object(quota, "LARGE", four):
        fleet = one_box()
        bank = fleet.entries[-1]
        caps = [capability("approve", "city", events=["*"], area="*")]
        fleet.write("bank", grant("box", "city/n/1", 3, 1, caps), inc=5)
        notes = chain(fleet, "box", 4)
        replica = offer_all(replica_of(fleet), fleet.entries)
        assert replica.entry(notes[3].id) is not None
        for _ in range(3):
            bank = fleet.write("bank", NOTE, after=bank)
            replica.offer(bank)
        assert replica.entry(notes[2].id) is not None
        assert replica.entry(notes[3].id) is None
        assert views(replica) == batch_views(fleet, fleet.entries)


def test_a_hundred_puppets_of_a_box_are_not_known() -> None:
    fleet = one_box()
    caps = [capability("grant", "city"), *PEN]
    head = fleet.write("box", grant("box", "city/n/0", 3, 1, caps))
    for number in range(99):
        said = grant(f"puppet-{number}", f"city/n/{number + 1}", 4, 1, PEN)
        head = fleet.write("box", said, after=head)
    replica = offer_all(replica_of(fleet), fleet.entries)
    assert not any(replica.is_known_author(public(f"puppet-{number}")) for number in range(99))
    assert replica.statistics().kept == 65
    assert replica.statistics().known_authors == 2


def test_orphans_wait_in_a_bounded_room() -> None:
    fleet = one_box()
    big = put("city/n/plan", "x" * 9000)
    orphans = fleet.write_all("box", [big] * 150)[1:]
    replica = offer_all(replica_of(fleet), fleet.entries[:1])
    offers = {replica.offer(entry) for entry in reversed(orphans)}
    assert offers == {Offer.ORPHAN}
    statistics = replica.statistics()
    assert statistics.waiting_bytes <= excess_module.EXCESS_SIZE_MAX
    assert statistics.waiting < len(orphans)
    assert statistics.kept == 1


def test_a_flood_beyond_the_limit_is_bounded_and_harmless() -> None:
    fleet = one_box()
    notes = chain(fleet, "box", 70)
    replica = offer_all(replica_of(fleet), fleet.entries)
    head = notes[-1]
    for _ in range(130):
        head = fleet.write("box", put("city/n/plan", "x" * 9000), after=head)
        assert replica.offer(head) in (Offer.OVER_LIMIT, Offer.ORPHAN)
    assert replica.statistics().waiting_bytes <= excess_module.EXCESS_SIZE_MAX
    assert views(replica) == batch_views(fleet, fleet.entries)


def test_no_author_pushes_out_another() -> None:
    fleet = one_box()
    fleet.write("bank", grant("other", "city/n/1", 3, 1, PEN), after=fleet.entries[0])
    enrolled = list(fleet.entries)
    lone = fleet.write_all("other", [NOTE, NOTE])
    flood = fleet.write_all("box", [put("city/n/plan", "x" * 9000)] * 150)[1:]
    replica = offer_all(replica_of(fleet), enrolled)
    assert replica.offer(lone[1]) is Offer.ORPHAN
    offer_all(replica, flood)
    assert replica.offer(lone[0]) is Offer.STORED
    assert replica.entry(lone[1].id) == lone[1]


def test_evidence_beyond_the_limit_is_kept() -> None:
    fleet = one_box()
    notes = chain(fleet, "box", 70)
    twin = fleet.write("box", put("city/n/plan", 2), after=notes[67])
    third = fleet.write("box", put("city/n/plan", 3), after=notes[67])
    replica = offer_all(replica_of(fleet), fleet.entries)
    feed = FeedId(public("box"), 0, 0)
    pair = sorted((notes[68], twin, third), key=lambda entry: entry.id)[:2]
    assert replica.evidence(feed) == (tuple(pair),)
    assert replica.statistics().kept == 1 + 64 + 2
    assert replica.tips(feed) == (notes[63].id,)
    assert list(replica.walk(feed, pair[0].id)) == []
    assert views(replica) == batch_views(fleet, fleet.entries)
    again = offer_all(replica_of(fleet), replica.entries())
    assert views(again) == views(replica)


def test_evidence_of_many_feeds_is_bounded() -> None:
    with patch.object(index, "EVIDENCE_FEEDS_MAX", 2), tiny_limits():
        fleet = one_box()
        for inc in (9, 8, 7, 6):
            first = fleet.write("box", NOTE, inc=inc)
            fleet.write("box", NOTE, after=first)
            fleet.write("box", put("city/n/plan", 2), after=first)
        replica = offer_all(replica_of(fleet), fleet.entries)
        views(replica)
        feeds = [feed.inc for feed in replica.feeds() if feed.author == public("box")]
        assert feeds == [6, 7]
        assert replica.authority.standings


def test_what_pins_name_is_forgotten_with_the_pins() -> None:
    """A key that writes pins without end leaves no more behind than fits the room they wait in."""
    fleet = one_box()
    replica = offer_all(replica_of(fleet), fleet.entries)
    named = replica._retention.index.named  # pyright: ignore[reportPrivateUsage]
    head = fleet.write("box", NOTE)
    kind, body = pin(head)
    for number in range(150):
        said = (kind, {**body, "id": number.to_bytes(32), "note": "x" * 9000})
        head = fleet.write("box", said, after=head)
        replica.offer(head)
    assert 0 < len(named) == replica.statistics().waiting < 150


@pytest.mark.parametrize("order", [1, -1])
def test_a_status_feed_without_snapshots_stops_at_the_limit(order: int) -> None:
    fleet = one_box()
    said = [("status", {"topic": f"t{n % 80}", "value": n}) for n in range(70)]
    written: list[Entry] = []
    for one in said:
        after = written[-1] if written else None
        written.append(fleet.write("box", one, after=after, lane=Lane.STATE))
    replica = offer_all(replica_of(fleet), fleet.entries[:1])
    offer_all(replica, written[::order])
    feed = FeedId(public("box"), Lane.STATE, 0)
    assert replica.head(feed) == written[63]
    snap = fleet.write("box", ("snap", {"map": {"t0": 1}}), after=written[-1])
    assert replica.offer(snap) is Offer.STORED
    assert replica.tips(feed) == (snap.id,)
    assert replica.offer(written[3]) is Offer.OVER_LIMIT
    assert views(replica)[2] == batch_views(fleet, fleet.entries)[2]
    assert len(replica.drain_dropped()) == 0
    assert replica.statistics().waiting == 1


def test_room_is_made_after_rulings_are_heard() -> None:
    fleet = one_box()
    big = put("city/n/plan", "x" * 900)
    notes = fleet.write_all("box", [big] * 400)
    replica: Replica = offer_all(replica_of(fleet), fleet.entries)
    cut = fleet.write("bank", revoke("box", "city/n/0", cut_at(notes[399])), after=fleet.entries[0])
    replica.offer(cut)
    bigger = put("city/n/plan", "x" * 15000)
    offer_all(replica, fleet.write_all("box", [bigger] * 80, inc=3))
    assert replica.entry(notes[399].id) == notes[399]


def test_pins_that_contradict_each_other_are_both_kept() -> None:
    with tiny_limits():
        fleet = one_box()
        trunk = fleet.write("box", NOTE)
        branches = [fleet.write("box", put("city/n/plan", n), after=trunk) for n in range(4)]
        branches.sort(key=lambda entry: entry.id)
        head = fleet.entries[0]
        for named in (branches[0], branches[3]):
            head = fleet.write("bank", pin(named), after=head)
        replica = offer_all(replica_of(fleet), fleet.entries)
        assert replica.authority.standings[replica.authority.by_name("city/n/0")[0]].undecided
        assert replica.entry(branches[3].id) == branches[3]
        assert views(replica) == batch_views(fleet, replica.entries())


def test_a_pinned_status_entry_takes_no_room_as_soon_as_it_is_held() -> None:
    with tiny_limits():
        fleet = one_box()
        written: list[Entry] = []
        for number in range(4):
            said = ("status", {"topic": f"t{number}", "value": number})
            after = written[-1] if written else None
            written.append(fleet.write("box", said, after=after, lane=Lane.STATE))
        named = fleet.write("bank", pin(written[2]), after=fleet.entries[0])
        replica = offer_all(replica_of(fleet), [fleet.entries[0], named])
        views(replica)
        offer_all(replica, written)
        assert views(replica) == batch_views(fleet, fleet.entries)
        assert replica.entry(written[3].id) == written[3]


def test_of_a_forker_without_end_two_pairs_are_kept() -> None:
    """The smallest evidence of a feed that prunes and the latest, however it goes on."""
    fleet = one_box()
    replica = offer_all(replica_of(fleet), fleet.entries)
    head: Entry | None = None
    for number in range(60):
        said = ("status", {"topic": "x", "value": number})
        rivals = [fleet.write("box", said, after=head, lane=Lane.STATE) for _ in range(3)]
        snap = fleet.write("box", ("snap", {"map": {"x": number}}), after=rivals[0])
        offer_all(replica, [*rivals, snap])
        head = snap
        kept = [entry for entry in replica.entries() if entry.lane == Lane.STATE]
        seqs = sorted({0, 2 * number})
        assert [entry.seq for entry in kept] == [*(seq for seq in seqs for _ in (0, 1)), snap.seq]
        assert [pair[0].seq for pair in replica.evidence(snap.feed)] == seqs
    assert replica.statistics().waiting == 0


def test_the_way_to_a_fork_above_a_pinned_entry_is_kept() -> None:
    with tiny_limits():
        fleet = one_box()
        notes = chain(fleet, "box", 8)
        rivals = [fleet.write("box", put("city/n/plan", n), after=notes[6]) for n in range(2)]
        early = fleet.write("box", put("city/n/plan", 3))
        fleet.write("bank", pin(notes[1]), after=fleet.entries[0])
        replica = offer_all(replica_of(fleet), fleet.entries)
        assert replica.authority.standings[replica.authority.by_name("city/n/0")[0]].undecided
        assert replica.entry(early.id) == early
        assert all(replica.entry(entry.id) is not None for entry in notes[:7])
        above = sorted([notes[7], *rivals], key=lambda entry: entry.id)[:2]
        assert replica.evidence(early.feed)[1] == tuple(above)
        assert views(replica) == batch_views(fleet, replica.entries())
