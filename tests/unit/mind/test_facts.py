"""Facts by gossip: judged, parked, kept; and our own: durable before anybody sees them."""

import pytest

from crdt.entry import Entry, Lane
from crdt.errors import InvalidEntryError
from crdt.own import ANSWER_WAIT_NS, PENDING_MAX
from identity.encoding import encode
from identity.genesis import RootItem, RootStatement, make_root_statement
from mesh.choreography.topics import auth_topic, fleet_topic, state_topic
from mesh.coordination.facts import encode_entry, encode_root
from mesh.coordination.hello import Head
from mesh.mind import effects as fx
from mesh.mind.hearing import PARKED_MAX, PARKED_PER_PEER_MAX
from mesh.mind.writing import SNAPSHOT_EVERY, WAITING_MAX, WriteError
from tests.laws.writing import Fleet, grant, key_of, public, put, revoke, steward_of
from tests.unit.mind.driving import Driven, Town, answers, began_sync, of, published, spread


def note(number: int = 0) -> tuple[str, object]:
    return put("city/plan", number)


def writers() -> Town:
    """A town whose boxes may put plans for the city."""
    town = Town(boxes=0)
    for number in range(3):
        name = f"city/{number}"
        caps = [{"verb": verb, "names": "city"} for verb in ("put", "state")]
        town.enrol(f"box-{number}", name, caps=caps)
    return town


GIVEN_UP_S = 13.0
"""After `talking`: the sessions that began with the links are given up, and not tried again yet."""


def talking(town: Town, *labels: str) -> Driven:
    """The mind of box-0, linked with these, somebody of whom has answered it."""
    driven = Driven(town)
    for label in labels or ("box-1",):
        driven.meet(label)
    driven.persist(driven.wait(2.5))
    return driven


def unsigned(town: Town) -> RootStatement:
    """The next root statement, which nobody has signed."""
    head = town.statements[-1]
    items = [RootItem(*note())]
    return make_root_statement(town.fleet.genesis, items, number=head.number + 1, prev=head.id)


def facts(driven: Driven) -> tuple[int, int, int]:
    counted = driven.mind.statistics().facts
    return counted.accepted, counted.rejected, counted.parked


# What others write


def test_a_fact_is_stored_and_passed_on_but_not_to_its_author():
    town = writers()
    driven = talking(town, "box-1", "box-2")
    entry = town.fleet.write("box-1", note())
    effects = driven.fact("box-1", entry)
    (persist,) = of(fx.Persist, effects)
    assert (persist.entries, persist.own) == ((entry,), False)
    assert spread(effects, "box-2") == [entry]
    assert not spread(effects, "box-1")
    assert fx.Changed() in effects
    assert driven.mind.heard_ns[public("box-1")] == driven.now_ns
    assert facts(driven)[0] == 1


def test_the_same_fact_in_another_message_is_not_stored_twice():
    town = writers()
    driven = talking(town)
    entry = town.fleet.write("box-1", note())
    driven.fact("box-1", entry)
    junk = encode([0, bytes(64) + entry.raw])
    assert not of(fx.Persist, driven.gossip("box-1", auth_topic(entry.ns), junk))
    assert facts(driven) == (1, 0, 0)


@pytest.mark.parametrize(
    "what", ["junk", "signature", "fleet", "lane", "topic", "root on fleet", "root", "unsigned"]
)
def test_what_is_wrong_in_every_view_is_refused_and_its_sender_penalised(what):
    town, other = writers(), Fleet(roots=2)
    driven = talking(town)
    ns = town.fleet.genesis.ns
    entry = town.fleet.write("box-1", note())
    foreign = other.write("box-1", note())
    status = town.fleet.write("box-1", ("status", {"topic": "a", "value": 1}), lane=Lane.STATE)
    topic, data = {
        "junk": (auth_topic(ns), b"junk"),
        "signature": (auth_topic(ns), encode([0, bytes(64) + entry.raw])),
        "fleet": (auth_topic(ns), encode_entry(foreign)),
        "lane": (auth_topic(ns), encode_entry(status)),
        "topic": (f"/{ns.hex()}/nonsense", encode_entry(entry)),
        "root on fleet": (fleet_topic(ns), encode_root(town.statements[0])),
        "unsigned": (auth_topic(ns), encode_root(unsigned(town))),
        "root": (auth_topic(ns), encode([2, town.fleet.declare(note()).wire[:-9] + bytes(9)])),
    }[what]
    effects = driven.gossip("box-1", topic, data)
    if what == "topic":  # nobody here is in it, so nobody looks at it
        assert not of(fx.Persist, effects)
        return
    assert [effect.peer for effect in of(fx.Penalise, effects)] == [public("box-1")]
    assert not of(fx.Persist, effects)
    assert facts(driven)[1] == 1


