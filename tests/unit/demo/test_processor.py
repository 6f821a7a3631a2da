"""The processor time of a run is that of everybody who descends from it."""

import os
import subprocess
import sys
from pathlib import Path

from mesh.demo.stage.processor import processor_ns, stolen_ns, used_ns

PARENT = """
import subprocess, sys
burn = "import time\\nwhile time.process_time() < 0.2: pass\\nprint('x', flush=True); input()"
child = subprocess.Popen([sys.executable, "-c", burn], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""


def test_a_grandchild_counts_and_a_stranger_does_not() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        grandchild = int(parent.stdout.readline())
        own = processor_ns(os.getpid())
        below = processor_ns(parent.pid)
        parent.communicate("\n")
    assert {os.getpid(), parent.pid, grandchild} <= own.keys()
    assert own[grandchild] >= 150_000_000  # /proc counts in ticks of 10 ms
    assert below.keys() == {parent.pid, grandchild}


def test_what_was_used_is_what_the_living_used_since() -> None:
    assert used_ns({1: 5, 2: 100}, {1: 8, 3: 4}) == 7


def test_what_the_host_took_never_grows_less_and_is_less_than_all() -> None:
    before = stolen_ns()
    assert 0 <= before <= stolen_ns()
    assert before < 10**9 * float(Path("/proc/uptime").read_text().split()[0]) * os.cpu_count()
