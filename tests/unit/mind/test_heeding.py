"""A node learns how it stands: whether it was replaced or revoked, and whether it is heard."""

import pytest

from crdt.standing import Pair
from mesh.choreography.cells import cell_at
from mesh.choreography.topics import cell_topic
from mesh.coordination.displaced import Displaced
from mesh.coordination.trust import Refused
from mesh.mind import Draft
from mesh.mind import effects as fx
from mesh.mind import heeding as heeding_module
from tests.laws.writing import box_of, grant, public, put, revoke
from tests.unit.mind.driving import CELL, DIGEST, WALL_MS, Driven, Town, of, published

ME = Pair(public("box-0"), "city/0")


def meeting(town: Town) -> Driven:
    driven = Driven(town)
    driven.meet("box-1", name="city/1")
    return driven


def publishing(model: bytes | None = DIGEST, **changes: object) -> Draft:
    given = {"type": "traffic.near_miss", "data": {}, "cell": CELL, "model": model}
    return Draft(**{**given, **changes})


def town_of_models(area: object = "*") -> Town:
    """A town whose box-0 publishes with approved models."""
    town = Town(boxes=0)
    town.enrol("box-1", "city/1")
    publish = {"verb": "publish", "names": "city/0", "events": ["traffic.*"], "area": area}
    town.enrol("box-0", "city/0", caps=[{**publish, "model": True}])
    return town


def test_a_box_in_good_standing_is_told_nothing():
    driven = meeting(Town())
    driven.wait(30)
    assert not of(fx.OwnStanding, driven.effects)
    assert driven.mind.displaced is None


def test_a_replaced_box_learns_by_whom_when_and_which_key_it_was():
    town = Town()
    driven = meeting(town)
    entry = town.write(grant("spare", "city/0", 3, 2, box_of("city/0"), replaces={"box-0": []}))
    effects = driven.fact("box-1", entry)
    wanted = Displaced(
        ME, Refused.SUPERSEDED_KEY, public("spare"), epoch=2, by=("centre",), when_ms=entry.t
    )
    assert of(fx.OwnStanding, effects) == [fx.OwnStanding(wanted)]
    assert driven.mind.displaced == wanted
    driven.fact("box-1", town.write(put("place/city/x", 1)))
    assert len(of(fx.OwnStanding, driven.effects)) == 1, "told once"
    driven.persist(driven.effects)
    told = of(fx.OwnStanding, driven.boot())
    assert told == [fx.OwnStanding(wanted)], "and again at every start"


def test_a_box_that_was_replaced_by_mistake_is_told_that_it_counts_again():
    town = Town()
    driven = meeting(town)
    driven.fact("box-1", town.write(grant("spare", "city/0", 3, 2, box_of("city/0"))))
    back = grant("box-0", "city/0", 3, 3, box_of("city/0"), replaces={"spare": []})
    assert of(fx.OwnStanding, driven.fact("box-1", town.write(back))) == [fx.OwnStanding(None)]


@pytest.mark.parametrize(
    ("name", "reaches"), [("city/0", True), ("city/*", True), ("city/0/*", True), ("city/1", False)]
)
def test_a_revoked_box_learns_by_whose_word(name: str, reaches: bool):
    town = Town()
    driven = meeting(town)
    entry = town.write(revoke("box-0", name, []))
    told = of(fx.OwnStanding, driven.fact("box-1", entry))
    found = Displaced(ME, Refused.REVOKED, by=("centre",), when_ms=entry.t)
    assert told == ([fx.OwnStanding(found)] if reaches else [])


def test_a_key_that_was_never_granted_anything_is_no_news():
    driven = Driven(Town(), "nobody", "")
    driven.wait(5)
    assert not of(fx.OwnStanding, driven.effects)


def test_an_event_that_all_accept_is_not_mentioned():
    driven = meeting(town_of_models())
    _, effects = driven.mind.publish(publishing(), driven.now)
    assert not of(fx.Unheard, effects)
    assert not driven.mind.statistics().unheard


def test_a_model_that_nobody_approved_is_told_once_and_counted():
    driven = meeting(town_of_models())
    driven.subscribe("box-1", cell_topic(driven.town.fleet.genesis.ns, CELL))
    told: list[fx.Unheard] = []
    for _ in range(3):
        for model in (None, bytes(32)):
            event, effects = driven.mind.publish(publishing(model), driven.now)
            sent = [data for _, data in published(effects, "box-1")]
            assert sent == [event.wire], "others may know better"
            told += of(fx.Unheard, effects)
    assert [(each.reason, each.model) for each in told] == [
        (Refused.MODEL_NOT_APPROVED, None),
        (Refused.MODEL_NOT_APPROVED, bytes(32)),
    ]
    assert told[0].detail == f"have=none want={DIGEST.hex()[:12]}"
    assert driven.mind.statistics().unheard == {
        (Refused.MODEL_NOT_APPROVED, None): 3,
        (Refused.MODEL_NOT_APPROVED, bytes(32)): 3,
    }


def test_what_the_grant_does_not_cover_is_told_once_whatever_the_model():
    driven = meeting(town_of_models(area=[CELL]))
    elsewhere = cell_at(48.5, 11.5, 9)
    for model in (DIGEST, bytes(32)):
        driven.take(driven.mind.publish(publishing(model, cell=elsewhere), driven.now)[1])
        driven.take(driven.mind.publish(publishing(model, type="weather.hail"), driven.now)[1])
    assert [each.reason for each in of(fx.Unheard, driven.effects)] == [
        Refused.OUT_OF_AREA,
        Refused.NOT_GRANTED,
    ]
    counts = driven.mind.statistics().unheard
    assert counts == {(Refused.OUT_OF_AREA, None): 2, (Refused.NOT_GRANTED, None): 2}


def test_an_expired_grant_is_told_when_it_ends():
    town = Town(boxes=0)
    town.enrol("box-1", "city/1")
    publish = {"verb": "publish", "names": "city/0", "events": ["traffic.*"], "area": "*"}
    kind, body = grant("box-0", "city/0", 3, 1, [publish])
    town.write((kind, {**body, "exp": WALL_MS + 20_000}))
    driven = meeting(town)
    for seconds, reasons in ((10, []), (9.9, []), (0.1, [Refused.EXPIRED]), (5, [])):
        driven.wait(seconds)
        told = of(fx.Unheard, driven.take(driven.mind.publish(publishing(), driven.now)[1]))
        assert [each.reason for each in told] == reasons
    assert driven.mind.statistics().unheard == {(Refused.EXPIRED, None): 2}
    assert not of(fx.OwnStanding, driven.effects), "it is current: no view reads a clock"


def test_what_is_counted_apart_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(heeding_module, "COUNTED_MAX", 2)
    driven = meeting(town_of_models())
    for number in range(5):
        driven.take(driven.mind.publish(publishing(bytes([number]) * 32), driven.now)[1])
    counts = driven.mind.statistics().unheard
    assert len(counts) == 3
    assert sum(counts.values()) == 5
