"""What the mappings of a scenario file are made of: names and patterns, shares, times.

Every verb of a step is a `Part`; see `scenarios.steps`.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from mesh.files.durations import DURATION, milliseconds

__all__ = ["Count", "Duration", "Part", "Several", "Share", "Text", "Who", "seconds"]

SELECTORS_MAX = 64
"""Most names and patterns of one selection."""

Duration = Annotated[str, Meta(pattern=DURATION, examples=["10s", "2m"])]
Text = Annotated[str, Meta(min_length=1, max_length=63)]
Who = Annotated[str, Meta(min_length=1, max_length=200, examples=["north/*", "centre"])]
Several = Who | Annotated[tuple[Who, ...], Meta(min_length=1, max_length=SELECTORS_MAX)]
Share = Annotated[float, Meta(ge=0, lt=1)]
Count = Annotated[int, Meta(ge=1, le=1 << 40)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file; a misspelt key would be silently ignored, so it is refused."""


def seconds(duration: str) -> float:
    """Return a duration in seconds."""
    return milliseconds(duration) / 1000
