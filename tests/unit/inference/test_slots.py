"""Two slots: what runs changes only for what was tested, and comes back when it does not work."""

from functools import partial

import pytest

from inference.errors import SlotError
from inference.slot_events import OutcomeKind, Persist, Seen, Stopped, Want, Withdraw
from inference.slot_record import METRICS_MAX, Key, SlotRecord
from inference.slots import TRIAL_STARTS_MAX, TRIES_MAX, VOUCHED_STARTS_MAX, Phase, Slots
from tests.unit.inference.slot_box import DIGESTS, Box, World, survives

A, B, C, D, *_ = DIGESTS
STARTED, GOOD, FAILED, WAITING = OutcomeKind


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def box(world: World) -> Box:
    return Box(world).start()


def test_a_new_box_runs_the_factorys_own(box: Box):
    assert box.activated == [None]
    box.frame()
    box.want(None)
    assert box.kinds() == [GOOD]


def test_it_is_tested_beside_what_runs_and_swapped_in_when_told(box: Box):
    key = box.want(A)
    assert box.tested == [A]
    assert box.running is None
    assert [(o.kind, o.key) for o in box.outcomes] == [(STARTED, key)]
    assert box.outcomes[0].metrics
    box.go(B)
    assert box.running is None
    box.go(A)
    assert box.running == A
    assert box.kinds() == [STARTED]
    box.frame()
    assert box.kinds() == [STARTED, GOOD]
    assert box.outcomes[1].metrics == box.outcomes[0].metrics


def test_what_fails_its_self_test_never_runs(box: Box, world: World):
    world.problems[A] = "canary frame 7: nothing like it"
    box.want(A)
    box.go(A)
    assert box.running is None
    assert box.kinds() == [FAILED]
    assert "canary frame 7" in box.outcomes[0].reason


def test_what_gives_no_good_inference_in_time_goes(box: Box):
    box.roll_out(A)
    box.want(B)
    box.go(B)
    box.frame("RunError: out of memory")
    box.later(29)
    assert box.running == B
    box.later(2)
    assert box.running == A
    assert box.outcomes[-1].kind is FAILED
    assert box.outcomes[-1].reason == (
        "no good live inference within 30 s; RunError: out of memory"
    )
    box.frame()
    assert box.want(B) == box.outcomes[-1].key
    assert box.kinds()[-2:] == [FAILED, FAILED]
    assert box.running == A


def test_it_starts_again_only_as_another_attempt(box: Box):
    box.want(A)
    box.go(A)
    box.later(31)
    assert (box.running, box.kinds()[-1]) == (None, FAILED)
    box.want(A, attempt=2)
    box.go(A)
    box.frame()
    assert (box.running, box.kinds()[-1]) == (A, GOOD)


def test_an_inference_by_another_digest_proves_nothing(box: Box):
    box.want(A)
    box.go(A)
    box.keeper.handle(Seen(None))
    box.keeper.handle(Seen(B))
    box.later(31)
    assert box.running is None


def test_a_model_that_cannot_be_loaded_live_goes_at_once(box: Box, world: World):
    box.roll_out(A)
    world.unloadable[B] = "no memory for it"
    box.want(B)
    box.go(B)
    assert box.running == A
    assert (box.kinds()[-1], box.outcomes[-1].reason) == (FAILED, "no memory for it")


def test_going_back_to_what_worked_here_is_one_swap(box: Box):
    box.roll_out(A)
    box.roll_out(B)
    tests = list(box.tested)
    box.keeper.handle(Want(Key(A)))
    assert box.running == A
    assert box.tested == tests
    box.frame()
    assert box.kinds()[-1] is GOOD


def test_what_an_intent_brings_again_waits_for_go_though_it_worked_here(box: Box):
    box.roll_out(A)
    box.roll_out(B)
    tests = list(box.tested)
    box.want(A, attempt=2)
    assert (box.running, box.kinds()[-1]) == (B, STARTED)
    box.go(A)
    box.frame()
    assert (box.running, box.kinds()[-1], box.tested) == (A, GOOD, tests)


def test_success_is_told_again_after_a_restart(box: Box, world: World):
    box.roll_out(A)
    again = Box(world).start()
    assert again.running == A
    again.want(A)
    assert again.kinds() == []
    again.frame()
    assert again.kinds() == [GOOD]
    assert again.outcomes[0].metrics == box.outcomes[-1].metrics


def test_a_dark_camera_is_no_verdict_on_what_worked_before(box: Box, world: World):
    box.roll_out(A)
    again = Box(world).start()
    for _ in range(5):
        again.later(31)
    assert again.running == A
    again.frame("RunError")
    again.later(31)
    assert again.running is None


