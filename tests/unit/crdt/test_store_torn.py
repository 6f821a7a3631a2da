"""A store whose last write was torn by a power cut: whole batches, the first ones, or nothing.

The simulated disk (`mesh.testing.simulator.disk`) claims as much for the boxes of a simulation, so
it is shown of the real one: of its log any length may have reached the platter, and what stands
behind that is whatever stood there.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from hypothesis import event, given, settings
from hypothesis import strategies as st

from crdt.entry import Entry
from crdt.store import Batch, Store
from tests.unit.crdt.test_store import NS, chain

BATCH = 3
"""Entries of one batch."""


def written(folder: Path, batches: Sequence[Sequence[Entry]]) -> Path:
    """Return a copy of a store, log and all, as it stands while it is open."""
    source, copy = folder / "source.db", folder / "copy.db"
    with Store(source, NS) as store:
        store.append(Batch(entries=tuple(batches[0])))
    with Store(source, NS) as store:  # the log begins anew
        for batch in batches[1:]:
            store.append(Batch(entries=tuple(batch)))
        for ending in ("", "-wal"):
            shutil.copy(f"{source}{ending}", f"{copy}{ending}")
    return copy


@settings(max_examples=60)
@given(data=st.data())
def test_of_a_torn_log_the_first_batches_are_whole_and_nothing_else_is_there(
    tmp_path_factory, data: st.DataObject
) -> None:
    entries = chain(5 * BATCH)
    batches = [entries[n : n + BATCH] for n in range(0, len(entries), BATCH)]
    copy = written(tmp_path_factory.mktemp("torn"), batches)
    log = Path(f"{copy}-wal")
    whole = log.read_bytes()
    kept = data.draw(st.integers(0, len(whole)), label="bytes of the log that were written")
    tail = data.draw(st.sampled_from((b"", b"\x00", b"\xa5")), label="what stands behind them")
    log.write_bytes(whole[:kept] + tail * (len(whole) - kept))
    with Store(copy, NS) as store:
        held = {entry.id for entry in store.load().entries}
        complete = [batch for batch in batches if all(entry.id in held for entry in batch)]
        event(f"{len(complete)} of {len(batches)} batches")
        assert complete == batches[: len(complete)], "the first of them"
        assert len(held) == BATCH * len(complete), "and no part of another"
        if kept == len(whole):
            assert len(complete) == len(batches)
        for batch in batches[len(complete) :]:  # it goes on from there
            store.append(Batch(entries=tuple(batch)))
        assert {entry.id for entry in store.load().entries} == {entry.id for entry in entries}
