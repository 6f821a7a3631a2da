"""What a mind does by the clock: telling the time, stating its links, choosing whom to dial."""

from itertools import pairwise

from crdt.entry import Entry, Lane
from mesh.coordination.hello import CLOCK_PERIOD_S, Clock
from mesh.mind import effects as fx
from mesh.mind.neighbours import ADDRESS_SIZE_MAX, ADDRESSES_MAX
from mesh.units import MS, SECOND
from tests.laws.writing import box_of, public, put, revoke
from tests.unit.mind.driving import Driven, Town, of, said

STATE = [{"verb": "state", "names": "city"}]


def links(town: Town, label: str, *peers: str, **more: object) -> Entry:
    """A box states whom it is linked to."""
    body = {"peers": sorted(public(peer) for peer in peers), **more}
    return town.fleet.write(label, ("links", body), lane=Lane.FLEET)


def wanted(effects: list[fx.Effect]) -> dict[bytes, fx.Want]:
    """Whom the last effect of its kind says to keep links with."""
    return {want.peer: want for want in of(fx.Wanted, effects)[-1].peers}


def statements(effects: list[fx.Effect]) -> list[dict]:
    """The link statements among what is to be persisted."""
    entries = [persist.entries[0] for persist in of(fx.Persist, effects) if persist.own]
    return [entry.body["map"]["links"] if entry.kind == "snap" else entry.body for entry in entries]


def clocks(effects: list[fx.Effect], label: str) -> list[int]:
    return [what.wall_ms for what in said(effects, label) if isinstance(what, Clock)]


def test_the_clock_is_told_often_to_somebody_new_and_then_every_minute():
    driven = Driven(Town())
    driven.meet("box-1")
    start = driven.now.wall_ms
    told = [at - start for at in clocks(driven.wait(5 * CLOCK_PERIOD_S), "box-1")]
    assert told[:6] == [1000, 3000, 7000, 15_000, 31_000, 63_000]
    assert {b - a for a, b in pairwise(told[6:])} == {CLOCK_PERIOD_S * 1000}
    driven.meet("box-2")
    again = driven.wait(2)
    assert len(clocks(again, "box-1")) == len(clocks(again, "box-2")) == 1


def test_links_are_stated_once_a_change_and_not_for_every_flap():
    driven = Driven(Town())
    driven.persist(driven.wait(5))
    driven.meet("box-1")
    driven.disconnect("box-1")
    driven.meet("box-1")
    driven.meet("stranger")
    effects = driven.wait(60)
    assert statements(effects) == [{"peers": [public("box-1")], "addresses": ["/sim/0"]}]
    driven.persist(effects)
    driven.disconnect("box-1")
    driven.connect("box-1")
    driven.hello("box-1", "city/1")
    assert not statements(driven.wait(60)), "nothing has changed in the end"
    driven.disconnect("box-1")
    (statement,) = statements(driven.wait(60))
    assert statement["peers"] == []


def test_who_starts_again_among_the_same_has_nothing_to_state():
    driven = Driven(Town())
    driven.meet("box-1")
    driven.persist(driven.wait(5))
    driven.boot()
    driven.meet("box-1")
    effects = driven.wait(60)
    assert not statements(effects), "the links are those that it said it has"
    assert driven.mind.presence.seen == (public("box-1"),)
    driven.meet("box-2")
    (statement,) = statements(driven.wait(60))
    assert statement["peers"] == sorted((public("box-1"), public("box-2")))


def test_who_starts_again_among_others_states_them():
    driven = Driven(Town())
    driven.meet("box-1")
    driven.persist(driven.wait(5))
    driven.boot()
    driven.meet("box-2")
    (statement,) = statements(driven.wait(60))
    assert statement["peers"] == [public("box-2")]


def test_who_is_no_member_states_nothing():
    town = Town()
    town.write(revoke("box-0", "city/0", []))
    driven = Driven(town)
    driven.meet("box-1")
    assert not statements(driven.wait(10))


def test_a_box_wants_links_where_its_members_say_they_are():
    town = Town()
    driven = Driven(town)
    driven.meet("box-1")
    fleet = f"/{town.fleet.genesis.ns.hex()}/fleet"
    driven.fact("box-1", links(town, "box-1", "box-0", "box-2", addresses=["/sim/1"]), fleet)
    driven.fact("box-1", links(town, "box-2", "box-1", addresses=["/sim/2"]), fleet)
    found = wanted(driven.wait(3))
    assert found[public("box-1")].addresses == ("/sim/1",)
    assert found[public("box-2")].addresses == ("/sim/2",)
    assert driven.mind.presence.seen == tuple(sorted((public("box-1"), public("box-2"))))
    assert public("centre") in driven.mind.presence.dark, "nobody ever heard of it"


