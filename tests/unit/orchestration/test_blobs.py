"""The exchange by cases: limits, rates, silence, disks that refuse or rot, false frames."""

from collections import Counter
from random import Random
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.framing import FrameReader
from mesh.orchestration.blob_effects import (
    Begin,
    BlobEffect,
    Complete,
    Failed,
    Found,
    Load,
    Lost,
    Penalise,
    Resume,
    Seal,
    Sealed,
    Send,
    Store,
)
from mesh.orchestration.blob_errors import InvalidReferenceError, TooManyBlobsError
from mesh.orchestration.blob_frames import (
    BLOB_FRAME_SIZE_MAX,
    Chunk,
    Frame,
    Hold,
    Indices,
    Kind,
    Leaves,
    Note,
    decode_frame,
    encode_frame,
)
from mesh.orchestration.blob_limits import (
    BLOBS_MAX,
    COOL_NS,
    INTEREST_MAX,
    LOAD_SLOW_NS,
    LOADS_AHEAD_MAX,
    LOADS_MAX,
    LOADS_PER_PEER_MAX,
    OWED_NS_MAX,
    REQUESTS_MAX,
    RETRY_NS,
    STALL_NS,
    UNASKED_MAX,
    WINDOW_MAX,
    WINDOW_START,
    WRITES_MAX,
    ExchangeLimits,
    TokenBucket,
)
from mesh.orchestration.blob_transfer import Blob, State, bits
from mesh.orchestration.blob_tree import CHUNK_SIZE, Reference, leaves_of, reference_of
from mesh.orchestration.blobs import Exchange
from mesh.units import SECOND
from tests.unit.orchestration.blob_world import (
    CHUNKS,
    DATA,
    LEAVES,
    OTHER,
    OTHER_LEAVES,
    REFERENCE,
    TRICKLE_NS,
    Vice,
    World,
    chunk,
)

