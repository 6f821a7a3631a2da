"""What a conductor asks for besides: bytes that are wanting, and room for what it still says."""

from collections.abc import Mapping

from identity.capability import is_at_or_under
from mesh.orchestration.blob_tree import Reference
from mesh.orchestration.goals import Fetch
from mesh.orchestration.memory import IntentMemory, Phase
from mesh.orchestration.rollouts import Rollouts

__all__ = ["fetches", "outlived"]

REPORTS_MAX = 32
"""Own reports that are kept: a key may state 64 topics, and other kinds need some."""


def fetches(
    rollouts: Rollouts, intents: Mapping[bytes, IntentMemory], name: str
) -> tuple[Fetch, ...]:
    """Return the lists of cohorts over a name that are wanting, and what is being prepared."""
    wanted: dict[bytes, Reference] = {}
    for rollout in rollouts.by_id.values():
        concerns_me = is_at_or_under(name, rollout.intent.scope)
        if concerns_me and rollout.dead is None and rollout.cohort is None:
            wanted[rollout.intent.cohort] = rollout.intent.cohort_reference
        if intents.get(rollout.id, IntentMemory()).phase is Phase.PREPARING:
            wanted[rollout.intent.artefact] = rollout.intent.artefact_reference
    return tuple(Fetch(wanted[digest]) for digest in sorted(wanted))


def outlived(rollouts: Rollouts, intents: Mapping[bytes, IntentMemory]) -> tuple[bytes, ...]:
    """Return the intents whose own reports nobody counts any more.

    Those whose model is approved or withdrawn; and where too many are left, some of the dead.
    """
    told = [identifier for identifier, held in intents.items() if held.report is not None]
    settled = [identifier for identifier in told if _is_settled(rollouts, identifier)]
    left = [identifier for identifier in told if identifier not in settled]
    dead = [identifier for identifier in left if rollouts.is_dead(identifier)]
    return (*settled, *dead[: max(0, len(left) - REPORTS_MAX)])


def _is_settled(rollouts: Rollouts, intent: bytes) -> bool:
    rollout = rollouts.by_id.get(intent)
    if rollout is None:
        return False
    artefact = rollout.intent.artefact
    return rollouts.is_proven(artefact) or rollouts.is_withdrawn(artefact)
