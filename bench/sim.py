"""The simulator: how much faster than time it is, how that grows with a fleet, and what takes it.

    python bench/sim.py [--quick] [--boxes 50 --boxes 100] [--seconds 600] [--page F] [--json F]

A fleet that was acquainted is founded and stands, settles for a while, and is then measured twice
by processor time: idle, and at ten events a second with every box listening, which takes sealing,
admission with all its checks, gossip and reactions on every box. The rows say how many virtual
seconds one second of processor pays for. What boxes need that never met before, and tell five
hundred others of each other, is measured beside it, up to smaller sizes.

Each size runs in a process of its own and is given up after `--seconds` of real time; then larger
ones are not tried. The exponent is the slope of cost over size, both as logarithms: 1 is linear.
A box's memory is what a fleet of its size added to the process, divided by its boxes.
"""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.report import Report, parser, progress
from bench.sim_fleet import EVENTS_PER_S, Point
from bench.sim_page import growth_page

SIZES, SIZES_QUICK = (50, 100, 200, 500, 1000, 2000, 5000), (25, 50, 100)
STRANGERS, STRANGERS_QUICK = (50, 100, 200), (25,)
"""Sizes of fleets whose boxes never met."""
SECONDS, SECONDS_QUICK = 600.0, 40.0
"""Real time that one size gets, at most."""
BUDGET_BOXES = 500
"""The size for which the budgets are written; other fleets are held against them all the same."""
IDLE_BUDGET, BUSY_BUDGET = 1_000.0, 25.0
"""Times real time, at least."""
BOX_BUDGET_KB = 60.0
ROOT = Path(__file__).resolve().parent.parent


def measured(boxes: int, seconds: float, *flags: str) -> Point | None:
    """Return the figures of one size, None if it took too long."""
    progress(f"{boxes} boxes {' '.join(flags)}".rstrip())
    command = [sys.executable, "-m", "bench.sim_fleet", str(boxes), *flags]
    try:
        done = subprocess.run(
            command, cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        progress(f"… not within {seconds:g} s: larger fleets are not tried")
        return None
    return Point(**json.loads(done.stdout))


def growing(sizes: Sequence[int], seconds: float, *flags: str) -> list[Point]:
    """Measure sizes, the smallest first, until one takes too long."""
    found: list[Point] = []
    for boxes in sorted(sizes):
        point = measured(boxes, seconds, *flags)
        if point is None:
            break
        found.append(point)
    return found


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """The slope of log(cost) over log(boxes), by least squares; None of fewer than two sizes."""
    xs = [math.log(boxes) for boxes, cost in points if cost > 0]
    ys = [math.log(cost) for _, cost in points if cost > 0]
    if len(set(xs)) < 2:
        return None
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True))
    return above / sum((x - middle_x) ** 2 for x in xs)


PHASES: dict[str, Callable[[Point], float]] = {
    "boot": lambda point: point.boot_s,
    "idle": lambda point: point.idle,
    f"{EVENTS_PER_S} events/s": lambda point: point.busy,
}
"""What is fitted: cost by phase."""


def told(report: Report, points: Sequence[Point], strangers: Sequence[Point]) -> None:
    """Add the rows of all sizes."""
    for each in points:
        name = f"{each.boxes} boxes"
        report.add(f"{name}: boot", each.boot_s, "s CPU")
        report.add(f"{name}: idle", 1 / each.idle, "x real", budget=IDLE_BUDGET, at_least=True)
        label = f"{name}: {EVENTS_PER_S} events/s"
        report.add(label, 1 / each.busy, "x real", budget=BUSY_BUDGET, at_least=True)
        report.add(f"{name}: deliveries an event", each.deliveries, "")
        report.add(f"{name}: frames an event", each.frames_event, "")
        report.add(f"{name}: idle frames a box", each.frames_idle, "1/s")
        report.add(f"{name}: resident a box", each.box_kb, "KB", budget=BOX_BUDGET_KB)
    for each in strangers:
        report.add(f"{each.boxes} strangers: boot", each.boot_s, "s CPU")
    costs = {name: [(p.boxes, cost(p)) for p in points] for name, cost in PHASES.items()}
    costs["boot of strangers"] = [(p.boxes, p.boot_s) for p in strangers]
    for name, series in costs.items():
        slope = exponent(series)
        if slope is not None:
            report.add(f"exponent: {name}", slope, "")


def shown_rooms(report: Report, point: Point) -> None:
    """Add where the time of one fleet went."""
    for phase, rooms in point.rooms.items():
        for room, share in rooms.items():
            if share >= 1:
                report.add(f"{point.boxes} boxes: {phase}: {room}", share, "% CPU")


def main() -> None:
    options = parser("the simulator, in virtual seconds a second of processor")
    options.add_argument("--boxes", type=int, action="append", help="a size; may be given often")
    options.add_argument("--seconds", type=float, help="real time that one size gets, at most")
    options.add_argument("--page", type=Path, help="write a page with plots there")
    given = options.parse_args()
    flags = ("--quick",) if given.quick else ()
    seconds = given.seconds or (SECONDS_QUICK if given.quick else SECONDS)
    sizes = given.boxes or (SIZES_QUICK if given.quick else SIZES)
    met = STRANGERS_QUICK if given.quick else STRANGERS
    points = growing(sizes, seconds, *flags)
    strangers = growing([size for size in met if size <= max(sizes)], seconds, "--strangers")
    report = Report(f"simulator; the budgets are for {BUDGET_BOXES} boxes")
    told(report, points, strangers)
    if points:
        shown_rooms(report, min(points, key=lambda point: abs(point.boxes - BUDGET_BOXES)))
    report.finish(given.json)
    if given.page is not None:
        given.page.write_text(growth_page(points, strangers), encoding="utf-8")


if __name__ == "__main__":
    main()
