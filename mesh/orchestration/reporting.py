"""Writing a box's own reports: one a change, bad stays bad within an attempt.

A report is kept before it is said, so a box that loses power in between remembers having said what
nobody heard; and the disk may refuse the statement. The box's own view tells: a report of its own
that the view should show and does not is said again. A neighbour is waited for only where there is
something that it can hold.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from identity.keys import SecretKey
from mesh.orchestration.goals import Say
from mesh.orchestration.memory import IntentMemory
from mesh.orchestration.report import (
    UNMEASURED,
    Metrics,
    Outcome,
    Report,
    Verdict,
    clip_reason,
    counting,
    may_replace,
    seal_report,
    verdict_of,
)
from mesh.orchestration.rollouts import Rollout, Rollouts
from mesh.units import SECOND

__all__ = ["Reporting"]

AGAIN_NS = 10 * SECOND
"""What was said and does not show is said again this much later: time for the disk to take it."""


class Reporting:
    """Signs the reports of one box, hands them out to be stated, and sees what became of them.

    Args:
        ns: namespace of the fleet, 16 bytes.
        secret: key of the box.
        name: its name.
    """

    def __init__(self, ns: bytes, secret: SecretKey, name: str) -> None:
        self._ns = ns
        self._secret = secret
        self._name = name
        self._said: list[Say] = []
        self._said_ns: dict[bytes, int] = {}

    def say(
        self,
        held: IntentMemory,
        rollout: Rollout,
        outcome: Outcome,
        metrics: Metrics = UNMEASURED,
        *,
        reason: str = "",
    ) -> IntentMemory:
        """Report how far the attempt came; returns the memory with the report in it.

        Nothing is said twice, and nothing that would make a bad report of this attempt good.
        """
        report = Report(
            ns=self._ns,
            key=self._secret.public,
            intent=rollout.id,
            name=self._name,
            attempt=max(held.attempt, 1),
            outcome=outcome,
            artefact=rollout.intent.artefact,
            metrics=metrics,
            reason=clip_reason(reason),
        )
        before = held.report
        if before is not None and before.attempt == report.attempt:
            if replace(before, wire=b"") == report:
                return held
            if verdict_of(before, rollout.intent.gate) is Verdict.BAD:
                return held
        sealed = seal_report(report, self._secret)
        self._said.append(Say(sealed))
        return replace(held, report=sealed, attempt=report.attempt)

    def back(self, held: IntentMemory, rollout: Rollout | None, why: str) -> IntentMemory:
        """Take back what was said of an attempt that ended without being bad."""
        told = held.report is not None and held.report.attempt == held.attempt
        if rollout is None or held.report is None or not told:
            return held
        if verdict_of(held.report, rollout.intent.gate) is Verdict.NONE:
            return held
        return self.say(held, rollout, Outcome.BACK, reason=why)

    def recovered(self, held: IntentMemory, rollout: Rollout) -> IntentMemory:
        """Return what a box remembers, or what its own report tells where that is lost or older.

        Of an attempt that its report calls ended nothing goes on.
        """
        shown, said = rollout.reports.get(self._name), held.report
        if shown is None or shown.key != self._secret.public:
            return held
        if said is not None and may_replace(said, shown, rollout.intent.gate):
            return held
        held = replace(held, report=shown, attempt=max(held.attempt, shown.attempt))
        if shown.attempt < held.attempt or shown.outcome not in (Outcome.FAILED, Outcome.BACK):
            return held
        stopped = rollout.resumes if held.stopped is None else held.stopped
        return replace(held, phase=None, stopped=stopped)

    def stands(self, held: IntentMemory, rollout: Rollout) -> bool:
        """Whether a box said of itself what is bad, and nobody forgave it.

        What it remembers and what shows may be two words of one attempt, and both have to be
        forgiven.
        """
        told = (held.report, rollout.reports.get(self._name))
        own = [each for each in told if each is not None and each.key == self._secret.public]
        bad = [each for each in own if verdict_of(each, rollout.intent.gate) is Verdict.BAD]
        return any(each.id not in rollout.forgiven for each in bad)

    def due(
        self,
        rollouts: Rollouts,
        intents: Mapping[bytes, IntentMemory],
        outlived: Collection[bytes],
        now_ns: int,
    ) -> tuple[tuple[Say, ...], int | None]:
        """Return what is to be stated now, and when to look whether it shows.

        Args:
            rollouts: the view of now.
            intents: what the box remembers, the reports that it said among it.
            outlived: the intents whose reports are taken out.
            now_ns: monotonic time.

        Returns:
            The reports, oldest first, of one intent only the last matters; and when the next is
            said again unless it shows by then, monotonic ns, None where all do.
        """
        told, self._said = self._said, []
        said_ns = {each: self._said_ns[each] for each in intents if each in self._said_ns}
        said_ns |= {say.report.intent: now_ns for say in told}
        ends: list[int] = []
        for intent, held in intents.items():
            rollout = rollouts.by_id.get(intent)
            if rollout is None or held.report is None or intent in outlived:
                continue
            if not self._is_missing(rollout, held.report):
                continue
            if intent not in said_ns or now_ns - said_ns[intent] >= AGAIN_NS:
                told.append(Say(held.report))
                said_ns[intent] = now_ns
            ends.append(said_ns[intent] + AGAIN_NS)
        self._said_ns = said_ns
        return tuple(told), min(ends, default=None)

    def _is_missing(self, rollout: Rollout, held: Report) -> bool:
        """Whether the view does not show a report of ours that it would show, were it stated.

        What is revoked does not show, nor what counts less than that of another key of our name.
        """
        cohort, shown = rollout.cohort, rollout.reports.get(self._name)
        if cohort is not None and self._name in cohort.ranks and self._name not in rollout.current:
            return False
        if shown is None or shown.id == held.id:
            return shown is None
        if shown.key != held.key:
            return counting([held, shown], rollout.intent.gate) is held
        return may_replace(held, shown, rollout.intent.gate)
