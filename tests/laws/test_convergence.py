"""The law of convergence: replicas that exchange only through sync sessions show equal views.

A fold is a function of the set, but a replica neither keeps nor serves all that it was offered: it
prunes what a snapshot superseded, lets wait what is beyond a limit, and keeps evidence without its
ancestors. So each rule about what is kept, shown in a leaf, asked for and served is judged here by
its end: after sessions until none adds anything, every view is equal, what a session compares is
equal too, and a fresh replica learns it all from any one of them. As in a fleet, what a peer sent
and was not kept is remembered from session to session.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from random import Random

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from crdt.entry import Entry, Lane
from crdt.replica import Replica
from crdt.standing import Pair
from crdt.sync import Refused, SyncLimits
from tests.unit.crdt.worlds import LINES, Line, offer_all, perform, tiny_limits, views

from .conversing import MEMBER, assert_agree, converse, replica_of
from .deeds import World
from .histories_of_pins import forked_box
from .strategies import worlds
from .writing import (
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
    two_banks,
)

LAPS_MAX = 12
"""Laps of sessions after which replicas that still learn something will never rest."""
ROUTES = {
    2: ([(0, 1)],),
    3: ([(0, 1), (1, 2)], [(1, 2), (0, 1)], list(combinations(range(3), 2))),
}
"""Who talks with whom in a lap, in order, for so many replicas."""


def settle(
    replicas: Sequence[Replica],
    route: Iterable[tuple[int, int]],
    limits: SyncLimits | None = None,
) -> None:
    """Let replicas talk along a route, lap after lap, until a whole lap adds nothing."""
    route = list(route)
    refused: dict[tuple[int, int], Refused] = {}
    for _ in range(LAPS_MAX):
        added = 0
        for one, other in route:
            known = refused.get((one, other)), refused.get((other, one))
            left, right = converse(replicas[one], replicas[other], limits=limits, refused=known)
            refused[one, other], refused[other, one] = left.refused, right.refused
            for each in (left.statistics(), right.statistics()):
                added += each.entries_added + each.roots_added
        if not added:
            return
    raise AssertionError(f"no rest after {LAPS_MAX} laps")


def assert_converged(fleet: Fleet, replicas: Sequence[Replica]) -> None:
    """Check that views and leaves are equal and that either can hand all of it on."""
    assert_agree(*replicas)
    fresh = replica_of(fleet, (), ())
    settle([fresh, replicas[-1]], [(0, 1)])
    assert_agree(fresh, *replicas)


def dealt(fleet: Fleet, entries: Sequence[Entry], random: Random, parts: int) -> list[Replica]:
    """Return replicas that hold parts of a set, offered in some order, with reads in between."""
    replicas: list[Replica] = []
    for _ in range(parts):
        share = random.choice((0.3, 0.6, 0.8, 1.0))
        own = [entry for entry in entries if random.random() < share]
        random.shuffle(own)
        replica = replica_of(fleet, ())
        for entry in own:
            replica.offer(entry)
            if random.random() < 0.1:
                views(replica)
        replicas.append(offer_all(replica, own))
    return replicas


SHARED_LINES = LINES.filter(lambda line: line.lane in MEMBER.lanes)
"""What the box of one bank writes in lanes that sessions carry: not LOG, which nobody syncs yet."""
PARTS = st.sampled_from((2, 2, 3))
SEEDS = st.integers(0, 2**16)
APPROVE = capability("approve", "city", events=["*"], area="*")
RAISED = grant("box", "city/n/1", 3, 1, [APPROVE])
"""A grant under which a box may write as much as those do who decide about others."""


@given(worlds(deeds_max=24), PARTS, SEEDS)
@settings(max_examples=50)
def test_worlds_converge(world: World, parts: int, seed: int) -> None:
    random = Random(seed)
    replicas = dealt(world.fleet, world.entries, random, parts)
    settle(replicas, random.choice(ROUTES[parts]))
    assert_converged(world.fleet, replicas)


@given(st.lists(SHARED_LINES, min_size=6, max_size=28), PARTS, SEEDS)
@settings(max_examples=150)
def test_forks_snapshots_incarnations_and_pins_converge(
    lines: list[Line], parts: int, seed: int
) -> None:
    random = Random(seed)
    fleet = perform(lines)
    replicas = dealt(fleet, fleet.entries, random, parts)
    settle(replicas, random.choice(ROUTES[parts]))
    assert_converged(fleet, replicas)
    event("forked" if any(map(replicas[0].evidence, replicas[0].feeds())) else "no fork")


@given(st.lists(SHARED_LINES, min_size=6, max_size=20), SEEDS)
@settings(max_examples=40)
def test_pruning_between_sessions_changes_no_end(lines: list[Line], seed: int) -> None:
    """I10: prune ∘ sync ∘ prune. What pruned replicas keep is all that anyone needs again."""
    random = Random(seed)
    fleet = perform(lines)
    replicas = dealt(fleet, fleet.entries, random, 3)
    settle(replicas, [(0, 1)])
    pruned = [offer_all(replica_of(fleet, ()), list(each.entries())) for each in replicas]
    settle(pruned, random.choice(ROUTES[3]))
    again = [offer_all(replica_of(fleet, ()), list(each.entries())) for each in pruned]
    settle([*pruned, *again], combinations(range(6), 2))
    assert_converged(fleet, [*pruned, *again])


BIT_BY_BIT = SyncLimits(segment_size_max=1)
"""Every answer holds one entry: a chain comes in as many parts as it has entries."""


@given(st.lists(SHARED_LINES, min_size=8, max_size=28), PARTS, SEEDS)
@settings(max_examples=100)
def test_what_did_not_fit_is_asked_for_when_it_does(
    lines: list[Line], parts: int, seed: int
) -> None:
    """Cuts, pins and a grant that only some hold at first make use of what others let go.

    Limits are tiny, so that most of what a replica is sent is not kept until it hears of those.
    """
    random = Random(seed)
    with tiny_limits():
        fleet = perform(lines)
        replicas = dealt(fleet, fleet.entries, random, parts)
        if random.random() < 0.5:
            senior = [entry for entry in fleet.entries if entry.author == public("bank")]
            offer_all(replicas[0], [*senior, fleet.write("bank", RAISED, after=senior[-1])])
        settle(replicas, random.choice(ROUTES[parts]), BIT_BY_BIT)
        assert_converged(fleet, replicas)
        event("ruled" if replicas[0].authority.rulings else "no ruling")


# Fixed cases

LAMP = "status", {"topic": "lamp", "value": 1}
SNAP = "snap", {"map": {"lamp": 0}}
Case = Callable[[], tuple[Fleet, list[list[Entry]], bool | None]]
"""A fleet, what each replica was offered, and whether the box must be undecided at the end."""


def boxed() -> tuple[Fleet, Entry]:
    fleet = two_banks()
    return fleet, fleet.write("bank-a", grant("box", "city/box", 3, 1, box_of("city/box")))


def three_branches() -> tuple[Fleet, list[list[Entry]], bool | None]:
    """Three replicas hold one branch each: no two of them hold the smallest pair at first."""
    fleet, enrolled = boxed()
    branches = [
        fleet.write_all("box", [put("city/box/x", 3 * branch + n) for n in range(branch + 1)])
        for branch in range(3)
    ]
    return fleet, [[enrolled, *branch] for branch in branches], True


def pinned_above_a_fork() -> tuple[Fleet, list[list[Entry]], bool | None]:
    """The pinned branch forks again; each replica holds one of the upper branches."""
    fleet, one, other = forked_box()
    common = fleet.entries[:4]
    upper = fleet.write("box", put("city/box/upper", 9), after=one[0])
    pinned = fleet.write("bank-b", pin(one[0]))
    left, right = [*common, *one, pinned], [*common, *other, one[0], upper]
    return fleet, [left, right, [*common, *one[:1]]], True


def below_a_snapshot() -> tuple[Fleet, list[list[Entry]], bool | None]:
    """One saw the fork that a later snapshot superseded, the other the snapshot alone."""
    fleet, enrolled = boxed()
    first = fleet.write("box", LAMP, lane=Lane.STATE)
    twin = fleet.write("box", ("status", {"topic": "door", "value": 1}), lane=Lane.STATE)
    snap = fleet.write("box", SNAP, after=first)
    return fleet, [[enrolled, first, twin, snap], [enrolled, snap], [enrolled, twin]], True


def in_a_lower_incarnation() -> tuple[Fleet, list[list[Entry]], bool | None]:
    fleet, enrolled = boxed()
    first = fleet.write("box", LAMP, lane=Lane.FLEET, inc=3)
    twin = fleet.write("box", SNAP, lane=Lane.FLEET, inc=3)
    higher = fleet.write("box", LAMP, lane=Lane.FLEET, inc=7)
    return fleet, [[enrolled, first, twin, higher], [enrolled, higher]], True


def halves_below_a_snapshot() -> tuple[Fleet, list[list[Entry]], bool | None]:
    """Each saw one branch, then the snapshot: the proof is gone everywhere, and all agree."""
    fleet, enrolled = boxed()
    first = fleet.write("box", LAMP, lane=Lane.STATE)
    twin = fleet.write("box", ("status", {"topic": "door", "value": 1}), lane=Lane.STATE)
    snap = fleet.write("box", SNAP, after=first)
    return fleet, [[enrolled, first, snap], [enrolled, snap, twin]], None


def above_and_below_a_snapshot() -> tuple[Fleet, list[list[Entry]], bool | None]:
    """A pin settles what a snapshot superseded; a fork above it, which one saw, is open."""
    fleet, enrolled = boxed()
    first = fleet.write("box", LAMP, lane=Lane.STATE)
    twin = fleet.write("box", ("status", {"topic": "door", "value": 1}), lane=Lane.STATE)
    pinned = fleet.write("bank-a", pin(first), after=enrolled)
    snap = fleet.write("box", SNAP, after=first)
    upper = fleet.write("box", LAMP, after=twin)
    common = [enrolled, pinned, first, twin, snap]
    return fleet, [common, [*common, upper]], True


def pinned_below_a_snapshot() -> tuple[Fleet, list[list[Entry]], bool | None]:
    """Both hold the proof, neither what a pin names: it settles by its place."""
    fleet, enrolled = boxed()
    trunk = fleet.write("box", LAMP, lane=Lane.STATE)
    fork = [fleet.write("box", LAMP, after=trunk) for _ in range(2)]
    above = fleet.write("box", LAMP, after=fork[0])
    higher = fleet.write("box", SNAP, lane=Lane.STATE, inc=5)
    pinned = fleet.write("bank-a", pin(above), after=enrolled)
    common = [enrolled, *fork, higher]
    return fleet, [[*common, pinned], common], False


def pinned_below_the_latest() -> tuple[Fleet, list[list[Entry]], bool | None]:
    """One saw the first fork, the other a later one: a pin between them settles the first."""
    fleet, enrolled = boxed()
    first = [fleet.write("box", LAMP, lane=Lane.STATE) for _ in range(2)]
    trunk = fleet.write("box", LAMP, after=first[0])
    later = [fleet.write("box", LAMP, after=trunk) for _ in range(2)]
    higher = fleet.write("box", SNAP, lane=Lane.STATE, inc=5)
    pinned = fleet.write("bank-a", pin(trunk), after=enrolled)
    common = [enrolled, trunk, higher, pinned]
    return fleet, [[*common, *first], [*common, *later]], True


def pinned_by_root() -> tuple[Fleet, list[list[Entry]], bool | None]:
    """The same, decided by root after the higher incarnation: nobody can serve what it names."""
    fleet, told, _ = pinned_below_a_snapshot()
    above = next(entry for entry in fleet.entries if entry.seq == 2)
    fleet.declare(pin(above))
    without = [[entry for entry in share if entry.kind != "pin"] for share in told]
    return fleet, without, False


def stray_above_the_speaking_incarnation() -> tuple[Fleet, list[list[Entry]], bool | None]:
    """Evidence in an incarnation that never began hides no lower one, which speaks."""
    fleet, enrolled = boxed()
    lower = fleet.write("box", LAMP, lane=Lane.STATE)
    start = fleet.write("box", LAMP, lane=Lane.STATE, inc=5)
    fork = [fleet.write("box", LAMP, after=start) for _ in range(2)]
    return fleet, [[enrolled, lower, *fork], [enrolled, *fork]], True


def cut_at_what_one_lacks() -> tuple[Fleet, list[list[Entry]], bool | None]:
    """What a cut names is asked of a peer that lacks it, and again when the peer has it."""
    fleet, enrolled = boxed()
    written = fleet.write_all("box", [put("city/box/x", n) for n in range(3)])
    cut = fleet.write("bank-a", revoke("box", "city/box", cut_at(written[1])), after=enrolled)
    return fleet, [[enrolled, cut], [enrolled, cut], [enrolled, *written]], None


PEN = [capability("put", "city")]
PAGES = [put("city/box/x", f"{number:02}" * 1000) for number in range(80)]
"""Puts of 2 KiB: half of them are beyond what a box may write, and more than one answer holds."""


def flooded() -> tuple[Fleet, list[Entry]]:
    """A box, whose key sorts before all others, writes more than is kept of it."""
    fleet = Fleet()
    fleet.declare(
        grant("bank-a", "a", 1, 1, steward_of("a", "city")), grant(EARLY, "city/box", 3, 1, PEN)
    )
    return fleet, fleet.write_all(EARLY, PAGES)


EARLY = min((f"box-{number}" for number in range(16)), key=public)


def raised_after_the_flood_was_refused() -> tuple[Fleet, list[list[Entry]], bool | None]:
    """A grant lets the box write more; who lacks it hears of it after the box's feed."""
    fleet, flood = flooded()
    raised = fleet.write("bank-a", grant(EARLY, "city/box", 3, 1, [*PEN, APPROVE]))
    return fleet, [[raised, *flood], flood[:1]], None


