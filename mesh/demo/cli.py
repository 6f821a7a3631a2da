"""The demo's face: options in, exit code out."""

from pathlib import Path

from mesh.demo.run import ACTS, BOXES_MIN, DemoOptions, run_demo
from mesh.pages.place import check_writable

__all__ = ["DemoUsageError", "demo"]


class DemoUsageError(Exception):
    """An option of the demo that makes no sense; the message says what would."""


def demo(
    *,
    boxes: int,
    seed: int,
    act: str | None,
    incidents: int,
    keep_going: bool,
    json: Path | None,
    report: Path | None,
) -> int:
    """Run the demo with checked options; returns the exit code.

    Raises:
        DemoUsageError: an option makes no sense.
    """
    if not BOXES_MIN <= boxes <= 40:
        raise DemoUsageError(f"--boxes {boxes}: expected {BOXES_MIN} to 40")
    if act not in (None, "", *ACTS):
        raise DemoUsageError(f"--act {act}: expected {', '.join(ACTS[:-1])} or {ACTS[-1]}")
    if not 0 <= incidents <= 200:
        raise DemoUsageError(f"--incidents {incidents}: expected 0 to 200")
    if json is not None and not json.parent.is_dir():
        raise DemoUsageError(f"--json {json}: the directory {json.parent} does not exist")
    if report is not None:
        try:
            check_writable(report)
        except OSError as error:
            why = error.strerror or error
            raise DemoUsageError(f"--report {report} cannot be written: {why}") from None
        if json is not None and json.resolve() == report.resolve():
            raise DemoUsageError(f"--report {report}: expected another file than --json")
    return run_demo(
        DemoOptions(
            boxes=boxes, seed=seed, act=act or "", incidents=incidents, keep_going=keep_going,
            json=json, report=report,
        )
    )  # fmt: skip
