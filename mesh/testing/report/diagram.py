"""A run as a space-time diagram: members are lines, time goes right, what one tells another leans.

After Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System" (1978). A line's
colour and number say which view its member holds; a band who was cut off; an arrow who told whom.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from mesh.pages.charts import WIDTH, figure, short
from mesh.pages.markup import Markup, element, join
from mesh.testing.report.bands import bands
from mesh.testing.report.recording import Band, Deed, Heard, Recording, Span

__all__ = [
    "APART", "COLOURS", "DIAGRAM_STYLE", "FOOT", "LEFT", "ROW", "TOP", "Window", "agreement_curve",
    "axis", "shades", "space_time",
]  # fmt: skip

LEFT = 108.0
"""Where time begins: what is left of it are names."""
RIGHT = 14.0
"""Free at the right edge."""
TOP = 34.0
"""Above the first line: the numbers of steps, and what broke."""
ROW = 22.0
"""Between two lines."""
FOOT = 26.0
"""Below the last line: the time."""
CURVE = 64.0
"""Height of the curve of agreement."""
COLOURS = 6
"""Colours of views; the seventh has the first's."""
TICKS = 5
"""Times that are written below."""
APART = 15.0
"""Least distance of two numbers that are written."""
DEEDS_MAX = 400
"""Steps and deeds that are marked in a diagram."""
ARROWS_MAX = 70
"""Arrows of one kind in a diagram."""

DIAGRAM_STYLE = """
:root { --v0: #2f6fb0; --v1: #c2571a; --v2: #1b7a3d; --v3: #8e44ad; --v4: #9a6a00; --v5: #b0306a; }
@media (prefers-color-scheme: dark) { :root { --v0: #5d9fe0; --v1: #f0955c; --v2: #62c584;
  --v3: #c69be0; --v4: #e8b93f; --v5: #f08ab8; } }
.life { stroke-width: 3; }
.v0 { stroke: var(--v0); } .v1 { stroke: var(--v1); } .v2 { stroke: var(--v2); }
.v3 { stroke: var(--v3); } .v4 { stroke: var(--v4); } .v5 { stroke: var(--v5); }
svg .t0 { fill: var(--v0); } svg .t1 { fill: var(--v1); } svg .t2 { fill: var(--v2); }
svg .t3 { fill: var(--v3); } svg .t4 { fill: var(--v4); } svg .t5 { fill: var(--v5); }
.down { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 1 4; }
.band { fill: var(--soft); opacity: 0.16; }
svg text.small { font-size: 10px; }
svg text.view { font-size: 9px; font-weight: 600; paint-order: stroke; stroke: var(--paper);
  stroke-width: 2.5px; }
svg text.soft { fill: var(--soft); }
svg text.alarm { fill: var(--failed); font-weight: 600; }
.tick { stroke: var(--rule); stroke-width: 1; }
.told { stroke: var(--soft); stroke-width: 1; }
.spread { fill: none; stroke: var(--ink); stroke-width: 1.2; stroke-dasharray: 4 3; }
.head { fill: var(--soft); }
.head.fact { fill: var(--ink); }
.ring { fill: none; stroke: var(--failed); stroke-width: 2.5; }
.when { stroke: var(--failed); stroke-width: 1; stroke-dasharray: 2 3; }
.stairs { fill: none; stroke: var(--bar); stroke-width: 2; }
"""


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a run that is drawn: from when to when, whom, and what broke there if anything.

    Attributes:
        from_s: where it begins.
        to_s: where it ends.
        names: whose lines, from above.
        events: whether what was heard is drawn too.
        broken: what broke, when and at whom.
    """

    from_s: float
    to_s: float
    names: Sequence[str]
    events: bool = False
    broken: tuple[str, float, str] | None = None

    def x(self, at_s: float) -> float:
        """Return where a moment is drawn; what lies outside, at the edge."""
        share = (at_s - self.from_s) / ((self.to_s - self.from_s) or 1.0)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def y(self, name: str) -> float:
        """Return where a member's line is drawn."""
        return TOP + ROW * (list(self.names).index(name) + 0.5)

    def has(self, at_s: float) -> bool:
        """Whether a moment is inside."""
        return self.from_s <= at_s <= self.to_s


