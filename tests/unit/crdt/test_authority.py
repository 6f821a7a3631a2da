"""The stratified fold, rule by rule, on the smallest worlds that show each."""

import pytest

from crdt.authority import epoch_bound, fold_authority
from crdt.entry import Entry, Lane
from crdt.standing import ROOT_PAIR, Authority, Pair, Standing
from identity.capability import Capability
from tests.laws.writing import (
    Fleet,
    capability,
    cut_at,
    grant,
    pin,
    public,
    put,
    revoke,
    steward_of,
)

NOTE = put("city/n/plan", 1)


def banks(*more: tuple[str, object]) -> Fleet:
    fleet = Fleet()
    fleet.declare(
        grant("bank-a", "a", 1, 1, steward_of("a", "city")),
        grant("bank-b", "b", 1, 1, steward_of("b", "city")),
        *more,
    )
    return fleet


def fold(fleet: Fleet) -> Authority:
    return fold_authority(fleet.genesis, fleet.statements, fleet.entries)


def standing(fleet: Fleet, label: str, name: str) -> Standing | None:
    return fold(fleet).standings.get(Pair(public(label), name))


def test_an_empty_set_grants_nobody() -> None:
    fleet = Fleet()
    authority = fold(fleet)
    assert authority.standings == {}
    assert authority.root == (0, bytes(32))
    assert not authority.current(ROOT_PAIR)
    assert repr(authority) == "<Authority root 0, 0 of 0 pairs current>"


def test_root_grants_any_stratum_and_holds_everything() -> None:
    said = grant("k", "x", 7, 2**48 - 1, [capability("agree", "")], place="x")
    fleet = banks(said, ("grant", {"pk": 1}), ("unheard", None))
    one = standing(fleet, "k", "x")
    assert one is not None
    assert one.current
    assert (one.stratum, one.epoch, one.place) == (7, 2**48 - 1, "x")
    assert one.capabilities == (Capability(verb="agree", names=""),)
    authority = fold(fleet)
    assert authority.root == (1, fleet.statements[0].id)
    assert authority.pairs_of(public("k")) == authority.by_name("x") == (one.pair,)
    assert authority.pairs_of(b"") == authority.by_name("y") == ()
    assert authority.counting == {}


@pytest.mark.parametrize(
    ("name", "stratum", "granted"),
    [("city/n", 2, True), ("city/n", 1, False), ("town", 2, False), ("city", 2, True)],
)
def test_rule_1_the_issuer_is_senior_and_its_verb_covers_the_name(
    name: str, stratum: int, granted: bool
) -> None:
    fleet = banks()
    fleet.write("bank-a", grant("k", name, stratum, 1, []))
    assert (standing(fleet, "k", name) is not None) == granted


def test_rule_1_a_junior_never_takes_a_seniors_name() -> None:
    fleet = banks()
    senior = fleet.write("bank-a", grant("k", "city/n", 2, 1, steward_of("city")))
    fleet.write("k", grant("evil", "city/n", 3, 2**29, []))
    assert standing(fleet, "evil", "city/n") is None
    fleet.write("bank-a", revoke("k", "city/n", []), after=senior)
    assert standing(fleet, "evil", "city/n") is None


def test_rule_1_epochs_stay_below_what_a_senior_can_write() -> None:
    assert [epoch_bound(stratum) for stratum in (0, 1, 7)] == [2**48, 2**42, 2**6]
    fleet = banks()
    fleet.write_all(
        "bank-a", [grant("k", "city/n", 2, 2**42, []), grant("j", "city/m", 2, 2**42 - 1, [])]
    )
    assert standing(fleet, "k", "city/n") is None
    assert standing(fleet, "j", "city/m") is not None


