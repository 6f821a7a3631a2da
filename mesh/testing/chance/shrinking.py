"""A failing run, reduced to the smallest scenario file found that still breaks the same invariant.

Steps, boxes, durations and the strength of faults are taken away one after another, and what is
left is run each time, only up to the breach. The result is a file, and what it does was seen by
reading and running that very file. For a seed the way there is the same, unless the time for it
runs out first; tries and seconds are bounded.

A smaller scenario must fail for what it shows, not because it was not given the time: a breach
that was found after settling counts only after as much calm as the first one had, or two minutes.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from mesh.testing.chance.reductions import REDUCTIONS, Reduction
from mesh.testing.checkers import Checker
from mesh.testing.checkers.liveness_after_heal import ALIVE_S
from mesh.testing.checkers.registry import CHECKERS
from mesh.testing.fleets.fleet import FleetError
from mesh.testing.scenarios.runner import BreachFound, Result, find_breach, run_scenario
from mesh.testing.scenarios.scenario import Expect, Scenario, ScenarioFileError, parse_scenario
from mesh.testing.scenarios.writing import scenario_text

__all__ = ["NothingToShrinkError", "Shrinking", "Shrunk", "shrink"]

TRIES_MAX = 400
"""Most scenarios that are run."""
SECONDS_MAX = 300.0
"""Longest time taken, seconds; the try that is under way is ended."""
NAME_MAX = 63
"""Characters of a scenario's name."""
WHY_MAX = 1000
"""Characters of its reason."""
MADE_BY_STEPS = ("seconds_cut", "crashes", "published")
"""Counts that steps make, whatever the boxes do about them."""
_SUFFIX = "-small"


class NothingToShrinkError(Exception):
    """A scenario breaks no invariant, so that nothing can be kept while it gets smaller."""


