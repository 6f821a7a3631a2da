"""Bodies worked out from the view at hand: what is signed from them counts, and forgets nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.entry import Entry, Lane
from crdt.replica import Replica
from crdt.standing import Pair
from identity.capability import permits
from mesh.coordination.enrolment import (
    authority_role,
    bootstrap_role,
    box_role,
    feed_heads,
    grant_body,
    holders,
    next_epoch,
    revocation_body,
    steward_role,
)
from tests.laws.writing import Fleet, grant, public, put
from tests.unit.crdt.worlds import offer_all, replica_of

CELL = bytes.fromhex("0891f8894c6bffff")
BOX = "city/n/box"


class Office:
    """A centre and its steward, who sign what enrolment works out from their own view."""

    def __init__(self) -> None:
        self.fleet = Fleet()
        caps = [capability.to_value() for capability in authority_role()]
        self.fleet.declare(grant("centre", "centre", 1, 1, caps))
        self.replica: Replica = replica_of(self.fleet)
        self.heads: dict[str, Entry] = {}
        self.enrol("steward", "city/steward", stratum=2, caps=steward_role("city"))

    def sign(self, label: str, kind: str, body: object) -> Entry:
        self.heads[label] = self.fleet.write(label, (kind, body), after=self.heads.get(label))
        self.replica.offer(self.heads[label])
        return self.heads[label]

    def enrol(self, label: str, name: str, *, by: str = "centre", **fields) -> Entry:
        given = {"stratum": 3, "caps": box_role(name, ["traffic.*"], [CELL]), **fields}
        body = grant_body(
            self.replica, key=public(label), name=name, capabilities=given.pop("caps"), **given
        )
        return self.sign(by, "grant", body)

    def current(self, name: str) -> list[bytes]:
        return [s.pair.key for s in holders(self.replica, name) if s.current]


def test_a_first_grant_is_at_epoch_one_and_replaces_nobody() -> None:
    office = Office()
    assert next_epoch(office.replica, BOX) == 1
    entry = office.enrol("first", BOX, by="steward", place="city/n/corner")
    assert entry.body["epoch"] == 1
    assert entry.body["replaces"] == []
    assert entry.id in office.replica.authority.counting
    (standing,) = holders(office.replica, BOX)
    assert standing.current
    assert (standing.place, standing.dropped) == ("city/n/corner", ())


def test_a_replacement_lists_every_lower_pair_with_what_is_held_of_it() -> None:
    office = Office()
    office.enrol("first", BOX, place="city/n/corner")
    office.sign("first", *put(BOX, 1))
    last = office.sign("first", *put(BOX, 2))
    state = office.fleet.write("first", ("status", {"topic": "a", "value": 1}), lane=Lane.STATE)
    office.replica.offer(state)
    second = office.enrol("second", BOX)
    assert second.body["epoch"] == 2
    cut = [[Lane.AUTH, last.inc, last.seq, last.id]]
    assert second.body["replaces"] == [{"pk": public("first"), "cut": cut}]
    assert second.body["place"] == "city/n/corner", "it stands where the one before it stood"
    third = office.enrol("third", BOX, by="steward", place="elsewhere")
    assert third.body["epoch"] == 3
    assert {one["pk"] for one in third.body["replaces"]} == {public("first"), public("second")}
    assert third.body["place"] == "elsewhere"
    assert office.current(BOX) == [public("third")]


def test_the_same_key_granted_again_does_not_replace_itself() -> None:
    office = Office()
    office.enrol("first", BOX)
    again = office.enrol("first", BOX, place="moved")
    assert (again.body["epoch"], again.body["replaces"]) == (2, [])
    assert office.current(BOX) == [public("first")]


@given(order=st.lists(st.sampled_from(("a", "b", "c", "d")), min_size=1, max_size=7))
def test_whoever_was_enrolled_last_holds_the_name(order: list[str]) -> None:
    office = Office()
    for number, label in enumerate(order):
        office.enrol(label, BOX, by=("centre", "steward")[number % 2])
        assert office.current(BOX) == [public(label)]
    replica = offer_all(replica_of(office.fleet), reversed(office.fleet.entries))
    assert replica.authority.digest == office.replica.authority.digest


def test_a_given_epoch_is_taken_as_it_is() -> None:
    office = Office()
    assert office.enrol("first", BOX, epoch=9).body["epoch"] == 9
    assert next_epoch(office.replica, BOX) == 10


def test_a_revocation_cuts_where_the_view_ends() -> None:
    office = Office()
    office.enrol("deputy", "city/deputy", stratum=2, caps=steward_role("city"))
    before = office.enrol("mine", BOX, by="deputy")
    body = revocation_body(office.replica, Pair(public("deputy"), "city/deputy"), mode="retire")
    assert body["mode"] == "retire"
    assert body["cut"] == [[Lane.AUTH, before.inc, before.seq, before.id]]
    office.sign("centre", "revoke", body)
    assert office.current("city/deputy") == []
    assert office.current(BOX) == [public("mine")], "what it granted before stays"
    office.enrol("late", "city/n/late", by="deputy")
    assert office.current("city/n/late") == []


def test_a_cut_names_no_lane_that_prunes_and_nothing_of_others() -> None:
    office = Office()
    office.enrol("first", BOX)
    state = office.fleet.write("first", ("status", {"topic": "a", "value": 1}), lane=Lane.STATE)
    office.replica.offer(state)
    assert feed_heads(office.replica, public("first")) == []
    assert revocation_body(office.replica, Pair(public("first"), BOX))["cut"] == []


@pytest.mark.parametrize("name", ["", "city", "city/n"])
def test_an_authority_may_grant_each_role_and_nothing_of_it_is_dropped(name: str) -> None:
    office = Office()
    roles = {
        "steward-2": (f"{name or 'x'}/deputy", 2, steward_role(name or "x")),
        "box": (f"{name or 'x'}/b", 3, box_role(f"{name or 'x'}/b", ["traffic.*"], [CELL, CELL])),
        "boot": ("boot", 3, bootstrap_role("boot")),
    }
    for label, (held, stratum, caps) in roles.items():
        office.enrol(label, held, stratum=stratum, caps=caps)
        (standing,) = holders(office.replica, held)
        assert standing.current
        assert standing.dropped == ()
        assert set(standing.capabilities) == set(caps)


def test_roles_may_what_their_words_say() -> None:
    def may(role, verb: str, name: str, **fields: object) -> bool:
        return any(permits(capability, verb=verb, name=name, **fields) for capability in role)

    steward, box, boot = (
        steward_role("city"),
        box_role(BOX, ["a.*"], [CELL]),
        bootstrap_role("boot"),
    )
    assert may(steward, "grant", "city/n/7")
    assert not may(steward, "grant", "village/7")
    assert not may(steward, "approve", "city/n", event="a.b", cell=CELL)
    assert may(authority_role(), "approve", "detector", event="a.b", cell=CELL)
    assert may(box, "publish", BOX, event="a.b", cell=CELL)
    assert not may(box, "publish", BOX, event="b.c", cell=CELL)
    assert not may(box, "grant", BOX)
    assert not any(may(boot, verb, "boot") for verb in ("publish", "state", "grant", "put"))
