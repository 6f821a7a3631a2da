"""What runs in a slot, and its proof of life: the lower half of the machine in `inference.slots`.

It holds the record and the one write that may be on its way to the disk, decides at a start what to
load, and judges what was loaded by its first good live inference.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from inference.slot_events import Activate, Effect, Event, Persist, Seen, Tick
from inference.slot_moves import (
    failed_report,
    failure_of,
    good_report,
    without_active,
    without_unsound,
)
from inference.slot_record import Failure, Key, SlotRecord

__all__ = ["PROOF_DEADLINE_NS", "TRIAL_STARTS_MAX", "VOUCHED_STARTS_MAX", "Running"]

PROOF_DEADLINE_NS = 30_000_000_000
"""Nanoseconds within which what was swapped in has to give a good live inference."""

TRIAL_STARTS_MAX = 2
"""Starts that something has which was never seen to work here, its swap counted as one."""

VOUCHED_STARTS_MAX = 8
"""Starts that something has which worked before: power may fail often, and cameras be dark."""


@dataclass(frozen=True, slots=True)
class _Write:
    """A record on its way to the disk, and what comes after."""

    record: SlotRecord
    then: Callable[[int], list[Effect]]
    otherwise: Callable[[int, str], list[Effect]]


class Running(ABC):
    """What runs; see `inference.slots.Slots`."""

    def __init__(
        self,
        record: SlotRecord,
        intact: tuple[bool, bool] = (True, True),
        *,
        deadline_ns: int = PROOF_DEADLINE_NS,
    ) -> None:
        self._record = record
        self._durable: SlotRecord | None = record  # None: a write failed, and may be there or not
        self._intact = intact
        self._deadline_ns = deadline_ns
        self._wanted: Key | None = None
        self._proving_since_ns: int | None = None
        self._problem = ""
        self._write: _Write | None = None
        self._inbox: deque[Event] = deque()

    @property
    def record(self) -> SlotRecord:
        """What is durable, or was meant to be where the disk failed."""
        return self._record

    @property
    def proving(self) -> bool:
        """Whether what runs has not given a good live inference since it was loaded."""
        return self._proving_since_ns is not None

    def start(self, now_ns: int) -> list[Effect]:
        """Decide what runs after a start of the process; once, before anything else."""
        record, failures = without_unsound(self._record, self._intact), ()
        held = record.side(record.active)
        limit = VOUCHED_STARTS_MAX if held is not None and held.vouched else TRIAL_STARTS_MAX
        if held is not None and record.starts >= limit:
            reason = f"{record.starts} starts without one good inference: it ends its process"
            failures = (Failure(held.key, reason),)
            record = without_active(record, failures)
        if record.active is not None:
            record = replace(record, starts=record.starts + 1)

        def begin(now_ns: int) -> list[Effect]:
            reports = [failed_report(failure) for failure in failures]
            return [*self._activated(now_ns), *reports]

        def unwritten(now_ns: int, _: str) -> list[Effect]:
            held = record.side(record.active)
            safe = record if held is None or held.vouched else without_active(record, ())
            self._record = safe
            return begin(now_ns)

        return self._commit(record, begin, unwritten, now_ns)

    def handle(self, event: Event, now_ns: int) -> list[Effect]:
        """Take what happened; returns what is to be done, in order."""
        if self._write is not None and isinstance(event, Tick | Seen):
            return []  # both come again, and neither can wait for a slow disk without end
        self._inbox.append(event)
        return self._drain(now_ns)

    def persisted(self, now_ns: int) -> list[Effect]:
        """The record of the last `Persist` is durable."""
        write, self._write = self._write, None
        assert write is not None, "persisted() answers a Persist"
        self._record = self._durable = write.record
        return [*write.then(now_ns), *self._drain(now_ns)]

    def persist_failed(self, reason: str, now_ns: int) -> list[Effect]:
        """The record of the last `Persist` could not be made durable."""
        write, self._write = self._write, None
        assert write is not None, "persist_failed() answers a Persist"
        self._durable = None
        return [*write.otherwise(now_ns, reason), *self._drain(now_ns)]

    def _drain(self, now_ns: int) -> list[Effect]:
        effects: list[Effect] = []
        while self._inbox and self._write is None:
            effects += self._step(self._inbox.popleft(), now_ns)
        return effects

    @abstractmethod
    def _step(self, event: Event, now_ns: int) -> list[Effect]:
        """Take one event; no write is on its way."""

    def _commit(
        self,
        record: SlotRecord,
        then: Callable[[int], list[Effect]],
        otherwise: Callable[[int, str], list[Effect]],
        now_ns: int,
    ) -> list[Effect]:
        """Have a record on disk before what relies on it."""
        if record == self._durable:
            self._record = record
            return then(now_ns)
        self._write = _Write(record, then, otherwise)
        return [Persist(record)]

    def _commit_anyway(
        self, record: SlotRecord, then: Callable[[int], list[Effect]], now_ns: int
    ) -> list[Effect]:
        """The same for what waits for no room: it is done, and written by a later tick."""

        def unwritten(now_ns: int, _: str) -> list[Effect]:
            self._record = record
            return then(now_ns)

        return self._commit(record, then, unwritten, now_ns)

    def _activated(self, now_ns: int) -> list[Effect]:
        """Load what the record says runs; it has to prove itself from now on."""
        self._proving_since_ns, self._problem = now_ns, ""
        return [Activate(self._record.active, self._record.digest)]

    def _seen(self, digest: bytes | None, problem: str | None, now_ns: int) -> list[Effect]:
        if digest != self._record.digest or self._proving_since_ns is None:
            return []
        if problem is not None:
            self._problem = problem
            return []
        active, held = self._record.active, self._record.side(self._record.active)
        record = replace(self._record, starts=0)
        if active is not None and held is not None:
            record = replace(record, sides=record.with_side(active, replace(held, vouched=True)))

        def then(_: int) -> list[Effect]:
            self._proving_since_ns = None
            if self._wanted is None or self._wanted.digest != digest:
                return []
            return [good_report(self._wanted, {} if held is None else held.metrics)]

        def unwritten(now_ns: int, _: str) -> list[Effect]:
            self._proving_since_ns = now_ns  # it works; the next frame tries to write that again
            return []

        return self._commit(record, then, unwritten, now_ns)

    def _overdue(self, now_ns: int) -> list[Effect]:
        """Judge what runs once its deadline is over."""
        since, held = self._proving_since_ns, self._record.side(self._record.active)
        if since is None or held is None or now_ns - since < self._deadline_ns:
            return []
        if held.vouched and not self._problem:
            self._proving_since_ns = now_ns
            return []
        reason = f"no good live inference within {self._deadline_ns / 1e9:g} s"
        return self._back(f"{reason}; {self._problem}" if self._problem else reason, now_ns)

    def _is_wanted(self, digest: bytes | None) -> bool:
        return self._wanted is not None and self._wanted.digest == digest

    def _back(self, reason: str, now_ns: int) -> list[Effect]:
        """What runs failed: run what is vouched for, or the factory's, behind which is nothing."""
        held = self._record.side(self._record.active)
        if held is None:
            wanted = self._wanted if self._is_wanted(None) else None
            return [failed_report(failure_of(wanted or Key(None), reason))]
        failure = failure_of(held.key, reason)
        record = replace(without_active(self._record, (failure,)), starts=1)

        def then(now_ns: int) -> list[Effect]:
            return [*self._activated(now_ns), failed_report(failure)]

        return self._commit_anyway(record, then, now_ns)

    def _stopped(self, now_ns: int) -> list[Effect]:
        record = self._record
        if self.proving and record.starts > 0:
            record = replace(record, starts=record.starts - 1)
        return self._commit_anyway(record, lambda _: [], now_ns)
