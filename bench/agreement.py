"""How long boxes take to agree: after a cut that two halves wrote through, and on a revocation.

    python bench/agreement.py [--quick] [--boxes 500] [--latency-ms 5] [--json F]

A simulated fleet whose boxes were acquainted is cut in two for an hour; both stewards write on.
After the heal it is watched until every box holds the same facts: for how long, counted from the
heal and from the first link over the former cut, and with how many bytes of sync, held against the
bytes of what each box lacked. The floor of that ratio is 1: each fact reaches each box once. Then
boxes are revoked by the centre, one after the other, and each time those boxes are counted that
know it. All times are virtual: they are the protocol's own, on links of
one latency and boxes that take no time to think.
"""

import sys
from collections.abc import Callable, Collection, Sequence
from statistics import median

from bench.report import Report, parser, progress
from crdt.entry import Lane
from mesh.coordination.facts import encode_entry
from mesh.mind.syncing import SYNC_PROTOCOL
from mesh.testing.fleets.fleet import Fleet
from mesh.testing.fleets.fleet_box import FleetBox
from mesh.units import SECOND

BOXES, BOXES_QUICK = 500, 60
CUT_S, CUT_QUICK_S = 3_600, 300
"""How long the cut stands, virtual seconds."""
WRITE_EVERY_S = 60
"""Each steward writes a fact so often while it stands, virtual seconds."""
REST_S = 60
"""Virtual seconds before the cut, and before the first revocation."""
REVOKED, REVOKED_QUICK = 9, 3
"""Boxes that are revoked, one after the other."""
APART_S = 20
"""Virtual seconds from one revocation to the next."""
KNOWN_SHARE = 0.99
"""Of the boxes, who must know of a revocation."""
STEP_S = 0.01
"""How exactly a moment is found, virtual seconds."""
WAIT_S = 60
"""Longest wait for agreement, virtual seconds."""
HEAL_BUDGET_S, REVOCATION_BUDGET_S = 3.0, 2.0
BYTES_BUDGET = 1.3
"""Most bytes of sync for a byte that was missing."""

Facts = dict[bytes, int]
"""The size of each signed entry that a box holds, by its id."""


def facts(box: FleetBox) -> Facts:
    """Return what a box holds of the lanes that everybody keeps."""
    kept = (entry for entry in box.mind.replica.entries() if entry.lane != Lane.STATE)
    return {entry.id: len(encode_entry(entry)) for entry in kept}


def authority(box: FleetBox) -> frozenset[bytes]:
    """Return the ids of the AUTH entries that a box holds."""
    return frozenset(e.id for e in box.mind.replica.entries() if e.lane == Lane.AUTH)


def missing(held: Sequence[Facts], later: Sequence[Facts]) -> int:
    """Return how many bytes boxes came to hold that others held already, and they did not."""
    known = set[bytes]().union(*held)
    return sum(
        size
        for before, after in zip(held, later, strict=True)
        for identifier, size in after.items()
        if identifier in known and identifier not in before
    )


def wait_for(fleet: Fleet, holds: Callable[[], bool]) -> float | None:
    """Return how many virtual seconds pass until something holds; None if it does not."""
    start_ns = fleet.now_ns
    while fleet.now_ns - start_ns < WAIT_S * SECOND:
        if holds():
            return (fleet.now_ns - start_ns) / SECOND
        fleet.run(seconds=STEP_S)
    return None


def write_through(fleet: Fleet, seconds: int) -> None:
    """Let both stewards write while a cut stands."""
    for number in range(seconds // WRITE_EVERY_S):
        for bank in ("north", "south"):
            fleet.steward(bank).put(f"{bank}/limit-{number}", number)
        fleet.run(seconds=WRITE_EVERY_S)


def measure_heal(report: Report, fleet: Fleet, seconds: int) -> None:
    """Cut, write, heal, and watch."""
    boxes = list(fleet.boxes.values())
    north = {box.public for box in fleet.split("river")[0]}
    with fleet.partition(*fleet.split("river")):
        write_through(fleet, seconds)
    sizes = fleet.simulation.record.sizes
    held, sync, every = [facts(box) for box in boxes], sizes[SYNC_PROTOCOL], sizes.total()

    def is_joined() -> bool:
        ours = (box for box in boxes if box.public in north)
        return any(peer not in north for box in ours for peer in box.node.wires)

    def agree() -> bool:
        return fleet.views_agree() and len({authority(box) for box in boxes}) == 1

    joined_s, agreed_s = wait_for(fleet, is_joined), wait_for(fleet, agree)
    if joined_s is None or agreed_s is None:
        raise SystemExit(f"the boxes do not agree {WAIT_S} virtual seconds after the heal")
    lacked = missing(held, [facts(box) for box in boxes])
    report.add("heal to the first link", joined_s, "s")
    report.add("heal to agreement", joined_s + agreed_s, "s", budget=HEAL_BUDGET_S)
    report.add("missing in all, at the heal", lacked / 1e6, "MB")
    ratio = (sizes[SYNC_PROTOCOL] - sync) / lacked
    report.add("sync, of what was missing", ratio, "times", budget=BYTES_BUDGET)
    report.add("all frames, of what was missing", (sizes.total() - every) / lacked, "times")


def revoke(fleet: Fleet, name: str, revoked: Collection[str]) -> tuple[float, float]:
    """Revoke a box; return when 99 % of the members know, and when all do, virtual seconds."""
    fleet.revoke(name)
    others = [box for box in fleet.up() if box.name not in revoked]

    def know(share: float) -> bool:
        return sum(not box.trusts(name) for box in others) >= share * len(others)

    most_s, rest_s = wait_for(fleet, lambda: know(KNOWN_SHARE)), wait_for(fleet, lambda: know(1))
    if most_s is None or rest_s is None:
        raise SystemExit(f"not all know that {name} is revoked after {WAIT_S} virtual seconds")
    return most_s, most_s + rest_s


def measure_revocations(report: Report, fleet: Fleet, count: int) -> None:
    """Revoke boxes all over the town, one after the other."""
    names, took, revoked = list(fleet.town.places), list[tuple[float, float]](), set[str]()
    for number in range(count):
        name = names[(number * 2 + 1) * len(names) // (2 * count)]
        revoked.add(name)  # it is told by nobody, and need not know of the next
        took.append(revoke(fleet, name, revoked))
        fleet.run(seconds=APART_S)
    most = [most_s for most_s, _ in took]
    report.add("revocation known by 99 %, median", median(most), "s")
    report.add("… the slowest", max(most), "s", budget=REVOCATION_BUDGET_S)
    report.add("revocation known by all, the slowest", max(all_s for _, all_s in took), "s")


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser("how long simulated boxes take to agree")
    options.add_argument("--boxes", type=int, help="how many")
    options.add_argument("--latency-ms", type=float, default=5.0, help="of each link, one way")
    given = options.parse_args(arguments)
    boxes = given.boxes or (BOXES_QUICK if given.quick else BOXES)
    progress(f"{boxes} boxes stand …")
    fleet = Fleet(boxes=boxes, seed=1, latency_ms=given.latency_ms, is_acquainted=True)
    fleet.stand()
    fleet.run(seconds=REST_S)
    report = Report(f"agreement of {boxes} boxes, links of {given.latency_ms:g} ms")
    seconds = CUT_QUICK_S if given.quick else CUT_S
    progress(f"a cut of {seconds} virtual seconds …")
    measure_heal(report, fleet, seconds)
    fleet.run(seconds=REST_S)
    progress("revocations …")
    measure_revocations(report, fleet, REVOKED_QUICK if given.quick else REVOKED)
    report.finish(given.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
