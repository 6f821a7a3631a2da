"""Events: sealed and sent at once, judged before they travel on, delivered to who listens."""

import pytest

import mesh
from crdt.entry import Lane
from identity.genesis import make_genesis
from mesh.choreography.cells import cell_at, cells_covering
from mesh.choreography.event import InvalidEventError, SealedEvent, seal_event
from mesh.choreography.event_type import event_type
from mesh.choreography.reactions import Disc, Interest, RequestDecision
from mesh.choreography.scope import Reach
from mesh.choreography.topics import cell_topic, district_topic, everyone_topic, named_topic
from mesh.framing import FrameReader
from mesh.gossip.decoding import decode_rpc
from mesh.gossip.effects import Priority
from mesh.gossip.messages import Control
from mesh.mind import GOSSIP_PROTOCOL, SYNC_PROTOCOL, Draft
from mesh.mind import effects as fx
from mesh.mind.spreading import is_event_topic, priority_of
from mesh.units import SECOND
from tests.laws.writing import key_of, public, put, revoke
from tests.unit.mind.driving import (
    CELL,
    DIGEST,
    PLACE,
    Driven,
    Town,
    of,
    published,
    subscriptions,
)


@mesh.event("traffic.near_miss")
class NearMiss:
    kind: str
    confidence: float


KIND = event_type(NearMiss)


def city() -> Town:
    """A town whose boxes publish with the approved model, in every cell."""
    town = Town(boxes=0)
    for number in range(3):
        name = f"city/{number}"
        town.write(put(f"place/{name}", PLACE))
        publish = {"verb": "publish", "names": name, "events": ["traffic.*"], "area": "*"}
        state = {"verb": "state", "names": name}
        town.enrol(f"box-{number}", name, caps=[{**publish, "model": True}, state], place=name)
    model = {"digest": DIGEST, "state": "approved", "events": ["traffic.*"], "area": "*"}
    town.write(put("model/detector", model))
    return town


def draft(**fields: object) -> Draft:
    given = {
        "type": "traffic.near_miss",
        "data": KIND.encode(NearMiss("van", 0.5)),
        "cell": CELL,
        "model": DIGEST,
    }
    return Draft(**{**given, **fields})


def sealed(driven: Driven, label: str = "box-1", name: str = "city/1", **fields) -> SealedEvent:
    given = {
        "ns": driven.town.fleet.genesis.ns,
        "name": name,
        "boot": bytes(8),
        "n": 0,
        "time_ms": driven.now.wall_ms,
        "ttl_ms": 1000,
        "scope": Reach.CELL,
        "cell": CELL,
        "event_type": "traffic.near_miss",
        "model": DIGEST,
        "because": (),
        "data": KIND.encode(NearMiss("van", 0.5)),
    }
    return seal_event(key_of(label), **{**given, **fields})


def listening(driven: Driven, **interest: object) -> int:
    asked = interest or {"within": Disc(48.0, 11.0, 300.0)}
    number = driven.mind.speaking.subscribe(Interest(KIND, **asked))
    driven.take(driven.mind.listen(driven.now))
    return number


def ns(driven: Driven) -> bytes:
    return driven.town.fleet.genesis.ns


def test_an_event_goes_at_once_to_everyone_who_listens():
    driven = Driven(city())
    for label in ("box-1", "box-2"):
        driven.meet(label)
    topic = cell_topic(ns(driven), CELL)
    driven.subscribe("box-1", topic)
    event, effects = driven.mind.publish(draft(), driven.now)
    assert published(effects, "box-1") == [(topic, event.wire)]
    assert not published(effects, "box-2")
    (send,) = [e for e in of(fx.Send, effects) if e.protocol == GOSSIP_PROTOCOL]
    assert send.priority is Priority.EVENT
    second, _ = driven.mind.publish(draft(), driven.now)
    assert (event.n, second.n) == (0, 1)
    assert event.time_ms == driven.now.wall_ms
    assert event.boot[:4] == (1).to_bytes(4)


@pytest.mark.parametrize(
    ("scope", "topic"),
    [
        (Reach.CELL, lambda ns: cell_topic(ns, CELL)),
        (Reach.DISTRICT, lambda ns: district_topic(ns, "city")),
        (Reach.EVERYONE, everyone_topic),
        ("agents/fox", lambda ns: named_topic(ns, "agents/fox")),
    ],
)
def test_the_scope_decides_the_topic(scope, topic):
    driven = Driven(city())
    driven.meet("box-1")
    driven.subscribe("box-1", topic(ns(driven)))
    event, effects = driven.mind.publish(draft(scope=scope), driven.now)
    assert published(effects, "box-1") == [(topic(ns(driven)), event.wire)]


def test_an_event_for_a_district_needs_one():
    nobody = Driven(Town(), "nobody", "")
    with pytest.raises(InvalidEventError, match="name"):
        nobody.mind.publish(draft(), nobody.now)
    deep = Town()
    deep.fleet.genesis = make_genesis(
        list(deep.fleet.genesis.roots), 1, constants={"district_depth": 2}
    )
    short = Driven(deep, entries=())
    short.mind.publish(draft(), short.now)
    lone = Driven(deep, "centre", "centre", entries=())
    with pytest.raises(InvalidEventError, match="too short to be in a district"):
        lone.mind.publish(draft(scope=Reach.DISTRICT), lone.now)
    listening(lone, scope=Reach.EVERYONE)
    assert lone.mind.speaking.topics() == (everyone_topic(ns(lone)),)


