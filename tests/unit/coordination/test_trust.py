"""Trust questions against a slow restatement, and the freshness of remembered answers."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.standing import Pair
from identity.capability import Capability
from mesh.choreography.cells import cell_at
from mesh.choreography.verdict import Reason
from mesh.coordination import trust as trust_module
from mesh.coordination.trust import PeerClass, PeerSort, Refused, Trust
from mesh.units import Instant
from tests.unit.coordination.views import (
    ALICE,
    BOB,
    CAROL,
    View,
    authority,
    register,
    standing,
)

HERE = cell_at(52.01, 4.36, 9)
AROUND = cell_at(52.01, 4.36, 6)
ELSEWHERE = cell_at(48.0, 2.0, 9)
NAME = "north/box-1"
TYPE = "traffic.near_miss"
DIGEST = bytes([7]) * 32
PAIR = Pair(ALICE, NAME)


def publish(
    names: str = NAME,
    events: tuple[str, ...] = ("traffic.*",),
    area: str | tuple[bytes, ...] | None = "*",
    model: bool | None = None,
) -> Capability:
    return Capability(verb="publish", names=names, events=events, area=area, model=model)


def view_of(*capabilities: Capability, **flags: object) -> View:
    held = standing(PAIR, capabilities=capabilities, **flags)
    approved = {"digest": DIGEST, "state": "approved", "events": ["*"], "area": "*"}
    return View(authority(held), {"model/a": register(approved)}, {ALICE})


def ask(view: View, cell: bytes = HERE, model: bytes | None = None, **changes: object):
    question = {"key": ALICE, "name": NAME, "event_type": TYPE, "cell": cell, "model": model}
    return Trust(view).may_publish(**{**question, **changes})


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (view_of(publish()), None),
        (view_of(publish(), contested=True), None),
        (view_of(publish(), revoked=True), "revoked"),
        (view_of(publish(), revoked=True, winning=False, undecided=True), "revoked"),
        (view_of(publish(), winning=False), "superseded_key"),
        (view_of(publish(), winning=False, undecided=True), "superseded_key"),
        (view_of(publish(), undecided=True), "quarantined"),
        (view_of(), "not_granted"),
        (view_of(publish(names="north")), None),
        (view_of(publish(names="")), None),
        (view_of(publish(names="south")), "not_granted"),
        (view_of(publish(names="north/box-10")), "not_granted"),
        (view_of(publish(events=("weather.*",))), "not_granted"),
        (view_of(Capability(verb="state", names=NAME)), "not_granted"),
        (view_of(publish(area=None)), "out_of_area"),
        (view_of(publish(area=(ELSEWHERE,))), "out_of_area"),
        (view_of(publish(area=(ELSEWHERE,)), publish(area=(AROUND,))), None),
        (view_of(publish(model=True)), "model_not_approved"),
        (view_of(publish(model=True), publish()), None),
        (view_of(publish(model=True), publish(area=(ELSEWHERE,))), "model_not_approved"),
    ],
)
def test_the_first_reason_is_named(view: View, reason: str | None):
    answer = ask(view)
    assert answer.reason == reason
    assert answer.ok == (reason is None)
    assert bool(answer.detail) == (reason is not None)


def test_a_model_is_needed_only_where_the_capability_says_so():
    view = view_of(publish(model=True))
    assert ask(view, model=DIGEST).ok
    refused = ask(view, model=bytes(32))
    assert refused.reason is Refused.MODEL_NOT_APPROVED
    assert refused.detail == f"have={bytes(6).hex()} want={DIGEST.hex()[:12]}"
    view.registers = {}
    assert ask(view).detail == "have=none want=none"
    assert ask(view_of(publish()), model=bytes(32)).ok


def test_a_key_speaks_only_under_its_own_names():
    view = view_of(publish(names=""))
    assert ask(view, name="north/box-2").reason is Refused.NOT_GRANTED
    assert ask(view, key=BOB).reason is Refused.NOT_GRANTED


@pytest.mark.parametrize(
    ("flag", "reason"),
    [("revoked", Refused.REVOKED), ("undecided", Refused.QUARANTINED), ("", Refused.NOT_GRANTED)],
)
def test_each_pair_of_a_key_is_judged_alone(flag: str, reason: Refused):
    other = standing(Pair(ALICE, "north/box-2"), capabilities=[publish(names="")])
    flags = {flag: True} if flag else {}
    held = standing(PAIR, capabilities=[publish()] if flag else [], **flags)
    view = View(authority(held, other), {}, {ALICE})
    assert ask(view, name="north/box-2").ok
    assert ask(view).reason is reason


def test_the_words_are_those_of_admission():
    assert {reason.value for reason in Refused} <= {reason.value for reason in Reason}


@given(st.integers(0, 5), st.integers(0, 5), st.booleans())
def test_a_yes_ends_when_the_grant_does_by_a_clock_that_is_trusted(
    end: int, wall_ms: int, trusted: bool
):
    now = Instant(0, wall_ms, trusted)
    view = view_of(publish(), expires_ms=end)
    answer = ask(view)
    assert answer.ok, "no answer depends on the time, so that it can be remembered"
    expected = Refused.EXPIRED if trusted and wall_ms >= end else None
    assert answer.at(now).reason is expected
    assert bool(answer.at(now).detail) == (expected is not None)
    assert ask(view_of(publish())).at(now).ok
    refused = ask(view_of(publish(model=True), expires_ms=end))
    assert refused.at(now) is refused, "what was no before it ended keeps its reason"
    assert (
        ask(view_of(publish(model=True), expires_ms=end), model=DIGEST).at(now).reason is expected
    )


FLAGS = st.fixed_dictionaries(
    {"winning": st.booleans(), "revoked": st.booleans(), "undecided": st.booleans()}
)
CAPABILITIES = st.lists(
    st.builds(
        publish,
        names=st.sampled_from([NAME, "north", "south", ""]),
        events=st.sampled_from([("*",), ("traffic.*",), (TYPE,), ("weather.*",), ()]),
        area=st.sampled_from([None, "*", (AROUND,), (ELSEWHERE,), ()]),
        model=st.sampled_from([None, False, True]),
    ),
    max_size=3,
)


@given(FLAGS, CAPABILITIES)
def test_a_yes_needs_one_capability_that_allows_all_of_it(
    flags: dict[str, bool], capabilities: list[Capability]
):
    view = view_of(*capabilities, **flags)
    current = flags["winning"] and not flags["revoked"] and not flags["undecided"]
    for cell, model in product((HERE, ELSEWHERE), (None, DIGEST, bytes(32))):
        allowed = any(
            one.names in (NAME, "north", "")
            and bool({"*", "traffic.*", TYPE} & set(one.events or ()))
            and (
                one.area == "*"
                or (cell == HERE and one.area == (AROUND,))
                or (cell == ELSEWHERE and one.area == (ELSEWHERE,))
            )
            and (not one.model or model == DIGEST)
            for one in capabilities
        )
        assert ask(view, cell, model).ok == (current and allowed)


def test_answers_are_remembered_until_a_view_is_replaced():
    view = view_of(publish(model=True))
    trust = Trust(view)
    question = (ALICE, NAME, TYPE, HERE, DIGEST)
    first = trust.may_publish(*question)
    assert trust.may_publish(*question) is first
    view.registers = {}
    assert trust.may_publish(*question).reason is Refused.MODEL_NOT_APPROVED
    assert trust.models.accepted(TYPE, HERE) == ()
    view.authority = view_of(publish(), revoked=True).authority
    assert trust.may_publish(*question).reason is Refused.REVOKED
    assert trust.peer_class(ALICE) == PeerSort(PeerClass.KNOWN, Refused.REVOKED)
    view.authority = view_of(publish()).authority
    assert trust.peer_class(ALICE).peer_class is PeerClass.MEMBER
    assert "1 pairs" in repr(trust)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trust_module, "ANSWERS_MAX", 2)
    trust = Trust(view_of(publish(names="")))
    for n in range(5):
        assert not trust.may_publish(ALICE, f"north/box-{n + 2}", TYPE, HERE, None).ok
        trust.peer_class(bytes([n]) * 32)
    assert "1 answers" in repr(trust)


def test_peers_are_sorted_by_their_best_pair():
    bob_old = standing(Pair(BOB, "north/box-2"), winning=False)
    bob_new = standing(Pair(BOB, "south/box-2"))
    carol = standing(Pair(CAROL, "north/box-3"), undecided=True)
    view = View(authority(bob_old, bob_new, carol), {}, {ALICE, BOB, CAROL})
    trust = Trust(view)
    assert trust.peer_class(BOB) == PeerSort(PeerClass.MEMBER)
    assert trust.peer_class(BOB) is trust.peer_class(BOB)
    assert trust.peer_class(CAROL) == PeerSort(PeerClass.KNOWN, Refused.QUARANTINED)
    assert trust.peer_class(ALICE) == PeerSort(PeerClass.KNOWN, Refused.NOT_GRANTED)
    stranger = bytes(32)
    assert trust.peer_class(stranger) == PeerSort(PeerClass.STRANGER, Refused.UNKNOWN_AUTHOR)
    assert trust.known_author(ALICE)
    assert not trust.known_author(stranger)
    view.authority = authority(bob_old)
    assert trust.peer_class(BOB) == PeerSort(PeerClass.KNOWN, Refused.SUPERSEDED_KEY)
