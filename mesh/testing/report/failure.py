"""The page of a failed test: what was done to its fleet, and what that looked like.

What failed stands first, then the moments before it, the whole run, and each line of what was done.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mesh.pages.markup import Markup, element
from mesh.pages.parts import absent, page, table
from mesh.testing.report.figures import (
    FIGURES_STYLE,
    chosen,
    drawn,
    latency,
    spreads,
    titled,
)
from mesh.testing.report.recording import Recording
from mesh.testing.report.rollouts import rollout_figures

__all__ = ["Failure", "render_failure"]

SENTENCE_MAX = 4_000
"""Characters of what failed that are shown."""
NOTE = (
    "Times are virtual seconds since the fleet was made. Looked at every virtual second and after "
    "each verb; a run of more than a quarter of an hour more rarely, the longer it is."
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One test that failed.

    Attributes:
        name: of the test.
        sentence: what failed.
        again: the command that runs the very same again.
        recording: of its fleet.
        refusals: events that boxes refused, by reason.
    """

    name: str
    sentence: str
    again: str
    recording: Recording
    refusals: Mapping[str, int]


def render_failure(failure: Failure) -> str:
    """Return the page."""
    recording = failure.recording
    header = element(
        "header",
        element("h1", failure.name),
        element("pre", failure.sentence[:SENTENCE_MAX], class_="verdict failed"),
        element("p", "Again: ", element("code", failure.again)),
        element("p", NOTE, class_="note"),
    )
    names = chosen(recording, " ".join(deed.words for deed in recording.deeds))
    return page(
        failure.name,
        header,
        drawn(recording, names, close=("Before it failed", recording.end_s), numbers="deeds"),
        rollout_figures(recording, names),
        titled("What was done", _deeds(recording)),
        titled("Events that were refused, by reason", _refusals(failure.refusals)),
        titled("Latency", latency(recording)),
        titled("Facts on their way", spreads(recording)),
        style=FIGURES_STYLE + STYLE,
    )


STYLE = """
pre { overflow-x: auto; white-space: pre-wrap; font-size: 0.9rem; }
"""


def _deeds(recording: Recording) -> Markup:
    """List what was done, the last lines of it."""
    rows = [(deed.number, f"{deed.at_s:.3f} s", deed.words) for deed in recording.deeds]
    return table(("", "at", "what"), rows) if rows else absent("deed")


def _refusals(refusals: Mapping[str, int]) -> Markup:
    rows = sorted(refusals.items(), key=lambda item: (-item[1], item[0]))
    return table(("reason", "events"), rows) if rows else absent("event that was refused")
