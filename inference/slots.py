"""Two slots and how a box changes from what it runs to what it shall run: a state machine.

One side runs, the other is spare. What shall run is put into the spare side, tested there beside
what runs, and only then swapped in; it is kept if it gives a good live inference within a deadline,
and else the box goes back by itself. Nothing here fetches, reads a clock or runs a network: events
come in with `now`, effects go out in the order in which they are to be performed.

    IDLE ─Want─▶ INSTALLING ─Installed─▶ TESTING ─Tested─▶ READY ─Go─▶ IDLE, proving ─Seen─▶ good
                 (spare emptied first)            (reports started)      └─ deadline ─▶ back

What makes it safe against a crash at any moment:

- The spare side is emptied in the record before it is written, and named there again only when it
  was written and tested. What runs, or is to be fallen back to, is never overwritten: while what
  runs is not vouched for, a third artefact waits until the box went back.
- A `Persist` comes before every effect that relies on it, and those effects are handed out only
  once it was `persisted`. Where that fails (a full disk), the box keeps what it runs and says so.
  Going back, giving up and withdrawing wait for no room; a tick that finds some writes them.
- Starts without a good inference are counted before anything is loaded. What ends its process goes
  after `TRIAL_STARTS_MAX` of them; what was vouched for before has `VOUCHED_STARTS_MAX`.
- A withdrawn digest is never loaded again, by nobody's wish; if it runs, the box goes back at once.
- There is always somewhere to go back to: the other side if it is vouched for, else the factory's.

A frame that could not be looked at is no verdict on what is vouched for: a camera may be dark. Only
what was just swapped in has to show itself within the deadline.
"""

import enum
from dataclasses import replace

from inference.slot_events import (
    Effect,
    Event,
    Go,
    Install,
    Installed,
    NotActivated,
    NotInstalled,
    Outcome,
    OutcomeKind,
    Report,
    Seen,
    Stopped,
    Test,
    Tested,
    Tick,
    Want,
    Withdraw,
)
from inference.slot_moves import (
    failed_report,
    failure_of,
    free_side,
    good_report,
    with_failures,
    without_active,
)
from inference.slot_record import METRICS_MAX, WITHDRAWN_MAX, Failure, Key, Side, SlotRecord
from inference.slot_running import (
    PROOF_DEADLINE_NS,
    TRIAL_STARTS_MAX,
    VOUCHED_STARTS_MAX,
    Running,
)

__all__ = [
    "PROOF_DEADLINE_NS",
    "RETRY_NS",
    "TRIAL_STARTS_MAX",
    "TRIES_MAX",
    "VOUCHED_STARTS_MAX",
    "Phase",
    "Slots",
]

RETRY_NS = 10_000_000_000
"""Nanoseconds after which something that waited for bytes or room is tried again."""

TRIES_MAX = 3
"""How often something is tested before it counts as what kills its process."""


class Phase(enum.Enum):
    """How far what shall run has come on the spare side."""

    IDLE = "idle"
    INSTALLING = "installing"
    TESTING = "testing"
    READY = "ready"


