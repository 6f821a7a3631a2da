"""What the benchmark of agreement computes, and that it runs on a small fleet."""

import json
from pathlib import Path

import pytest

from bench import agreement
from mesh.testing.fleets.fleet import Fleet


def test_missing_is_what_others_held_and_a_box_came_to_hold() -> None:
    before = [{b"a": 10, b"b": 5}, {b"a": 10}, {}]
    after = [{b"a": 10, b"b": 5, b"new": 99}, {b"a": 10, b"b": 5}, {b"a": 10}]
    assert agreement.missing(before, after) == 5 + 10
    assert agreement.missing(after, after) == 0


def test_a_wait_ends_when_something_holds_and_gives_up_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = Fleet(boxes=2, is_acquainted=True)
    start = fleet.now_s
    took = agreement.wait_for(fleet, lambda: fleet.now_s - start >= 0.5)
    assert took == pytest.approx(0.5, abs=agreement.STEP_S)
    monkeypatch.setattr(agreement, "WAIT_S", 1)
    assert agreement.wait_for(fleet, lambda: False) is None


def test_a_small_fleet_is_cut_healed_and_revoked(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    assert agreement.main(["--quick", "--boxes", "8", "--json", str(file)]) == 0
    rows = {row["figure"]: row for row in json.loads(file.read_text())["rows"]}
    assert 0 < rows["heal to the first link"]["value"] < rows["heal to agreement"]["value"]
    assert rows["heal to agreement"]["met"]
    assert rows["sync, of what was missing"]["value"] >= 1, "a fact reaches each box once at least"
    slowest = rows["revocation known by all, the slowest"]["value"]
    assert rows["revocation known by 99 %, median"]["value"] <= slowest < 1
