"""The laws of registers and status: the oracle over generated worlds, then cases."""

from collections.abc import Sequence

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from crdt.authority import fold_authority
from crdt.entry import Entry, Lane
from identity.capability import is_at_or_under

from .deeds import World
from .strategies import worlds
from .views import KEY_RULES, Folding, fold_view, oracle_view
from .writing import (
    STEWARD,
    Fleet,
    box_of,
    capability,
    grant,
    pin,
    public,
    put,
    two_banks,
)

FOLDINGS = pytest.mark.parametrize(
    "folding", [pytest.param(oracle_view, id="oracle"), pytest.param(fold_view, id="fold")]
)
LAMP = "city/n/lamp"


@given(worlds())
def test_registers_and_status_are_the_oracle_s(world: World) -> None:
    history = (world.fleet.genesis, world.fleet.statements, world.entries)
    expected = oracle_view(*history)
    for shown in expected.registers.values():
        event("contested" if shown["contested"] else "settled")
        if shown["shown"]:
            event("with a junior contender")
    folded = fold_view(*history)
    assert folded.registers == expected.registers
    assert folded.state == expected.state
    assert folded.fleet == expected.fleet


@given(worlds())
def test_i8_an_unauthorised_put_is_never_visible(world: World) -> None:
    history = (world.fleet.genesis, world.fleet.statements, world.entries)
    view = fold_view(*history)
    written = {entry.id: entry for entry in world.entries}
    for key, register in view.registers.items():
        rule = next(rule for rule in KEY_RULES if key.startswith(rule.prefix))
        name, verb = key.removeprefix(rule.prefix), rule.verb
        for value, pair, stratum, id_ in [*register["standing"], *register["shown"]]:
            if stratum == 0:
                continue
            held = view.pairs[pair]["capabilities"]
            assert any(one.verb == verb and is_at_or_under(name, one.names) for one in held)
            assert written[id_].author == pair[0]
            assert written[id_].body["value"] == value
            assert rule.check(value)


@given(worlds())
def test_only_current_pairs_show_status(world: World) -> None:
    history = (world.fleet.genesis, world.fleet.statements, world.entries)
    view = fold_view(*history)
    authority = fold_authority(*history)
    for pair in [*view.state, *view.fleet]:
        assert pair in {
            (one.key, one.name) for one in authority.standings if authority.current(one)
        }
        assert any(one.verb == "state" for one in view.pairs[pair]["capabilities"])


def stewards(count: int = 2) -> tuple[Fleet, list[str]]:
    """Return two banks and stewards `steward-0` … of neighbouring names, none contested."""
    fleet = two_banks()
    labels = [f"steward-{number}" for number in range(count)]
    fleet.write_all("bank-a", [grant(label, f"city/{label}", 2, 1, STEWARD) for label in labels])
    return fleet, labels


def contended(fleet: Fleet, folding: Folding, key: str) -> dict:
    return folding(*fleet.history).registers[key]


@FOLDINGS
def test_the_later_of_one_feed_stands(folding: Folding) -> None:
    fleet, (north, _) = stewards()
    fleet.write_all(north, [put(LAMP, value) for value in (1, 2, 3)])
    register = contended(fleet, folding, LAMP)
    assert (register["value"], register["contested"]) == (3, False)
    assert len(register["standing"]) == 1


@FOLDINGS
def test_equals_contend_until_one_supersedes_the_other(folding: Folding) -> None:
    fleet, (north, south) = stewards()
    first = fleet.write(north, put(LAMP, 1))
    fleet.write(south, put(LAMP, 2))
    register = contended(fleet, folding, LAMP)
    assert (register["value"], register["contested"]) == (None, True)
    assert sorted(value for value, *_ in register["standing"]) == [1, 2]
    fleet.write(south, put(LAMP, 3, first), after=fleet.entries[-1])
    register = contended(fleet, folding, LAMP)
    assert (register["value"], register["contested"]) == (3, False)


