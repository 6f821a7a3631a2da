"""Charts of a page, as SVG inside it: a timeline, a histogram, a row of percentiles.

Colours come from the page's style sheet by class, so that each figure follows the reader's light or
dark scheme; what colour says is said by shape or words as well. Every mark has a title, which a
pointer shows and a screen reader reads.
"""

from collections.abc import Mapping, Sequence

from mesh.pages.markup import Markup, element, join

__all__ = ["WIDTH", "figure", "latency_histogram", "short", "spread_bar", "stage_timeline"]

WIDTH = 640.0
"""Width of a figure, in its own units; the page scales it."""
ROW = 34.0
"""Height of a stage in the timeline."""
BARS = 150.0
"""Height of the histogram's highest bar."""


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
        rows.append(element("text", name, x=left - 10, y=short(y + 19), class_="axis end"))
        if at is None:
            rows.append(element("text", said, x=left + 6, y=short(y + 19), class_="axis never"))
            continue
        x = left + max(at, 0.0) / end_s * inner
        over = x > left + inner * 0.55  # too little of the bar is left for words
        rows += [
            element("rect", x=short(x), y=short(y), width=short(max(left + inner - x, 1)),
                    height=ROW - 8, rx=3, class_="bar"),
            element("text", said, x=short(x - 6 if over else x + 8), y=short(y + 18),
                    class_="axis end" if over else "axis in"),
        ]  # fmt: skip
    base = 6 + ROW * len(stages)
    rows.append(element("line", x1=left, y1=base, x2=left + inner, y2=base, class_="rule"))
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        place = "axis start" if share == 0 else "axis end" if share == 1 else "axis middle"
        x = short(left + share * inner)
        rows.append(element("text", f"{share * end_s:.0f} s", x=x, y=base + 18, class_=place))
    return figure(height, "When each stage of the rollout opened", *rows)


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
