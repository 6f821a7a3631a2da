"""What a slot may run, what it goes back to, and in which stage a box starts."""

from collections.abc import Mapping

from identity.capability import is_at_or_under
from mesh.orchestration.memory import Running, SlotMemory
from mesh.orchestration.rollouts import Rollout, Rollouts

__all__ = ["fallback", "is_over", "stage_of_start"]


def is_over(rollouts: Rollouts, running: Running, *, whole: bool) -> bool:
    """Whether something must not run any more: withdrawn, or brought by a dead intent.

    An intent that is not there is dead too, once everybody linked was asked (`whole`): its author
    may not have signed it.
    """
    if rollouts.is_withdrawn(running.artefact):
        return True
    if running.intent is None:
        return False
    return rollouts.is_dead(running.intent) and (running.intent in rollouts.by_id or whole)


def fallback(rollouts: Rollouts, memory: SlotMemory, *, whole: bool) -> SlotMemory:
    """Return a slot after it went back.

    It runs the latest that it ran before and that is not over, or that was approved although its
    intent is dead; then no intent brought it any more. The artefact that it leaves is passed over,
    by whichever intent it came before.
    """
    current = memory.current
    for number, earlier in enumerate(memory.past):
        if current is not None and earlier.artefact == current.artefact:
            continue
        rest = memory.past[number + 1 :]
        if not is_over(rollouts, earlier, whole=whole):
            return SlotMemory(earlier, rest)
        if rollouts.is_proven(earlier.artefact):
            return SlotMemory(Running(earlier.artefact), rest)
    return SlotMemory(None, ())


def stage_of_start(rollout: Rollout, name: str, labels: Mapping[str, str]) -> int | None:
    """Return the stage in which a box starts, or None where the rollout is not for it.

    A box that is not listed was enrolled later: it starts with the last stage if it is eligible.
    """
    cohort, intent = rollout.cohort, rollout.intent
    if cohort is None:
        return None
    if name in cohort.ranks:
        return cohort.stage_of(name)
    eligible = all(labels.get(key) == asked for key, asked in intent.labels)
    return len(intent.stages) - 1 if eligible and is_at_or_under(name, intent.within) else None
