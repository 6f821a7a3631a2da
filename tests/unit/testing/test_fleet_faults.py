"""What a scenario can do to a fleet does to real minds what it would do to real boxes."""

import pytest

from mesh.testing.fleets.adversaries import Behaviour
from mesh.testing.fleets.fleet import Fleet, FleetError, NearMiss
from mesh.testing.simulator.network import BACKLOG_BYTES_MAX
from mesh.testing.simulator.simulated_node import SLOWNESS_MAX


def standing(**options) -> Fleet:
    fleet = Fleet(**options)
    fleet.stand()
    return fleet


def linked(fleet: Fleet, name: str) -> set[str]:
    names = {node.public: node.name for node in fleet.simulation.nodes.values()}
    return {names[link.peer] for link in fleet.box(name).mind.links.members()}


def test_several_cuts_stand_at_once_and_each_is_healed_alone():
    fleet = standing(boxes=4)
    north, south = fleet.split()
    fleet.cut("river", north)
    fleet.cut("street", [fleet.box("north/box-0")])
    fleet.run(seconds=11)
    assert linked(fleet, "north/box-0") == set()
    assert linked(fleet, "north/box-1") == {"north/steward"}
    fleet.heal("street")
    fleet.run(seconds=16)
    assert linked(fleet, "north/box-0") == {"north/steward", "north/box-1"}
    with fleet.partition(south, north):
        fleet.heal("river")
        fleet.run(seconds=5)
        assert linked(fleet, "north/steward") == {"north/box-0", "north/box-1"}
    fleet.run(seconds=16)
    assert len(linked(fleet, "north/steward")) == 6


def test_a_way_that_is_shut_one_way_carries_no_link():
    fleet = standing(boxes=2)
    fleet.cut_one_way("deaf", [fleet.box("north/box-0")], [fleet.centre])
    fleet.run(seconds=12)
    assert "centre" not in linked(fleet, "north/box-0")
    assert "north/box-0" not in linked(fleet, "centre")
    assert "north/box-0" in linked(fleet, "south/box-1")
    assert fleet.settle() < 1


def test_in_a_black_hole_everybody_is_alone_and_knows_it_after_ten_seconds():
    fleet = standing(boxes=2)
    fleet.run(seconds=5)
    lost = [fleet.box("north/box-0"), fleet.box("south/box-1")]
    fleet.blackhole("hole", lost)
    fleet.run(seconds=9)
    assert len(linked(fleet, "north/box-0")) == 4
    fleet.run(seconds=2)
    assert [len(linked(fleet, box.name)) for box in lost] == [0, 0]
    assert len(linked(fleet, "centre")) == 2


def test_a_power_cut_loses_what_was_not_synced_and_a_kept_write_comes_back():
    for keep in (0, 1):
        fleet = standing(boxes=2, seed=keep)
        fleet.disk("centre").sync_ms = 1_000
        fleet.centre.write("put", {"key": "x", "value": 1, "supersedes": []})
        fleet.run(seconds=0.5)
        fleet.power_cut("centre", keep=keep)
        fleet.run(seconds=5)
        assert "centre" in linked(fleet, "north/box-0"), "nobody was told"
        fleet.restart("centre")
        fleet.run(seconds=10)
        for box in fleet.up():
            assert ("x" in box.mind.replica.registers) == bool(keep), box


def test_a_slow_disk_delays_a_fact_and_a_slow_box_delays_everybody_elses():
    fleet = standing(boxes=2)
    fleet.disk("centre").sync_ms = 3_000
    fleet.centre.write("put", {"key": "x", "value": 1, "supersedes": []})
    fleet.run(seconds=2.9)
    assert not any("x" in box.mind.replica.registers for box in fleet.up())
    fleet.slow("north/box-0", 5_000)
    fleet.run(seconds=0.5)
    assert "x" in fleet.box("south/box-1").mind.replica.registers
    assert "x" not in fleet.box("north/box-0").mind.replica.registers
    fleet.slow("north/box-0", 1)
    fleet.run(seconds=20)
    assert fleet.views_agree()
    assert "x" in fleet.box("north/box-0").mind.replica.registers


