"""The rollouts of a run on its page: which stage opened when on which side, and who ran what.

Sides are told apart where a cut stood while the rollout was there: who is in the same cuts is on
one side. A stage is drawn as open from when the first box of a side saw it open until the rollout
was halted or ended there; what held it meanwhile has a row of its own.
"""

from collections.abc import Collection, Sequence

from mesh.pages.charts import Row, figure, short, timeline
from mesh.pages.markup import Markup, element, join
from mesh.testing.report.bands import bands
from mesh.testing.report.diagram import (
    APART,
    COLOURS,
    FOOT,
    LEFT,
    ROW,
    TOP,
    Window,
    axis,
    shades,
)
from mesh.testing.report.recording import Band, Recording
from mesh.testing.report.recording_rollouts import Held, Ran, Story

__all__ = ["ROLLOUT_STYLE", "rollout_figures", "sides_of"]

FIGURES_MAX = 6
"""Rollouts that are drawn."""
SIDES_MAX = 4
"""Sides that are told apart; where cuts make more, none is."""
NAMES_WIDTH = 136.0
"""Room for the names of stages and sides."""
CHARACTER = 6.0
"""Width of a character of a small text, about."""

ROLLOUT_STYLE = """
.wait { fill: var(--yellow); opacity: 0.75; }
.stop { fill: var(--failed); opacity: 0.75; }
"""

LEGEND = (
    "A bar: a stage was open, from when the first box of a side saw it open, until it was halted "
    "or ended. Yellow: boxes for which nothing opened or started meanwhile. Red: halted, ended or "
    "superseded. Shaded: a cut. "
)
RAN = (
    "Who ran what: a line is a box, its colour and word what runs on it, at first what it was "
    "delivered with. Shaded: cut off."
)

Side = tuple[str, frozenset[str]]
"""What a side is called, and who stands on it."""


def rollout_figures(recording: Recording, names: Sequence[str]) -> Markup:
    """Draw the rollouts of a run; nothing where there was none.

    Args:
        recording: the run.
        names: whose lines there is room for.
    """
    stories = list(recording.rollouts.stories.values())
    parts: list[Markup] = []
    for story in stories[:FIGURES_MAX]:
        intent = story.intent
        percents = ", ".join(f"{stage.share_ppm / 10_000:g} %" for stage in intent.stages)
        told = (
            f"{intent.title}, first seen at {story.seen_s:.1f} s: {percents} of {intent.count} "
            f"boxes; in a partition: {intent.on_partition}; after a failure: {intent.on_failure}."
        )
        parts += [element("h3", f"Rollout {intent.title}"), element("p", told),
                  element("figure", _stages(recording, story))]  # fmt: skip
    if not parts:
        return Markup()
    more = len(stories) - FIGURES_MAX
    left_out = f"{more} more rollouts are not drawn. " if more > 0 else ""
    parts.append(element("p", LEGEND, left_out, class_="note"))
    window = Window(
        recording.begin_s, recording.end_s, [name for name in names if name in _running(recording)]
    )
    drawn = element("figure", _ran(recording, window), element("figcaption", RAN))
    return join((*parts, drawn))


def _running(recording: Recording) -> dict[str, list[Ran]]:
    return dict(recording.rollouts.ran())


# -------------------------------------------------------------------------------------- stages


def _stages(recording: Recording, story: Story) -> Markup:
    cuts = [band for band in bands(recording) if band.to_s > story.seen_s]
    sides = sides_of(cuts, story.names)
    rows: list[Row] = []
    for number, stage in enumerate(story.intent.stages):
        name = f"{stage.share_ppm / 10_000:g} %"
        rows += [_stage(story, number, f"{name} {side}".rstrip(), who, recording.end_s)
                 for side, who in sides]  # fmt: skip
    for is_over, said, class_ in ((False, "holds", "wait"), (True, "stopped", "stop")):
        rows += [
            _obstacle(found, f"{said} {side}".rstrip(), class_)
            for side, who in sides
            if (found := [h for h in story.held if h.who in who and h.is_over == is_over])
        ]
    shaded = [(band.label, band.from_s, band.to_s) for band in cuts]
    title = f"When each stage of {story.intent.title} opened"
    return timeline(rows, recording.end_s, title=title, left=NAMES_WIDTH, shades=shaded)


def sides_of(cuts: Sequence[Band], names: Collection[str]) -> list[Side]:
    """Return the sides of the cuts that have anybody of these, the outermost last."""
    by_cuts: dict[tuple[str, ...], set[str]] = {}
    for name in names:
        inside = tuple(sorted({band.label for band in cuts if name in band.names}))
        by_cuts.setdefault(inside, set()).add(name)
    if not 1 < len(by_cuts) <= SIDES_MAX:
        return [("", frozenset(names))]
    called = {
        inside: _bank(who) or (f"in {' and '.join(inside)}" if inside else "elsewhere")
        for inside, who in by_cuts.items()
    }
    if len(set(called.values())) < len(called):
        called = {inside: " and ".join(inside) or "elsewhere" for inside in by_cuts}
    found = sorted(by_cuts.items(), reverse=True)
    return [(called[inside], frozenset(who)) for inside, who in found]


def _bank(names: Collection[str]) -> str:
    """Return the bank on which all of these stand, if it is one."""
    banks = {name.partition("/")[0] for name in names if "/" in name}
    return banks.pop() if len(banks) == 1 else ""


def _stage(story: Story, number: int, name: str, who: Collection[str], end_s: float) -> Row:
    """Return one stage on one side: open from the first who saw it, until it was over there."""
    seen = [each for each in story.opened if each.who in who and each.stage >= number]
    over = [held for held in story.held if held.who in who and held.is_over]
    spans: list[tuple[float, float]] = []
    for each in seen:
        if not spans or each.at_s > spans[-1][1]:
            ends = [held.from_s for held in over if held.from_s >= each.at_s]
            spans.append((each.at_s, min(ends, default=end_s)))
    views = len({each.who for each in seen})
    said = ", ".join(f"{from_s:.1f} s" for from_s, _ in spans)
    return Row(name, f"{said}, seen by {views} of {len(who)}" if spans else "never opened", spans)


def _obstacle(found: Sequence[Held], name: str, class_: str) -> Row:
    """Return what held a rollout on one side: while it did for anybody there."""
    spans: list[tuple[float, float]] = []
    for held in sorted(found, key=lambda each: each.from_s):
        if spans and held.from_s <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], held.to_s))
        else:
            spans.append((held.from_s, held.to_s))
    whys = list(dict.fromkeys(held.obstacle for held in found))
    boxes = len({held.who for held in found})
    return Row(name, f"{'; '.join(whys)} ({boxes} boxes)", spans, class_)


# -------------------------------------------------------------------------------- who ran what


def _ran(recording: Recording, window: Window) -> Markup:
    bottom = TOP + ROW * len(window.names)
    running, titles = _running(recording), recording.rollouts.titles
    numbers: dict[bytes, int] = {}
    lines = [_line(name, running[name], window, titles, numbers) for name in window.names]
    return figure(bottom + FOOT, "Who ran what", *shades(bands(recording), window), *lines,
                  axis(window, bottom))  # fmt: skip


def _line(
    name: str,
    spans: Sequence[Ran],
    window: Window,
    titles: dict[bytes, str],
    numbers: dict[bytes, int],
) -> Markup:
    y = window.y(name)
    parts = [element("text", name, x=short(LEFT - 8), y=short(y + 4), class_="small end")]
    for number, span in enumerate(spans):
        x1, x2 = window.x(span.from_s), window.x(span.to_s)
        colour = numbers.setdefault(span.artefact, len(numbers)) % COLOURS
        called = titles.get(span.artefact, "delivered")
        told = f"{name} ran {called} from {span.from_s:.1f} to {span.to_s:.1f} s"
        line = element("line", x1=short(x1), y1=short(y), x2=short(x2), y2=short(y),
                       class_=f"life v{colour}")  # fmt: skip
        parts.append(element("g", element("title", told), line))
        if (number or span.artefact in titles) and x2 - x1 > APART + CHARACTER * len(called):
            parts.append(element("text", called, x=short(x1 + 3), y=short(y - 4),
                                 class_=f"view t{colour}"))  # fmt: skip
    return join(parts)
