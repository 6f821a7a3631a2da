"""Registers: what supersedes what, who stands, and which of several contenders decides."""

from collections.abc import Sequence

import pytest

from crdt.authority import fold_authority
from crdt.entry import Entry
from crdt.kinds import KEY_RULES, KeyRule
from crdt.registers import Register, fold_registers
from crdt.standing import ROOT_PAIR, Pair
from tests.laws.writing import Fleet, capability, cut_at, grant, public, put, revoke, steward_of

from .worlds import offer_all, replica_of

PLAN = "city/n/plan"


def banks() -> Fleet:
    """Return a fleet of two banks and, under bank-a, one box, each of which may put."""
    fleet = Fleet()
    fleet.declare(
        grant("bank-a", "a", 1, 1, steward_of("a", "city")),
        grant("bank-b", "b", 1, 1, steward_of("b", "city")),
    )
    fleet.write("bank-a", grant("box", "city/n/0", 3, 1, [capability("put", "city/n")]))
    return fleet


def registers(fleet: Fleet, rules: Sequence[KeyRule] = KEY_RULES) -> dict[str, Register]:
    """Return the registers, after checking that a replica shows the same."""
    authority = fold_authority(fleet.genesis, fleet.statements, fleet.entries, rules=rules)
    folded = fold_registers(authority, fleet.statements, fleet.entries, rules)
    if rules is KEY_RULES:
        replica = offer_all(replica_of(fleet), fleet.entries)
        assert replica.registers == folded
        assert replica.registers is replica.registers
    assert list(folded) == sorted(folded)
    return folded


def ids(register: Register) -> tuple[list[bytes], list[bytes]]:
    return [one.entry_id for one in register.standing], [one.entry_id for one in register.shown]


def test_one_put_is_the_value() -> None:
    fleet = banks()
    entry = fleet.write("box", put(PLAN, 1))
    register = registers(fleet)[PLAN]
    assert (register.value, register.contested) == (1, False)
    assert ids(register) == ([entry.id], [])
    assert register.standing[0].pair == Pair(public("box"), "city/n/0")
    assert register.standing[0].stratum == 3


def test_within_a_feed_the_later_supersedes() -> None:
    fleet = banks()
    *_, last = fleet.write_all("box", [put(PLAN, 1), put(PLAN, 2), put(PLAN, 3)])
    assert ids(registers(fleet)[PLAN]) == ([last.id], [])


def test_across_feeds_only_what_is_named_is_superseded() -> None:
    fleet = banks()
    first = fleet.write("bank-b", put(PLAN, 1))
    second = fleet.write("bank-a", put(PLAN, 2), inc=5)
    register = registers(fleet)[PLAN]
    assert (register.value, register.contested) == (None, True)
    assert ids(register) == (sorted([first.id, second.id]), [])
    third = fleet.write("bank-a", put(PLAN, 3, first), after=second)
    assert ids(registers(fleet)[PLAN]) == ([third.id], [])
    assert registers(fleet)[PLAN].value == 3


def test_a_junior_supersedes_no_senior_and_is_shown() -> None:
    fleet = banks()
    senior = fleet.write("bank-b", put(PLAN, 1))
    junior = fleet.write("box", put(PLAN, 2, senior))
    register = registers(fleet)[PLAN]
    assert register.value == 1
    assert ids(register) == ([senior.id], [junior.id])
    over = fleet.write("bank-b", put(PLAN, 3, junior), after=senior)
    assert ids(registers(fleet)[PLAN]) == ([over.id], [])


def test_the_root_stands_above_all_and_its_later_word_counts() -> None:
    fleet = banks()
    junior = fleet.write("bank-b", put(PLAN, 1))
    fleet.declare(put(PLAN, 7), put(PLAN, 8), put("Bad Key", 1))
    last = fleet.declare(put(PLAN, 9))
    register = registers(fleet)[PLAN]
    assert register.value == 9
    assert ids(register) == ([last.id], [junior.id])
    assert register.standing[0].pair == ROOT_PAIR
    fleet.declare(put(PLAN, 10, junior))
    assert ids(registers(fleet)[PLAN])[1] == []


def test_an_unauthorised_or_malformed_put_is_invisible() -> None:
    fleet = banks()
    fleet.write_all(
        "box", [put("city/s/plan", 1), put("place/city/n/0", 1), put("model/city/n", {})]
    )
    fleet.write_all("stranger", [put(PLAN, 1)])
    fleet.write("bank-b", put("City", 1))
    assert registers(fleet) == {}