def test_a_state_of_another_district_is_left_alone():
    town = Town()
    town.enrol("far", "village/0")
    driven = talking(town)
    entry = town.fleet.write("far", ("status", {"topic": "a", "value": 1}), lane=Lane.STATE)
    effects = driven.fact("box-1", entry, state_topic(entry.ns, "city"))
    assert not of(fx.Persist, effects)
    near = town.fleet.write("box-1", ("status", {"topic": "a", "value": 1}), lane=Lane.STATE)
    assert of(fx.Persist, driven.fact("box-1", near, state_topic(entry.ns, "city")))
    assert facts(driven)[:2] == (1, 0)


def test_both_entries_of_an_evidence_are_kept_whatever_their_lane():
    town = writers()
    driven = talking(town, "steward", "box-1", "box-2")
    one, two = (town.fleet.write("box-1", note(number)) for number in range(2))
    three, four = (
        town.fleet.write("box-2", ("links", {"peers": [public(label)]}), lane=Lane.FLEET)
        for label in ("box-0", "box-1")
    )
    topic = auth_topic(one.ns)
    for label, first, second in (("box-1", one, two), ("box-2", three, four)):
        effects = driven.gossip("steward", topic, encode([1, first.wire, second.wire]))
        (persist,) = of(fx.Persist, effects)
        assert set(persist.entries) == {first, second}
        assert answers(effects, label) == [("known", "quarantined")]
    known = encode([1, one.wire, two.wire[:-1]])
    assert of(fx.Penalise, driven.gossip("steward", topic, known))


def test_a_fact_that_does_not_link_is_passed_on_and_asked_for():
    town = writers()
    driven = talking(town, "box-1", "box-2")
    driven.wait(GIVEN_UP_S)
    first = town.fleet.write("box-1", note(1))
    second = town.fleet.write("box-1", note(2), after=first)
    effects = driven.fact("box-1", second)
    assert not of(fx.Persist, effects)
    assert spread(effects, "box-2") == [second]
    assert began_sync(effects + driven.wait(1), "box-1")


# Parking


def test_what_an_unknown_author_says_is_parked_and_heard_when_it_is_granted():
    town = writers()
    driven = talking(town, "box-1", "box-2")
    driven.wait(GIVEN_UP_S)
    granted = grant("newcomer", "city/9", 3, 1, [{"verb": "put", "names": "city"}])
    early = town.fleet.write("newcomer", note())
    assert not of(fx.Persist, driven.fact("box-1", early))
    assert facts(driven)[2] == 1
    assert not spread(driven.effects, "box-2")
    effects = driven.fact("box-1", town.write(granted))
    stored = [entry for persist in of(fx.Persist, effects) for entry in persist.entries]
    assert stored == [town.last, early]
    assert facts(driven)[2] == 0
    assert driven.mind.replica.registers["city/plan"].value == 0
    effects += driven.wait(1)
    assert began_sync(effects, "box-2"), "nobody was sent it while it was parked"


def test_parked_facts_may_make_each_other_known_in_any_order():
    town = writers()
    driven = talking(town)
    town.enrol("junior", "city/8", stratum=2, caps=steward_of("city"))
    assert town.last is not None
    granted = town.last
    boxed = grant("newest", "city/9", 3, 1, [{"verb": "put", "names": "city"}])
    mine = town.fleet.write("newest", note(7))
    theirs = town.fleet.write("junior", boxed)
    for entry in (mine, theirs):  # the one that needs the other lies before it
        driven.fact("box-1", entry)
    effects = driven.fact("box-1", granted)
    stored = [entry for persist in of(fx.Persist, effects) for entry in persist.entries]
    assert stored == [granted, theirs, mine]
    assert driven.mind.replica.registers["city/plan"].value == 7
    assert facts(driven)[2] == 0


