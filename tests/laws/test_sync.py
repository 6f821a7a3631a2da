"""The laws of anti-entropy: replicas that talk end up holding the same, whatever the wire does.

Worlds hold forks, cut feeds, revoked keys and withheld entries. Each replica is given an arbitrary
part of one; then sessions run, whole or cut off, on wires that lose and swap frames.
"""

from collections import deque
from random import Random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from crdt.entry import Entry, Lane
from crdt.errors import SyncError
from crdt.replica import Replica
from crdt.sync import Reach, Refused, SyncLimits, SyncSession
from crdt.sync_codec import decode_message, encode_message
from crdt.sync_vector import lane_digest, summarise

from .conversing import MEMBER, assert_agree, converse, replica_of
from .deeds import World
from .strategies import worlds
from .writing import box_of, grant, put, two_banks

SESSIONS_MAX = 40
"""Sessions after which replicas that still differ will never agree."""


@st.composite
def parted(draw: st.DrawFn, parts: int, *, deeds_max: int = 24) -> tuple[World, list[Replica]]:
    """Return a world and replicas that each hold an arbitrary part of it, in arbitrary order."""
    world = draw(worlds(deeds_max=deeds_max))
    seed = draw(st.integers(0, 2**16))
    random = Random(seed)
    statements = world.fleet.statements
    replicas: list[Replica] = []
    for _ in range(parts):
        share = random.choice((0.0, 0.3, 0.7, 1.0))
        entries = [entry for entry in world.entries if random.random() <= share]
        random.shuffle(entries)
        replicas.append(
            replica_of(world.fleet, entries, statements[: random.randint(0, len(statements))])
        )
    return world, replicas


def settle(replicas: list[Replica]) -> int:
    """Let neighbours in a ring talk until a whole lap adds nothing; return the sessions it took."""
    sessions = 0
    while sessions < SESSIONS_MAX:
        added = 0
        for place, replica in enumerate(replicas[:-1]):
            pair = converse(replica, replicas[place + 1])
            added += sum(s.statistics().entries_added + s.statistics().roots_added for s in pair)
            sessions += 1
        if not added:
            return sessions
    raise AssertionError(f"no rest after {SESSIONS_MAX} sessions")


@given(parted(2))
def test_two_replicas_agree_after_one_session(drawn: tuple[World, list[Replica]]) -> None:
    _, (a, b) = drawn
    left, _ = converse(a, b)
    assert_agree(a, b)
    assert left.equal
    event("forked" if any(a.evidence(feed) for feed in a.feeds()) else "no fork")
    event(f"rounds {left.statistics().rounds}")
    again, _ = converse(a, b)
    assert again.equal
    assert again.statistics().bytes_in <= 64
    assert again.statistics().bytes_out <= 64


@given(parted(3))
@settings(max_examples=20)
def test_three_replicas_agree_through_the_one_in_the_middle(
    drawn: tuple[World, list[Replica]],
) -> None:
    _, replicas = drawn
    settle(replicas)
    assert_agree(*replicas)


@given(parted(2), st.integers(0, 2**16))
@settings(max_examples=20)
def test_lossy_swapped_and_restarted_sessions_come_to_the_same_end(
    drawn: tuple[World, list[Replica]], seed: int
) -> None:
    _, (a, b) = drawn
    random = Random(seed)

    def mangle(queue: deque[bytes]) -> None:
        if queue and random.random() < 0.1:
            del queue[random.randrange(len(queue))]
        if len(queue) > 1 and random.random() < 0.2:
            queue.rotate(1)
        if queue and random.random() < 0.05:
            queue.append(queue[0])

    for _ in range(12):
        converse(a, b, mangle=mangle)
    left, _ = converse(a, b)
    assert left.equal
    assert_agree(a, b)


@given(parted(1))
@settings(max_examples=10)
def test_a_remembered_summary_is_the_one_computed_anew(
    drawn: tuple[World, list[Replica]],
) -> None:
    world, (replica,) = drawn
    for step in [*world.fleet.statements, *world.fleet.entries]:
        if isinstance(step, Entry):
            replica.offer(step)
        else:
            replica.offer_root(step)
        anew = [(int(lane), lane_digest(replica, MEMBER, lane)) for lane in MEMBER.lanes]
        assert summarise(replica, MEMBER).lanes == tuple(anew)


TIGHT = SyncLimits(
    bytes_in_max=3000, bytes_out_max=6000, entries_in_max=1, requests_max=40, segment_size_max=300
)
"""Room for one new entry a session, beside the few known ones with which a located answer begins:
their bytes count, their signatures do not."""


@given(parted(2, deeds_max=8))
@settings(max_examples=20)
def test_a_budget_slows_and_never_stops(drawn: tuple[World, list[Replica]]) -> None:
    world, (a, b) = drawn
    refused: tuple[Refused | None, Refused | None] = (None, None)
    for _ in range(6 * len(world.entries) + 20):
        left, right = converse(a, b, limits=TIGHT, refused=refused)
        refused = left.refused, right.refused
        if left.equal:
            break
        assert left.statistics().entries_received <= 2
    assert_agree(a, b)


