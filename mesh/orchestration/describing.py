"""Rollouts as maps that cross a console: the listing, one rollout's bars, one box, a difference.

Whole numbers and texts only, since entries and consoles hold no fractions; the command line makes
tables of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from crdt.standing import Pair
from identity.capability import is_at_or_under
from mesh.orchestration.applying import Plan
from mesh.orchestration.commanding import percent
from mesh.orchestration.explain import StageBar, explain
from mesh.orchestration.going_back import stage_of_start
from mesh.orchestration.intent import Intent
from mesh.orchestration.labels import labels_of
from mesh.orchestration.memory import IntentMemory
from mesh.orchestration.observing import observed, opened
from mesh.orchestration.report import Outcome, Report, Verdict, verdict_of
from mesh.orchestration.rollouts import Rollout
from mesh.orchestration.sight import Sight
from mesh.orchestration.standpoint import Standpoint, reach, short

__all__ = ["Watch", "describe_box", "describe_change", "describe_rollout", "list_rollouts"]

Row = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a node sees and remembers, beside its view.

    Attributes:
        sight: whom it sees.
        memories: what it latched, by intent; none where it takes no part.
        soaks: when the soak of a stage began, monotonic ns, by intent and stage.
        now_ns: monotonic time.
    """

    sight: Sight
    memories: Mapping[bytes, IntentMemory] = field(default_factory=dict[bytes, IntentMemory])
    soaks: Mapping[tuple[bytes, int], int] = field(default_factory=dict[tuple[bytes, int], int])
    now_ns: int = 0

    @classmethod
    def of_store(cls, view: Standpoint) -> "Watch":
        """Return that of a store which is only read: nobody looks, so nobody is missed."""
        names = (pair.name for pair in view.authority.standings)
        return cls(sight=Sight(seen=frozenset(names), linked=False))


def list_rollouts(view: Standpoint, watch: Watch | None = None) -> list[Row]:
    """Return a row for each rollout: those that are live first, then by title and id.

    Args:
        view: of whoever is asked.
        watch: what is seen from there; None for a store that is only read.
    """
    seen = watch or Watch.of_store(view)
    every = sorted(
        view.rollouts.by_id.values(),
        key=lambda each: (
            each.dead is not None,
            bool(each.superseded_by),
            each.intent.title,
            each.id,
        ),
    )
    return [{**_row(each), "state": describe_rollout(each, seen)["state"]} for each in every]


def _row(rollout: Rollout) -> Row:
    intent, widest = rollout.intent, opened(rollout)
    verdicts = [
        verdict_of(report, intent.gate)
        for report in rollout.reports.values()
        if report.id not in rollout.forgiven
    ]
    return {
        "title": intent.title,
        "id": short(rollout.id),
        "slot": intent.slot,
        "over": reach(intent.scope),
        "artefact": intent.artefact.hex(),
        "model": str(rollout.model) if rollout.model is not None else "",
        "state": rollout.obstacle or "open",
        "open": percent(intent.shares_ppm[widest]) if widest >= 0 else "",
        "stages": [percent(share) for share in intent.shares_ppm],
        "names": intent.count,
        "good": sum(verdict is Verdict.GOOD for verdict in verdicts),
        "bad": sum(verdict is Verdict.BAD for verdict in verdicts),
    }


def describe_rollout(rollout: Rollout, watch: Watch) -> Row:
    """Return one rollout with a bar a stage, why it holds and what it needs."""
    memory = observed(rollout, watch.memories.get(rollout.id, IntentMemory()))
    soaks = {stage: at for (intent, stage), at in watch.soaks.items() if intent == rollout.id}
    told = explain(rollout, watch.sight, memory, now_ns=watch.now_ns, soaks=soaks)
    wide = told.state == "complete"
    settled = "approved" if rollout.is_proven else "complete"
    passed = wide and (rollout.is_proven or told.stages[-1].gate.passes)
    return {
        **_row(rollout),
        "state": (settled if passed else "open to its last stage") if wide else told.state,
        "ended": rollout.dead is not None or bool(rollout.superseded_by),
        "complete": passed,
        "on_partition": rollout.intent.on_partition,
        "on_failure": rollout.intent.on_failure,
        "bars": [_bar(bar) for bar in told.stages],
        "why": list(told.why),
        "needs": list(told.needs),
        "reports": [_said(rollout, name, each) for name, each in rollout.reports.items()],
    }


def _bar(bar: StageBar) -> Row:
    return {
        "percent": percent(bar.share_ppm),
        "names": bar.names,
        "open": bar.open,
        "healthy": bar.healthy,
        "held": bar.held,
        "failed": bar.failed,
        "dark": bar.dark,
        "unknown": bar.unknown,
        "passes": bar.gate.passes,
        "reported": bar.gate.reported,
        "needed": bar.gate.needed,
        "bad": len(bar.gate.bad),
        "allowed": bar.gate.allowed,
        "soak_left_ms": bar.soak_left_ms,
    }


def _said(rollout: Rollout, name: str, report: Report) -> Row:
    measured = report.metrics
    return {
        "name": name,
        "attempt": report.attempt,
        "outcome": str(report.outcome),
        "verdict": str(verdict_of(report, rollout.intent.gate).value),
        "forgiven": report.id in rollout.forgiven,
        "p95_us": measured.p95_us,
        "map50_ppm": measured.map50_ppm,
        "disagreement_ppm": measured.disagreement_ppm,
        "errors": measured.errors,
        "reason": report.reason,
    }


# ------------------------------------------------------------------------------------- one box


