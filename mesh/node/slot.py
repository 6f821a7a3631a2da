"""One slot of a node: goals in, answers out, the work in a thread of its own.

What may be done when, and how a crash is survived, is decided by `inference.slots`; whether to swap
is decided by the conductor. This passes one to the other: a goal becomes a wish, and "go" once the
conductor says that it may be swapped in; an outcome becomes an answer. One thread at a time works
on a slot, so what is told meanwhile waits in line.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import trio

from inference.slot_events import (
    Event,
    Go,
    Outcome,
    OutcomeKind,
    Seen,
    Stopped,
    Tick,
    Want,
    Withdraw,
)
from inference.slot_record import Key
from inference.slot_store import Host, SlotKeeper, SlotStore
from mesh.orchestration.goals import Answer, Failed, Goal, Good, Started, Waiting
from mesh.orchestration.report import Metrics

__all__ = ["MakeHost", "Slot", "folder_of"]

TICK_S = 1.0
"""How often a slot looks whether what it tried has shown itself, or may be tried again, seconds."""
QUEUE_MAX = 256
"""Things told to a slot that may wait for its thread; frames seen are not told beyond."""


class MakeHost(Protocol):
    """Makes what a slot is for, such as `inference.ModelHost`."""

    def __call__(
        self, *, fetch: Callable[[bytes], bytes | None], report: Callable[[Outcome], None]
    ) -> Host:
        """Return it.

        Args:
            fetch: the bytes of an artefact by its digest, None where they are not on the box.
            report: takes what became of what was asked for; called in the slot's thread.
        """
        ...


def folder_of(slot: str) -> str:
    """Return the folder of a slot within that of all slots: a name has no such character."""
    return slot.replace("/", "+")


class Slot:
    """A slot that this node has.

    Args:
        name: such as "model/detector".
        store: its two sides on the disk.
        make_host: makes what it is for.
        factory: digest of what it runs when nothing was rolled out; None for nothing.
        fetch: the bytes of an artefact by its digest, None where they are not on the box.
        answer: takes (slot, artefact, answer), in the loop's thread.
        now_ns: the clock, nanoseconds; read in the slot's thread.
    """

    def __init__(
        self,
        name: str,
        store: SlotStore,
        make_host: MakeHost,
        *,
        factory: bytes | None,
        fetch: Callable[[bytes], bytes | None],
        answer: Callable[[str, bytes, Answer], None],
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.name = name
        self.factory = factory
        self._answer = answer
        host = make_host(fetch=fetch, report=self._report)
        self._keeper = SlotKeeper(store, host, now_ns)
        self._goal: Goal | None = None
        self._queue: deque[Event] = deque()
        self._wake = trio.Event()

    def __repr__(self) -> str:
        return f"<Slot {self.name} {self._keeper!r}>"

    @property
    def running(self) -> bytes | None:
        """Digest of what it runs; the factory's where nothing was rolled out."""
        return self._keeper.slots.record.digest or self.factory

    @property
    def proving(self) -> bool:
        """Whether what it runs has yet to show itself: until then, tell it of live frames."""
        return self._keeper.slots.proving

    def want(self, goal: Goal, withdrawn: tuple[bytes, ...]) -> None:
        """Take a goal, and what must never be loaded again."""
        self._goal = goal
        if withdrawn:
            self._put(Withdraw(withdrawn))
        self._put(Want(self._key(goal)))
        self._go()

    def seen(self, artefact: bytes | None, problem: str | None = None) -> None:
        """A live frame was looked at by an artefact; `problem` None is a good inference.

        Cheap where what runs has shown itself already. Call it in the loop's thread.
        """
        if self.proving and len(self._queue) < QUEUE_MAX:
            ours = artefact == self.running
            self._put(Seen(self._keeper.slots.record.digest if ours else artefact, problem))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled; what runs is loaded before this is started.

        Raises:
            InferenceError: not even the factory's own can be loaded.
        """
        await trio.to_thread.run_sync(self._keeper.start)
        task_status.started()
        try:
            while True:
                with trio.move_on_after(TICK_S):
                    await self._wake.wait()
                self._wake = trio.Event()
                events, self._queue = list(self._queue) or [Tick()], deque()
                await trio.to_thread.run_sync(self._work, events)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(self._keeper.handle, Stopped())

    # ------------------------------------------------------------------------------- inside

    def _key(self, goal: Goal) -> Key:
        delivered = goal.artefact == self.factory and goal.intent is None
        digest = (
            None if delivered else goal.artefact
        )  # what an intent brings is tested and measured
        return Key(digest, goal.intent or b"", max(1, goal.attempt))

    def _go(self) -> None:
        goal = self._goal
        digest = None if goal is None else self._key(goal).digest
        if goal is not None and goal.swap and digest is not None:
            self._put(Go(digest))

    def _put(self, event: Event) -> None:
        self._queue.append(event)
        self._wake.set()

    def _work(self, events: list[Event]) -> None:
        for event in events:
            self._keeper.handle(event)

    def _report(self, outcome: Outcome) -> None:
        """Hand an outcome to the loop; called in the slot's thread."""
        trio.from_thread.run_sync(self._hear, outcome)

    def _hear(self, outcome: Outcome) -> None:
        artefact = outcome.key.digest or self.factory
        if artefact is None:
            return
        self._answer(self.name, artefact, _answer_of(outcome))
        if outcome.kind is OutcomeKind.STARTED:
            self._go()  # it was permitted before a restart


def _answer_of(outcome: Outcome) -> Answer:
    match outcome.kind:
        case OutcomeKind.STARTED:
            return Started()
        case OutcomeKind.GOOD:
            told = outcome.metrics or {}
            return Good(
                Metrics(
                    p95_us=told.get("p95_us"),
                    map50_ppm=told.get("map50_ppm"),
                    disagreement_ppm=told.get("disagreement_ppm"),
                    errors=told.get("errors", 0),
                )
            )
        case OutcomeKind.FAILED:
            return Failed(outcome.reason)
        case OutcomeKind.WAITING:
            return Waiting(outcome.reason)
