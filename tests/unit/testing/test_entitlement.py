"""Who signs without the right to is refused, in the fixture and in scenarios, or says `in_vain`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.testing.fleets.fleet import Fleet, FleetError
from tests.sim.playing import play, scenario


def held(fleet: Fleet) -> dict[str, set[bytes]]:
    return {
        name: {entry.id for entry in box.mind.replica.entries()}
        for name, box in fleet.boxes.items()
    }


WHO = ["centre", "north/steward", "south/steward", "north/box-0", "south/box-1"]


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    made = Fleet(boxes=2, seed=31)
    made.stand()
    return made


@pytest.mark.parametrize(
    ("do", "told"),
    [
        (
            lambda f: f.revoke("south/box-1", by="north/box-0"),
            "expected a key that holds `revoke` over it; to see that nobody heeds it, say in_vain",
        ),
        (lambda f: f.revoke("centre", by="north/steward"), "may not revoke centre"),
        (lambda f: f.revoke("north/steward", by="north/steward"), "own name: only a senior"),
        (lambda f: f.swap_hardware("south/box-1", by="north/steward"), "may not grant south/box-1"),
        (lambda f: f.spawn("south/box-7", by="north/box-0"), "may not grant south/box-7"),
        (lambda f: f.box("south/box-1").grant(bytes(32), "x"), "south/box-1 may not grant x"),
        (lambda f: f.centre.grant(bytes(32), "north/steward"), "is granted at stratum 2: a box"),
        (lambda f: f.box("north/box-0").put("limit", 1), "north/box-0 may not put limit"),
        (lambda f: f.centre.put("two words", 1), "no register is called 'two words'"),
        (lambda f: f.centre.put("place/north/box-0", 1), "cannot have the value 1"),
        (
            lambda f: f.revoke("south/box-1", in_vain=True),
            "centre may sign that, so it is not in vain: leave in_vain out",
        ),
    ],
)
def test_what_would_change_nothing_is_refused_and_nothing_is_written(fleet: Fleet, do, told: str):
    before = held(fleet)
    with pytest.raises(FleetError) as caught:
        do(fleet)
    assert told in str(caught.value)
    assert held(fleet) == before
    assert set(fleet.town.places) == {"north/box-0", "south/box-1"}


def test_an_adversary_that_says_so_signs_and_nobody_heeds_it():
    fleet = Fleet(boxes=2, seed=32)
    fleet.stand()
    fleet.revoke("south/box-1", by="north/box-0", in_vain=True)
    fleet.box("north/box-0").put("limit", 3, in_vain=True)
    fleet.run(seconds=10)
    fleet.settle()
    assert all(box.trusts("south/box-1") for box in fleet.up())
    authors = {entry.author for entry in fleet.centre.mind.replica.entries() if entry.kind == "put"}
    assert fleet.box("north/box-0").node.public in authors, "it came, and was stored"
    limit = fleet.centre.mind.replica.registers.get("limit")
    assert limit is None or not limit.standing


@given(st.sampled_from(WHO), st.sampled_from(WHO))
def test_a_revocation_is_refused_just_where_it_would_change_no_view(by: str, name: str):
    """What the check says and what the fold makes of it agree, for everybody on everybody."""
    found = Fleet(boxes=2, seed=33)
    signer = found.box(by)
    try:
        signer.revoke(name)
        may = True
    except FleetError:
        signer.revoke(name, in_vain=True)
        may = False
    found.run(seconds=1)
    assert signer.trusts(name) is not may


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("revoke: {name: south/box-1, by: north/box-0}", "north/box-0 may not revoke south/box-1"),
        ("grant: {name: south/box-9, by: north/steward}", "may not grant south/box-9"),
        ("swap_hardware: {name: south/box-1, by: north/steward}", "may not grant south/box-1"),
        ("grant: {name: north/x, role: steward, by: north/steward}", "at a stratum below 2"),
        ("grant: {name: north/x, to: north/box-7}", "nobody is called 'north/box-7': did you mean"),
        ("grant: {name: south/guest, to: north/box-0, by: south/steward}", ""),
        ("pin: {name: north/box-0}", "no feed of north/box-0 is forked and undecided"),
        ("put: {key: limit, value: 1, by: north/box-0}", "north/box-0 may not put limit"),
        ("revoke: {name: south/box-1, in_vain: true}", "centre may sign that"),
        ("revoke: {name: south/box-1, by: north/box-0, in_vain: true}", ""),
        ("grant: {name: south/box-9, by: north/box-0, in_vain: true}", ""),
        ("put: {key: limit, value: 1, by: north/box-0, in_vain: true}", ""),
    ],
)
def test_a_step_that_cannot_have_an_effect_breaks_the_scenario(step: str, told: str):
    result = play(scenario(f"{step}\nrun: 5s", "NoSplitBrainNames"))
    assert (told in result.trouble) if told else not result.trouble
    assert (result.word == "broken") is bool(told)
