"""Runs the type checker against trio's own annotations.

libp2p depends on trio-typing, whose stub package for an older trio would shadow the annotations
that trio itself ships. Stubs in `stubPath` come before both, so trio is linked there. The project
is named, since the checker prefers a configuration of its own in any folder above to ours.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

STUBS = Path(".typing")


def main() -> int:
    """Link trio into the stub path and check; returns the checker's exit code."""
    spec = find_spec("trio")
    if spec is None or spec.origin is None:
        sys.exit("trio is not installed: run this with `make check`")
    STUBS.mkdir(exist_ok=True)
    link = STUBS / "trio"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(spec.origin).parent)
    what = sys.argv[1:] or ["--project", "pyproject.toml"]
    return subprocess.run([sys.executable, "-m", "basedpyright", *what], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
