"""Histories of feeds: cuts, limits, evidence, gaps, clocks and restored backups."""

from crdt.entry import Lane, parse_entry

from .views import Told, View
from .writing import (
    STEWARD,
    box_of,
    capability,
    cut_at,
    grant,
    pin,
    public,
    put,
    revoke,
    steward_of,
    two_banks,
)


def longer_list() -> Told:
    """Both banks at epoch 2 list the old steward's feed to different lengths: the longer counts."""
    fleet = two_banks()
    fleet.write("bank-a", grant("old", "city/north", 2, 1, STEWARD))
    written = fleet.write_all(
        "old",
        [grant(f"box-{n}", f"city/north/{n}", 3, 1, box_of(f"city/north/{n}")) for n in range(4)],
    )
    other = fleet.write("old", grant("box-i", "city/north/i", 3, 1, box_of("city/north/i")), inc=7)
    lists = {"bank-a": cut_at(written[0]), "bank-b": cut_at(written[2], other)}
    for bank, items in lists.items():
        fleet.write(
            bank,
            grant(f"new-{bank}", "city/north", 2, 2, STEWARD, replaces={"old": items}),
            after=fleet.entries[0] if bank == "bank-a" else None,
        )

    def check(view: View) -> None:
        assert [view.counts(entry) for entry in written] == [True, True, True, False]
        assert view.counts(other)
        assert view.current("box-2", "city/north/2")
        assert not view.granted("box-3", "city/north/3")

    yield "the longer list counts", fleet, fleet.entries, check


def branches_in_lists() -> Told:
    """Both banks list different branches of the old steward's fork: the common part counts."""
    fleet = two_banks()
    fleet.write("bank-a", grant("old", "city/north", 2, 1, STEWARD))
    trunk = fleet.write_all(
        "old",
        [grant(f"box-{n}", f"city/north/{n}", 3, 1, box_of(f"city/north/{n}")) for n in range(2)],
    )
    branches = [
        fleet.write(
            "old",
            grant(f"twig-{n}", f"city/north/t{n}", 3, 1, box_of(f"city/north/t{n}")),
            after=trunk[-1],
        )
        for n in range(2)
    ]
    for bank, head in zip(("bank-a", "bank-b"), branches, strict=True):
        fleet.write(
            bank,
            grant(f"new-{bank}", "city/north", 2, 2, STEWARD, replaces={"old": cut_at(head)}),
            after=fleet.entries[0] if bank == "bank-a" else None,
        )

    def check(view: View) -> None:
        assert all(view.counts(entry) for entry in trunk)
        assert not any(view.counts(entry) for entry in branches)
        assert not view.standing("old", "city/north")["undecided"]

    yield "of two branches the common part", fleet, fleet.entries, check


def retired_laptop() -> Told:
    """A retired laptop's key forks at seq 0 or floods lower incarnations: nothing is lost."""
    fleet = two_banks()
    steward = fleet.write("bank-a", grant("old", "city/north", 2, 1, STEWARD))
    written = fleet.write_all(
        "old",
        [grant(f"box-{n}", f"city/north/{n}", 3, 1, box_of(f"city/north/{n}")) for n in range(3)],
        inc=1000,
    )
    fleet.write(
        "bank-a",
        grant("new", "city/north", 2, 2, STEWARD, replaces={"old": cut_at(written[-1])}),
        after=steward,
    )
    fork = fleet.write(
        "old", grant("puppet", "city/north/p", 3, 1, box_of("city/north/p")), inc=1000
    )
    flood = [
        fleet.write("old", grant("puppet", f"city/north/p{n}", 3, 1, []), inc=n) for n in range(70)
    ]

    def check(view: View) -> None:
        for number, entry in enumerate(written):
            assert view.counts(entry)
            assert view.current(f"box-{number}", f"city/north/{number}")
        assert not view.counts(fork)
        assert not any(view.counts(entry) for entry in flood)
        assert view.current("new", "city/north")
        assert not view.standing("old", "city/north")["undecided"]

    yield "nothing granted before the cut is lost", fleet, fleet.entries, check


