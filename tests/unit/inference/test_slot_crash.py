"""Whatever a box is doing, and in whichever write it dies, it comes up with a good slot.

A history of wishes, swaps, frames, failures and time is run over a disk that dies in the n-th
write, having written a part of it. What was vouched for before must still be there afterwards: it
runs, or it is what the box goes back to from something that is on trial. The disk may be full for a
while, and fail a write after any part of it; one of its files may be unreadable at the next start.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import SlotError
from inference.slot_events import NotActivated, OutcomeKind, Stopped, Withdraw
from inference.slot_store import FileDisk, SlotStore
from inference.slots import TRIAL_STARTS_MAX
from tests.unit.inference.slot_box import DIGESTS, Box, Crash, World, refuge

digests = st.sampled_from(DIGESTS[:4])

Step = tuple[str, Any]

steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("want"), st.none() | digests),
    st.tuples(st.just("roll out"), digests),
    st.tuples(st.just("go"), digests),
    st.tuples(st.just("frame"), st.sampled_from([None, None, "RunError"])),
    st.tuples(st.just("later"), st.sampled_from([1, 11, 31])),
    st.tuples(st.just("withdraw"), st.sampled_from(DIGESTS[3:5])),
    st.tuples(st.just("unloadable"), st.none() | digests),
    st.tuples(st.just("full"), st.sampled_from([0.0, 0.5, 1.0])),
    st.tuples(st.just("room"), st.none()),
    st.tuples(st.just("stop"), st.none()),
    st.tuples(st.just("restart"), st.none()),
)


def perform(box: Box, step: Step, attempt: int) -> Box:
    name, value = step
    match name:
        case "want":
            box.want(value, attempt)
        case "roll out":
            box.want(value, attempt)
            box.go(value)
            box.frame()
        case "go":
            box.go(value)
        case "frame":
            box.frame(value)
        case "later":
            box.later(value)
        case "withdraw":
            box.keeper.handle(Withdraw((value,)))
        case "unloadable":
            box.keeper.handle(NotActivated(value, "no memory"))
        case "full":
            box.world.disk.is_full, box.world.disk.written_when_full = True, value
        case "room":
            box.world.disk.is_full = False
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


@settings(max_examples=150)
@given(st.lists(steps, max_size=12))
def test_what_a_full_disk_refused_is_written_once_there_is_room(history: list[Step]):
    world = World()
    box = Box(world).start()
    withdrawn: set[bytes] = set()
    for number, (name, value) in enumerate(history):
        box = perform(box, (name, value), number + 1)
        if name == "withdraw":
            withdrawn.add(value)
        if name == "restart":
            withdrawn &= set(box.keeper.slots.record.withdrawn)
        check_candidate(box)
    world.disk.is_full = False
    box.later(1)
    record, intact = SlotStore(world.disk).load()
    assert record == box.keeper.slots.record
    assert intact == (record.sides[0] is not None, record.sides[1] is not None)
    assert withdrawn <= set(record.withdrawn)
    given_up = {one.key for one in box.outcomes if one.kind is OutcomeKind.FAILED}
    kept = {failure.key for failure in record.failed}
    assert {key for key in given_up if key.digest not in (None, *record.withdrawn)} <= kept
    assert record.digest == box.running


def check_candidate(box: Box) -> None:
    """Nothing stays beside what runs that is not about to be swapped in."""
    assert box.candidate in (None, box.keeper.slots.ready)


@given(
    st.lists(steps, max_size=12),
    st.sampled_from(["record-0", "record-1", "side-0", "side-1"]),
)
def test_one_file_that_cannot_be_read_keeps_no_box_from_starting(history: list[Step], name: str):
    world = World()
    until_it_dies(world, history)
    world.disk.is_full, world.disk.unreadable = False, name
    record, _ = SlotStore(world.disk).load()
    box = Box(world).start()
    assert box.activated, "something runs"
    assert box.running not in record.withdrawn
    assert box.running in (None, *(side.digest for side in record.sides if side is not None))


def check_recovery(world: World, before: set[bytes | None]) -> None:
    """The box comes up, with what was good or on the way back to it, and goes on working."""
    world.disk.is_full = False
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
    except (AssertionError, SlotError):
        return False
    return True


def test_the_check_notices_a_box_that_takes_for_written_what_is_not(monkeypatch):
    from inference.slot_running import Running

    def forgetful(self, record, then, otherwise, now_ns):
        self._durable = self._record
        return commit(self, record, then, otherwise, now_ns)

    commit = Running._commit
    history: list[Step] = [("roll out", DIGESTS[0]), ("full", 0.5), ("withdraw", DIGESTS[3])]
    check = test_what_a_full_disk_refused_is_written_once_there_is_room.hypothesis.inner_test
    assert passes(lambda: check(history))
    monkeypatch.setattr(Running, "_commit", forgetful)
    assert not passes(lambda: check(history))


@pytest.mark.parametrize("is_there", [False, True])
def test_a_written_name_is_durable_whoever_made_it(tmp_path: Path, monkeypatch, is_there: bool):
    """A process may have been killed between making a file and syncing its folder."""
    synced: list[Path] = []
    sync = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    folder = tmp_path / "slots"
    disk = FileDisk(folder)
    assert synced == [tmp_path]
    if is_there:
        (folder / "side-0").touch()
    disk.write("side-0", b"bytes")
    assert synced[1:] == [folder / "side-0", folder]
    assert disk.read("side-0") == b"bytes"