def test_rule_2_what_no_single_capability_covers_is_dropped_and_shown() -> None:
    fleet = banks()
    asked = [capability("put", "city/n"), capability("act", "city/n"), capability("put", "town")]
    first = fleet.write("bank-a", grant("k", "city/n", 2, 1, asked, place="p"))
    one = standing(fleet, "k", "city/n")
    assert one is not None
    assert one.capabilities == (Capability(verb="put", names="city/n"),)
    assert set(one.dropped) == {
        Capability(verb="act", names="city/n"),
        Capability(verb="put", names="town"),
    }
    assert one.may("put", "city/n/x")
    assert not one.may("act", "city/n")
    more = [capability("put", "city/n"), capability("pin", "city/n")]
    fleet.write("bank-a", grant("k", "city/n", 2, 1, more, place="q"), after=first)
    both = standing(fleet, "k", "city/n")
    assert both is not None
    assert {held.verb for held in both.capabilities} == {"put", "pin"}
    assert both.place is None


def test_rule_2_two_pairs_of_an_issuer_are_not_added_up() -> None:
    fleet = banks(
        grant("s", "m", 1, 1, [capability("grant", "city")]),
        grant("s", "n", 1, 1, [capability("put", "city")]),
    )
    fleet.write("s", grant("k", "city/n", 2, 1, [capability("put", "city/n")]))
    one = standing(fleet, "k", "city/n")
    assert one is not None
    assert (one.capabilities, one.dropped) == ((), (Capability(verb="put", names="city/n"),))


def swap(fleet: Fleet, cuts: list[tuple[str, int, list[list[object]]]]) -> None:
    """Let each (bank, epoch, cut) replace `old` at city/n by a key of its own."""
    for number, (bank, epoch, cut) in enumerate(cuts):
        said = grant(f"new-{number}", "city/n", 2, epoch, steward_of("city"), replaces={"old": cut})
        fleet.write(bank, said, inc=100 + number)


def old_steward(count: int) -> tuple[Fleet, list[Entry]]:
    fleet = banks()
    fleet.write("bank-a", grant("old", "city/n", 2, 1, steward_of("city")))
    return fleet, fleet.write_all(
        "old", [grant(f"b{n}", f"city/n/{n}", 3, 1, []) for n in range(count)]
    )


def test_rule_3_the_highest_epoch_wins_and_its_cut_keeps_what_it_lists() -> None:
    fleet, wrote = old_steward(3)
    swap(fleet, [("bank-a", 2, cut_at(wrote[1]))])
    one = standing(fleet, "old", "city/n")
    assert one is not None
    assert (one.winning, one.current, one.revoked) == (False, False, False)
    assert [standing(fleet, f"b{n}", f"city/n/{n}") is not None for n in range(3)] == [
        True,
        True,
        False,
    ]


def test_rule_3_of_one_epoch_the_longest_item_counts_and_of_branches_the_common_part() -> None:
    fleet, wrote = old_steward(3)
    branch = fleet.write("old", grant("c", "city/n/9", 3, 1, []), after=wrote[1])
    swap(fleet, [("bank-a", 2, cut_at(wrote[0])), ("bank-b", 2, cut_at(wrote[1]))])
    assert standing(fleet, "b1", "city/n/1") is not None
    new = standing(fleet, "new-0", "city/n")
    assert new is not None
    assert new.contested
    assert new.current
    swap(fleet, [("bank-a", 3, cut_at(wrote[2])), ("bank-b", 3, cut_at(branch))])
    assert standing(fleet, "b1", "city/n/1") is not None
    assert standing(fleet, "b2", "city/n/2") is None
    assert standing(fleet, "c", "city/n/9") is None


def test_rule_3_forks_at_the_start_have_no_common_part() -> None:
    fleet, wrote = old_steward(1)
    other = fleet.write("old", grant("c", "city/n/9", 3, 1, []))
    swap(fleet, [("bank-a", 2, cut_at(wrote[0])), ("bank-b", 2, cut_at(other))])
    assert standing(fleet, "b0", "city/n/0") is None


