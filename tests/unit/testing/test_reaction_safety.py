"""ReactionSafety, request by request: who is near, in time by the clocks there are, and once."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.choreography.reactions import RequestDecision
from mesh.testing.checkers.reaction_safety import ReactionSafety
from mesh.testing.fleets.sight import Delivered, Sight, Spoken

HEARER, SPEAKER = "north/box-0", "south/box-1"
SAID = bytes(32)


def judged(at_s: float = 0.2, *, to_s: float = 0.0, by_s: float = 0.0, **spoken: Any) -> list[str]:
    """What is wrong with a request at a time after what was said, given how clocks are wrong."""
    event: Any = SimpleNamespace(id=SAID)
    heard = Delivered(at_s, HEARER, event, RequestDecision.MAKE, to_s)
    box: Any = SimpleNamespace(name=HEARER, key=b"hearer", is_up=True)
    sight = Sight(
        now_s=at_s,
        step="",
        is_last=False,
        is_whole=True,
        is_idle=True,
        calm_s=0.0,
        boxes=[box],
        deliveries=[heard],
        facts=(),
        spoken={SAID: Spoken(0.0, b"speaker", SPEAKER, ahead_s=by_s, **spoken)},
        places={HEARER: (48.0, 11.0), SPEAKER: (48.003, 11.0)},
        listen_m=600.0,
    )
    return [breach.evidence for breach in ReactionSafety().look(sight)]


def test_what_still_lives_may_be_answered_and_what_is_over_may_not():
    assert not judged(1.4)
    assert judged(2.4) == [
        "at 2.4 s it asked for a reaction to south/box-1 1.4 s after that was over"
    ]
    assert not judged(2.4, ttl_s=2.0)


@pytest.mark.parametrize(
    ("by_s", "to_s", "is_right"),
    [(2.0, 0.0, True), (0.0, -2.0, True), (1.0, -1.0, True), (0.5, 0.0, False), (2.0, 2.0, False)],
)
def test_it_lives_by_the_clocks_of_who_speaks_and_who_hears(
    by_s: float, to_s: float, is_right: bool
):
    """Found by a night: a black hole held for 2.4 s what a box said whose clock was 2 s ahead."""
    assert bool(judged(2.4, by_s=by_s, to_s=to_s)) is not is_right


@given(st.floats(0, 5), st.floats(-5, 5))
def test_clocks_that_are_wrong_alike_change_nothing(at_s: float, off_s: float):
    at_s, off_s = round(at_s, 2), round(off_s, 2)
    assert judged(at_s, by_s=off_s, to_s=off_s) == judged(at_s)