class Slots(Running):
    """The slots of one thing that a box runs: its detector, an agent, a configuration.

    Args:
        record: what is durable; `SlotRecord()` on a new box.
        intact: whether each side's file is what the record names.
        deadline_ns: for the first good live inference after a swap or a start.
    """

    def __init__(
        self,
        record: SlotRecord,
        intact: tuple[bool, bool] = (True, True),
        *,
        deadline_ns: int = PROOF_DEADLINE_NS,
    ) -> None:
        super().__init__(record, intact, deadline_ns=deadline_ns)
        self._phase = Phase.IDLE
        self._spare = 0
        self._retry_at_ns: int | None = None

    def __repr__(self) -> str:
        running = self._record.digest
        name = "the factory's" if running is None else running.hex()[:12]
        return f"<Slots {name} {'proving' if self.proving else 'runs'} {self._phase.value}>"

    @property
    def phase(self) -> Phase:
        """How far what shall run has come."""
        return self._phase

    @property
    def ready(self) -> bytes | None:
        """Digest of what was tested and waits to be swapped in; None if nothing does."""
        if self._phase is not Phase.READY or self._wanted is None:
            return None
        return self._wanted.digest

    def _step(self, event: Event, now_ns: int) -> list[Effect]:
        match event:
            case Want(key):
                return self._want(key, now_ns)
            case Installed(digest):
                return self._installed(digest, now_ns)
            case NotInstalled(digest, reason):
                return self._not_installed(digest, reason, now_ns)
            case Tested(digest, problem, metrics):
                return self._tested(digest, problem, metrics, now_ns)
            case Go(digest, figures):
                return self._swap(self._spare, figures, now_ns) if digest == self.ready else []
            case NotActivated(digest, reason):
                return self._back(reason, now_ns) if digest == self._record.digest else []
            case Seen(digest, problem):
                return self._seen(digest, problem, now_ns)
            case Withdraw(digests):
                return self._withdraw(digests, now_ns)
            case Tick():
                return self._tick(now_ns)
            case Stopped():
                return self._stopped(now_ns)

    # What shall run

    def _want(self, key: Key, now_ns: int) -> list[Effect]:
        digest, record = key.digest, self._record
        before, self._wanted, self._retry_at_ns = self._wanted, key, None
        failure = record.failure(key)
        if failure is None and digest is not None and digest in record.withdrawn:
            failure = Failure(key, "it is withdrawn, and is never loaded again")
        if failure is not None:
            self._phase = Phase.IDLE
            return [failed_report(failure)]
        if digest == record.digest:
            self._phase = Phase.IDLE
            return self._asked_for_what_runs(key, now_ns)
        if before is not None and before.digest == digest and self._phase is not Phase.IDLE:
            return self._asked_again(key, now_ns)
        self._phase = Phase.IDLE
        if self._is_on_trial():
            return self._leave_trial(key, now_ns)
        if digest is None:
            return self._swap(None, {}, now_ns)
        number = record.holding(digest)
        if number is None:
            return self._install(key, now_ns)
        self._spare = number
        held = record.side(number)
        if held is not None and held.vouched and not key.intent:
            return self._swap(number, {}, now_ns)
        return self._ready(now_ns)  # an intent's waits for its permission, though it worked before

    def _asked_for_what_runs(self, key: Key, now_ns: int) -> list[Effect]:
        """Remember for which intent it runs; it is good as soon as it was seen to work."""
        active, held = self._record.active, self._record.side(self._record.active)
        if active is None or held is None:
            return [] if self.proving else [good_report(key, {})]
        sides = self._record.with_side(active, replace(held, key=key))

        def then(_: int) -> list[Effect]:
            return [] if self.proving else [good_report(key, held.metrics)]

        return self._commit(replace(self._record, sides=sides), then, self._waiting, now_ns)

    def _asked_again(self, key: Key, now_ns: int) -> list[Effect]:
        """The same artefact for another intent, while it is on its way."""
        held = self._record.side(self._spare)
        if self._phase is not Phase.READY or held is None:
            return []
        sides = self._record.with_side(self._spare, replace(held, key=key))
        record = replace(self._record, sides=sides)
        return self._commit(record, self._ready, self._waiting, now_ns)

    def _is_on_trial(self) -> bool:
        held = self._record.side(self._record.active)
        return held is not None and not held.vouched

    def _leave_trial(self, key: Key, now_ns: int) -> list[Effect]:
        """Go back before a third artefact is put where the only vouched one lies."""

        def then(now_ns: int) -> list[Effect]:
            return [*self._activated(now_ns), *self._want(key, now_ns)]

        record = replace(without_active(self._record, ()), starts=1)
        return self._commit(record, then, self._waiting, now_ns)

    def _install(self, key: Key, now_ns: int) -> list[Effect]:
        record = self._record
        if record.trying == key and record.tries >= TRIES_MAX:
            return self._give_up(
                f"{record.tries} self-tests were begun and none ended: it ends its process", now_ns
            )
        self._spare = free_side(record)

        def then(_: int) -> list[Effect]:
            self._phase = Phase.INSTALLING
            return [Install(self._spare, key.digest or b"")]

        emptied = replace(record, sides=record.with_side(self._spare, None))
        return self._commit(emptied, then, self._waiting, now_ns)

    def _installed(self, digest: bytes, now_ns: int) -> list[Effect]:
        if self._phase is not Phase.INSTALLING or not self._is_wanted(digest):
            return []
        tries = self._record.tries + 1 if self._record.trying == self._wanted else 1

        def then(_: int) -> list[Effect]:
            self._phase = Phase.TESTING
            return [Test(self._spare, digest)]

        record = replace(self._record, trying=self._wanted, tries=tries)
        return self._commit(record, then, self._waiting, now_ns)

    def _not_installed(self, digest: bytes, reason: str, now_ns: int) -> list[Effect]:
        if self._phase is not Phase.INSTALLING or not self._is_wanted(digest):
            return []
        return self._waiting(now_ns, reason)

    def _waiting(self, now_ns: int, reason: str) -> list[Effect]:
        """Nothing failed: there are no bytes, or there is no room; ask again later."""
        if self._phase is not Phase.READY:
            self._phase = Phase.IDLE
        self._retry_at_ns = now_ns + RETRY_NS
        if self._wanted is None:
            return []
        return [Report(Outcome(OutcomeKind.WAITING, self._wanted, reason))]

    def _tested(
        self, digest: bytes, problem: str | None, metrics: dict[str, int], now_ns: int
    ) -> list[Effect]:
        wanted = self._wanted
        if self._phase is not Phase.TESTING or wanted is None or wanted.digest != digest:
            return []
        if problem is None and len(metrics) > METRICS_MAX:
            problem = f"{len(metrics)} figures, and a box keeps {METRICS_MAX}"
        if problem is not None:
            return self._give_up(f"self-test: {problem}", now_ns)
        sides = self._record.with_side(self._spare, Side(wanted, vouched=False, metrics=metrics))
        record = replace(self._record, sides=sides, trying=None, tries=0)
        return self._commit(record, self._ready, self._waiting, now_ns)

    def _ready(self, _now_ns: int) -> list[Effect]:
        self._phase = Phase.READY
        held = self._record.side(self._spare)
        assert held is not None, "what is ready lies on the spare side"
        return [Report(Outcome(OutcomeKind.STARTED, held.key, metrics=held.metrics))]

    def _give_up(self, reason: str, now_ns: int) -> list[Effect]:
        """Before the swap: nothing that runs is touched."""
        assert self._wanted is not None, "only what was wanted is given up"
        failure = failure_of(self._wanted, reason)
        failed = with_failures(self._record, (failure,))
        self._phase = Phase.IDLE

        def then(_: int) -> list[Effect]:
            return [failed_report(failure)]

        record = replace(self._record, failed=failed, trying=None, tries=0)
        return self._commit_anyway(record, then, now_ns)

    # What runs

    def _swap(self, number: int | None, figures: dict[str, int], now_ns: int) -> list[Effect]:
        """Run it; its figures are written with that, so no crash before its good report loses them.

        Only those that its self-test told are kept: so they stay as few as a record may hold.
        """
        record, wanted = self._record, self._wanted
        held = record.side(number)
        if number is not None and held is not None and wanted is not None:
            metrics = {name: figures.get(name, tested) for name, tested in held.metrics.items()}
            held = replace(held, key=wanted, metrics=metrics)
            record = replace(record, sides=record.with_side(number, held))
        record = replace(record, active=number, starts=1)

        def then(now_ns: int) -> list[Effect]:
            self._phase = Phase.IDLE
            return self._activated(now_ns)

        return self._commit(record, then, self._waiting, now_ns)

    def _tick(self, now_ns: int) -> list[Effect]:
        effects = self._overdue(now_ns)
        if self._write is None:
            effects += self._commit_anyway(self._record, self._again, now_ns)
        return effects

    def _again(self, now_ns: int) -> list[Effect]:
        if self._wanted is None or self._retry_at_ns is None or now_ns < self._retry_at_ns:
            return []
        self._retry_at_ns = None
        return self._want(self._wanted, now_ns)

    def _withdraw(self, digests: tuple[bytes, ...], now_ns: int) -> list[Effect]:
        known = dict.fromkeys((*self._record.withdrawn, *digests))
        record = replace(self._record, withdrawn=tuple(known)[-WITHDRAWN_MAX:])
        runs = self._record.digest
        effects: list[Effect] = []
        if self._wanted is not None and self._wanted.digest in digests:
            self._phase, self._retry_at_ns = Phase.IDLE, None
            effects = [
                failed_report(Failure(self._wanted, "it is withdrawn, and is never loaded again"))
            ]
        for number, held in enumerate(record.sides):
            if held is not None and held.digest in digests and number != record.active:
                record = replace(record, sides=record.with_side(number, None))
        if runs is not None and runs in digests:
            record = replace(without_active(record, ()), starts=1)

        def then(now_ns: int) -> list[Effect]:
            changed = self._record.digest != runs
            return [*(self._activated(now_ns) if changed else []), *effects]

        return self._commit_anyway(record, then, now_ns)