def sock_puppets() -> Told:
    """A box writes 100 AUTH entries and "grants" puppets: limits hold, no puppet is granted."""
    fleet = two_banks()
    fleet.write(
        "bank-a",
        grant("box", "city/box", 3, 1, [*box_of("city/box"), capability("put", "city/box")]),
    )
    before = tuple(fleet.entries)
    written = fleet.write_all(
        "box",
        [
            grant("box", "city/box/own", 4, 1, steward_of("city")),
            *(grant(f"sock-{n}", f"city/box/s{n}", 5, 1, box_of("city")) for n in range(20)),
            *(put(f"city/box/k{n}", n) for n in range(79)),
        ],
    )
    fleet.write_all(
        "sock-1", [grant(f"sock-{n}", f"city/box/s{n}", 6, 1, []) for n in range(20, 40)]
    )

    def check(view: View) -> None:
        assert len(view.pairs) == 3
        assert not any(view.counts(entry) for entry in written)
        shown = [n for n in range(79) if f"city/box/k{n}" in view.registers]
        assert shown == list(range(64 - 21))
        assert view.current("bank-a", "a")
        assert view.current("bank-b", "b")
        assert view.counts(before[0])

    yield "no more than the limits is folded", fleet, fleet.entries, check


def large_entries() -> Told:
    """Few entries of a box, but more than 64 KiB: the run from the start that fits is folded."""
    fleet = two_banks()
    fleet.write("bank-a", grant("box", "city/box", 3, 1, [capability("put", "city/box")]))
    fleet.write_all("box", [put(f"city/box/k{n}", bytes(9000)) for n in range(12)])

    def check(view: View) -> None:
        assert sorted(view.registers) == sorted(f"city/box/k{n}" for n in range(7))

    yield "64 KiB of a key", fleet, fleet.entries, check


def many_incarnations() -> Told:
    """An issuer opens 70 incarnations: the lowest 64 count, and what a pin covers."""
    fleet = two_banks()
    steward = fleet.write("bank-a", grant("north", "city/north", 2, 1, STEWARD))
    written = [fleet.write("north", put(f"city/north/k{n}", n), inc=10 * n) for n in range(70)]

    def check(view: View) -> None:
        assert sorted(view.registers) == sorted(f"city/north/k{n}" for n in range(64))

    yield "the lowest 64 incarnations", fleet, tuple(fleet.entries), check
    fleet.write("bank-a", pin(written[68]), after=steward)

    def pinned(view: View) -> None:
        assert sorted(view.registers) == sorted(f"city/north/k{n}" for n in [*range(64), 68])

    yield "and what a pin covers", fleet, fleet.entries, pinned


def issuer_limits() -> Told:
    """A steward writes 100 entries: an issuer's limits are larger."""
    fleet = two_banks()
    fleet.write("bank-a", grant("north", "city/north", 2, 1, STEWARD))
    fleet.write_all("north", [put(f"city/north/k{n}", n) for n in range(100)])

    def check(view: View) -> None:
        assert len(view.registers) == 100

    yield "issuers have larger limits", fleet, fleet.entries, check


def doubled_cut() -> Told:
    """Two entries with one (lane, inc) in a cut: invalid."""
    fleet = two_banks()
    first = fleet.write("bank-a", grant("north", "city/north", 2, 1, STEWARD))
    written = fleet.write_all(
        "north",
        [grant(f"box-{n}", f"city/north/{n}", 3, 1, box_of(f"city/north/{n}")) for n in range(2)],
    )
    second = fleet.write("bank-a", revoke("north", "city/north", cut_at(*written)), after=first)
    third = fleet.write(
        "bank-a",
        grant("new", "city/north", 2, 2, STEWARD, replaces={"north": cut_at(*written)}),
        after=second,
    )
    replaced = fleet.write(
        "bank-a",
        (
            "grant",
            {
                **grant("new", "city/north", 2, 2, STEWARD)[1],
                "replaces": [{"pk": public("north"), "cut": []}] * 2,
            },
        ),
        after=third,
    )
    state = fleet.write(
        "bank-a", revoke("north", "city/north", [[1, 0, 0, bytes(32)]]), after=replaced
    )

    def check(view: View) -> None:
        assert view.current("north", "city/north")
        assert not view.granted("new", "city/north")
        assert not any(view.counts(entry) for entry in (second, third, replaced, state))

    yield "a cut names a place once", fleet, fleet.entries, check


