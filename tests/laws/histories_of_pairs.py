"""Histories of pairs: foreign grants, seniors and juniors, epochs, contests, second names."""

from crdt.entry import Lane

from .views import Told, View
from .writing import (
    STEWARD,
    box_of,
    cut_at,
    grant,
    public,
    put,
    revoke,
    steward_of,
    two_banks,
)


def foreign_grant() -> Told:
    """Organisation B grants A's revoked box key a senior name in b/: its a/ pair stays revoked."""
    fleet = two_banks()
    boxed = fleet.write("bank-a", grant("box", "a/box", 3, 1, box_of("a/box")))
    fleet.write("bank-a", revoke("box", "a/box", []), after=boxed)
    fleet.write_all(
        "bank-b",
        [
            grant("box", "b/chief", 2, 1, steward_of("b")),
            grant("box", "b/box", 3, 1, box_of("b/box")),
        ],
    )
    status = fleet.write("box", ("status", {"topic": "lamp", "value": 1}), lane=Lane.STATE)

    def check(view: View) -> None:
        assert view.standing("box", "a/box")["revoked"]
        assert not view.current("box", "a/box")
        assert view.current("box", "b/chief")
        assert view.current("box", "b/box")
        assert (public("box"), "a/box") not in view.state
        assert view.state[public("box"), "b/chief"] == {"lamp": status.body["value"]}

    yield "a foreign grant revives nobody", fleet, fleet.entries, check


def foreign_revocation() -> Told:
    """B grants A's live box key a name, then revokes "its" box: the a/ pair is untouched."""
    fleet = two_banks()
    fleet.write("bank-a", grant("box", "a/box", 3, 1, box_of("a/box")))
    fleet.write_all(
        "bank-b",
        [
            grant("box", "b/box", 3, 1, box_of("b/box")),
            revoke("box", "b/box", []),
            revoke("box", "b/*", []),
            revoke("box", "a/box", []),
            revoke("box", "a/*", []),
            revoke("box", "*", []),
        ],
    )

    def check(view: View) -> None:
        assert view.current("box", "a/box")
        assert view.standing("box", "b/box")["revoked"]

    yield "a foreign revocation stays in its own prefix", fleet, fleet.entries, check


def junior_takes_name() -> Told:
    """A steward grants `evil` another steward's name, at epoch 99: no effect."""
    fleet = two_banks()
    fleet.write_all(
        "bank-a",
        [
            grant("north", "city/north", 2, 1, STEWARD),
            grant("south", "city/south", 2, 1, STEWARD),
        ],
    )
    evil = fleet.write("south", grant("evil", "city/north", 3, 99, steward_of("city/north")))

    def check(view: View) -> None:
        assert not view.granted("evil", "city/north")
        assert view.current("north", "city/north")
        assert view.standing("north", "city/north")["epoch"] == 1
        assert view.counts(evil)

    yield "a junior never takes a senior's name", fleet, fleet.entries, check
    fleet.write("bank-b", revoke("north", "city/north", []))

    def revoked(view: View) -> None:
        assert not view.granted("evil", "city/north")
        assert view.holder("city/north") == []

    yield "nor a revoked senior's", fleet, fleet.entries, revoked


def mutual_replacement() -> Told:
    """Two stewards "replace" each other: both stay."""
    fleet = two_banks()
    fleet.write_all(
        "bank-a",
        [
            grant("north", "city/north", 2, 1, STEWARD),
            grant("south", "city/south", 2, 1, STEWARD),
        ],
    )
    for one, other in (("north", "south"), ("south", "north")):
        name = f"city/{other}"
        fleet.write_all(
            one,
            [
                grant(f"{one}-friend", name, 2, 2, STEWARD, replaces={other: []}),
                revoke(other, name, []),
                revoke(other, "city/*", []),
            ],
        )

    def check(view: View) -> None:
        for one, other in (("north", "south"), ("south", "north")):
            assert view.current(one, f"city/{one}")
            assert not view.granted(f"{one}-friend", f"city/{other}")

    yield "equals decide nothing about each other", fleet, fleet.entries, check


def revoked_successor() -> Told:
    """Swap K1→K2, then K2 revoked: the name has no current key; K1 does not return."""
    fleet = two_banks()
    fleet.write_all(
        "bank-a",
        [
            grant("k1", "city/box", 3, 1, box_of("city/box")),
            grant("k2", "city/box", 3, 2, box_of("city/box"), replaces={"k1": []}),
            revoke("k2", "city/box", []),
        ],
    )

    def check(view: View) -> None:
        assert view.holder("city/box") == []
        assert view.granted("k1", "city/box")
        assert not view.standing("k1", "city/box")["winning"]
        assert view.standing("k2", "city/box")["winning"]

    yield "revoking the successor revives nobody", fleet, fleet.entries, check
    fleet.write(
        "bank-a",
        grant("k3", "city/box", 3, 3, box_of("city/box"), replaces={"k1": [], "k2": []}),
        after=fleet.entries[-1],
    )

    def comeback(view: View) -> None:
        assert view.holder("city/box") == [public("k3")]

    yield "a comeback is a new key at the next epoch", fleet, fleet.entries, comeback


