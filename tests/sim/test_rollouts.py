"""Rollouts in virtual time, by real minds: records spread, every box decides and reports alone."""

from dataclasses import replace
from hashlib import sha256

import pytest

from crdt.entry import Lane
from mesh.orchestration.blob_tree import Reference, reference_of
from mesh.orchestration.cohort import encode_names
from mesh.orchestration.command import Command, Verb, command_key
from mesh.orchestration.intent import Gate, Intent, Stage, intent_key
from mesh.orchestration.labels import labels_of
from mesh.testing.fleet import MODEL, Fleet

SLOT = "model/detector"
GATE = Gate(min_reports_ppm=900_000, success_ppm=990_000, map50_ppm_min=500_000)
STAGES = (Stage(100_000, 10_000), Stage(500_000, 10_000), Stage(1_000_000))


class Rollout:
    """A standing fleet whose boxes run one model, and a person at the centre."""

    def __init__(self, *, boxes: int = 12, seed: int = 1, **options: float) -> None:
        self.fleet = Fleet(boxes=boxes, seed=seed, **options)
        self.fleet.stand()
        self.names = tuple(sorted(name for name in self.fleet.names() if "/box-" in name))
        for name in self.names:
            self.deliver(name)
        self.nonce = 0

    def deliver(self, name: str) -> None:
        """A box says what it runs, as its application does at every start."""
        box = self.fleet.box(name)
        box.node.workshop.runs.setdefault(SLOT, MODEL)
        box.node.workshop.shelf[MODEL] = b"as delivered"
        now = self.fleet.simulation.instant(box.node)
        tell = box.mind.conduct(lambda told: told.deliver(SLOT, MODEL), now)
        self.fleet.simulation.perform(box.node, tell)

    def apply(self, label: str, *, at: str = "centre", state: str = "candidate", **changes: object):
        """Sign an intent and the record of its model; the bytes are where it was signed."""
        box = self.fleet.box(at)
        data, listed = label.encode(), encode_names(self.names)
        shelf = box.node.workshop.shelf
        shelf |= {sha256(each).digest(): each for each in (data, listed)}
        artefact, names = reference_of(data), reference_of(listed)
        self.nonce += 1
        intent = Intent(
            **{
                **_fields(label, artefact, names, len(self.names)),
                "nonce": self.nonce.to_bytes(8),
                **changes,
            }
        )
        model = {"digest": intent.artefact, "state": state, "events": ["traffic.*"], "area": "*"}
        key = f"model/{label}"
        box.write("put", {"key": key, "value": model, "supersedes": []})
        key = intent_key(intent.scope, intent.id)
        box.write("put", {"key": key, "value": intent.to_value(), "supersedes": []})
        return intent

    def order(self, verb: Verb, intent: Intent, *, at: str = "centre", **fields: object) -> None:
        self.nonce += 1
        command = Command(verb=verb, intent=intent.id, nonce=self.nonce.to_bytes(8), **fields)
        key = command_key(intent.scope, command)
        body = {"key": key, "value": command.to_value(), "supersedes": []}
        self.fleet.box(at).write("put", body)

    def running(self, intent: Intent) -> list[str]:
        """The boxes that run what an intent brings."""
        return [
            name
            for name in self.names
            if self.fleet.box(name).node.workshop.runs.get(SLOT) == intent.artefact
        ]

    def tried(self, intent: Intent) -> list[str]:
        """The boxes that ever swapped in what an intent brings."""
        swap = (SLOT, intent.artefact)
        boxes = ((name, self.fleet.box(name).node.workshop) for name in self.names)
        return [name for name, shop in boxes if swap in shop.swaps]

    def view(self, name: str, intent: Intent):
        """The rollout as a box sees it."""
        return self.fleet.box(name).mind.conducting.rollouts.by_id[intent.id]

    def fate(self, label: str, fate: str, *names: str) -> None:
        for name in names or self.names:
            shop = self.fleet.box(name).node.workshop
            shop.fates[sha256(label.encode()).digest()] = fate


def _fields(label: str, artefact: Reference, names: Reference, count: int) -> dict[str, object]:
    return {
        "title": label,
        "scope": "",
        "slot": SLOT,
        "artefact": artefact.digest,
        "size": artefact.size,
        "tree": artefact.tree,
        "cohort": names.digest,
        "cohort_size": names.size,
        "cohort_tree": names.tree,
        "count": count,
        "within": "",
        "stages": STAGES,
        "gate": GATE,
    }


def test_a_good_model_goes_stage_by_stage_to_everybody():
    rollout = Rollout()
    intent = rollout.apply("v2")
    seen = []
    for _ in range(120):
        rollout.fleet.run(seconds=1)
        count = len(rollout.running(intent))
        if not seen or seen[-1] != count:
            seen.append(count)
    assert seen[-1] == len(rollout.names)
    assert {0, 2, 6, 12} <= set(seen), seen
    reports = rollout.view("north/box-0", intent).reports
    assert sorted(reports) == list(rollout.names)