def back_dating_thief() -> Told:
    """A thief back-dates, re-signs, forks, or opens an incarnation after the cut: void."""
    fleet = two_banks()
    steward = fleet.write("bank-a", grant("north", "city/north", 2, 1, STEWARD))
    written = fleet.write_all(
        "north",
        [grant(f"box-{n}", f"city/north/{n}", 3, 1, box_of(f"city/north/{n}")) for n in range(3)],
        inc=500,
    )
    fleet.write("bank-a", revoke("north", "city/north", cut_at(written[-1])), after=steward)
    puppet = grant("puppet", "city/north/p", 3, 1, box_of("city/north/p"))
    thefts = [
        fleet.write("north", puppet, after=written[-1], t=0),
        fleet.write("north", puppet, after=written[0], t=1),
        fleet.write("north", puppet, inc=500, t=2),
        fleet.write("north", puppet, inc=499, t=3),
        fleet.write("north", puppet, inc=501, t=4),
        fleet.write("north", grant("box-0", "city/north/0", 3, 9, STEWARD), after=written[0], t=5),
    ]
    resigned = parse_entry(written[1].wire)

    def check(view: View) -> None:
        assert [view.counts(entry) for entry in written] == [True] * 3
        assert not any(view.counts(entry) for entry in thefts)
        assert not view.granted("puppet", "city/north/p")
        assert view.standing("box-0", "city/north/0")["epoch"] == 1
        assert not view.standing("north", "city/north")["undecided"]

    yield "all void", fleet, [*fleet.entries, resigned], check


def pin_beside_a_cut() -> Told:
    """A pin names one branch of a fork, a revocation's cut the other: only their trunk is left."""
    fleet = two_banks()
    steward = fleet.write("bank-a", grant("north", "city/north", 2, 1, STEWARD))
    trunk = fleet.write("north", put("city/north/a", 1))
    pinned = fleet.write("north", put("city/north/b", 1), after=trunk)
    cut = fleet.write("north", put("city/north/c", 1), after=trunk)
    cut = fleet.write("north", put("city/north/d", 1), after=cut)
    fleet.write("bank-a", pin(pinned), after=steward)
    fleet.write("bank-b", revoke("north", "city/north", cut_at(cut)))

    def check(view: View) -> None:
        assert sorted(view.registers) == ["city/north/a", "city/north/c", "city/north/d"]

    yield "a pin exempts from evidence, from no cut", fleet, tuple(fleet.entries), check
    fleet.write("bank-b", revoke("north", "city/*", cut_at(pinned)), after=fleet.entries[-1])

    def both(view: View) -> None:
        assert sorted(view.registers) == ["city/north/a"]

    yield "cuts intersect", fleet, fleet.entries, both


def false_evidence() -> Told:
    """A warrant names one entry twice, or has a junk signature: convicts nobody."""
    fleet = two_banks()
    fleet.write("bank-a", grant("north", "city/north", 2, 1, STEWARD))
    entry = fleet.write("north", grant("box", "city/north/0", 3, 1, box_of("city/north/0")))
    junk = parse_entry(bytes(64) + entry.raw)

    def check(view: View) -> None:
        assert view.counts(entry)
        assert view.current("north", "city/north")
        assert view.current("box", "city/north/0")

    for name, copies in (("twice", [entry]), ("junk", [junk]), ("both", [junk, entry])):
        yield f"one entry {name}", fleet, [*copies, *fleet.entries, *copies], check


def whole_feeds() -> Told:
    """A steward signs invite 50 (never installed), then 51 (installed): 51 works."""
    fleet = two_banks()
    fleet.write("bank-a", grant("north", "city/north", 2, 1, STEWARD))
    written = fleet.write_all(
        "north",
        [grant(f"box-{n}", f"city/north/{n}", 3, 1, box_of(f"city/north/{n}")) for n in (50, 51)],
    )

    def whole(view: View) -> None:
        assert view.current("box-51", "city/north/51")

    yield "with the whole feed", fleet, fleet.entries, whole

    def gap(view: View) -> None:
        assert not view.granted("box-51", "city/north/51")
        assert view.current("north", "city/north")

    yield "a gap is never folded over", fleet, [fleet.entries[0], written[1]], gap


