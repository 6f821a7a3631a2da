"""Whether this machine gives network namespaces, asked past the code that is to use them.

An act that skips itself where it cannot be played would also skip itself where our own code is
broken. So whoever skips must have the word of the system's `unshare` for it, which knows nothing of
`mesh.testing`.
"""

import shutil
import subprocess
import sys

import trio

__all__ = ["PROBES", "granted_by"]

PROBES = (
    ("unshare", "--net", "true"),
    ("unshare", "--user", "--map-root-user", "--net", "true"),
)
"""As root, and as anybody in a user namespace of their own."""
PROBE_S = 5.0
"""Seconds that an answer may take."""


async def granted_by() -> str:
    """Return the command that was given a network namespace; "" where none was, or none is there.

    Elsewhere than on Linux there is nothing to ask.
    """
    if sys.platform != "linux" or shutil.which(PROBES[0][0]) is None:
        return ""
    for probe in PROBES:
        with trio.move_on_after(PROBE_S):
            done = await trio.run_process(
                probe, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            if done.returncode == 0:
                return " ".join(probe)
    return ""
