"""Rollouts in virtual time, by real minds: records spread, every box decides and reports alone."""

from dataclasses import replace
from typing import Literal

import pytest

from crdt.entry import Lane
from mesh.coordination.models import ModelState
from mesh.orchestration.command import Verb
from mesh.orchestration.intent import Stage
from mesh.orchestration.labels import labels_of
from mesh.testing.fleets.fleet import Fleet, FleetError
from mesh.testing.fleets.fleet_rollouts import GATE

BOXES = 12


def standing(*, seed: int) -> Fleet:
    """A fleet whose boxes run what they were delivered with."""
    fleet = Fleet(boxes=BOXES, seed=seed)
    fleet.stand()
    fleet.deliver()
    return fleet


def ended(fleet: Fleet, model: str) -> set[str | None]:
    """Why a rollout is dead, by every box's own view."""
    return {fleet.rollout(model, seen_by=name).dead for name in fleet.town.places}


def test_a_good_model_goes_stage_by_stage_to_everybody():
    fleet = standing(seed=1)
    fleet.release("v2")
    fleet.apply("v2")
    seen: list[int] = []
    for _ in range(120):
        fleet.run(seconds=1)
        count = len(fleet.running("v2"))
        if not seen or seen[-1] != count:
            seen.append(count)
    assert seen[-1] == BOXES
    assert {0, 2, 6, 12} <= set(seen), seen
    assert sorted(fleet.rollout("v2", seen_by="north/box-0").reports) == sorted(fleet.town.places)


@pytest.mark.parametrize("fate", ["blind", "slow", "fails", "kills"])
def test_a_bad_model_is_halted_in_its_first_stage_and_every_box_goes_back(
    fate: Literal["blind", "slow", "fails", "kills"],
):
    fleet = standing(seed=2)
    fleet.release("v3", does=fate)
    gate = replace(GATE, p95_us_max=40_000)
    fleet.apply("v3", gate=gate)
    fleet.run(seconds=90)
    assert len(fleet.tried("v3")) <= 2
    assert bool(fleet.tried("v3")) == (fate != "fails"), "what fails its test is never swapped in"
    assert not fleet.running("v3")
    assert ended(fleet, "v3") == {"halted"}


def test_a_model_that_is_bad_on_one_box_only_goes_back_everywhere():
    fleet = standing(seed=12)
    fleet.release("v3")
    fleet.apply("v3")
    fleet.run(seconds=12)
    first = fleet.running("v3")
    assert len(first) == 2
    others = [name for name in fleet.town.places if name not in first]
    fleet.release("v3", does="blind", on=others[:1])
    fleet.run(seconds=60)
    assert not fleet.running("v3")
    assert ended(fleet, "v3") == {"halted"}


def test_a_box_killed_in_the_middle_comes_back_from_its_own_disk():
    fleet = standing(seed=3)
    fleet.release("v2")
    fleet.apply("v2")
    fleet.run(seconds=8)
    first = fleet.running("v2")
    assert len(first) == 2
    fleet.crash(first[0])
    fleet.run(seconds=5)
    fleet.restart(first[0])
    fleet.run(seconds=150)
    assert len(fleet.running("v2")) == BOXES
    assert len(fleet.box(first[0]).node.workshop.swaps) == 1
    assert fleet.rollout("v2", seen_by="north/box-1").reports[first[0]].outcome == "good"


@pytest.mark.parametrize("on_partition", ["hold", "continue"])
def test_what_a_cut_does_to_a_rollout_is_declared(on_partition: Literal["hold", "continue"]):
    fleet = standing(seed=5)
    longer = (Stage(100_000, 60_000), Stage(500_000, 60_000), Stage(1_000_000))
    fleet.release("v2")
    fleet.apply("v2", on_partition=on_partition, stages=longer)
    fleet.run(seconds=8)
    before = set(fleet.running("v2"))
    assert len(before) == 2
    north, south = fleet.split("river")
    with fleet.partition(north, south):
        fleet.run(minutes=3)
        inside = set(fleet.running("v2"))
    if on_partition == "hold":
        assert inside == before, "half of the cohort is out of sight: nothing opens"
    else:
        assert inside > before
    fleet.run(minutes=5)
    assert len(fleet.running("v2")) == BOXES


