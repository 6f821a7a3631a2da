"""Histories of pins where lanes prune: what they settle once snapshots took their entries away."""

from crdt.entry import Entry, Lane

from .views import Told, View
from .writing import STEWARD, Fleet, box_of, grant, pin, public, two_banks


def lamp(value: int) -> tuple[str, object]:
    """Return a status of one topic."""
    return "status", {"topic": "lamp", "value": value}


def snap(value: int) -> tuple[str, object]:
    """Return a snapshot of that topic."""
    return "snap", {"map": {"lamp": value}}


def boxed() -> tuple[Fleet, Entry]:
    """Return banks, two stewards and a box, and the last that the first bank wrote."""
    fleet = two_banks()
    granted = fleet.write_all(
        "bank-a",
        [
            grant("north", "city/north", 2, 1, STEWARD),
            grant("south", "city/south", 2, 1, STEWARD),
            grant("box", "city/box", 3, 1, box_of("city/box")),
        ],
    )
    return fleet, granted[-1]


def shown(view: View) -> dict[str, object] | None:
    """Return what the box shows, None while it is quarantined."""
    assert view.current("box", "city/box") != view.standing("box", "city/box")["undecided"]
    if not view.current("box", "city/box"):
        return None
    return view.state.get((public("box"), "city/box"), {})


def snapshots_after_a_pin() -> Told:
    """A pinned box goes on; its next fork quarantines it, whatever it states above that."""
    fleet, bank = boxed()
    start = fleet.write("box", lamp(0), lane=Lane.STATE)
    fleet.write("box", lamp(9), after=start)
    kept = fleet.write("box", lamp(1), after=start)

    def hidden(view: View) -> None:
        assert shown(view) is None

    def shows(value: int) -> object:
        def check(view: View) -> None:
            assert shown(view) == {"lamp": value}

        return check

    yield "a fork hides", fleet, tuple(fleet.entries), hidden
    pinned = fleet.write("bank-a", pin(kept), after=bank)
    yield "a pin decides", fleet, tuple(fleet.entries), shows(1)
    first = fleet.write("box", snap(2), after=kept)
    yield "and stays when a snapshot supersedes it", fleet, tuple(fleet.entries), shows(2)
    for value in (7, 8):
        twig = fleet.write("box", lamp(value), after=first)
    yield "a fork above it hides again", fleet, tuple(fleet.entries), hidden
    last = fleet.write("box", snap(3), after=twig)
    yield "no snapshot of the forker ends that", fleet, tuple(fleet.entries), hidden
    fleet.write("box", snap(4), lane=Lane.STATE, inc=7)
    yield "nor a higher incarnation", fleet, tuple(fleet.entries), hidden
    fleet.write("bank-a", pin(last), after=pinned)
    yield "a pin above it does", fleet, tuple(fleet.entries), shows(4)


def forked_under_the_snapshot() -> Told:
    """A fork above the pinned entry, and one snapshot that supersedes both."""
    fleet, bank = boxed()
    start, rival = (fleet.write("box", lamp(value), lane=Lane.FLEET) for value in (1, 2))
    fleet.write("bank-a", pin(start), after=bank)
    twigs = [fleet.write("box", lamp(value), after=start) for value in (3, 4)]
    fleet.write("box", ("snap", {"map": {}}), after=twigs[0])
    before = tuple(fleet.entries)

    def hidden(view: View) -> None:
        assert shown(view) is None

    yield "the fork is not below the pin", fleet, before, hidden
    without = tuple(entry for entry in before if entry != twigs[1])

    def settled(view: View) -> None:
        assert shown(view) is not None

    yield "without it the pin decides", fleet, without, settled
    assert rival in without


def pinned_when_it_is_gone() -> Told:
    """One branch is superseded by the other's snapshot: the pin of it speaks by its place."""
    fleet, bank = boxed()
    start = fleet.write("box", lamp(0), lane=Lane.STATE)
    low = fleet.write("box", lamp(1), after=start)
    high = fleet.write("box", lamp(2), after=low)
    other = start
    for value in (5, 6):
        other = fleet.write("box", lamp(value), after=other)
    fleet.write("box", snap(7), after=other)
    pinned = fleet.write("bank-a", pin(low), after=bank)

    def hidden(view: View) -> None:
        assert shown(view) is None

    yield "evidence above it stays", fleet, tuple(fleet.entries), hidden
    fleet.write("bank-a", pin(high), after=pinned)
    before = tuple(fleet.entries)

    def settled(view: View) -> None:
        assert shown(view) == {"lamp": 7}

    yield "evidence at its place is settled", fleet, before, settled
    absent = tuple(entry for entry in before if entry != low)
    yield "whether or not it is held", fleet, absent, settled


def equals_pin_two_branches() -> Told:
    """Two stewards pin two branches: both hold the key to be good, and no branch speaks."""
    fleet, _ = boxed()
    one, other = (fleet.write("box", lamp(value), lane=Lane.STATE) for value in (1, 2))
    fleet.write("north", pin(one))
    fleet.write("south", pin(other))

    def silent(view: View) -> None:
        assert shown(view) == {}

    yield "no branch is chosen", fleet, tuple(fleet.entries), silent
    fleet.write("box", snap(3), after=one)

    def gone(view: View) -> None:
        assert shown(view) == {"lamp": 3}

    yield "until a snapshot supersedes both", fleet, fleet.entries, gone
