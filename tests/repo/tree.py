"""The tree that the repo rules read: what git holds or would hold, and nothing that it ignores."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCT = ("crdt", "identity", "inference", "mesh")
CODE = (*PRODUCT, "bench", "examples", "interop", "tests", "tools")


@cache
def committed() -> tuple[str, ...]:
    """Every path of the working tree that is committed or could be, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return tuple(sorted({path for path in listed.split("\0") if (ROOT / path).is_file()}))


def modules(*folders: str) -> Iterator[tuple[str, str]]:
    """(path, text) of every Python file under these folders of the root."""
    for path in committed():
        if path.endswith(".py") and path.split("/", 1)[0] in folders:
            yield path, (ROOT / path).read_text(encoding="utf-8")


def parsed(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """(path, syntax tree) of every Python file under these folders of the root."""
    for path, text in modules(*folders):
        yield path, ast.parse(text, filename=path)


def run_python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """This environment's Python, with whatever status it ends."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, check=False, capture_output=True, text=True
    )


def listing(findings: list[str]) -> str:
    """Findings, one a line, as an assertion shows them."""
    return "".join(f"\n  {finding}" for finding in findings)
