"""Every bound of the artefact exchange, with its unit and what it is for.

What one peer can make a box hold: its `INTEREST_MAX` interests, `WINDOW_MAX` requests, two chunks
on their way to it, and a bitmap of 384 B for each artefact that the box itself wants. What all
peers together can: `WRITES_MAX` chunks that wait for the disk and `LOADS_MAX` that wait for the
wire. What a frame can cost: one hash of 64 KiB, or one tree of `CHUNKS_MAX` leaves (3 ms), and the
sender of a wrong list or chunk is not heard again.
"""

from dataclasses import dataclass

from mesh.orchestration.blob_tree import CHUNK_SIZE
from mesh.units import MS, SECOND

__all__ = [
    "ANSWER_NS",
    "BANNED_MAX",
    "BLOBS_MAX",
    "COOL_NS",
    "COOL_NS_MAX",
    "ENDGAME_ASKERS_MAX",
    "GAIN_DELAY_NS",
    "INTEREST_MAX",
    "LOADS_AHEAD_MAX",
    "LOADS_MAX",
    "LOADS_PER_PEER_MAX",
    "LOAD_SLOW_NS",
    "OWED_NS_MAX",
    "REQUESTS_MAX",
    "RETRY_NS",
    "STALL_NS",
    "UNASKED_MAX",
    "WINDOW_MAX",
    "WINDOW_MIN",
    "WINDOW_START",
    "WRITES_MAX",
    "ExchangeLimits",
    "TokenBucket",
]

BLOBS_MAX = 64
"""Artefacts that one box holds or wants at once: a few slots, each with old and new."""
INTEREST_MAX = BLOBS_MAX
"""Artefacts of which one peer may ask to be told; further ones are not noted."""
BANNED_MAX = 1024
"""Peers remembered as having sent wrong bytes of one artefact; the oldest are tried again."""
WINDOW_MAX = 16
"""Chunks asked of one peer and not answered: 1 MiB, 83 ms at 100 Mbit/s."""
WINDOW_START = 4
"""The same for a peer that has not sent anything yet; one more for every quick answer."""
WINDOW_MIN = 2
"""The same for a peer that answers slowly: one chunk on the line and one request ahead of it."""
ANSWER_NS = 150 * MS
"""An answer that takes longer came out of a queue; it shrinks the window by one. Long queues bind
requests to a busy source while a chunk may be had elsewhere: see `bench/rollout.py`."""
REQUESTS_MAX = 128
"""Chunks asked of all peers and not answered: 8 MiB that may arrive at once."""
WRITES_MAX = 64
"""Chunks that wait for the disk, 4 MiB; nothing is asked for beyond, and what comes is dropped."""
LOADS_MAX = 64
"""Chunks read from the disk and not taken by the wire yet, 4 MiB."""
LOADS_AHEAD_MAX = 4
"""The same as long as the wire takes them quickly: 21 ms at 100 Mbit/s. With 20 instead, half of a
hundred boxes have their 20 MB a fifth later, and the last a tenth: see `bench/rollout.py`."""
LOAD_SLOW_NS = 200 * MS
"""A chunk that is on its way for longer than this no longer counts for that: its peer is slow."""
LOADS_PER_PEER_MAX = 2
"""The same for one peer: while one is being sent the next is read."""
ENDGAME_ASKERS_MAX = 2
"""Peers asked for one chunk when there is no other chunk left to ask for."""
UNASKED_MAX = WINDOW_MAX
"""Chunks beyond those asked for on one connection; an honest peer never sends one."""
STALL_NS = 10 * SECOND
"""A peer that owes chunks and sends none for this long is asked for nothing for a while."""
OWED_NS_MAX = 60 * SECOND
"""Likewise one that owes a chunk for this long and sends others: a window at 17 kB/s."""
COOL_NS = 2 * SECOND
"""For how long, at first; it doubles with every stall in a row."""
COOL_NS_MAX = 300 * SECOND
"""For how long at most."""
RETRY_NS = 10 * SECOND
"""After the disk refused, before it is tried again."""
GAIN_DELAY_NS = 20 * MS
"""News of chunks gained is gathered for this long, to tell several in one frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeLimits:
    """What an operator may set.

    Attributes:
        serve_rate_max: bytes of chunks served a second; None leaves it to the link.
        fetch_rate_max: bytes of chunks asked for a second; None likewise.
    """

    serve_rate_max: int | None = None
    fetch_rate_max: int | None = None

    def __post_init__(self) -> None:
        for rate in (self.serve_rate_max, self.fetch_rate_max):
            if rate is not None and rate < 1:
                raise ValueError(
                    f"{rate} bytes a second: expected at least 1, or None for no limit"
                )


class TokenBucket:
    """Lets bytes through at a rate, in integers: no drift, the same on every machine.

    The level may go below zero by one chunk, so that a chunk larger than what a rate gives in a
    moment passes, and is waited for afterwards.

    Args:
        rate: bytes a second; None lets everything through.
    """

    __slots__ = ("_at_ns", "_level", "_rate")

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._level = 0
        """In bytes times nanoseconds a second, so that no fraction is lost."""
        self._at_ns: int | None = None

    def take(self, size: int, now_ns: int) -> bool:
        """Return whether `size` bytes may pass now, and count them if so."""
        if self._rate is None:
            return True
        if self._at_ns is None:
            self._at_ns = now_ns
        burst = max(CHUNK_SIZE, self._rate // 10) * SECOND
        gained = max(0, now_ns - self._at_ns) * self._rate
        self._level = min(burst, self._level + gained)
        self._at_ns = max(self._at_ns, now_ns)
        if self._level < 0:
            return False
        self._level -= size * SECOND
        return True

    def ready_ns(self) -> int | None:
        """Return when bytes may pass again; None if they may already."""
        if self._rate is None or self._at_ns is None or self._level >= 0:
            return None
        return self._at_ns + -(self._level // self._rate)
