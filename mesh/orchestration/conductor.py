"""The conductor of one box: from what it knows and sees to what it runs, reports and signs.

Nobody steers a box. It looks at its own view of the rollouts and at who it sees, and decides:

1. *Back* comes first: what an intent that is dead brought must not run. The box goes to what the
   slot ran before, or, where that one's intent is dead too, to the last approved before it. It
   takes its own good report back, and starts that intent again only with a resume that it had not.
2. *A running attempt goes on* while it may. Before the swap anything that forbids a start stops
   it; after the swap only the intent's death does, because a freeze is not a rollback.
3. *Start*: the one live intent over my name, in a stage that is open to me, that nothing holds, if
   no bad report of mine is unforgiven. The attempt is prepared in the spare slot, reported
   `started`, and swapped only when a linked peer holds that report, if there is one: a model that
   kills its box must leave a trace.
4. Otherwise the box *stays* with what it runs.

And whoever holds the proof that a stage failed, while no halt counts, signs one.

A conductor is told of changes and answers with effects; it reads no clock and waits for nothing.
Its memory is written down before its other effects are performed, so a crash at any point recovers
to a decision that was made; what it remembers having said and its view does not show it says again.
See docs/rollouts.md.
"""

from collections.abc import Mapping
from dataclasses import replace

from identity.capability import is_at_or_under
from identity.keys import SecretKey
from mesh.orchestration.chores import fetches, forgotten, outlived
from mesh.orchestration.goals import (
    Answer,
    Effect,
    Failed,
    Goal,
    Good,
    Keep,
    Run,
    Started,
    Unsay,
    Waiting,
    Wake,
)
from mesh.orchestration.going_back import fallback, is_over, stage_of_start
from mesh.orchestration.halting import Halting
from mesh.orchestration.intent import Intent
from mesh.orchestration.memory import IntentMemory, Memory, Phase, Running, SlotMemory
from mesh.orchestration.opening import Opening, is_open
from mesh.orchestration.report import Metrics, Outcome, Verdict, report_topic, verdict_of
from mesh.orchestration.reporting import Reporting
from mesh.orchestration.rollouts import Rollout, Rollouts
from mesh.orchestration.sight import Sight

__all__ = ["Conductor"]