def test_neighbours_on_the_map_and_three_outsiders_are_redialled_soon():
    town = Town()
    street = {"cell": town_cell(), "position": [48_000_500, 11_000_000]}
    town.write(put("place/city/1", {**street, "edges": [{"to": "city/0"}]}, *placed(town, 1)))
    for number in range(5):
        label = f"far-{number}"
        town.enrol(label, f"village-{number}/0")
    everyone = ["box-1", "box-2", *(f"far-{number}" for number in range(5))]
    facts = [links(town, label, addresses=[f"/sim/{label}"]) for label in everyone]
    driven = Driven(town, entries=town.known)
    del facts
    found = wanted(driven.wait(3))
    assert found[public("box-1")].near
    near = [label for label in everyone if label in near_of(found, everyone)]
    assert near[0] == "box-1"
    assert len([label for label in near if label.startswith("far-")]) <= 3


def near_of(found: dict[bytes, fx.Want], labels: list[str]) -> set[str]:
    return {label for label in labels if public(label) in found and found[public(label)].near}


def town_cell() -> bytes:
    return Town(boxes=1).known[1].body["value"]["cell"]


def placed(town: Town, number: int) -> list[Entry]:
    key = f"place/city/{number}"
    return [entry for entry in town.known if entry.body.get("key") == key]


def test_what_a_member_says_of_its_addresses_is_looked_at_with_care():
    town = Town()
    many = [f"/sim/{number}" for number in range(ADDRESSES_MAX + 5)]
    bad = {
        "box-1": ["x" * (ADDRESS_SIZE_MAX + 1), 7, b"", "/sim/1"],
        "box-2": "no list",
        "steward": many,
    }
    for label, addresses in bad.items():
        links(town, label, addresses=addresses)
    town.fleet.write("centre", ("snap", {"map": {"links": {}, "runs": 1}}), lane=Lane.FLEET)
    driven = Driven(town)
    found = wanted(driven.wait(3))
    assert found[public("box-1")].addresses == ("/sim/1",)
    assert public("box-2") not in found
    assert found[public("steward")].addresses == tuple(many[:ADDRESSES_MAX])
    assert public("centre") not in found


def test_an_invites_addresses_serve_until_members_say_better():
    town = Town()
    book = {
        public("box-1"): ("/old/1",),
        public("stranger"): ("/old/2",),
        public("box-0"): ("/me",),
    }
    driven = Driven(town, bootstraps=book)
    found = wanted(driven.wait(3))
    assert found[public("box-1")].addresses == ("/old/1",)
    assert found[public("stranger")].addresses == ("/old/2",)
    assert not found[public("stranger")].near
    assert public("box-0") not in found, "nobody dials oneself"
    driven.meet("box-1")
    fleet = f"/{town.fleet.genesis.ns.hex()}/fleet"
    driven.fact("box-1", links(town, "box-1", addresses=["/new/1"]), fleet)
    assert wanted(driven.wait(3))[public("box-1")].addresses == ("/new/1",)


def test_who_is_revoked_is_no_longer_wanted():
    town = Town()
    links(town, "box-2", addresses=["/sim/2"])
    driven = Driven(town)
    assert public("box-2") in wanted(driven.wait(3))
    driven.meet("box-1")
    driven.fact("box-1", town.write(revoke("box-2", "city/2", [])))
    assert public("box-2") not in wanted(driven.wait(3))


def test_places_at_the_edges_of_the_world_stop_nobody():
    town = Town(boxes=1)
    corners = [(90, 180), (-90, -180), (0, 180), (90, 0), (-90, 0)]
    for number, (latitude, longitude) in enumerate(corners, start=1):
        name = f"city/corner-{number}"
        value = {
            "cell": town_cell(),
            "position": [latitude * 10**6, longitude * 10**6],
            "edges": [{"to": name}, {"to": "city/0"}, {"to": "city/nowhere"}],
        }
        town.write(put(f"place/{name}", value))
        town.enrol(f"corner-{number}", name, caps=box_of(name), place=name)
    driven = Driven(town)
    driven.wait(5)
    assert len(driven.mind.views.places) == 6


def test_the_timer_stands_for_the_earliest_of_all_that_waits():
    driven = Driven(Town())
    assert driven.timer_ns is not None
    assert 0 < driven.timer_ns <= SECOND // 2
    driven.wait(120)
    assert driven.timer_ns is not None
    assert driven.timer_ns > driven.now_ns
    driven.meet("box-1")
    assert driven.timer_ns <= driven.now_ns + SECOND
    handle, _ = driven.write(*put("x", 1))
    assert handle
    early = driven.take(driven.mind.tick(driven.now))
    assert len(of(fx.SetTimer, early)) <= 1


def test_a_tick_before_anything_is_due_does_nothing():
    driven = Driven(Town())
    driven.wait(10)
    driven.now_ns += MS
    effects = driven.take(driven.mind.tick(driven.now))
    assert not [effect for effect in effects if not isinstance(effect, fx.SetTimer)]


def test_idle_costs_one_timer_a_minute():
    driven = Driven(Town())
    driven.wait(200)
    driven.effects.clear()
    effects = driven.take(driven.mind.tick(driven.now)) + driven.wait(600)
    assert len(of(fx.SetTimer, effects)) <= 11
    assert not of(fx.Send, effects)
