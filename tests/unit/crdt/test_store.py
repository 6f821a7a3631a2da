"""The store: what is acknowledged is there, and every failure says what to do."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from crdt.entry import Entry, Lane, make_entry
from crdt.store import Batch, KnownPeer, Store, StoreFault, StoreFaultError
from crdt.store_records import database_fault
from identity.genesis import RootItem, make_genesis, make_root_statement, sign_root
from identity.keys import SecretKey

NS = bytes(range(16))
KEY = SecretKey.from_seed(b"k" * 32)
REPOSITORY = Path(__file__).parents[3]


def chain(
    count: int, lane: Lane = Lane.AUTH, inc: int = 7, note: str = "", key: SecretKey = KEY
) -> list[Entry]:
    entries: list[Entry] = []
    for seq in range(count):
        prev = entries[-1].id if entries else bytes(32)
        body = {"note": note, "seq": seq}
        entries.append(
            make_entry(key, ns=NS, lane=lane, inc=inc, seq=seq, prev=prev, t=1, kind="x", body=body)
        )
    return entries


def fault(path: Path, ns: bytes = NS) -> StoreFault:
    with pytest.raises(StoreFaultError) as caught:
        Store(path, ns)
    assert str(path) in str(caught.value)
    return caught.value.fault


def test_what_was_appended_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    own, others, rival = chain(3), chain(2, Lane.STATE, 9), chain(1, note="rival")
    root_key = SecretKey.from_seed(b"r" * 32)
    genesis = make_genesis([root_key.public], 1)
    statement = sign_root(make_root_statement(genesis, [RootItem("put", {"a": 1})]), root_key)
    with Store(path, NS) as store:
        assert store.next_boot() == 1
        store.append(
            Batch(
                own=tuple(own),
                entries=tuple(others),
                evidence=((rival[0], own[0]),),
                roots=(statement,),
            )
        )
        store.append(Batch(entries=tuple(others)))
        assert repr(store).startswith("<Store")
    with Store(str(path), NS) as store:
        assert store.next_boot() == 2
        loaded = store.load()
    assert set(loaded.entries) == {*own, *others, *rival}
    assert [entry.seq for entry in loaded.entries if entry.lane == Lane.STATE] == [0, 1]
    assert loaded.roots == (statement,)
    assert {frozenset(pair) for pair in loaded.evidence} == {frozenset({rival[0], own[0]})}
    assert loaded.own[Lane.AUTH].id == own[-1].id
    assert loaded.own[Lane.AUTH].seq == 2
    assert loaded.boots == 2


def test_only_what_others_say_again_is_committed_without_a_sync() -> None:
    auth, state = tuple(chain(1)), tuple(chain(1, Lane.STATE))
    assert Batch(entries=auth).needs_full
    assert Batch(own=state).needs_full
    assert Batch(evidence=((state[0], state[0]),)).needs_full
    assert not Batch(entries=state).needs_full


def test_the_file_is_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    Store(path, NS).close()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with Store(path, NS) as store:
        store.append(Batch(own=tuple(chain(1))))
        modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}


def test_an_own_entry_that_follows_nothing_durable_is_refused(tmp_path: Path) -> None:
    entries = chain(3)
    with Store(tmp_path / "facts.db", NS) as store:
        store.append(Batch(own=(entries[0],)))
        with pytest.raises(StoreFaultError) as caught:
            store.append(Batch(own=(entries[2],)))
        assert caught.value.fault is StoreFault.UNLINKED
        assert store.load().own[Lane.AUTH].seq == 0


def test_an_unpublished_own_entry_gives_way(tmp_path: Path) -> None:
    first, second = chain(3, note="lost"), chain(2, note="kept")
    with Store(tmp_path / "facts.db", NS) as store:
        store.append(Batch(own=tuple(first)))
        store.append(Batch(own=tuple(second)))
        assert store.load().entries == tuple(second)
        store.append(Batch(dropped=(second[1],)))
        assert store.load().entries == (second[0],)


def test_compaction_drops_what_prunes_and_keeps_auth(tmp_path: Path) -> None:
    auth, state, fleet = chain(3), chain(5, Lane.STATE), chain(4, Lane.FLEET)
    with Store(tmp_path / "facts.db", NS) as store:
        store.append(Batch(entries=(*auth, *state, *fleet)))
        assert store.compact({state[4].id, fleet[3].id}) == 7
        assert set(store.load().entries) == {*auth, state[4], fleet[3]}


def test_address_book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crdt.store.PEERS_MAX", 3)
    with Store(tmp_path / "facts.db", NS) as store:
        for number in range(5):
            store.remember_peer(KnownPeer(bytes([number]) * 32, (f"/ip4/10.0.0.{number}",), number))
        store.remember_peer(KnownPeer(bytes([4]) * 32, (), 9))
        book = store.peers()
    assert [peer.public[0] for peer in book] == [4, 3, 2]
    assert book[0] == KnownPeer(bytes([4]) * 32, (), 9)
    assert book[1].addresses == ("/ip4/10.0.0.3",)


def test_a_full_disk_answers_and_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    acknowledged: list[Entry] = []
    with Store(path, NS) as store:
        (pages,) = store._execute("PRAGMA page_count").fetchone()
        store._execute(f"PRAGMA max_page_count={pages + 8}")
        entries = chain(400, note="a long note " * 20)

        def fill() -> None:
            for entry in entries:
                store.append(Batch(own=(entry,)))
                acknowledged.append(entry)

        with pytest.raises(StoreFaultError, match="full") as caught:
            fill()
        assert caught.value.fault is StoreFault.FULL
        assert 0 < len(acknowledged) < 400
        assert store.load().entries == tuple(acknowledged)
        store._execute("PRAGMA max_page_count=100000")
        following = entries[len(acknowledged)]
        store.append(Batch(own=(following,)))
    with Store(path, NS) as store:
        assert store.load().entries == (*acknowledged, following)


def test_a_failed_batch_leaves_no_feed_behind(tmp_path: Path) -> None:
    entries, other = chain(2), chain(1, inc=8)
    with Store(tmp_path / "facts.db", NS) as store:
        with pytest.raises(StoreFaultError):
            store.append(Batch(entries=tuple(other), own=(entries[1],)))
        store.append(Batch(entries=tuple(other)))
        assert store.load().entries == tuple(other)


WRITER = """
    import sys
    from pathlib import Path
    sys.path[:0] = sys.argv[2:]
    from crdt.store import Batch, Store
    from test_store import NS, chain

    with Store(Path(sys.argv[1]), NS) as store:
        print("boot", store.next_boot(), flush=True)
        for entry in chain(100_000):
            store.append(Batch(own=(entry,)))
            print(entry.seq, flush=True)
