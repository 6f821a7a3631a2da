"""A rollout with `hold` and a cut in its middle: what each bank did, and what it must do.

The rule: a box counts itself partitioned when more than 20 %, and at least two, of the cohort's
current names are unknown, or half or more are not seen; then no stage opens there. The cohort is
the near bank and two boxes of the far one, of which one is revoked during the cut. So the near bank
misses one of five, is not partitioned and goes on; the far one misses four of six and must not,
though its gate passes and its soak runs out like the near bank's.

That a far box stood still proves something only if nothing but the rule kept it: it counted itself
partitioned, and the soak that it runs itself is over.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from identity.encoding import Value
from mesh.demo.acts.reaction_times import Report
from mesh.demo.acts.riverside import Riverside
from mesh.demo.claims import Claims
from mesh.orchestration.cohort import Cohort
from mesh.orchestration.fields import MILLION
from mesh.units import SECOND

__all__ = [
    "SOAKS_MS",
    "STAGES",
    "Held",
    "Trial",
    "is_complete",
    "is_soaked",
    "is_under_way",
    "judge_completed",
    "judge_gone_on",
    "judge_held",
    "judge_once",
    "judge_under_way",
    "went_on",
]

PERCENTS = (30, 60, 100)
SOAKS_MS = (16_000, 500, 0)
"""The first soak ends inside the cut, when every box has noticed it: that takes twelve seconds."""
STAGES = tuple(zip(PERCENTS, SOAKS_MS, strict=True))
"""Of the rollout."""
OPEN_S = 1.0
"""Seconds after the end of a soak in which a box that does not hold opens the next stage."""

Answers = Mapping[str, Report]


@dataclass(slots=True)
class Held:
    """What the rollout came to; the JSON's names.

    Attributes:
        boxes: of the cohort.
        on_partition: what was declared.
        open_at_cut: boxes whose stage was open when the bridges went down.
        went_on: boxes of the near bank that ran it before the heal.
        held: boxes of the far bank that counted themselves partitioned and opened nothing.
        soak_over_s: after how many seconds of the cut the last soak on the far bank ran out.
        heal_to_complete_s: from the heal until every current box ran it; None if never.
        attempts_max: most attempts of a box; more than one would be a second promotion.
    """

    boxes: int = 0
    on_partition: str = "hold"
    open_at_cut: int = 0
    went_on: int = 0
    held: int = 0
    soak_over_s: float | None = None
    heal_to_complete_s: float | None = None
    attempts_max: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """The rollout.

    Attributes:
        side: where the boxes stand.
        digest: of the artefact.
        intent: id of it.
    """

    side: Riverside
    digest: bytes
    intent: bytes

    @property
    def cohort(self) -> Cohort:
        """The names by rank."""
        return cohort_of(self.side, self.digest)

    @property
    def near(self) -> tuple[str, ...]:
        """The boxes of the near bank in it."""
        return tuple(box for box in self.side.panels if box in self.side.near)

    @property
    def far(self) -> tuple[str, ...]:
        """The boxes of the far bank in it."""
        return tuple(box for box in self.side.panels if box in self.side.far)

    @property
    def current(self) -> tuple[str, ...]:
        """The boxes that are left of it once the revoked one is."""
        return tuple(box for box in self.side.panels if box != self.side.revoked)


def cohort_of(side: Riverside, digest: bytes) -> Cohort:
    """Return the names by rank, as every box ranks them."""
    shares = tuple(percent * MILLION // 100 for percent in PERCENTS)
    return Cohort.of(digest, side.panels, shares)


# ------------------------------------------------------------------------------ under way


def is_under_way(trial: Trial, answers: Answers) -> bool:
    """Whether the first stage runs, everybody knows, and nothing else is open."""
    cohort, first = trial.cohort, trial.cohort.stage(0)
    return (
        set(answers) == set(cohort.ranked)
        and all(_runs(trial, answers[box]) == (box in first) for box in cohort.ranked)
        and all(
            _opened(answer) == [0]
            and answer.get("partitioned") is False
            and "soak_began_ns" in answer
            and set(first) <= _good(answer)
            for answer in answers.values()
        )
    )


def judge_under_way(trial: Trial, answers: Answers, outcome: Held, claims: Claims) -> None:
    """See that the rollout stands in its first stage when the bridges go down."""
    first = trial.cohort.stage(0)
    outcome.boxes = len(trial.cohort.ranked)
    outcome.open_at_cut = sum(_runs(trial, answers.get(box, {})) for box in first)
    claims.check(
        "rollout_under_way",
        is_under_way(trial, answers),
        f"{outcome.open_at_cut} of the {len(first)} boxes of the first stage run it, and the soak "
        f"runs on every of {len(trial.cohort.ranked)} boxes",
    )


# ------------------------------------------------------------------------------- the cut


def went_on(trial: Trial, answers: Answers) -> list[str]:
    """Return the near boxes that count themselves no side of a partition and run it."""
    last = len(PERCENTS) - 1
    return [
        box
        for box in trial.near
        if (answer := answers.get(box)) is not None
        and answer.get("partitioned") is False
        and last in _opened(answer)
        and _runs(trial, answer)
    ]


def judge_gone_on(trial: Trial, answers: Answers, outcome: Held, claims: Claims) -> None:
    """See that the bank that by the rule is not partitioned went on to the last stage."""
    gone = went_on(trial, answers)
    outcome.went_on = len(gone)
    claims.check(
        "rollout_goes_on",
        len(gone) == len(trial.near),
        f"{len(gone)} of {len(trial.near)} boxes of the near bank, which misses one of "
        f"{len(trial.current)} once {trial.side.revoked} is revoked, are not partitioned and "
        "went on to the last stage",
    )


def is_soaked(trial: Trial, answers: Answers, now_ns: int) -> bool:
    """Whether on every far box the first soak is over, and a stage could have opened since."""
    return all(_is_over(answers.get(box, {}), now_ns) for box in trial.far)


def judge_held(
    trial: Trial, answers: Answers, now_ns: int, cut_ns: int, outcome: Held, claims: Claims
) -> None:
    """See that the bank that counts itself partitioned opened nothing, for that reason alone.

    Args:
        trial: the rollout.
        answers: of the cohort, taken before the heal.
        now_ns: a time before they were asked.
        cut_ns: when the bridges went down.
        outcome: is filled in.
        claims: where the claim is judged.
    """
    told = {box: answers.get(box, {}) for box in trial.far}
    ends = [end for answer in told.values() if (end := _soak_end_ns(answer)) is not None]
    outcome.soak_over_s = round((max(ends) - cut_ns) / SECOND, 1) if ends else None
    wrong = {box: why for box, answer in told.items() if (why := _moved(trial, answer, now_ns))}
    outcome.held = len(told) - len(wrong)
    claims.check(
        "rollout_holds",
        bool(told) and not wrong,
        f"{outcome.held} of {len(told)} boxes of the far bank count themselves partitioned and "
        f"opened nothing, though their gate passed and the soak was over {outcome.soak_over_s} s "
        f"after the cut {_told(wrong)}",
    )


def _moved(trial: Trial, answer: Report, now_ns: int) -> str:
    """Return in what a far box did not hold, or why that it stood still says nothing."""
    if not answer:
        return "is silent"
    if _opened(answer) != [0] or _has_shown(trial, answer):
        return f"opened stages {_opened(answer)}"
    if answer.get("partitioned") is not True:
        return "counts itself no side of a partition"
    return "" if _is_over(answer, now_ns) else "its soak runs still, so nothing held it"


# ------------------------------------------------------------------------------ the heal


def is_complete(trial: Trial, answers: Answers) -> bool:
    """Whether every current box of the cohort runs it, and everyone of them knows that."""
    return not _lacking(trial, answers)


def judge_completed(
    trial: Trial, answers: Answers, took_s: float | None, outcome: Held, claims: Claims
) -> None:
    """See that the rollout reached everybody by the same rule once the bridges stood."""
    outcome.heal_to_complete_s = None if took_s is None else round(took_s, 1)
    lacking = _lacking(trial, answers)
    claims.check(
        "rollout_completes",
        took_s is not None and not lacking,
        f"{len(trial.current) - len(lacking)} of {len(trial.current)} boxes run it, proven and "
        f"known to all, {outcome.heal_to_complete_s} s after the heal {lacking or ''}",
    )


def judge_once(trial: Trial, answers: Answers, outcome: Held, claims: Claims) -> None:
    """See that nothing was promoted twice, and that the revoked box never ran it."""
    told = {box: answers.get(box, {}) for box in trial.current}
    attempts = {box: answer.get("attempt") for box, answer in told.items()}
    outcome.attempts_max = max(
        (count for count in attempts.values() if isinstance(count, int)), default=0
    )
    twice = [
        box
        for box, answer in told.items()
        if attempts[box] != 1
        or _digests(answer, "shown").count(trial.digest) != 1
        or sorted(set(_opened(answer))) != _opened(answer)
    ]
    revoked = answers.get(trial.side.revoked)
    never = revoked is not None and not _has_shown(trial, revoked)
    claims.check(
        "promoted_once",
        not twice and never,
        f"each of {len(told)} boxes began with it once, swapped once and opened each stage at most "
        f"once {twice or ''}; {trial.side.revoked}, which is revoked, "
        + ("never ran it" if never else "is silent" if revoked is None else "ran it"),
    )


# ----------------------------------------------------------------------------- answers


def _lacking(trial: Trial, answers: Answers) -> list[str]:
    wanted = set(trial.current)
    return [
        box
        for box in trial.current
        if not _runs(trial, answer := answers.get(box, {})) or not wanted <= _good(answer)
    ]


def _runs(trial: Trial, answer: Report) -> bool:
    return answer.get("running") == trial.digest and answer.get("proven") is True


def _has_shown(trial: Trial, answer: Report) -> bool:
    return trial.digest in _digests(answer, "shown")


def _digests(answer: Report, name: str) -> list[Value]:
    value = answer.get(name)
    return list(value) if isinstance(value, list) else []


def _opened(answer: Report) -> list[int]:
    return [stage for stage in _digests(answer, "open") if isinstance(stage, int)]


def _good(answer: Report) -> set[str]:
    """Return the names whose report in a box's view says that they run it."""
    reports = answer.get("reports")
    rows = reports.items() if isinstance(reports, dict) else ()
    return {str(name) for name, row in rows if isinstance(row, list) and row[:1] == ["good"]}


def _soak_end_ns(answer: Report) -> int | None:
    began_ns = answer.get("soak_began_ns")
    return began_ns + SOAKS_MS[0] * SECOND // 1000 if isinstance(began_ns, int) else None


def _is_over(answer: Report, now_ns: int) -> bool:
    end_ns = _soak_end_ns(answer)
    return end_ns is not None and end_ns + round(OPEN_S * SECOND) <= now_ns


def _told(wrong: Mapping[str, str]) -> str:
    return "; ".join(f"{box} {why}" for box, why in wrong.items())
