"""The store: one SQLite file a box, from which it boots with no network at all.

What is acknowledged is there after a power cut, by what is at stake: own entries before they are
published (else a restart forks the feed), and AUTH, evidence and root of others (else a revoked key
comes back to a box that boots in the dark), are committed with `synchronous=FULL`; the STATE and
FLEET of others, which their authors say again, with NORMAL. The journal is a write-ahead log, so a
process killed at any instant leaves the last commit. One process has the file: two nodes on one
store would sign two entries with one number.

An entry row carries a checksum of its wire. A row that does not match makes `load` fail: a missing
AUTH entry may be the revocation that keeps a thief out, so a damaged store must not boot quietly.

A `Store` is synchronous and used by one worker at a time, on any thread (docs/records.md,
"Storage").
"""

import errno
import os
import sqlite3
from collections.abc import Collection, Generator, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any

from crdt.entry import Entry, FeedId, Lane, parse_entry
from crdt.errors import InvalidEntryError
from crdt.store_records import (
    Batch,
    KnownPeer,
    Loaded,
    OwnHead,
    StoreFault,
    StoreFaultError,
    database_fault,
)
from identity.errors import InvalidRootError
from identity.genesis import RootStatement, parse_root_statement

__all__ = ["Batch", "KnownPeer", "Loaded", "OwnHead", "Store", "StoreFault", "StoreFaultError"]

APPLICATION_ID = 0x33524F4D
"""SQLite `application_id` of our files: "3ROM"."""
SCHEMA_VERSION = 1
"""SQLite `user_version`; a higher one was written by a later release."""
BOOT_MAX = 2**32 - 1
"""Last boot number; at one start a second it is reached in 136 years."""
PEERS_MAX = 4096
"""Peers in the address book; the longest unseen leave first."""
ADDRESSES_MAX = 16
"""Addresses kept of one peer."""
CHECK_SIZE = 8
"""Bytes of the checksum of a row."""

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE feed (fid INTEGER PRIMARY KEY, author BLOB NOT NULL, lane INTEGER NOT NULL,
                   inc INTEGER NOT NULL, UNIQUE (author, lane, inc));
CREATE TABLE entry (fid INTEGER NOT NULL, seq INTEGER NOT NULL, id BLOB NOT NULL,
                    wire BLOB NOT NULL, checksum BLOB NOT NULL,
                    PRIMARY KEY (fid, seq, id)) WITHOUT ROWID;
CREATE TABLE evidence (fid INTEGER NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL,
                       PRIMARY KEY (fid, first, second)) WITHOUT ROWID;
CREATE TABLE root (number INTEGER PRIMARY KEY, wire BLOB NOT NULL, checksum BLOB NOT NULL);
CREATE TABLE own (lane INTEGER PRIMARY KEY, inc INTEGER NOT NULL, seq INTEGER NOT NULL,
                  id BLOB NOT NULL);
CREATE TABLE peer (public BLOB PRIMARY KEY, addresses TEXT NOT NULL, seen INTEGER NOT NULL)
                   WITHOUT ROWID;
