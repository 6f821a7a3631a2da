"""Where the report goes: all of it or nothing, and never a surprise after four minutes."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["check_writable", "write_report"]


def check_writable(path: Path) -> None:
    """See that a file can be put there; nothing is left behind.

    Raises:
        OSError: it cannot.
    """
    if path.exists() and not path.is_file():
        raise OSError(None, "it is no regular file")  # a device would be replaced by the page
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:32]}."):
        pass


def write_report(path: Path, page: str) -> None:
    """Put the page there at once: who reads the path finds the old page or the whole new one.

    Raises:
        OSError: it cannot be written.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:32]}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
