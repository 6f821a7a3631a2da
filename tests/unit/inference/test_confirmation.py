"""An incident is begun by two of three frames and ended by a while of nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import Change, Confirmation

NONE, BEGIN, UPDATE, END = Change.NONE, Change.BEGIN, Change.UPDATE, Change.END

frames = st.lists(st.booleans(), max_size=60)


def changes(seen: list[bool], **options: int) -> list[Change]:
    confirmation = Confirmation(**options)
    return [confirmation.feed(0.5 if frame else 0.0).change for frame in seen]


def expected(seen: list[bool], needed: int, window: int, release: int) -> list[Change]:
    """The definition, frame by frame, from the whole history."""
    result: list[Change] = []
    begun: int | None = None
    ended = -1
    for now in range(len(seen)):
        recent = seen[max(ended + 1, now - window + 1) : now + 1]
        confirmed = sum(recent) >= needed
        if begun is None and confirmed:
            begun = now
            result.append(BEGIN)
        elif begun is None:
            result.append(NONE)
        elif not any(seen[max(0, now - release + 1) : now + 1]):
            begun, ended = None, now
            result.append(END)
        else:
            result.append(UPDATE if confirmed and seen[now] else NONE)
    return result


@given(frames, st.integers(1, 5), st.integers(0, 3), st.integers(1, 8))
def test_it_follows_the_definition(seen: list[bool], needed: int, more: int, release: int):
    options = {"needed": needed, "window": needed + more, "release": release}
    assert changes(seen, **options) == expected(seen, **options)


@given(frames)
def test_begin_and_end_alternate_and_number_the_incidents(seen: list[bool]):
    confirmation = Confirmation()
    active, incidents = False, 0
    for frame in seen:
        step = confirmation.feed(0.5 if frame else 0.0)
        if step.change is BEGIN:
            assert frame
            assert not active
            active, incidents = True, incidents + 1
        elif step.change is END:
            assert active
            active = False
        elif step.change is UPDATE:
            assert frame
            assert active
        assert step.incident == incidents
        assert confirmation.active == active


@given(st.lists(st.integers(3, 9), max_size=12))
def test_single_frames_never_begin_an_incident(pauses: list[int]):
    seen = [frame for pause in pauses for frame in [True] + [False] * (pause - 1)]
    assert set(changes(seen)) <= {NONE}


def test_a_lorry_that_drives_past_does_not_split_an_incident():
    seen = [True] * 4 + [False] * 5 + [True] * 2 + [False] * 6
    assert changes(seen) == [
        *[NONE, BEGIN, UPDATE, UPDATE],
        *[NONE] * 5,
        *[NONE, UPDATE],
        *[NONE] * 5,
        END,
    ]


def test_the_confidence_is_the_best_so_far():
    confirmation = Confirmation()
    told = [confirmation.feed(confidence).confidence for confidence in (0.5, 0.6, 0.5, 0.8, 0.0)]
    assert told == [0.0, 0.6, 0.6, 0.8, 0.8]


@pytest.mark.parametrize("options", [{"needed": 0}, {"needed": 4, "window": 3}, {"release": 0}])
def test_rules_without_sense_are_refused(options: dict[str, int]):
    with pytest.raises(ValueError, match="expected 1 <= needed"):
        Confirmation(**options)


def test_a_dim_vehicle_begins_nothing_and_holds_what_goes_on():
    dim = Confirmation()
    assert {dim.feed(0.44).change for _ in range(10)} == {Change.NONE}
    told = [dim.feed(confidence).change for confidence in (0.5, 0.5, *([0.31] * 8), 0.5, 0.5)]
    assert told.count(Change.BEGIN) == 1
    assert Change.END not in told