def test_a_restored_backup_goes_on_behind_what_others_remember_of_it():
    fleet = standing(boxes=2)
    backup = fleet.backup("centre")
    fleet.centre.write("put", {"key": "x", "value": 1, "supersedes": []})
    fleet.settle()
    fleet.crash("centre")
    fleet.restore("centre", backup)
    fleet.restart("centre")
    assert "x" not in fleet.centre.mind.replica.registers
    fleet.run(seconds=10)
    fleet.centre.write("put", {"key": "y", "value": 2, "supersedes": []})
    fleet.run(seconds=10)
    fleet.settle()
    for box in fleet.up():
        assert {"x", "y"} <= set(box.mind.replica.registers), box
        replica = box.mind.replica
        assert not any(replica.evidence(feed) for feed in replica.feeds()), "it forked nothing"


def test_a_clock_that_jumps_is_noticed_by_its_own_box_and_a_slow_drift_is_not():
    fleet = standing(boxes=4)
    fleet.clock("north/box-0", jump_s=-30)
    fleet.clock("north/box-1", drift_ppm=100)
    fleet.run(seconds=200)
    for box in fleet.up():
        assert box.mind.statistics().clock_trusted == (box.name != "north/box-0"), box
    fleet.clock("north/box-1", drift_ppm=50_000)
    fleet.run(minutes=6)
    assert not fleet.box("north/box-1").mind.statistics().clock_trusted


def test_links_can_be_changed_everywhere_and_between_two_sides():
    fleet = standing(boxes=2)
    north, south = fleet.split()
    fleet.links(between=(north, south), latency_ms=400, jitter_ms=0)
    fleet.centre.write("put", {"key": "x", "value": 1, "supersedes": []})
    fleet.run(seconds=0.3)
    assert "x" in fleet.box("south/box-1").mind.replica.registers
    assert "x" not in fleet.box("north/box-0").mind.replica.registers
    fleet.run(seconds=0.3)
    assert "x" in fleet.box("north/box-0").mind.replica.registers
    fleet.links(loss=0.2, reordering=0.2, duplication=0.2, kbit_s=500)
    fleet.centre.write("put", {"key": "y", "value": 1, "supersedes": []})
    fleet.settle()
    assert all("y" in box.mind.replica.registers for box in fleet.up())
    with pytest.raises(FleetError, match="speed"):
        fleet.links(speed=3)
    with pytest.raises(FleetError, match="loss=3"):
        fleet.links(loss=3)


def test_who_is_behind_a_nat_dials_and_is_found_again_by_dialling():
    fleet = Fleet(boxes=2)
    fleet.behind_nat("north/box-0")
    fleet.stand()
    fleet.crash("centre")
    fleet.run(seconds=5)
    fleet.restart("centre")
    fleet.run(seconds=20)
    assert "centre" in linked(fleet, "north/box-0")
    links = fleet.box("north/box-0").mind.statistics().links
    assert all(link.outbound for link in links)


def test_a_whole_city_reboots_at_once_and_stands_again():
    fleet = standing(boxes=4, seed=5)
    fleet.listen_everywhere()
    fleet.reboot_all(fleet.names())
    fleet.run(seconds=20)
    fleet.stand()
    fleet.publish("north/box-0")
    fleet.run(seconds=1)
    heard = {delivered.receiver for delivered in fleet.deliveries}
    assert heard == {"north/box-1", "south/box-2", "south/box-3"}, "who listened listens again"


def test_deliveries_and_refusals_are_recorded_and_outlive_a_crash():
    fleet = standing(boxes=4)
    fleet.listen_everywhere()
    fleet.run(seconds=3)
    event = fleet.publish("north/box-0", NearMiss("bus", 0.5))
    fleet.run(seconds=1)
    assert {delivered.event for delivered in fleet.deliveries} == {event}
    first = fleet.deliveries[0]
    assert (first.author, first.name) == (fleet.box("north/box-0").mind.public, "north/box-0")
    assert 0 < first.at_ns <= fleet.simulation.now_ns
    fleet.publish("north/box-0", model=bytes(32))
    fleet.run(seconds=1)
    assert fleet.refusals() == {"model_not_approved": 3}
    fleet.crash("north/box-1")
    assert fleet.refusals() == {"model_not_approved": 3}


