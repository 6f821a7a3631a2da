"""Which scenarios are played on wires, and at what pace."""

import msgspec
import pytest

from mesh.testing.scenarios.library import library, read_scenario
from mesh.testing.scenarios.scenario import Scenario, parse_scenario
from mesh.testing.scenarios.steps import Step, seconds
from mesh.testing.wires.plan import REFUSED, UnfitForWiresError, check_wires, on_wires
from mesh.testing.wires.process_deeds import DONE

HEAD = "name: s\nwhy: a test\n"
TAIL = "\ninvariants: [Convergence]\nexpect: {seconds_cut: 100, views_differed_s: 7, crashes: 3}\n"
VERBS = set(Step.__struct_fields__) - {"at"}


def scenario(steps: str, more: str = "") -> Scenario:
    text = f"{HEAD}{more}\nsteps: [{steps}]{TAIL}"
    return parse_scenario(text.encode(), "s.yaml", checkers=("Convergence",))


def refusal(steps: str, more: str = "") -> str:
    with pytest.raises(UnfitForWiresError) as caught:
        check_wires(scenario(steps, more), DONE)
    return str(caught.value)


def test_every_verb_is_done_refused_for_a_reason_or_the_runners():
    assert not set(DONE) & set(REFUSED)
    undone = VERBS - set(DONE) - set(REFUSED) - {"run", "settle"}
    for verb in undone:
        assert "simulation alone" in refusal_of(verb)


def refusal_of(verb: str) -> str:
    alone = msgspec.structs.replace(scenario("{run: 1s}"), steps=(Step(**{verb: object()}),))
    with pytest.raises(UnfitForWiresError) as caught:
        check_wires(alone, DONE)
    return str(caught.value)


def test_all_that_cannot_be_done_is_named_at_once_with_its_reason():
    said = refusal(
        "{run: 2h}, {clock: {who: centre, ahead: 1h}}, {disk: {who: centre, full: true}}, "
        "{turn: {name: north/box-1, behaviour: forge}}, {slow: {who: centre, factor: 100}}",
        "fleet: {boxes: 41}",
    )
    for part in (
        "s cannot be played on wires", "fleet.boxes is 41: expected at most 40",
        "runs for 7200 s of real time: expected at most 3600",
        "step 2 (clock): all processes of a machine read its one wall clock",
        "step 3 (disk)", "step 4 (turn)", "step 5 (slow): factor is 100: expected at most 20",
    ):  # fmt: skip
        assert part in said


def test_more_hardware_than_there_are_namespaces_is_refused():
    swaps = ", ".join(["{swap_hardware: {name: north/box-1, by: centre}}"] * 60)
    assert "60 times hardware is replaced: there are 64 namespaces" in refusal(swaps)


def test_what_can_be_done_is_not_refused():
    check_wires(scenario("{run: 1h}, {slow: {who: centre, factor: 20}}, {heal: all}"), DONE)


def test_a_scenario_keeps_its_pace_unless_its_file_says_otherwise():
    steps = "{at: 20s, run: 10s}, {publish: {who: centre, every: 4s}}, {settle: 2m}"
    for more in ("", "wires: {}"):
        plain = scenario(steps, more)
        assert on_wires(plain) is plain
    paced = on_wires(scenario(steps, "wires: {faster: 8}"))
    first, second, third = paced.steps
    assert (first.at_s, seconds(first.run), seconds(second.publish.every)) == (2.5, 1.25, 0.5)
    assert third.settle == "2m"
    assert paced.expect.wanted() == {"seconds_cut": 12, "views_differed_s": 1, "crashes": 3}


def test_what_the_library_says_of_wires_is_so():
    live = [each for each in map(read_scenario, library().values()) if each.wires is not None]
    assert {each.wires.faster for each in live} == {1.0}, "docs/scenarios.md says so"
    assert len(live) >= 5
    for each in live:
        check_wires(each, DONE)