def cut_far_beyond_the_limit() -> tuple[Fleet, list[list[Entry]], bool | None]:
    """What a cut names comes in several parts, none of which is kept before the last is here."""
    fleet, flood = flooded()
    cut = fleet.write("bank-a", revoke(EARLY, "city/box", cut_at(flood[75])))
    return fleet, [[cut, *flood], flood[:1]], None


CASES: tuple[Case, ...] = (
    three_branches,
    pinned_above_a_fork,
    below_a_snapshot,
    in_a_lower_incarnation,
    halves_below_a_snapshot,
    above_and_below_a_snapshot,
    pinned_below_a_snapshot,
    pinned_below_the_latest,
    pinned_by_root,
    stray_above_the_speaking_incarnation,
    cut_at_what_one_lacks,
    raised_after_the_flood_was_refused,
    cut_far_beyond_the_limit,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_history_dealt_out_converges(case: Case) -> None:
    fleet, told, undecided = case()
    count = len(told)
    for route in ROUTES[count]:
        for order in (1, -1):
            replicas = [replica_of(fleet, share[:1], ()) for share in told]
            for replica, share in zip(replicas, told, strict=True):
                for statement in fleet.statements[:1]:
                    replica.offer_root(statement)
                offer_all(replica, share[::order])
                for statement in fleet.statements[1:]:
                    replica.offer_root(statement)
            settle(replicas, route)
            assert_converged(fleet, replicas)
            if undecided is not None:
                box = replicas[0].authority.standings[Pair(public("box"), "city/box")]
                assert box.undecided == undecided