def test_one_peer_parks_no_more_than_its_share():
    town = writers()
    driven = talking(town, "box-1", "box-2")
    for number in range(PARKED_PER_PEER_MAX + 5):
        driven.fact("box-1", town.fleet.write(f"unknown-{number}", note()))
    assert facts(driven)[2] == PARKED_PER_PEER_MAX
    driven.fact("box-2", town.fleet.write("unknown-x", note()))
    assert facts(driven)[2] == PARKED_PER_PEER_MAX + 1


def test_all_peers_together_park_no_more_than_there_is_room():
    town = Town(boxes=0)
    labels = [f"box-{number}" for number in range(10)]
    for number, label in enumerate(labels):
        town.enrol(label, f"city/{number}")
    driven = talking(town, *labels[1:])
    for label in labels[1:]:
        for number in range(PARKED_PER_PEER_MAX):
            driven.fact(label, town.fleet.write(f"unknown-{label}-{number}", note()))
    assert facts(driven)[2] == PARKED_MAX


# Root statements


def test_a_root_statement_by_gossip_is_stored_and_the_next_one_asked_for():
    town = writers()
    driven = talking(town)
    driven.wait(GIVEN_UP_S)
    ns = town.fleet.genesis.ns
    second, third = (town.fleet.declare(note(number)) for number in range(2))
    effects = driven.gossip("box-1", auth_topic(ns), encode_root(third))
    assert not of(fx.Persist, effects)
    assert began_sync(effects + driven.wait(1), "box-1")
    (persist,) = of(fx.Persist, driven.gossip("box-1", auth_topic(ns), encode_root(second)))
    assert persist.roots == (second,)
    assert not of(fx.Persist, driven.gossip("box-1", auth_topic(ns), encode_root(second)))
    (persist,) = of(fx.Persist, driven.gossip("box-1", auth_topic(ns), encode_root(third)))
    assert persist.roots == (third,)


def test_a_twin_of_an_accepted_root_statement_is_counted_and_passed_on():
    town, rival = writers(), writers()
    driven = talking(town, "box-1", "box-2")
    town.fleet.declare(note(1))
    rival.fleet.declare(note(2))
    topic = auth_topic(town.fleet.genesis.ns)
    driven.gossip("box-1", topic, encode_root(town.statements[1]))
    effects = driven.gossip("box-1", topic, encode_root(rival.statements[1]))
    assert driven.mind.statistics().facts.twins == 1
    assert (topic, encode_root(rival.statements[1])) in published(effects, "box-2")
    assert driven.mind.replica.chain.head == town.statements[1].id


def test_a_root_statement_that_a_person_brings_is_stored_and_spread():
    town = writers()
    driven = talking(town)
    statement = town.fleet.declare(note(3))
    verdict, effects = driven.mind.offer_root(statement, driven.now)
    assert verdict.value == "accepted"
    (persist,) = of(fx.Persist, effects)
    assert persist.roots == (statement,)
    topic = auth_topic(town.fleet.genesis.ns)
    assert (topic, encode_root(statement)) in published(effects, "box-1")
    verdict, effects = driven.mind.offer_root(statement, driven.now)
    assert (verdict.value, of(fx.Persist, effects)) == ("known", [])


# Our own


def test_a_fact_of_ours_is_seen_by_nobody_until_it_is_durable():
    driven = talking(writers())
    handle, effects = driven.write(*note(5))
    (persist,) = of(fx.Persist, effects)
    assert persist.own
    assert not of(fx.Send, effects)
    assert "city/plan" not in driven.mind.replica.registers
    effects = driven.persist(effects)
    (entry,) = persist.entries
    assert fx.Wrote(handle, entry) in effects
    assert spread(effects, "box-1") == [entry]
    assert driven.mind.replica.registers["city/plan"].value == 5
    assert not of(fx.Persist, effects), "it is on the disk already"
    assert not driven.take(driven.mind.persisted(persist.ticket, driven.now))
    assert not driven.take(driven.mind.persisted(4711, driven.now))


