"""What is told of a night: what really befell somebody, and when nothing did."""

from collections import Counter
from typing import Any

import pytest

from mesh.testing.chance.nemesis import DEEDS, FAULTS, Laid, chaos, laid
from mesh.testing.scenarios.runner import Finding, Result
from tools.night_table import is_vacuous, most_at_once, table, tally_of

CUT = Laid("cuts", 5, 20)


def result_of(scenario: Any = None, **changes: Any) -> Result:
    """A result in which something happened, but for what is changed."""
    fields: dict[str, Any] = {
        "scenario": scenario,
        "word": "held",
        "invariants": {"NoForgery": Finding("vacuous"), "Convergence": Finding("held")},
        "missing": (),
        "trouble": "",
        "counts": {"deliveries": 7, "refused.stale": 0},
        "trace": "",
        "virtual_s": 1.0,
        "wall_s": 1.0,
    }
    return Result(**(fields | changes))


@pytest.mark.parametrize(
    ("episodes", "most"),
    [
        ([], 0),
        ([Laid("swaps", 1, 9)], 0),
        ([CUT, Laid("rollouts", 6, 9)], 1),
        ([CUT, Laid("cuts", 6, 9)], 1),
        ([CUT, Laid("crashes", 20, 30)], 1),
        ([CUT, Laid("crashes", 19, 30)], 2),
        ([Laid("crashes", 19, 30), CUT], 2),
        ([Laid("liars", 1, 2), Laid("NAT", 3, 4), CUT], 3),
        ([CUT, Laid("liars", 21, 22)], 1),
    ],
    ids=str,
)
def test_kinds_of_faults_at_one_time_are_counted(episodes: list[Laid], most: int):
    """Deeds are no faults, one kind is one, and who lies or is behind a NAT stays so."""
    assert most_at_once(episodes) == most


def test_a_run_is_vacuous_if_nothing_befell_anybody_or_nothing_was_heard():
    assert not is_vacuous([CUT], result_of())
    assert is_vacuous([], result_of())
    assert is_vacuous([CUT], result_of(missing=("expected entries_exchanged",)))
    assert is_vacuous([CUT], result_of(counts={"deliveries": 0}))


def test_a_tally_tells_what_was_met_and_not_what_might_have_been():
    scenario = chaos(nodes=4, hours=0.1, seed=2, kinds=["liars", "cuts"])
    befell = laid(nodes=4, hours=0.1, seed=2, kinds=["liars", "cuts"])
    tally = tally_of("held", scenario, befell, result_of(scenario))
    cuts = sum(step.verb == "cut" for step in scenario.steps)
    assert (tally["kind cuts"], tally["episodes cuts"]) == (1, cuts)
    assert cuts > 1
    lied = {f"sort liar, {step.deed.behaviour}" for step in scenario.steps if step.verb == "turn"}
    assert lied == {name for name in tally if name.startswith("sort ")}
    assert {name for name in tally if name.startswith("subject ")} == {"subject Convergence"}
    assert (tally["count deliveries"], tally["with deliveries"]) == (7, 1)
    assert (tally["count refused.stale"], tally["with refused.stale"]) == (0, 0)


def test_an_episode_for_which_nobody_is_free_was_not_laid():
    """Everybody can be replaced once: of many swaps of one box, one is told."""
    befell = laid(nodes=1, hours=0.2, seed=1, kinds=["swaps"])
    scenario = chaos(nodes=1, hours=0.2, seed=1, kinds=["swaps"])
    assert [each.kind for each in befell] == ["swaps"]
    assert sum(step.verb == "swap_hardware" for step in scenario.steps) == 1


def test_tables_of_two_pieces_add_up_and_name_every_kind():
    scenario = chaos(nodes=2, hours=0.02, seed=2)
    befell = laid(nodes=2, hours=0.02, seed=2)
    one = tally_of("held", scenario, befell, result_of(scenario))
    other = Counter({"runs": 1, "word broken": 1, "at once 7": 1})
    told = table(one + other)
    assert told.startswith("2 runs: 1 held, 0 vacuous, 1 broken\n")
    assert not [kind for kind in (*FAULTS, *DEEDS) if f"\n  {kind} " not in told]
    assert told.splitlines()[-1].split() == ["4", "or", "more", "1"]
