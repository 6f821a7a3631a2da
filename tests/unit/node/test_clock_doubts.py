"""Whose clock is called wrong: by whom, and when nothing may be signed by it."""

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from mesh.node.clock_doubts import (
    ALONE,
    CLOCK_BEHIND_MS_MAX,
    QUIET_MS_MAX,
    ClockDoubt,
    HeardClock,
    doubt_of,
)

NOW = 1_700_000_000_000
LATE = NOW + CLOCK_BEHIND_MS_MAX + 1
DAY = 86_400_000
TRUSTED = HeardClock(offset_ms=3, is_trusted=True, neighbours=1)

times = st.integers(NOW - 3 * QUIET_MS_MAX, NOW + 3 * CLOCK_BEHIND_MS_MAX) | st.just(LATE)
authors = st.dictionaries(st.sampled_from(("a", "b", "c", "d", "e")), times)


def told(doubt: ClockDoubt | None) -> ClockDoubt:
    assert doubt is not None
    return doubt


@given(st.none() | times, authors)
def test_nothing_is_refused_on_the_word_of_one_other(own: int | None, others: dict[str, int]):
    doubt = doubt_of(own, others, NOW)
    later = [name for name, at in others.items() if at >= LATE]
    own_later = own is not None and own >= LATE
    refuses = doubt is not None and doubt.refuses
    event(f"refuses: {refuses}, {len(later)} later, own later: {own_later}")
    assert refuses == (own_later or len(later) > 1)
    if later or own_later:
        assert "`date -u`" in told(doubt).text
    if doubt is not None and later and not own_later:
        assert any(name in doubt.text for name in later)


@given(st.none() | times, authors)
def test_a_clock_that_agrees_with_the_neighbours_is_never_called_wrong(
    own: int | None, others: dict[str, int]
):
    doubt = doubt_of(own, others, NOW, TRUSTED)
    later = any(at >= LATE for at in others.values())
    assert (doubt is not None) == later
    if doubt is not None:
        assert not doubt.refuses
        assert "the clock there is wrong" in doubt.text


def test_a_store_where_everything_is_of_now_says_nothing():
    assert doubt_of(None, {}, NOW) is None
    assert doubt_of(LATE - 1, {"a": LATE - 1, "b": LATE - 1}, NOW) is None
    assert doubt_of(NOW - QUIET_MS_MAX, {}, NOW) is None
    assert doubt_of(NOW - DAY, {"a": NOW}, NOW) is None, "one fact of today is enough"


@pytest.mark.parametrize(
    ("own", "others", "refuses", "words"),
    [
        (NOW + DAY, {}, True, "24 h behind what this key signed last: it is wrong now, or was"),
        (NOW + DAY, {"a": NOW}, True, "start the node: it signs where its clock agrees"),
        (NOW, {"a": NOW + DAY}, False, "a signed a fact dated 24 h from now: one of the two"),
        (NOW, {"a": NOW + 2 * DAY, "b": NOW + DAY}, True, "at least 24 h behind: a, b signed"),
        (NOW, dict.fromkeys("abcde", LATE), True, "1 h behind: a, b, c and 2 more signed"),
        (NOW - DAY, {"a": NOW - 2 * DAY}, False, "nobody here signed anything for 24 h, or"),
    ],
)
def test_a_store_alone(own: int, others: dict[str, int], *, refuses: bool, words: str):
    doubt = told(doubt_of(own, others, NOW, ALONE))
    assert words in doubt.text
    assert doubt.refuses is refuses


@pytest.mark.parametrize(
    ("offset_ms", "neighbours", "own", "refuses", "words"),
    [
        (-DAY, 2, NOW, True, "24 h ahead of its 2 neighbours': set it"),
        (DAY, 3, NOW, True, "24 h behind its 3 neighbours': set it"),
        (800, 2, NOW, True, "0.8 s behind its 2 neighbours'"),
        (-DAY, 1, NOW, False, "24 h ahead of its only neighbour's: one of the two is wrong"),
        (DAY, 1, NOW + DAY, True, "behind what this key signed last"),
    ],
)
def test_a_running_node_that_disagrees_with_its_neighbours(
    offset_ms: int, neighbours: int, own: int, *, refuses: bool, words: str
):
    heard = HeardClock(offset_ms=offset_ms, is_trusted=False, neighbours=neighbours)
    doubt = told(doubt_of(own, {}, NOW, heard))
    assert words in doubt.text
    assert doubt.refuses is refuses