FULL = (1 << CHUNKS) - 1
LARGE = b"".join(number.to_bytes(2, "big") * (CHUNK_SIZE // 2) for number in range(300))
LARGE_REFERENCE = reference_of(LARGE)
LARGE_LEAVES = leaves_of(LARGE)


def body(frame: Frame) -> bytes:
    return FrameReader(BLOB_FRAME_SIZE_MAX).feed(encode_frame(frame))[0]


def said(effects: list[BlobEffect]) -> list[tuple[bytes, Frame]]:
    """Who is sent what."""
    return [
        (effect.peer, decode_frame(FrameReader(BLOB_FRAME_SIZE_MAX).feed(effect.data)[0]))
        for effect in effects
        if isinstance(effect, Send)
    ]


T = TypeVar("T")


def of(effects: list[BlobEffect], kind: type[T]) -> list[T]:
    return [effect for effect in effects if isinstance(effect, kind)]


A, B = b"a" * 32, b"b" * 32


def holder(limits: ExchangeLimits | None = None, *peers: bytes) -> Exchange:
    """An exchange that holds the large artefact, with peers that want it."""
    exchange = Exchange(limits or ExchangeLimits(), Random(1))
    exchange.have(LARGE_REFERENCE, LARGE_LEAVES, 0)
    for peer in peers:
        exchange.peer_added(peer, 0)
        exchange.receive(peer, body(Note(Kind.WANT, LARGE_REFERENCE.id)), 0)
    return exchange


def ask(*indices: int) -> bytes:
    return body(Indices(Kind.ASK, LARGE_REFERENCE.id, indices))


def large_chunk(index: int) -> bytes:
    return LARGE[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]


def fetcher(*peers: bytes, limits: ExchangeLimits | None = None) -> Exchange:
    """An exchange that wants the large artefact, has its leaves, and may ask these peers."""
    exchange = Exchange(limits or ExchangeLimits(), Random(1))
    (resume,) = of(exchange.want(LARGE_REFERENCE, 0), Resume)
    exchange.resumed(resume.ticket, Found(LARGE_LEAVES, 0), 0)
    for peer in peers:
        exchange.peer_added(peer, 0)
    return exchange


def hold(reference: Reference = LARGE_REFERENCE, held: int | None = None) -> bytes:
    full = (1 << reference.chunks) - 1
    return body(Hold(reference.id, full if held is None else held, -(-reference.chunks // 8)))


def asked(effects: list[BlobEffect], peer: bytes) -> list[int]:
    return [
        index
        for to, frame in said(effects)
        if to == peer and isinstance(frame, Indices) and frame.kind is Kind.ASK
        for index in frame.indices
    ]


def send_chunk(index: int, data: bytes | None = None) -> bytes:
    return body(Chunk(LARGE_REFERENCE.id, index, large_chunk(index) if data is None else data))


# One artefact from beginning to end.


def test_from_want_to_complete_by_hand() -> None:
    exchange = Exchange(ExchangeLimits(), Random(1))
    exchange.peer_added(A, 0)
    effects = exchange.want(REFERENCE, 0)
    assert said(effects) == [(A, Note(Kind.WANT, REFERENCE.id))]
    (resume,) = of(effects, Resume)
    assert exchange.want(REFERENCE, 0) == []
    assert not exchange.resumed(resume.ticket, Found(), 0)
    assert exchange.progress()[0].state is State.LEAVES
    effects = exchange.receive(A, hold(REFERENCE), 0)
    assert said(effects) == [(A, Note(Kind.ASK_LEAVES, REFERENCE.id))]
    (begin,) = exchange.receive(A, body(Leaves(REFERENCE.id, LEAVES)), 0)
    assert begin == Begin(begin.ticket, REFERENCE, LEAVES)
    indices = asked(exchange.stored(begin.ticket, 0), A)
    assert len(set(indices)) == WINDOW_START
    got: list[int] = []
    sealed: list[Seal] = []
    while indices:
        index = indices.pop(0)
        effects = exchange.receive(A, body(Chunk(REFERENCE.id, index, chunk(index))), 0)
        indices += asked(effects, A)
        (store,) = of(effects, Store)
        assert (store.index, bytes(store.data)) == (index, chunk(index))
        got.append(index)
        sealed += of(exchange.stored(store.ticket, 0), Seal)
    assert sorted(got) == list(range(CHUNKS))
    assert not exchange.is_complete(REFERENCE.digest)
    effects = exchange.sealed(sealed[0].ticket, Sealed(is_complete=True), 0)
    assert of(effects, Complete) == [Complete(REFERENCE)]
    assert said(effects) == [(A, Note(Kind.UNWANT, REFERENCE.id))]
    assert exchange.is_complete(REFERENCE.digest)
    progress = exchange.progress()[0]
    assert (progress.bytes_held, progress.chunks_held) == (len(DATA), CHUNKS)
    statistics = exchange.statistics()
    assert statistics.bytes_fetched == progress.bytes_fetched == len(DATA)
    assert (statistics.bytes_wasted, statistics.jobs, statistics.requests) == (0, 0, 0)
    assert "1 complete, 0 wanted, 1 peers" in repr(exchange)
    assert exchange.deadline_ns() is None or exchange.tick(SECOND) is not None
    exchange.tick(3600 * SECOND)
    assert exchange.deadline_ns() is None, "a box at rest has nothing to wake up for"


def test_rarest_first() -> None:
    exchange = fetcher(A, B)
    full = (1 << LARGE_REFERENCE.chunks) - 1
    rare = {7, 99, 250}
    exchange.receive(B, hold(held=full & ~sum(1 << index for index in rare)), 0)
    first = exchange.receive(A, hold(), 0)
    assert rare < set(asked(first, A))


@given(
    st.lists(st.integers(0, 255), min_size=1, max_size=9), st.integers(0, 255), st.integers(0, 99)
)
def test_the_rarest_are_counted_right(masks: list[int], gone: int, seed: int) -> None:
    blob = Blob(reference_of(bytes(8 * CHUNK_SIZE)), State.FETCHING)
    for number, mask in enumerate(masks):
        blob.set_source(bytes([number]), mask)
    blob.held = gone
    index = blob.pick(b"\0", Random(seed))
    candidates = bits(masks[0] & ~gone)
    if not candidates:
        assert index is None
        return
    count = {index: sum(mask >> index & 1 for mask in masks) for index in candidates}
    assert index in candidates
    assert count[index] == min(count.values())


def test_the_last_chunks_are_asked_for_twice_and_the_slower_copy_is_cancelled() -> None:
    exchange = Exchange(ExchangeLimits(), Random(1))
    (resume,) = of(exchange.want(REFERENCE, 0), Resume)
    exchange.resumed(resume.ticket, Found(LEAVES, FULL & ~0b11), 0)
    for peer in (A, B):
        exchange.peer_added(peer, 0)
    assert set(asked(exchange.receive(A, hold(REFERENCE), 0), A)) == {0, 1}
    assert set(asked(exchange.receive(B, hold(REFERENCE), 0), B)) == {0, 1}
    effects = exchange.receive(B, body(Chunk(REFERENCE.id, 0, chunk(0))), 0)
    assert (A, Indices(Kind.CANCEL, REFERENCE.id, (0,))) in said(effects)
    exchange.receive(A, body(Chunk(REFERENCE.id, 0, chunk(0))), 0)
    assert exchange.statistics().bytes_wasted == CHUNK_SIZE
    assert exchange.statistics().penalties == 0


# Bounds.


def test_what_peers_owe_and_what_waits_for_the_disk_is_bounded() -> None:
    peers = [bytes([number]) * 32 for number in range(40)]
    exchange = fetcher(*peers)
    owed = {peer: asked(exchange.receive(peer, hold(), 0), peer) for peer in peers}
    stored = 0
    for _ in range(300):
        peer = next((peer for peer in peers if owed[peer]), None)
        if peer is None:
            break
        effects = exchange.receive(peer, send_chunk(owed[peer].pop()), 0)
        stored += len(of(effects, Store))
        for other in peers:
            owed[other] += asked(effects, other)
            assert len(owed[other]) <= WINDOW_MAX
        assert exchange.statistics().requests <= REQUESTS_MAX
    assert stored == WRITES_MAX, "the disk never answered"
    assert exchange.statistics().bytes_fetched == WRITES_MAX * CHUNK_SIZE


def test_a_peer_that_does_not_read_holds_two_chunks_and_stops_nobody() -> None:
    peers = [bytes([number]) * 32 for number in range(60)]
    exchange = holder(None, *peers)
    started: dict[bytes, int] = dict.fromkeys(peers, 0)
    now_ns = 0
    for round_ in range(60):
        effects = exchange.tick(now_ns)
        for peer in peers if round_ == 0 else ():
            effects += exchange.receive(peer, ask(1, 2, 3, 4), now_ns)
        while loads := of(effects, Load):
            effects = []
            for load in loads:
                effects += (sent := exchange.loaded(load.ticket, large_chunk(load.index), now_ns))
                for send in of(sent, Send):
                    started[send.peer] += 1
        assert sum(started.values()) <= LOADS_MAX
        assert max(started.values()) <= LOADS_PER_PEER_MAX
        if round_ == 0:
            assert sum(started.values()) == LOADS_AHEAD_MAX
            assert exchange.deadline_ns() == LOAD_SLOW_NS
        now_ns += LOAD_SLOW_NS
    assert sum(started.values()) == LOADS_MAX
    left: list[Load] = []
    for peer in peers:
        left += of(exchange.peer_removed(peer, now_ns), Load)
    for load in left:
        assert exchange.loaded(load.ticket, large_chunk(load.index), now_ns) == []
    assert exchange.statistics().jobs == 0


def test_a_window_is_all_that_one_may_ask_for() -> None:
    exchange = holder(None, A)
    exchange.receive(A, ask(*range(WINDOW_MAX)), 0)
    effects = exchange.receive(A, ask(*range(20, 20 + WINDOW_MAX)), 0)
    refused = [frame for _, frame in said(effects) if frame.kind is Kind.REFUSE]
    assert len(refused) >= WINDOW_MAX - LOADS_PER_PEER_MAX - 1
    assert exchange.statistics().penalties == 0


def test_what_is_asked_twice_or_cancelled_is_sent_once_or_not() -> None:
    exchange = holder(None, A)
    (first, second) = of(
        exchange.receive(A, ask(1, 2, 3), 0) + exchange.receive(A, ask(3), 0), Load
    )
    cancel = Indices(Kind.CANCEL, LARGE_REFERENCE.id, (3,))
    assert not exchange.receive(A, body(cancel), 0)
    for load in (first, second):
        (send,) = of(exchange.loaded(load.ticket, large_chunk(load.index), 0), Send)
        assert not exchange.sent(send.ticket, 0)
        assert not exchange.sent(send.ticket, 0), "an answer that came twice"
    assert exchange.statistics().bytes_served == 2 * CHUNK_SIZE


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("ask"), st.sets(st.integers(0, 9), min_size=1, max_size=4)),
            st.tuples(st.sampled_from(["flap", "read", "written"]), st.integers(0, 9)),
        ),
        max_size=40,
    )
)
def test_nothing_of_an_old_link_goes_out_on_the_next(history: list[tuple[str, object]]) -> None:
    """Links break and stand again while the disk and the wire are at work for the one before."""
    exchange = holder(None, A)
    asks: Counter[int] = Counter()
    loads: list[Load] = []
    sends: list[Send] = []
    under_way = 0
    for what, value in (*history, ("flap", 0), ("ask", {1, 2, 3})):
        effects: list[BlobEffect] = []
        if what == "ask" and isinstance(value, set):
            asks.update(value)
            effects = exchange.receive(A, ask(*value), 0)
        elif what == "flap":
            effects = exchange.peer_removed(A, 0)
            assert not of(effects, Load)
            asks.clear()
            under_way = 0
            effects += exchange.peer_added(A, 0)
        elif what == "read" and loads:
            load = loads.pop(int(str(value)) % len(loads))
            effects = exchange.loaded(load.ticket, large_chunk(load.index), 0)
        elif what == "written" and sends:
            send = sends.pop(int(str(value)) % len(sends))
            before = exchange.statistics().jobs
            effects = exchange.sent(send.ticket, 0)
            under_way -= before > exchange.statistics().jobs - len(of(effects, Load))
        for send in of(effects, Send):
            frame = decode_frame(FrameReader(BLOB_FRAME_SIZE_MAX).feed(send.data)[0])
            if isinstance(frame, Chunk):
                assert asks[frame.index], f"nobody asked for chunk {frame.index} on this link"
                asks[frame.index] -= 1
                sends.append(send)
        loads += of(effects, Load)
        under_way += len(of(effects, Load))
        assert under_way <= LOADS_PER_PEER_MAX
    assert under_way == LOADS_PER_PEER_MAX, "what a link that ended took is free again"


def test_what_went_out_least_often_goes_out_next() -> None:
    exchange = holder(None, A, B)
    loads = of(exchange.receive(A, ask(1, 2), 0), Load)
    assert [load.index for load in loads] == [1, 2]
    assert [load.index for load in of(exchange.receive(B, ask(1, 2, 3, 4), 0), Load)] == [3, 4]


def test_interests_and_artefacts_are_bounded() -> None:
    exchange = holder(None, A)
    for number in range(INTEREST_MAX + 5):
        exchange.receive(A, body(Note(Kind.WANT, bytes([number]) * 32)), 0)
    assert exchange.statistics().refused == 6
    for number in range(BLOBS_MAX - 1):
        exchange.want(reference_of(bytes([number + 1])), 0)
    with pytest.raises(TooManyBlobsError, match="forget one"):
        exchange.want(REFERENCE, 0)
    with pytest.raises(TooManyBlobsError, match="forget one"):
        exchange.have(REFERENCE, LEAVES, 0)
    exchange.forget(reference_of(bytes([1])).digest, 0)
    assert exchange.have(REFERENCE, LEAVES, 0) == []


def test_what_the_disk_gave_up_is_announced_no_more_and_gives_its_place() -> None:
    exchange = holder(None, A, B)
    effects = exchange.removed(LARGE_REFERENCE, "no room", 0)
    assert of(effects, Lost) == [Lost(LARGE_REFERENCE, "no room")]
    hold = Hold(LARGE_REFERENCE.id, 0, 38)
    assert {peer for peer, frame in said(effects) if frame == hold} == {A, B}
    assert exchange.removed(LARGE_REFERENCE, "no room", 0) == [], "once"
    for number in range(BLOBS_MAX):
        exchange.want(reference_of(bytes([number + 1])), 0)
    assert LARGE_REFERENCE not in [each.reference for each in exchange.progress()]
    with pytest.raises(TooManyBlobsError, match="forget one"):
        exchange.want(LARGE_REFERENCE, 0)


def test_what_is_on_its_way_is_not_given_up_for_an_older_copy() -> None:
    exchange = Exchange(ExchangeLimits(), Random(1))
    exchange.want(REFERENCE, 0)
    assert exchange.removed(REFERENCE, "no room", 0) == []
    assert exchange.removed(LARGE_REFERENCE, "no room", 0) == [], "nobody knows it here"
    assert exchange.progress()[0].state is State.RESUMING


def test_leaves_that_are_not_its_are_not_served() -> None:
    exchange = Exchange(ExchangeLimits(), Random(1))
    with pytest.raises(InvalidReferenceError, match="do not hash"):
        exchange.have(REFERENCE, LARGE_LEAVES, 0)


# Rates.


@given(
    st.integers(1, 10**9),
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, CHUNK_SIZE)), max_size=60),
)
def test_a_bucket_lets_through_its_rate_and_says_when(
    rate: int, arrivals: list[tuple[int, int]]
) -> None:
    bucket, now_ns, passed = TokenBucket(rate), 0, 0
    for gap_ns, size in arrivals:
        now_ns += gap_ns
        if bucket.take(size, now_ns):
            passed += size
        else:
            at_ns = bucket.ready_ns()
            assert at_ns is not None
            assert at_ns > now_ns
            now_ns = at_ns
            assert bucket.take(size, now_ns), "it said that there would be room"
            passed += size
        burst = max(CHUNK_SIZE, rate // 10) + CHUNK_SIZE
        assert passed <= rate * now_ns // SECOND + burst


def test_no_limit_lets_everything_through() -> None:
    bucket = TokenBucket(None)
    assert all(bucket.take(CHUNK_SIZE, 0) for _ in range(1000))
    assert bucket.ready_ns() is None
    with pytest.raises(ValueError, match="at least 1"):
        ExchangeLimits(serve_rate_max=0)


@pytest.mark.parametrize("side", ["serve", "fetch"])
def test_a_rate_is_kept(side: str) -> None:
    rate = CHUNK_SIZE
    limits = ExchangeLimits(**{f"{side}_rate_max": rate})
    world = World(1, [Vice.NONE, Vice.NONE], limits)
    first, second = world.boxes
    world.give(first, list(range(CHUNKS)))
    world.want(second)
    world.link(first, second)
    world.settle()
    assert second.completed == [REFERENCE.id]
    assert world.now_ns >= (CHUNKS - 3) * SECOND
    progress_s = world.now_ns / SECOND
    assert progress_s < 60


# Silence.


def test_a_silent_source_is_replaced_and_left_alone_for_longer_each_time() -> None:
    exchange = fetcher(A)
    assert len(asked(exchange.receive(A, hold(), 0), A)) == WINDOW_START
    assert exchange.deadline_ns() == STALL_NS
    effects = exchange.tick(STALL_NS)
    cancelled = [frame for _, frame in said(effects) if frame.kind is Kind.CANCEL]
    assert len(cancelled) == WINDOW_START
    assert not asked(effects, A)
    assert exchange.statistics().stalls == 1
    exchange.peer_added(B, STALL_NS)
    assert asked(exchange.receive(B, hold(), STALL_NS), B)
    exchange.peer_removed(B, STALL_NS)
    now_ns, waits = STALL_NS, []
    for _ in range(3):
        effects = exchange.tick(now_ns + COOL_NS - 1)
        assert not asked(effects, A)
        began = now_ns
        while not asked(effects, A):
            now_ns = exchange.deadline_ns() or 0
            effects = exchange.tick(now_ns)
        waits.append(now_ns - began)
        now_ns += STALL_NS
        exchange.tick(now_ns)
    assert waits == [COOL_NS, 2 * COOL_NS, 4 * COOL_NS]
    assert exchange.statistics().penalties == 0


def test_a_late_answer_is_still_good() -> None:
    exchange = fetcher(A)
    index = asked(exchange.receive(A, hold(), 0), A)[0]
    exchange.tick(STALL_NS)
    assert of(exchange.receive(A, send_chunk(index), STALL_NS), Store)
    assert exchange.statistics().unasked == 1


@pytest.mark.parametrize(
    "instead",
    [
        body(Leaves(OTHER.id, OTHER_LEAVES)),
        body(Leaves(LARGE_REFERENCE.id, LARGE_LEAVES)),
        send_chunk(1),
    ],
    ids=["a list of what is here", "a large list", "a chunk"],
)
def test_a_list_that_is_kept_back_is_asked_of_another_whatever_comes_instead(
    instead: bytes,
) -> None:
    exchange = Exchange(ExchangeLimits(), Random(1))
    exchange.have(OTHER, OTHER_LEAVES, 0)
    exchange.have(LARGE_REFERENCE, LARGE_LEAVES, 0)
    (resume,) = of(exchange.want(REFERENCE, 0), Resume)
    exchange.resumed(resume.ticket, Found(), 0)
    exchange.peer_added(A, 0)
    assert said(exchange.receive(A, hold(REFERENCE), 0))
    exchange.peer_added(B, 0)
    assert not said(exchange.receive(B, hold(REFERENCE), 0))
    exchange.receive(A, instead, TRICKLE_NS)
    assert exchange.deadline_ns() == STALL_NS
    assert said(exchange.tick(STALL_NS)) == [(B, Note(Kind.ASK_LEAVES, REFERENCE.id))]
    assert exchange.statistics().stalls == 1
    assert exchange.statistics().penalties == 0


@pytest.mark.parametrize("count", [2, 4, 6])
def test_a_chunk_that_all_but_one_keep_back_is_asked_of_that_one(count: int) -> None:
    """They fill every place in the endgame, and send good chunks in time, in turns for ever."""
    liars = [bytes([number]) * 32 for number in range(count)]
    exchange = Exchange(ExchangeLimits(), Random(1))
    (resume,) = of(exchange.want(LARGE_REFERENCE, 0), Resume)
    full = (1 << LARGE_REFERENCE.chunks) - 1
    exchange.resumed(resume.ticket, Found(LARGE_LEAVES, full & ~0b1), 0)
    owing: dict[bytes, None] = {}
    for peer in (*liars, B):
        exchange.peer_added(peer, 0)
        if asked(exchange.receive(peer, hold(), 0), peer):
            owing[peer] = None
    assert list(owing) == liars[:2]
    now_ns = 0
    while B not in owing:
        now_ns += SECOND
        assert now_ns <= count // 2 * (OWED_NS_MAX + SECOND)
        effects = exchange.tick(now_ns)
        for peer in tuple(owing) if now_ns % TRICKLE_NS == 0 else ():
            effects += exchange.receive(peer, send_chunk(1), now_ns)
        for peer in (*liars, B):
            frames = [frame for to, frame in said(effects) if to == peer]
            if any(isinstance(frame, Indices) and frame.kind is Kind.CANCEL for frame in frames):
                del owing[peer]
            if asked(effects, peer):
                owing[peer] = None
    assert exchange.statistics().penalties == 0
    assert of(exchange.receive(B, send_chunk(0), now_ns), Store)


def test_a_refusal_lets_the_chunk_be_asked_for_elsewhere() -> None:
    exchange = fetcher(A, B)
    refuse = body(Indices(Kind.REFUSE, LARGE_REFERENCE.id, (5,)))
    assert asked(exchange.receive(A, hold(held=1 << 5), 0), A) == [5]
    assert not said(exchange.receive(A, refuse, 0))
    assert exchange.deadline_ns() == COOL_NS
    assert asked(exchange.receive(B, hold(held=1 << 5), 0), B) == [5]
    effects = exchange.tick(COOL_NS)
    assert asked(effects, A) == [5], "the last one to be had, so a second time"
    assert exchange.statistics().requests == 2


# What only its sender can be blamed for.


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (send_chunk(3, b"wrong"), "does not hash to its leaf"),
        (send_chunk(3, large_chunk(4)), "does not hash to its leaf"),
        (body(Chunk(LARGE_REFERENCE.id, 300, b"x")), "chunk 300 of 300"),
        (body(Leaves(LARGE_REFERENCE.id, LEAVES)), "do not hash to the tree"),
        (body(Hold(LARGE_REFERENCE.id, 1, 1)), "holds chunk"),
        (body(Hold(LARGE_REFERENCE.id, 1 << 303, 38)), "chunk 303 of 300"),
        (body(Indices(Kind.GAIN, LARGE_REFERENCE.id, (1, 300))), "chunk 300 of 300"),
        (body(Indices(Kind.ASK, LARGE_REFERENCE.id, (300, 1))), "chunk 300 of 300"),
        (b"\xff" * 40, "kind 255"),
        (b"", "0 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_frame_costs_its_sender_at_once(frame: bytes, reason: str) -> None:
    exchange = fetcher(A, B)
    owed = asked(exchange.receive(A, hold(), 0), A)
    exchange.receive(B, hold(), 0)
    effects = exchange.receive(A, frame, 0)
    (penalty,) = of(effects, Penalise)
    assert penalty.peer == A
    assert reason in penalty.reason
    assert not of(effects, Store)
    assert exchange.progress()[0].sources == 1
    assert exchange.receive(A, frame, 0) == []
    assert not asked(exchange.receive(A, hold(), 0), A)
    elsewhere: list[int] = asked(effects, B)
    while elsewhere and set(owed) - set(elsewhere):
        effects = exchange.receive(B, send_chunk(elsewhere[-1]), 0)
        more = asked(effects, B)
        for store in of(effects, Store):
            more += asked(exchange.stored(store.ticket, 0), B)
        if not more:
            break
        elsewhere += more
    assert exchange.statistics().requests


@pytest.mark.parametrize("forged", [LEAVES[:-1] + b"x", LEAVES[32:], LEAVES + LEAVES[:32]])
def test_a_forged_list_costs_its_sender_at_once_and_is_asked_of_another(forged: bytes) -> None:
    exchange = Exchange(ExchangeLimits(), Random(1))
    (resume,) = exchange.want(REFERENCE, 0)
    exchange.resumed(resume.ticket, Found(), 0)
    for peer in (A, B):
        exchange.peer_added(peer, 0)
    assert said(exchange.receive(A, hold(REFERENCE), 0)) == [
        (A, Note(Kind.ASK_LEAVES, REFERENCE.id))
    ]
    assert not said(exchange.receive(B, hold(REFERENCE), 0))
    effects = exchange.receive(A, body(Leaves(REFERENCE.id, forged)), 0)
    assert [penalty.peer for penalty in of(effects, Penalise)] == [A]
    assert not of(effects, Begin)
    assert said(effects) == [(B, Note(Kind.ASK_LEAVES, REFERENCE.id))]
    assert of(exchange.receive(B, body(Leaves(REFERENCE.id, LEAVES)), 0), Begin)


def test_a_flood_of_good_chunks_that_nobody_asked_for_is_an_offence() -> None:
    exchange = fetcher(A)
    effects: list[BlobEffect] = []
    for index in range(UNASKED_MAX + 1):
        effects += exchange.receive(A, send_chunk(index), 0)
    (penalty,) = of(effects, Penalise)
    assert "nobody asked for" in penalty.reason


def test_a_banned_peer_is_not_heard_after_it_linked_again() -> None:
    exchange = fetcher(A)
    exchange.receive(A, send_chunk(3, b"wrong"), 0)
    exchange.peer_removed(A, 0)
    exchange.peer_added(A, 0)
    assert not asked(exchange.receive(A, hold(), 0), A)
    assert exchange.progress()[0].sources == 0


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=120)), max_size=30))
def test_any_bytes_give_effects_and_never_an_error(frames: list[tuple[bool, bytes]]) -> None:
    exchange = fetcher(A, B)
    exchange.have(REFERENCE, LEAVES, 0)
    for is_a, data in frames:
        exchange.receive(A if is_a else B, data, 0)
        head = bytes([data[0] % 10]) if data else b"\0"
        exchange.receive(A if is_a else B, head + LARGE_REFERENCE.id + data[1:], 0)
        exchange.receive(A if is_a else B, head + REFERENCE.id + data[1:], 0)
    for peer in (A, B):
        exchange.peer_removed(peer, 0)
    assert exchange.statistics().requests == 0


