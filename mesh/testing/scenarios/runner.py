"""Runs a scenario in a world, and says what became of it.

    held      every invariant held, each had its subject, and everything expected did happen
    broken    an invariant did not hold, or a step could not be done
    vacuous   nothing is wrong, and nothing was shown: something expected did not happen

Only `held` is well. Checkers look after each step and after each virtual second.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mesh.testing.checkers import Checker, Measuring
from mesh.testing.checkers.registry import CHECKERS
from mesh.testing.fleets.sight import Sight, agreement, still_cut
from mesh.testing.scenarios.deeds import ScenarioError
from mesh.testing.scenarios.scenario import Scenario
from mesh.testing.scenarios.steps import Step, seconds
from mesh.testing.scenarios.world import SimulatedWorld, World

__all__ = [
    "BreachFound", "Finding", "Result", "Word", "find_breach", "replay", "run_scenario", "to_json",
]  # fmt: skip

LOOK_S = 1.0
"""Virtual seconds between two looks."""
WRITTEN_S = 0.1
"""Virtual seconds after which what was just written is on its way; until then views agree."""
EPSILON_S = 1e-9
"""Less than a nanosecond is no time left."""

Word = Literal["held", "broken", "vacuous"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one invariant; of a broken one when, who and a sentence."""

    word: Word
    at_s: float = 0.0
    who: str = ""
    evidence: str = ""

    def __str__(self) -> str:
        if self.word != "broken":
            return self.evidence
        return f"at {self.at_s:.1f} s, {self.who}: {self.evidence}"


