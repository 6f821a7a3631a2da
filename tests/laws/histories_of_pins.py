"""Histories of pins: who decides between the branches of a fork, and of what only seniors may."""

from crdt.entry import Entry

from .views import Told, View
from .writing import (
    STEWARD,
    Fleet,
    box_of,
    capability,
    cut_at,
    grant,
    pin,
    put,
    revoke,
    steward_of,
    two_banks,
)


def forked_box() -> tuple[Fleet, list[Entry], list[Entry]]:
    """Return banks, two stewards, and the two branches that a box wrote, three entries each."""
    fleet = two_banks()
    boxed = [*box_of("city/box"), capability("put", "city/box")]
    fleet.write_all(
        "bank-a",
        [
            grant("north", "city/north", 2, 1, STEWARD),
            grant("south", "city/south", 2, 1, STEWARD),
            grant("box", "city/box", 3, 1, boxed),
        ],
    )
    trunk = fleet.write("box", put("city/box/trunk", 0))
    one, other = (
        fleet.write_all("box", [put(f"city/box/{branch}{n}", n) for n in range(3)], after=trunk)
        for branch in "ab"
    )
    return fleet, one, other


def pinned(view: View) -> list[str]:
    """Return which of the box's registers show, but for the trunk's."""
    return sorted(key[-2:] for key in view.registers if not key.endswith("trunk"))


def contradicting_pins() -> Told:
    """Pins of one stratum on two branches decide nothing; a senior's decides over both."""
    fleet, one, other = forked_box()
    fleet.write("north", pin(one[1]))

    def first(view: View) -> None:
        assert view.current("box", "city/box")
        assert pinned(view) == ["a0", "a1", "a2"]

    yield "one pin decides", fleet, tuple(fleet.entries), first
    south = fleet.write("south", pin(other[0]))

    def contradicted(view: View) -> None:
        assert view.standing("box", "city/box")["undecided"]
        assert pinned(view) == []

    yield "two on two branches decide nothing", fleet, tuple(fleet.entries), contradicted
    fleet.write("bank-b", pin(other[1]))

    def senior(view: View) -> None:
        assert view.current("box", "city/box")
        assert pinned(view) == ["b0", "b1", "b2"]

    yield "a senior's decides", fleet, tuple(fleet.entries), senior
    fleet.write("south", pin(other[2]), after=south)

    def junior(view: View) -> None:
        assert view.current("box", "city/box")
        assert pinned(view) == ["b0", "b1", "b2"]

    yield "a junior's counts if it descends from the senior's", fleet, fleet.entries, junior


def juniors_choose_above() -> Told:
    """A senior pins the trunk, juniors the branches above it: where they agree, that counts."""
    fleet, one, other = forked_box()
    trunk = next(entry for entry in fleet.entries if entry.id == one[0].prev)
    fleet.write("bank-b", pin(trunk))

    def below(view: View) -> None:
        assert view.standing("box", "city/box")["undecided"]
        assert pinned(view) == []
        assert "city/box/trunk" in view.registers

    yield "a pin below a fork decides nothing above it", fleet, tuple(fleet.entries), below
    fleet.write("north", pin(one[0]))

    def above(view: View) -> None:
        assert view.current("box", "city/box")
        assert pinned(view) == ["a0", "a1", "a2"]

    yield "a junior's pin above it decides", fleet, tuple(fleet.entries), above
    fleet.write("south", pin(other[0]))

    def contradicted(view: View) -> None:
        assert view.standing("box", "city/box")["undecided"]
        assert "city/box/trunk" in view.registers
        assert pinned(view) == []

    yield "until another contradicts it: the senior's stays", fleet, fleet.entries, contradicted


def equals_agree_below() -> Told:
    """Of three pins of one stratum two contradict each other; the third is below both."""
    fleet, one, other = forked_box()
    trunk = next(entry for entry in fleet.entries if entry.id == one[0].prev)
    below = fleet.write("north", pin(trunk))
    fleet.write("north", pin(one[0]), after=below)
    fleet.write("south", pin(other[0]))

    def agreed(view: View) -> None:
        assert view.standing("box", "city/box")["undecided"]
        assert "city/box/trunk" in view.registers
        assert pinned(view) == []

    yield "what both descend from is pinned", fleet, fleet.entries, agreed


