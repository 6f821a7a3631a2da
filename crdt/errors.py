"""The errors of `crdt`, one tree.

CrdtError
├── InvalidEntryError   bytes that are no entry, or an entry with a wrong signature
├── SyncError           a frame that no honest peer sends in a sync session
└── StoreError          the store cannot be opened, read or written
"""


class CrdtError(Exception):
    """Base of every error raised by `crdt`."""


class InvalidEntryError(CrdtError):
    """Bytes that are no entry, or an entry with a wrong signature."""


class SyncError(CrdtError):
    """A frame that no honest peer sends in a sync session."""


class StoreError(CrdtError):
    """The store cannot be opened, read or written; the message says why and what to do."""