def test_what_the_disk_refuses_never_was_and_takes_what_followed_along():
    driven = talking(writers())
    first, asked = driven.write(*note(1))
    second, _ = driven.write(*note(2))
    effects = driven.persist(asked, fail="disk full")
    assert of(fx.Wrote, effects) == [
        fx.Wrote(first, None, "disk full"),
        fx.Wrote(second, None, "disk full"),
    ]
    assert not of(fx.Send, effects)
    assert "city/plan" not in driven.mind.replica.registers
    third, effects = driven.write(*note(3))
    (persist,) = of(fx.Persist, effects)
    assert persist.entries[0].seq == 0
    (wrote,) = of(fx.Wrote, driven.persist(effects))
    assert wrote == fx.Wrote(third, persist.entries[0])
    assert not of(fx.Wrote, driven.take(driven.mind.persist_failed(4711, "x", driven.now)))


def test_a_write_that_is_refused_is_deleted_should_the_disk_hold_it_after_all():
    driven = talking(writers())
    _, asked = driven.write(*note(1))
    (persist,) = of(fx.Persist, asked)
    (later,) = of(fx.Persist, driven.persist(asked, fail="timeout"))
    assert later.dropped == persist.entries


def test_auth_waits_until_somebody_answered():
    driven = Driven(writers())
    handle, effects = driven.write(*note(1))
    assert not of(fx.Persist, effects)
    effects = driven.meet("box-1")
    (persist,) = [effect for effect in of(fx.Persist, effects) if effect.own]
    assert persist.ticket == handle


def test_auth_waits_no_longer_than_five_seconds():
    driven = Driven(writers())
    driven.write(*note(1))
    driven.write(*note(2))
    early = [persist.entries[0].lane for persist in of(fx.Persist, driven.wait(4.9))]
    assert Lane.AUTH not in early
    own = [persist.entries[0] for persist in of(fx.Persist, driven.wait(0.2)) if persist.own]
    assert [entry.body["value"] for entry in own] == [1, 2]
    assert driven.now_ns >= ANSWER_WAIT_NS


def test_what_somebody_holds_of_us_is_waited_for_and_gone_on_from():
    town = writers()
    lost = town.fleet.write("box-0", note(1), inc=1 << 16)
    driven = Driven(town, entries=[entry for entry in town.known if entry != lost])
    driven.write(*note(2))
    effects = driven.meet("box-1", heads=[Head(Lane.AUTH, lost.inc, 0, lost.id)])
    (persist,) = [effect for effect in of(fx.Persist, effects) if effect.own]
    (entry,) = persist.entries
    assert entry.inc >> 16 > lost.inc >> 16, "a lost disk opens a new incarnation"


def test_a_restored_backup_adopts_what_it_lost_before_it_writes():
    town = writers()
    driven = talking(town)
    _, effects = driven.write(*note(1))
    driven.persist(effects)
    (first,) = of(fx.Persist, effects)[0].entries
    second = town.fleet.write("box-0", note(2), after=first)
    driven.disconnect("box-1")
    driven.boot()
    handle, effects = driven.write(*note(3))
    effects = driven.meet("box-1", heads=[Head(Lane.AUTH, second.inc, second.seq, second.id)])
    assert not [effect for effect in of(fx.Persist, effects) if effect.own], "it waits for it"
    effects = driven.fact("box-1", second)
    brought, own = of(fx.Persist, effects)
    assert (brought.own, brought.entries) == (False, (second,))
    (third,) = own.entries
    assert own.own
    assert (third.prev, third.seq) == (second.id, 2)
    (wrote,) = of(fx.Wrote, driven.persist(effects))
    assert wrote == fx.Wrote(handle, third)


def test_evidence_against_our_own_feed_opens_another():
    town = writers()
    driven = talking(town)
    _, effects = driven.write(*note(1))
    driven.persist(effects)
    (mine,) = of(fx.Persist, effects)[0].entries
    twin = town.fleet.write("box-0", note(2), inc=mine.inc)
    driven.fact("box-1", twin)
    _, effects = driven.write(*note(3))
    (entry,) = of(fx.Persist, effects)[0].entries
    assert entry.inc > mine.inc
    assert entry.seq == 0