def test_strangers_are_not_heard() -> None:
    exchange = holder()
    assert exchange.receive(A, ask(1), 0) == []
    assert exchange.peer_removed(A, 0) == []
    exchange.peer_added(A, 0)
    assert exchange.peer_added(A, 0) == []


# Disks.


def test_a_full_disk_is_waited_for_and_says_so() -> None:
    world = World(1, [Vice.NONE, Vice.NONE])
    first, second = world.boxes
    second.disk.is_full = True
    world.give(first, list(range(CHUNKS)))
    world.want(second)
    world.link(first, second)
    world.settle(seconds=30)
    assert second.exchange.progress()[0].reason == "the disk is full: empty it"
    assert second.exchange.statistics().disk_failures >= 2
    assert not second.failed
    second.disk.is_full = False
    world.settle(seconds=30)
    assert second.completed == [REFERENCE.id]
    assert second.exchange.progress()[0].reason is None


@pytest.mark.parametrize("work", ["resume", "seal"])
def test_a_disk_that_cannot_look_is_asked_again(work: str) -> None:
    exchange = Exchange(ExchangeLimits(), Random(1))
    (effect,) = exchange.want(REFERENCE, 0)
    if work == "seal":
        (effect,) = exchange.resumed(effect.ticket, Found(LEAVES, FULL), 0)
    exchange.failed(effect.ticket, "the disk is away", 0)
    assert exchange.progress()[0].reason == "the disk is away"
    assert exchange.deadline_ns() == RETRY_NS
    (again,) = exchange.tick(RETRY_NS)
    assert type(again) is type(effect)


