"""The simulator: how much faster than time it is, and how that changes with the size of a fleet.

    python bench/sim.py [--quick] [--boxes 50 --boxes 100] [--json FILE]

A fleet is founded and stands, settles for a while, and is then measured twice by processor time:
idle, and at ten events a second with every box listening, which takes sealing, admission with all
its checks, gossip and reactions on every box. The rows say how many virtual seconds one second of
processor pays for. The exponent is the slope of cost over size, both as logarithms: 1 is linear.
Resident memory is that of the whole process; a box's share is what the largest fleet added.
"""

import gc
import math
import resource
import time
from dataclasses import dataclass

from bench.report import Report, parser, progress
from mesh.testing.fleet import Fleet

SIZES, SIZES_QUICK = (25, 50, 100, 200), (8, 16, 30)
SETTLED_S, SETTLED_QUICK_S = 60.0, 30.0
"""Virtual seconds between standing and measuring."""
IDLE_S, IDLE_QUICK_S = 240.0, 120.0
"""Virtual seconds of the idle measurement: longer than most periods of a sync."""
BUSY_S, BUSY_QUICK_S = 20.0, 10.0
"""Virtual seconds of the busy measurement."""
EVENTS_PER_S = 10
BUDGET_BOXES = 500
"""The size for which the budgets are written; smaller fleets are held against them all the same."""
IDLE_BUDGET, BUSY_BUDGET = 1_000.0, 25.0
"""Times real time, at least."""
BOX_BUDGET_KB = 60.0


@dataclass(frozen=True)
class Measured:
    """One fleet: processor seconds for each virtual second, and what it took to stand."""

    boxes: int
    found_s: float
    stand_s: float
    idle: float
    busy: float
    idle_frames: float
    deliveries: float
    resident_mb: float


def resident_mb() -> float:
    """The most that this process ever held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(boxes: int, *, quick: bool) -> Measured:
    """Measure a fleet of a size."""
    progress(f"{boxes} boxes")
    start = time.process_time()
    fleet = Fleet(boxes=boxes, seed=1)
    found_s = time.process_time() - start
    fleet.stand()
    stand_s = time.process_time() - start - found_s
    fleet.listen_everywhere()
    fleet.run(seconds=SETTLED_QUICK_S if quick else SETTLED_S)
    gc.collect()
    gc.freeze()
    virtual_s = IDLE_QUICK_S if quick else IDLE_S
    frames, start = fleet.simulation.frames, time.process_time()
    fleet.run(seconds=virtual_s)
    idle = (time.process_time() - start) / virtual_s
    idle_frames = (fleet.simulation.frames - frames) / virtual_s / len(fleet.boxes)
    busy_s, names = BUSY_QUICK_S if quick else BUSY_S, list(fleet.town.places)
    events, start = int(busy_s * EVENTS_PER_S), time.process_time()
    for number in range(events):
        fleet.publish(names[number * 7 % len(names)])
        fleet.run(seconds=1 / EVENTS_PER_S)
    busy = (time.process_time() - start) / busy_s
    deliveries = len(fleet.deliveries) / events
    return Measured(
        boxes, found_s, stand_s, idle, busy, idle_frames, deliveries, resident_mb()
    )  # fmt: skip


def exponent(points: list[tuple[int, float]]) -> float:
    """The slope of log(cost) over log(boxes), by least squares."""
    xs = [math.log(boxes) for boxes, _ in points]
    ys = [math.log(cost) for _, cost in points]
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    above = sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True))
    return above / sum((x - middle_x) ** 2 for x in xs)


def main() -> None:
    """Measure every size and print the table."""
    options = parser("the simulator, in virtual seconds a second of processor")
    options.add_argument("--boxes", type=int, action="append", help="a size; may be given often")
    given = options.parse_args()
    sizes = given.boxes or (SIZES_QUICK if given.quick else SIZES)
    before_mb = resident_mb()
    found = [measure(boxes, quick=given.quick) for boxes in sorted(sizes)]
    report = Report(f"simulator; the budgets are for {BUDGET_BOXES} boxes")
    for each in found:
        name = f"{each.boxes} boxes"
        report.add(f"{name}: idle", 1 / each.idle, "x real", budget=IDLE_BUDGET, at_least=True)
        label = f"{name}: {EVENTS_PER_S} events/s"
        report.add(label, 1 / each.busy, "x real", budget=BUSY_BUDGET, at_least=True)
        report.add(f"{name}: deliveries an event", each.deliveries, "")
        report.add(f"{name}: idle frames a box", each.idle_frames, "1/s")
        report.add(f"{name}: founded", each.found_s, "s CPU")
        report.add(f"{name}: stands", each.stand_s, "s CPU")
        report.add(f"{name}: resident", each.resident_mb, "MB")
    if len(found) > 1:
        idle = exponent([(each.boxes, each.idle) for each in found])
        busy = exponent([(each.boxes, each.busy) for each in found])
        report.add("exponent of the idle cost", idle, "")
        report.add("exponent of the cost at 10 events/s", busy, "")
    share_kb = (found[-1].resident_mb - before_mb) * 1024 / found[-1].boxes
    report.add("resident, a box of the largest", share_kb, "KB", budget=BOX_BUDGET_KB)
    report.finish(given.json)


if __name__ == "__main__":
    main()