def wrong_clocks() -> Told:
    """One entry with t in 2099; one box that boots in 1970: nothing changes."""
    fleet = two_banks()
    far = 4_070_908_800_000
    first = fleet.write("bank-a", grant("box", "city/box", 3, 1, box_of("city/box")), t=far)
    fleet.write("bank-a", grant("early", "city/early", 3, 1, box_of("city/early")), after=first)
    fleet.write("early", ("status", {"topic": "lamp", "value": 1}), lane=Lane.STATE, t=0)
    future = fleet.write("box", ("status", {"topic": "lamp", "value": 1}), lane=Lane.STATE, t=far)
    fleet.write("box", ("status", {"topic": "lamp", "value": 2}), after=future, t=0)

    def check(view: View) -> None:
        assert view.state[public("box"), "city/box"] == {"lamp": 2}
        assert view.state[public("early"), "city/early"] == {"lamp": 1}

    yield "no fold reads a clock", fleet, tuple(fleet.entries), check
    fleet.write("bank-b", revoke("early", "city/early", []), t=0)

    def revoked(view: View) -> None:
        assert not view.current("early", "city/early")
        assert (public("early"), "city/early") not in view.state

    yield "its own revocation reaches it", fleet, fleet.entries, revoked


def restored_backup() -> Told:
    """A restored backup: a new incarnation is no fork; an old head written on is, until pinned."""
    fleet = two_banks()
    steward = fleet.write("bank-a", grant("north", "city/north", 2, 1, STEWARD))
    written = fleet.write_all(
        "north",
        [grant(f"box-{n}", f"city/north/{n}", 3, 1, box_of(f"city/north/{n}")) for n in range(3)],
    )
    old = fleet.write("north", ("status", {"topic": "lamp", "value": 1}), lane=Lane.STATE)
    fleet.write("north", ("status", {"topic": "only-old", "value": 1}), after=old)
    fleet.write("north", ("status", {"topic": "lamp", "value": 2}), lane=Lane.STATE, inc=65536)
    opened = fleet.write(
        "north", grant("box-9", "city/north/9", 3, 1, box_of("city/north/9")), inc=65536
    )

    def clean(view: View) -> None:
        assert view.current("north", "city/north")
        assert all(view.counts(entry) for entry in [*written, opened])
        assert view.state[public("north"), "city/north"] == {"lamp": 2}

    yield "a new incarnation is no fork", fleet, tuple(fleet.entries), clean
    rival = fleet.write(
        "north", grant("box-8", "city/north/8", 3, 1, box_of("city/north/8")), after=written[1]
    )

    def forked(view: View) -> None:
        assert view.standing("north", "city/north")["undecided"]
        assert not view.current("north", "city/north")
        assert [view.counts(entry) for entry in written] == [True, True, False]
        assert not view.counts(rival)
        assert view.counts(opened)
        assert (public("north"), "city/north") not in view.state

    yield "an old head written on is a fork", fleet, tuple(fleet.entries), forked
    above = fleet.write("north", put("city/north/plan", 1), after=rival)
    fleet.write("bank-a", pin(rival), after=steward)

    def pinned(view: View) -> None:
        assert view.current("north", "city/north")
        assert [view.counts(entry) for entry in written] == [True, True, False]
        assert view.counts(rival)
        assert view.value("city/north/plan") == 1

    yield "a pin decides", fleet, tuple(fleet.entries), pinned
    for value in (2, 3):
        fleet.write("north", put("city/north/plan", value), after=above)

    def forked_again(view: View) -> None:
        assert view.standing("north", "city/north")["undecided"]
        assert view.counts(rival)
        assert view.value("city/north/plan") == 1

    yield "up to a fork above it", fleet, fleet.entries, forked_again
