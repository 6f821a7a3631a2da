"""What fails gets small and stays the same failure: each checker's bug, cut down to a file."""

import msgspec
import pytest

from mesh.testing.chance.shrinking import NothingToShrinkError, Shrinking, shrink
from mesh.testing.checkers import Breach
from mesh.testing.checkers.registry import CHECKERS
from mesh.testing.fleets.fleet import Fleet, FleetError
from mesh.testing.scenarios.runner import find_breach, run_scenario
from mesh.testing.scenarios.scenario import Scenario, parse_scenario
from mesh.testing.scenarios.steps import Clock, Links, Publish, Put, Step
from tests.sim.playing import scenario
from tests.sim.test_checkers import CASES, IDS, Case, Patch

TRIES = 36
"""Enough for the short stories here."""


def padded(found: Scenario) -> Scenario:
    """A story with four more boxes, and with things in it that have nothing to do with it."""
    before = (
        Step(links=Links(jitter_ms=3.0)),
        Step(put=Put(key="unrelated", value=1)),
        Step(run="2s"),
    )
    after = (Step(publish=Publish(who="north/box-0", count=2)), Step(run="3s"))
    late = (Step(clock=Clock(who="centre", drift_ppm=5.0)), Step(run="4s"))
    return msgspec.structs.replace(found, steps=(*before, *after, *found.steps, *late))


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_each_bug_is_cut_down_to_a_file_that_replays_it(case: Case, monkeypatch: Patch):
    fleet = case._asdict().get("fleet", "{boxes: 2}")
    story = padded(scenario(case.steps, case.checker, fleet=fleet))
    with monkeypatch.context() as patch:
        case.bug(patch)
        small = shrink(story, tries_max=TRIES)
        again = parse_scenario(small.text.encode(), "small.yaml", checkers=tuple(CHECKERS))
        replayed = run_scenario(again)
    assert small.invariant == case.checker
    assert len(again.steps) < len(story.steps) - 3, small.text
    assert len(again.steps) <= case.steps.strip().count("\n") + 1, small.text
    assert again.invariants == (case.checker,)
    finding = replayed.invariants[case.checker]
    assert (replayed.word, replayed.trouble, finding.word) == ("broken", "", "broken")
    assert finding == small.result.invariants[case.checker], "the same file is the same run"
    assert replayed.trace == small.result.trace
    sound = run_scenario(again)
    assert not sound.trouble
    assert sound.invariants[case.checker].word != "broken", "without the bug it does not break"


def test_every_checker_has_a_bug_that_is_shrunk():
    assert {case.checker for case in CASES} == set(CHECKERS)


class NobodyMayBeDown:
    """A checker of a user's own."""

    subject = 0

    def look(self, sight):
        self.subject += 1
        for box in sight.boxes:
            if not box.is_up:
                yield Breach(box.name, "it is down")


OWN = {"Own": NobodyMayBeDown}
STORY = scenario(
    """
    publish: {who: "*/box-*", count: 5}
    cut: {side: centre}
    run: 12s
    crash: "south/*"
    run: 5s
    heal: all
    restart: "south/*"
    settle: 30s
    """,
    "Own",
    fleet="{boxes: 3}",
)


def test_an_own_checker_is_shrunk_the_same_way_twice():
    seen: list[Shrinking] = []
    first = shrink(STORY, checkers=OWN, watch=seen.append)
    again = shrink(STORY, checkers=OWN)
    assert (first.text, first.tries, first.is_least) == (again.text, again.tries, True)
    assert "  - crash: south/" in first.text
    assert (len(first.scenario.steps), first.scenario.fleet.boxes) == (1, 1)
    assert first.scenario.expect.wanted() == {"crashes": 1}
    assert [shrinking.tries for shrinking in seen] == list(range(1, first.tries + 1))


def test_it_stops_at_its_bounds_with_what_it_has():
    few = shrink(STORY, checkers=OWN, tries_max=1)
    assert (few.tries, few.is_least, few.result.word) == (1, False, "broken")
    none = shrink(STORY, checkers=OWN, seconds_max=0)
    assert (none.tries, none.is_least) == (0, False)
    assert none.scenario.steps == STORY.steps


def test_a_smaller_fleet_that_does_not_stand_is_not_the_same_failure(monkeypatch: Patch):
    """As where few boxes see too little of each other over links that lose packets."""
    stand, refused = Fleet.stand, []

    def of_three(fleet: Fleet) -> None:
        if len(fleet.town.places) < 3:
            refused.append(len(fleet.town.places))
            raise FleetError("the fleet does not stand")
        stand(fleet)

    monkeypatch.setattr(Fleet, "stand", of_three)
    small = shrink(STORY, checkers=OWN)
    assert (small.scenario.fleet.boxes, small.is_least, small.result.word) == (3, True, "broken")
    assert refused, "a smaller one was tried"


def test_a_seed_of_the_command_is_kept_in_the_file():
    assert shrink(STORY, checkers=OWN, seed=77, tries_max=1).scenario.seed == 77


@pytest.mark.parametrize(
    ("steps", "invariant", "told"),
    [
        ("run: 1s", None, "short is held and breaks no invariant: nothing to shrink"),
        ("run: 1s", "Own", "short does not break 'Own': broken are none"),
        ("heal: river", None, "nothing to shrink; step 1 (heal) at 0.0 s: no cut is called"),
    ],
)
def test_what_breaks_nothing_is_not_shrunk(steps: str, invariant: str | None, told: str):
    with pytest.raises(NothingToShrinkError) as caught:
        shrink(scenario(steps, "Own"), checkers=OWN, invariant=invariant)
    assert told in str(caught.value)


def test_time_that_is_needed_is_not_taken_away():
    """Views do not agree a second after a heal: that is no failure of the fleet, but of the file.

    So it stays as impatient as it was written, and gets no more so.
    """
    story = scenario(
        """
        cut: {side: "north/*"}
        run: 12s
        revoke: {name: south/box-1}
        run: 12s
        heal: all
        run: 30s
        settle: 20s
        """,
        "Convergence",
    )
    assert find_breach(story, "Convergence") is None
    impatient = msgspec.structs.replace(story, steps=(*story.steps[:-2], Step(settle="1s")))
    found = find_breach(impatient, "Convergence")
    assert found is not None
    assert (found.step, round(found.calm_s, 3)) == ("settle", 1.0)
    assert shrink(impatient, tries_max=TRIES).scenario.steps[-1].settle == "1s"
