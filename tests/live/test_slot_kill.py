"""A hundred SIGKILLs at random points of changing what runs: a good slot comes up every time."""

import json
import subprocess
import sys
from pathlib import Path

KILLS = 100
WITHIN_S = 60


def test_a_killed_box_comes_up_with_a_good_slot(tmp_path: Path):
    command = [sys.executable, "-m", "tests.live.slot_process", str(tmp_path), str(KILLS), "247"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN_S)
    assert ended.returncode == 0, ended.stderr
    counts = json.loads(ended.stdout)
    assert counts["kills"] == KILLS
    assert counts["during"] >= KILLS // 10, "kills met their subject: a change under way"
    assert counts["torn"] >= 1, "and the middle of a write"
    assert counts["rolled_out"] >= KILLS // 10