def test_what_was_ready_is_ready_after_a_restart_without_another_test(box: Box, world: World):
    box.want(A)
    again = Box(world).start()
    assert again.running is None
    again.want(A)
    assert (again.kinds(), again.tested) == ([STARTED], [])


def test_what_ends_its_process_is_given_up_after_a_few_starts(box: Box, world: World):
    box.roll_out(A)
    world.kills_when_run = (B,)
    box.want(B)
    assert not survives(lambda: box.go(B))
    starts = 1
    while not survives((again := Box(world)).start):
        starts += 1
    assert starts <= TRIAL_STARTS_MAX
    assert again.running == A
    again.want(B)
    assert again.kinds()[-1] is FAILED
    assert "ends its process" in again.outcomes[-1].reason


def test_what_ends_its_process_in_its_self_test_is_given_up(box: Box, world: World):
    box.roll_out(A)
    world.kills_in_test = (B,)
    for _ in range(TRIES_MAX):
        assert not survives(partial(box.want, B))
        box = Box(world).start()
        assert box.running == A
    box.want(B)
    assert box.kinds() == [FAILED]
    assert "ends its process" in box.outcomes[0].reason


def test_what_worked_has_more_starts_and_an_orderly_end_is_none(box: Box, world: World):
    box.roll_out(A)
    for _ in range(VOUCHED_STARTS_MAX):
        box = Box(world).start()
        assert box.running == A
    box.keeper.handle(Stopped())
    assert Box(world).start().running == A
    assert Box(world).start().running is None


def test_a_withdrawn_artefact_never_runs_again(box: Box, world: World):
    box.roll_out(A)
    box.roll_out(B)
    box.keeper.handle(Withdraw((B, C)))
    assert box.running == A
    for digest in (B, C):
        box.want(digest)
        box.go(digest)
        assert box.running == A
        assert (box.kinds()[-1], "withdrawn" in box.outcomes[-1].reason) == (FAILED, True)
    again = Box(world).start()
    again.want(B)
    again.go(B)
    assert again.running == A
    again.keeper.handle(Withdraw((A,)))
    assert again.running is None
    assert Box(world).start().running is None


def test_withdrawn_while_it_is_ready_it_is_not_swapped_in(box: Box):
    box.want(A)
    box.keeper.handle(Withdraw((A,)))
    assert box.kinds() == [STARTED, FAILED]
    box.go(A)
    assert box.running is None


def test_what_is_not_here_is_waited_for_and_no_failure(box: Box, world: World):
    raw = world.here.pop(A)
    box.want(A)
    assert box.kinds() == [WAITING]
    assert "not on this box yet" in box.outcomes[0].reason
    box.later(5)
    world.here[A] = raw
    assert box.kinds() == [WAITING]
    box.later(6)
    assert box.kinds() == [WAITING, STARTED]


def test_other_bytes_than_asked_for_are_not_put_in(box: Box, world: World):
    world.here[A] = world.here[B]
    box.want(A)
    assert (box.kinds(), box.tested) == ([WAITING], [])


def test_a_full_disk_leaves_what_runs_and_says_so(box: Box, world: World):
    box.roll_out(A)
    world.disk.is_full = True
    box.want(B)
    assert (box.running, box.kinds()[-1]) == (A, WAITING)
    assert "No space left" in box.outcomes[-1].reason
    assert Box(world).start().running == A
    world.disk.is_full = False
    box.later(11)
    box.go(B)
    box.frame()
    assert (box.running, box.kinds()[-1]) == (B, GOOD)


def test_a_full_disk_at_the_swap_is_tried_again(box: Box, world: World):
    box.roll_out(A)
    box.want(B)
    world.disk.is_full = True
    box.go(B)
    assert (box.running, box.kinds()[-1]) == (A, WAITING)
    world.disk.is_full = False
    box.go(B)
    assert box.running == B


def test_on_a_full_disk_it_still_goes_back(box: Box, world: World):
    box.roll_out(A)
    box.want(B)
    box.go(B)
    world.disk.is_full = True
    box.later(31)
    assert (box.running, box.kinds()[-1]) == (A, FAILED)


def test_what_is_withdrawn_on_a_full_disk_stays_withdrawn(box: Box, world: World):
    world.disk.is_full = True
    box.keeper.handle(Withdraw((A,)))
    world.disk.is_full = False
    box.later(1)
    again = Box(world).start()
    again.want(A)
    again.go(A)
    assert (again.running, again.kinds()) == (None, [FAILED])