def test_a_fact_under_way_to_the_disk_when_the_feed_is_left_is_answered_all_the_same():
    town = writers()
    driven = talking(town)
    _, effects = driven.write(*note(1))
    driven.persist(effects)
    (mine,) = of(fx.Persist, effects)[0].entries
    handle, asked = driven.write(*note(2))
    effects = driven.fact("box-1", town.fleet.write("box-0", note(3), inc=mine.inc))
    dropped = [entry for persist in of(fx.Persist, effects) for entry in persist.dropped]
    assert dropped == list(of(fx.Persist, asked)[0].entries)
    (wrote,) = of(fx.Wrote, driven.persist(asked))
    assert (wrote.handle, wrote.entry) == (handle, None)
    assert "write it again" in wrote.reason


def test_a_failure_from_before_the_feed_was_left_does_not_stop_the_new_one():
    town = writers()
    driven = talking(town)
    _, effects = driven.write(*note(1))
    driven.persist(effects)
    (mine,) = of(fx.Persist, effects)[0].entries
    old, asked = driven.write(*note(2))
    driven.fact("box-1", town.fleet.write("box-0", note(3), inc=mine.inc))
    new, later = driven.write(*note(4))
    assert [w.handle for w in of(fx.Wrote, driven.persist(asked, fail="full"))] == [old]
    (wrote,) = of(fx.Wrote, driven.persist(later))
    assert wrote.handle == new
    assert wrote.entry is not None


def test_only_so_many_facts_wait_for_their_feed():
    driven = Driven(writers())
    for number in range(WAITING_MAX):
        driven.write(*note(number))
    with pytest.raises(WriteError, match="try again"):
        driven.write(*note(0))


def test_what_cannot_be_written_is_refused_at_once_and_changes_nothing():
    driven = talking(writers())
    with pytest.raises(InvalidEntryError):
        driven.write("put", {"value": 1.5})
    with pytest.raises(InvalidEntryError):
        driven.state(Lane.STATE, "big", bytes(40_000))
    effects = driven.state(Lane.STATE, "small", 1)[1]
    (entry,) = of(fx.Persist, effects)[0].entries
    assert entry.body["map"] == {"small": 1}, "what was refused is not in the map"


def test_what_waited_and_cannot_be_written_is_answered_with_the_reason():
    driven = Driven(writers())
    handle, _ = driven.write("put", {"value": 1.5})
    fine, _ = driven.write(*note(1))
    effects = driven.meet("box-1")
    (wrote,) = of(fx.Wrote, effects)
    assert (wrote.handle, wrote.entry) == (handle, None)
    assert wrote.reason
    assert [p.ticket for p in of(fx.Persist, effects) if p.own] == [fine]


# What we state


def stated(driven: Driven, effects: list[fx.Effect]) -> Entry:
    (persist,) = [effect for effect in of(fx.Persist, effects) if effect.own]
    driven.persist([persist])
    (entry,) = persist.entries
    return entry


def test_a_statement_in_sixty_is_a_snapshot_of_all():
    driven = talking(writers())
    kinds = []
    for number in range(2 * SNAPSHOT_EVERY + 2):
        entry = stated(driven, driven.state(Lane.STATE, f"topic-{number % 3}", number)[1])
        kinds.append(entry.kind)
    assert [place for place, kind in enumerate(kinds) if kind == "snap"] == [0, 60, 120]
    pair = driven.mind.views.membership.of_key(public("box-0"))[0]
    held = driven.mind.replica.status(Lane.STATE)
    (topics,) = [said for found, said in held.items() if found.key == pair.key]
    assert topics == {"topic-0": 120, "topic-1": 121, "topic-2": 119}


def test_after_a_restart_and_after_a_failure_the_next_statement_is_a_snapshot():
    driven = talking(writers())
    assert stated(driven, driven.state(Lane.STATE, "a", 1)[1]).kind == "snap"
    assert stated(driven, driven.state(Lane.STATE, "a", 2)[1]).kind == "status"
    driven.persist(driven.state(Lane.STATE, "b", 3)[1], fail="full")
    assert stated(driven, driven.state(Lane.STATE, "a", 4)[1]).body["map"] == {"a": 4, "b": 3}
    driven.disconnect("box-1")
    driven.boot()
    assert stated(driven, driven.state(Lane.STATE, "a", 5)[1]).kind == "snap"


