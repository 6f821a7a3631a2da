"""The scenarios that come with the library, and reading of others."""

from collections.abc import Iterable
from pathlib import Path

from mesh.files.yaml_tree import YAML_SIZE_MAX
from mesh.testing.checkers.registry import CHECKERS
from mesh.testing.scenarios.scenario import Scenario, parse_scenario

__all__ = ["PathExpectedError", "library", "read_scenario"]

HOME = Path(__file__).with_name("files")


class PathExpectedError(TypeError):
    """A scenario was to be read from something that is no path."""


def library() -> dict[str, Path]:
    """Return the file of every scenario that comes along, by its name, sorted."""
    return {path.stem: path for path in sorted(HOME.glob("*.yaml"))}


def read_scenario(path: Path, *, checkers: Iterable[str] = CHECKERS) -> Scenario:
    """Return the scenario in a file; `library()` has those that come along, by name.

    Args:
        path: the file.
        checkers: what it may name among its invariants.

    Raises:
        OSError: it cannot be read.
        PathExpectedError: it is no path.
        ScenarioFileError: it is no YAML, or something in it is not what was expected.
    """
    if not isinstance(path, Path):  # pyright: ignore  (who writes a test may be mistaken)
        known = isinstance(path, str) and path in library()
        told = f"library()[{path!r}]" if known else "Path('mine.yaml')"
        raise PathExpectedError(
            f"read_scenario({path!r:.60}): expected the path of a file, as read_scenario({told})"
        )
    with path.open("rb") as file:
        data = file.read(YAML_SIZE_MAX + 1)
    return parse_scenario(data, str(path), checkers=tuple(checkers))
