"""What a conductor asks for besides: bytes that are wanting, and room for what it still says.

Nothing is kept for ever either: a box forgets an intent that vanished once everybody linked was
asked, because who may not sign it any more would otherwise fill its memory. Its report is taken out
first, or its topic would stay with nobody who knows of it.
"""

from collections.abc import Collection, Mapping

from identity.capability import is_at_or_under
from mesh.orchestration.blob_tree import Reference
from mesh.orchestration.goals import Fetch
from mesh.orchestration.memory import IntentMemory, Phase, SlotMemory
from mesh.orchestration.report import Report, Verdict, verdict_of
from mesh.orchestration.rollouts import Rollouts

__all__ = ["fetches", "forgotten", "outlived"]

REPORTS_MAX = 32
"""Own reports that are kept: a key may state 64 topics, and other kinds need some."""


def fetches(
    rollouts: Rollouts, intents: Mapping[bytes, IntentMemory], name: str
) -> tuple[Fetch, ...]:
    """Return the lists of cohorts over a name that are wanting, and what is being prepared.

    Two intents may name one digest with another size or tree, one of them wrongly: both are wanted.
    """
    wanted: dict[bytes, Reference] = {}

    def want(reference: Reference) -> None:
        wanted[reference.id] = reference

    for rollout in rollouts.by_id.values():
        concerns_me = is_at_or_under(name, rollout.intent.scope)
        if concerns_me and rollout.dead is None and rollout.cohort is None:
            want(rollout.intent.cohort_reference)
        if intents.get(rollout.id, IntentMemory()).phase is Phase.PREPARING:
            want(rollout.intent.artefact_reference)
    return tuple(Fetch(wanted[identifier]) for identifier in sorted(wanted))


def outlived(
    rollouts: Rollouts, intents: Mapping[bytes, IntentMemory], *, whole: bool
) -> dict[bytes, bytes]:
    """Return the own reports that nobody counts any more: their ids, by intent.

    Those whose model is withdrawn, and of an approved one all but what stands against it: people
    ask for that, and a resume has to name it. Where too many are left, some of the dead go, then
    some of the approved. What a running attempt said is not among them: a neighbour may have to
    hold it, and more is to come.

    Args:
        rollouts: the view of now.
        intents: what the box remembers.
        whole: whether everybody linked was asked. Until then an intent that is not in view may
            well live; afterwards it is dead.
    """
    reports = {
        identifier: held.report
        for identifier, held in intents.items()
        if held.report is not None and held.phase is None
    }
    settled = [each for each, report in reports.items() if _is_settled(rollouts, report)]
    left = [identifier for identifier in reports if identifier not in settled]
    dead = [
        identifier
        for identifier in left
        if rollouts.is_dead(identifier) and (identifier in rollouts.by_id or whole)
    ]
    proven = [each for each in left if each not in dead and _is_proven(rollouts, each)]
    gone = (*settled, *(*dead, *proven)[: max(0, len(left) - REPORTS_MAX)])
    return {identifier: reports[identifier].id for identifier in gone}


def forgotten(
    rollouts: Rollouts,
    intents: Mapping[bytes, IntentMemory],
    slots: Mapping[str, SlotMemory],
    unsaid: Collection[bytes],
) -> tuple[bytes, ...]:
    """Return the intents that vanished and may be forgotten, once everybody linked was asked.

    Args:
        rollouts: the view of now.
        intents: what the box remembers.
        slots: what it runs and ran; it does not forget who brought that.
        unsaid: the intents whose report was taken out.
    """
    named = {
        running.intent
        for memory in slots.values()
        for running in (memory.current, *memory.past)
        if running is not None
    }
    return tuple(
        identifier
        for identifier, held in intents.items()
        if identifier not in rollouts.by_id
        and identifier not in named
        and held.phase is None
        and (held.report is None or identifier in unsaid)
    )


def _is_settled(rollouts: Rollouts, report: Report) -> bool:
    rollout = rollouts.by_id.get(report.intent)
    if rollout is None:
        return False
    if rollouts.is_withdrawn(rollout.intent.artefact):
        return True
    stands = verdict_of(report, rollout.intent.gate) is Verdict.BAD
    return rollout.is_proven and not (stands and report.id not in rollout.forgiven)


def _is_proven(rollouts: Rollouts, intent: bytes) -> bool:
    rollout = rollouts.by_id.get(intent)
    return rollout is not None and rollout.is_proven
