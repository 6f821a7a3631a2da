"""How much processor time a process and all that descend from it have used, and who took some.

Read from Linux's /proc, where nobody is forgotten: the process that forks the others counts, and so
does one that answers no question.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from mesh.units import SECOND

__all__ = ["processor_ns", "stolen_ns", "used_ns"]

PARENT, USER_TICKS, SYSTEM_TICKS = 1, 11, 12
"""Fields of /proc/<pid>/stat after the name in parentheses (proc(5): 4, 14 and 15)."""
STOLEN_TICKS = 8
"""Field of the first line of /proc/stat (proc_stat(5): steal)."""


def processor_ns(root: int) -> dict[int, int]:
    """Return the processor time of a process and its living descendants, nanoseconds by pid."""
    tick_ns = SECOND // os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        pid = int(folder.name)
        parents[pid] = int(fields[PARENT])
        used[pid] = (int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])) * tick_ns
    return {pid: ns for pid, ns in used.items() if _descends(pid, root, parents)}


def used_ns(before: Mapping[int, int], after: Mapping[int, int]) -> int:
    """Return what was used between two readings, by whoever lives in the second."""
    return sum(ns - before.get(pid, 0) for pid, ns in after.items())


def stolen_ns() -> int:
    """Return the processor time that the host of this virtual machine gave to others, since boot.

    While it does, nothing here runs, and what is measured here takes longer.
    """
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(fields[STOLEN_TICKS]) * (SECOND // os.sysconf("SC_CLK_TCK"))


def _descends(pid: int, root: int, parents: Mapping[int, int]) -> bool:
    while pid != root and pid in parents:
        pid = parents[pid]
    return pid == root
