"""What goes into the store and comes out of it, and what can be wrong with it.

SQLite says "database disk image is malformed"; a technician needs to know which file, what it means
and what to do. Every failure of `crdt.store` is a StoreFaultError whose `fault` a program can read
and whose message a person can follow.
"""

from dataclasses import dataclass
from enum import StrEnum

from crdt.entry import Entry, Lane
from crdt.errors import StoreError
from identity.genesis import RootStatement

__all__ = [
    "LANES_PRUNED",
    "Batch",
    "KnownPeer",
    "Loaded",
    "OwnHead",
    "StoreFault",
    "StoreFaultError",
    "database_fault",
]

LANES_PRUNED = (Lane.STATE, Lane.FLEET)
"""Lanes whose authors say again what is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What to make durable in one commit.

    Attributes:
        own: entries of this box, each feed in order; not to be published before the commit.
        entries: entries of others, and own ones that others brought back.
        evidence: pairs of entries that prove a fork.
        roots: accepted root statements.
        dropped: entries to delete: what the replica no longer keeps, own ones never published.
        memory: what this box must not forget and tells nobody, in place of what it was before.
    """

    own: tuple[Entry, ...] = ()
    entries: tuple[Entry, ...] = ()
    evidence: tuple[tuple[Entry, Entry], ...] = ()
    roots: tuple[RootStatement, ...] = ()
    dropped: tuple[Entry, ...] = ()
    memory: bytes | None = None

    @property
    def needs_full(self) -> bool:
        """Whether losing this to a power cut would do harm."""
        vital = self.own or self.evidence or self.roots or self.memory is not None
        return bool(vital) or any(entry.lane not in LANES_PRUNED for entry in self.entries)


@dataclass(frozen=True, slots=True)
class OwnHead:
    """The last durable entry that this box wrote in a lane."""

    lane: int
    inc: int
    seq: int
    id: bytes


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything a box boots from.

    Attributes:
        roots: root statements, number 1 first.
        entries: all entries, feed by feed, ascending by seq; their signatures were checked before
            they were stored.
        evidence: pairs to offer again after the entries.
        own: by lane, where this box stopped writing.
        boots: how many starts were counted.
        memory: as it was written last, None if it never was.
    """

    roots: tuple[RootStatement, ...]
    entries: tuple[Entry, ...]
    evidence: tuple[tuple[Entry, Entry], ...]
    own: dict[int, OwnHead]
    boots: int
    memory: bytes | None = None


@dataclass(frozen=True, slots=True)
class KnownPeer:
    """A line of the address book.

    Attributes:
        public: the peer's key, 32 bytes.
        addresses: multiaddrs, the best first.
        seen_ms: wall clock of the last contact.
    """

    public: bytes
    addresses: tuple[str, ...]
    seen_ms: int


class StoreFault(StrEnum):
    """Why the store refused."""

    CLOSED = "closed"
    CORRUPT = "corrupt"
    FOREIGN = "foreign"
    FULL = "full"
    INPUT_OUTPUT = "input_output"
    LOCKED = "locked"
    MISSING = "missing"
    NEWER = "newer"
    NOT_A_STORE = "not_a_store"
    PERMISSION = "permission"
    UNLINKED = "unlinked"


class StoreFaultError(StoreError):
    """A failure of the store.

    Attributes:
        fault: its kind, for programs.
    """

    def __init__(self, fault: StoreFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


_SENTENCES = {
    StoreFault.FULL: "the disk is full: free some space; nothing that was acknowledged is lost",
    StoreFault.LOCKED: "another process has it open: stop that node, or give this one its own file",
    StoreFault.PERMISSION: "permission denied: it must be readable and writable by this user",
    StoreFault.CORRUPT: "it is damaged: move it aside and start again; peers bring the facts back",
    StoreFault.NOT_A_STORE: "it is no store: name the right file, or move this one aside",
    StoreFault.INPUT_OUTPUT: "the disk failed to read or write: check it",
}

_CODES = {
    3: StoreFault.PERMISSION,  # SQLITE_PERM
    5: StoreFault.LOCKED,  # SQLITE_BUSY
    6: StoreFault.LOCKED,  # SQLITE_LOCKED
    8: StoreFault.PERMISSION,  # SQLITE_READONLY
    11: StoreFault.CORRUPT,  # SQLITE_CORRUPT
    13: StoreFault.FULL,  # SQLITE_FULL
    14: StoreFault.PERMISSION,  # SQLITE_CANTOPEN
    26: StoreFault.NOT_A_STORE,  # SQLITE_NOTADB
}
"""Primary result codes of SQLite that have a fault of their own (www.sqlite.org/rescode.html)."""


def database_fault(path: str, code: int, text: str) -> StoreFaultError:
    """Return the fault that a result code of SQLite means for the store at `path`."""
    fault = _CODES.get(code & 0xFF, StoreFault.INPUT_OUTPUT)
    return StoreFaultError(fault, f"store {path}: {_SENTENCES[fault]} ({text})")
