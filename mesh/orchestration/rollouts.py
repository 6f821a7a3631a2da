"""The fold of a view: which intents live, what holds them, and what was reported.

A pure function of the authority, the registers, the FLEET statements, the halts that survive and
the cohort lists held: who holds the same shows the same, on both banks, in any order. Being
promoted, being halted and being superseded are stored nowhere; they are computed here.

- An intent is *dead* if it was aborted or undone, its model is withdrawn, or a halt counts and its
  `on_failure` is `rollback`. The dead supersede nothing, so what they named is live again.
- An intent supersedes those that it names, of its slot, whose scope lies in its own.
- Two live intents of one slot, neither superseded, whose scopes overlap, are *rivals*: nobody opens
  or starts either. Scopes decide and not cohorts, so the answer needs no list.
- A model that a person approved is *proven*: the gate of its intents is answered. Every stage is
  open, and nobody signs a halt; one that counts counts all the same, until a resume.
- What a halt proved and a resume forgave begins an *era*: what was opened in an earlier one is not
  open, and a `promote` that did not know of it is void.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from crdt.registers import Register
from crdt.standing import Authority, Pair
from identity.capability import is_at_or_under
from mesh.coordination.models import ModelState
from mesh.orchestration.cohort import Cohort
from mesh.orchestration.command import Command, Verb
from mesh.orchestration.intent import Intent, bad_allowed
from mesh.orchestration.records import (
    SignedHalt,
    cohort_of,
    commands_in,
    counting_in,
    intent_in,
    models_in,
    reports_in,
)
from mesh.orchestration.report import Report, Verdict, verdict_of

__all__ = ["Rollout", "Rollouts", "fold_rollouts", "unforgiven"]

PROVEN = (ModelState.APPROVED, ModelState.SUPERSEDED)
"""States of a model that a person approved, once at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One intent and all that is held about it.

    Attributes:
        id: of the intent.
        intent: as it was signed.
        cohort: its names by rank; None until the list is held.
        current: its names that a current pair holds.
        model: the most restrictive state on record of its artefact; None where there is none.
        ended: the command that ended it, or None.
        pauses: ids of the pauses that no resume lifted.
        resumes: ids of all resumes, ascending.
        forgiven: ids of reports that a resume forgives.
        era: ids of the resumes that forgave what a halt proved, ascending.
        promoted: the stage up to which a promote opens; -1 for none.
        reports: the one report that counts of each name.
        halts: ids of the halts that count.
        holds: ids of the halts that would count, were a pair in them not revoked.
        proved: ids of the reports in surviving halts that boxes of this fleet could make.
        superseded_by: ids of the live intents that take its place.
        rivals: ids of the live intents that contend with it.
    """

    id: bytes
    intent: Intent
    cohort: Cohort | None = None
    current: frozenset[str] = frozenset()
    model: ModelState | None = None
    ended: Verb | None = None
    pauses: tuple[bytes, ...] = ()
    resumes: tuple[bytes, ...] = ()
    forgiven: frozenset[bytes] = frozenset()
    era: tuple[bytes, ...] = ()
    promoted: int = -1
    reports: Mapping[str, Report]
    halts: tuple[bytes, ...] = ()
    holds: tuple[bytes, ...] = ()
    proved: tuple[bytes, ...] = ()
    superseded_by: tuple[bytes, ...] = ()
    rivals: tuple[bytes, ...] = ()

    @property
    def is_proven(self) -> bool:
        """Whether a person answered the gate: the model is, or was, approved."""
        return self.model in PROVEN

    @property
    def is_wide_open(self) -> bool:
        """Whether every stage is open on a person's word: it is proven, and nothing ended it."""
        return self.is_proven and self.dead is None and not self.halts

    @property
    def dead(self) -> str | None:
        """Why the intent is dead, for people; None while it lives."""
        if self.ended is not None:
            return "aborted" if self.ended is Verb.ABORT else "undone"
        if self.model is ModelState.WITHDRAWN:
            return "its model is withdrawn"
        if self.halts and self.intent.on_failure == "rollback":
            return "halted"
        return None

    @property
    def obstacle(self) -> str | None:
        """Why nothing may open or start now, in any box, for people; None where it may."""
        if self.dead is not None:
            return self.dead
        if self.superseded_by:
            return f"superseded by {self.superseded_by[0].hex()[:8]}"
        if self.rivals:
            return f"contends with {self.rivals[0].hex()[:8]}: name one in the other, or abort one"
        if self.halts:
            return "halted: pause, until a resume"
        if self.holds:
            return "a revoked name halted it: held until a resume"
        if self.pauses:
            return "paused"
        return "the list of its cohort is not here yet" if self.cohort is None else None