@pytest.mark.parametrize(
    "fields",
    [
        {"cell": bytes(8)},
        {"cell": b"short"},
        {"scope": 9},
        {"scope": "Not A Name"},
        {"type": "Not A Type"},
        {"ttl_ms": -1},
        {"because": (bytes(32),) * 5},
        {"data": {"big": "x" * 3000}},
        {"model": b"short"},
    ],
)
def test_an_event_that_cannot_be_is_refused_before_it_costs_a_number(fields):
    driven = Driven(city())
    with pytest.raises(InvalidEventError):
        driven.mind.publish(draft(**fields), driven.now)
    event, _ = driven.mind.publish(draft(), driven.now)
    assert event.n == 0


def test_an_accepted_event_wakes_who_listens_and_travels_on():
    driven = Driven(city())
    number = listening(driven)
    for label in ("box-1", "box-2"):
        driven.meet(label)
    topic = cell_topic(ns(driven), CELL)
    driven.subscribe("box-2", topic)
    driven.wait(2)
    event = sealed(driven)
    effects = driven.gossip("box-1", topic, event.wire)
    assert fx.Deliver((number,)) in effects
    assert (topic, event.wire) in published(effects, "box-2")
    assert driven.mind.heard_ns[public("box-1")] == driven.now_ns
    delivery = driven.mind.speaking.take(number, driven.now)
    assert delivery is not None
    assert delivery.value == NearMiss("van", 0.5)
    assert driven.mind.speaking.request(delivery, driven.now) is RequestDecision.MAKE
    assert driven.mind.speaking.request(delivery, driven.now) is not RequestDecision.MAKE
    assert driven.mind.speaking.take(number, driven.now) is None
    assert driven.mind.statistics().admission.accepted == 1


def test_what_may_not_be_published_is_neither_delivered_nor_passed_on():
    town = city()
    town.write(revoke("box-2", "city/2", []))
    driven = Driven(town)
    listening(driven)
    driven.meet("box-1")
    driven.meet("centre")
    topic = cell_topic(ns(driven), CELL)
    driven.subscribe("centre", topic)
    for event in (
        sealed(driven, "box-2", "city/2"),
        sealed(driven, model=bytes(32), n=1),
        sealed(driven, name="city/2", n=2),
    ):
        effects = driven.gossip("box-1", topic, event.wire)
        assert not of(fx.Deliver, effects)
        assert not published(effects, "centre")
    refused = {k: v for k, v in driven.mind.statistics().admission.refused.items() if v}
    assert refused == {"revoked": 1, "model_not_approved": 1, "not_granted": 1}
    forged = sealed(driven, n=3).wire
    effects = driven.gossip("box-1", topic, bytes(64) + forged[64:])
    assert [penalty.peer for penalty in of(fx.Penalise, effects)] == [public("box-1")]


def test_every_count_has_a_name_of_its_own_and_adds_up():
    town = city()
    town.write(revoke("box-0", "city/0", []))
    driven = Driven(town)
    for within in (300.0, 600.0):
        listening(driven, within=Disc(48.0, 11.0, within))
    driven.meet("box-1")
    driven.connect("box-2")
    driven.gossip("box-1", cell_topic(ns(driven), CELL), sealed(driven).wire)
    driven.gossip("box-1", cell_topic(ns(driven), CELL), sealed(driven, model=bytes(32), n=1).wire)
    for _ in range(2):
        driven.mind.publish(draft(), driven.now)
    counts = driven.mind.statistics().counters()
    assert counts["events.accepted"] == 1
    assert counts["events.refused.model_not_approved"] == 1
    assert counts["events.unheard.revoked"] == 2
    assert (counts["links.member"], counts["links.unsorted"]) == (1, 1)
    per = driven.mind.statistics().reactions.subscriptions.values()
    assert len(per) == 2
    assert counts["reactions.matched"] == sum(each.matched for each in per) == 2
    assert all(type(count) is int for count in counts.values())


def test_an_untrusted_clock_observes_and_hands_nothing_out():
    driven = Driven(city())
    listening(driven)
    driven.connect("box-1")
    driven.hello("box-1", wall_ms=driven.now.wall_ms + 60_000)
    effects = driven.gossip("box-1", cell_topic(ns(driven), CELL), sealed(driven).wire)
    assert not of(fx.Deliver, effects)
    refused = driven.mind.statistics().admission.refused
    assert refused["clock_untrusted"] == 1