def test_a_swapped_box_stands_on_the_side_of_the_cut_where_the_old_one_stood():
    fleet = standing(boxes=4)
    north, _ = fleet.split()
    fleet.cut("river", north)
    fleet.run(seconds=11)
    fleet.swap_hardware("north/box-0", by="north/steward")
    fleet.run(seconds=20)
    assert linked(fleet, "north/box-0") == {"north/steward", "north/box-1"}


def test_the_journal_tells_people_what_was_done():
    fleet = standing(boxes=2)
    fleet.cut("river", [fleet.centre])
    fleet.heal("river")
    fleet.turn("north/box-0", Behaviour.WITHHOLD)
    fleet.revoke("north/box-0", reason="stolen")
    words = [line.words for line in fleet.journal]
    assert "river: centre cut off" in words
    assert words[-3:] == [
        "healed river",
        "north/box-0 turns: withhold",
        "centre revokes north/box-0: stolen",
    ]


def test_what_makes_no_sense_is_said():
    fleet = Fleet(boxes=2)
    backup = fleet.backup("centre")
    with pytest.raises(FleetError, match="nobody is called 'x'"):
        fleet.crash("x")
    with pytest.raises(FleetError, match="is running"):
        fleet.restart("centre")
    with pytest.raises(FleetError, match="is running"):
        fleet.restore("centre", backup)
    with pytest.raises(FleetError, match="expected 1 to 10000"):
        fleet.slow("centre", 0.5)
    with pytest.raises(FleetError, match="no cut is called 'river'"):
        fleet.heal("river")
    with pytest.raises(FleetError, match="no cut is called 'all': to heal that"):
        fleet.cut("all", ["centre"])
    with pytest.raises(FleetError, match="is of one box from itself: name two"):
        fleet.cut_one_way("way", ["centre"], ["centre"])
    with pytest.raises(FleetError, match="is of nobody"):
        fleet.blackhole("hole", [])
    fleet.cut("river", [fleet.centre])
    with pytest.raises(FleetError, match="already"):
        fleet.cut_one_way("river", [fleet.centre], fleet.up())


def test_a_large_town_has_blocks_and_two_districts():
    fleet = Fleet(boxes=30)
    places = fleet.town.places
    assert len({latitude for latitude, _ in places.values()}) == 4
    assert sum(name.startswith("north/") for name in places) == 15
    for name in places:
        record = fleet.town.record(name)
        assert 2 <= len(record["value"]["edges"]) <= 8, name
        assert fleet.town.cell(name) in fleet.town.area_of(name)


def test_what_waits_before_a_slow_box_is_bounded_and_ends_when_it_is_well():
    fleet = Fleet(boxes=3, seed=31)
    fleet.stand()
    fleet.listen_everywhere()
    slow = fleet.box("north/box-1")
    fleet.slow("north/box-1", SLOWNESS_MAX)
    for _ in range(60):
        fleet.publish("north/box-0")
        fleet.run(seconds=1)
    assert len(slow.node.inbox) > 20, "it has fallen behind"
    assert all(wire.unread <= BACKLOG_BYTES_MAX for wire in slow.node.wires.values())
    fleet.slow("north/box-1", 1)
    fleet.run(seconds=5)
    assert not slow.node.inbox
    fleet.publish("north/box-0")
    fleet.run(seconds=1)
    assert fleet.deliveries[-1].receiver in {"north/box-1", "south/box-2"}
    assert any(d.receiver == "north/box-1" for d in fleet.deliveries[-2:])


@pytest.mark.parametrize("factor", [0.5, SLOWNESS_MAX + 1])
def test_a_factor_that_means_nothing_is_refused(factor: float):
    fleet = Fleet(boxes=1, seed=32)
    with pytest.raises(FleetError, match="expected 1 to 10000"):
        fleet.slow("north/box-0", factor)
