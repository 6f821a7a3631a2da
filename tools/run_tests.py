"""What `make test` runs: every test, and the branch coverage that the pure floors must keep.

Three passes. The tests that only think are shared out over the cores: those of the pure floors are
watched by coverage, which costs them about half their time, and then the others and the longest
properties are not. Those marked `live` (real sockets, real processes, real deadlines) come last,
unwatched, so that no tracer is in their latency; they often wait, so three files of them run at a
time. With arguments this is plain pytest with those arguments (`make test ARGS='-x tests/laws'`),
and nothing is measured.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import coverage

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out" / "tests"

BRANCHES_COVERED_MIN = 0.90
"""Of every pure floor by itself: a floor cannot hide behind a better one."""

PROCESSES = 2
"""What the ten minutes of `make test` are promised for; more cores gain little."""
WAITING = 3
"""Of what often waits for real time, so much runs at once."""

FLOORS = {
    "identity": "identity/",
    "crdt": "crdt/",
    "mesh.gossip": "mesh/gossip/",
    "mesh.coordination": "mesh/coordination/",
    "mesh.choreography": "mesh/choreography/",
    "mesh.orchestration": "mesh/orchestration/",
    "mesh.mind": "mesh/mind/",
    "mesh.framing": "mesh/framing.py",
    "mesh.units": "mesh/units.py",
    "inference.detector": "inference/detector.py",
    "inference.health": "inference/health.py",
}
"""Folders, and single files where what is around them is not pure."""

FACES = (
    "tests/docs",
    "tests/repo",
    "tests/sim",
    "tests/unit/cli",
    "tests/unit/demo",
    "tests/unit/net",
    "tests/unit/node",
    "tests/unit/testing",
)
"""Tests of what is not pure, and whole fleets: no floor's coverage hangs on them."""

DRAWN = (
    "tests/laws/rollouts/test_invariant.py",
    "tests/laws/test_authority.py",
    "tests/laws/test_convergence.py",
    "tests/laws/test_pruned_pins.py",
    "tests/laws/test_registers.py",
    "tests/laws/test_sync.py",
    "tests/unit/crdt/test_replica_laws.py",
    "tests/unit/crdt/test_sharing.py",
    "tests/unit/mind/test_total.py",
)
"""Long properties over drawn worlds: cases cover what they run, and watching doubles their time."""

LIVE = ("tests/contract", "tests/docs/test_readme_live.py", "tests/live", "tests/netns")
"""Where tests marked `live` are; what opens sockets is slow to import, so only they collect it."""

IMPURE = ("identity/keystore.py", "crdt/store.py", "crdt/projection.py")


def run_pytest(name: str, *arguments: str, measured: bool) -> tuple[dict[str, int], list[str]]:
    """Run pytest once.

    Returns:
        How many tests there were of each outcome, and what is wrong with the pass.
    """
    report = OUT / f"{name}.xml"
    environment = dict(os.environ)
    if measured:
        environment["COVERAGE_PROCESS_START"] = str(ROOT / "pyproject.toml")
        environment["COVERAGE_FILE"] = str(OUT / "coverage")
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    counts = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    if report.exists():
        for suite in ElementTree.parse(report).iter("testsuite"):
            for outcome in counts:
                counts[outcome] += int(suite.get(outcome, 0))
    return counts, problems_of(name, status, counts)


def problems_of(name: str, status: int, counts: Mapping[str, int]) -> list[str]:
    """Return what is wrong with a pass; one in which no test ran says nothing, so it is red."""
    if counts["tests"] == counts["skipped"]:
        return [f"no test ran in the {name} pass"]
    return [f"tests failed in the {name} pass"] if status else []


def ignored(*paths: str) -> list[str]:
    """Return the options that keep pytest away from files and folders."""
    return [f"--ignore={path}" for path in paths]


def measure_floors() -> list[str]:
    """Print the floors' table.

    Returns:
        The floors whose branches are covered too thinly.
    """
    measured = coverage.Coverage(data_file=str(OUT / "coverage"))
    measured.combine()
    measured.json_report(outfile=str(OUT / "coverage.json"))
    files = json.loads((OUT / "coverage.json").read_text())["files"]
    thin: list[str] = []
    print(f"\n{'pure floor':<20}{'statements':>11}{'covered':>9}{'branches':>10}{'covered':>9}")
    for floor, folder in FLOORS.items():
        rows = [
            row["summary"]
            for path, row in files.items()
            if path.startswith(folder) and path not in IMPURE
        ]
        statements, executed, branches, taken = (
            sum(row[key] for row in rows)
            for key in ("num_statements", "covered_lines", "num_branches", "covered_branches")
        )
        share = taken / branches if branches else 1.0
        print(
            f"{floor:<20}{statements:>11}{executed / max(statements, 1):>9.1%}"
            f"{branches:>10}{share:>9.1%}"
        )
        if share < BRANCHES_COVERED_MIN:
            thin.append(f"{floor} covers {share:.1%} of its branches")
    return thin


def main() -> int:
    """Run the passes, print what they found; the exit status says whether all is well."""
    if len(sys.argv) > 1:
        return subprocess.call([sys.executable, "-m", "pytest", *sys.argv[1:]], cwd=ROOT)
    started = time.monotonic()
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    shared = ("-n", str(WAITING), "--dist", "loadfile")
    thinking = ("-n", str(PROCESSES), "-m", "not live")
    passes = [
        run_pytest("thinking", *thinking, *ignored(*FACES, *DRAWN, *LIVE), measured=True),
        run_pytest("faces", *thinking, *FACES, *DRAWN, *ignored(*LIVE), measured=False),
        run_pytest("live", *shared, "-m", "live", *LIVE, measured=False),
    ]
    counts = {outcome: sum(each[outcome] for each, _ in passes) for outcome in passes[0][0]}
    failed = counts["failures"] + counts["errors"]
    problems = [problem for _, found in passes for problem in found] + measure_floors()
    for problem in problems:
        print(f"make test: {problem} (wanted: no failure, {BRANCHES_COVERED_MIN:.0%} of branches)")
    passed = counts["tests"] - failed - counts["skipped"]
    print(f"make test took {time.monotonic() - started:.0f} s")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
