"""Admission, case by case: every reason, its outcome, and what must not change."""

import dataclasses

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.keys import SecretKey
from mesh.choreography.admission import Admission, AdmissionLimits
from mesh.choreography.event import SealedEvent
from mesh.choreography.rates import Rate
from mesh.choreography.verdict import OUTCOMES, Admitted, Outcome, Reason
from mesh.units import Instant
from tests.unit.choreography.factories import (
    ALICE,
    BOB,
    CAROL,
    COARSE_CELL,
    LINK,
    NOW,
    NS,
    Constants,
    FakeTrust,
    later,
    make_admission,
    sealed,
    topic_of,
)


def admit(admission: Admission, event: SealedEvent, now: Instant = NOW) -> Admitted:
    return admission.admit(topic_of(event), event.wire, LINK, now)


def test_a_good_event_is_accepted_and_its_author_named():
    admission = make_admission()
    event = sealed()
    admitted = admit(admission, event)
    assert admitted.outcome is Outcome.ACCEPT
    assert admitted.reason is None
    assert admitted.event == event
    assert admitted.author == ALICE.public
    statistics = admission.statistics()
    assert statistics.accepted == 1
    assert statistics.by_author == {("accepted", ALICE.public): 1}
    assert statistics.gaps[ALICE.public].heard == 1
    assert statistics.seen == 1
    assert set(statistics.refused) == {reason.value for reason in Reason}
    assert sum(statistics.refused.values()) == 0
    assert "accepted=1" in repr(admission)


def test_the_words_and_outcomes_are_those_of_the_table():
    assert [f"{reason.value} {OUTCOMES[reason].name[0]}" for reason in Reason] == [
        "too_large R",
        "malformed R",
        "wrong_topic R",
        "rate_limited_link I",
        "duplicate I",
        "stale I",
        "future I",
        "unknown_author I",
        "bad_signature R",
        "replayed I",
        "revoked I",
        "superseded_key I",
        "quarantined I",
        "not_granted I",
        "out_of_area I",
        "model_not_approved I",
        "expired I",
        "rate_limited_author I",
        "late F",
        "clock_untrusted F",
    ]


def unverified(event: SealedEvent) -> SealedEvent:
    return dataclasses.replace(event, signature=bytes(64))


CASES: dict[Reason, tuple[SealedEvent, Instant]] = {
    Reason.STALE: (sealed(time_ms=NOW.wall_ms - 2501), NOW),
    Reason.FUTURE: (sealed(time_ms=NOW.wall_ms + 501), NOW),
    Reason.UNKNOWN_AUTHOR: (sealed(CAROL), NOW),
    Reason.BAD_SIGNATURE: (unverified(sealed()), NOW),
    Reason.LATE: (sealed(time_ms=NOW.wall_ms - 101, ttl_ms=100), NOW),
    Reason.CLOCK_UNTRUSTED: (sealed(time_ms=5, ttl_ms=0), later(NOW, 0, trusted=False)),
}


@pytest.mark.parametrize("reason", CASES)
def test_one_event_for_one_reason(reason: Reason):
    event, now = CASES[reason]
    admission = make_admission()
    admitted = admit(admission, event, now)
    assert admitted.reason is reason
    assert admitted.outcome is OUTCOMES[reason]
    assert admission.statistics().refused[reason.value] == 1
    consumed = admitted.outcome is Outcome.FORWARD
    assert admission.statistics().seen == consumed
    assert bool(admission.statistics().gaps) == consumed
    assert (admitted.author is not None) == consumed


@pytest.mark.parametrize(
    "event",
    [
        sealed(time_ms=NOW.wall_ms - 2500, ttl_ms=2500),
        sealed(time_ms=NOW.wall_ms + 500),
        sealed(time_ms=NOW.wall_ms - 100, ttl_ms=100),
    ],
)
def test_the_edges_of_time_are_still_good(event: SealedEvent):
    assert admit(make_admission(), event).outcome is Outcome.ACCEPT


@pytest.mark.parametrize(
    "word",
    [
        "revoked",
        "superseded_key",
        "quarantined",
        "not_granted",
        "out_of_area",
        "model_not_approved",
    ],
)
def test_trust_refuses_by_its_own_word(word: str):
    admission = make_admission(FakeTrust(refusals={ALICE.public: word}))
    admitted = admit(admission, sealed())
    assert admitted.reason == word
    assert admitted.outcome is Outcome.IGNORE
    assert admitted.detail == "north/box-1 traffic.near_miss"
    assert admitted.author == ALICE.public
    assert admission.statistics().seen == 0
    assert admission.statistics().by_author == {(word, ALICE.public): 1}