@given(parted(2), st.data())
@settings(max_examples=20)
def test_hostile_frames_raise_nothing_but_sync_errors(
    drawn: tuple[World, list[Replica]], data: st.DataObject
) -> None:
    """A peer that answers with mutated, repeated and invented frames leaves the replica sound."""
    world, (a, b) = drawn
    honest = SyncSession(a, reach=MEMBER, initiator=True)
    mirror = SyncSession(b, reach=MEMBER, initiator=False)
    seen: list[bytes] = []
    queue = deque(honest.start())
    for _ in range(30):
        frame = queue.popleft() if queue else encode_message(decode_message(seen[-1]))
        try:
            answers = mirror.receive(frame)
        except SyncError:
            answers = []
        seen += [frame, *answers]
        for answer in answers or [data.draw(st.sampled_from(seen))]:
            broken = bytearray(answer)
            for _ in range(data.draw(st.integers(0, 2))):
                broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
            try:
                queue.extend(honest.receive(bytes(broken)))
            except SyncError:
                assert honest.finished
                with pytest.raises(SyncError):
                    honest.receive(answer)
                honest = SyncSession(a, reach=MEMBER, initiator=True)
                mirror = SyncSession(b, reach=MEMBER, initiator=False)
                queue = deque(honest.start())
    held = {entry.id for entry in world.fleet.entries}
    assert all(entry.id in held for entry in a.entries())
    converse(a, b)
    assert_agree(a, b)


def test_a_stranger_to_the_district_gets_no_state() -> None:
    fleet = two_banks()
    granted = fleet.write("bank-a", grant("box-0", "city/n/0", 3, 1, box_of("city/n/0")))
    for lane in (Lane.STATE, Lane.FLEET):
        fleet.write("box-0", ("status", {"topic": "lamp", "value": 1}), lane=lane)
    cases = {
        Reach.known(): {Lane.AUTH},
        Reach.bootstrap(): {Lane.AUTH},
        Reach.member(("a",)): {Lane.AUTH, Lane.FLEET},
        Reach.member(("city",)): {Lane.AUTH, Lane.STATE, Lane.FLEET},
    }
    for reach, lanes in cases.items():
        full, empty = replica_of(fleet, fleet.entries), replica_of(fleet, (), ())
        left, _ = converse(empty, full, reach=reach)
        assert left.equal
        assert {entry.lane for entry in empty.entries()} == lanes
        assert empty.entry(granted.id) is not None
        assert {entry.lane for entry in left.drain_added()} == lanes
        assert left.drain_added() == []


def test_sides_that_see_their_reach_differently_share_what_both_would() -> None:
    fleet = two_banks()
    fleet.write("bank-a", grant("box-0", "city/n/0", 3, 1, box_of("city/n/0")))
    fleet.write("box-0", ("status", {"topic": "lamp", "value": 1}), lane=Lane.STATE)
    full, empty = replica_of(fleet, fleet.entries), replica_of(fleet, ())
    left = SyncSession(empty, reach=MEMBER, initiator=True)
    right = SyncSession(full, reach=Reach.member(("a",)), initiator=False)
    to_right, to_left = deque(left.start()), deque(right.start())
    while to_right or to_left:
        while to_right:
            to_left.extend(right.receive(to_right.popleft()))
        while to_left:
            to_right.extend(left.receive(to_left.popleft()))
    assert left.finished
    assert right.finished
    assert {entry.lane for entry in empty.entries()} == {Lane.AUTH}
    assert lane_digest(empty, Reach.known(), Lane.AUTH) == lane_digest(
        full, Reach.known(), Lane.AUTH
    )


ENTRY_SIZE = 260
"""About the size of the entries below, bytes."""


@st.composite
def gaps(draw: st.DrawFn) -> tuple[int, int, int, SyncLimits]:
    """Return how much of a feed two share, how much only each has, and a budget about as large."""
    entries = draw(st.integers(6, 12))
    shared = draw(st.integers(1, 12 * entries))
    mine = draw(st.one_of(st.just(0), st.integers(1, 8 * entries)))
    theirs = draw(st.integers(1, 3 * entries))
    size = entries * ENTRY_SIZE
    return (
        shared,
        mine,
        theirs,
        SyncLimits(
            bytes_in_max=size,
            bytes_out_max=draw(st.sampled_from([size, 2 * size, 16 * size])),
            segment_size_max=draw(st.sampled_from([1, ENTRY_SIZE, size // 4])),
        ),
    )


@given(gaps())
@settings(max_examples=40)
def test_a_gap_larger_than_a_budget_closes_over_some_sessions(
    drawn: tuple[int, int, int, SyncLimits],
) -> None:
    """Of a feed that is only behind, and of one that forked deep below what each has on top."""
    shared, mine, theirs, limits = drawn
    fleet = two_banks()
    start = len(fleet.entries)
    last: Entry | None = None
    for number in range(shared):
        last = fleet.write("bank-a", put("place/city/n/x", number), after=last)
    common = list(fleet.entries)
    assert last is not None
    assert all(0.5 < len(entry.wire) / ENTRY_SIZE < 1.5 for entry in common[start:])
    branches: list[list[Entry]] = []
    for name, length in (("mine", mine), ("theirs", theirs)):
        tip, branch = last, []
        for number in range(length):
            tip = fleet.write("bank-a", put(f"place/city/n/{name}", number), after=tip)
            branch.append(tip)
        branches.append(branch)
    a, b = (replica_of(fleet, [*common, *branch]) for branch in branches)
    refused: tuple[Refused | None, Refused | None] = (None, None)
    for _ in range(mine + theirs + 20):
        left, right = converse(a, b, limits=limits, refused=refused)
        refused = left.refused, right.refused
        if left.equal:
            break
    assert_agree(a, b)
