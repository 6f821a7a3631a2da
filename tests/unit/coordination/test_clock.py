"""Whether the own clock is believed: by the median, and by the frame that was delayed least."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.coordination.clock import FRAMES_MAX, PEERS_MAX, ClockConsensus

SKEW_MS = 500
HOUR_MS = 3_600_000


def peer(number: int) -> bytes:
    return number.to_bytes(32)


def test_alone_it_trusts_itself() -> None:
    clock = ClockConsensus(SKEW_MS)
    assert clock.trusted
    assert (clock.offset_ms, clock.witnesses) == (0, 0)
    for number in (1, 1, 2):
        clock.heard(peer(number), 0, 0)
    assert clock.witnesses == 2
    clock.forget(peer(1))
    assert clock.witnesses == 1


@given(
    skews=st.lists(st.integers(-SKEW_MS, SKEW_MS), min_size=3, max_size=9),
    delays=st.lists(st.integers(0, 60_000), min_size=1, max_size=30),
)
def test_a_box_too_busy_to_read_its_mail_does_not_doubt_itself(
    skews: list[int], delays: list[int]
) -> None:
    clock = ClockConsensus(SKEW_MS)
    for number, skew in enumerate(skews):
        for delay in [0, *delays[: FRAMES_MAX - 1]]:
            clock.heard(peer(number), 1_000_000 + skew, 1_000_000 + delay)
    assert clock.trusted


@given(
    skews=st.lists(st.integers(-SKEW_MS, SKEW_MS), min_size=1, max_size=9),
    wrong=st.sampled_from((HOUR_MS, -HOUR_MS)),
    delays=st.lists(st.integers(0, 10_000), min_size=1, max_size=FRAMES_MAX),
)
def test_a_box_an_hour_off_is_not_believed(skews: list[int], wrong: int, delays: list[int]) -> None:
    clock = ClockConsensus(SKEW_MS)
    for number, skew in enumerate(skews):
        for delay in delays:
            clock.heard(peer(number), HOUR_MS + skew, HOUR_MS + wrong + delay)
    assert not clock.trusted
    assert abs(clock.offset_ms + wrong) <= SKEW_MS + max(delays)


@given(liars=st.integers(0, 4), lie=st.integers(-(2**50), 2**50))
def test_fewer_than_half_cannot_make_it_doubt(liars: int, lie: int) -> None:
    clock = ClockConsensus(SKEW_MS)
    for number in range(5 + liars):
        clock.heard(peer(number), lie if number >= 5 else 7, 0)
    assert clock.trusted
    assert clock.offset_ms == (7 if liars < 5 else clock.offset_ms)


def test_only_the_last_frames_count() -> None:
    clock = ClockConsensus(SKEW_MS)
    clock.heard(peer(1), HOUR_MS, 0)
    assert not clock.trusted
    for _ in range(FRAMES_MAX):
        clock.heard(peer(1), 1, 0)
    assert clock.trusted
    assert clock.offset_ms == 1


def test_who_leaves_has_no_say() -> None:
    clock = ClockConsensus(SKEW_MS)
    clock.heard(peer(1), HOUR_MS, 0)
    clock.forget(peer(1))
    clock.forget(peer(2))
    assert clock.trusted


def test_only_so_many_are_remembered() -> None:
    clock = ClockConsensus(SKEW_MS)
    for number in range(PEERS_MAX):
        clock.heard(peer(number), 0, 0)
    for number in range(PEERS_MAX, 3 * PEERS_MAX):
        clock.heard(peer(number), HOUR_MS, 0)
    assert clock.trusted
    for number in range(PEERS_MAX):
        clock.heard(peer(number), 3, 0)
    assert clock.offset_ms == 3, "those who are remembered go on to be heard"
