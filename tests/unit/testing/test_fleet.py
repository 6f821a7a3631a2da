"""The simulated fleet: what it does to its boxes is what the world does to real ones."""

import pytest

import mesh
from crdt.entry import Lane
from mesh.choreography.event import SealedEvent, parse_event
from mesh.coordination.trust import PeerClass
from mesh.mind import Draft
from mesh.testing.fleets.adversaries import Behaviour, forge
from mesh.testing.fleets.fleet import MODEL, Fleet, FleetError


def standing(**options) -> Fleet:
    fleet = Fleet(**options)
    fleet.stand()
    return fleet


def heads(fleet: Fleet, name: str) -> dict[int, bytes]:
    return {lane: head.id for lane, head in fleet.boxes[name].node.disk.load().own.items()}


def test_what_was_not_synced_is_lost_in_a_crash_and_what_was_is_not():
    fleet = standing(boxes=2)
    centre = fleet.centre
    kept = centre.write("put", {"key": "kept", "value": 1, "supersedes": []})
    fleet.run(seconds=1)
    centre.write("put", {"key": "lost", "value": 1, "supersedes": []})
    fleet.crash("centre")
    fleet.run(seconds=5)
    fleet.restart("centre")
    fleet.settle()
    for box in fleet.up():
        assert "kept" in box.mind.replica.registers
        assert "lost" not in box.mind.replica.registers
    assert centre.node.wrote[kept].entry is not None


def test_a_restarted_box_goes_on_in_its_own_feed():
    fleet = standing(boxes=2)
    before = heads(fleet, "centre")[Lane.AUTH]
    fleet.crash("centre")
    fleet.run(seconds=12)
    fleet.restart("centre")
    fleet.run(seconds=3)
    handle = fleet.centre.write("put", {"key": "next", "value": 1, "supersedes": []})
    fleet.run(seconds=6)
    entry = fleet.centre.node.wrote[handle].entry
    assert entry is not None
    assert entry.prev == before


def test_a_fact_is_not_taken_for_one_of_a_past_life():
    fleet = standing(boxes=2)
    before = fleet.centre.write("put", {"key": "before", "value": 1, "supersedes": []})
    fleet.run(seconds=1)
    assert fleet.centre.node.wrote[before].entry.body["key"] == "before"
    fleet.crash("centre")
    fleet.run(seconds=12)
    fleet.restart("centre")
    fleet.run(seconds=6)
    puts = ({"key": f"after-{n}", "value": 1, "supersedes": []} for n in range(before))
    after = next(handle for put in puts if (handle := fleet.centre.write("put", put)) == before)
    assert after not in fleet.centre.node.wrote
    fleet.run(seconds=1)
    assert fleet.centre.node.wrote[after].entry.body["key"].startswith("after-")


def test_boxes_that_were_acquainted_stand_without_a_word():
    fleet, strangers = standing(boxes=40, is_acquainted=True), standing(boxes=40)
    heard = [
        {box.mind.statistics().facts.accepted for box in each.up()} for each in (fleet, strangers)
    ]
    assert heard[0] == {0}
    assert min(heard[1]) > 0
    boxes = {box.node.public: box for box in fleet.up()}
    for box in fleet.up():
        linked = {link.peer for link in box.mind.links.members()}
        (standing_pair,) = box.mind.replica.authority.pairs_of(box.node.public)
        said = box.mind.replica.status(Lane.FLEET)[standing_pair]["links"]
        assert said == {"peers": sorted(linked), "addresses": [box.node.address]}
        assert all(box.node.public in boxes[peer].node.wires for peer in linked)


def test_boxes_that_were_acquainted_go_on_in_their_own_feeds():
    fleet = standing(boxes=20, is_acquainted=True)
    box = fleet.box("north/box-3")
    before = heads(fleet, box.name)[Lane.FLEET]
    fleet.crash("north/box-4")
    fleet.run(seconds=10)
    after = box.node.disk.load()
    entries = {entry.id: entry for entry in after.entries}
    assert entries[after.own[Lane.FLEET].id].prev == before
    fleet.restart("north/box-4")
    fleet.settle()
    fleet.run(seconds=10)
    assert {len(each.mind.presence.seen) for each in fleet.up()} == {22}