@dataclass(frozen=True, slots=True)
class Rollouts:
    """All intents of a view.

    Attributes:
        by_id: ascending.
        models: the most restrictive state on record of each digest.
    """

    by_id: Mapping[bytes, Rollout]
    models: Mapping[bytes, ModelState]

    def is_dead(self, intent: bytes) -> bool:
        """Whether an intent is dead, or its author may not have signed it: it is not there."""
        rollout = self.by_id.get(intent)
        return rollout is None or rollout.dead is not None

    def is_withdrawn(self, artefact: bytes) -> bool:
        """Whether nobody may run an artefact any more."""
        return self.models.get(artefact) is ModelState.WITHDRAWN

    def is_proven(self, artefact: bytes) -> bool:
        """Whether an artefact is, or was, approved."""
        return self.models.get(artefact) in PROVEN

    def heads(self, slot: str, name: str) -> tuple[Rollout, ...]:
        """The live intents of a slot over a name that nothing supersedes; rivals if several."""
        return tuple(
            rollout
            for rollout in self.by_id.values()
            if rollout.intent.slot == slot
            and rollout.dead is None
            and not rollout.superseded_by
            and is_at_or_under(name, rollout.intent.scope)
        )

    def slots(self, name: str) -> tuple[str, ...]:
        """Every slot that an intent over a name speaks of, ascending."""
        return tuple(
            sorted(
                {
                    rollout.intent.slot
                    for rollout in self.by_id.values()
                    if is_at_or_under(name, rollout.intent.scope)
                }
            )
        )


def fold_rollouts(
    authority: Authority,
    registers: Mapping[str, Register],
    fleet: Mapping[Pair, Mapping[str, object]],
    halts: Collection[SignedHalt],
    cohorts: Mapping[bytes, tuple[str, ...]],
) -> Rollouts:
    """Return the rollouts of a view.

    Args:
        authority: who holds what.
        registers: where intents, commands and model records stand.
        fleet: the FLEET status of current pairs, where reports stand.
        halts: those that survive, see `halts_of`.
        cohorts: the lists of names that are held, by digest.
    """
    models = models_in(registers)
    reports = reports_in(authority, fleet)
    commands = commands_in(registers)
    found: dict[bytes, Rollout] = {}
    for key, register in registers.items():
        intent = intent_in(key, register)
        if intent is not None:
            rollout = Rollout(
                id=intent.id,
                intent=intent,
                cohort=cohort_of(intent, cohorts),
                model=models.get(intent.artefact),
                reports=counting_in(intent, reports.get(intent.id, {})),
            )
            told = commands.get((intent.scope, rollout.id), ())
            own = [signed for signed in halts if signed.halt.intent == rollout.id]
            proved = tuple(sorted({each.id for each in _wired(authority, intent, own)}))
            told_of = _commanded(replace(rollout, proved=proved), told)
            found[rollout.id] = _judged(authority, told_of, own)
    ordered = {identifier: found[identifier] for identifier in sorted(found)}
    return Rollouts(_related(ordered), models)


def _wired(authority: Authority, intent: Intent, halts: Iterable[SignedHalt]) -> Iterator[Report]:
    """Yield the reports in halts that boxes of this fleet could make of an intent, bad or not."""
    for signed in halts:
        for report in signed.halt.reports:
            granted = Pair(report.key, report.name) in authority.standings
            if granted and report.ns == authority.ns and report.artefact == intent.artefact:
                yield report


