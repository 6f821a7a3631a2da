"""What a store promises, checked on the file and on the simulator's disk alike."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.entry import Entry, Lane, make_entry
from crdt.store import Store
from crdt.store_records import Batch, Loaded, OwnHead, StoreFault, StoreFaultError
from identity.genesis import RootStatement
from mesh.testing.simulator.disk import SimulatedDisk
from tests.laws.writing import Fleet, key_of, put


class Disk(Protocol):
    def append(self, batch: Batch) -> None: ...
    def next_boot(self) -> int: ...
    def load(self) -> Loaded: ...


FLEET = Fleet()
ROOTS: list[RootStatement] = [FLEET.declare(put("a", number)) for number in range(3)]
NS = FLEET.genesis.ns


def chain(
    label: str, count: int, lane: Lane = Lane.AUTH, inc: int = 0, note: object = 0
) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    for seq in range(count):
        prev = entries[-1].id if entries else bytes(32)
        entries.append(
            make_entry(
                key_of(label), ns=NS, lane=lane, inc=inc, seq=seq, prev=prev, t=0, kind="x",
                body={"note": note},
            )
        )  # fmt: skip
    return tuple(entries)


@pytest.fixture(params=["file", "simulated"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Disk]:
    if request.param == "simulated":
        yield SimulatedDisk()
        return
    with Store(tmp_path / "facts.db", NS) as store:
        yield store


def ids(loaded: Loaded) -> list[bytes]:
    return [entry.id for entry in loaded.entries]


def test_an_empty_one_holds_nothing(disk: Disk) -> None:
    assert disk.load() == Loaded((), (), (), {}, 0)


def test_starts_are_counted(disk: Disk) -> None:
    assert [disk.next_boot() for _ in range(3)] == [1, 2, 3]
    assert disk.load().boots == 3


def test_what_was_appended_is_loaded_each_once_and_feed_by_feed(disk: Disk) -> None:
    auth, state = chain("b", 3), chain("a", 2, Lane.STATE)
    disk.append(Batch(entries=(*reversed(state), *reversed(auth))))
    disk.append(Batch(entries=auth))
    assert disk.load().entries == (*auth, *state)


def test_root_statements_are_loaded_in_order_and_the_first_of_a_number_stays(disk: Disk) -> None:
    rival = Fleet()
    rival.declare(put("a", "rival"))
    disk.append(Batch(roots=(ROOTS[1], ROOTS[0])))
    disk.append(Batch(roots=(rival.statements[0], ROOTS[2])))
    assert disk.load().roots == tuple(ROOTS)


def test_own_entries_move_the_head_of_their_lane_and_others_do_not(disk: Disk) -> None:
    own, fleet = chain("me", 3), chain("me", 1, Lane.FLEET)
    disk.append(Batch(own=own[:1]))
    disk.append(Batch(own=(*own[1:], *fleet)))
    disk.append(Batch(entries=chain("other", 2)))
    loaded = disk.load()
    assert loaded.own == {
        Lane.AUTH: OwnHead(Lane.AUTH, 0, 2, own[2].id),
        Lane.FLEET: OwnHead(Lane.FLEET, 0, 0, fleet[0].id),
    }
    assert set(own) | set(fleet) < set(loaded.entries)


def test_an_own_entry_may_follow_one_that_a_peer_brought_back(disk: Disk) -> None:
    own = chain("me", 3)
    disk.append(Batch(own=own[:1]))
    disk.append(Batch(entries=(own[1],)))
    disk.append(Batch(own=(own[2],)))
    assert disk.load().entries == own


def test_an_own_entry_does_not_follow_one_that_is_not_durable(disk: Disk) -> None:
    own, other = chain("me", 3), chain("other", 1)
    with pytest.raises(StoreFaultError) as caught:
        disk.append(Batch(own=own[1:], entries=other))
    assert caught.value.fault is StoreFault.UNLINKED
    assert disk.load() == Loaded((), (), (), {}, 0), "all of a batch or nothing"


def test_an_own_entry_takes_the_place_of_what_was_never_published(disk: Disk) -> None:
    one, two = chain("me", 3), chain("me", 1, note="again")
    disk.append(Batch(own=one))
    disk.append(Batch(own=two))
    loaded = disk.load()
    assert loaded.entries == two
    assert loaded.own[Lane.AUTH].id == two[0].id
    elsewhere = chain("me", 1, inc=1 << 16)
    disk.append(Batch(own=elsewhere))
    assert set(disk.load().entries) == {*two, *elsewhere}


def test_evidence_is_loaded_and_outlives_what_we_write(disk: Disk) -> None:
    one, two = chain("me", 2), chain("me", 2, note="twin")
    disk.append(Batch(evidence=((one[0], two[0]),)))
    disk.append(Batch(evidence=((two[0], one[0]),)))
    disk.append(Batch(own=one))
    loaded = disk.load()
    assert [set(pair) for pair in loaded.evidence] == [{one[0], two[0]}]
    assert {*one, two[0]} == set(loaded.entries)
    disk.append(Batch(dropped=(two[0],)))
    assert disk.load().evidence == ()


def test_what_is_dropped_is_gone_and_dropping_it_twice_is_fine(disk: Disk) -> None:
    own, state = chain("me", 2), chain("a", 2, Lane.STATE)
    disk.append(Batch(own=own, entries=state))
    disk.append(Batch(dropped=(own[1], state[0])))
    disk.append(Batch(dropped=(own[1], *chain("never", 1))))
    assert disk.load().entries == (own[0], state[1])


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("own", "entries", "dropped", "evidence", "roots", "memory", "boot")),
        st.sampled_from(("me", "other")),
        st.sampled_from((Lane.AUTH, Lane.FLEET)),
        st.integers(0, 3),
        st.sampled_from((0, 1)),
    ),
    max_size=15,
)


@given(steps=STEPS)
def test_both_answer_alike_whatever_is_written(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, Lane, int, int]]
) -> None:
    simulated = SimulatedDisk()
    with Store(tmp_path_factory.mktemp("store") / "facts.db", NS) as store:
        for what, label, lane, seq, note in steps:
            told = [_told(disk, what, label, lane, seq, note) for disk in (store, simulated)]
            assert told[0] == told[1]
            real, memory = store.load(), simulated.load()
            assert real.entries == memory.entries
            assert (real.roots, real.own, real.boots) == (memory.roots, memory.own, memory.boots)
            assert set(real.evidence) == set(memory.evidence)


def _told(disk: Disk, what: str, label: str, lane: Lane, seq: int, note: int) -> object:
    """Do one step; returns what the disk said to it."""
    entry = chain(label, seq + 1, lane, note=note)[seq]
    steps: dict[str, Callable[[], object]] = {
        "own": lambda: disk.append(Batch(own=(entry,))),
        "entries": lambda: disk.append(Batch(entries=(entry,))),
        "dropped": lambda: disk.append(Batch(dropped=(entry,))),
        "evidence": lambda: disk.append(
            Batch(evidence=((entry, chain(label, seq + 1, lane, note=1 - note)[seq]),))
        ),
        "roots": lambda: disk.append(Batch(roots=(ROOTS[seq % 3],))),
        "memory": lambda: disk.append(Batch(memory=label.encode())),
        "boot": disk.next_boot,
    }
    try:
        return steps[what]()
    except StoreFaultError as error:
        return error.fault


def test_a_full_disk_refuses_and_keeps_what_it_has() -> None:
    disk = SimulatedDisk()
    disk.append(Batch(own=chain("me", 1)))
    disk.is_full = True
    with pytest.raises(StoreFaultError) as caught:
        disk.append(Batch(own=chain("me", 2)[1:]))
    assert caught.value.fault is StoreFault.FULL
    assert disk.load().entries == chain("me", 1)


def test_a_memory_replaces_the_one_before_and_survives_other_batches(disk: Disk) -> None:
    assert disk.load().memory is None
    disk.append(Batch(memory=b"first"))
    disk.append(Batch(memory=b"second"))
    disk.append(Batch(roots=(ROOTS[0],)))
    assert disk.load().memory == b"second"
