"""The replay window, the gap counters, and the token buckets, against plain lists."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.choreography.rates import Rate, TokenBuckets
from mesh.choreography.replay import Gap, ReplayWindow

NUMBERS = st.tuples(
    st.sampled_from([b"a", b"b", b"c"]),
    st.sampled_from([b"boot1", b"boot2"]),
    st.integers(0, 12),
)


def event_id(author: bytes, boot: bytes, n: int, copy: int) -> bytes:
    return b"%s %s %d %d" % (author, boot, n, copy)


@given(st.lists(NUMBERS, max_size=40), st.integers(1, 6), st.integers(1, 3))
def test_the_window_holds_the_last_numbers_of_the_last_authors(
    steps: list[tuple[bytes, bytes, int]], numbers_max: int, authors_max: int
):
    window = ReplayWindow(numbers_max=numbers_max, authors_max=authors_max)
    history: list[tuple[bytes, bytes, int]] = []
    forgotten_before: dict[bytes, int] = {}
    for author, boot, n in steps:
        if window.consumed(author, boot, n) is not None:
            continue
        window.consume(author, boot, n, event_id(author, boot, n, 0))
        history.append((author, boot, n))
        recent = list(dict.fromkeys(reversed([who for who, _, _ in history])))
        for gone in recent[authors_max:]:
            forgotten_before[gone] = len(history)
        for who in (b"a", b"b", b"c"):
            kept = [
                number
                for at, number in enumerate(history)
                if number[0] == who and at >= forgotten_before.get(who, 0)
            ]
            held = [
                number
                for number in dict.fromkeys(history)
                if window.consumed(*number) is not None and number[0] == who
            ]
            assert sorted(held) == sorted(kept[-numbers_max:])


@given(st.lists(st.integers(0, 30), unique=True, min_size=1))
def test_missed_is_what_lies_between_and_never_came(numbers: list[int]):
    window = ReplayWindow()
    for n in numbers:
        window.consume(b"a", b"boot", n, bytes(32))
    between = set(range(min(numbers), max(numbers) + 1)) - set(numbers)
    assert window.gaps() == {b"a": Gap(heard=len(numbers), missed=len(between))}


@given(st.lists(st.lists(st.integers(0, 9), unique=True, min_size=1), min_size=1, max_size=4))
def test_gaps_of_several_starts_add_up(starts: list[list[int]]):
    window = ReplayWindow()
    for boot, numbers in enumerate(starts):
        for n in numbers:
            window.consume(b"a", b"%d" % boot, n, bytes(32))
    missed = sum(max(numbers) - min(numbers) + 1 - len(numbers) for numbers in starts)
    assert window.gaps()[b"a"] == Gap(heard=sum(map(len, starts)), missed=missed)


def test_asking_changes_nothing_and_forgetting_is_counted():
    window = ReplayWindow(authors_max=1)
    assert window.consumed(b"a", b"boot", 1) is None
    assert window.gaps() == {}
    window.consume(b"a", b"boot", 1, b"one")
    assert window.consumed(b"a", b"boot", 1) == b"one"
    assert window.consumed(b"a", b"boot", 0) is None
    window.consume(b"b", b"boot", 1, b"two")
    assert window.forgotten == 1
    assert window.consumed(b"a", b"boot", 1) is None


def test_bounds_are_checked():
    for bounds in ({"numbers_max": 0}, {"authors_max": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            ReplayWindow(**bounds)
    with pytest.raises(ValueError, match="both at least 1"):
        Rate(per_s=0, burst=1)
    with pytest.raises(ValueError, match="at least 1"):
        TokenBuckets[str](Rate(per_s=1, burst=1), keys_max=0)


@given(
    st.integers(1, 50),
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 10**9)), max_size=60),
)
def test_a_bucket_is_exact(per_s: int, burst: int, steps: list[tuple[str, int]]):
    buckets = TokenBuckets[str](Rate(per_s=per_s, burst=burst), keys_max=2)
    tokens = {"a": Fraction(burst), "b": Fraction(burst)}
    now = 0
    for key, pause in steps:
        now += pause
        for each in tokens:
            tokens[each] = min(Fraction(burst), tokens[each] + Fraction(pause * per_s, 10**9))
        assert buckets.take(key, now) == (tokens[key] >= 1)
        tokens[key] -= tokens[key] >= 1


def test_buckets_are_bounded_and_a_clock_that_runs_back_gives_nothing():
    buckets = TokenBuckets[int](Rate(per_s=1, burst=1), keys_max=2)
    assert buckets.take(1, 10**9)
    assert not buckets.take(1, 0)
    for key in (2, 3, 4):
        assert buckets.take(key, 10**9)
    assert len(buckets) == 2
    assert not buckets.take(4, 10**9)
    buckets.forget(4)
    buckets.forget(99)
    assert buckets.take(4, 10**9)
