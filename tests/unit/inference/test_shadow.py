"""What live frames made of a candidate reaches its report, and makes it no better than it was.

Said of the figure first, then of the slots that keep it: it is written with the swap, so whoever
crashes before the good report tells it still.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.canary import PPM, ShadowTally
from inference.slot_events import OutcomeKind
from inference.slot_record import METRICS_MAX
from tests.unit.inference.slot_box import DIGESTS, Box, World, survives

A, B, *_ = DIGESTS
FIGURE = "figure 0"
LIVE = 7_000_000
"""Above any figure of a self-test here."""

FRAMES_MAX = 200
counts = st.integers(0, FRAMES_MAX).flatmap(
    lambda frames: st.tuples(st.just(frames), st.integers(0, frames))
)


def tally(frames: int, disagreeing: int) -> ShadowTally:
    made = ShadowTally()
    for number in range(frames):
        made.compare(True, number >= disagreeing)
    return made


@given(counts, counts)
def test_live_frames_only_ever_add_to_what_canary_frames_found(
    canary: tuple[int, int], live: tuple[int, int]
):
    (frames, disagreeing), (more, odd) = canary, live
    alone, worst = tally(*canary).disagreement_ppm, tally(*canary).worst_with(tally(*live))
    if alone is None or worst is None:
        assert alone is worst is None, "live frames alone are no measurement"
        return
    assert alone <= worst <= PPM
    assert worst in (alone, PPM * (disagreeing + odd) // (frames + more))
    assert worst >= PPM * (disagreeing + odd) // (frames + more)
    if odd < more:
        assert worst <= (tally(*canary).worst_with(tally(more, odd + 1)) or 0)


@given(counts.filter(lambda drawn: drawn[0] > 0), st.integers(0, FRAMES_MAX))
def test_a_quiet_street_dilutes_nothing_and_an_odd_frame_weighs_no_more_than_a_canary_frame(
    canary: tuple[int, int], quiet: int
):
    alone = tally(*canary).disagreement_ppm
    assert tally(*canary).worst_with(tally(quiet, 0)) == alone
    odd = tally(*canary).worst_with(tally(quiet + 1, 1))
    assert odd is not None
    assert alone is not None
    assert odd - alone <= PPM // canary[0] + 1


@pytest.fixture
def world() -> World:
    return World(live={FIGURE: LIVE})


@pytest.fixture
def box(world: World) -> Box:
    return Box(world).start()


def test_what_its_shadow_measured_is_in_the_good_report(box: Box):
    box.roll_out(A)
    started, good = box.outcomes
    assert started.metrics != good.metrics
    assert good.metrics == {FIGURE: LIVE}


def test_what_was_not_measured_in_the_self_test_is_not_kept(box: Box, world: World):
    """So a record stays one that can be read back, whatever a host tells."""
    world.live = {f"figure {number}": LIVE for number in range(METRICS_MAX + 1)}
    box.roll_out(A)
    assert box.outcomes[-1].metrics == {FIGURE: LIVE}
    assert Box(world).start().running == A


def test_another_ones_shadow_is_no_measurement_of_what_lies_there_tested(box: Box):
    box.roll_out(B)
    box.want(A)
    tested = box.outcomes[-1].metrics
    box.want(B)
    assert box.candidate is None, "nobody is in shadow any more"
    box.want(A, attempt=2)
    box.go(A)
    box.frame()
    assert (box.running, box.outcomes[-1].kind) == (A, OutcomeKind.GOOD)
    assert box.outcomes[-1].metrics == tested


def test_a_full_disk_at_the_swap_loses_nothing_that_the_shadow_measures(box: Box, world: World):
    box.want(A)
    world.disk.is_full = True
    box.go(A)
    assert box.running is None
    world.disk.is_full = False
    world.live = {FIGURE: LIVE + 1}
    box.go(A)
    box.frame()
    assert box.outcomes[-1].metrics == {FIGURE: LIVE + 1}


@pytest.mark.parametrize("share", [-1.0, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("write", [1, 2])
def test_a_crash_between_the_swap_and_the_report_keeps_what_the_shadow_measured(
    box: Box, world: World, write: int, share: float
):
    box.want(A)
    world.disk.die_in = (world.disk.writes + write, share)
    assert not survives(lambda: (box.go(A), box.frame()))
    world.disk.die_in = None
    again = Box(world).start()
    swapped = write > 1 or share == 1.0
    assert again.running == (A if swapped else None)
    again.roll_out(A)
    assert again.outcomes[-1].kind is OutcomeKind.GOOD
    assert (again.outcomes[-1].metrics == {FIGURE: LIVE}) == swapped, "a shadow ends with its life"