def test_an_expired_grant_is_refused_by_our_own_clock_while_that_is_trusted():
    end = NOW.wall_ms + 100
    for now, reason in (
        (later(NOW, 99), None),
        (later(NOW, 100), Reason.EXPIRED),
        (later(NOW, 100, trusted=False), Reason.CLOCK_UNTRUSTED),
    ):
        admission = make_admission(FakeTrust(expiries={ALICE.public: end}))
        admitted = admit(admission, sealed(), now)
        assert admitted.reason is reason
        assert admitted.author == ALICE.public
        assert admission.statistics().seen == (reason is not Reason.EXPIRED)
    trust = FakeTrust(refusals={ALICE.public: "revoked"}, expiries={ALICE.public: 0})
    assert admit(make_admission(trust), sealed()).reason is Reason.REVOKED


def test_size_is_asked_before_form():
    assert make_admission().admit("x", bytes(2049), LINK, NOW).reason is Reason.TOO_LARGE
    assert make_admission().admit("x", bytes(2048), LINK, NOW).reason is Reason.MALFORMED
    assert make_admission().admit("x", b"", LINK, NOW).outcome is Outcome.REJECT


def test_an_unknown_version_is_malformed_and_ignored():
    fields = cbor2.loads(sealed().raw)
    wire = bytes(64) + cbor2.dumps([2, *fields[1:]], canonical=True)
    admitted = make_admission().admit("x", wire, LINK, NOW)
    assert admitted.reason is Reason.MALFORMED
    assert admitted.outcome is Outcome.IGNORE


@pytest.mark.parametrize(
    ("event", "topic"),
    [
        (sealed(), f"/{NS.hex()}/e/all"),
        (sealed(scope=1), f"/{NS.hex()}/e/d/south"),
        (sealed(scope=2), topic_of(sealed())),
        (sealed(scope="city/agent"), f"/{NS.hex()}/n/city/agent/x"),
        (sealed(cell=COARSE_CELL), topic_of(sealed(cell=COARSE_CELL))),
        (sealed(ns=bytes(16)), topic_of(sealed(ns=bytes(16)))),
        (sealed(ns=bytes(16)), topic_of(sealed())),
        (sealed(), ""),
    ],
)
def test_an_event_has_exactly_one_topic(event: SealedEvent, topic: str):
    assert make_admission().admit(topic, event.wire, LINK, NOW).reason is Reason.WRONG_TOPIC


@pytest.mark.parametrize("scope", [0, 1, 2, "city/agent"])
def test_each_scope_is_accepted_on_its_topic(scope: int | str):
    assert admit(make_admission(), sealed(scope=scope)).outcome is Outcome.ACCEPT


def test_a_district_needs_a_name_that_lies_in_one():
    admission = Admission(NS, Constants(district_depth=3), FakeTrust(), started=later(NOW, -9000))
    event = sealed(scope=1)
    assert admission.admit(topic_of(event), event.wire, LINK, NOW).reason is Reason.WRONG_TOPIC
    assert admit(admission, sealed()).outcome is Outcome.ACCEPT


def test_a_second_copy_is_a_duplicate_and_a_second_event_a_replay():
    admission = make_admission()
    admit(admission, sealed())
    assert admit(admission, sealed()).reason is Reason.DUPLICATE
    assert admit(admission, sealed(time_ms=NOW.wall_ms - 1)).reason is Reason.REPLAYED
    assert admit(admission, sealed(n=2)).outcome is Outcome.ACCEPT
    assert admit(admission, sealed(n=1)).outcome is Outcome.ACCEPT
    assert admit(admission, sealed(boot=bytes(8))).outcome is Outcome.ACCEPT
    assert admit(admission, sealed(BOB)).outcome is Outcome.ACCEPT


def test_a_copy_is_known_by_its_number_when_its_id_was_forgotten():
    admission = make_admission()
    admit(admission, sealed())
    far = later(NOW, 60_000, trusted=False)
    admit(admission, sealed(n=1), far)
    assert admission.statistics().seen == 1
    assert admit(admission, sealed(), far).reason is Reason.DUPLICATE


def test_what_was_refused_may_come_again():
    trust = FakeTrust(refusals={ALICE.public: "not_granted"})
    admission = make_admission(trust)
    assert admit(admission, sealed()).reason is Reason.NOT_GRANTED
    trust.refusals.clear()
    assert admit(admission, sealed()).outcome is Outcome.ACCEPT


