"""Malicious boxes: each lies in one way, and honest boxes answer with the one right reason."""

from functools import cache

import pytest

from mesh.coordination.trust import PeerClass
from mesh.orchestration.intent import Stage
from mesh.testing.fleets.adversaries import Behaviour
from mesh.testing.fleets.fleet import Fleet

LIAR = "north/box-0"
HONEST = ("north/box-1", "south/box-2", "south/box-3")


def listening(behaviour: Behaviour | None = None, *, seed: int = 1) -> Fleet:
    fleet = Fleet(boxes=4, seed=seed)
    fleet.stand()
    fleet.listen_everywhere()
    fleet.run(seconds=5)
    if behaviour is not None:
        fleet.turn(LIAR, behaviour)
    return fleet


def heard(fleet: Fleet, event: bytes) -> set[str]:
    return {delivered.receiver for delivered in fleet.deliveries if delivered.event == event}


def test_who_does_not_lie_is_heard_and_refused_by_nobody():
    fleet = listening()
    assert heard(fleet, said(fleet, LIAR)) == set(HONEST)
    fleet.run(seconds=150)
    assert not fleet.refusals()


def said(fleet: Fleet, name: str) -> bytes:
    event = fleet.publish(name)
    fleet.run(seconds=1)
    return event


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [(Behaviour.FORGE, "bad_signature"), (Behaviour.BACK_DATE, "stale")],
)
def test_a_lie_about_an_event_is_refused_by_everybody_for_its_one_fault(behaviour, reason):
    fleet = listening(behaviour)
    said(fleet, LIAR)
    assert fleet.deliveries == []
    refusals = fleet.refusals()
    assert set(refusals) == {reason}
    assert refusals[reason] >= len(HONEST)
    assert heard(fleet, said(fleet, HONEST[0])) >= set(HONEST[1:]), "who is honest is heard on"


def test_who_gives_on_wrong_bytes_is_caught_and_everybody_gets_the_right_ones():
    fleet = listening()
    fleet.deliver()
    fleet.release("v2")
    fleet.turn("centre", Behaviour.POISON)
    fleet.apply("v2", stages=(Stage(1_000_000),))
    fleet.run(seconds=20)
    assert not fleet.running("v2"), "who has it gives on something else"
    caught = fleet.simulation.exchanges.penalties
    assert set(caught) == {fleet.centre.node.public}
    for data in tuple(fleet.centre.node.workshop.shelf.values()):
        fleet.simulation.exchanges.put(fleet.steward("south").node, data)
    fleet.run(seconds=20)
    assert sorted(fleet.running("v2")) == sorted(fleet.town.places)


def test_nobody_is_blamed_for_what_is_forged_in_its_name():
    fleet = listening(Behaviour.FORGE)
    for _ in range(5):
        said(fleet, LIAR)
    for name in HONEST:
        assert heard(fleet, said(fleet, name)) >= set(HONEST) - {name}


def test_a_replay_is_stale_to_whoever_does_not_remember_it_and_known_to_the_rest():
    fleet = listening(Behaviour.REPLAY)
    event = said(fleet, HONEST[0])
    assert heard(fleet, event) == {LIAR, *HONEST[1:]}
    forgetful = HONEST[1:]
    fleet.reboot_all(forgetful)
    fleet.run(seconds=65)
    assert fleet.refusals() == {"stale": len(forgetful)}
    assert len(fleet.deliveries) == len(HONEST), "each heard it once"


def test_who_hears_more_than_it_can_remember_replays_all_the_same():
    """Found in the library: where much was said a liar forgot all of it before it was old."""
    fleet = listening(Behaviour.REPLAY)
    for second in range(70):
        if second == 50:
            fleet.reboot_all(HONEST[1:])
        for _ in range(2):
            fleet.publish(HONEST[0])
        fleet.run(seconds=1)
    assert fleet.refusals()["stale"] >= 30, "twenty events and more, at each who heard none"


def test_who_signs_two_records_with_one_number_is_quarantined_and_heard_no_more():
    fleet = listening()
    assert heard(fleet, said(fleet, LIAR)) == set(HONEST)
    fleet.turn(LIAR, Behaviour.EQUIVOCATE)
    fleet.run(seconds=10)
    fleet.settle()
    liar = fleet.box(LIAR).mind.public
    for name in HONEST:
        sort = fleet.box(name).mind.trust.peer_class(liar)
        assert (sort.peer_class, sort.reason) == (PeerClass.KNOWN, "quarantined")
    assert heard(fleet, said(fleet, LIAR)) == set()
    assert heard(fleet, said(fleet, HONEST[0])) >= set(HONEST[1:])


def test_a_flood_is_cut_down_to_what_an_author_may_publish():
    fleet = listening(Behaviour.FLOOD)
    fleet.run(seconds=4)
    assert set(fleet.refusals()) == {"rate_limited_author"}
    for name in HONEST:
        accepted = fleet.box(name).mind.speaking.admission_statistics().accepted
        assert 200 <= accepted <= 200 + 5 * 50, name
    assert heard(fleet, said(fleet, HONEST[0])) >= set(HONEST[1:])


@cache
def who_hears_where_nobody_lies() -> set[str]:
    honest = Fleet(boxes=24, seed=2)
    honest.stand()
    honest.listen_everywhere(within_m=900)
    honest.run(seconds=5)
    return heard(honest, said(honest, "north/box-1"))


@pytest.mark.parametrize("behaviour", [Behaviour.WITHHOLD, Behaviour.ECLIPSE])
def test_what_one_box_keeps_back_reaches_everybody_another_way(behaviour):
    fleet = Fleet(boxes=24, seed=2)
    fleet.stand()
    fleet.listen_everywhere(within_m=900)
    fleet.run(seconds=5)
    crossing = fleet.box("north/box-3")
    fleet.turn(crossing.name, behaviour)
    fleet.run(seconds=10)
    if behaviour is Behaviour.ECLIPSE:
        fleet.centre.revoke("south/box-23")
        fleet.run(seconds=10)
        assert len(crossing.mind.links.members()) > 20
    fleet.deliveries.clear()
    event = said(fleet, "north/box-1")
    expected = heard(fleet, event)
    assert len(expected) > 8
    assert expected | {"south/box-23"} >= who_hears_where_nobody_lies()
    fleet.centre.write("put", {"key": "x", "value": 1, "supersedes": []})
    fleet.settle()
    assert not fleet.refusals()
