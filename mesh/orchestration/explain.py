"""What a rollout is doing, for people: bars, the gate with its sample, and what it waits for.

Computed from one box's view and sight; another box may see another truth, and says whose it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mesh.orchestration.gate import GateReading
from mesh.orchestration.memory import IntentMemory
from mesh.orchestration.opening import is_cut, is_open, read_gates
from mesh.orchestration.report import Outcome, Verdict, verdict_of
from mesh.orchestration.rollouts import Rollout
from mesh.orchestration.sight import Sight
from mesh.units import MS, SECOND

__all__ = ["Explanation", "StageBar", "counted", "explain", "forgivable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageBar:
    """One stage.

    Attributes:
        share_ppm: its share of the cohort.
        names: how many names it holds.
        open: whether it is open to this box.
        healthy: names that reported good.
        failed: names whose report is bad.
        dark: names that are gone.
        unknown: names that are neither seen nor gone.
        held: the rest: not started, waiting, started, gone back, or not current.
        gate: what its gate shows.
        soak_left_ms: how long the gate must still pass; None while it does not.
    """

    share_ppm: int
    names: int
    open: bool
    healthy: int
    failed: int
    dark: int
    unknown: int
    held: int
    gate: GateReading
    soak_left_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A rollout as one box sees it.

    Attributes:
        title: its name.
        state: a word or two: open, complete, or what holds it.
        stages: a bar each.
        why: why nothing more opens, one sentence each.
        needs: what would change that, one sentence each.
    """

    title: str
    state: str
    stages: tuple[StageBar, ...]
    why: tuple[str, ...]
    needs: tuple[str, ...]


