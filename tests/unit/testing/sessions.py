"""Sessions of pytest in a process of their own, over tests written by a test."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from tests.repo.tree import ROOT

PLUGINS = ("-p", "mesh.testing.pytest_plugin", "-p", "no:cacheprovider")
"""Loaded by name, so that it does not matter what is installed beside."""


def session(folder: Path, tests: str, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run tests as a project of their own; returns the status and what was printed."""
    (folder / "test_own.py").write_text(dedent(tests), encoding="utf-8")
    environment = {
        **os.environ,
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(ROOT),
        **variables,
    }
    command = [sys.executable, "-m", "pytest", *PLUGINS, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr
