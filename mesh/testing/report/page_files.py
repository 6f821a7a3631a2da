"""Where the pages of failed tests go: one file each, named after its test."""

import re
from hashlib import sha256
from pathlib import Path

from mesh.pages.place import check_writable, write_report
from mesh.testing.report.failure import Failure, render_failure
from mesh.testing.report.fleet_watch import FleetWatch

__all__ = ["check_folder", "file_name", "write_failure"]

NAME_MAX = 120
"""Characters of a test's name that are in the name of its file."""
DIGEST_DIGITS = 6
"""Digits that tell apart tests whose names are alike but for what no file name may hold."""


def check_folder(folder: Path) -> None:
    """See that pages can be put into a folder; it is made if it is not there.

    Raises:
        OSError: they cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    check_writable(folder / "page.html")


def file_name(test: str) -> str:
    """Return what the page of a test is called."""
    words = re.sub(r"[^A-Za-z0-9_.]+", "-", test).strip("-.")[-NAME_MAX:]
    return f"{words}-{sha256(test.encode()).hexdigest()[:DIGEST_DIGITS]}.html"


def write_failure(folder: Path, watch: FleetWatch, *, sentence: str, again: str) -> str:
    """Write the page of a failed test; returns where it is, or why it is nowhere.

    Args:
        folder: for pages.
        watch: who looked on.
        sentence: what failed.
        again: how to run the very same again.
    """
    recording = watch.finish()
    path = folder / file_name(recording.name)
    failure = Failure(recording.name, sentence, again, recording, watch.fleet.refusals())
    try:
        write_report(path, render_failure(failure))
    except OSError as error:
        return f"page: none; {path} cannot be written: {error.strerror or error}"
    return f"page: {path}"