def equals_pin_nothing() -> Told:
    """A pin by the forker itself, or by its equal, exempts nothing."""
    fleet, one, _ = forked_box()
    fleet.write("bank-a", grant("peer", "city/peer", 3, 1, STEWARD), after=fleet.entries[2])
    fleet.write("peer", pin(one[0]))
    fleet.write("box", pin(one[0]), inc=9)

    def check(view: View) -> None:
        assert view.standing("box", "city/box")["undecided"]
        assert pinned(view) == []

    yield "equals pin nothing", fleet, fleet.entries, check


def pins_elsewhere() -> Told:
    """A senior's pin decides only for the names that its verb covers."""
    fleet, one, _ = forked_box()
    fleet.declare(grant("bank-c", "c", 1, 1, steward_of("c")))
    granted = fleet.write("bank-c", grant("box", "c/box", 3, 1, box_of("c/box")))
    fleet.write("bank-c", pin(one[0]), after=granted)

    def check(view: View) -> None:
        assert view.current("box", "c/box")
        assert view.standing("box", "city/box")["undecided"]
        assert pinned(view) == []

    yield "each pair by who may pin its name", fleet, fleet.entries, check


def root_alone_writes_all_names() -> Told:
    """Only root may revoke under `*`, whoever else holds `revoke` over every name."""
    fleet = two_banks()
    fleet.declare(grant("bank-c", "c", 1, 1, steward_of("")))
    fleet.write("bank-a", grant("box", "city/box", 3, 1, box_of("city/box")))
    fleet.write("bank-c", revoke("box", "*", []))

    def untouched(view: View) -> None:
        assert view.current("box", "city/box")

    yield "an organisation may not", fleet, tuple(fleet.entries), untouched
    fleet.declare(revoke("box", "*", []))

    def revoked(view: View) -> None:
        assert view.standing("box", "city/box")["revoked"]

    yield "root may", fleet, fleet.entries, revoked


def narrowing() -> Told:
    """A capability that no single pair issuing the same grant covers is dropped."""
    fleet = Fleet()
    traffic = {"events": ["traffic.*"], "area": "*"}
    fleet.declare(
        grant("bank-a", "a", 1, 1, [capability("grant", "city"), capability("state", "city")]),
        grant("bank-a", "b", 1, 1, [capability("publish", "city", **traffic)]),
    )
    van = capability("publish", "city/box", events=["traffic.van"], area="*")
    fleet.write("bank-a", grant("box", "city/box", 3, 1, [van, capability("state", "city/box")]))

    def dropped(view: View) -> None:
        standing = view.standing("box", "city/box")
        assert [held.verb for held in standing["capabilities"]] == ["state"]
        assert [held.verb for held in standing["dropped"]] == ["publish"]

    yield "the other pair may publish and may not grant", fleet, tuple(fleet.entries), dropped
    fleet.declare(
        grant(
            "bank-a",
            "b",
            1,
            1,
            [capability("grant", "city"), capability("publish", "city", **traffic)],
        )
    )

    def held(view: View) -> None:
        standing = view.standing("box", "city/box")
        assert [held.verb for held in standing["capabilities"]] == ["state", "publish"]
        assert standing["dropped"] == []

    yield "each capability by one pair that grants", fleet, fleet.entries, held


def highest_list() -> Told:
    """Only the highest grants that list a key give its cut; a list at its own epoch gives none."""
    fleet = two_banks()
    fleet.write("bank-a", grant("old", "city/north", 2, 1, STEWARD))
    written = fleet.write_all("old", [put(f"city/north/k{n}", n) for n in range(4)])
    for epoch, length in ((1, 0), (2, 3), (3, 1)):
        listed = {"old": cut_at(written[length])}
        fleet.write(
            "bank-b",
            grant(f"new-{epoch}", "city/north", 2, epoch, STEWARD, replaces=listed),
            inc=epoch,
        )

    def check(view: View) -> None:
        assert sorted(view.registers) == ["city/north/k0", "city/north/k1"]

    yield "epoch 3's list, not the longer one of epoch 2", fleet, fleet.entries, check