def test_rule_3_an_epoch_that_does_not_list_a_key_cuts_nothing() -> None:
    fleet, wrote = old_steward(2)
    swap(fleet, [("bank-b", 2, cut_at(wrote[0]))])
    fleet.write("bank-a", grant("third", "city/n", 2, 3, []), inc=50)
    assert standing(fleet, "b1", "city/n/1") is None
    assert standing(fleet, "b0", "city/n/0") is not None
    fleet.entries = [entry for entry in fleet.entries if entry.inc != 100]
    assert standing(fleet, "b1", "city/n/1") is not None


def test_rule_3_an_item_for_a_pair_that_is_not_lower_is_ignored() -> None:
    fleet, wrote = old_steward(1)
    said = grant("old", "city/n", 2, 2, steward_of("city"), replaces={"old": []})
    fleet.write("bank-a", said, inc=7)
    assert standing(fleet, "b0", "city/n/0") is not None
    assert wrote[0].id in fold(fleet).counting


def test_rule_3_an_epoch_is_spent_by_its_grant_whatever_becomes_of_its_key() -> None:
    fleet, wrote = old_steward(1)
    swap(fleet, [("bank-a", 2, cut_at(wrote[0]))])
    fleet.write("bank-b", revoke("new-0", "city/n", []))
    standings = [standing(fleet, label, "city/n") for label in ("old", "new-0")]
    assert [one is not None and one.current for one in standings] == [False, False]


def test_rule_3_only_grants_above_a_pair_cut_it() -> None:
    fleet = banks()
    said = grant("low", "city/n", 2, 1, [], replaces={"old": []})
    fleet.write_all("bank-a", [said, grant("old", "city/n", 2, 2, steward_of("city"))])
    fleet.write("old", grant("box", "city/n/0", 3, 1, []))
    fleet.write("bank-b", grant("new", "city/n", 2, 3, []))
    one = standing(fleet, "old", "city/n")
    assert one is not None
    assert not one.winning
    assert standing(fleet, "box", "city/n/0") is not None


def test_rule_3_three_branches_from_the_start_have_no_common_part() -> None:
    fleet, wrote = old_steward(1)
    others = [fleet.write("old", grant(label, "city/n/9", 3, 1, [])) for label in ("c", "d")]
    swap(fleet, [("bank-a", 2, cut_at(one)) for one in (wrote[0], *others)])
    assert standing(fleet, "b0", "city/n/0") is None


def test_rule_5_an_entry_given_twice_convicts_nobody() -> None:
    fleet, _ = old_steward(2)
    fleet.entries = [*fleet.entries, *fleet.entries]
    one = standing(fleet, "old", "city/n")
    assert one is not None
    assert one.current


def test_rule_4_a_cut_intersects_with_another() -> None:
    fleet, wrote = old_steward(3)
    fleet.write("bank-a", revoke("old", "city/n", cut_at(wrote[1])), inc=8)
    fleet.write("bank-b", revoke("old", "city/*", cut_at(wrote[0])), inc=8)
    assert standing(fleet, "b0", "city/n/0") is not None
    assert standing(fleet, "b1", "city/n/1") is None


def test_rule_4_a_cut_of_an_entry_not_held_covers_nothing_yet() -> None:
    fleet, wrote = old_steward(2)
    fleet.write("bank-a", revoke("old", "city/n", cut_at(wrote[1])), inc=8)
    assert standing(fleet, "b0", "city/n/0") is not None
    fleet.entries.remove(wrote[1])
    assert standing(fleet, "b0", "city/n/0") is None
    fleet.write("bank-b", revoke("old", "city/n", [[0, 77, 0, bytes(32)]]), inc=8)
    assert standing(fleet, "b0", "city/n/0") is None