def describe_box(view: Standpoint, pair: Pair, watch: Watch) -> list[Row]:
    """Return, for each slot that some rollout over a box speaks of, what the box does there.

    Args:
        view: of whoever is asked.
        pair: the box.
        watch: what is seen from there.
    """
    return [_slot_of_box(view, pair, slot, watch) for slot in view.rollouts.slots(pair.name)]


def _slot_of_box(view: Standpoint, pair: Pair, slot: str, watch: Watch) -> Row:
    heads = view.rollouts.heads(slot, pair.name)
    past = [
        _past(each, pair.name)
        for each in view.rollouts.by_id.values()
        if each.dead is not None
        and each.intent.slot == slot
        and is_at_or_under(pair.name, each.intent.scope)
    ]
    if not heads:
        none: Row = {"slot": slot, "title": "", "id": "", "said": [], "past": past}
        return {**none, "why": "no rollout of it is live"}
    rollout = heads[0]
    report = rollout.reports.get(pair.name)
    return {
        "slot": slot,
        "title": rollout.intent.title,
        "id": short(rollout.id),
        "why": _why(view, rollout, pair, watch),
        "said": [] if report is None else [_said(rollout, pair.name, report)],
        "past": past,
    }


def _past(rollout: Rollout, name: str) -> Row:
    """Return a rollout that is over, and what a box itself reported of it."""
    report = rollout.reports.get(name)
    did = "it never began with it"
    if report is not None:
        did = f"it {_told(report, verdict_of(report, rollout.intent.gate))}"
    return {
        "title": rollout.intent.title,
        "id": short(rollout.id),
        "why": f"{rollout.dead}; {did}",
        "said": [] if report is None else [_said(rollout, name, report)],
    }


def _why(view: Standpoint, rollout: Rollout, pair: Pair, watch: Watch) -> str:
    """Return one sentence: what the box does about a rollout, and what keeps it from more."""
    report = rollout.reports.get(pair.name)
    if report is not None and report.id not in rollout.forgiven:
        said = _told(report, verdict_of(report, rollout.intent.gate))
        return f"{said}; {rollout.obstacle}" if rollout.obstacle else said
    if rollout.obstacle is not None:
        return f"stays with what it runs: {rollout.obstacle}"
    stage = stage_of_start(rollout, pair.name, labels_of(view.fleet, pair))
    if stage is None:
        return "stays with what it runs: it is not in the cohort"
    share = percent(rollout.intent.shares_ppm[stage])
    if rollout.is_proven:
        return f"its stage of {share} is open: the model is approved, and it reports nothing bad"
    memory = observed(rollout, watch.memories.get(rollout.id, IntentMemory()))
    if not memory.is_open(stage):
        told = describe_rollout(rollout, watch)
        why = told["why"]
        first = f": {why[0]}" if isinstance(why, list) and why else ""
        return f"waits for the stage of {share}, which is not open{first}"
    if not watch.sight.linked or pair.name in watch.sight.seen:
        return f"its stage of {share} is open, and it has not reported yet"
    return f"its stage of {share} is open, and it is not seen"


_DOES = {
    Outcome.WAITING: "waits for bytes or room",
    Outcome.STARTED: "loaded and tested it, and swaps next",
    Outcome.GOOD: "runs it",
    Outcome.FAILED: "tried it and failed",
    Outcome.BACK: "went back to what it ran before",
}


def _told(report: Report, verdict: Verdict) -> str:
    bad = ", and misses a threshold" if verdict is Verdict.BAD else ""
    reason = f": {report.reason}" if report.reason else ""
    bad = "" if report.outcome is Outcome.FAILED else bad
    return f"{_DOES[report.outcome]} (attempt {report.attempt}){bad}{reason}"


# -------------------------------------------------------------------------------- a difference


def describe_change(view: Standpoint, plan: Plan) -> list[Row]:
    """Return what a plan changes, field by field: {field, before, after}; none where nothing."""
    if plan.unchanged:
        return []
    old = _fields(plan.before.intent) if plan.before is not None else {}
    new = _fields(plan.intent)
    rows: list[Row] = [
        {"field": name, "before": old.get(name, ""), "after": text}
        for name, text in new.items()
        if old.get(name, "") != text
    ]
    listed = view.cohorts.get(plan.before.intent.cohort, ()) if plan.before is not None else ()
    left = [name for name in listed if name not in frozenset(plan.names)]
    added = [name for name in plan.names if name not in frozenset(listed)]
    if left or added:
        rows.append({"field": "cohort", "before": ", ".join(left), "after": ", ".join(added)})
    return rows


def _fields(intent: Intent) -> dict[str, str]:
    """Return an intent as the lines of a rollout file say it."""
    gate = intent.gate
    asked = {
        "gate.min_reports": _share(gate.min_reports_ppm),
        "gate.success": _share(gate.success_ppm),
        "gate.p95_ms": "" if gate.p95_us_max is None else f"{gate.p95_us_max / 1000:g}",
        "gate.map50": _share(gate.map50_ppm_min),
        "gate.disagreement": _share(gate.disagreement_ppm_max),
    }
    return {
        "name": intent.title,
        "artifact": f"sha256:{intent.artefact.hex()}",
        "slot": intent.slot,
        "cohort.within": reach(intent.within),
        "cohort.labels": ", ".join(f"{key}={value}" for key, value in intent.labels),
        "stages": ", ".join(
            percent(each.share_ppm) + (f" soak {each.soak_ms / 1000:g} s" if each.soak_ms else "")
            for each in intent.stages
        ),
        **asked,
        "on_partition": intent.on_partition,
        "on_failure": intent.on_failure,
    }


def _share(share_ppm: int | None) -> str:
    return "" if share_ppm is None else f"{share_ppm / 1_000_000:g}"
