"""A node's statistics: every number has a name, none is lost, and people can read them."""

from dataclasses import fields

from mesh.choreography.topics import cell_topic
from mesh.choreography.verdict import Reason
from mesh.gossip.statistics import Counters
from mesh.mind import Draft
from mesh.net.streams import NetworkStatistics
from mesh.node.statistics import NodeStatistics
from tests.unit.mind.driving import CELL, Driven, Town

NETWORK = NetworkStatistics(*range(1, 1 + len(fields(NetworkStatistics))))


def counted(driven: Driven) -> NodeStatistics:
    return NodeStatistics(
        mind=driven.mind.statistics(),
        network=NETWORK,
        frames_dropped=3,
        store_failures=0,
        penalties=7,
    )


def test_every_number_has_a_name_of_its_own():
    driven = Driven(Town())
    driven.meet("box-1", name="city/1")
    driven.connect("box-2")
    topic = cell_topic(driven.town.fleet.genesis.ns, CELL)
    driven.mind.speaking.judge(topic, b"no event", bytes(32), driven.now)
    draft = Draft(type="weather.hail", data={}, cell=CELL)
    driven.take(driven.mind.publish(draft, driven.now)[1])
    counters = counted(driven).counters()
    assert all(type(count) is int for count in counters.values())
    assert {f"events.refused.{reason}" for reason in Reason} <= counters.keys()
    assert {f"gossip.{each.name}" for each in fields(Counters)} <= counters.keys()
    for name, count in {
        "events.accepted": 0,
        "events.refused.malformed": 1,
        "events.unheard.not_granted": 1,
        "links.member": 1,
        "links.unsorted": 1,
        "members.unknown": 0,
        "network.peers": 1,
        "network.connections": 2,
        "clock.untrusted": 0,
        "clock.witnesses": 1,
        "frames_dropped": 3,
        "store_failures": 0,
        "penalties": 7,
    }.items():
        assert counters[name] == count, name


def test_as_text_it_is_a_line_for_each_counter_that_is_not_zero():
    statistics = counted(Driven(Town()))
    lines = str(statistics).splitlines()
    told = {line.split()[0]: int(line.split()[1]) for line in lines}
    assert told == {name: count for name, count in statistics.counters().items() if count}
    assert told["penalties"] == 7
    assert "store_failures" not in told
    assert len({line.rindex(" ") for line in lines}) == 1, "in columns"
