"""What was seen of the two rollouts of the first act, compared with what must be seen.

Who ran what is read from the frames that each box looked at, when from the one monotonic clock of
the machine, and which stage was open from the boxes' latches. A stage is judged at the last moment
at which nobody had the next one open: by then its boxes must all run the release, and nobody else.
No name of a model is looked at, and what a box measured counts if we measured the same ourselves.

A box that is silent proves nothing: every judgement names the boxes it is about.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from identity.encoding import Value
from mesh.demo.claims import Claims
from mesh.demo.releases.own_figures import Figures
from mesh.orchestration.cohort import Cohort
from mesh.orchestration.fields import MILLION
from mesh.units import SECOND

__all__ = [
    "MAP50_PPM_MIN",
    "PERCENTS",
    "ROLLOUT_S_MAX",
    "SOAK_S",
    "BadRelease",
    "Comeback",
    "Outcome",
    "Poison",
    "StageSeen",
    "Trial",
    "is_everywhere",
    "is_gone",
    "judge_bad_release",
    "judge_duration",
    "judge_poison",
    "judge_release",
    "judge_speech",
    "judge_stages",
]

PERCENTS = (10, 50, 100)
"""The stages of both rollouts."""
SOAK_S = 3.0
"""How long each stage's gate must pass before the next one opens, seconds."""
MAP50_PPM_MIN = 450_000
"""What the gate asks of the worst condition on the canary frames; see docs/detector.md."""
ROLLOUT_S_MAX = 70.0
"""Seconds that the act may take."""

Answer = Mapping[str, Value]
Answers = Mapping[str, Answer]


@dataclass(slots=True)
class StageSeen:
    """One stage, as the JSON says it."""

    percent: int
    boxes: int
    opened_s: float | None


@dataclass(slots=True)
class BadRelease:
    """The release that must not come through."""

    held_at_percent: int = 0
    boxes_ever_ran: int = 0
    rolled_back: bool = False


@dataclass(slots=True)
class Comeback:
    """A box that was killed, and what it said when it was back and from then on.

    Attributes:
        box: which; "" for none.
        seconds: from the signal until it was among the others again.
        began_with_release: whether its new process began with what it had run.
        bytes_fetched: of the release since then, the most that it ever said; None if it never did.
        watched_s: for how long it was asked.
    """

    box: str = ""
    seconds: float = 0.0
    began_with_release: bool = False
    bytes_fetched: int | None = None
    watched_s: float = 0.0


@dataclass(slots=True)
class Poison:
    """Chunks that a member offered with wrong bytes."""

    chunks_sent: int = 0
    boxes_offered: list[str] = field(default_factory=list[str])
    boxes_refused: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class Outcome:
    """What the act found; the JSON's names."""

    boxes_on_approved: int = 0
    stages: list[StageSeen] = field(default_factory=list[StageSeen])
    bad_release: BadRelease = field(default_factory=BadRelease)
    comeback: Comeback = field(default_factory=Comeback)
    poison: Poison = field(default_factory=Poison)
    seconds: float = 0.0