def contested_steward() -> Told:
    """Both banks replace one steward at epoch 2: contested; one senior grant ends it."""
    fleet = two_banks()
    first = fleet.write("bank-a", grant("old", "city/north", 2, 1, STEWARD))
    boxed = fleet.write("old", grant("box-0", "city/north/0", 3, 1, box_of("city/north/0")))
    for bank, after in (("bank-a", first), ("bank-b", None)):
        fleet.write(
            bank,
            grant(f"new-{bank}", "city/north", 2, 2, STEWARD, replaces={"old": cut_at(boxed)}),
            after=after,
        )
    heads = {}
    for bank in ("bank-a", "bank-b"):
        name = f"city/north/{bank}"
        enrolled = fleet.write(f"new-{bank}", grant(f"box-{bank}", name, 3, 1, box_of(name)))
        heads[f"new-{bank}"] = fleet.write(
            f"new-{bank}", put("city/north/plan", bank), after=enrolled
        )

    def check(view: View) -> None:
        for bank in ("bank-a", "bank-b"):
            assert view.standing(f"new-{bank}", "city/north")["contested"]
            assert view.current(f"new-{bank}", "city/north")
            assert view.current(f"box-{bank}", f"city/north/{bank}")
        assert view.current("box-0", "city/north/0")
        assert not view.current("old", "city/north")
        assert view.registers["city/north/plan"]["contested"]
        assert view.value("city/north/plan") is None

    yield "both stand, contested, and what either enrolled", fleet, tuple(fleet.entries), check
    fleet.declare(
        grant(
            "newest",
            "city/north",
            2,
            3,
            STEWARD,
            replaces={label: cut_at(head) for label, head in heads.items()},
        )
    )

    def ended(view: View) -> None:
        assert view.holder("city/north") == [public("newest")]
        assert not view.standing("newest", "city/north")["contested"]
        for bank in ("bank-a", "bank-b"):
            assert view.current(f"box-{bank}", f"city/north/{bank}")

    yield "one senior grant at the next epoch ends it", fleet, fleet.entries, ended


def swapped_on_both_banks() -> Told:
    """A swaps a steward twice (epoch 3), B, cut off, once (epoch 2): both banks' work stands."""
    fleet = two_banks()
    first = fleet.write("bank-a", grant("k1", "city/north", 2, 1, STEWARD))
    early = fleet.write("k1", grant("early", "city/north/e", 3, 1, box_of("city/north/e")))
    stolen = fleet.write(
        "k1", grant("stolen", "city/north/s", 3, 1, box_of("city/north/s")), after=early
    )
    listed = {"k1": cut_at(stolen)}
    second = fleet.write(
        "bank-a", grant("k2a", "city/north", 2, 2, STEWARD, replaces=listed), after=first
    )
    fleet.write(
        "bank-a", grant("k3a", "city/north", 2, 3, STEWARD, replaces={"k2a": []}), after=second
    )
    fleet.write("bank-b", grant("k2b", "city/north", 2, 2, STEWARD, replaces=listed))
    fleet.write_all(
        "k2b",
        [
            grant("box", "city/north/b", 3, 1, box_of("city/north/b")),
            revoke("stolen", "city/north/s", []),
        ],
    )
    late = fleet.write(
        "k1", grant("late", "city/north/l", 3, 1, box_of("city/north/l")), after=stolen
    )

    def check(view: View) -> None:
        assert view.holder("city/north") == [public("k3a")]
        assert view.current("box", "city/north/b")
        assert view.standing("stolen", "city/north/s")["revoked"]
        assert view.current("early", "city/north/e")
        assert not view.counts(late)
        assert not view.granted("late", "city/north/l")

    yield "what the dark bank did stands after the heal", fleet, fleet.entries, check


def highest_epoch() -> Told:
    """A steward grants a name at the highest epoch it can write: its seniors still take it back."""
    fleet = two_banks()
    steward = fleet.write("bank-a", grant("north", "city/north", 2, 1, STEWARD))
    top = 2**36 - 1
    fleet.write_all(
        "north",
        [
            grant("thief", "city/north/x", 3, top, box_of("city/north/x")),
            grant("thief-2", "city/north/x", 3, top + 1, box_of("city/north/x")),
        ],
    )

    def locked(view: View) -> None:
        assert view.holder("city/north/x") == [public("thief")]
        assert not view.granted("thief-2", "city/north/x")

    yield "above its own bound it grants nothing", fleet, tuple(fleet.entries), locked
    fleet.write(
        "bank-a",
        grant("fresh", "city/north/x", 3, top + 1, box_of("city/north/x"), replaces={"thief": []}),
        after=steward,
    )

    def organisation(view: View) -> None:
        assert view.holder("city/north/x") == [public("fresh")]

    yield "its organisation takes the name back", fleet, tuple(fleet.entries), organisation
    fleet.write("bank-b", grant("stray", "city/north/x", 3, 2**42 - 1, box_of("city/north/x")))
    fleet.declare(grant("freshest", "city/north/x", 3, 2**42, box_of("city/north/x")))

    def root(view: View) -> None:
        assert view.holder("city/north/x") == [public("freshest")]

    yield "root takes the name back", fleet, fleet.entries, root


def second_pair() -> Told:
    """A steward grants its own key a junior name, then is revoked with `p/*`: neither pair acts."""
    fleet = two_banks()
    steward = fleet.write("bank-a", grant("north", "city/north", 2, 1, STEWARD))
    second = fleet.write("north", grant("north", "city/north/me", 3, 1, STEWARD))
    fleet.write("bank-a", revoke("north", "city/*", cut_at(second)), after=steward)
    later = fleet.write_all(
        "north",
        [
            grant("puppet", "city/north/p", 4, 1, box_of("city/north/p")),
            revoke("box", "city/north/b", []),
            grant("north", "city/north/again", 3, 1, STEWARD),
        ],
        after=second,
    )
    fleet.write("bank-b", grant("north", "city/back", 2, 9, STEWARD))

    def check(view: View) -> None:
        for name in ("city/north", "city/north/me", "city/back"):
            assert view.standing("north", name)["revoked"]
            assert not view.current("north", name)
        assert not any(view.counts(entry) for entry in later)
        assert not view.granted("puppet", "city/north/p")
        assert not view.granted("north", "city/north/again")

    yield "present or later pairs of the key, all revoked", fleet, fleet.entries, check