def test_what_a_cut_keeps_still_counts_and_the_rest_does_not() -> None:
    fleet = banks()
    first, second = fleet.write_all("box", [put(PLAN, 1), put(PLAN, 2)])
    fleet.write("bank-a", revoke("box", "city/n/0", cut_at(first)), after=fleet.entries[0])
    assert ids(registers(fleet)[PLAN]) == ([first.id], [])
    assert second.id not in registers(fleet)[PLAN].standing


def test_the_most_senior_authorising_pair_gives_the_stratum() -> None:
    fleet = banks()
    fleet.write("bank-b", grant("box", "city/m", 2, 1, [capability("put", "city")]))
    fleet.write("box", put(PLAN, 1))
    contender = registers(fleet)[PLAN].standing[0]
    assert (contender.stratum, contender.pair.name) == (2, "city/m")


def test_contested_pairs_only_contend() -> None:
    fleet = banks()
    head = fleet.entries[0]
    for label in ("k1", "k2"):
        head = fleet.write(
            "bank-a", grant(label, "city/m", 2, 4, [capability("put", "city")]), after=head
        )
    mine = fleet.write("box", put(PLAN, 1))
    one, two = fleet.write_all("k1", [put(PLAN, 2, mine), put(PLAN, 3, mine)])
    register = registers(fleet)[PLAN]
    assert ids(register) == (sorted([one.id, two.id]), [mine.id])
    assert register.contested
    fleet.write("bank-a", revoke("k2", "city/m", []), after=head)
    assert ids(registers(fleet)[PLAN]) == ([two.id], [])


def model(digest: int, state: str) -> dict[str, object]:
    return {"digest": bytes([digest]) * 32, "state": state, "events": ["traffic.*"], "area": "*"}


@pytest.mark.parametrize(
    ("one", "other", "decides"),
    [
        ("approved", "withdrawn", "withdrawn"),
        ("candidate", "withdrawn", "withdrawn"),
        ("approved", "candidate", "candidate"),
        ("superseded", "candidate", "candidate"),
    ],
)
def test_of_contending_approvals_the_most_restrictive_decides(
    one: str, other: str, decides: str
) -> None:
    fleet = banks()
    fleet.write("bank-a", put("model/city/n", model(1, one)), inc=5)
    fleet.write("bank-b", put("model/city/n", model(1, other)))
    register = registers(fleet)["model/city/n"]
    assert register.contested
    assert register.value == model(1, decides)


def test_equally_restrictive_values_that_differ_decide_nothing() -> None:
    fleet = banks()
    for label, digest in (("bank-a", 1), ("bank-b", 2)):
        fleet.write(label, put("model/city/n", model(digest, "withdrawn")), inc=5)
    register = registers(fleet)["model/city/n"]
    assert (register.value, register.contested, len(register.standing)) == (None, True, 2)


def test_of_a_fork_pinned_for_nobody_the_trunk_counts() -> None:
    fleet = banks()
    trunk = fleet.write("box", put(PLAN, 1))
    for value in (2, 3):
        fleet.write("box", put(PLAN, value), after=trunk)
    assert ids(registers(fleet)[PLAN]) == ([trunk.id], [])


def test_puts_on_branches_that_different_pairs_keep_contend() -> None:
    fleet = banks()
    head = fleet.write(
        "bank-a", grant("box", "city/m", 3, 1, [capability("put", "city")]), after=fleet.entries[0]
    )
    trunk = fleet.write("box", put(PLAN, 1))
    left, right = (fleet.write("box", put(PLAN, value), after=trunk) for value in (2, 3))
    head = fleet.write("bank-a", revoke("box", "city/m", cut_at(left)), after=head)
    fleet.write("bank-a", revoke("box", "city/n/0", cut_at(right)), after=head)
    assert ids(registers(fleet)[PLAN]) == (sorted([left.id, right.id]), [])


def test_a_key_without_a_rule_is_no_register() -> None:
    fleet = banks()
    fleet.write("box", put(PLAN, 1))
    assert registers(fleet, KEY_RULES[:2]) == {}


def test_severity_may_be_silent_about_some_values() -> None:
    def severity(value: object) -> int | None:
        return value if isinstance(value, int) else None

    rule = KeyRule("", "put", lambda _: True, severity=severity)
    fleet = banks()
    written: list[Entry] = []
    for label, value in (("bank-a", "x"), ("bank-b", 4)):
        written.append(fleet.write(label, put(PLAN, value), inc=5))
    assert registers(fleet, [rule])[PLAN].value == 4
