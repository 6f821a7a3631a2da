"""Subscriptions, deadlines, bounded queues, and one request per incident."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.choreography.cells import distance_m
from mesh.choreography.event import SealedEvent
from mesh.choreography.event_type import event, event_type
from mesh.choreography.reactions import (
    Disc,
    Interest,
    Once,
    Reactions,
    RequestDecision,
    incident_of,
)
from mesh.choreography.scope import Reach
from tests.unit.choreography.factories import ALICE, BOB, HERE, NOW, later, sealed


@event("traffic.near_miss")
class NearMiss:
    kind: str
    confidence: float


@event("traffic.queue")
class Queue:
    cars: int


NEAR_MISS = event_type(NearMiss)


def at_here(_event: SealedEvent) -> tuple[float, float] | None:
    return HERE


def test_a_matching_event_waits_with_its_deadline():
    reactions = Reactions(at_here)
    number = reactions.subscribe(Interest(NEAR_MISS))
    other = reactions.subscribe(Interest(event_type(Queue)))
    seen = sealed(time_ms=NOW.wall_ms - 400, ttl_ms=1500)
    (delivery,) = reactions.match(seen, NOW)
    assert delivery.deadline_ns == NOW.mono_ns + 1100 * 1_000_000
    assert delivery.value == NearMiss("van", 0.75)
    assert delivery.event is seen
    assert delivery.may_act
    assert reactions.take(number, NOW) is delivery
    assert reactions.take(number, NOW) is None
    assert reactions.take(other, NOW) is None
    assert reactions.interests() == (Interest(NEAR_MISS), Interest(event_type(Queue)))
    assert "2 subscriptions" in repr(reactions)
    assert reactions.mode == "act"


@given(
    st.floats(-0.02, 0.02),
    st.floats(-0.02, 0.02),
    st.floats(0, 2000),
)
def test_a_disc_holds_what_is_within_its_radius(north: float, east: float, radius_m: float):
    point = (HERE[0] + north, HERE[1] + east)
    reactions = Reactions(lambda _event: point)
    reactions.subscribe(Interest(NEAR_MISS, within=Disc(*HERE, radius_m)))
    assert bool(reactions.match(sealed(), NOW)) == (distance_m(HERE, point) <= radius_m)


def test_what_cannot_be_located_is_in_no_disc_but_in_everything():
    reactions = Reactions(lambda _event: None)
    disc = reactions.subscribe(Interest(NEAR_MISS, within=Disc(*HERE, 1e6)))
    everything = reactions.subscribe(Interest(NEAR_MISS))
    assert [delivery.subscription for delivery in reactions.match(sealed(), NOW)] == [everything]
    assert reactions.take(disc, NOW) is None


def test_a_scope_can_be_asked_for():
    reactions = Reactions(at_here)
    reactions.subscribe(Interest(NEAR_MISS, scope=Reach.CELL))
    named = reactions.subscribe(Interest(NEAR_MISS, scope="city/agent"))
    (delivery,) = reactions.match(sealed(scope="city/agent"), NOW)
    assert delivery.subscription == named
    assert reactions.match(sealed(scope=Reach.EVERYONE), NOW) == ()


def test_data_of_another_shape_is_counted_and_not_delivered():
    reactions = Reactions(at_here)
    number = reactions.subscribe(Interest(NEAR_MISS))
    assert reactions.match(sealed(data={"kind": 1}), NOW) == ()
    counted = reactions.statistics().subscriptions[number]
    assert (counted.matched, counted.undecodable, counted.waiting) == (1, 1, 0)


@given(
    st.integers(1, 4),
    st.lists(
        st.one_of(
            st.tuples(st.just("match"), st.integers(0, 500)),
            st.tuples(st.just("take"), st.integers(0, 500)),
        ),
        max_size=30,
    ),
)
def test_a_queue_is_a_bounded_list_that_loses_the_oldest(
    queue_max: int, steps: list[tuple[str, int]]
):
    reactions = Reactions(at_here)
    number = reactions.subscribe(Interest(NEAR_MISS), queue_max=queue_max)
    model: list[tuple[int, int]] = []
    matched = taken = dropped = expired = 0
    now = NOW
    for at, (step, pause) in enumerate(steps):
        now = later(now, pause)
        if step == "match":
            ttl_ms = pause
            reactions.match(sealed(n=at, time_ms=now.wall_ms, ttl_ms=ttl_ms), now)
            model.append((at, now.wall_ms + ttl_ms))
            matched += 1
            if len(model) > queue_max:
                del model[0]
                dropped += 1
        else:
            while model and model[0][1] < now.wall_ms:
                del model[0]
                expired += 1
            delivery = reactions.take(number, now)
            wanted = model.pop(0)[0] if model else None
            taken += wanted is not None
            assert (delivery.event.n if delivery else None) == wanted
        counted = reactions.statistics().subscriptions[number]
        assert (counted.matched, counted.taken, counted.dropped, counted.expired) == (
            matched,
            taken,
            dropped,
            expired,
        )
        assert counted.waiting == len(model) <= queue_max


def test_one_request_per_incident_however_often_it_is_updated():
    reactions = Reactions(at_here)
    reactions.subscribe(Interest(NEAR_MISS))
    first = sealed(n=0)
    updates = [sealed(n=n, because=[first.id]) for n in (1, 2)]
    decisions = [
        reactions.request(delivery, NOW)
        for seen in (first, *updates)
        for delivery in reactions.match(seen, NOW)
    ]
    assert decisions == [
        RequestDecision.MAKE,
        RequestDecision.ALREADY_MADE,
        RequestDecision.ALREADY_MADE,
    ]
    assert reactions.statistics().requests == {
        "make": 1,
        "already_made": 2,
        "observed": 0,
        "expired": 0,
    }


def test_nobody_can_claim_the_incident_of_another():
    reactions = Reactions(at_here)
    reactions.subscribe(Interest(NEAR_MISS))
    genuine = sealed(ALICE)
    thief = sealed(BOB, because=[genuine.id])
    for seen in (thief, genuine):
        (delivery,) = reactions.match(seen, NOW)
        assert reactions.request(delivery, NOW) is RequestDecision.MAKE
    assert incident_of(thief) != incident_of(genuine)


def test_observing_requests_nothing_and_claims_nothing():
    reactions = Reactions(at_here, mode="observe")
    reactions.subscribe(Interest(NEAR_MISS))
    for n in range(2):
        (delivery,) = reactions.match(sealed(n=n), NOW)
        assert not delivery.may_act
        assert reactions.request(delivery, NOW) is RequestDecision.OBSERVED


def test_after_the_deadline_no_request_is_made():
    reactions = Reactions(at_here)
    reactions.subscribe(Interest(NEAR_MISS))
    (delivery,) = reactions.match(sealed(ttl_ms=100), NOW)
    assert reactions.request(delivery, later(NOW, 101)) is RequestDecision.EXPIRED
    assert reactions.request(delivery, later(NOW, 100)) is RequestDecision.MAKE


def test_a_subscription_ends_with_what_waits_in_it():
    reactions = Reactions(at_here)
    number = reactions.subscribe(Interest(NEAR_MISS))
    reactions.match(sealed(), NOW)
    reactions.unsubscribe(number)
    reactions.unsubscribe(number)
    assert reactions.match(sealed(), NOW) == ()
    with pytest.raises(KeyError):
        reactions.take(number, NOW)
    with pytest.raises(ValueError, match="at least 1"):
        reactions.subscribe(Interest(NEAR_MISS), queue_max=0)


def test_once_is_bounded_and_keeps_what_is_still_claimed():
    once = Once(incidents_max=2)
    one, two, three = ((b"a", "t", bytes([number])) for number in range(3))
    assert once.claim(one)
    assert once.claim(two)
    assert not once.claim(one)
    assert once.claim(three)
    assert len(once) == 2
    assert one in once
    assert two not in once
