"""The scenarios that come along: each is sound as a file; two short ones are played here.

All of them are played by `make scenarios`.
"""

import pytest

from mesh.testing.checkers.registry import CHECKERS
from mesh.testing.scenarios.library import PathExpectedError, library, read_scenario
from mesh.testing.scenarios.runner import run_scenario

NAMES = sorted(library())


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_sound_and_named_as_it_says(name: str):
    scenario = read_scenario(library()[name])
    assert scenario.name == name
    assert len(scenario.why) > 60, "say what it shows"
    assert scenario.expect.wanted()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("river-cut", "expected the path of a file, as read_scenario(library()['river-cut'])"),
        ("mine.yaml", "expected the path of a file, as read_scenario(Path('mine.yaml'))"),
        (5, "read_scenario(5): expected the path of a file"),
    ],
)
def test_what_is_no_path_is_told_of(given, told: str):
    with pytest.raises(PathExpectedError) as caught:
        read_scenario(given)
    assert told in str(caught.value)


def test_every_checker_is_used_and_every_scenario_has_a_seed_of_its_own():
    scenarios = [read_scenario(path) for path in library().values()]
    used = {invariant for scenario in scenarios for invariant in scenario.invariants}
    assert used == set(CHECKERS)
    assert len({scenario.seed for scenario in scenarios}) == len(scenarios)


@pytest.mark.parametrize("name", ["impostor", "twice-replaced"])
def test_a_short_one_holds(name: str):
    result = run_scenario(read_scenario(library()[name]))
    assert (result.word, result.sentences) == ("held", [])