def test_two_boxes_find_each_other_again_without_anybody_else():
    fleet = standing(boxes=2)
    for name in ("centre", "north/steward", "south/steward"):
        fleet.crash(name)
    for box in fleet.up():
        object.__setattr__(box.node.config, "bootstraps", {})
    names = [box.name for box in fleet.up()]
    fleet.run(seconds=30)
    for name in names:
        fleet.crash(name)
    fleet.run(seconds=30)
    for name in names:
        fleet.restart(name)
    fleet.run(seconds=30)
    assert [len(box.mind.links.members()) for box in fleet.up()] == [1, 1]


def test_a_full_disk_answers_and_the_box_goes_on():
    fleet = standing(boxes=2)
    fleet.centre.node.disk.is_full = True
    handle = fleet.centre.write("put", {"key": "x", "value": 1, "supersedes": []})
    fleet.run(seconds=5)
    wrote = fleet.centre.node.wrote[handle]
    assert wrote.entry is None
    assert "full" in wrote.reason
    assert not any("x" in box.mind.replica.registers for box in fleet.up())
    fleet.centre.node.disk.is_full = False
    fleet.centre.write("put", {"key": "x", "value": 2, "supersedes": []})
    fleet.settle()
    assert all(box.mind.replica.registers["x"].value == 2 for box in fleet.up())


def test_a_box_whose_clock_is_wrong_says_so_and_the_others_do_not():
    fleet = Fleet(boxes=4)
    wrong = fleet.boxes["north/box-0"]
    fleet.crash(wrong.name)
    fleet.clock(wrong.name, jump_s=3_600)
    fleet.restart(wrong.name)
    fleet.stand()
    fleet.run(seconds=130)
    for box in fleet.up():
        assert box.mind.statistics().clock_trusted is (box is not wrong), box
    assert abs(wrong.mind.statistics().clock_offset_ms + 3_600_000) < 100


def test_losses_are_repaired():
    fleet = standing(boxes=4, loss=0.1, seed=3)
    fleet.centre.revoke("north/box-0")
    fleet.settle(seconds=400)
    assert not fleet.anyone_trusts("north/box-0")


def test_what_cannot_be_done_is_said():
    fleet = Fleet(boxes=2)
    with pytest.raises(FleetError, match="held by nobody"):
        fleet.centre.revoke("nobody")
    with pytest.raises(FleetError, match="river"):
        fleet.split("motorway")
    fleet.crash("north/box-0")
    with pytest.raises(FleetError, match="down"):
        _ = fleet.boxes["north/box-0"].mind
    assert "north/box-0" in repr(fleet.boxes["north/box-0"])
    assert "down" in repr(fleet.boxes["north/box-0"].node)
    north, south = fleet.split()
    with fleet.partition(north, south):
        fleet.centre.revoke("south/box-1")
        fleet.run(seconds=10)
        with pytest.raises(FleetError, match=r"differ.*a cut stands: heal 'partition 1'"):
            fleet.settle(seconds=20)
    alone = Fleet(boxes=2, loss=1.0)
    alone.simulation.partition([alone.centre.node])
    with pytest.raises(FleetError, match="does not stand"):
        alone.stand()


@pytest.mark.parametrize(
    ("do", "told"),
    [
        (lambda f: f.run(5), "run(5) has no unit: write run(seconds=5) or minutes=…"),
        (lambda f: f.settle(60), "settle(60) has no unit: write settle(seconds=60)"),
        (lambda f: f.run(seconds=-1), "run(seconds=-1): expected a number, 0 or more"),
        (lambda f: f.run(minutes="5"), "run(minutes='5'): expected a number, 0 or more"),
        (lambda f: f.run(seconds=float("nan")), "run(seconds=nan): expected a number"),
        (lambda f: f.box("nort/box-0"), "nobody is called 'nort/box-0': did you mean north/box-0?"),
        (lambda f: f.anyone_trusts("south/box1"), "ever called 'south/box1': did you mean south"),
        (lambda f: f.revoke("center"), "center is held by nobody: did you mean centre?"),
    ],
)
def test_a_slip_is_told_with_what_was_meant(do, told: str):
    fleet = Fleet(boxes=2)
    with pytest.raises(FleetError) as caught:
        do(fleet)
    assert told in str(caught.value)
    assert fleet.now_s == Fleet(boxes=2).now_s, "no time has passed"