def test_a_pause_freezes_and_a_resume_goes_on():
    fleet = standing(seed=6)
    fleet.release("v2")
    fleet.apply("v2")
    fleet.run(seconds=8)
    fleet.order(Verb.PAUSE, "v2")
    fleet.run(seconds=60)
    assert len(fleet.running("v2")) == 2
    fleet.order(Verb.RESUME, "v2")
    fleet.run(seconds=90)
    assert len(fleet.running("v2")) == BOXES


def test_a_promote_opens_without_a_gate_and_a_withdrawn_model_runs_nowhere():
    fleet = standing(seed=13)
    fleet.release("v2")
    day = 86_400_000
    fleet.apply("v2", stages=(Stage(100_000, day), Stage(500_000, day), Stage(1_000_000)))
    fleet.run(seconds=8)
    fleet.order(Verb.PROMOTE, "v2", share_ppm=500_000)
    fleet.run(seconds=10)
    assert len(fleet.running("v2")) == 6
    fleet.approve("v2", state=ModelState.WITHDRAWN)
    fleet.run(seconds=10)
    assert not fleet.running("v2")


def test_an_undone_rollout_goes_back_everywhere():
    fleet = standing(seed=7)
    fleet.release("v2")
    fleet.apply("v2")
    fleet.run(seconds=60)
    assert fleet.running("v2")
    fleet.order(Verb.UNDO, "v2")
    fleet.run(seconds=20)
    assert not fleet.running("v2")


def test_candidates_are_heard_from_everybody_once_the_intent_is_held():
    fleet = standing(seed=8)
    digest = fleet.release("v2")
    box, speaker = fleet.box("south/box-7"), fleet.box("north/box-0")
    cell = fleet.town.cell("north/box-0")

    def answer():
        return box.mind.trust.may_publish(
            speaker.node.public, "north/box-0", "traffic.near_miss", cell, digest
        )

    assert answer().reason == "model_not_approved"
    fleet.apply("v2")
    fleet.run(seconds=2)
    assert answer().ok
    fleet.order(Verb.ABORT, "v2")
    fleet.run(seconds=5)
    assert answer().ok, "what is aborted is heard on: its model is not withdrawn"


def test_a_full_disk_holds_back_a_report_until_there_is_room():
    fleet = standing(seed=9)
    for name in fleet.town.places:
        fleet.disk(name).is_full = True
    fleet.release("v2")
    fleet.apply("v2")
    fleet.run(seconds=20)
    assert not fleet.running("v2"), "nothing is done before it can be remembered"
    for name in fleet.town.places:
        fleet.disk(name).is_full = False
    fleet.run(seconds=150)
    assert len(fleet.running("v2")) == BOXES


def test_what_people_may_not_do_is_refused_in_the_words_of_the_command_line():
    fleet = Fleet(boxes=2, seed=11)
    fleet.stand()
    for wrong, told in (
        (lambda: fleet.apply("v2"), "nobody released 'v2': there are none; release it first"),
        (lambda: fleet.order(Verb.PAUSE, "v2"), "no rollout is called 'v2'"),
    ):
        with pytest.raises(FleetError) as caught:
            wrong()
        assert told in str(caught.value)
    fleet.release("evil", by="north/box-0")
    fleet.release("v2")
    for model, by, told in (
        ("evil", "north/box-0", "north/box-0 may not roll out over the whole fleet"),
        ("evil", "centre", "is not in this store, so no box could fetch it"),
    ):
        with pytest.raises(FleetError) as caught:
            fleet.apply(model, by=by)
        assert told in str(caught.value)
    fleet.box("centre").node.workshop.shelf.update(fleet.box("north/box-0").node.workshop.shelf)
    with pytest.raises(FleetError, match="which may not approve in this fleet"):
        fleet.apply("evil")


def test_labels_are_told_to_the_whole_fleet_and_choose_who_is_meant():
    fleet = Fleet(boxes=8, seed=10)
    node = fleet.box("north/box-1").node
    fleet.crash("north/box-1")
    node.config = replace(node.config, labels={"camera": "true"})
    fleet.restart("north/box-1")
    fleet.stand()
    fleet.run(seconds=15)
    for name in ("centre", "south/box-5"):
        told = fleet.box(name).mind.replica.status(Lane.FLEET)
        carried = {pair.name: labels_of(told, pair) for pair in told if labels_of(told, pair)}
        assert carried == {"north/box-1": {"camera": "true"}}
    fleet.crash("north/box-1")
    fleet.restart("north/box-1")
    fleet.run(seconds=15)
    told = fleet.centre.mind.replica.status(Lane.FLEET)
    assert [pair.name for pair in told if labels_of(told, pair)] == ["north/box-1"]
