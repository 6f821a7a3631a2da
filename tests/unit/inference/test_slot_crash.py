"""Whatever a box is doing, and in whichever write it dies, it comes up with a good slot.

A history of wishes, swaps, frames, failures and time is run over a disk that dies in the n-th
write, having written a part of it. What was vouched for before must still be there afterwards: it
runs, or it is what the box goes back to from something that is on trial.
"""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.slot_events import NotActivated, Stopped, Withdraw
from inference.slot_store import SlotStore
from inference.slots import TRIAL_STARTS_MAX
from tests.unit.inference.slot_box import DIGESTS, Box, Crash, World, refuge

digests = st.sampled_from(DIGESTS[:4])

Step = tuple[str, object]

steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("want"), st.none() | digests),
    st.tuples(st.just("roll out"), digests),
    st.tuples(st.just("go"), digests),
    st.tuples(st.just("frame"), st.sampled_from([None, None, "RunError"])),
    st.tuples(st.just("later"), st.sampled_from([1, 11, 31])),
    st.tuples(st.just("withdraw"), st.sampled_from(DIGESTS[3:5])),
    st.tuples(st.just("unloadable"), digests),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("restart"), st.none()),
)


def perform(box: Box, step: Step, attempt: int) -> Box:
    name, value = step
    match name:
        case "want":
            box.want(value, attempt)  # pyright: ignore[reportArgumentType]
        case "roll out":
            box.want(value, attempt)  # pyright: ignore[reportArgumentType]
            box.go(value)  # pyright: ignore[reportArgumentType]
            box.frame()
        case "go":
            box.go(value)  # pyright: ignore[reportArgumentType]
        case "frame":
            box.frame(value)  # pyright: ignore[reportArgumentType]
        case "later":
            box.later(value)  # pyright: ignore[reportArgumentType]
        case "withdraw":
            box.keeper.handle(Withdraw((value,)))  # pyright: ignore[reportArgumentType]
        case "unloadable":
            box.keeper.handle(NotActivated(value, "no memory"))  # pyright: ignore[reportArgumentType]
        case "stop":
            box.keeper.handle(Stopped())
        case _:
            return Box(box.world).start()
    return box


def until_it_dies(world: World, history: list[Step]) -> tuple[set[bytes | None], bool]:
    """Refuges before and after the step in which the process died, and whether it did."""
    before: set[bytes | None] = {None}
    try:
        box = Box(world).start()
        for number, step in enumerate(history):
            before = {refuge(world.disk)}
            box = perform(box, step, number + 1)
    except Crash:
        return before, True
    return {refuge(world.disk)}, False


def count_writes(history: list[Step]) -> int:
    world = World()
    until_it_dies(world, history)
    return world.disk.writes


@settings(max_examples=150)
@given(st.lists(steps, min_size=1, max_size=12), st.data())
def test_a_crash_in_any_write_leaves_a_good_slot(history: list[Step], data: st.DataObject):
    writes = count_writes(history)
    at = data.draw(st.integers(1, max(1, writes)), label="dies in write")
    share = data.draw(st.sampled_from([-1.0, 0.0, 0.3, 0.99, 1.0]), label="having written")
    world = World()
    world.disk.die_in = (at, share)
    before, died = until_it_dies(world, history)
    assert died == (writes >= 1)
    world.disk.die_in = None
    check_recovery(world, before)


@settings(max_examples=25)
@given(st.lists(steps, min_size=1, max_size=8))
def test_it_recovers_from_a_crash_in_every_single_write(history: list[Step]):
    for at in range(1, count_writes(history) + 1):
        for share in (-1.0, 0.5, 1.0):
            world = World()
            world.disk.die_in = (at, share)
            before, _ = until_it_dies(world, history)
            world.disk.die_in = None
            check_recovery(world, before)


def check_recovery(world: World, before: set[bytes | None]) -> None:
    """The box comes up, with what was good or on the way back to it, and goes on working."""
    record, _ = SlotStore(world.disk).load()
    box = Box(world).start()
    assert box.activated, "something runs"
    assert box.running not in record.withdrawn
    now = box.keeper.slots.record
    runs = now.side(now.active)
    assert (now.digest, len(box.activated)) == (box.running, 1)
    if runs is not None and not runs.vouched:
        assert now.starts <= TRIAL_STARTS_MAX
    safe = refuge(world.disk)
    vouched = {side.digest for side in now.sides if side is not None and side.vouched}
    lost = {one for one in before if one is not None} - vouched - set(record.withdrawn)
    failed = {failure.key.digest for failure in now.failed}
    assert lost <= failed, "what was vouched for is still there, or failed since"
    box.later(31)
    settled = box.running
    assert settled is None or settled == safe or settled in vouched
    fresh = DIGESTS[5]
    box.roll_out(fresh)
    assert box.running == fresh
    assert Box(world).start().running == fresh


def test_the_check_notices_a_box_that_overwrites_what_it_runs(monkeypatch):
    import inference.slots

    def the_side_that_runs(record) -> int:
        return record.active or 0

    monkeypatch.setattr(inference.slots, "free_side", the_side_that_runs)
    history: list[Step] = [("roll out", DIGESTS[0]), ("want", DIGESTS[1])]
    caught = 0
    for at in range(1, 20):
        world = World()
        world.disk.die_in = (at, 0.5)
        caught += not passes(lambda world=world: until_it_dies_and_recovers(world, history))
    assert caught


def until_it_dies_and_recovers(world: World, history: list[Step]) -> None:
    before, _ = until_it_dies(world, history)
    world.disk.die_in = None
    check_recovery(world, before)


def passes(check: Callable[[], None]) -> bool:
    try:
        check()
    except AssertionError:
        return False
    return True