def test_a_chunk_that_rotted_is_never_sent_and_a_whole_is_given_up() -> None:
    exchange = holder(None, A)
    (load,) = of(exchange.receive(A, ask(7), 0), Load)
    effects = exchange.loaded(load.ticket, b"rot", 0)
    assert of(effects, Lost)[0].reference == LARGE_REFERENCE
    frames = [frame for _, frame in said(effects)]
    assert Indices(Kind.REFUSE, LARGE_REFERENCE.id, (7,)) in frames
    assert Hold(LARGE_REFERENCE.id, 0, 38) in frames
    assert exchange.progress()[0].state is State.LOST
    assert of(exchange.want(LARGE_REFERENCE, 0), Resume)


def test_a_chunk_that_cannot_be_read_is_refused() -> None:
    exchange = holder(None, A)
    (load,) = of(exchange.receive(A, ask(7), 0), Load)
    effects = exchange.failed(load.ticket, "no", 0)
    assert said(effects) == [(A, Indices(Kind.REFUSE, LARGE_REFERENCE.id, (7,)))]


def test_a_chunk_that_is_gone_is_not_said_to_be_here_any_more() -> None:
    exchange = holder(None, A, B)
    (load,) = of(exchange.receive(A, ask(7), 0), Load)
    effects = exchange.loaded(load.ticket, b"", 0)
    assert of(effects, Lost)[0].reason == "chunk 7 is not on the disk any more"
    assert {peer for peer, frame in said(effects) if frame == Hold(LARGE_REFERENCE.id, 0, 38)} == {
        A,
        B,
    }