def _commanded(rollout: Rollout, told: Iterable[tuple[Command, int]]) -> Rollout:
    """Return the rollout with what people said of it."""
    by_id = {command.id: (command, stratum) for command, stratum in told}
    commands = [by_id[identifier] for identifier in sorted(by_id)]
    resumes = [(each, stratum) for each, stratum in commands if each.verb is Verb.RESUME]
    lifted = {
        named
        for resume, stratum in resumes
        for named in resume.names
        if named in by_id and stratum <= by_id[named][1]
    }
    era = tuple(
        each.id for each, _ in resumes if any(named in rollout.proved for named in each.forgives)
    )
    final = {each.verb for each, _ in commands if each.verb.is_final}
    promoted = [
        each.stage
        for each, _ in commands
        if each.verb is Verb.PROMOTE and each.stage is not None and set(era) <= set(each.names)
    ]
    return replace(
        rollout,
        ended=Verb.ABORT if Verb.ABORT in final else (Verb.UNDO if final else None),
        pauses=tuple(
            each.id for each, _ in commands if each.verb is Verb.PAUSE and each.id not in lifted
        ),
        resumes=tuple(each.id for each, _ in resumes),
        forgiven=frozenset(named for each, _ in resumes for named in each.forgives),
        era=era,
        promoted=min(max(promoted, default=-1), len(rollout.intent.stages) - 1),
    )


def unforgiven(rollout: Rollout, stage: int, reports: Iterable[Report]) -> tuple[Report, ...]:
    """Return those of some reports that prove something of a stage: bad, of it, not forgiven."""
    if rollout.cohort is None or stage >= len(rollout.intent.stages):
        return ()
    names = frozenset(rollout.cohort.stage(stage))
    return tuple(
        report
        for report in reports
        if report.name in names
        and report.artefact == rollout.intent.artefact
        and report.id not in rollout.forgiven
        and verdict_of(report, rollout.intent.gate) is Verdict.BAD
    )


def _judged(authority: Authority, rollout: Rollout, halts: Iterable[SignedHalt]) -> Rollout:
    """Return the rollout with the halts that count, and those that only hold."""
    cohort = rollout.cohort
    if cohort is None:
        return rollout
    counts: list[bytes] = []
    holds: list[bytes] = []
    for signed in halts:
        stage = signed.halt.stage
        reports = [each for each in signed.halt.reports if each.ns == authority.ns]
        bad = [Pair(each.key, each.name) for each in unforgiven(rollout, stage, reports)]
        signers = [pair for pair in signed.pairs if pair.name in cohort.ranks]
        if not bad or not signers:
            continue
        allowed = bad_allowed(
            rollout.intent.gate.success_ppm, cohort.sizes[stage], cohort.sizes[stage]
        )
        live = sum(authority.current(pair) for pair in bad)
        if live > allowed and any(authority.current(pair) for pair in signers):
            counts.append(signed.id)
        elif sum(pair in authority.standings for pair in bad) > allowed:
            holds.append(signed.id)
    current = frozenset(
        name
        for name in cohort.ranked
        if any(authority.current(pair) for pair in authority.by_name(name))
    )
    return replace(rollout, halts=tuple(counts), holds=tuple(holds), current=current)


def _related(found: Mapping[bytes, Rollout]) -> dict[bytes, Rollout]:
    """Return the rollouts with what supersedes them and what contends."""
    live = [rollout for rollout in found.values() if rollout.dead is None]

    def takes_place(newer: Rollout, older: Rollout) -> bool:
        return (
            older.id in newer.intent.supersedes
            and older.intent.slot == newer.intent.slot
            and is_at_or_under(older.intent.scope, newer.intent.scope)
        )

    superseded = {
        identifier: tuple(newer.id for newer in live if takes_place(newer, older))
        for identifier, older in found.items()
    }
    heads = [rollout for rollout in live if not superseded[rollout.id]]
    rivals: dict[bytes, tuple[bytes, ...]] = {
        one.id: tuple(other.id for other in heads if _contend(one.intent, other.intent))
        for one in heads
    }
    return {
        identifier: replace(
            rollout, superseded_by=superseded[identifier], rivals=rivals.get(identifier, ())
        )
        for identifier, rollout in found.items()
    }


def _contend(one: Intent, other: Intent) -> bool:
    overlap = is_at_or_under(one.scope, other.scope) or is_at_or_under(other.scope, one.scope)
    return one != other and one.slot == other.slot and overlap
