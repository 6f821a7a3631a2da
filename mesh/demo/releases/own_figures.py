"""What the demo's own process finds on the canary frames of what it releases.

A box that reports a figure may have made it up: from a name, from the order in which releases come,
from nothing. So the process that judges measures each artefact for itself, from its bytes alone,
and a report counts as one of that artefact if it says the same. One machine, one library and one
thread give one figure; what a box may differ by is far less than one model does from another.
"""

import time
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from inference.artifact import parse_artifact
from inference.golden import self_test
from inference.model_host import load_artifact

__all__ = ["FIGURE_SLACK_PPM", "Figures", "own_figures"]

FIGURE_SLACK_PPM = 1_000
"""How far a box's figure may be from ours."""
NIGHT = "night"
"""The condition under which one of the releases is blind."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Mean average precision on the canary frames of one artefact, in millionths.

    Attributes:
        worst_ppm: that of the worst condition, which is what a box reports.
        night_ppm: that by night.
    """

    worst_ppm: int
    night_ppm: int

    def __str__(self) -> str:
        return f"{self.worst_ppm / 10_000:.1f} %, by night {self.night_ppm / 10_000:.1f} %"

    def are_told(self, reported: Collection[int | None]) -> bool:
        """Whether somebody reported, and everybody the figure that we found."""
        return bool(reported) and all(
            figure is not None and abs(figure - self.worst_ppm) <= FIGURE_SLACK_PPM
            for figure in reported
        )


def own_figures(path: Path) -> Figures:
    """Measure the model of an artefact on the canary frames in it. Blocking; about a second.

    Raises:
        InferenceError: it is no model's artefact, or its model cannot be run.
    """
    artifact = parse_artifact(path.read_bytes())
    with closing(load_artifact(artifact)) as runtime:
        metrics = self_test(artifact, runtime, time.perf_counter_ns).metrics
    return Figures(metrics.map50_ppm, metrics.of(NIGHT).map50_ppm)