@FOLDINGS
def test_a_junior_supersedes_no_senior(folding: Folding) -> None:
    fleet, (north, _) = stewards()
    senior = fleet.write("bank-b", put(LAMP, 1))
    junior = fleet.write(north, put(LAMP, 2, senior))
    register = contended(fleet, folding, LAMP)
    assert (register["value"], register["contested"]) == (1, False)
    assert [one[3] for one in register["shown"]] == [junior.id]
    fleet.write("bank-b", put(LAMP, 3, junior), after=senior)
    assert contended(fleet, folding, LAMP)["shown"] == []


@FOLDINGS
def test_a_contested_pair_supersedes_nothing(folding: Folding) -> None:
    fleet, (north, _) = stewards()
    plain = fleet.write(north, put(LAMP, 1))
    for label in ("one", "other"):
        fleet.write("bank-b", grant(label, "city/twin", 2, 1, STEWARD), after=fleet_head(fleet))
    fleet.write("one", put(LAMP, 2, plain))
    register = contended(fleet, folding, LAMP)
    assert register["contested"]
    assert sorted(value for value, *_ in register["standing"]) == [1, 2]


def fleet_head(fleet: Fleet) -> Entry | None:
    """Return the last entry that the second bank wrote."""
    written = [entry for entry in fleet.entries if entry.author == public("bank-b")]
    return written[-1] if written else None


@FOLDINGS
def test_the_roots_supersede_themselves_in_order_and_all_that_they_name(folding: Folding) -> None:
    fleet, (north, _) = stewards()
    junior = fleet.write(north, put(LAMP, 1))
    fleet.declare(put(LAMP, 2), put(LAMP, 3))
    register = contended(fleet, folding, LAMP)
    assert register["value"] == 3
    assert [one[3] for one in register["shown"]] == [junior.id]
    fleet.declare(put(LAMP, 4, junior))
    register = contended(fleet, folding, LAMP)
    assert (register["value"], register["shown"]) == (4, [])


def model(state: str, *, events: Sequence[str] = ("traffic.*",)) -> dict[str, object]:
    return {"digest": bytes(32), "state": state, "events": list(events), "area": "*"}


@FOLDINGS
@pytest.mark.parametrize(
    ("states", "decides"),
    [
        (("withdrawn", "approved"), "withdrawn"),
        (("approved", "withdrawn"), "withdrawn"),
        (("candidate", "approved"), "candidate"),
        (("candidate", "superseded"), "candidate"),
        (("withdrawn", "candidate"), "withdrawn"),
        (("approved", "approved"), "approved"),
    ],
)
def test_the_most_restrictive_model_record_decides(
    folding: Folding, states: tuple[str, str], decides: str
) -> None:
    fleet, labels = stewards()
    for label, state in zip(labels, states, strict=True):
        fleet.write(label, put("model/city/n", model(state)))
    register = contended(fleet, folding, "model/city/n")
    assert register["contested"]
    assert register["value"] == model(decides)


@FOLDINGS
def test_an_approval_wider_than_the_capability_is_nothing(folding: Folding) -> None:
    fleet = two_banks()
    narrow = [capability("approve", "city/n", events=["traffic.*"], area="*")]
    fleet.write("bank-a", grant("north", "city/n", 2, 1, narrow))
    wide = fleet.write("north", put("model/city/n", model("approved", events=("*",))))
    assert "model/city/n" not in folding(*fleet.history).registers
    fleet.write("north", put("model/city/n", model("approved")), after=wide)
    assert contended(fleet, folding, "model/city/n")["value"] == model("approved")


@FOLDINGS
def test_a_malformed_value_supersedes_nothing(folding: Folding) -> None:
    fleet, (north, _) = stewards()
    first = fleet.write(
        north, put("place/city/n", {"cell": bytes(8), "position": [0, 0], "edges": []})
    )
    fleet.write(north, put("place/city/n", {"cell": "here"}, first), after=first)
    assert contended(fleet, folding, "place/city/n")["value"]["cell"] == bytes(8)