def test_how_a_fleet_was_made_is_no_part_of_what_was_done_to_it():
    fleet = standing(boxes=4)
    assert not fleet.journal
    fleet.crash("centre")
    assert [line.words for line in fleet.journal] == ["centre dies"]


def test_a_swapped_box_and_the_old_one_are_both_in_the_world():
    fleet = standing(boxes=4)
    new = fleet.swap_hardware("north/box-0", by="centre")
    fleet.run(seconds=20)
    old = fleet.boxes["north/box-0 (old)"]
    sort = fleet.centre.mind.trust.peer_class
    assert sort(new.mind.public).peer_class is PeerClass.MEMBER
    assert sort(old.mind.public).peer_class is PeerClass.KNOWN


def test_a_forged_event_is_wrong_in_its_signature_alone():
    fleet = standing(boxes=2)
    box, other = fleet.boxes["north/box-0"], fleet.boxes["south/box-1"]
    cell = box.mind.views.places.get("north/box-0").cell
    draft = Draft(type="traffic.near_miss", data={"kind": "van"}, cell=cell, model=MODEL)
    event, _ = box.mind.publish(draft, fleet.simulation.instant(box.node))
    wire = forge(event, author=other.mind.public, name=other.name, secret=box.node.secret)
    forged = parse_event(wire)
    assert isinstance(forged, SealedEvent)
    assert (forged.author, forged.name) == (other.mind.public, other.name)
    assert (forged.n, forged.boot, forged.data) == (event.n, event.boot, event.data)


def test_hardware_can_be_replaced_again_and_each_has_a_key_of_its_own():
    fleet = Fleet(boxes=2, seed=9)
    fleet.stand()
    for _ in range(2):
        fleet.swap_hardware("north/box-0", by="centre")
        fleet.settle()
    names = ("north/box-0", "north/box-0 (old)", "north/box-0 (old 2)")
    assert len({fleet.boxes[name].node.public for name in names}) == 3
    assert fleet.anyone_trusts("north/box-0")
    fleet.revoke("north/box-0")
    fleet.run(seconds=5)
    assert not fleet.anyone_trusts("north/box-0")
    fleet.swap_hardware("north/box-0", by="centre")
    fleet.settle()
    assert fleet.anyone_trusts("north/box-0"), "new hardware is no revoked key"


def test_a_steward_is_replaced_as_a_steward():
    fleet = standing(boxes=4)
    fleet.swap_hardware("north/steward", by="centre")
    fleet.settle()
    fleet.revoke("north/box-0", by="north/steward")
    with pytest.raises(FleetError, match="not current any more"):
        fleet.revoke("north/box-1", by="north/steward (old)")
    fleet.run(seconds=10)
    assert not fleet.anyone_trusts("north/box-0")


def test_a_senior_settles_a_fork():
    fleet = standing(boxes=4)
    fleet.turn("north/box-0", Behaviour.EQUIVOCATE)
    fleet.run(seconds=10)
    others = [box for box in fleet.up() if box.name != "north/box-0"]
    assert not any(box.trusts("north/box-0") for box in others)
    with pytest.raises(FleetError, match="south/steward may not pin north/box-0"):
        fleet.steward("south").pin("north/box-0")
    fleet.steward("north").pin("north/box-0")
    fleet.run(seconds=10)
    assert all(box.trusts("north/box-0") for box in others)
    with pytest.raises(FleetError, match="there is nothing to pin"):
        fleet.centre.pin("north/box-0")


