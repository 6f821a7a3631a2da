"""The gate: whether a stage's reports let the next stage open.

Of the stage's names at least max(1, ⌈min_reports·base⌉) reported, and at most
⌊(1 - success)·reported⌋ are bad (in a stage of 50 names up, at least one may be). The base is the
stage's current names minus the dark ones, so that one dead box does not hold a city for ever; under
`on_partition: continue` minus the unknown ones too, and then never fewer reports than
min(3, stage). Too little data holds; it never passes.

A box that reported `started`, has no outcome and is not seen counts as bad: a model that kills
silently must not pass for a lack of news. For the same reason a good report of a name that is dark
now is no report: what it said of a box that lived is over. A report that a resume forgives is none.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mesh.orchestration.fields import MILLION
from mesh.orchestration.intent import Intent, bad_allowed
from mesh.orchestration.report import Report, Verdict, verdict_of
from mesh.orchestration.sight import Sight

__all__ = ["GateReading", "read_gate"]

CONTINUE_REPORTS_MIN = 3
"""Under `continue` a gate wants so many reports, or the whole stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReading:
    """What a gate shows, with its sample.

    Attributes:
        base: names that could report.
        good: names whose report is good.
        bad: names whose report is bad, or that started and are not seen.
        needed: reports that it wants.
        allowed: bad ones that it tolerates of those that reported.
        counted: ids of the reports in the sample, by rank of their names.
    """

    base: int
    good: tuple[str, ...]
    bad: tuple[str, ...]
    needed: int
    allowed: int
    counted: tuple[bytes, ...]

    @property
    def reported(self) -> int:
        """Names that reported."""
        return len(self.good) + len(self.bad)

    @property
    def passes(self) -> bool:
        """Whether the next stage may open."""
        return self.reported >= self.needed and len(self.bad) <= self.allowed


def read_gate(
    intent: Intent,
    stage: Sequence[str],
    *,
    current: Collection[str],
    sight: Sight,
    reports: Mapping[str, Report],
    forgiven: Collection[bytes],
) -> GateReading:
    """Return what the gate of a stage shows.

    Args:
        intent: with the thresholds.
        stage: the names of the stage, by rank.
        current: the names that are held by a current pair; others count in nothing.
        sight: what the box sees.
        reports: the one report that counts of each name.
        forgiven: ids of reports that a resume forgives.
    """
    proceeds = intent.on_partition == "continue"
    names = [name for name in stage if name in current]
    base = sum(not (name in sight.dark or (proceeds and sight.is_unknown(name))) for name in names)
    needed = max(1, -(-intent.gate.min_reports_ppm * base // MILLION))
    if proceeds:
        needed = max(needed, min(CONTINUE_REPORTS_MIN, len(stage)))
    good: list[str] = []
    bad: list[str] = []
    counted: list[bytes] = []
    for name in names:
        report = reports.get(name)
        if report is None or report.id in forgiven:
            continue
        verdict = verdict_of(report, intent.gate)
        if verdict is Verdict.OPEN and name not in sight.seen:
            verdict = Verdict.BAD
        if verdict is Verdict.BAD:
            bad.append(name)
        elif verdict is Verdict.GOOD and name not in sight.dark:
            good.append(name)
        else:
            continue
        counted.append(report.id)
    allowed = bad_allowed(intent.gate.success_ppm, len(good) + len(bad), len(stage))
    return GateReading(
        base=base,
        good=tuple(good),
        bad=tuple(bad),
        needed=needed,
        allowed=allowed,
        counted=tuple(counted),
    )
