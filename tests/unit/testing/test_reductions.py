"""Reductions end, whatever is answered, and leave what the question is about and nothing else."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.testing.chance.reductions import REDUCTIONS, Reduction, renamed
from mesh.testing.scenarios.library import library, read_scenario
from mesh.testing.scenarios.scenario import Scenario
from mesh.testing.scenarios.steps import seconds
from tests.sim.playing import scenario

STORIES = [read_scenario(path) for path in library().values()]
TRIES_MAX = 20_000
Keep = Callable[[Scenario], bool]


def reduce_by(reduction: Reduction, found: Scenario, keep: Keep) -> tuple[Scenario, int]:
    """Answer a reduction until it ends; returns what is left and how often it asked."""
    best, asked, smaller = found, 0, reduction(found)
    candidate = next(smaller, None)
    while candidate is not None:
        asked += 1
        assert asked < TRIES_MAX
        is_kept = keep(candidate)
        best = candidate if is_kept else best
        try:
            candidate = smaller.send(is_kept)
        except StopIteration:
            break
    return best, asked


def least(found: Scenario, keep: Keep) -> Scenario:
    """What is left when nothing gets smaller."""
    before = None
    while before != found:
        before = found
        for reduction in REDUCTIONS:
            found, _ = reduce_by(reduction, found, keep)
    return found


def size(found: Scenario) -> tuple[int, int, float]:
    """Steps, boxes, and how long it is at most."""
    lengths = [length for step in found.steps for length in (step.run, step.settle)]
    length_s = sum(seconds(length) for length in lengths if isinstance(length, str))
    return len(found.steps), found.fleet.boxes, length_s


@given(st.sampled_from(STORIES), st.sampled_from(REDUCTIONS), st.randoms(use_true_random=False))
def test_it_ends_and_nothing_grows_whatever_is_answered(
    story: Scenario, reduction: Reduction, random
):
    left, _ = reduce_by(reduction, story, lambda _: random.random() < 0.5)
    assert all(now <= before for now, before in zip(size(left), size(story), strict=True))


@given(st.sampled_from(STORIES), st.data())
def test_what_is_asked_for_is_what_is_left(story: Scenario, data: st.DataObject):
    verb = data.draw(st.sampled_from(sorted({step.verb for step in story.steps})))
    left = least(story, lambda found: any(step.verb == verb for step in found.steps))
    assert [step.verb for step in left.steps] == [verb]
    assert left.steps[0].at_s is None


def test_where_nothing_may_go_nothing_changes():
    assert least(STORIES[0], lambda _: False) == STORIES[0]


def test_a_cut_goes_together_with_its_healing():
    """Neither may go alone: what is healed must be cut, and a cut that stands forbids settling."""

    def is_whole(found: Scenario) -> bool:
        verbs = [step.verb for step in found.steps]
        return verbs.count("cut") == verbs.count("heal") and verbs[-1] == "settle"

    story = scenario(
        "cut: {label: a, side: centre}\nrun: 9s\nheal: a\n"
        "cut: {side: centre}\nheal: all\nsettle: 30s",
        "NothingLost",
    )
    assert [step.verb for step in least(story, is_whole).steps] == ["settle"]


@pytest.mark.parametrize(("settle", "left"), [("90s", "90s"), ("5m", "120s")])
def test_waiting_for_agreement_is_never_made_too_short(settle: str, left: str):
    found = least(scenario(f"settle: {settle}", "Convergence"), lambda _: True)
    assert found.steps[0].settle == left


def test_faults_get_weaker_and_fewer():
    story = scenario(
        '{at: 40s, publish: {who: "*/box-*", count: 70, every: 200ms}}\n'
        "links: {loss: 0.2, latency_ms: 80, between: [centre, south/steward]}\n"
        "run: 10m",
        "BoundedMemory",
        fleet="{boxes: 40, loss: 0.3, listen_m: 100}",
    )

    def is_kept(found: Scenario) -> bool:
        verbs = [step.verb for step in found.steps]
        deeds = [step.deed for step in found.steps]
        return (
            verbs == ["publish", "links", "run"]
            and deeds[0].count >= 7
            and (deeds[1].latency_ms or 0) > 15
            and seconds(deeds[2]) > 31
            and found.fleet.boxes >= 5
        )

    left = least(story, is_kept)
    publish, links, run = (step.deed for step in left.steps)
    assert (publish.who, publish.count, publish.every) == ("north/box-0", 10, "1s")
    assert left.steps[0].at_s is None
    assert (links.loss, links.latency_ms, links.between) == (None, 20, None)
    assert run == "45s"
    assert (left.fleet.boxes, left.fleet.loss, left.fleet.listen_m) == (5, 0.0, 600.0)


def test_boxes_keep_apart_when_the_fleet_gets_smaller():
    story = scenario(
        "crash: [north/box-1, south/box-7]\nswap_hardware: {name: south/box-5, by: centre}\n"
        "publish: {who: south/box-5 (old)}\nrun: 1s",
        "Convergence",
        fleet="{boxes: 8}",
    )
    names = renamed(story, 4)
    assert names is not None
    assert (names["north/box-1"], names["south/box-5"], names["south/box-7"]) == (
        "north/box-1", "south/box-2", "south/box-3",
    )  # fmt: skip
    assert names["south/box-5 (old)"] == "south/box-2 (old)"
    assert renamed(story, 3) is None, "the south bank has one box there, and two are named"
    left = least(story, lambda found: len(found.steps) == 4)
    assert left.fleet.boxes == 4
    assert left.steps[2].deed.who == "south/box-2 (old)"
