"""What was consumed of each author: the replay window and the gap counters.

An author numbers its events from the start of its process: (author, boot, n). A number is
**consumed** by the first event with it that we accept or forward. A second event with that number
and another id is a replay of the number, made by somebody who holds the key. The window remembers,
per author, the last numbers consumed, in the order in which they were consumed; what fell out of it
is older than any event that could still be fresh. A low number alone means nothing: backups get
restored, and messages overtake each other.

The numbers also say how much we did not hear. Within one start, `missed` is the count of numbers
between the lowest and the highest heard that never came. It is an upper bound of what was lost:
an author also numbers events that it sent to topics that we do not listen to, and a number may
still be under way. What came before the first number heard is not counted.

Both change only by `consume`, which admission calls after the signature was verified; everything
else here only reads.
"""

from collections import OrderedDict
from dataclasses import dataclass

__all__ = ["AUTHORS_MAX", "NUMBERS_MAX", "Gap", "ReplayWindow"]

NUMBERS_MAX = 128
"""Numbers remembered of one author: the burst that the author's rate lets through."""
AUTHORS_MAX = 1024
"""Authors remembered; the one heard longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What was heard of one author since it is remembered, and what at most was missed."""

    heard: int
    missed: int


class _Author:
    """The window and the counters of one author."""

    __slots__ = ("boot", "first", "heard", "heard_before", "last", "missed_before", "numbers")

    def __init__(self) -> None:
        self.numbers: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()
        self.boot: bytes | None = None
        self.first = 0
        self.last = 0
        self.heard = 0
        self.heard_before = 0
        self.missed_before = 0

    @property
    def missed(self) -> int:
        return 0 if self.boot is None else max(0, self.last - self.first + 1 - self.heard)

    def count(self, boot: bytes, n: int) -> None:
        if boot != self.boot:
            self.missed_before += self.missed
            self.heard_before += self.heard
            self.boot, self.first, self.last, self.heard = boot, n, n, 0
        self.first = min(self.first, n)
        self.last = max(self.last, n)
        self.heard += 1


class ReplayWindow:
    """The numbers consumed of each author, bounded in authors and in numbers of each.

    Args:
        numbers_max: numbers remembered of one author.
        authors_max: authors remembered.
    """

    __slots__ = ("_authors", "_authors_max", "_forgotten", "_numbers_max")

    def __init__(self, *, numbers_max: int = NUMBERS_MAX, authors_max: int = AUTHORS_MAX) -> None:
        if numbers_max < 1 or authors_max < 1:
            raise ValueError(
                f"window of {numbers_max} numbers of {authors_max} authors: expected at least 1"
            )
        self._numbers_max = numbers_max
        self._authors_max = authors_max
        self._authors: OrderedDict[bytes, _Author] = OrderedDict()
        self._forgotten = 0

    @property
    def forgotten(self) -> int:
        """How many authors were forgotten, with their counters, because the window was full."""
        return self._forgotten

    def consumed(self, author: bytes, boot: bytes, n: int) -> bytes | None:
        """Return the id of the event that consumed a number, or None if none did."""
        known = self._authors.get(author)
        return None if known is None else known.numbers.get((boot, n))

    def consume(self, author: bytes, boot: bytes, n: int, event_id: bytes) -> None:
        """Note that a number, which was not consumed before, is consumed by an event."""
        known = self._authors.get(author)
        if known is None:
            known = self._authors[author] = _Author()
            if len(self._authors) > self._authors_max:
                self._authors.popitem(last=False)
                self._forgotten += 1
        else:
            self._authors.move_to_end(author)
        known.numbers[boot, n] = event_id
        if len(known.numbers) > self._numbers_max:
            known.numbers.popitem(last=False)
        known.count(boot, n)

    def gaps(self) -> dict[bytes, Gap]:
        """Return the counters of every author remembered, the one heard last at the end."""
        return {
            author: Gap(
                heard=known.heard_before + known.heard,
                missed=known.missed_before + known.missed,
            )
            for author, known in self._authors.items()
        }
