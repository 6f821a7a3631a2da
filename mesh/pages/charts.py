"""Charts of a page, as SVG inside it: a timeline, a histogram, a row of percentiles.

Colours come from the page's style sheet by class, so that each figure follows the reader's light or
dark scheme; what colour says is said by shape or words as well. Every mark has a title, which a
pointer shows and a screen reader reads.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mesh.pages.markup import Markup, element, join

__all__ = [
    "WIDTH", "Row", "figure", "growth", "latency_histogram", "short", "spread_bar",
    "stage_timeline", "timeline",
]  # fmt: skip

WIDTH = 640.0
"""Width of a figure, in its own units; the page scales it."""
ROW = 34.0
"""Height of a stage in the timeline."""
CHARACTER = 6.3
"""Width of a character of words in a row, about."""
BARS = 150.0
"""Height of the histogram's highest bar."""
GROWTH_TALL = 220.0
"""Height of the field in which growth is drawn."""
DASHES = ("none", "7 4", "2 4", "10 3 2 3")
"""How lines are told apart without colour."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a timeline.

    Attributes:
        name: what stands left of it.
        said: what is to be said of it, in it or beside it where there is room; its title too.
        spans: from when to when it was so, seconds, ascending; none where it never was.
        class_: of the bars.
    """

    name: str
    said: str
    spans: Sequence[tuple[float, float]] = ()
    class_: str = "bar"


def stage_timeline(stages: Sequence[tuple[str, str, float | None]], end_s: float) -> Markup:
    """Draw when each stage of a rollout opened.

    Args:
        stages: of each its name, what is to be said of it, and when it opened (seconds); None for
            one that never did.
        end_s: when the rollout ended, seconds.
    """
    opened = [at for _, _, at in stages if at is not None]
    end_s = max([end_s, *(at * 1.15 for at in opened), 1.0])
    rows = [
        Row(name, said, () if at is None else ((max(at, 0.0), end_s),)) for name, said, at in stages
    ]
    return timeline(rows, end_s, title="When each stage of the rollout opened")


def timeline(
    rows: Sequence[Row],
    end_s: float,
    *,
    title: str,
    left: float = 70.0,
    shades: Sequence[tuple[str, float, float]] = (),
) -> Markup:
    """Draw what was so from when to when, row by row.

    Args:
        rows: from above.
        end_s: where time ends, seconds; it begins at 0.
        title: what is drawn.
        left: width of the names.
        shades: what is shaded behind all rows: its name, from when to when.
    """
    inner = WIDTH - left - 12.0
    scale = inner / (end_s or 1.0)
    base = 6 + ROW * len(rows)
    parts: list[Markup] = []
    for name, from_s, to_s in shades:
        told = element("title", f"{name} from {from_s:.1f} to {to_s:.1f} s")
        shade = element("rect", x=short(left + from_s * scale), y=2, height=short(base - 2),
                        width=short(max((to_s - from_s) * scale, 1)), class_="band")  # fmt: skip
        parts.append(element("g", told, shade))
    for number, row in enumerate(rows):
        y = 6 + ROW * number
        parts.append(element("text", row.name, x=left - 10, y=short(y + 19), class_="axis end"))
        bars = [(left + from_s * scale, left + to_s * scale) for from_s, to_s in row.spans]
        parts += [
            element("g", element("title", f"{row.name}: {row.said}"),
                    element("rect", x=short(x1), y=short(y), width=short(max(x2 - x1, 1)),
                            height=ROW - 8, rx=3, class_=row.class_))
            for x1, x2 in bars
        ]  # fmt: skip
        parts.append(_words(row, bars, y, (left, left + inner)))
    parts.append(element("line", x1=left, y1=base, x2=left + inner, y2=base, class_="rule"))
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        place = "axis start" if share == 0 else "axis end" if share == 1 else "axis middle"
        x = short(left + share * inner)
        parts.append(element("text", f"{share * end_s:.0f} s", x=x, y=base + 18, class_=place))
    return figure(base + 28, title, *parts)