"""


def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    """The writer is killed amid its appends, right after an acknowledgement was read."""
    path = tmp_path / "facts.db"
    script = tmp_path / "writer.py"
    script.write_text(dedent(WRITER).replace("100_000", "400"))
    for boot in (1, 2):
        command = [
            sys.executable,
            str(script),
            str(path),
            str(REPOSITORY),
            str(Path(__file__).parent),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == f"boot {boot}\n"
            for _ in range(20):
                last = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            last = max([last, *map(int, writer.stdout.read().split())])
        with Store(path, NS) as store:
            loaded = store.load()
        assert [entry.seq for entry in loaded.entries] == list(range(len(loaded.entries)))
        assert len(loaded.entries) > last
        assert loaded.boots == boot


def test_a_second_process_is_told_that_the_store_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    with Store(path, NS):
        assert fault(path) is StoreFault.LOCKED
    Store(path, NS).close()


def test_wrong_files_are_named(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage"
    garbage.write_bytes(os.urandom(8192))
    assert fault(garbage) is StoreFault.NOT_A_STORE
    text = tmp_path / "box.toml"
    text.write_text("name = 'box-247'\n" * 100)
    assert fault(text) is StoreFault.NOT_A_STORE
    assert text.read_text().startswith("name")
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as database:
        database.execute("CREATE TABLE photos (x)")
    database.close()
    assert fault(foreign) is StoreFault.NOT_A_STORE
    assert fault(tmp_path) is StoreFault.NOT_A_STORE
    assert fault(tmp_path / "missing" / "facts.db") is StoreFault.MISSING
    assert fault(garbage / "facts.db") is StoreFault.MISSING


def test_another_fleet_and_a_later_schema_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    Store(path, NS).close()
    assert fault(path, bytes(16)) is StoreFault.FOREIGN
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version=2")
    database.close()
    assert fault(path) is StoreFault.NEWER


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    path.touch()
    with Store(path, NS) as store:
        assert store.load().entries == ()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entry SET wire = x'00'",
        "UPDATE entry SET checksum = x'00'",
        "UPDATE root SET wire = x'00'",
        "UPDATE root SET checksum = x'00'",
        "DELETE FROM meta",
    ],
)
def test_a_damaged_row_never_boots_quietly(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "facts.db"
    root_key = SecretKey.from_seed(b"r" * 32)
    genesis = make_genesis([root_key.public], 1)
    statement = sign_root(make_root_statement(genesis, []), root_key)
    with Store(path, NS) as store:
        store.append(Batch(own=tuple(chain(1)), roots=(statement,)))
        store._execute(damage)
        with pytest.raises(StoreFaultError) as caught:
            store.load()
    assert caught.value.fault is StoreFault.CORRUPT
    if damage == "DELETE FROM meta":
        assert fault(path) is StoreFault.CORRUPT


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "facts.db"
    with Store(path, NS) as store:
        store.append(Batch(own=tuple(chain(200))))
    raw = bytearray(path.read_bytes())
    raw[4096:] = os.urandom(len(raw) - 4096)
    path.write_bytes(raw)
    assert fault(path) in {StoreFault.CORRUPT, StoreFault.NOT_A_STORE}


def test_permission_denied_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The superuser may open anything, so the refusal is the system call's."""

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "open", refuse)
    assert fault(tmp_path / "facts.db") is StoreFault.PERMISSION
    monkeypatch.setattr(os, "open", full)
    assert fault(tmp_path / "facts.db") is StoreFault.FULL


