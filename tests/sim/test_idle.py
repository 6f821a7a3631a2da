"""What a fleet does while nothing happens: its clocks, its syncs, and nothing else."""

import pytest

from crdt.entry import REMEMBERED_BYTES_MAX, Lane, parse_entry, verify_entry
from mesh.mind.conducting import Conducting
from mesh.testing.fleets.fleet import Fleet


def test_nobody_looks_at_rollouts_while_there_are_none(monkeypatch: pytest.MonkeyPatch):
    fleet = Fleet(boxes=4)
    fleet.stand()
    fleet.run(seconds=15)
    looks = []
    look = Conducting.look
    monkeypatch.setattr(Conducting, "look", lambda self: (looks.append(self), look(self)))
    before = [box.mind.statistics().sync.finished for box in fleet.up()]
    fleet.run(minutes=6)
    after = [box.mind.statistics().sync.finished for box in fleet.up()]
    assert all(more > less for more, less in zip(after, before, strict=True)), "they do compare"
    assert looks == []


def test_boxes_of_one_process_share_what_they_hold_of_the_same_fact():
    fleet = Fleet(boxes=4)
    fleet.stand()
    fleet.centre.write("put", {"key": "x", "value": 1, "supersedes": []})
    fleet.settle()
    held = {
        id(entry)
        for box in fleet.up()
        for entry in box.mind.replica.entries()
        if entry.lane == Lane.AUTH and len(entry.wire) <= REMEMBERED_BYTES_MAX
    }
    assert len(held) <= len(list(fleet.centre.mind.replica.entries()))


def test_another_signature_of_remembered_bytes_is_checked_for_itself():
    fleet = Fleet(boxes=2)
    entry = next(iter(fleet.centre.mind.replica.entries()))
    assert verify_entry(entry)
    assert parse_entry(entry.wire) is parse_entry(entry.wire)
    spoilt = parse_entry(bytes(64) + entry.raw)
    assert spoilt == entry
    assert not verify_entry(spoilt)
    assert verify_entry(parse_entry(entry.wire))