def boxed() -> Fleet:
    fleet = two_banks()
    fleet.write("bank-a", grant("box", "city/n", 3, 1, box_of("city/n")))
    return fleet


def state_of(fleet: Fleet, folding: Folding) -> dict[str, object]:
    return folding(*fleet.history).state.get((public("box"), "city/n"), {})


def lamp(value: int, topic: str = "lamp") -> tuple[str, object]:
    return "status", {"topic": topic, "value": value}


def write_state(fleet: Fleet, said: Sequence[tuple[str, object]], inc: int = 0) -> list[Entry]:
    written: list[Entry] = []
    for one in said:
        after = written[-1] if written else None
        written.append(fleet.write("box", one, after=after, inc=inc, lane=Lane.STATE))
    return written


@FOLDINGS
def test_status_is_that_of_the_highest_incarnation(folding: Folding) -> None:
    fleet = boxed()
    write_state(fleet, [lamp(2), lamp(3, "door")], inc=9)
    write_state(fleet, [lamp(1), lamp(4, "fan")], inc=5)
    assert state_of(fleet, folding) == {"lamp": 2, "door": 3}


@FOLDINGS
def test_nothing_before_the_last_snapshot_is_read(folding: Folding) -> None:
    fleet = boxed()
    written = write_state(fleet, [lamp(1), lamp(1, "door"), ("snap", {"map": {"fan": 5}}), lamp(2)])
    assert state_of(fleet, folding) == {"fan": 5, "lamp": 2}
    for entry in written[:2]:
        fleet.entries.remove(entry)
    assert state_of(fleet, folding) == {"fan": 5, "lamp": 2}


@FOLDINGS
def test_a_gap_without_a_snapshot_is_not_folded_over(folding: Folding) -> None:
    fleet = boxed()
    written = write_state(fleet, [lamp(1), lamp(2), lamp(3)])
    fleet.entries.remove(written[1])
    assert state_of(fleet, folding) == {"lamp": 1}


@FOLDINGS
@given(count=st.integers(60, 70), snapshot=st.booleans())
def test_sixty_four_entries_beyond_a_snapshot(folding: Folding, count: int, snapshot: bool) -> None:
    fleet = boxed()
    start = [("snap", {"map": {}})] if snapshot else []
    write_state(fleet, [*start, *(lamp(number) for number in range(count))])
    assert state_of(fleet, folding) == {"lamp": min(count, 64) - 1}


@FOLDINGS
def test_sixty_four_topics(folding: Folding) -> None:
    fleet = boxed()
    topics: dict[str, object] = {f"t{number}": number for number in range(63)}
    write_state(fleet, [("snap", {"map": topics}), lamp(1), lamp(2, "door"), lamp(3)])
    assert state_of(fleet, folding) == {**topics, "lamp": 3}


@FOLDINGS
def test_a_fork_hides_status_until_a_pin_decides(folding: Folding) -> None:
    fleet = boxed()
    first, second = write_state(fleet, [lamp(1), lamp(2)])
    fleet.write("box", lamp(9), after=first)
    assert state_of(fleet, folding) == {}
    fleet.write("bank-a", pin(second), after=fleet.entries[0])
    assert state_of(fleet, folding) == {"lamp": 2}


@FOLDINGS
def test_fleet_topics_are_kinds(folding: Folding) -> None:
    fleet = boxed()
    runs = {"models": [{"digest": bytes(32), "since": 1}], "agents": [], "config": []}
    links = {"peers": sorted([public("a"), public("b")])}
    first = fleet.write("box", ("runs", runs), lane=Lane.FLEET)
    second = fleet.write("box", ("links", links), after=first)
    fleet.write("box", lamp(1), after=second)
    assert folding(*fleet.history).fleet == {
        (public("box"), "city/n"): {"runs": runs, "links": links}
    }