@pytest.mark.parametrize(
    ("author", "name", "revoked"),
    [
        ("bank-a", "city/n", True),
        ("bank-a", "city/*", True),
        ("bank-a", "city/n/*", True),
        ("bank-a", "*", False),
        ("bank-a", "city/m", False),
        ("bank-a", "city/m/*", False),
        ("bank-a", "town/*", False),
        ("peer", "city/n", False),
        ("peer", "city/*", False),
        ("peer", "city/n/0", False),
    ],
)
def test_rule_4_who_may_revoke_what(author: str, name: str, revoked: bool) -> None:
    fleet, _ = old_steward(1)
    fleet.write("bank-a", grant("peer", "city/m", 2, 1, steward_of("city")), inc=3)
    fleet.write(author, revoke("old", name, []), inc=4)
    one = standing(fleet, "old", "city/n")
    assert one is not None
    assert one.revoked == revoked
    assert one.current != revoked


@pytest.mark.parametrize("name", ["*", "city/n", "city/*"])
def test_rule_4_root_revokes_anything(name: str) -> None:
    fleet, _ = old_steward(1)
    fleet.declare(revoke("old", name, []))
    one = standing(fleet, "old", "city/n")
    assert one is not None
    assert one.revoked
    assert fold(fleet).rulings[one.pair].cuts
    assert standing(fleet, "b0", "city/n/0") is None


def test_rule_4_a_pair_enrolled_later_is_revoked_with_its_prefix() -> None:
    fleet, _ = old_steward(0)
    fleet.write("bank-a", revoke("old", "city/*", []), inc=4)
    fleet.write("bank-b", grant("old", "city/again", 2, 9, steward_of("city")))
    one = standing(fleet, "old", "city/again")
    assert one is not None
    assert one.revoked
    fleet.write("bank-b", grant("old", "b/again", 2, 9, []), after=fleet.entries[-1])
    other = standing(fleet, "old", "b/again")
    assert other is not None
    assert other.current


def test_entries_of_other_lanes_fleets_kinds_and_gaps_do_not_count() -> None:
    fleet, other = banks(), Fleet(roots=2)
    said = grant("k", "city/n", 2, 1, [])
    fleet.write("bank-a", said, lane=Lane.LOG)
    fleet.entries.append(other.write("bank-a", said))
    fleet.write("bank-a", ("unheard", said[1]), inc=1)
    first = fleet.write("bank-a", NOTE, inc=2)
    fleet.write("bank-a", said, after=first)
    fleet.entries.remove(first)
    assert standing(fleet, "k", "city/n") is None


def test_surviving_entries_of_any_kind_are_listed_and_counting_ones_are_authorised() -> None:
    fleet = banks()
    halt, box = fleet.write_all("bank-a", [("halt", {}), grant("box", "city/n/0", 3, 1, [])])
    pinned = fleet.write("box", pin(box))
    wrong = fleet.write("box", grant("x", "city/n/1", 4, 1, []), after=pinned)
    authority = fold(fleet)
    pair = Pair(public("bank-a"), "a")
    assert authority.surviving[halt.id] == (pair,)
    assert authority.counting == {box.id: (pair,)}
    assert {pinned.id, wrong.id} <= set(authority.surviving)


def test_the_latest_expiry_is_shown_and_read_by_no_rule() -> None:
    fleet = banks()
    body = grant("k", "city/n", 2, 1, [])[1]
    head = fleet.write("bank-a", ("grant", {**body, "exp": 5}))
    one = standing(fleet, "k", "city/n")
    assert one is not None
    assert (one.expires_ms, one.current) == (5, True)
    head = fleet.write("bank-a", ("grant", {**body, "exp": 7}), after=head)
    later = standing(fleet, "k", "city/n")
    assert later is not None
    assert later.expires_ms == 7
    fleet.write("bank-a", ("grant", body), after=head)
    never = standing(fleet, "k", "city/n")
    assert never is not None
    assert never.expires_ms is None


def test_equal_views_have_equal_digests_and_others_not() -> None:
    one, other = banks(), banks()
    assert fold(one) == fold(other)
    assert hash(fold(one)) == hash(fold(other))
    assert fold(one).digest == fold(other).digest
    other.write("bank-a", NOTE)
    assert fold(one) != fold(other)
    assert fold(one).digest != fold(other).digest
    assert fold(one) != "view"
    digest = fold(one)
    assert digest.digest is digest.digest
