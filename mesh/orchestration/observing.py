"""What can be told of a rollout by somebody who takes no part in it.

Whether a stage is open is latched by every box alone, and an authority's node latches nothing. It
holds the reports, though: a box that reports has started, so its stage was open where it is. What
is derived so lags a little behind the boxes, and claims nothing that no box did.
"""

from dataclasses import replace

from mesh.orchestration.memory import IntentMemory, Latch
from mesh.orchestration.report import Outcome
from mesh.orchestration.rollouts import Rollout

__all__ = ["observed", "opened"]

_STARTED = (Outcome.STARTED, Outcome.GOOD, Outcome.FAILED, Outcome.WAITING)
"""Outcomes of an attempt, which a box begins only where its stage is open."""


def opened(rollout: Rollout) -> int:
    """Return the widest stage that some box was in, or that people opened; -1 for none."""
    cohort = rollout.cohort
    if cohort is None or rollout.dead is not None:
        return -1
    if rollout.is_wide_open:
        return len(rollout.intent.stages) - 1
    stages = [
        stage
        for name, report in rollout.reports.items()
        if report.outcome in _STARTED
        and report.id not in rollout.forgiven
        and (stage := cohort.stage_of(name)) is not None
    ]
    return max([rollout.promoted, *stages])


def observed(rollout: Rollout, memory: IntentMemory) -> IntentMemory:
    """Return a memory in which the stages that boxes were in are open too."""
    widest = opened(rollout)
    if widest < 0 or memory.is_open(widest):
        return memory
    return replace(memory, latches=(*memory.latches, Latch(widest, rollout.era)))
