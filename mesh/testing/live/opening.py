"""Opening a live fleet: founded as the simulated one is, every box of it started."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from trio.testing import MockClock

from mesh.testing.fleets.fleet import Fleet
from mesh.testing.fleets.town import EVENTS, FleetError
from mesh.testing.live.fleet import LiveFleet
from mesh.testing.live.virtual_time import same_order_of_tasks

__all__ = ["open_live_fleet"]


@asynccontextmanager
async def open_live_fleet(
    *,
    boxes: int = 8,
    seed: int = 0,
    latency_ms: float = 5.0,
    events: Sequence[str] = EVENTS,
) -> AsyncGenerator[LiveFleet]:
    """Open a live fleet, every box of it started; inside of `run_in_virtual_time`.

    Args:
        boxes: how many boxes, half on each bank.
        seed: decides everything, as far as it is trio's.
        latency_ms: one way.
        events: what boxes may publish; see `Fleet`.

    Raises:
        FleetError: time is real here.
    """
    if not isinstance(trio.lowlevel.current_clock(), MockClock):
        raise FleetError("a live fleet lives in virtual time: call this in `run_in_virtual_time`")
    founded = Fleet(boxes=boxes, seed=seed, latency_ms=latency_ms, events=events)
    with TemporaryDirectory(prefix="live-fleet-") as folder, same_order_of_tasks(seed):
        async with trio.open_nursery() as nursery:
            fleet = LiveFleet(founded, seed, nursery, Path(folder))
            await fleet.boot_all()
            fleet.journal.clear()  # how it was made is no news
            yield fleet
            nursery.cancel_scope.cancel()