def test_failures_of_the_database_are_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert database_fault("x", sqlite3.SQLITE_IOERR, "").fault is StoreFault.INPUT_OUTPUT
    assert database_fault("x", sqlite3.SQLITE_IOERR | 3 << 8, "").fault is StoreFault.INPUT_OUTPUT
    assert database_fault("x", sqlite3.SQLITE_BUSY | 1 << 8, "").fault is StoreFault.LOCKED

    def refuse(*_: object, **__: object) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", refuse)
    assert fault(tmp_path / "facts.db") is StoreFault.INPUT_OUTPUT


def test_a_file_system_without_a_log_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Store._one
    monkeypatch.setattr(Store, "_one", lambda self, s: "delete" if "journal" in s else one(self, s))
    assert fault(tmp_path / "facts.db") is StoreFault.INPUT_OUTPUT


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "facts.db", NS)
    store.close()
    store.close()
    with pytest.raises(StoreFaultError) as caught:
        store.load()
    assert caught.value.fault is StoreFault.CLOSED


def test_boot_numbers_end(tmp_path: Path) -> None:
    with Store(tmp_path / "facts.db", NS) as store:
        store._execute("UPDATE meta SET value = ? WHERE key = 'boots'", (2**32 - 1,))
        with pytest.raises(StoreFaultError):
            store.next_boot()


def test_a_batch_is_a_value() -> None:
    batch = Batch(own=tuple(chain(1)))
    assert replace(batch, own=()) == Batch()