def counted(count: int, one: str, several: str = "") -> str:
    """Return how many of something there are, as people say it: 1 report, 2 reports."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def explain(
    rollout: Rollout,
    sight: Sight,
    memory: IntentMemory,
    *,
    now_ns: int,
    soaks: Mapping[int, int],
) -> Explanation:
    """Return what a box can tell of a rollout.

    Args:
        rollout: in its view.
        sight: what it sees.
        memory: what it latched.
        now_ns: monotonic time.
        soaks: when the soak of a stage began, monotonic ns; no entry where none runs.
    """
    gates = read_gates(rollout, sight)
    stages = tuple(
        _bar(rollout, sight, memory, number, gate, _soak_left(rollout, number, soaks, now_ns))
        for number, gate in enumerate(gates)
    )
    top = max((latch.stage for latch in memory.latches), default=-1)
    last = len(rollout.intent.stages) - 1
    complete = is_open(rollout, memory, last) and rollout.obstacle is None
    reasons = [] if complete else _reasons(rollout, sight, stages, top)
    state = rollout.obstacle or ("complete" if complete else "open")
    return Explanation(
        title=rollout.intent.title,
        state=state,
        stages=stages,
        why=tuple(why for why, _ in reasons),
        needs=tuple(need for _, need in reasons),
    )


def forgivable(rollout: Rollout, sight: Sight) -> tuple[bytes, ...]:
    """Return the bad reports that a `resume` would name: all that are held, in halts too.

    What started, has no outcome and is not seen is among them.
    """
    found: dict[bytes, None] = dict.fromkeys(rollout.proved)
    for name, report in rollout.reports.items():
        verdict = verdict_of(report, rollout.intent.gate)
        lost = verdict is Verdict.OPEN and name not in sight.seen
        if lost or verdict is Verdict.BAD:
            found[report.id] = None
    return tuple(sorted(each for each in found if each not in rollout.forgiven))


def _soak_left(rollout: Rollout, number: int, soaks: Mapping[int, int], now_ns: int) -> int | None:
    began_ns = soaks.get(number)
    if began_ns is None:
        return None
    return max(0, rollout.intent.stages[number].soak_ms - (now_ns - began_ns) // MS)


def _bar(
    rollout: Rollout,
    sight: Sight,
    memory: IntentMemory,
    number: int,
    gate: GateReading,
    soak_left_ms: int | None,
) -> StageBar:
    names = rollout.cohort.stage(number) if rollout.cohort is not None else ()
    failed = dict.fromkeys(gate.bad)
    rest = [name for name in names if name not in failed and name in rollout.current]
    dark = [name for name in rest if name in sight.dark]
    unknown = [name for name in rest if sight.is_unknown(name)]
    away = {*dark, *unknown}
    healthy = [name for name in gate.good if name not in away]
    counted = len(failed) + len(dark) + len(unknown) + len(healthy)
    return StageBar(
        share_ppm=rollout.intent.stages[number].share_ppm,
        names=len(names),
        open=is_open(rollout, memory, number),
        healthy=len(healthy),
        failed=len(failed),
        dark=len(dark),
        unknown=len(unknown),
        held=len(names) - counted,
        gate=gate,
        soak_left_ms=soak_left_ms,
    )


def _reasons(
    rollout: Rollout, sight: Sight, stages: tuple[StageBar, ...], top: int
) -> list[tuple[str, str]]:
    """Return why nothing more opens, each with what it needs."""
    found: list[tuple[str, str]] = []
    if rollout.obstacle is not None:
        found.append((rollout.obstacle, _cure(rollout)))
    if rollout.is_proven:
        return found
    if not sight.whole:
        found.append(
            ("not every linked peer was asked since the link came up", "one whole sync with each")
        )
    if rollout.cohort is None:
        return found
    if is_cut(rollout, sight) and rollout.intent.on_partition == "hold":
        lost = [name for name in rollout.cohort.ranked if name in rollout.current]
        lost = [name for name in lost if name not in sight.seen]
        listed = ", ".join(lost[:3]) + (" …" if len(lost) > 3 else "")
        gone = f"{counted(len(lost), 'name')} out of sight ({listed})"
        found.append(
            (
                f"this side counts itself partitioned: {gone}",
                "links to them; retire those that are dead; or promote",
            )
        )
    if top >= 0:
        found += _gate_reasons(rollout, sight, stages[top], top)
    return found


def _cure(rollout: Rollout) -> str:
    if rollout.dead is not None:
        if rollout.halts and rollout.ended is None:
            return "repair, then `resume`, which forgives the bad reports"
        return "another intent: this one is over"
    if rollout.superseded_by:
        return "nothing: the newer one is rolled out"
    if rollout.rivals:
        return "abort one, or apply one again so that it supersedes the other"
    return "the list, from a neighbour" if rollout.cohort is None else "`resume`"


def _gate_reasons(
    rollout: Rollout, sight: Sight, stage: StageBar, number: int
) -> list[tuple[str, str]]:
    gate, found = stage.gate, list[tuple[str, str]]()
    if gate.reported < gate.needed:
        missing = gate.needed - gate.reported
        asked = counted(gate.needed, "report")
        lacks = f"stage {number}: {gate.reported} of {asked}, base {gate.base}"
        doubt = f"; {stage.unknown} unknown: retire those that are dead" if stage.unknown else ""
        found.append((lacks, f"{counted(missing, 'more report')}{doubt}"))
    if len(gate.bad) > gate.allowed:
        first = gate.bad[0]
        report = rollout.reports[first]
        silent = report.outcome is Outcome.STARTED and first not in sight.seen
        said = (
            "started and was not seen again" if silent else (report.reason or "missed a threshold")
        )
        why = f"stage {number}: {len(gate.bad)} bad of {gate.reported}, {gate.allowed} allowed"
        need = "repair, then `resume`, which forgives the bad reports"
        found.append((f"{why}; {first}: {said}", need))
    if gate.passes and stage.soak_left_ms:
        left_s = -(-stage.soak_left_ms * MS // SECOND)
        found.append((f"stage {number} passes and soaks", f"{left_s} s more without a change"))
    return found