def test_events_of_before_our_start_are_stale():
    admission = Admission(NS, Constants(), FakeTrust(), started=NOW)
    soon = later(NOW, 100)
    assert admit(admission, sealed(time_ms=NOW.wall_ms - 1), soon).reason is Reason.STALE
    assert admit(admission, sealed(time_ms=NOW.wall_ms), soon).outcome is Outcome.ACCEPT


def test_the_start_is_kept_on_the_monotonic_clock():
    """A box that booted in 1970 and was corrected must not accept, or refuse, by that date."""
    booted = Instant(mono_ns=NOW.mono_ns, wall_ms=0, wall_trusted=False)
    admission = Admission(NS, Constants(), FakeTrust(), started=booted)
    corrected = later(NOW, 100)
    assert admit(admission, sealed(time_ms=NOW.wall_ms - 1), corrected).reason is Reason.STALE
    assert admit(admission, sealed(time_ms=NOW.wall_ms), corrected).outcome is Outcome.ACCEPT


def test_the_rates_of_link_and_author():
    limits = AdmissionLimits(link=Rate(per_s=1, burst=3), author=Rate(per_s=1, burst=1))
    admission = make_admission(limits=limits)
    reasons = [admit(admission, sealed(n=n)).reason for n in range(4)]
    assert reasons == [
        None,
        Reason.RATE_LIMITED_AUTHOR,
        Reason.RATE_LIMITED_AUTHOR,
        Reason.RATE_LIMITED_LINK,
    ]
    event = sealed(BOB)
    assert admission.admit(topic_of(event), event.wire, bytes(32), NOW).reason is None
    admission.link_removed(LINK)
    assert admit(admission, sealed(n=9)).reason is Reason.RATE_LIMITED_AUTHOR


def test_before_the_signature_nothing_is_remembered():
    """A forger can neither occupy an id or a number, nor spend an author's tokens."""
    trust = FakeTrust()
    limits = AdmissionLimits(author=Rate(per_s=1, burst=1))
    admission = make_admission(trust, limits=limits)
    event = sealed()
    for _ in range(5):
        assert admit(admission, unverified(event)).reason is Reason.BAD_SIGNATURE
    assert trust.asked == 0
    assert admit(admission, event).outcome is Outcome.ACCEPT


def test_everything_is_bounded():
    limits = AdmissionLimits(seen_max=8, authors_max=4, counted_max=3, refusals_max=2)
    secrets = [SecretKey.from_seed(bytes([number]) * 32) for number in range(10, 20)]
    trust = FakeTrust(known={secret.public for secret in secrets})
    admission = make_admission(trust, limits=limits)
    for secret in secrets:
        for n in range(2):
            assert admit(admission, sealed(secret, n=n)).outcome is Outcome.ACCEPT
        admit(admission, unverified(sealed(secret, n=3)))
    statistics = admission.statistics()
    assert statistics.seen == 8
    assert len(statistics.gaps) == 4
    assert len(statistics.recent) == 2
    assert statistics.by_author[("accepted", b"")] > 0
    assert sum(statistics.by_author.values()) == 30


def test_a_claimed_author_is_counted_apart_only_if_it_is_known():
    admission = make_admission()
    admit(admission, sealed(CAROL))
    admit(admission, unverified(sealed()))
    admission.admit("x", b"junk", LINK, NOW)
    assert admission.statistics().by_author == {
        ("unknown_author", b""): 1,
        ("bad_signature", ALICE.public): 1,
        ("malformed", b""): 1,
    }
    first, second, third = admission.statistics().recent
    assert (first.name, first.link, first.event_id) == ("north/box-1", LINK, sealed(CAROL).id)
    assert second.reason is Reason.BAD_SIGNATURE
    assert (third.name, third.event_id) == (None, None)


@given(st.binary(max_size=2100), st.text(max_size=20))
def test_any_bytes_are_judged(wire: bytes, topic: str):
    admitted = make_admission().admit(topic, wire, LINK, NOW)
    assert admitted.reason in (Reason.TOO_LARGE, Reason.MALFORMED)


@given(st.data())
def test_mutated_events_are_judged_and_never_accepted(data: st.DataObject):
    event = sealed()
    wire = bytearray(event.wire)
    at = data.draw(st.integers(0, len(wire) - 1))
    wire[at] ^= data.draw(st.integers(1, 255))
    admitted = make_admission().admit(topic_of(event), bytes(wire), LINK, NOW)
    assert admitted.outcome in (Outcome.REJECT, Outcome.IGNORE)
    assert admitted.author is None
