"""The waiting room: entries of known authors that are held for a while and promised nothing.

Here wait orphans, whose ancestors did not arrive yet, and entries beyond what is stored of their
key, which a later cut or pin may cover. A second entry of the same seq turns one that waits into
evidence. The room is small; when it is full the author who takes most of it loses its oldest, so
one author cannot push out another. See docs/records.md, "Bounds without clocks".
"""

from crdt.entry import Entry
from crdt.index import entry_size

__all__ = ["EXCESS_SIZE_MAX", "Excess"]

EXCESS_SIZE_MAX = 1 << 20
"""Bytes of wires that may wait: 1 MiB."""
EXCESS_SIZE_AFTER = EXCESS_SIZE_MAX * 3 // 4
"""Bytes left after making room, so that room is made seldom."""


class Excess:
    """Entries that wait, by author, the oldest first. Mutable."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, dict[bytes, Entry]] = {}
        self._sizes: dict[bytes, int] = {}
        self._authors: dict[bytes, bytes] = {}
        self.size = 0
        """Bytes of all that waits."""

    def __contains__(self, identifier: bytes) -> bool:
        return identifier in self._authors

    def __len__(self) -> int:
        return len(self._authors)

    def copy(self) -> "Excess":
        """Return a room of its own in which the same waits."""
        made = Excess()
        made._waiting = {author: dict(held) for author, held in self._waiting.items()}
        made._sizes, made._authors, made.size = dict(self._sizes), dict(self._authors), self.size
        return made

    def get(self, identifier: bytes) -> Entry | None:
        """Return an entry that waits."""
        author = self._authors.get(identifier)
        return None if author is None else self._waiting[author][identifier]

    @property
    def is_full(self) -> bool:
        """Whether room has to be made."""
        return self.size > EXCESS_SIZE_MAX

    def add(self, entry: Entry) -> None:
        """Let an entry wait that does not yet."""
        author = entry.author
        self._authors[entry.id] = author
        self._waiting.setdefault(author, {})[entry.id] = entry
        self._sizes[author] = self._sizes.get(author, 0) + entry_size(entry)
        self.size += entry_size(entry)

    def discard(self, identifier: bytes) -> None:
        """Take an entry out, if it waits."""
        author = self._authors.pop(identifier, None)
        if author is None:
            return
        waiting = self._waiting[author]
        size = entry_size(waiting.pop(identifier))
        self.size -= size
        self._sizes[author] -= size
        if not waiting:
            del self._waiting[author], self._sizes[author]

    def make_room(self) -> list[Entry]:
        """Take out entries until enough room is free; return them."""
        gone: list[Entry] = []
        while self.size > EXCESS_SIZE_AFTER:
            author = max(self._sizes, key=lambda key: (self._sizes[key], key))
            oldest = next(iter(self._waiting[author].values()))
            self.discard(oldest.id)
            gone.append(oldest)
        return gone
