"""The independent oracle of rollouts: docs/rollouts.md once more, a comprehension a sentence.

It shares the records (what was signed) with the product and none of the rules: an import contract
forbids it the fold, the gate and the cohorts. Shares are fractions here and not parts per million.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from math import ceil, floor

from mesh.orchestration.command import Command
from mesh.orchestration.intent import Intent
from mesh.orchestration.report import Report

Pair = tuple[bytes, str]


@dataclass(frozen=True)
class SaidHalt:
    """A halt that survives: who signed it, about which stage, with which reports."""

    id: bytes
    signers: tuple[Pair, ...]
    intent: bytes
    stage: int
    reports: tuple[Report, ...]


@dataclass(frozen=True)
class Facts:
    """Everything that one box holds.

    Attributes:
        granted: every pair that ever was granted, and whether it is current.
        intents: by id.
        commands: with the stratum of who signed them.
        reports: what current pairs state.
        halts: those that survive.
        models: the state on record of each digest.
        lists: the cohort lists held, by digest.
    """

    granted: Mapping[Pair, bool]
    intents: Mapping[bytes, Intent]
    commands: tuple[tuple[Command, int], ...]
    reports: tuple[Report, ...]
    halts: tuple[SaidHalt, ...]
    models: Mapping[bytes, str]
    lists: Mapping[bytes, tuple[str, ...]]


def under(name: str, prefix: str) -> bool:
    return prefix == "" or (name + "/").startswith(prefix + "/")


def ranked(intent: Intent, names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: sha256(intent.artefact + name.encode()).digest())


def size(intent: Intent, number: int) -> int:
    count = intent.count
    return max(ceil(Fraction(intent.stages[number].share_ppm, 10**6) * count), min(2, count))


def names_of(facts: Facts, intent: Intent) -> list[str] | None:
    names = facts.lists.get(intent.cohort)
    fits = names is not None and len(names) == intent.count
    return ranked(intent, names) if fits and all(under(n, intent.scope) for n in names) else None


def stage(facts: Facts, intent: Intent, number: int) -> set[str]:
    names = names_of(facts, intent)
    return set(names[: size(intent, number)]) if names is not None else set()


def current(facts: Facts, names: Iterable[str]) -> set[str]:
    alive = {name for (_, name), is_current in facts.granted.items() if is_current}
    return {name for name in names if name in alive}


def tolerated(intent: Intent, of: int, names: int) -> int:
    success = Fraction(intent.gate.success_ppm, 10**6)
    few = floor((1 - success) * of)
    return few if names < 50 else max(1, few)


def is_bad(intent: Intent, report: Report) -> bool:
    if report.outcome == "failed":
        return True
    measured, gate = report.metrics, intent.gate
    return report.outcome == "good" and not all(
        (
            gate.p95_us_max is None
            or (measured.p95_us is not None and measured.p95_us <= gate.p95_us_max),
            gate.map50_ppm_min is None
            or (measured.map50_ppm is not None and measured.map50_ppm >= gate.map50_ppm_min),
            gate.disagreement_ppm_max is None
            or (
                measured.disagreement_ppm is not None
                and measured.disagreement_ppm <= gate.disagreement_ppm_max
            ),
        )
    )


def said_of(facts: Facts, intent: Intent) -> tuple[Command, ...]:
    return tuple(command for command, _ in facts.commands if command.intent == intent.id)


def resumes(facts: Facts, intent: Intent) -> set[bytes]:
    return {each.id for each in said_of(facts, intent) if each.verb == "resume"}


def forgiven(facts: Facts, intent: Intent) -> set[bytes]:
    return {
        named for each in said_of(facts, intent) if each.verb == "resume" for named in each.forgives
    }


def era(facts: Facts, intent: Intent) -> set[bytes]:
    proved = {
        report.id
        for halt in facts.halts
        if halt.intent == intent.id
        for report in halt.reports
        if report.artefact == intent.artefact and (report.key, report.name) in facts.granted
    }
    return {
        each.id
        for each in said_of(facts, intent)
        if each.verb == "resume" and proved & set(each.forgives)
    }


def pauses(facts: Facts, intent: Intent) -> set[bytes]:
    about = [(each, rank) for each, rank in facts.commands if each.intent == intent.id]
    return {
        pause.id
        for pause, rank in about
        if pause.verb == "pause"
        and not any(
            other.verb == "resume" and pause.id in other.names and senior <= rank
            for other, senior in about
        )
    }


def promoted(facts: Facts, intent: Intent) -> int:
    return max(
        (
            min(each.stage or 0, len(intent.stages) - 1)
            for each in said_of(facts, intent)
            if each.verb == "promote" and era(facts, intent) <= set(each.names)
        ),
        default=-1,
    )


def halts(facts: Facts, intent: Intent, *, counting: bool) -> set[bytes]:
    """The halts that count, or those that would if nobody in them were revoked."""

    def proves(halt: SaidHalt, living: bool) -> bool:
        names = names_of(facts, intent) or []
        if halt.stage >= len(intent.stages):
            return False
        within = stage(facts, intent, halt.stage)
        speaks = {pair for pair, is_current in facts.granted.items() if is_current or not living}
        bad = {
            report.name
            for report in halt.reports
            if report.name in within
            and report.artefact == intent.artefact
            and is_bad(intent, report)
            and report.id not in forgiven(facts, intent)
            and (report.key, report.name) in speaks
        }
        signers = {pair for pair in halt.signers if pair[1] in names and pair in speaks}
        return bool(signers) and len(bad) > tolerated(intent, len(within), len(within))

    about = [halt for halt in facts.halts if halt.intent == intent.id]
    live = {halt.id for halt in about if proves(halt, True)}
    return live if counting else {halt.id for halt in about if proves(halt, False)} - live


def dead(facts: Facts, intent: Intent) -> bool:
    ended = any(each.verb in ("abort", "undo") for each in said_of(facts, intent))
    withdrawn = facts.models.get(intent.artefact) == "withdrawn"
    rolled_back = intent.on_failure == "rollback" and halts(facts, intent, counting=True)
    return ended or withdrawn or bool(rolled_back)


def proven(facts: Facts, intent: Intent) -> bool:
    """A person answered the gate: what it rolls out is, or was, approved."""
    return facts.models.get(intent.artefact) in ("approved", "superseded")


def superseded_by(facts: Facts, intent: Intent) -> set[bytes]:
    return {
        other.id
        for other in facts.intents.values()
        if intent.id in other.supersedes
        and other.slot == intent.slot
        and under(intent.scope, other.scope)
        and not dead(facts, other)
    }


def rivals(facts: Facts, intent: Intent) -> set[bytes]:
    def heads(one: Intent) -> bool:
        return not dead(facts, one) and not superseded_by(facts, one)

    return {
        other.id
        for other in facts.intents.values()
        if other.id != intent.id
        and other.slot == intent.slot
        and (under(other.scope, intent.scope) or under(intent.scope, other.scope))
        and heads(intent)
        and heads(other)
    }


def counting_report(facts: Facts, intent: Intent, name: str) -> Report | None:
    own = [
        report
        for report in facts.reports
        if report.intent == intent.id
        and report.name == name
        and report.artefact == intent.artefact
        and facts.granted.get((report.key, name), False)
    ]
    latest = [report for report in own if report.attempt == max(each.attempt for each in own)]
    worst = [report for report in latest if is_bad(intent, report)] or latest
    return worst[0] if worst else None


def failed(facts: Facts, intent: Intent) -> bool:
    """What boxes report is proof that some stage failed, and nobody forgave it."""
    told = (counting_report(facts, intent, name) for name in names_of(facts, intent) or [])
    bad = {
        report.name
        for report in told
        if report is not None
        and is_bad(intent, report)
        and report.id not in forgiven(facts, intent)
    }
    stages = [stage(facts, intent, number) for number in range(len(intent.stages))]
    return any(len(bad & within) > tolerated(intent, len(within), len(within)) for within in stages)


@dataclass(frozen=True)
class Shown:
    """What a gate shows by the oracle: how many could, did and should report, and how many bad."""

    base: int
    good: set[str]
    bad: set[str]
    passes: bool


def gate(facts: Facts, intent: Intent, number: int, seen: set[str], dark: set[str]) -> Shown:
    within = stage(facts, intent, number)
    alive = current(facts, within)
    told = {name: counting_report(facts, intent, name) for name in alive}
    counted = {
        name: report
        for name, report in told.items()
        if report is not None and report.id not in forgiven(facts, intent)
    }
    bad = {
        name
        for name, report in counted.items()
        if is_bad(intent, report) or (report.outcome == "started" and name not in seen)
    }
    good = {
        name
        for name, report in counted.items()
        if report.outcome == "good" and name not in bad and name not in dark
    }
    proceeds = intent.on_partition == "continue"
    base = {name for name in alive if name in seen or (name not in dark and not proceeds)}
    least = max(1, ceil(Fraction(intent.gate.min_reports_ppm, 10**6) * len(base)))
    if proceeds:
        least = max(least, min(3, len(within)))
    enough = len(good | bad) >= least
    return Shown(
        base=len(base),
        good=good,
        bad=bad,
        passes=enough and len(bad) <= tolerated(intent, len(good | bad), len(within)),
    )


def partitioned(facts: Facts, intent: Intent, seen: set[str], dark: set[str]) -> bool:
    names = current(facts, names_of(facts, intent) or [])
    unknown = names - seen - dark
    missing = names - seen
    return (len(unknown) >= 2 and Fraction(len(unknown), len(names)) > Fraction(1, 5)) or (
        len(names) >= 3 and len(missing) >= Fraction(len(names), 2)
    )
