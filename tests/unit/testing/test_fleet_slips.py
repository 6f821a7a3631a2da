"""A slip in a test is a sentence that names it: no green test, and no error of the inside."""

from collections.abc import Callable

import pytest

from mesh.testing.fleets.fleet import Fleet, FleetError

KEY = bytes(32)


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"boxes": -6}, "boxes=-6: expected a whole number, 1 or more"),
        ({"boxes": 0}, "boxes=0: expected a whole number, 1 or more"),
        ({"boxes": "six"}, "boxes='six': expected a whole number, 1 or more"),
        ({"boxes": True}, "boxes=True: expected a whole number"),
        ({"events": "parking.*"}, "expected a list of patterns, as ['parking.*']"),
        ({"events": ["Parking"]}, "event pattern 'Parking': expected *, a.b or a.*"),
    ],
)
def test_a_fleet_that_cannot_be_meant_is_refused(wishes: dict[str, object], told: str):
    with pytest.raises(FleetError) as refused:
        Fleet(**wishes)  # type: ignore[arg-type]  (slips)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("do", "told"),
    [
        (lambda f: f.publish("south/box-77"), "nobody is called 'south/box-77': did you mean s"),
        (lambda f: f.publish("centre"), "centre stands nowhere: only boxes publish"),
        (lambda f: f.swap_hardware("north/box-7", by="centre"), "nobody is called 'north/box-7'"),
        (lambda f: f.swap_hardware("north/*", by="centre"), "nobody is called 'north/*'"),
        (lambda f: f.spawn("north/box 1"), "'north/box 1' cannot be a box: names 'north/box 1'"),
        (lambda f: f.centre.grant(KEY, "north/*"), "'north/*' cannot be a box: names 'north/*'"),
        (lambda f: f.cut("all", f.names()), "a cut of everybody from nobody: leave somebody on"),
        (lambda f: f.heal("river"), "no cut is called 'river': none stands"),
    ],
)
def test_a_step_that_cannot_be_meant_is_refused(do: Callable[[Fleet], object], told: str):
    fleet = Fleet(boxes=4)
    with pytest.raises(FleetError) as refused:
        do(fleet)
    assert told in str(refused.value)


def test_a_cut_that_is_not_there_is_told_with_those_that_are():
    fleet = Fleet(boxes=2)
    fleet.cut("river", ["centre"])
    fleet.cut("street", ["north/box-0"])
    with pytest.raises(FleetError, match="'rivver': expected one of river, street"):
        fleet.heal("rivver")


@pytest.mark.parametrize(
    ("side", "other", "told"),
    [
        (["north/box-0"], ["south/box-1"], "centre, north/steward, south/steward are on neither"),
        (
            ["north/box-0", "centre", "north/steward"],
            ["south/box-1"],
            "south/steward is on neither",
        ),
        (["centre"], ["centre"], "centre is on both sides"),
    ],
)
def test_a_partition_that_leaves_somebody_out_is_refused(
    side: list[str], other: list[str], told: str
):
    fleet = Fleet(boxes=2)
    with pytest.raises(FleetError, match=told), fleet.partition(side, other):
        pytest.fail("it was cut")
    assert fleet.simulation.network.cuts() == []