"""


class Store:
    """An open store; use it as a context manager, or call `close`.

    Args:
        path: the file; made with mode 0600 where there is none. Its directory must exist.
        ns: namespace of the fleet whose facts it holds.

    Raises:
        StoreFaultError: it cannot be used; `fault` and the message say why.
    """

    def __init__(self, path: Path | str, ns: bytes) -> None:
        self.path = Path(path)
        self.ns = ns
        self._feeds: dict[FeedId, int] = {}
        self._open = False
        _prepare_file(self.path)
        try:
            self._database = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False, timeout=0
            )
        except sqlite3.Error as error:
            raise _fault(self.path, error) from error
        self._open = True
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store {self.path} of fleet {self.ns.hex()[:8]}>"

    def close(self) -> None:
        """Release the file. Closing twice is fine."""
        if self._open:
            self._open = False
            with suppress(sqlite3.Error):
                self._database.close()

    # Opening

    def _set_up(self) -> None:
        with self._faults():
            self._execute("PRAGMA locking_mode=EXCLUSIVE")
            self._check_kind()
            mode = self._one("PRAGMA journal_mode=WAL")
            if mode != "wal":
                message = f"store {self.path}: no write-ahead log here; use a local file system"
                raise StoreFaultError(StoreFault.INPUT_OUTPUT, message)
            with self._transaction(full=True):
                if not self._one("PRAGMA user_version"):
                    self._create()
            rows = self._execute("SELECT fid, author, lane, inc FROM feed")
            self._feeds = {FeedId(author, lane, inc): fid for fid, author, lane, inc in rows}
            ns = self._one("SELECT value FROM meta WHERE key = 'ns'")
        if ns != self.ns:
            message = f"store {self.path} is of fleet {ns.hex()}, this node of {self.ns.hex()}"
            raise StoreFaultError(StoreFault.FOREIGN, f"{message}: name the fleet's own store")

    def _check_kind(self) -> None:
        """Refuse databases of others and of later releases, before anything is written."""
        version = self._one("PRAGMA user_version")
        application = self._one("PRAGMA application_id")
        tables = self._one("SELECT count(*) FROM sqlite_schema")
        if (version or application or tables) and application != APPLICATION_ID:
            message = f"store {self.path} is another program's database: name the right file"
            raise StoreFaultError(StoreFault.NOT_A_STORE, message)
        if version > SCHEMA_VERSION:
            message = f"store {self.path} has schema {version}, this release knows {SCHEMA_VERSION}"
            raise StoreFaultError(StoreFault.NEWER, f"{message}: install the later release")

    def _create(self) -> None:
        for statement in _SCHEMA.split(";"):
            self._execute(statement)
        self._execute("INSERT INTO meta VALUES ('ns', ?), ('boots', 0)", (self.ns,))
        self._execute(f"PRAGMA application_id={APPLICATION_ID}")
        self._execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    # Small parts

    def _execute(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        return self._database.execute(statement, values)

    def _one(self, statement: str) -> Any:
        row = self._execute(statement).fetchone()
        if row is None:
            raise self._damaged(f"no answer to {statement}")
        return row[0]

    @contextmanager
    def _faults(self) -> Generator[None, None, None]:
        """Turn every failure of SQLite into a StoreFaultError."""
        if not self._open:
            raise StoreFaultError(StoreFault.CLOSED, f"store {self.path} is closed")
        try:
            yield
        except sqlite3.Error as error:
            raise _fault(self.path, error) from error

    @contextmanager
    def _transaction(self, *, full: bool) -> Generator[None, None, None]:
        """Commit everything inside or nothing; `full`: on the disk before this returns."""
        self._execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._execute("ROLLBACK")
            raise

    # Writing

    def append(self, batch: Batch) -> None:
        """Make a batch durable, all of it or nothing.

        Raises:
            StoreFaultError: nothing of it was kept; UNLINKED: an own entry follows one that is not
                durable.
        """
        known = dict(self._feeds)
        try:
            with self._faults(), self._transaction(full=batch.needs_full):
                for root in batch.roots:
                    row = (root.number, root.wire, _checksum(root.wire))
                    self._execute("INSERT OR IGNORE INTO root VALUES (?, ?, ?)", row)
                for entry in batch.entries:
                    self._insert(entry)
                for entry in batch.own:
                    self._append_own(entry)
                for first, second in batch.evidence:
                    fid = self._insert(first)
                    self._insert(second)
                    pair = sorted((first.id, second.id))
                    self._execute("INSERT OR IGNORE INTO evidence VALUES (?, ?, ?)", (fid, *pair))
                for entry in batch.dropped:
                    place = (self._fid(entry.feed), entry.seq, entry.id)
                    self._execute("DELETE FROM entry WHERE fid=? AND seq=? AND id=?", place)
                if batch.memory is not None:
                    statement = "INSERT OR REPLACE INTO meta VALUES ('memory', ?)"
                    self._execute(statement, (batch.memory,))
        except BaseException:
            self._feeds = known
            raise

    def _insert(self, entry: Entry) -> int:
        fid = self._fid(entry.feed)
        wire = entry.wire
        self._execute(
            "INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?, ?)",
            (fid, entry.seq, entry.id, wire, _checksum(wire)),
        )
        return fid

    def _fid(self, feed: FeedId) -> int:
        fid = self._feeds.get(feed)
        if fid is None:
            row = self._execute("INSERT INTO feed (author, lane, inc) VALUES (?, ?, ?)", feed)
            fid = self._feeds[feed] = row.lastrowid or 0
        return fid

    def _append_own(self, entry: Entry) -> None:
        """Add an own entry; an unpublished one that a failed commit left in its place goes."""
        fid = self._fid(entry.feed)
        if entry.seq:
            before = (fid, entry.seq - 1, entry.prev)
            row = self._execute(
                "SELECT 1 FROM entry WHERE fid = ? AND seq = ? AND id = ?", before
            ).fetchone()
            if row is None:
                message = f"store {self.path}: {entry!r} follows an entry that is not durable"
                raise StoreFaultError(StoreFault.UNLINKED, message)
        self._execute(
            "DELETE FROM entry WHERE fid = ? AND seq >= ? AND id NOT IN (SELECT ? UNION ALL"
            " SELECT first FROM evidence UNION ALL SELECT second FROM evidence)",
            (fid, entry.seq, entry.id),
        )
        self._insert(entry)
        self._execute(
            "INSERT OR REPLACE INTO own VALUES (?, ?, ?, ?)",
            (entry.lane, entry.inc, entry.seq, entry.id),
        )

    def compact(self, kept: Collection[bytes]) -> int:
        """Delete the STATE and FLEET entries whose id the replica no longer keeps.

        Returns:
            How many were deleted.
        """
        with self._faults(), self._transaction(full=False):
            rows = self._execute(
                "SELECT fid, seq, id FROM entry JOIN feed USING (fid) WHERE lane IN (?, ?)",
                (int(Lane.STATE), int(Lane.FLEET)),
            ).fetchall()
            gone = [row for row in rows if row[2] not in kept]
            self._database.executemany(
                "DELETE FROM entry WHERE fid = ? AND seq = ? AND id = ?", gone
            )
        return len(gone)

    def next_boot(self) -> int:
        """Count this start and return its number, 1 for the first; durable before it returns."""
        with self._faults(), self._transaction(full=True):
            boot = self._one("SELECT value FROM meta WHERE key = 'boots'") + 1
            if boot > BOOT_MAX:
                message = f"store {self.path} has counted {BOOT_MAX} starts: use a new key"
                raise StoreFaultError(StoreFault.CORRUPT, message)
            self._execute("UPDATE meta SET value = ? WHERE key = 'boots'", (boot,))
        return boot

    # Reading

    def load(self) -> Loaded:
        """Return everything to boot from.

        Raises:
            StoreFaultError: it cannot be read, or a row is damaged.
        """
        with self._faults():
            roots = tuple(self._load_roots())
            entries = {entry.id: entry for entry in self._load_entries()}
            pairs = [
                (entries[first], entries[second])
                for first, second in self._execute("SELECT first, second FROM evidence")
                if first in entries and second in entries
            ]
            own = {row[0]: OwnHead(*row) for row in self._execute("SELECT * FROM own")}
            boots = self._one("SELECT value FROM meta WHERE key = 'boots'")
            memory = self._one("SELECT max(value) FROM meta WHERE key = 'memory'")
        return Loaded(roots, tuple(entries.values()), tuple(pairs), own, boots, memory)

    def _load_roots(self) -> Iterator[RootStatement]:
        for number, wire, checksum in self._execute("SELECT * FROM root ORDER BY number"):
            try:
                statement = parse_root_statement(wire)
            except InvalidRootError as error:
                raise self._damaged(f"root statement {number}: {error}") from None
            if checksum != _checksum(wire):
                raise self._damaged(f"root statement {number}: checksum differs")
            yield statement

    def _load_entries(self) -> Iterator[Entry]:
        rows = self._execute(
            "SELECT seq, id, wire, checksum FROM feed JOIN entry USING (fid)"
            " ORDER BY lane, author, inc, seq, id"
        )
        for seq, identifier, wire, checksum in rows:
            try:
                entry = parse_entry(wire)
            except InvalidEntryError as error:
                raise self._damaged(f"entry {identifier.hex()} at {seq}: {error}") from None
            if checksum != _checksum(wire) or entry.id != identifier:
                raise self._damaged(f"entry {identifier.hex()} at {seq}: checksum differs")
            yield entry

    def _damaged(self, what: str) -> StoreFaultError:
        message = (
            f"store {self.path} is damaged ({what}): move it aside; peers bring the facts back"
        )
        return StoreFaultError(StoreFault.CORRUPT, message)

    # The address book

    def remember_peer(self, peer: KnownPeer) -> None:
        """Write down where a peer was reached; what was known of it is replaced."""
        row = (peer.public, "\n".join(peer.addresses[:ADDRESSES_MAX]), peer.seen_ms)
        with self._faults(), self._transaction(full=False):
            self._execute("INSERT OR REPLACE INTO peer VALUES (?, ?, ?)", row)
            self._execute(
                "DELETE FROM peer WHERE public IN"
                " (SELECT public FROM peer ORDER BY seen DESC LIMIT -1 OFFSET ?)",
                (PEERS_MAX,),
            )

    def peers(self) -> tuple[KnownPeer, ...]:
        """Return the address book, the most recently seen first."""
        with self._faults():
            rows = self._execute("SELECT * FROM peer ORDER BY seen DESC, public").fetchall()
        return tuple(
            KnownPeer(public, tuple(text.split("\n")) if text else (), seen)
            for public, text, seen in rows
        )


def _fault(path: Path, error: sqlite3.Error) -> StoreFaultError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return database_fault(str(path), code, str(error))


def _checksum(wire: bytes) -> bytes:
    return sha256(wire).digest()[:CHECK_SIZE]


def _prepare_file(path: Path) -> None:
    """Make the file with mode 0600 where there is none; refuse what can be no store.

    Raises:
        StoreFaultError: the directory is missing, the path is no file, or access is denied.
    """
    try:
        if not path.parent.is_dir():
            message = f"store {path}: there is no directory {path.parent}: create it"
            raise StoreFaultError(StoreFault.MISSING, message)
        if path.exists() and not path.is_file():
            message = f"store {path} is no file: name the right path"
            raise StoreFaultError(StoreFault.NOT_A_STORE, message)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except PermissionError as error:
        message = f"store {path}: permission denied: expected a file this user may read and write"
        raise StoreFaultError(StoreFault.PERMISSION, message) from error
    except OSError as error:
        fault = StoreFault.FULL if error.errno == errno.ENOSPC else StoreFault.INPUT_OUTPUT
        raise StoreFaultError(fault, f"store {path}: {error.strerror}") from error
