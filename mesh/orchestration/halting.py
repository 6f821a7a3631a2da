"""Signing a halt where one is due: the proof is held, and no halt counts."""

from mesh.orchestration.goals import Sign
from mesh.orchestration.halt import Halt
from mesh.orchestration.intent import bad_allowed
from mesh.orchestration.report import Report, is_signed
from mesh.orchestration.rollouts import Rollout, Rollouts, unforgiven

__all__ = ["Halting", "halt_due"]


def halt_due(rollout: Rollout) -> Halt | None:
    """Return the halt that the held reports prove, of the first stage that failed, or None.

    It takes as few reports as prove it, by rank. Where one counts already nobody signs another, nor
    of what a person approved: one late box would send everybody back.
    """
    cohort = rollout.cohort
    if rollout.is_proven or rollout.dead is not None or rollout.halts or cohort is None:
        return None
    held = [rollout.reports[name] for name in cohort.ranked if name in rollout.reports]
    for stage, size in enumerate(cohort.sizes):
        allowed = bad_allowed(rollout.intent.gate.success_ppm, size, size)
        bad = unforgiven(rollout, stage, held)
        if len(bad) > allowed:
            proven = [report for report in bad if is_signed(report.wire)]
            if len(proven) > allowed:
                chosen = sorted(proven[: allowed + 1], key=lambda report: report.name)
                return Halt(rollout.id, stage, tuple(chosen))
    return None


class Halting:
    """Signs halts for one box, none twice.

    Args:
        name: the box's; only a current name of the cohort signs.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._signed: dict[tuple[bytes, int, tuple[bytes, ...]], None] = {}

    def due(self, rollouts: Rollouts) -> tuple[Sign, ...]:
        """Return the halts to be written now."""
        found: list[Sign] = []
        self._signed = {mark: None for mark in self._signed if mark[0] in rollouts.by_id}
        for rollout in rollouts.by_id.values():
            if self._name not in rollout.current:
                continue
            halt = halt_due(rollout)
            if halt is not None and self._is_new(halt.intent, halt.stage, halt.reports):
                found.append(Sign(halt))
        return tuple(found)

    def _is_new(self, intent: bytes, stage: int, reports: tuple[Report, ...]) -> bool:
        mark = (intent, stage, tuple(report.id for report in reports))
        if mark in self._signed:
            return False
        self._signed[mark] = None
        return True