def space_time(recording: Recording, window: Window) -> Markup:
    """Draw a part of a run."""
    bottom = TOP + ROW * len(window.names)
    lines = recording.members()
    parts = [
        *shades(bands(recording), window),
        *_steps(recording, window, bottom),
        *(_line(name, lines[name], window) for name in window.names),
        *_facts(recording, window),
        *(_events(recording.heard, window) if window.events else ()),
        *_broken(window, bottom),
        axis(window, bottom),
    ]
    title = f"{recording.name} from {window.from_s:.1f} to {window.to_s:.1f} s"
    return figure(bottom + FOOT, title, *parts)


def agreement_curve(recording: Recording, window: Window) -> Markup:
    """Draw how many views there were at every moment; one is agreement."""
    most = max([count for _, count in recording.agreement] + [2])
    base = CURVE + 14

    def y(count: int) -> float:
        return base - (count / most) * CURVE

    points: list[str] = []
    last = recording.agreement[0][1] if recording.agreement else 0
    for at_s, count in recording.agreement:
        x = short(window.x(at_s))
        points += [f"{x},{short(y(last))}", f"{x},{short(y(count))}"]
        last = count
    points.append(f"{short(window.x(recording.end_s))},{short(y(last))}")
    marks: list[Markup] = []
    for count in (1, most):
        at, said = short(y(count)), f"{count} view{'s' if count > 1 else ''}"
        marks += [
            element("line", x1=LEFT, y1=at, x2=WIDTH - RIGHT, y2=at, class_="tick"),
            element("text", said, x=LEFT - 8, y=short(y(count) + 4), class_="small end"),
        ]
    shade = [
        element("rect", x=short(window.x(band.from_s)), y=10, height=short(base - 10),
                width=short(window.x(band.to_s) - window.x(band.from_s)), class_="band")
        for band in bands(recording)
    ]  # fmt: skip
    curve = element("polyline", points=" ".join(points), class_="stairs")
    return figure(base + FOOT, "How many views there were", *shade, *marks, curve,
                  axis(window, base))  # fmt: skip


# -------------------------------------------------------------------------------------- parts


def _line(name: str, spans: Sequence[Span], window: Window) -> Markup:
    y = window.y(name)
    parts: list[Markup] = []
    for span in spans:
        if span.to_s < window.from_s or span.from_s > window.to_s:
            continue
        x1, x2 = window.x(span.from_s), window.x(span.to_s)
        colour = None if span.view is None else (span.view - 1) % COLOURS
        line = element("line", x1=short(x1), y1=short(y), x2=short(x2), y2=short(y),
                       class_="down" if colour is None else f"life v{colour}")  # fmt: skip
        said = "down" if span.view is None else f"holds view {span.view}"
        told = f"{name} {said} from {span.from_s:.1f} to {span.to_s:.1f} s"
        parts.append(element("g", element("title", told), line))
        if colour is not None and x2 - x1 > APART:
            parts.append(element("text", span.view, x=short(x1 + 3), y=short(y - 4),
                                 class_=f"view t{colour}"))  # fmt: skip
    label = element("text", name, x=short(LEFT - 8), y=short(y + 4), class_="small end")
    return join((label, *parts))


def shades(found: Sequence[Band], window: Window) -> list[Markup]:
    """Shade who was cut off; lines beside each other have one shade, and the first the label."""
    parts: list[Markup] = []
    labelled = -APART
    for band in found:
        if band.to_s < window.from_s or band.from_s > window.to_s:
            continue
        x1, x2 = window.x(band.from_s), window.x(band.to_s)
        for number, (first, count) in enumerate(_runs(band, window.names)):
            top = TOP + ROW * first
            told = f"{band.label}: cut off from {band.from_s:.1f} to {band.to_s:.1f} s"
            shade = element("rect", x=short(x1), y=short(top), width=short(max(x2 - x1, 1)),
                            height=short(ROW * count), class_="band")  # fmt: skip
            parts.append(element("g", element("title", told), shade))
            if not number and x2 - x1 > APART + 6.0 * len(band.label) and x1 > labelled:
                labelled = x2
                parts.append(element("text", band.label, x=short(x1 + APART), y=short(top + 8),
                                     class_="small soft"))  # fmt: skip
    return parts


def _runs(band: Band, names: Sequence[str]) -> list[tuple[int, int]]:
    """Return where lines that lie in a band begin, and how many lie beside each other."""
    found: list[tuple[int, int]] = []
    for is_in, group in groupby(enumerate(names), key=lambda item: item[1] in band.names):
        members = list(group)
        if is_in:
            found.append((members[0][0], len(members)))
    return found


