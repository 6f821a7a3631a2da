"""The faults of a simulated disk: what a power cut keeps, slowness, what an old copy brings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.entry import Entry, Lane, make_entry
from crdt.store_records import Batch, StoreFaultError
from mesh.testing.simulator.disk import SimulatedDisk
from mesh.units import MS
from tests.laws.writing import Fleet, key_of

NS = Fleet().genesis.ns


def chain(count: int) -> list[Entry]:
    entries: list[Entry] = []
    for seq in range(count):
        prev = entries[-1].id if entries else bytes(32)
        fields = {"ns": NS, "lane": Lane.AUTH, "inc": 0, "t": 0, "kind": "x", "body": {}}
        entries.append(make_entry(key_of("a"), seq=seq, prev=prev, **fields))
    return entries


CHAIN = chain(12)


def held(disk: SimulatedDisk) -> list[bytes]:
    return [entry.id for entry in disk.load().entries]


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 14), st.booleans())
def test_a_power_cut_keeps_what_was_acknowledged_and_of_the_rest_a_beginning(
    taken, synced, keep, own
):
    disk, synced = SimulatedDisk(), min(synced, taken)
    for entry in CHAIN[:taken]:
        disk.write(Batch(own=(entry,)) if own else Batch(entries=(entry,)), 0)
    for _ in range(synced):
        disk.sync()
    disk.lose_power(keep)
    expected = [entry.id for entry in CHAIN[: min(taken, synced + keep)]]
    assert held(disk) == expected
    disk.lose_power(keep)
    assert held(disk) == expected


def test_writes_are_synced_in_order_however_slow_the_disk_becomes():
    disk = SimulatedDisk()
    disk.sync_ms = 500
    times = [disk.write(Batch(entries=(CHAIN[0],)), 0)]
    disk.sync_ms = 2
    times += [disk.write(Batch(entries=(CHAIN[1],)), 10 * MS)]
    times += [disk.write(Batch(entries=(CHAIN[2],)), 900 * MS)]
    assert times == [500 * MS, 500 * MS, 902 * MS]


def test_a_full_disk_keeps_nothing_of_a_power_cut():
    disk = SimulatedDisk()
    disk.write(Batch(entries=(CHAIN[0],)), 0)
    disk.is_full = True
    disk.lose_power(keep=1)
    assert held(disk) == []
    disk.write(Batch(entries=(CHAIN[0],)), 0)
    with pytest.raises(StoreFaultError, match="full"):
        disk.sync()


@given(st.integers(0, 12), st.integers(0, 12))
def test_an_old_copy_brings_back_exactly_what_was_there(before, after):
    disk = SimulatedDisk()
    disk.append(Batch(own=tuple(CHAIN[:before])))
    disk.next_boot()
    backup, then = disk.backup(), disk.load()
    disk.append(Batch(own=tuple(CHAIN[before : before + after]), memory=b"later"))
    disk.next_boot()
    disk.write(Batch(entries=(CHAIN[-1],)), 0)
    disk.restore(backup)
    assert disk.load() == then
    disk.lose_power(keep=1)
    assert disk.load() == then
    disk.append(Batch(own=tuple(CHAIN[before:])))
    disk.restore(backup)
    assert disk.load() == then
