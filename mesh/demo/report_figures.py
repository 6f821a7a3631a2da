"""The figures of the demo's report: a map, a timeline and a histogram, as SVG inside the page.

Colours come from the page's style sheet by class, so that each figure follows the reader's light or
dark scheme; what colour says is said by shape or words as well. Every mark has a title, which a
pointer shows and a screen reader reads.
"""

import math
from collections.abc import Mapping, Sequence

from mesh.demo.city_model import City
from mesh.demo.reaction_flows import Flow, Flows
from mesh.demo.report_markup import Markup, element, join

__all__ = ["city_map", "latency_histogram", "spread_bar", "stage_timeline"]

WIDTH = 640.0
"""Width of a figure, in its own units; the page scales it."""
MARGIN = 44.0
"""Around the crossings of the map."""
MAP_HEIGHT_MIN, MAP_HEIGHT_MAX = 200.0, 720.0
"""Height of the map, whatever the shape of the city."""
BEND = 0.16
"""How far a reaction's arc leaves the straight line, as a share of its length."""
CLEARANCE = 13.0
"""How far from a crossing's middle an arc ends."""
ROW = 34.0
"""Height of a stage in the timeline."""
BARS = 150.0
"""Height of the histogram's highest bar."""
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
            "line", x1=_n(points[name][0]), y1=_n(points[name][1]),
            x2=_n(points[one.to][0]), y2=_n(points[one.to][1]),
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
    return _figure(
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
            "path", d=f"M{_n(x1)} {_n(y1)} Q{_n(middle[0])} {_n(middle[1])} {_n(x2)} {_n(y2)}",
            class_=f"arc {colour}", stroke_width=_n(1.2 + math.log2(max(flow.count, 1)) / 1.5),
            marker_end=f"url(#tip-{colour})",
        ),
    )  # fmt: skip


def _crossing(name: str, point: Point, seen: int, reacted: int, *, told: bool) -> Markup:
    x, y = point
    saw = f"{name}: saw {seen} incidents, reacted {reacted} times" if told else name
    return element(
        "g",
        element("title", saw),
        element("circle", cx=_n(x), cy=_n(y), r=10, class_="box saw" if seen else "box"),
        element("text", seen or "", x=_n(x), y=_n(y + 3.5), class_="count"),
        element("text", name.rpartition("-")[2], x=_n(x), y=_n(y + 23), class_="name"),
    )


def stage_timeline(stages: Sequence[tuple[str, str, float | None]], end_s: float) -> Markup:
    """Draw when each stage of a rollout opened.

    Args:
        stages: of each its name, what is to be said of it, and when it opened (seconds); None for
            one that never did.
        end_s: when the rollout ended, seconds.
    """
    opened = [at for _, _, at in stages if at is not None]
    end_s = max([end_s, *(at * 1.15 for at in opened), 1.0])
    left, inner = 70.0, WIDTH - 70.0 - 12.0
    height = ROW * len(stages) + 34
    rows: list[Markup] = []
    for number, (name, said, at) in enumerate(stages):
        y = 6 + ROW * number
        rows.append(element("text", name, x=left - 10, y=_n(y + 19), class_="axis end"))
        if at is None:
            rows.append(element("text", said, x=left + 6, y=_n(y + 19), class_="axis never"))
            continue
        x = left + max(at, 0.0) / end_s * inner
        over = x > left + inner * 0.55  # too little of the bar is left for words
        rows += [
            element("rect", x=_n(x), y=_n(y), width=_n(max(left + inner - x, 1)),
                    height=ROW - 8, rx=3, class_="bar"),
            element("text", said, x=_n(x - 6 if over else x + 8), y=_n(y + 18),
                    class_="axis end" if over else "axis in"),
        ]  # fmt: skip
    base = 6 + ROW * len(stages)
    rows.append(element("line", x1=left, y1=base, x2=left + inner, y2=base, class_="rule"))
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        place = "axis start" if share == 0 else "axis end" if share == 1 else "axis middle"
        x = _n(left + share * inner)
        rows.append(element("text", f"{share * end_s:.0f} s", x=x, y=base + 18, class_=place))
    return _figure(height, "When each stage of the rollout opened", *rows)


def latency_histogram(bins: Sequence[tuple[str, int]], *, title: str) -> Markup:
    """Draw how many deliveries fell into each class of latency.

    Args:
        bins: of each its upper bound as text, and the count.
        title: what is drawn.
    """
    most, step = max([count for _, count in bins] or [1]) or 1, (WIDTH - 20) / max(len(bins), 1)
    rows: list[Markup] = []
    for number, (label, count) in enumerate(bins):
        x, tall = 10 + number * step, count / most * BARS
        middle = _n(x + step / 2)
        rows += [
            element(
                "g",
                element("title", f"{label} ms: {count}"),
                element("rect", x=_n(x + 2), y=_n(BARS + 20 - tall), width=_n(step - 4),
                        height=_n(tall), class_="bar"),
                element("text", count or "", x=middle, y=_n(BARS + 14 - tall),
                        class_="axis middle"),
            ),
            element("text", label, x=middle, y=BARS + 38, class_="axis middle"),
        ]  # fmt: skip
    base = element("line", x1=10, y1=BARS + 20, x2=WIDTH - 10, y2=BARS + 20, class_="rule")
    return _figure(BARS + 48, title, *rows, base)


def spread_bar(values: Mapping[str, float], most: float) -> Markup:
    """Draw one row of percentiles, from the median to the maximum, on a common scale.

    Args:
        values: p50, p99 and max.
        most: what the full width stands for.
    """
    whole = 160.0
    at = {key: min(max(value, 0.0) / (most or 1.0), 1.0) * whole for key, value in values.items()}
    p50, p99, top = at.get("p50", 0.0), at.get("p99", 0.0), at.get("max", 0.0)
    parts = (
        element("line", x1=0, y1=7, x2=_n(top), y2=7, class_="rule"),
        element("rect", x=0, y=2, width=_n(p99), height=10, class_="bar faint"),
        element("rect", x=0, y=2, width=_n(p50), height=10, class_="bar"),
    )
    return element("svg", join(parts), viewBox="0 0 160 14", class_="spread", aria_hidden="true")


def _figure(height: float, title: str, *parts: Markup) -> Markup:
    return element(
        "svg", element("title", title), *parts, viewBox=f"0 0 {_n(WIDTH)} {_n(height)}", role="img"
    )


def _n(value: float) -> str:
    """A coordinate, short."""
    return f"{value:.1f}".removesuffix(".0")
