"""The figure of the demo's report that no other page has: the map, with who reacted to whom."""

import math

from mesh.demo.acts.reaction_flows import Flow, Flows
from mesh.demo.city.model import City
from mesh.pages.charts import WIDTH, figure, short
from mesh.pages.markup import Markup, element

__all__ = ["city_map"]

MARGIN = 44.0
"""Around the crossings of the map."""
MAP_HEIGHT_MIN, MAP_HEIGHT_MAX = 200.0, 720.0
"""Height of the map, whatever the shape of the city."""
BEND = 0.16
"""How far a reaction's arc leaves the straight line, as a share of its length."""
CLEARANCE = 13.0
"""How far from a crossing's middle an arc ends."""
KINDS = {"extend_red": "red", "advance_yellow": "yellow"}
"""Class of an arc by the kind of the reaction."""

Point = tuple[float, float]


def city_map(city: City, flows: Flows) -> Markup:
    """Draw the crossings, the streets between them, and an arc for each kind of reaction.

    Args:
        city: where the boxes stand.
        flows: what they did; boxes that do not stand in the city are not drawn.
    """
    points, height = _project(city)
    reacted: dict[str, int] = {}
    for flow in flows.flows:
        reacted[flow.box] = reacted.get(flow.box, 0) + flow.count
    streets = {
        frozenset((place.name, direction.to)): (place.name, direction)
        for place in city.places
        for direction in place.directions
        if place.name != direction.to
    }
    lines = [
        element(
            "line", x1=short(points[name][0]), y1=short(points[name][1]),
            x2=short(points[one.to][0]), y2=short(points[one.to][1]),
            class_="street bridge" if one.bridge else "street",
        )
        for name, one in streets.values()
    ]  # fmt: skip
    arcs = [
        _arc(points[flow.seen_at], points[flow.box], flow)
        for flow in flows.flows
        if flow.seen_at in points and flow.box in points and flow.seen_at != flow.box
    ]
    boxes = [
        _crossing(place.name, points[place.name], flows.seen.get(place.name, 0),
                  reacted.get(place.name, 0), told=bool(flows.seen or flows.flows))
        for place in city.places
    ]  # fmt: skip
    tips = [
        element(
            "marker",
            element("path", d="M0 0 L6 3 L0 6 z", class_=f"tip {colour}"),
            id=f"tip-{colour}", markerWidth=6, markerHeight=6, refX=5, refY=3,
            markerUnits="userSpaceOnUse", orient="auto",
        )
        for colour in (*KINDS.values(), "other")
    ]  # fmt: skip
    return figure(
        height, "Map of the crossings with the reactions", element("defs", *tips), *lines, *arcs,
        *boxes,
    )  # fmt: skip


def _project(city: City) -> tuple[dict[str, Point], float]:
    """Lay the city flat, north up: each box's point, and the height of the figure."""
    if not city.places:
        return {}, MAP_HEIGHT_MIN
    north = [place.position[0] for place in city.places]
    east = [place.position[1] for place in city.places]
    squeeze = max(math.cos(math.radians(sum(north) / len(north) / 1e6)), 0.01)
    across = max((max(east) - min(east)) * squeeze, 1.0)
    down = max(float(max(north) - min(north)), 1.0)
    inner = WIDTH - 2 * MARGIN
    scale = min(inner / across, (MAP_HEIGHT_MAX - 2 * MARGIN) / down)
    height = max(MAP_HEIGHT_MIN, down * scale + 2 * MARGIN)
    left, top = (WIDTH - across * scale) / 2, (height - down * scale) / 2
    return {
        place.name: (
            left + (place.position[1] - min(east)) * squeeze * scale,
            top + (max(north) - place.position[0]) * scale,
        )
        for place in city.places
    }, height


def _arc(start: Point, end: Point, flow: Flow) -> Markup:
    """Draw reactions from where the incident was seen to who reacted."""
    (x1, y1), (x2, y2) = start, end
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    along = ((x2 - x1) / length, (y2 - y1) / length)
    off = min(CLEARANCE, length / 3)
    bend = (-along[1] * BEND * length, along[0] * BEND * length)
    middle = (x1 + x2) / 2 + bend[0], (y1 + y2) / 2 + bend[1]
    x1, y1 = x1 + along[0] * off, y1 + along[1] * off
    x2, y2 = x2 - along[0] * off, y2 - along[1] * off
    colour = KINDS.get(flow.kind, "other")
    return element(
        "g",
        element("title", f"{flow.box} reacts to {flow.seen_at}: {flow.kind}, {flow.count} times"),
        element(
            "path", d=f"M{_at(x1, y1)} Q{_at(*middle)} {_at(x2, y2)}",
            class_=f"arc {colour}", stroke_width=short(1.2 + math.log2(max(flow.count, 1)) / 1.5),
            marker_end=f"url(#tip-{colour})",
        ),
    )  # fmt: skip


def _crossing(name: str, point: Point, seen: int, reacted: int, *, told: bool) -> Markup:
    x, y = point
    saw = f"{name}: saw {seen} incidents, reacted {reacted} times" if told else name
    return element(
        "g",
        element("title", saw),
        element("circle", cx=short(x), cy=short(y), r=10, class_="box saw" if seen else "box"),
        element("text", seen or "", x=short(x), y=short(y + 3.5), class_="count"),
        element("text", name.rpartition("-")[2], x=short(x), y=short(y + 23), class_="name"),
    )


def _at(x: float, y: float) -> str:
    return f"{short(x)} {short(y)}"