def test_a_blind_model_is_halted_in_its_first_stage_and_every_box_goes_back():
    rollout = Rollout(seed=2)
    rollout.fate("v3", "blind")
    intent = rollout.apply("v3")
    rollout.fleet.run(seconds=60)
    assert 1 <= len(rollout.tried(intent)) <= 2
    assert not rollout.running(intent)
    assert all(rollout.view(name, intent).dead == "halted" for name in rollout.names)


def test_a_box_killed_in_the_middle_comes_back_from_its_own_disk():
    rollout = Rollout(seed=3)
    intent = rollout.apply("v2")
    rollout.fleet.run(seconds=8)
    first = rollout.running(intent)
    assert len(first) == 2
    rollout.fleet.crash(first[0])
    rollout.fleet.run(seconds=5)
    rollout.fleet.restart(first[0])
    rollout.deliver(first[0])
    rollout.fleet.run(seconds=150)
    assert rollout.running(intent) == list(rollout.names)
    assert len(rollout.fleet.box(first[0]).node.workshop.swaps) == 1
    assert rollout.view("north/box-1", intent).reports[first[0]].outcome == "good"


def test_a_model_that_kills_its_box_leaves_a_trace_and_goes_no_further():
    rollout = Rollout(seed=4)
    rollout.fate("v4", "kills")
    intent = rollout.apply("v4")
    rollout.fleet.run(seconds=90)
    assert 1 <= len(rollout.tried(intent)) <= 2
    assert not rollout.running(intent)
    assert all(rollout.view(name, intent).dead == "halted" for name in rollout.names)


@pytest.mark.parametrize("on_partition", ["hold", "continue"])
def test_what_a_cut_does_to_a_rollout_is_declared(on_partition: str):
    rollout = Rollout(seed=5)
    longer = (Stage(100_000, 60_000), Stage(500_000, 60_000), Stage(1_000_000))
    intent = rollout.apply("v2", on_partition=on_partition, stages=longer)
    rollout.fleet.run(seconds=8)
    assert len(rollout.running(intent)) == 2
    north, south = rollout.fleet.split("river")
    before = set(rollout.running(intent))
    with rollout.fleet.partition(north, south):
        rollout.fleet.run(minutes=3)
        inside = set(rollout.running(intent))
    if on_partition == "hold":
        assert inside == before, "half of the cohort is out of sight: nothing opens"
    else:
        assert inside > before
    rollout.fleet.run(minutes=5)
    assert rollout.running(intent) == list(rollout.names)


def test_a_pause_freezes_and_a_resume_goes_on():
    rollout = Rollout(seed=6)
    intent = rollout.apply("v2")
    rollout.fleet.run(seconds=8)
    rollout.order(Verb.PAUSE, intent)
    rollout.fleet.run(seconds=60)
    assert len(rollout.running(intent)) == 2
    held = rollout.view("centre", intent)
    rollout.order(Verb.RESUME, intent, names=held.pauses)
    rollout.fleet.run(seconds=90)
    assert rollout.running(intent) == list(rollout.names)


def test_an_undone_rollout_goes_back_everywhere():
    rollout = Rollout(seed=7)
    intent = rollout.apply("v2")
    rollout.fleet.run(seconds=60)
    assert rollout.running(intent)
    rollout.order(Verb.UNDO, intent)
    rollout.fleet.run(seconds=20)
    assert not rollout.running(intent)


def test_candidates_are_heard_from_everybody_once_the_intent_is_held():
    rollout = Rollout(seed=8)
    digest = sha256(b"v2").digest()
    box = rollout.fleet.box("south/box-7")
    place = box.mind.views.places.get("south/box-7")
    ask = ("north/box-0", "traffic.near_miss", place.cell, digest)

    def answer():
        return box.mind.trust.may_publish(rollout.fleet.box(ask[0]).node.public, *ask)

    north = rollout.fleet.box("north/box-0").mind.views.places.get("north/box-0").cell
    ask = ("north/box-0", "traffic.near_miss", north, digest)
    assert answer().reason == "model_not_approved"
    intent = rollout.apply("v2")
    rollout.fleet.run(seconds=2)
    assert answer().ok
    rollout.order(Verb.ABORT, intent)
    rollout.fleet.run(seconds=5)
    assert answer().ok, "what is aborted is heard on: its model is not withdrawn"


def test_a_full_disk_holds_back_a_report_until_there_is_room():
    rollout = Rollout(seed=9)
    for name in rollout.names:
        rollout.fleet.box(name).node.disk.is_full = True
    intent = rollout.apply("v2")
    rollout.fleet.run(seconds=20)
    assert not rollout.running(intent), "nothing is done before it can be remembered"
    for name in rollout.names:
        rollout.fleet.box(name).node.disk.is_full = False
    rollout.fleet.run(seconds=150)
    assert rollout.running(intent) == list(rollout.names)


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