def test_chunks_damaged_before_the_seal_are_fetched_again() -> None:
    world = World(1, [Vice.NONE, Vice.NONE])
    first, second = world.boxes
    world.give(first, list(range(CHUNKS)))
    world.give(second, list(range(CHUNKS)))
    second.disk.chunks[REFERENCE.id, 2] = b"torn"
    world.link(first, second)
    world.settle()
    assert second.completed == [REFERENCE.id]
    assert second.disk.chunks[REFERENCE.id, 2] == chunk(2)


def test_a_reference_that_contradicts_itself_fails_and_blames_nobody() -> None:
    false = Reference(bytes(32), REFERENCE.size, REFERENCE.tree)
    world = World(1, [Vice.NONE, Vice.NONE])
    first, second = world.boxes
    first.disk.complete[false.id] = None
    world.give(first, list(range(CHUNKS)), false)
    world.want(second, false)
    world.link(first, second)
    world.settle()
    assert not second.blamed
    assert "must sign a true one" in second.failed[0]
    assert second.exchange.progress()[0].state is State.FAILED


# Changing one's mind.


def test_what_is_forgotten_is_neither_asked_for_nor_served() -> None:
    exchange = fetcher(A)
    owed = asked(exchange.receive(A, hold(), 0), A)
    (store,) = of(exchange.receive(A, send_chunk(owed[0]), 0), Store)
    exchange.receive(A, body(Note(Kind.WANT, LARGE_REFERENCE.id)), 0)
    frames = [frame for _, frame in said(exchange.forget(LARGE_REFERENCE.digest, 0))]
    assert Note(Kind.UNWANT, LARGE_REFERENCE.id) in frames
    assert Hold(LARGE_REFERENCE.id, 0, 38) in frames
    assert exchange.stored(store.ticket, 0) == []
    assert exchange.receive(A, send_chunk(owed[1]), 0) == []
    assert exchange.statistics().unasked == 1
    effects = exchange.receive(A, ask(owed[0]), 0)
    assert said(effects) == [(A, Indices(Kind.REFUSE, LARGE_REFERENCE.id, (owed[0],)))]
    assert exchange.progress() == ()