def test_a_box_that_is_spawned_is_a_member_that_hears_and_is_heard():
    fleet = standing(boxes=4)
    fleet.spawn("north/box-20")
    fleet.spawn("south/box-21", by="south/steward", beside="south/box-3")
    fleet.settle()
    fleet.listen_everywhere()
    fleet.run(seconds=20)
    said = fleet.publish("north/box-20")
    fleet.run(seconds=2)
    others = ["north/box-0", "north/box-1", "south/box-2", "south/box-21", "south/box-3"]
    assert fleet.heard(said) == others
    assert all(box.trusts("north/box-20") and box.trusts("south/box-21") for box in fleet.up())


def test_a_box_that_is_spawned_stands_on_the_side_of_its_neighbour():
    fleet = standing(boxes=2)
    north, south = fleet.split("river")
    with fleet.partition(north, south):
        new = fleet.spawn("north/box-20", by="north/steward")
        fleet.run(seconds=20)
        seen = new.mind.presence.seen
        assert all(box.node.public in seen for box in north)
        assert not any(box.node.public in seen for box in south)


@pytest.mark.parametrize(
    ("name", "beside", "told"),
    [
        ("north/box-0", None, "is there already"),
        ("west/box-9", None, "no box stands on the bank of 'west/box-9'"),
        ("north/box-9", "centre", "centre stands nowhere"),
        ("north/box-9", "north/box-8", "nobody is called 'north/box-8'"),
    ],
)
def test_a_box_that_cannot_be_spawned_is_refused(name: str, beside: str | None, told: str):
    with pytest.raises(FleetError, match=told):
        standing(boxes=1).spawn(name, beside=beside)


def test_only_events_that_a_fleet_is_made_for_are_heard():
    @mesh.event("parking.space_freed")
    class SpaceFreed:
        spaces: int

    others = ["north/box-1", "south/box-2", "south/box-3"]
    for events, heard, refused in (("parking.*", others, False), ("traffic.*", [], True)):
        fleet = standing(boxes=4, events=[events])
        fleet.listen_everywhere(SpaceFreed)
        fleet.run(seconds=10)
        said = fleet.publish("north/box-0", SpaceFreed(3))
        fleet.run(seconds=2)
        assert fleet.heard(said) == heard
        assert ("not_granted" in fleet.refusals()) is refused


def test_a_question_that_cannot_be_meant_is_refused():
    fleet = Fleet(boxes=2)
    fleet.stand()
    event = fleet.publish("north/box-0")
    fleet.run(seconds=1)
    with pytest.raises(
        FleetError, match=r"nobody listens to traffic\.near_miss: call listen_every"
    ):
        fleet.heard(event)
    fleet.listen_everywhere()
    assert fleet.heard(event) == []
    with pytest.raises(FleetError, match="is no event of this fleet: expected what publish gave"):
        fleet.heard(b"nonsense")
    with pytest.raises(FleetError, match="nobody was ever called 'north/nonsense': expected one"):
        fleet.anyone_trusts("north/nonsense")


def test_cuts_take_names_as_well_as_boxes():
    one, other = Fleet(boxes=2, seed=3), Fleet(boxes=2, seed=3)
    for fleet, side in ((one, [one.box("north/box-0")]), (other, ["north/box-0"])):
        fleet.stand()
        fleet.cut("away", side)
        fleet.run(seconds=12)
    assert one.trace == other.trace
    whole = standing(boxes=2, seed=3)
    whole.run(seconds=12)
    assert whole.trace != one.trace
    with pytest.raises(FleetError, match=r"nobody is called 'north/\*': expected one of"):
        one.blackhole("hole", "north/*")


def test_what_was_refused_is_not_told_as_done():
    fleet = Fleet(boxes=2)
    fleet.stand()
    with pytest.raises(FleetError, match="north/nobody is held by nobody"):
        fleet.revoke("north/nobody")
    assert not [line for line in fleet.journal if "nobody" in str(line)]
