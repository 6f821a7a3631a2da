"""One point of the simulator's benchmark: a fleet of one size, in a process of its own.

    python -m bench.sim_fleet BOXES [--strangers] [--quick]

Prints what was measured as JSON. A process of its own gives honest figures of memory, and can be
given up when it takes too long.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.rooms import Sampler, shares
from mesh.testing.fleets.fleet import Fleet

__all__ = ["EVENTS_PER_S", "Point"]

LISTEN_M = 600.0
"""How far every box listens."""
SETTLED_S = 30.0
"""Virtual seconds between standing and measuring: the routers' meshes have formed."""
IDLE_S, IDLE_QUICK_S = 240.0, 60.0
"""Virtual seconds of the idle measurement; long ones see most periods of a sync."""
BUSY_S, BUSY_QUICK_S = 10.0, 3.0
"""Virtual seconds of the busy measurement."""
EVENTS_PER_S = 10
PAGE_KB = 4


@dataclass(frozen=True)
class Point:
    """What one fleet cost: processor seconds, and what of them went where.

    Attributes:
        boxes: how many.
        boot_s: founding the fleet and standing, processor seconds.
        idle: processor seconds for each virtual second in which nothing happens.
        busy: the same at ten events a second with every box listening.
        frames_idle: frames a box and virtual second.
        frames_event: frames an event.
        deliveries: of an event.
        box_kb: resident memory that a box adds, KB.
        rooms: phase → room → per cent of that phase's time.
    """

    boxes: int
    boot_s: float
    idle: float
    busy: float
    frames_idle: float
    frames_event: float
    deliveries: float
    box_kb: float
    rooms: dict[str, dict[str, float]]


def resident_kb() -> float:
    """What this process holds in memory now, KB."""
    return float(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_KB


class _Meter:
    """Takes the processor time of phases, and what it went into."""

    def __init__(self) -> None:
        self.rooms: dict[str, dict[str, float]] = {}
        self._sampler = Sampler()

    def take(self, phase: str, work: Callable[[], None]) -> float:
        """Return the processor seconds of a phase."""
        start = time.process_time()
        with self._sampler.running() as samples:
            work()
        self.rooms[phase] = shares(samples)
        return time.process_time() - start


def measure(boxes: int, *, strangers: bool, quick: bool) -> Point:
    """Measure a fleet of a size; strangers are measured until they stand."""
    meter, fleets, before_kb = _Meter(), list[Fleet](), resident_kb()

    def boot() -> None:
        fleets.append(Fleet(boxes=boxes, seed=1, is_acquainted=not strangers))
        fleets[0].stand()

    boot_s = meter.take("boot", boot)
    fleet = fleets[0]
    box_kb = (resident_kb() - before_kb) / len(fleet.boxes)
    if strangers:
        return Point(boxes, boot_s, 0.0, 0.0, 0.0, 0.0, 0.0, box_kb, meter.rooms)
    fleet.listen_everywhere(within_m=LISTEN_M)
    fleet.run(seconds=SETTLED_S)
    gc.collect()
    gc.freeze()
    simulation, idle_s = fleet.simulation, IDLE_QUICK_S if quick else IDLE_S
    frames = simulation.frames
    idle = meter.take("idle", lambda: fleet.run(seconds=idle_s)) / idle_s
    frames_idle = (simulation.frames - frames) / idle_s / len(fleet.boxes)
    names, busy_s = list(fleet.town.places), BUSY_QUICK_S if quick else BUSY_S
    events, frames = int(busy_s * EVENTS_PER_S), simulation.frames

    def speak() -> None:
        for number in range(events):
            fleet.publish(names[number * 7 % len(names)])
            fleet.run(seconds=1 / EVENTS_PER_S)

    busy = meter.take("events", speak) / busy_s
    return Point(
        boxes=boxes,
        boot_s=boot_s,
        idle=idle,
        busy=busy,
        frames_idle=frames_idle,
        frames_event=(simulation.frames - frames) / events,
        deliveries=len(fleet.deliveries) / events,
        box_kb=(resident_kb() - before_kb) / len(fleet.boxes),
        rooms=meter.rooms,
    )


def main() -> None:
    options = argparse.ArgumentParser(description="one fleet of the simulator's benchmark")
    options.add_argument("boxes", type=int)
    options.add_argument("--strangers", action="store_true", help="boxes know their invites alone")
    options.add_argument("--quick", action="store_true")
    given = options.parse_args()
    found = measure(given.boxes, strangers=given.strangers, quick=given.quick)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