def _steps(recording: Recording, window: Window, bottom: float) -> list[Markup]:
    parts: list[Markup] = []
    labelled = -APART
    steps = [
        Deed(timed.number, timed.at_s, f"step {timed.number}: {timed.step.verb}")
        for timed in recording.steps
        if timed.step.verb not in {"run", "settle"}
    ]
    inside = [deed for deed in (*steps, *recording.deeds) if window.has(deed.at_s)]
    for deed in inside[-DEEDS_MAX:]:
        x = window.x(deed.at_s)
        told = f"{deed.words} at {deed.at_s:.1f} s"
        line = element("line", x1=short(x), y1=TOP - 6, x2=short(x), y2=short(bottom),
                       class_="tick")  # fmt: skip
        parts.append(element("g", element("title", told), line))
        if x - labelled >= APART:
            labelled = x
            parts.append(element("text", deed.number, x=short(x), y=TOP - 9,
                                 class_="small soft middle"))  # fmt: skip
    return parts


def _facts(recording: Recording, window: Window) -> list[Markup]:
    """Draw how what people wrote came to those who hold it, the last facts first."""
    ways = [
        (spread.fact.at_s, spread.fact.by, held_s, name)
        for spread in reversed(recording.spreads)
        for name, held_s in spread.held_s.items()
        if name != spread.fact.by
    ]
    drawn = [
        _arrow(*way, kind="fact", window=window)
        for way in ways
        if way[1] in window.names and way[3] in window.names
        and window.has(way[2]) and way[0] >= window.from_s
    ]  # fmt: skip
    return drawn[:ARROWS_MAX]


def _events(heard: Sequence[Heard], window: Window) -> list[Markup]:
    inside = [
        way for way in heard
        if window.has(way.heard_s) and way.speaker in window.names and way.listener in window.names
    ]  # fmt: skip
    return [
        _arrow(way.said_s, way.speaker, way.heard_s, way.listener, kind="event", window=window)
        for way in inside[-ARROWS_MAX:]
    ]


def _arrow(
    said_s: float, speaker: str, heard_s: float, listener: str, *, kind: str, window: Window
) -> Markup:
    x1, x2 = short(window.x(said_s)), short(window.x(heard_s))
    y1, y2 = short(window.y(speaker)), short(window.y(listener))
    told = f"{kind}: {speaker} at {said_s:.2f} s, {listener} at {heard_s:.2f} s"
    return element(
        "g",
        element("title", told),
        element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="spread" if kind == "fact" else "told"),
        element("circle", cx=x2, cy=y2, r=2.2, class_="head fact" if kind == "fact" else "head"),
    )


def _broken(window: Window, bottom: float) -> list[Markup]:
    if window.broken is None:
        return []
    invariant, at_s, who = window.broken
    x = window.x(at_s)
    is_late = x > WIDTH * 0.6
    parts = [
        element("line", x1=short(x), y1=14, x2=short(x), y2=short(bottom), class_="when"),
        element("text", f"{invariant} broken", x=short(x - 5 if is_late else x + 5), y=11,
                class_="small alarm end" if is_late else "small alarm"),
    ]  # fmt: skip
    if who in window.names:
        told = f"{invariant} broken at {at_s:.1f} s, {who}"
        ring = element("circle", cx=short(x), cy=short(window.y(who)), r=7, class_="ring")
        parts.append(element("g", element("title", told), ring))
    return parts


def axis(window: Window, bottom: float) -> Markup:
    """Draw the time below the lines."""
    length_s = window.to_s - window.from_s
    digits = 0 if length_s >= TICKS * 2 else 1 if length_s > 1 else 2
    parts = [element("line", x1=LEFT, y1=short(bottom), x2=WIDTH - RIGHT, y2=short(bottom),
                     class_="rule")]  # fmt: skip
    for number in range(TICKS):
        at_s = window.from_s + length_s * number / (TICKS - 1)
        place = "start" if not number else "end" if number == TICKS - 1 else "middle"
        parts.append(element("text", f"{at_s:.{digits}f} s", x=short(window.x(at_s)),
                             y=short(bottom + 16), class_=f"small {place}"))  # fmt: skip
    return join(parts)
