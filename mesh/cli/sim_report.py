"""`mesh sim run --report` and that of `mesh net`: the page, written whole once all is over."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mesh.cli.options import CommandError
from mesh.cli.scenario_files import check_file
from mesh.pages.place import write_report
from mesh.testing.chance.shrinking import Shrunk
from mesh.testing.fleets.sight import Sight
from mesh.testing.report.page import Played, render_report
from mesh.testing.report.recording import Recording
from mesh.testing.scenarios.runner import Result
from mesh.testing.scenarios.scenario import Scenario

__all__ = ["Report"]


class Report:
    """A page in the making; one without a path costs nothing and is not written.

    Args:
        path: where it goes.
        json_file: what goes elsewhere.
    """

    def __init__(self, path: Path | None, json_file: Path | None) -> None:
        self._path = path
        self._recordings: list[Recording] = []
        if path is None:
            return
        check_file("--report", path)
        if json_file is not None and json_file.resolve() == path.resolve():
            raise CommandError(f"--report {path}: expected another file than --json")

    def begin(self, scenario: Scenario) -> Callable[[Sight], None]:
        """Return who watches a scenario for the page."""
        if self._path is None:
            return lambda _sight: None
        self._recordings.append(Recording(scenario.name, scenario.steps))
        return self._recordings[-1].watch

    def write(self, results: Sequence[Result], small: Sequence[Shrunk | None]) -> None:
        """Write the page.

        Args:
            results: of the scenarios that were begun, in their order.
            small: what each got down to, if it was cut down.
        """
        if self._path is None:
            return
        found = zip(results, self._recordings, small, strict=True)
        played = [
            Played(result, recording, "" if shrunk is None else shrunk.text)
            for result, recording, shrunk in found
        ]
        write_report(self._path, render_report(played))

    def write_wires(self, results: Sequence[Result], simulated: Sequence[Result]) -> None:
        """Write the page of scenarios on wires.

        Args:
            results: of the scenarios that were begun last, in their order.
            simulated: of the same in simulation, which were begun first; none if they were not.
        """
        if self._path is None:
            return
        found = zip((*simulated, *results), self._recordings, strict=True)
        every = [Played(result, recording) for result, recording in found]
        beside = every[: len(simulated)] or [None] * len(results)
        wires = zip(every[len(simulated) :], beside, strict=True)
        played = [replace(one, on_wires=True, beside=other) for one, other in wires]
        write_report(self._path, render_report(played))
