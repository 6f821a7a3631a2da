"""The page of the simulator's benchmark: cost over size, and where the time goes."""

from collections.abc import Sequence

from bench.sim_fleet import EVENTS_PER_S, Point
from mesh.pages.charts import growth
from mesh.pages.markup import element
from mesh.pages.parts import absent, page, section, table

__all__ = ["growth_page"]


def growth_page(points: Sequence[Point], strangers: Sequence[Point]) -> str:
    """Return the page of one run.

    Args:
        points: fleets that were acquainted, the smallest first.
        strangers: fleets whose boxes met first.
    """
    cost = {
        "idle, CPU seconds a virtual second": [(p.boxes, p.idle) for p in points],
        f"{EVENTS_PER_S} events/s, CPU seconds a virtual second": [
            (p.boxes, p.busy) for p in points
        ],
    }
    boot = {
        "acquainted": [(p.boxes, p.boot_s) for p in points],
        "strangers": [(p.boxes, p.boot_s) for p in strangers],
    }
    memory = {"KB a box": [(p.boxes, p.box_kb) for p in points]}
    return page(
        "How the simulator grows",
        element("h1", "How the simulator grows"),
        section("What time costs", growth(cost, title="Processor time by size of the fleet")),
        section("Until the fleet stands", growth(boot, title="CPU seconds until all stand")),
        section("Memory", growth(memory, title="Resident memory of a box")),
        section("Figures", _figures(points)),
        *(section(f"Where {p.boxes} boxes spend it", _rooms(p)) for p in points[-1:]),
    )


def _figures(points: Sequence[Point]):
    if not points:
        return absent("size that was measured")
    heads = (
        "boxes", "boot, s CPU", "idle, x real", f"{EVENTS_PER_S} events/s, x real",
        "deliveries an event", "frames an event", "idle frames a box and s", "KB a box",
    )  # fmt: skip
    rows = [
        (
            p.boxes, f"{p.boot_s:.1f}", f"{1 / p.idle:.1f}", f"{1 / p.busy:.2f}",
            f"{p.deliveries:.1f}", f"{p.frames_event:.0f}", f"{p.frames_idle:.2f}",
            f"{p.box_kb:.0f}",
        )
        for p in points
    ]  # fmt: skip
    return table(heads, rows)


def _rooms(point: Point):
    rooms = list(dict.fromkeys(room for phase in point.rooms.values() for room in phase))
    rows = [
        (room, *(f"{phase.get(room, 0.0):.1f} %" for phase in point.rooms.values()))
        for room in rooms
    ]
    return table(("room", *point.rooms), rows)