def test_an_answer_to_what_was_forgotten_in_between_changes_nothing() -> None:
    exchange = Exchange(ExchangeLimits(), Random(1))
    (old,) = exchange.want(REFERENCE, 0)
    exchange.forget(REFERENCE.digest, 0)
    (new,) = exchange.want(REFERENCE, 0)
    assert exchange.resumed(old.ticket, Found(LEAVES, FULL, is_complete=True), 0) == []
    assert exchange.progress()[0].state is State.RESUMING
    assert of(exchange.resumed(new.ticket, Found(LEAVES, FULL, is_complete=True), 0), Complete)


def test_what_was_wanted_and_is_put_here_otherwise_is_complete() -> None:
    exchange = fetcher(A)
    exchange.receive(A, hold(), 0)
    effects = exchange.have(LARGE_REFERENCE, LARGE_LEAVES, 0)
    assert (A, Note(Kind.UNWANT, LARGE_REFERENCE.id)) in said(effects)
    assert exchange.is_complete(LARGE_REFERENCE.digest)
    assert exchange.statistics().requests == 0
    assert exchange.have(LARGE_REFERENCE, LARGE_LEAVES, 0) == []


def test_failed_is_said_once() -> None:
    exchange = Exchange(ExchangeLimits(), Random(1))
    (resume,) = exchange.want(REFERENCE, 0)
    (seal,) = exchange.resumed(resume.ticket, Found(LEAVES, FULL), 0)
    assert of(exchange.sealed(seal.ticket, Sealed(is_complete=False), 0), Failed)
    assert exchange.want(REFERENCE, 0) == []
