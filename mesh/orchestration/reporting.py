"""Writing a box's own reports: one a change, bad stays bad within an attempt."""

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
    seal_report,
    verdict_of,
)
from mesh.orchestration.rollouts import Rollout

__all__ = ["Reporting"]


class Reporting:
    """Signs the reports of one box and hands them out to be stated.

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

    def drain(self) -> tuple[Say, ...]:
        """Return the reports to be stated, oldest first; of one intent only the last matters."""
        said, self._said = tuple(self._said), []
        return said