@dataclass(slots=True)
class Trial:
    """What was seen of one rollout; times are monotonic nanoseconds.

    Attributes:
        version: what it is called, for people.
        digest: of the artefact.
        intent: id of it.
        names: the cohort.
        proposed_ns: when it was proposed.
        figures: what we measured of the artefact ourselves.
        closed_ns: by stage, the last time at which nobody had it open.
        opened_ns: by stage, when somebody was first seen to have it open.
        ran_ns: when each box first looked at a frame with it.
        reports: the report of each box that was seen last: outcome and night figure.
        offences: of each box's neighbours, as many as it ever counted.
    """

    version: str
    digest: bytes
    intent: bytes
    names: tuple[str, ...]
    proposed_ns: int
    figures: Figures
    closed_ns: dict[int, int] = field(default_factory=dict[int, int])
    opened_ns: dict[int, int] = field(default_factory=dict[int, int])
    ran_ns: dict[str, int] = field(default_factory=dict[str, int])
    reports: dict[str, tuple[str, int | None]] = field(
        default_factory=dict[str, tuple[str, int | None]]
    )
    offences: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def cohort(self) -> Cohort:
        """The names by rank."""
        shares = tuple(percent * MILLION // 100 for percent in PERCENTS)
        return Cohort.of(self.digest, self.names, shares)

    @property
    def good_figures(self) -> dict[str, int | None]:
        """The figure of each box whose report says that the release works."""
        return {box: figure for box, (word, figure) in self.reports.items() if word == "good"}

    @property
    def top(self) -> int:
        """The last stage that anybody was ever seen to have open; -1 for none."""
        return max(self.opened_ns, default=-1)

    def ran_before(self, stage: int) -> set[str]:
        """The boxes that ran it while nobody had a stage open; all that ever did for one beyond."""
        if stage >= len(PERCENTS):
            return set(self.ran_ns)
        end_ns = self.closed_ns.get(stage, self.proposed_ns)
        return {box for box, ns in self.ran_ns.items() if ns <= end_ns}

    def note(self, answers: Answers, asked_ns: int, answered_ns: int) -> None:
        """Take what the boxes said when they were all asked at once."""
        top = max((_int(answer.get("open"), -1) for answer in answers.values()), default=-1)
        for stage in range(len(PERCENTS)):
            if stage <= top:
                self.opened_ns.setdefault(stage, answered_ns)
            elif stage not in self.opened_ns:
                self.closed_ns[stage] = asked_ns
        for box, answer in answers.items():
            for digest, ns in _rows(answer.get("ran")):
                if digest == self.digest and isinstance(ns, int):
                    self.ran_ns[box] = min(ns, self.ran_ns.get(box, ns))
            self.offences[box] = max(_int(answer.get("offences"), 0), self.offences.get(box, 0))
            own = next((row for row in _rows(answer.get("reports")) if row[0] == box), None)
            if own is not None:
                figure = own[2] if isinstance(own[2], int) else None
                self.reports[box] = (str(own[1]), figure)


def is_everywhere(trial: Trial, answers: Answers) -> bool:
    """Whether every box of the cohort runs it, has shown that it works, and reported so."""
    return all(
        (answer := answers.get(box)) is not None
        and answer.get("running") == trial.digest
        and answer.get("proven") is True
        and trial.reports.get(box, ("", None))[0] == "good"
        for box in trial.names
    )


def is_gone(trial: Trial, runs_again: bytes, answers: Answers) -> bool:
    """Whether every box knows that it was halted, and runs what was there before."""
    return all(
        (answer := answers.get(box)) is not None
        and answer.get("dead") == "halted"
        and answer.get("running") == runs_again
        and answer.get("proven") is True
        for box in trial.names
    )


def judge_stages(trial: Trial, outcome: Outcome, claims: Claims) -> None:
    """See that each stage had just its boxes, and opened when the one before had soaked."""
    cohort, told = trial.cohort, list[str]()
    held = True
    for stage, percent in enumerate(PERCENTS):
        found = trial.ran_before(stage + 1)
        opened_ns = trial.opened_ns.get(stage)
        opened_s = None if opened_ns is None else (opened_ns - trial.proposed_ns) / SECOND
        outcome.stages.append(
            StageSeen(percent, len(found), None if opened_s is None else round(opened_s, 1))
        )
        before = [trial.ran_ns[box] for box in trial.ran_before(stage)] if stage else []
        soaked = opened_ns is not None and all(opened_ns - ns >= SOAK_S * SECOND for ns in before)
        held = held and soaked and found == set(cohort.stage(stage))
        told.append(f"{percent} %: {len(found)} of {cohort.sizes[stage]}")
    claims.check(
        "stages", held,
        f"{trial.version} at {', '.join(told)} boxes, the next after {SOAK_S:g} good seconds",
    )  # fmt: skip


def judge_release(
    trial: Trial, keys: Mapping[str, bytes], answers: Answers, outcome: Outcome, claims: Claims
) -> None:
    """See that each box runs the approved release, by its report and by what it states.

    Args:
        trial: of the release.
        keys: of the boxes, by name.
        answers: of the boxes, with what each sees stated.
        outcome: is filled in.
        claims: where each claim is judged.
    """
    good, told = trial.good_figures, trial.figures.are_told(trial.good_figures.values())
    claims.check(
        "reported",
        set(good) == set(trial.names) and told and trial.figures.worst_ppm >= MAP50_PPM_MIN,
        f"{len(good)} of {len(trial.names)} boxes reported {trial.version} as good, with "
        f"{_percent(good.values())}; by our own measure {trial.figures}",
    )
    on = [
        box
        for box, answer in answers.items()
        if answer.get("running") == trial.digest and answer.get("state") == "approved"
    ]
    outcome.boxes_on_approved = len(on)
    wanted = {key: [trial.digest] for key in keys.values()}
    unsure = [
        box
        for box in trial.names
        if not wanted.items() <= dict(_statements(answers.get(box, {}))).items()
    ]
    claims.check(
        "on_approved", set(on) == set(trial.names) and not unsure,
        f"{len(on)} of {len(trial.names)} boxes run {trial.version}, approved; each sees that all "
        f"state it {unsure or ''}",
    )  # fmt: skip


def judge_speech(
    trial: Trial, models: Mapping[str, bytes | None], heard: Collection[str], claims: Claims
) -> None:
    """See that the events of each box name the release, and that all others accept them.

    Args:
        trial: of the release.
        models: the digest in an event of each box.
        heard: boxes that accepted what all others said.
        claims: where the claim is judged.
    """
    named = [box for box in trial.names if models.get(box) == trial.digest]
    claims.check(
        "speaks", set(named) == set(heard) == set(trial.names),
        f"the events of {len(named)} of {len(trial.names)} boxes name {trial.version}, and "
        f"{len(heard)} boxes accept those of all others",
    )  # fmt: skip


def judge_poison(
    trial: Trial, names: Mapping[bytes, str], sent: Value, outcome: Outcome, claims: Claims
) -> None:
    """See that whoever was sent wrong bytes noticed it.

    Args:
        trial: of the release that was poisoned.
        names: of the boxes, by key.
        sent: rows of a key and how many wrong chunks went there.
        outcome: is filled in.
        claims: where the claim is judged.
    """
    poison = outcome.poison
    rows = [
        (names[key], count) for key, count in _rows(sent) if isinstance(key, bytes) and key in names
    ]
    poison.chunks_sent = sum(_int(count, 0) for _, count in rows)
    poison.boxes_offered = sorted(box for box, _ in rows)
    poison.boxes_refused = [box for box in poison.boxes_offered if trial.offences.get(box)]
    claims.check(
        "poison_refused",
        bool(rows) and poison.boxes_refused == poison.boxes_offered,
        f"{poison.chunks_sent} chunks with wrong bytes went to {len(rows)} boxes; "
        f"{len(poison.boxes_refused)} refused them and their sender",
    )


def judge_bad_release(
    trial: Trial, runs_again: bytes, answers: Answers, outcome: Outcome, claims: Claims
) -> None:
    """See that a release was held by its figures at its first stage, and rolled back.

    Args:
        trial: of the release.
        runs_again: digest of what every box must run now.
        answers: of the boxes.
        outcome: is filled in.
        claims: where each claim is judged.
    """
    bad, first = outcome.bad_release, trial.cohort.stage(0)
    bad.boxes_ever_ran = len(trial.ran_ns)
    bad.held_at_percent = PERCENTS[trial.top] if trial.top >= 0 else 0
    bad.rolled_back = is_gone(trial, runs_again, answers)
    low = trial.good_figures.values()
    seen = trial.figures.are_told(low) and trial.figures.night_ppm < MAP50_PPM_MIN
    claims.check(
        "bad_release_held",
        trial.top == 0 and seen and bool(trial.ran_ns) and set(trial.ran_ns) <= set(first),
        f"{trial.version} ran on {bad.boxes_ever_ran} of the {len(first)} boxes of its first "
        f"stage, which found {_percent(low)}, where {MAP50_PPM_MIN / 10_000:g} % is asked; by our "
        f"own measure {trial.figures}",
    )
    claims.check(
        "rolled_back", bad.rolled_back,
        f"every box knows that {trial.version} was halted, and runs what was approved",
    )  # fmt: skip


def judge_duration(seconds: float, outcome: Outcome, claims: Claims) -> None:
    """See that the act took no longer than it may."""
    outcome.seconds = round(seconds, 1)
    claims.check("rollout_time", seconds <= ROLLOUT_S_MAX,
                 f"{seconds:.0f} s, at most {ROLLOUT_S_MAX:g} s")  # fmt: skip


def _percent(figures: Iterable[int | None]) -> str:
    said = {"no figure" if one is None else f"{one / 10_000:.1f} %" for one in figures}
    return ", ".join(sorted(said)) or "nothing"


def _statements(answer: Answer) -> Iterator[tuple[bytes, list[Value]]]:
    for key, digests in _rows(answer.get("stated")):
        if isinstance(key, bytes) and isinstance(digests, list):
            yield key, digests


def _rows(value: Value) -> list[list[Value]]:
    return [row for row in value if isinstance(row, list)] if isinstance(value, list) else []


def _int(value: Value, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise
