"""What every page of a run shows: the diagrams of it, latencies, and facts on their way.

A run is a scenario's or a test's; what a figure says of it is the same.
"""

from collections.abc import Sequence

from mesh.pages.charts import latency_histogram
from mesh.pages.markup import Markup, element, join
from mesh.pages.parts import absent, table
from mesh.testing.report.diagram import DIAGRAM_STYLE, Window, agreement_curve, space_time
from mesh.testing.report.recording import Recording
from mesh.testing.report.rollouts import ROLLOUT_STYLE
from mesh.testing.report.side_by_side import SHARES, below

__all__ = [
    "FIGURES_STYLE", "LINES_MAX", "chosen", "drawn", "folded", "latency", "spreads", "titled",
]  # fmt: skip

LINES_MAX = 24
"""Members that are drawn; whom the run names come first."""
AROUND_S = (20.0, 2.0)
"""Most that is drawn before a moment and behind it, seconds."""
EVENTS_MAX = 60
"""Events at which less time around a moment is drawn, down to two seconds."""

FIGURES_STYLE = (
    DIAGRAM_STYLE
    + ROLLOUT_STYLE
    + """
h3 { font-size: 1rem; margin: 1.4rem 0 0.3rem; }
code { font-size: 0.85rem; }
"""
)

LEGEND = (
    "A line is a member; its colour and number say which view of who may do what it holds: the "
    "same number, agreement. Dotted: down. Shaded: cut off. Numbers above: {numbers}. "
)
ARROWS = "Dashed: a fact, from where it was written to when a member was first seen to hold it. "
EVENTS = "Thin: an event, from who said it to who heard it. "
EXPOSURE = (
    "Of a revocation, the last column is the exposure: for so long somebody who was up did not "
    "hold it. Looked at every virtual second."
)


def drawn(
    recording: Recording,
    names: Sequence[str],
    *,
    close: tuple[str, float] | None = None,
    broken: tuple[str, float, str] | None = None,
    numbers: str = "steps",
) -> Markup:
    """Draw a run: first the time around a moment, if one matters, and then all of it.

    Args:
        recording: the run.
        names: whose lines.
        close: what that moment is called, and when it is.
        broken: what broke, when and at whom.
        numbers: what the numbers above the lines count.
    """
    if not recording.lines:
        return absent("member")
    more = len(recording.lines) - len(names)
    legend = LEGEND.format(numbers=numbers)
    left_out = f"{more} more members are not drawn. " if more else ""
    whole = Window(recording.begin_s, recording.end_s, names, broken=broken)
    parts: list[Markup] = []
    if close is not None:
        near = Window(*_around(recording, close[1]), names, events=True, broken=broken)
        caption = element("figcaption", legend, ARROWS, EVENTS, left_out)
        parts += [element("h3", close[0]),
                  element("figure", space_time(recording, near), caption)]  # fmt: skip
    caption = element("figcaption", *(() if parts else (legend, ARROWS, left_out)))
    parts += [
        element("h3", "The whole run"),
        element("figure", space_time(recording, whole), agreement_curve(recording, whole), caption),
    ]
    return join(parts)


def chosen(recording: Recording, said: str, who: str = "") -> list[str]:
    """Return whose lines are drawn: who matters, whom the run names, and then the first.

    Args:
        recording: the run.
        said: what was done, in words.
        who: whom it is about.
    """
    every = list(recording.members())
    first = [name for name in every if name == who or name in said]
    kept = set([*first, *(name for name in every if name not in first)][:LINES_MAX])
    return [name for name in every if name in kept]


def _around(recording: Recording, at_s: float) -> tuple[float, float]:
    """Return what to draw around a moment: little enough for its events to be told apart."""
    before_s, behind_s = AROUND_S
    while before_s > behind_s:
        inside = sum(at_s - before_s <= way.heard_s <= at_s + 1 for way in recording.heard)
        if inside <= EVENTS_MAX:
            break
        before_s /= 2
    behind_s = min(behind_s, before_s / 4)
    return max(at_s - before_s, 0.0), max(min(at_s + behind_s, recording.end_s), at_s, 0.1)


def latency(recording: Recording) -> Markup:
    """Draw how long events were on their way."""
    bins = recording.bins()
    if not bins:
        return absent("event that was heard")
    title = "Deliveries by latency, said to heard"
    caption = element("figcaption", f"{title}; milliseconds, each class below its label.")
    rows = [(f"{recording.heard_count}", *(below(recording, share) for share in SHARES.values()),
             f"{recording.slowest_ms:.1f} ms")]  # fmt: skip
    return join(
        (
            element("figure", latency_histogram(bins, title=title), caption),
            table(("deliveries", *(f"{share} below" for share in SHARES), "slowest"), rows),
        )
    )


def spreads(recording: Recording) -> Markup:
    """List what people wrote and how long it took: of a revocation, that is the exposure."""
    rows = [
        (
            f"{spread.fact.entry.kind}",
            spread.fact.by,
            f"{spread.fact.at_s:.1f} s",
            len(spread.held_s),
            "not all" if spread.all_s is None else f"{spread.all_s - spread.fact.at_s:.1f} s",
        )
        for spread in recording.spreads
    ]
    if not rows:
        return absent("fact that somebody wrote")
    note = element("p", EXPOSURE, class_="note")
    return join((table(("fact", "by", "written at", "held by", "by all after"), rows), note))


def titled(title: str, content: Markup) -> Markup:
    """Return content under a small heading."""
    return join((element("h3", title), content))


def folded(title: str, content: Markup) -> Markup:
    """Return content that is shown when its title is touched."""
    return element("details", element("summary", title), content)
