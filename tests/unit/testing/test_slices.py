"""Slow processes: the share of time that they run, and that nobody is left standing still."""

from pathlib import Path
from signal import SIGCONT, SIGSTOP

from hypothesis import given
from hypothesis import strategies as st

from mesh.node.nursery import Parent
from mesh.node.processes import Processes
from mesh.testing.wires.slices import SLOW_MAX, Slices
from mesh.units import MS, SECOND

PID = 7


class Kernel:
    """Knows who is stopped."""

    def __init__(self):
        self.stopped: set[int] = set()

    def kill(self, pid: int, number: int) -> None:
        assert number in (SIGSTOP, SIGCONT)
        (self.stopped.add if number == SIGSTOP else self.stopped.discard)(pid)


@given(st.floats(1.5, SLOW_MAX))
def test_a_slow_process_runs_its_share(factor: float):
    kernel = Kernel()
    slices = Slices(kernel.kill)
    slices.slow(PID, factor, 0)
    ran = 0
    for now_ms in range(20_000):
        if (due := slices.next_ns()) is not None and due <= now_ms * MS:
            slices.turn(now_ms * MS)
        ran += PID not in kernel.stopped
    assert 0.8 / factor < ran / 20_000 < 1.3 / factor + 0.01


def test_who_is_well_again_asked_or_forgotten_runs():
    kernel = Kernel()
    slices = Slices(kernel.kill)
    assert slices.next_ns() is None
    for pid in (1, 2, 3):
        slices.slow(pid, 10, 0)
    slices.turn(0)
    assert kernel.stopped == {1, 2, 3}
    slices.slow(1, 1, 5)
    slices.forget(2)
    assert kernel.stopped == {3}
    slices.let_run(5)
    assert kernel.stopped == set()
    assert slices.next_ns() == 5 + SECOND // 20, "it runs for a whole turn"


def test_a_process_that_is_gone_is_no_trouble():
    slices = Slices(lambda pid, number: (_ for _ in ()).throw(ProcessLookupError(pid)))
    slices.slow(PID, 10, 0)
    slices.turn(0)
    slices.let_run(1)
    slices.hold(1 << 30)
    slices.release(1 << 30)


def echo(parent: Parent) -> None:
    while not parent.is_stopped:
        if (said := parent.take(None)) is not None:
            parent.tell(said)


def test_who_is_held_does_nothing_until_released():
    with Processes() as processes:
        child = processes.start(echo)
        slices = Slices()
        slices.hold(child.pid)
        child.tell("hello")
        state = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]
        assert state == "T"
        slices.release(child.pid)
        assert child.receive_within(5) == "hello"
