"""The command line: `mesh authority`, `artifact`, `box`, `bootstrap`, `get nodes`, `dev`, `demo`.

A mistake in what a command is given costs one line on the error stream and exit code 2: what was
wrong, what was expected, what to do. Everything heavy is imported by the command that needs it.
"""

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, 2 for a mistake in its input, 130 for Ctrl-C.

    Args:
        arguments: what follows `mesh`; those of this process unless given.
    """
    from mesh.cli.app import run

    return run(arguments)