def test_what_is_given_up_on_a_full_disk_stays_given_up(box: Box, world: World):
    world.problems[A] = "canary frame 7: nothing like it"
    fill_up_in_the_test(box, world)
    key = box.want(A)
    assert box.kinds() == [FAILED]
    world.disk.is_full = False
    box.later(1)
    again = Box(world).start()
    again.want(A)
    assert [(one.kind, one.key) for one in again.outcomes] == [(FAILED, key)]
    assert again.tested == []


def fill_up_in_the_test(box: Box, world: World) -> None:
    """Let the disk be full from the self-test on."""
    test = box.test

    def filling(data: bytes) -> tuple[str | None, dict[str, int]]:
        world.disk.is_full = True
        return test(data)

    box.test = filling


@pytest.mark.parametrize(
    ("count", "kinds"), [(METRICS_MAX, [STARTED]), (METRICS_MAX + 1, [FAILED])]
)
def test_more_figures_than_can_be_kept_are_no_pass(box: Box, world: World, count, kinds):
    box.roll_out(B)
    box.keeper.handle(Withdraw((D,)))
    world.figures[A] = count
    box.want(A)
    assert box.kinds()[2:] == kinds
    box.go(A)
    again = Box(world).start()
    assert again.running == (A if kinds == [STARTED] else B)
    assert again.keeper.slots.record.withdrawn == (D,)
    if kinds == [FAILED]:
        assert "figures" in box.outcomes[-1].reason


def test_a_record_that_could_not_be_read_back_is_never_written(box: Box, world: World):
    box.roll_out(A)
    files = dict(world.disk.files)
    with pytest.raises(SlotError, match="names nothing that can be asked for"):
        box.keeper.handle(Want(Key(A, bytes(65))))
    assert world.disk.files == files


def test_a_factorys_own_that_cannot_be_loaded_is_told(box: Box, world: World):
    box.roll_out(A)
    world.factory_problem = "its file is gone"
    key = box.want(None)
    assert box.is_blind
    assert (box.kinds()[-1], box.outcomes[-1].key) == (FAILED, key)
    box.want(B)
    box.go(B)
    box.frame()
    assert (box.running, box.is_blind, box.kinds()[-1]) == (B, False, GOOD)


def test_good_is_told_once_it_is_durable(box: Box, world: World):
    box.want(A)
    box.go(A)
    world.disk.is_full = True
    box.frame()
    box.later(25)
    assert box.kinds() == [STARTED]
    world.disk.is_full = False
    box.frame()
    assert box.kinds() == [STARTED, GOOD]


def test_the_vouched_one_is_not_overwritten_while_another_is_on_trial(box: Box, world: World):
    box.roll_out(A)
    box.want(B)
    box.go(B)
    box.want(C)
    assert box.running == A
    assert box.tested[-1] == C
    box.go(C)
    assert box.running == C
    box.later(31)
    assert box.running == A


def test_another_wish_on_the_way_takes_over(box: Box):
    box.want(A)
    box.want(B)
    box.go(A)
    assert box.running is None
    box.go(B)
    assert box.running == B


def test_the_same_artefact_for_another_intent_is_good_again(box: Box):
    box.roll_out(A)
    key = Key(A, b"another intent", 1)
    box.keeper.handle(Want(key))
    assert (box.kinds()[-1], box.outcomes[-1].key) == (GOOD, key)


def test_the_factorys_own_can_be_asked_for(box: Box, world: World):
    box.roll_out(A)
    box.want(None)
    assert box.running is None
    box.frame()
    assert box.kinds()[-1] is GOOD
    assert Box(world).start().running is None


def test_a_damaged_side_is_not_run(box: Box, world: World):
    box.roll_out(A)
    box.roll_out(B)
    side = next(f"side-{n}" for n in (0, 1) if world.disk.files[f"side-{n}"] == world.here[B])
    world.disk.files[side] = world.disk.files[side][:-1] + b"?"
    again = Box(world).start()
    assert again.running == A
    assert again.kinds() == []
    again.roll_out(B)
    assert again.running == B


def test_ticks_and_frames_do_not_pile_up_behind_a_slow_disk():
    slots = Slots(SlotRecord())
    slots.start(0)
    effects = slots.handle(Want(Key(A)), 0)
    assert [type(effect).__name__ for effect in effects] == ["Install"]
    assert slots.phase is Phase.INSTALLING
    from inference.slot_events import Installed

    (write,) = slots.handle(Installed(A), 0)
    assert isinstance(write, Persist)
    for _ in range(1000):
        assert slots.handle(Seen(None), 0) == []
    assert slots.handle(Want(Key(B)), 0) == []
    assert len(slots._inbox) == 1
    effects = slots.persisted(0)
    assert [type(effect).__name__ for effect in effects] == ["Test", "Install"]