def _words(
    row: Row, bars: Sequence[tuple[float, float]], y: float, edges: tuple[float, float]
) -> Markup:
    """Write what is said of a row: in its longest bar, behind the last, or before the first."""
    left, right = edges
    at, width = short(y + 18), CHARACTER * len(row.said)
    if not bars:
        return element("text", row.said, x=short(left + 6), y=at, class_="axis never")
    x1, x2 = max(bars, key=lambda bar: bar[1] - bar[0])
    if width < x2 - x1 - 8 or (len(bars) == 1 and x2 - x1 >= (right - left) * 0.45):
        return element("text", row.said, x=short(x1 + 8), y=at, class_="axis in")
    if width < right - bars[-1][1] - 6:
        return element("text", row.said, x=short(bars[-1][1] + 6), y=at, class_="axis")
    return element("text", row.said, x=short(bars[0][0] - 6), y=at, class_="axis end")


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
        middle = short(x + step / 2)
        rows += [
            element(
                "g",
                element("title", f"{label} ms: {count}"),
                element("rect", x=short(x + 2), y=short(BARS + 20 - tall), width=short(step - 4),
                        height=short(tall), class_="bar"),
                element("text", count or "", x=middle, y=short(BARS + 14 - tall),
                        class_="axis middle"),
            ),
            element("text", label, x=middle, y=BARS + 38, class_="axis middle"),
        ]  # fmt: skip
    base = element("line", x1=10, y1=BARS + 20, x2=WIDTH - 10, y2=BARS + 20, class_="rule")
    return figure(BARS + 48, title, *rows, base)


def growth(series: Mapping[str, Sequence[tuple[float, float]]], *, title: str) -> Markup:
    """Draw how figures grow with a size, on logarithmic scales: a power is a straight line.

    Args:
        series: what is drawn → (size, figure), both above nothing; others are left out.
        title: what is drawn.
    """
    lines = {
        name: [(math.log10(x), math.log10(y)) for x, y in points if x > 0 and y > 0]
        for name, points in series.items()
    }
    xs = [x for points in lines.values() for x, _ in points] or [0.0]
    ys = [y for points in lines.values() for _, y in points] or [0.0]
    low, high = math.floor(min(ys)), max(math.ceil(max(ys)), math.floor(min(ys)) + 1)
    start, wide = min(xs), max(max(xs) - min(xs), 1e-9)
    left, inner = 60.0, WIDTH - 80.0
    rows: list[Markup] = []
    for decade in range(low, high + 1):
        y = short(14 + (high - decade) / (high - low) * GROWTH_TALL)
        rows += [
            element("line", x1=left, y1=y, x2=left + inner, y2=y, class_="rule", opacity=0.3),
            element("text", f"{10.0**decade:g}", x=left - 8, y=y, class_="axis end"),
        ]
    for x in dict.fromkeys(xs):
        at = short(left + (x - start) / wide * inner)
        rows.append(element("text", f"{10.0**x:.0f}", x=at, y=GROWTH_TALL + 32, class_="middle"))
    for number, (name, points) in enumerate(lines.items()):
        path = [
            (left + (x - start) / wide * inner, 14 + (high - y) / (high - low) * GROWTH_TALL)
            for x, y in points
        ]
        drawn = " ".join(f"{short(x)},{short(y)}" for x, y in path)
        dash, y = DASHES[number % len(DASHES)], GROWTH_TALL + 54 + 18 * number
        pen = {"fill": "none", "class_": "rule", "stroke_dasharray": dash}
        rows += [
            element("polyline", points=drawn, **pen),
            element("line", x1=left, y1=y - 4, x2=left + 40, y2=y - 4, **pen),
            element("text", name, x=left + 50, y=y),
            *(element("circle", cx=short(x), cy=short(y), r=3, class_="bar") for x, y in path),
        ]
    return figure(GROWTH_TALL + 54 + 18 * len(lines), title, *rows)


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
        element("line", x1=0, y1=7, x2=short(top), y2=7, class_="rule"),
        element("rect", x=0, y=2, width=short(p99), height=10, class_="bar faint"),
        element("rect", x=0, y=2, width=short(p50), height=10, class_="bar"),
    )
    return element("svg", join(parts), viewBox="0 0 160 14", class_="spread", aria_hidden="true")


def figure(height: float, title: str, *parts: Markup) -> Markup:
    """Return a drawing of the usual width; the title is what a screen reader says."""
    return element(
        "svg",
        element("title", title),
        *parts,
        viewBox=f"0 0 {short(WIDTH)} {short(height)}",
        role="img",
    )


def short(value: float) -> str:
    """Return a coordinate with one digit behind the point at most."""
    return f"{value:.1f}".removesuffix(".0")