@dataclass(frozen=True, slots=True)
class Shrinking:
    """How far it is.

    Attributes:
        tries: scenarios that were run so far.
        scenario: the smallest that breaks the invariant so far.
        invariant: which.
    """

    tries: int
    scenario: Scenario
    invariant: str


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What came of it.

    Attributes:
        scenario: the small one, as its file says it.
        text: that file.
        invariant: what it breaks.
        result: of running it.
        tries: scenarios that were run.
        wall_s: how long that took.
        is_least: whether nothing smaller was left to try; False where a bound was reached.
    """

    scenario: Scenario
    text: str
    invariant: str
    result: Result
    tries: int
    wall_s: float
    is_least: bool


def shrink(
    scenario: Scenario,
    *,
    seed: int | None = None,
    invariant: str | None = None,
    checkers: Mapping[str, Callable[[], Checker]] = CHECKERS,
    tries_max: int = TRIES_MAX,
    seconds_max: float = SECONDS_MAX,
    watch: Callable[[Shrinking], None] = lambda _shrinking: None,
) -> Shrunk:
    """Reduce a scenario that breaks an invariant.

    Args:
        scenario: what fails.
        seed: instead of the scenario's own.
        invariant: the one to keep broken; unless given the one that broke first.
        checkers: who can be named as an invariant.
        tries_max: most scenarios to run.
        seconds_max: longest time to take.
        watch: called after every try, for progress.

    Raises:
        NothingToShrinkError: no invariant is broken, or not that one.
    """
    began_s = time.monotonic()
    if seed is not None:
        scenario = msgspec.structs.replace(scenario, seed=seed)
    invariant = _broken_first(scenario, invariant, checkers)
    scenario = msgspec.structs.replace(scenario, invariants=(invariant,))
    search = _Search(invariant, checkers, scenario, tries_max, began_s + seconds_max, watch)
    search.go()
    return _finished(search, scenario.name, checkers, began_s)


class _EnoughError(Exception):
    """A bound is reached."""


class _Search:
    """The smallest scenario so far, and what was tried.

    Raises:
        NothingToShrinkError: the first breach cannot be had again on its own.
    """

    def __init__(
        self,
        invariant: str,
        checkers: Mapping[str, Callable[[], Checker]],
        scenario: Scenario,
        tries_max: int,
        ends_s: float,
        watch: Callable[[Shrinking], None],
    ) -> None:
        self.invariant = invariant
        self.best = scenario
        self.tries = 0
        self.is_least = False
        self._checkers = checkers
        self._tries_max = tries_max
        self._ends_s = ends_s
        self._watch = watch
        self._tried: set[str] = set()
        first = find_breach(scenario, invariant, checkers=checkers)
        if first is None:
            raise NothingToShrinkError(
                f"{scenario.name}: {invariant} is broken only together with other checkers, which "
                "a checker must not be: one changes what another sees"
            )
        self._first = first

    def go(self) -> None:
        """Reduce until nothing gets smaller, or a bound is reached."""
        try:
            before = None
            while before != self.best:
                before = self.best
                for reduction in REDUCTIONS:
                    self._reduce(reduction)
            self.is_least = True
        except _EnoughError:
            pass

    def _reduce(self, reduction: Reduction) -> None:
        smaller = reduction(self.best)
        candidate = next(smaller, None)
        while candidate is not None:
            try:
                candidate = smaller.send(self._try(candidate))
            except StopIteration:
                return

    def _try(self, candidate: Scenario) -> bool:
        """Run what is left; keep it if it breaks the invariant as the first did."""
        text = scenario_text(candidate)
        if text in self._tried or not _is_sound(candidate, text, self._checkers):
            return False
        self._tried.add(text)
        if self.tries >= self._tries_max or time.monotonic() >= self._ends_s:
            raise _EnoughError
        self.tries += 1
        is_kept = self._is_alike(self._found(candidate))
        if is_kept:
            self.best = candidate
        self._watch(Shrinking(self.tries, self.best, self.invariant))
        return is_kept

    def _found(self, candidate: Scenario) -> BreachFound | None:
        """Return what breaks; nothing does in a fleet that does not even come to stand."""
        try:
            return find_breach(candidate, self.invariant, checkers=self._checkers)
        except FleetError:
            return None

    def _is_alike(self, found: BreachFound | None) -> bool:
        first = self._first
        if found is None or first.step != "settle":
            return found is not None
        return found.step == "settle" and found.calm_s >= min(first.calm_s, ALIVE_S)


def _is_sound(
    candidate: Scenario, text: str, checkers: Mapping[str, Callable[[], Checker]]
) -> bool:
    try:
        return parse_scenario(text.encode(), "candidate", checkers=tuple(checkers)) == candidate
    except ScenarioFileError:
        return False


def _broken_first(
    scenario: Scenario, wanted: str | None, checkers: Mapping[str, Callable[[], Checker]]
) -> str:
    """Return the invariant that broke first, or the one that is wanted."""
    result = run_scenario(scenario, checkers=checkers)
    broken = {
        name: finding for name, finding in result.invariants.items() if finding.word == "broken"
    }
    if wanted is not None and wanted not in broken:
        told = ", ".join(broken) or "none"
        raise NothingToShrinkError(
            f"{scenario.name} does not break {wanted!r:.60}: broken are {told}"
        )
    if not broken:
        told = f"; {result.sentences[0]}" if result.sentences else ""
        raise NothingToShrinkError(
            f"{scenario.name} is {result.word} and breaks no invariant: nothing to shrink{told}"
        )
    return wanted or min(broken, key=lambda name: broken[name].at_s)


def _finished(
    search: _Search,
    name: str,
    checkers: Mapping[str, Callable[[], Checker]],
    began_s: float,
) -> Shrunk:
    """Give what is left its name, its reason and something that it expects, and run that file."""
    counted = run_scenario(search.best, checkers=checkers)
    finding = counted.invariants[search.invariant]
    why = f"Shrunk from {name}: {search.invariant} is broken at {finding.who}: {finding.evidence}"
    small = msgspec.structs.replace(
        search.best,
        name=f"{name.removesuffix(_SUFFIX)[: NAME_MAX - len(_SUFFIX)]}{_SUFFIX}",
        why=why[:WHY_MAX],
        expect=_expected(search.best.expect, counted.counts),
    )
    text = scenario_text(small)
    read = parse_scenario(text.encode(), f"{small.name}.yaml", checkers=tuple(checkers))
    return Shrunk(
        scenario=read,
        text=text,
        invariant=search.invariant,
        result=run_scenario(read, checkers=checkers),
        tries=search.tries,
        wall_s=time.monotonic() - began_s,
        is_least=search.is_least,
    )


def _expected(expect: Expect, counts: Mapping[str, float]) -> Expect:
    """Return what the small scenario has to make happen, to show anything once the bug is mended.

    What the boxes do will then be another thing, so it is what the steps make, if they make any.
    """
    wanted = expect.wanted()
    made = {field: min(wanted.get(field, 1), int(counts.get(field, 0))) for field in MADE_BY_STEPS}
    said = {field: count for field, count in made.items() if count and field in wanted}
    said = said or {field: 1 for field in MADE_BY_STEPS if made[field]}
    return msgspec.convert(said or {"entries_exchanged": 1}, Expect)
