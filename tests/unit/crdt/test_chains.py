"""Chains of grants and the entries of an invite: enough to be recognised by who knows the root."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import chains
from crdt.chains import chain_reaches, grant_chain, invite_entries
from crdt.entry import Entry, Lane
from crdt.replica import Offer, Replica
from crdt.standing import Pair
from tests.laws.writing import (
    Fleet,
    box_of,
    capability,
    cut_at,
    grant,
    pin,
    public,
    put,
    revoke,
    steward_of,
)
from tests.unit.crdt.worlds import offer_all, replica_of

BOX = Pair(public("box"), "city/n/box")


def world() -> tuple[Fleet, dict[str, Entry]]:
    """Root → bank → steward → box → agent, each with other things in its feed."""
    fleet = Fleet()
    fleet.declare(grant("bank", "a", 1, 1, steward_of("a", "city")))
    made: dict[str, Entry] = {}
    made["plan"] = fleet.write("bank", put("city/plan", 1))
    made["steward"] = fleet.write(
        "bank", grant("steward", "city/steward", 2, 1, steward_of("city")), after=made["plan"]
    )
    made["later"] = fleet.write("bank", put("city/plan", 2), after=made["steward"])
    made["first"] = fleet.write("steward", put("city/x", 1))
    made["other inc"] = fleet.write("steward", put("city/y", 1), inc=1 << 16)
    caps = [*box_of("city/n/box"), capability("grant", "city/n/box")]
    made["box"] = fleet.write("steward", grant("box", BOX.name, 3, 1, caps), after=made["first"])
    made["after"] = fleet.write("steward", put("city/x", 2), after=made["box"])
    agent = grant("agent", "city/n/box/agent", 4, 1, [capability("state", "city/n/box/agent")])
    made["agent"] = fleet.write("box", agent)
    made["status"] = fleet.write("steward", ("status", {"topic": "a", "value": 1}), lane=Lane.STATE)
    return fleet, made


def replica(fleet: Fleet) -> Replica:
    return offer_all(replica_of(fleet), fleet.entries)


def test_a_chain_runs_from_the_senior_to_the_pair_and_leaves_the_root_out() -> None:
    fleet, made = world()
    held = replica(fleet)
    agent = Pair(public("agent"), "city/n/box/agent")
    assert grant_chain(held, agent) == (made["steward"], made["box"], made["agent"])
    assert grant_chain(held, BOX) == (made["steward"], made["box"])
    assert grant_chain(held, Pair(public("bank"), "a")) == ()
    assert grant_chain(held, Pair(public("nobody"), "city/n/box")) == ()
    assert grant_chain(held, Pair(public("box"), "another/name")) == ()


def test_of_several_grants_the_highest_epoch_is_told() -> None:
    fleet, made = world()
    again = fleet.write(
        "steward", grant("box", BOX.name, 3, 2, box_of(BOX.name)), after=made["after"]
    )
    assert grant_chain(replica(fleet), BOX)[-1] == again


def test_a_hello_parses_no_grant_of_a_fleet_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet, made = world()
    held = replica(fleet)
    assert held.authority.current(BOX)

    def parse(_body: object) -> None:
        raise AssertionError("parsed though it counts: with 500 boxes 500 times a hello")

    monkeypatch.setattr(chains, "parse_grant", parse)
    assert grant_chain(held, BOX) == (made["steward"], made["box"])


def test_an_invite_holds_whole_feeds_of_the_issuers_up_to_the_grants() -> None:
    fleet, made = world()
    entries = invite_entries(replica(fleet), BOX)
    assert set(entries) == {made[name] for name in ("plan", "steward", "first", "other inc", "box")}
    seen: set[bytes] = {bytes(32)}
    for entry in entries:
        assert entry.prev in seen, "each follows what it links to"
        seen.add(entry.id)


def test_a_fresh_replica_recognises_the_pair_from_its_invite_in_the_order_given() -> None:
    fleet, _ = world()
    entries = invite_entries(replica(fleet), BOX)
    fresh = replica_of(fleet)
    assert [fresh.offer(entry) for entry in entries] == [Offer.STORED] * len(entries)
    assert fresh.authority.current(BOX)


def test_a_chain_makes_the_pair_known_to_whoever_holds_the_issuers() -> None:
    fleet, made = world()
    fresh = replica_of(fleet)
    steward, box = grant_chain(replica(fleet), BOX)
    for entry in (made["plan"], steward, made["first"], box):
        assert fresh.offer(entry) is Offer.STORED
    assert fresh.is_known_author(BOX.key)


def test_a_chain_reaches_its_holder_also_where_it_does_not_link_or_was_cut_since() -> None:
    fleet, made = world()
    chain = grant_chain(replica(fleet), BOX)
    bare = replica_of(fleet)
    assert chain_reaches(bare, chain, BOX.key), "nothing of it links here"
    assert not bare.is_known_author(BOX.key)
    fleet.write("bank", revoke("steward", "city/steward", []), after=made["later"])
    assert chain_reaches(replica(fleet), chain, BOX.key)
    assert not chain_reaches(bare, chain, public("agent"))
    assert not chain_reaches(bare, chain[1:], BOX.key), "its issuer is unknown here"
    assert not chain_reaches(bare, [made["plan"]], BOX.key)
    assert not chain_reaches(bare, (), BOX.key)


def test_a_chain_reaches_nobody_beyond_what_its_links_may_grant() -> None:
    fleet, made = world()
    bare = replica_of(fleet)
    senior = fleet.write("box", grant("evil", "city/n/box/e", 3, 1, []), inc=7)
    beside = fleet.write("box", grant("evil", "city/elsewhere", 4, 1, []), inc=8)
    for last in (senior, beside):
        assert not chain_reaches(bare, [made["steward"], made["box"], last], public("evil"))
    caps = [*box_of("city/n/evil")]
    for lane in Lane:
        stray = fleet.write("steward", grant("evil", "city/n/evil", 3, 1, caps), lane=lane, inc=9)
        reaches = chain_reaches(bare, [made["steward"], stray], public("evil"))
        assert reaches == (lane is Lane.AUTH), "elsewhere it grants nothing"
    foreign, others = Fleet(roots=2), world()[1]
    foreign.declare(grant("bank", "a", 1, 1, steward_of("a", "city")))
    alien = replica_of(foreign)
    assert not chain_reaches(alien, [others["steward"], others["box"]], BOX.key)


@given(
    swaps=st.lists(st.sampled_from(("box", "spare", "third")), max_size=4),
    revoked=st.booleans(),
    noise=st.integers(0, 3),
)
def test_whoever_is_current_is_recognised_from_the_invite_alone(
    swaps: list[str], revoked: bool, noise: int
) -> None:
    fleet, made = world()
    last = made["after"]
    holder = "box"
    for epoch, label in enumerate(swaps, start=2):
        replaces = {} if label == holder else {holder: []}
        body = grant(label, BOX.name, 3, epoch, box_of(BOX.name), replaces=replaces)
        last = fleet.write("steward", body, after=last)
        holder = label
        for number in range(noise):
            last = fleet.write("steward", put("city/x", number), after=last)
    if revoked:
        fleet.write("bank", revoke("steward", "city/steward", cut_at(last)), after=made["later"])
    whole = replica(fleet)
    pair = Pair(public(holder), BOX.name)
    assert whole.authority.current(pair)
    fresh = offer_all(replica_of(fleet), invite_entries(whole, pair))
    assert fresh.authority.current(pair)


def test_a_grant_on_a_pinned_branch_is_invited_along_that_branch() -> None:
    fleet, made = world()
    fleet.write("steward", put("city/x", "fork"), after=made["first"])
    fleet.write("bank", pin(made["box"]), after=made["later"])
    whole = replica(fleet)
    assert whole.authority.current(BOX)
    entries = invite_entries(whole, BOX)
    assert made["box"] in entries
    fresh = offer_all(replica_of(fleet), entries)
    assert fresh.authority.current(BOX)