def test_topics_follow_what_is_listened_for():
    driven = Driven(city())
    driven.meet("box-1")
    driven.effects.clear()

    def joined() -> list[tuple[bool, str]]:
        said = subscriptions(driven.effects, "box-1")
        driven.effects.clear()
        return said

    near = listening(driven)
    cells = cells_covering(48.0, 11.0, 300.0, 9)
    everyone = {everyone_topic(ns(driven)), district_topic(ns(driven), "city")}
    wanted = {cell_topic(ns(driven), cell) for cell in cells} | everyone
    assert set(joined()) == {(True, topic) for topic in wanted}
    assert listening(driven, scope=Reach.EVERYONE) != near
    assert not joined(), "all of it is joined already"
    named = listening(driven, scope="agents/fox")
    assert joined() == [(True, named_topic(ns(driven), "agents/fox"))]
    for number in (near, named):
        driven.mind.speaking.unsubscribe(number)
    driven.take(driven.mind.listen(driven.now))
    left = {topic for subscribed, topic in joined() if not subscribed}
    assert left == {*wanted - everyone, named_topic(ns(driven), "agents/fox")}


def test_a_name_without_a_district_listens_to_everyone_only():
    town = city()
    town.enrol("watcher", "watcher")
    driven = Driven(town, "watcher", "watcher")
    listening(driven, scope=Reach.EVERYONE)
    district = district_topic(ns(driven), "watcher")
    assert driven.mind.speaking.topics() == (everyone_topic(ns(driven)), district)
    nobody = Driven(town, "nobody", "")
    listening(nobody, scope=Reach.EVERYONE)
    assert everyone_topic(ns(driven)) in nobody.mind.speaking.topics()


def test_an_event_from_elsewhere_in_the_cell_is_located_at_its_centre():
    town = city()
    other = cell_at(48.2, 11.2, 9)
    driven = Driven(town)
    number = listening(driven)
    driven.meet("box-1")
    driven.gossip("box-1", cell_topic(ns(driven), other), sealed(driven, cell=other).wire)
    assert driven.mind.speaking.take(number, driven.now) is None
    steward = {"verb": "publish", "names": "city", "events": ["traffic.*"], "area": "*"}
    town.enrol("van", "city/van", caps=[steward])
    assert town.last is not None
    driven.meet("van", grants=[town.last])
    event = sealed(driven, "van", "city/van")
    driven.gossip("van", cell_topic(ns(driven), CELL), event.wire)
    assert driven.mind.speaking.take(number, driven.now) is not None


def test_events_and_facts_wait_in_queues_of_their_own():
    driven = Driven(city())
    space = ns(driven)
    for topic in (cell_topic(space, CELL), everyone_topic(space), named_topic(space, "a/b")):
        assert is_event_topic(topic)
        assert priority_of(topic) is Priority.EVENT
    for topic in (f"/{space.hex()}/auth", f"/{space.hex()}/d/e/n/state"):
        assert not is_event_topic(topic)
        assert priority_of(topic) is Priority.FACT


def test_a_lane_without_a_topic_is_durable_and_stays_here():
    driven = Driven(city())
    driven.meet("box-1")
    _, effects = driven.write(*put("x", 1), lane=Lane.AUTH)
    assert of(fx.Wrote, driven.persist(effects))


def controls(effects: list[fx.Effect], label: str) -> list[Control]:
    """What control RPCs to a peer said."""
    frames = [
        each.data
        for each in of(fx.Send, effects)
        if each.peer == public(label) and each.protocol == GOSSIP_PROTOCOL
    ]
    rpcs = [decode_rpc(body) for data in frames for body in FrameReader(1 << 20).feed(data)]
    return [rpc.control for rpc in rpcs if rpc.control is not None]


def between_two(driven: Driven) -> str:
    """Two listeners of one topic are met, and all is quiet; returns the topic."""
    listening(driven)
    topic = cell_topic(ns(driven), CELL)
    for label in ("box-1", "box-2"):
        driven.meet(label)
        driven.subscribe(label, topic)
    driven.wait(30)
    return topic


def test_a_copy_of_what_is_known_asks_for_nothing():
    driven = Driven(city())
    topic = between_two(driven)
    event = sealed(driven)
    assert published(driven.gossip("box-1", topic, event.wire), "box-2")
    assert driven.gossip("box-2", topic, event.wire) == []
    assert driven.gossip("box-1", topic, event.wire) == []


def test_a_frame_to_which_the_router_says_nothing_sets_the_timer_all_the_same():
    driven = Driven(city())
    listening(driven)
    driven.meet("box-1")
    driven.wait(30)
    (timer,) = driven.subscribe("box-1", cell_topic(ns(driven), CELL))
    assert isinstance(timer, fx.SetTimer)
    assert driven.now_ns < timer.at_ns <= driven.now_ns + SECOND
    driven.now_ns = timer.at_ns
    grafts = controls(driven.take(driven.mind.tick(driven.now)), "box-1")
    assert any(control.graft for control in grafts)


def test_what_found_no_room_is_advertised_and_nothing_else_is():
    for dropped, told in ((GOSSIP_PROTOCOL, True), (SYNC_PROTOCOL, False), (None, False)):
        driven = Driven(city())
        topic = between_two(driven)
        driven.gossip("box-1", topic, sealed(driven).wire)
        if dropped is not None:
            driven.mind.dropped(public("box-2"), dropped)
        found = controls(driven.wait(4), "box-2")
        assert any(control.ihave for control in found) is told, dropped