class Conductor:
    """Decides what one box runs.

    Args:
        ns: namespace of the fleet, 16 bytes.
        secret: key of the box; it signs reports.
        name: the name under which the box takes part.
        labels: what the box carries; decides whether it is eligible where it was enrolled later.
        memory: what it wrote down before; none at its first start.
    """

    def __init__(
        self,
        *,
        ns: bytes,
        secret: SecretKey,
        name: str,
        labels: Mapping[str, str] | None = None,
        memory: Memory | None = None,
    ) -> None:
        self._name = name
        self._key = secret.public
        self._labels = dict(labels or {})
        kept = memory or Memory()
        self._slots: dict[str, SlotMemory] = dict(kept.slots)
        self._intents: dict[bytes, IntentMemory] = dict(kept.intents)
        self._kept = kept
        self._opening = Opening()
        self._halting = Halting(name)
        self._reporting = Reporting(ns, secret, name)
        self._goals: dict[str, Goal] = {}
        self._unsaid: dict[bytes, bytes] = {}
        self._permitted: dict[bytes, int] = {}
        self._rollouts = Rollouts({}, {})
        self._sight = Sight(seen=frozenset((name,)), whole=False)

    def __repr__(self) -> str:
        return f"<Conductor {self._name}: {len(self._goals)} slots, {len(self._intents)} intents>"

    # What it knows

    @property
    def memory(self) -> Memory:
        """What it must not forget."""
        return Memory(dict(sorted(self._slots.items())), dict(sorted(self._intents.items())))

    @property
    def goals(self) -> Mapping[str, Goal]:
        """The goal of each slot."""
        return dict(self._goals)

    @property
    def awaited(self) -> tuple[bytes, ...]:
        """Ids of the reports that a linked peer has to hold before a swap; see `report_held`."""
        return tuple(
            held.report.id
            for identifier, held in self._intents.items()
            if held.report is not None and self._waits(identifier)
        )

    def soak_began_ns(self, intent: bytes, stage: int) -> int | None:
        """When the soak of a stage began here, monotonic ns; None while none runs."""
        return self._opening.soak_began_ns(intent, stage)

    # What it is told

    def deliver(self, slot: str, artefact: bytes | None) -> None:
        """Take note of a slot that the box has, and what it ran before any intent, if anything.

        A slot that a box has not is none of its business: an authority under the same prefix runs
        no detector.
        """
        if slot not in self._slots:
            self._slots[slot] = SlotMemory(None if artefact is None else Running(artefact))

    def look(self, rollouts: Rollouts, sight: Sight, now_ns: int) -> tuple[Effect, ...]:
        """Decide anew: the view changed, links did, a soak ended, or a report does not show.

        Args:
            rollouts: the view of now.
            sight: what the box sees now.
            now_ns: monotonic time.

        Returns:
            What to do, in that order.
        """
        self._rollouts, self._sight = rollouts, sight
        self._opening.keep(rollouts.by_id)
        if sight.whole:
            for identifier in forgotten(rollouts, self._intents, self._slots, self._unsaid):
                del self._intents[identifier]
                self._permitted.pop(identifier, None)
        for rollout in rollouts.by_id.values():
            if self._concerns_me(rollout.intent):
                self._watch(rollout, now_ns)
        return self._decide(now_ns)

    def answer(self, slot: str, artefact: bytes, answer: Answer, now_ns: int) -> tuple[Effect, ...]:
        """Hear what became of a goal; about another one than the present it changes nothing."""
        trial = self._trial(slot)
        tried = self._rollouts.by_id.get(trial) if trial is not None else None
        current = self._slots.get(slot, SlotMemory()).current
        if tried is not None and tried.intent.artefact == artefact:
            self._hear_of_trial(tried, answer)
        elif current is not None and current.artefact == artefact and current.intent is not None:
            self._hear_of_current(slot, current.intent, answer)
        return self._decide(now_ns)

    def report_held(self, report: bytes, now_ns: int) -> tuple[Effect, ...]:
        """Hear that a linked peer holds a report of ours, by its id."""
        for identifier, held in self._intents.items():
            said = held.report
            if said is not None and said.id == report and self._waits(identifier):
                rollout = self._rollouts.by_id.get(identifier)
                if rollout is not None and self._goes_on(rollout):
                    self._permit(identifier)
                break
        return self._decide(now_ns)

    # Views

    def _concerns_me(self, intent: Intent) -> bool:
        return is_at_or_under(self._name, intent.scope)

    def _of(self, intent: bytes) -> IntentMemory:
        return self._intents.get(intent, IntentMemory())

    def _watch(self, rollout: Rollout, now_ns: int) -> None:
        """Latch what opens, note a halt that counts, and a resume that was not held before it."""
        held = self._reporting.recovered(self._of(rollout.id), rollout)
        held = self._opening.watch(rollout, held, self._sight, now_ns)
        if rollout.halts and held.stopped is None:
            held = replace(held, stopped=rollout.resumes)
        elif not rollout.halts and held.stopped is not None:
            stopped = held.stopped
            news = any(resume not in stopped for resume in rollout.resumes)
            held = replace(held, stopped=None) if news else held
        if held != IntentMemory():
            self._intents[rollout.id] = held

    # Deciding

    def _decide(self, now_ns: int) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        self._drop_strays()
        for slot in sorted(self._slots):
            goal = self._steer(slot)
            before = self._goals.get(slot)
            if goal != before and (before is not None or goal.artefact is not None):
                self._goals[slot] = goal
                effects.append(Run(goal))
        effects += fetches(self._rollouts, self._intents, self._name)
        signed = self._halting.due(self._rollouts)
        gone = outlived(self._rollouts, self._intents, whole=self._sight.whole)
        said, shown_ns = self._reporting.due(self._rollouts, self._intents, gone, now_ns)
        told = (*said, *self._unsay(gone))
        soaked_ns = self._opening.deadline_ns(self._rollouts.by_id, now_ns)
        ends = [at_ns for at_ns in (soaked_ns, shown_ns) if at_ns is not None]
        wake = (Wake(min(ends)),) if ends else ()
        memory = self.memory
        keep = () if memory == self._kept else (Keep(memory.encode()),)
        self._kept = memory
        return (*keep, *told, *signed, *effects, *wake)

    def _steer(self, slot: str) -> Goal:
        """Return the goal of one slot."""
        self._leave_the_dead(slot)
        trial = self._trial(slot)
        if trial is not None and not self._goes_on(self._rollouts.by_id[trial]):
            self._abandon(trial, self._rollouts.by_id[trial].obstacle or "its stage is not open")
            trial = None
        current = self._slots.get(slot, SlotMemory()).current
        why = "nothing else is open here"
        heads = self._rollouts.heads(slot, self._name)
        if trial is None and len(heads) == 1:
            head = heads[0]
            if current is not None and current.intent == head.id:
                why = "its stage is open here"
            elif self._may_start(head):
                self._begin(head)
                trial = head.id
            else:
                why = head.obstacle or why
        elif trial is None and heads:
            why = heads[0].obstacle or why
        if trial is not None:
            return self._goal_of(trial)
        if current is None:
            return Goal(slot, None, None, 0, "nothing to go back to", swap=True)
        attempt = 0 if current.intent is None else self._of(current.intent).attempt
        return Goal(slot, current.artefact, current.intent, attempt, why, swap=True)

    def _goal_of(self, trial: bytes) -> Goal:
        intent = self._rollouts.by_id[trial].intent
        if self._waits(trial) and not self._sight.linked:
            self._permit(trial)
        held = self._intents[trial]
        swap = held.phase is Phase.SWAPPING and not self._waits(trial)
        why = f"{intent.title}, attempt {held.attempt}: its stage is open here"
        return Goal(intent.slot, intent.artefact, trial, held.attempt, why, swap)

    def _trial(self, slot: str) -> bytes | None:
        """Return the intent of the running attempt in a slot."""
        for identifier, held in self._intents.items():
            rollout = self._rollouts.by_id.get(identifier)
            if held.phase is not None and rollout is not None and rollout.intent.slot == slot:
                return identifier
        return None

    def _waits(self, intent: bytes) -> bool:
        """Whether a neighbour has to hold the report before the swap.

        A permission ends with the life that it was given in: who swapped already says so, and who
        did not may have lost power before anybody heard of it, and has neighbours now.
        """
        held = self._intents[intent]
        if held.phase is Phase.SWAPPING:
            return self._permitted.get(intent) != held.attempt
        return held.phase is Phase.STARTED

    def _permit(self, intent: bytes) -> None:
        held = self._intents[intent] = replace(self._intents[intent], phase=Phase.SWAPPING)
        self._permitted[intent] = held.attempt

    def _drop_strays(self) -> None:
        """End attempts at intents that are not there any more."""
        for identifier, held in list(self._intents.items()):
            gone = identifier not in self._rollouts.by_id and self._sight.whole
            if held.phase is not None and gone:
                self._abandon(identifier, "nobody who may signs its intent")

    def _goes_on(self, rollout: Rollout) -> bool:
        if self._intents[rollout.id].phase is Phase.SWAPPING:
            return rollout.dead is None
        return self._may_start(rollout)

    def _may_start(self, rollout: Rollout) -> bool:
        """Whether this box may start, or start again."""
        held = self._of(rollout.id)
        if rollout.obstacle is not None or held.stopped is not None:
            return False
        if self._reporting.stands(held, rollout):
            return False
        stage = stage_of_start(rollout, self._name, self._labels)
        return stage is not None and is_open(rollout, held, stage)

    # Changing

    def _begin(self, rollout: Rollout) -> None:
        """Begin an attempt: one more than any that this box is known to have made."""
        held = self._of(rollout.id)
        own = rollout.reports.get(self._name)
        known = own.attempt if own is not None and own.key == self._key else 0
        attempt = max(held.attempt, known) + 1
        self._intents[rollout.id] = replace(held, attempt=attempt, phase=Phase.PREPARING)

    def _abandon(self, intent: bytes, why: str) -> None:
        """End an attempt that has no outcome; a started one is taken back."""
        held = replace(self._intents[intent], phase=None)
        self._intents[intent] = self._reporting.back(held, self._rollouts.by_id.get(intent), why)

    def _leave_the_dead(self, slot: str) -> None:
        """Go back while what the slot runs was brought by a dead intent, or is withdrawn."""
        memory = self._slots.get(slot)
        if memory is None or memory.current is None:
            return
        current = memory.current
        if not is_over(self._rollouts, current, whole=self._sight.whole):
            return
        self._slots[slot] = fallback(self._rollouts, memory, whole=self._sight.whole)
        if current.intent is not None:
            rollout = self._rollouts.by_id.get(current.intent)
            why = rollout.dead if rollout is not None else None
            self._note_back(current.intent, why or "nobody who may signs its intent")

    def _note_back(self, intent: bytes, why: str) -> None:
        held, rollout = self._of(intent), self._rollouts.by_id.get(intent)
        if held.stopped is None:
            held = replace(held, stopped=rollout.resumes if rollout is not None else ())
        self._intents[intent] = self._reporting.back(held, rollout, why)

    # Answers

    def _hear_of_trial(self, rollout: Rollout, answer: Answer) -> None:
        held, slot = self._intents[rollout.id], rollout.intent.slot
        memory = self._slots.get(slot, SlotMemory())
        runs = memory.current is not None and memory.current.artefact == rollout.intent.artefact
        match answer:
            case Waiting(reason):
                if held.phase is Phase.PREPARING:
                    held = self._reporting.say(held, rollout, Outcome.WAITING, reason=reason)
            case Started():
                if held.phase is Phase.PREPARING:
                    held = replace(held, phase=Phase.STARTED)
                    held = self._reporting.say(held, rollout, Outcome.STARTED)
            case Good(metrics):
                if held.phase is Phase.SWAPPING or runs:
                    self._slots[slot] = memory.advanced(
                        Running(rollout.intent.artefact, rollout.id)
                    )
                    held = replace(held, phase=None)
                    held = self._reporting.say(held, rollout, Outcome.GOOD, metrics)
            case Failed(reason):
                held = replace(held, phase=None, stopped=rollout.resumes)
                held = self._reporting.say(held, rollout, Outcome.FAILED, reason=reason)
        self._intents[rollout.id] = held

    def _hear_of_current(self, slot: str, intent: bytes, answer: Answer) -> None:
        """Hear of what runs already: after a restart, or when it is measured again."""
        held, rollout = self._of(intent), self._rollouts.by_id.get(intent)
        if rollout is None:
            return
        match answer:
            case Good(metrics) if self._turned_bad(held, rollout, metrics):
                self._intents[intent] = self._reporting.say(held, rollout, Outcome.GOOD, metrics)
            case Failed(reason):
                held = replace(held, stopped=rollout.resumes)
                held = self._reporting.say(held, rollout, Outcome.FAILED, reason=reason)
                self._intents[intent] = held
                self._slots[slot] = fallback(
                    self._rollouts, self._slots[slot], whole=self._sight.whole
                )
            case _:
                pass

    def _turned_bad(self, held: IntentMemory, rollout: Rollout, metrics: Metrics) -> bool:
        report = held.report
        if report is None or report.outcome is not Outcome.GOOD:
            return False
        measured = replace(report, metrics=metrics, wire=b"")
        return verdict_of(measured, rollout.intent.gate) is Verdict.BAD

    def _unsay(self, gone: Mapping[bytes, bytes]) -> list[Effect]:
        """Take out the reports that nobody counts any more, each once."""
        fresh = [each for each, report in gone.items() if self._unsaid.get(each) != report]
        self._unsaid = dict(gone)
        return [Unsay(report_topic(identifier, self._name)) for identifier in fresh]
