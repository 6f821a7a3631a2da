"""What happened: a digest for machines, a journal for people.

The digest is over every frame that reached a mind (in a live fleet: over who sent something to
whom) and every fault that was made, each with its time and in its order. Two runs that differ
anywhere differ here, so equal digests say that a run was repeated. The journal keeps the last few
hundred lines in words and is no part of the digest.
"""

import hashlib
from collections import Counter, deque
from typing import NamedTuple

__all__ = ["JOURNAL_MAX", "Happening", "Trace"]

JOURNAL_MAX = 2_000
"""Lines of the journal that are kept; the oldest go first."""
_KEY_BYTES = 4
"""Bytes of a public key that go into the digest."""


class Happening(NamedTuple):
    """One line of the journal: virtual nanoseconds and words."""

    at_ns: int
    words: str

    def __str__(self) -> str:
        return f"{self.at_ns / 1e9:10.3f} s  {self.words}"


class Trace:
    """The record of one run.

    Attributes:
        frames: frames that reached a mind so far.
        sizes: bytes of these, by protocol.
        journal: what was done to the world, in words, the last `JOURNAL_MAX` lines.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.sizes: Counter[str] = Counter()
        self.journal: deque[Happening] = deque(maxlen=JOURNAL_MAX)
        self._digest = hashlib.sha256()

    def frame(self, at_ns: int, to: bytes, sender: bytes, protocol: str, body: bytes) -> None:
        """A frame reached a mind."""
        self.frames += 1
        self.sizes[protocol] += len(body)
        head = at_ns.to_bytes(8) + to[:_KEY_BYTES] + sender[:_KEY_BYTES] + protocol.encode()
        self._digest.update(head + hashlib.sha256(body).digest())

    def sent(self, at_ns: int, to: bytes, sender: bytes) -> None:
        """Something was sent, where nobody looks at what."""
        self._digest.update(at_ns.to_bytes(8) + to[:_KEY_BYTES] + sender[:_KEY_BYTES])

    def note(self, at_ns: int, words: str) -> None:
        """Something was done to the world."""
        self._digest.update(at_ns.to_bytes(8) + words.encode())
        self.journal.append(Happening(at_ns, words))

    def hexdigest(self) -> str:
        """Return the digest so far: equal runs, equal digests."""
        return self._digest.hexdigest()