def test_a_status_goes_to_our_district_and_a_fleet_statement_to_all():
    driven = talking(writers(), "box-1")
    ns = driven.town.fleet.genesis.ns
    for topic in (state_topic(ns, "city"), fleet_topic(ns)):
        driven.subscribe("box-1", topic)
    effects = driven.persist(driven.state(Lane.STATE, "health", "well")[1])
    assert [topic for topic, _ in published(effects, "box-1")] == [state_topic(ns, "city")]
    handle, effects = driven.mind.state(Lane.FLEET, "runs", "runs", {"models": []}, driven.now)
    effects = driven.persist(driven.take(effects))
    assert of(fx.Wrote, effects)[0].handle == handle
    assert [topic for topic, _ in published(effects, "box-1")] == [fleet_topic(ns)]


def test_a_fact_too_large_for_gossip_goes_by_sync():
    driven = talking(writers(), "box-1", "box-2")
    driven.wait(GIVEN_UP_S)
    town, body = driven.town, [grant("x", f"city/{n}", 4, 1, [])[1] for n in range(800)]
    statement = town.fleet.declare(*(("grant", one) for one in body))
    assert len(statement.wire) > 48_000
    _, effects = driven.mind.offer_root(statement, driven.now)
    assert not published(effects, "box-1")
    effects = driven.take(effects) + driven.wait(1)
    assert began_sync(effects, "box-1")
    assert began_sync(effects, "box-2")


def test_links_are_stated_again_when_the_disk_would_not_take_the_statement():
    driven = Driven(Town())
    driven.meet("box-1")
    effects = driven.wait(3)
    assert [persist.own for persist in of(fx.Persist, effects)] == [True]
    driven.persist(effects, fail="full")
    effects = driven.wait(15)
    entry = stated(driven, effects)
    assert entry.body["map"]["links"]["peers"] == [public("box-1")]
    assert not [persist for persist in of(fx.Persist, driven.wait(60)) if persist.own]


def test_links_that_cannot_be_stated_now_are_stated_later():
    driven = Driven(Town())
    for _ in range(PENDING_MAX):
        driven.state(Lane.FLEET, "runs", 1)
    driven.meet("box-1")
    asked = list(driven.effects)
    assert not [e for e in of(fx.Persist, driven.wait(5)) if e.own], "no room, and no harm"
    driven.persist(asked)
    stated_now = [e.entries[0] for e in of(fx.Persist, driven.wait(15)) if e.own]
    assert [entry.kind for entry in stated_now] == ["links"]


def test_a_revoked_author_stays_known_and_its_facts_are_kept():
    town = writers()
    town.write(revoke("box-1", "city/1", []))
    driven = talking(town, "box-2")
    entry = town.fleet.write("box-1", note())
    assert of(fx.Persist, driven.fact("box-2", entry))
    assert "city/plan" not in driven.mind.replica.registers


def test_keys_of_the_town_are_those_of_its_labels():
    assert Driven(Town()).mind.public == key_of("box-0").public


# When the disk fails


def foreign(effects: list[fx.Effect]) -> list[fx.Persist]:
    return [persist for persist in of(fx.Persist, effects) if not persist.own]


def test_what_the_disk_could_not_take_of_others_is_asked_for_again():
    town = writers()
    driven = talking(town, "box-1")
    entries = [town.fleet.write("box-1", note()) for _ in range(2)]
    for entry in entries:
        driven.persist(driven.fact("box-1", entry), fail="disk full")
    later = driven.wait(11)
    (again,) = foreign(later)
    assert set(again.entries) == set(entries)
    driven.persist(later)
    assert not foreign(driven.wait(60)), "the disk has them now"


def test_a_disk_that_stays_full_is_asked_at_intervals_and_not_in_a_circle():
    town = writers()
    driven = talking(town, "box-1")
    driven.persist(driven.fact("box-1", town.fleet.write("box-1", note())), fail="disk full")
    asked = 0
    for _ in range(6):
        effects = driven.wait(10)
        asked += len(foreign(effects))
        driven.persist(effects, fail="disk full")
    assert asked == 6