@dataclass(frozen=True, slots=True)
class BreachFound:
    """The first breach of an invariant.

    Attributes:
        finding: when, who and the evidence.
        step: what was just done; empty between two steps.
        calm_s: for how many seconds nothing had been broken or mended then.
    """

    finding: Finding
    step: str
    calm_s: float


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a scenario.

    Attributes:
        scenario: what was run.
        word: the verdict.
        invariants: by the checker's name.
        missing: what was expected and did not happen, a sentence each.
        trouble: why a step could not be done; empty if all could.
        counts: what was counted.
        trace: digest of all that happened.
        virtual_s: how long it was, virtual seconds since the fleet stood.
        wall_s: how long it took.
    """

    scenario: Scenario
    word: Word
    invariants: Mapping[str, Finding]
    missing: Sequence[str]
    trouble: str
    counts: Mapping[str, float]
    trace: str
    virtual_s: float
    wall_s: float

    @property
    def speed(self) -> float:
        """Virtual seconds a second."""
        return self.virtual_s / self.wall_s if self.wall_s else 0.0

    @property
    def telling(self) -> dict[str, float]:
        """The counts that are not 0, and those that are expected not to be."""
        wanted = self.scenario.expect.wanted()
        counts = {**dict.fromkeys(wanted, 0.0), **self.counts}
        return {name: n for name, n in sorted(counts.items()) if n or name in wanted}

    @property
    def sentences(self) -> list[str]:
        """What is wrong with it, for people."""
        told = [f"{name} {finding.word}: {finding}" for name, finding in self.invariants.items()
                if finding.word != "held"]  # fmt: skip
        return [*([self.trouble] if self.trouble else []), *told, *self.missing]


class _Reached(Exception):  # noqa: N818  (no error: the moment that was asked for)
    """A replay is where it was to end."""


@dataclass(slots=True)
class _Run:
    """A scenario on its way."""

    world: World
    checkers: Mapping[str, Checker]
    watch: Callable[[Sight], None]
    until_s: float = math.inf
    late_s: float = EPSILON_S
    until_broken: str = ""
    broken: dict[str, Finding] = field(default_factory=dict[str, Finding])
    last: Sight | None = None

    def play(self, scenario: Scenario) -> str:
        """Do every step; returns why one could not be done."""
        try:
            return self._play(scenario)
        except _Reached:
            return ""

    def _play(self, scenario: Scenario) -> str:
        for number, step in enumerate(scenario.steps):
            try:
                self._do(step)
            except ScenarioError as error:
                return f"step {number + 1} ({step.verb}) at {self.world.now_s:.1f} s: {error}"
        try:
            self.look("", is_last=True)
        except ScenarioError as error:
            return f"at the end: {error}"
        return ""

    def _do(self, step: Step) -> None:
        if step.at_s is not None:
            left_s = step.at_s - self.world.now_s
            if left_s < -self.late_s:
                raise ScenarioError(f"it was to be done at {step.at}; that has passed")
            self.pass_time(left_s)
        if isinstance(step.run, str):
            self.pass_time(seconds(step.run))
        elif isinstance(step.settle, str):
            self.settle(seconds(step.settle))
        else:
            self.world.perform(step)
        self.look(step.verb)

    def pass_time(self, length_s: float) -> None:
        end_s = self.world.now_s + length_s
        while (left_s := end_s - self.world.now_s) > EPSILON_S:
            self._advance(left_s)
            self.look("")

    def _advance(self, most_s: float) -> None:
        """Let time pass up to the next look, and not beyond the end of a replay."""
        left_s = self.until_s - self.world.now_s
        if left_s <= EPSILON_S:
            raise _Reached
        self.world.advance(min(LOOK_S, most_s, left_s))

    def settle(self, most_s: float) -> None:
        """Wait until all who are well agree, at most so long; whether they do a checker says."""
        end_s = self.world.now_s + most_s
        self.pass_time(min(WRITTEN_S, most_s))
        while end_s - self.world.now_s > EPSILON_S:
            sight = self.look("")
            if not sight.is_whole:
                raise ScenarioError(still_cut(sight.cuts))
            if sight.is_idle and agreement(sight.members):
                return
            self._advance(end_s - self.world.now_s)

    def look(self, step: str, *, is_last: bool = False) -> Sight:
        sight = self.world.look(step, is_last=is_last)
        for name, checker in self.checkers.items():
            for breach in checker.look(sight):
                found = Finding("broken", sight.now_s, breach.who, breach.evidence)
                self.broken.setdefault(name, found)
        self.watch(sight)
        self.last = sight
        if self.until_broken in self.broken:
            raise _Reached
        return sight


def run_scenario(
    scenario: Scenario,
    *,
    seed: int | None = None,
    world: World | None = None,
    checkers: Mapping[str, Callable[[], Checker]] = CHECKERS,
    watch: Callable[[Sight], None] = lambda _sight: None,
    late_s: float = EPSILON_S,
) -> Result:
    """Run a scenario.

    Args:
        scenario: what happens.
        seed: instead of the scenario's own.
        world: where; a simulated fleet unless given.
        checkers: who can be named as an invariant.
        watch: called at every look, for progress.
        late_s: how much later than `at` says a step may come; in virtual time nothing is late.
    """
    began_s = time.monotonic()
    seed = scenario.seed if seed is None else seed
    world = SimulatedWorld(scenario.fleet, seed) if world is None else world
    chosen = {name: checkers[name]() for name in scenario.invariants}
    run = _Run(world, chosen, watch, late_s=late_s)
    trouble = run.play(scenario)
    counts, trace = world.told()
    measured = {name: float(count) for name, count in counts.items()}
    for checker in chosen.values():
        if isinstance(checker, Measuring):
            measured |= {name: round(figure, 3) for name, figure in checker.figures().items()}
    findings = {name: _judge(checker, run.broken.get(name)) for name, checker in chosen.items()}
    missing = [
        f"expected {name} ≥ {wanted}, there were {counts.get(name, 0)}"
        for name, wanted in scenario.expect.wanted().items()
        if counts.get(name, 0) < wanted
    ]
    return Result(
        scenario=scenario,
        word=_word(findings, missing, trouble),
        invariants=findings,
        missing=missing,
        trouble=trouble,
        counts=measured,
        trace=trace,
        virtual_s=world.now_s,
        wall_s=time.monotonic() - began_s,
    )


def find_breach(
    scenario: Scenario, invariant: str, *, checkers: Mapping[str, Callable[[], Checker]] = CHECKERS
) -> BreachFound | None:
    """Run a scenario in virtual time until an invariant breaks; None if it ends before that."""
    world = SimulatedWorld(scenario.fleet, scenario.seed)
    checker = {invariant: checkers[invariant]()}
    run = _Run(world, checker, lambda _sight: None, until_broken=invariant)
    run.play(scenario)
    finding, sight = run.broken.get(invariant), run.last
    return finding and sight and BreachFound(finding, sight.step, sight.calm_s)


def replay(
    scenario: Scenario,
    *,
    until_s: float,
    seed: int | None = None,
    watch: Callable[[Sight], None] = lambda _sight: None,
) -> tuple[SimulatedWorld, str]:
    """Run a scenario up to a moment; returns its world, and why a step could not be done."""
    world = SimulatedWorld(scenario.fleet, scenario.seed if seed is None else seed)
    return world, _Run(world, {}, watch, until_s).play(scenario)


def to_json(results: Sequence[Result]) -> dict[str, object]:
    """Return results as they are written to a file."""
    return {
        "ok": bool(results) and all(result.word == "held" for result in results),
        "scenarios": [
            {
                "name": result.scenario.name,
                "verdict": result.word,
                "invariants": {name: each.word for name, each in result.invariants.items()},
                "counts": {
                    name: int(count) if count == int(count) else count
                    for name, count in result.telling.items()
                },
                "trace": result.trace,
                "seconds": round(result.wall_s, 3),
                "virtual_seconds": round(result.virtual_s, 3),
                "wrong": result.sentences,
            }
            for result in results
        ],
    }


def _judge(checker: Checker, broken: Finding | None) -> Finding:
    if broken is not None:
        return broken
    if not checker.subject:
        return Finding("vacuous", evidence="what it is about never occurred")
    return Finding("held")


def _word(findings: Mapping[str, Finding], missing: Sequence[str], trouble: str) -> Word:
    words = {finding.word for finding in findings.values()}
    if trouble or "broken" in words:
        return "broken"
    return "vacuous" if missing or "vacuous" in words else "held"
