"""How much of one key counts: bounds that read no clock and no order of arrival.

Of a key's entries in a lane the longest run from the start, in the order (inc, seq, id), counts, up
to a number of entries and of bytes, in its lowest incarnations. What an effective cut or a pin
covers counts beside that. A run is a property of the set, so replicas that hold the same set judge
alike, and adding entries at the end moves nothing. See docs/records.md, "Bounds without clocks".
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from crdt.entry import ENTRY_SIZE_MAX, Entry, Lane
from crdt.feed import Feed
from crdt.index import Totals, entry_size
from identity.capability import Capability

__all__ = [
    "INCARNATIONS_MAX",
    "LARGE",
    "SENIOR_VERBS",
    "SMALL",
    "STATUS_ENTRIES_MAX",
    "Limit",
    "Run",
    "limit_for",
    "run_of",
    "run_of_status",
]

INCARNATIONS_MAX = 64
"""Of a key's incarnations in a lane that keeps all, the lowest this many count."""
STATUS_ENTRIES_MAX = 64
"""Entries of a pruned feed that count beyond its last snapshot."""
SENIOR_VERBS = frozenset({"grant", "revoke", "approve", "rollout", "witness", "agree"})
"""Verbs whose holders decide about others, and may therefore write much."""


class Limit(NamedTuple):
    """A number of entries, and of bytes of their wires."""

    entries: int
    size: int


SMALL = Limit(64, 64 << 10)
"""What counts of a key under a pair that decides about nobody."""
LARGE = Limit(65_536, 64 << 20)
"""What counts of a key under a pair that holds one of `SENIOR_VERBS`."""


_END = (1 << 48, 0, b"")
"""Sorts after every entry: the end of a run that left nothing out."""


class Run(NamedTuple):
    """A run that had to end, and where.

    Attributes:
        ids: the entries in it.
        end: (inc, seq, id) of the first entry left out of it for want of room, which ends it.
    """

    ids: frozenset[bytes]
    end: tuple[int, int, bytes]


def limit_for(capabilities: Iterable[Capability]) -> Limit:
    """Return what counts of a key's AUTH entries under a pair with these capabilities."""
    return LARGE if any(held.verb in SENIOR_VERBS for held in capabilities) else SMALL


def run_of(
    feeds: list[Feed],
    totals: Totals,
    limit: Limit,
    exempt: Callable[[Entry], bool] | None = None,
) -> Run | None:
    """Return the run of a key's lane, or None where all that is linked fits.

    Args:
        feeds: the key's feeds of that lane, the lowest incarnation first.
        totals: how much of them is linked.
        limit: of the run.
        exempt: what counts in any case and takes no room.
    """
    began = [feed for feed in feeds if feed.has_linked]
    if _fits(totals, limit) and len(began) <= INCARNATIONS_MAX:
        return None
    ids: list[bytes] = []
    size = 0
    for feed in began[:INCARNATIONS_MAX]:
        for entry in feed.linked():
            if exempt is not None and exempt(entry):
                continue
            size += entry_size(entry)
            if len(ids) == limit.entries or size > limit.size:
                return Run(frozenset(ids), (entry.inc, entry.seq, entry.id))
            ids.append(entry.id)
    more = len(began) > INCARNATIONS_MAX
    return Run(frozenset(ids), (began[INCARNATIONS_MAX].id.inc, 0, b"") if more else _END)


def run_of_status(
    feed: Feed, totals: Totals, exempt: Callable[[Entry], bool] | None = None
) -> Run | None:
    """Return the run of a pruned feed, its snapshot first, or None where all fits."""
    room = STATUS_ENTRIES_MAX + (feed.floor is not None)
    return run_of([feed], totals, Limit(room, room * ENTRY_SIZE_MAX[Lane.STATE]), exempt)


def _fits(totals: Totals, limit: Limit) -> bool:
    return totals.entries <= limit.entries and totals.size <= limit.size
