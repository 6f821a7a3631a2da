"""When to dial whom: exponential back-off with jitter, as a pure function of what happened.

A box that was ever wanted is tried for ever, ever more rarely up to a bound that depends on how
much it is missed: `NEIGHBOUR_DELAY_MAX_NS` for those whose events we react to,
`OTHER_DELAY_MAX_NS` for the rest. The jitter only shortens a delay (between half and all of it), so
the bounds hold for every peer and a whole city that lost its link does not dial in step.

A connection that dies young counts as a failed attempt, or two boxes that throw each other out
would do so at full speed. The dial after an honest loss follows within `LOSS_DELAY_NS`.

Everything is decided from the arguments: time is `now_ns` on a monotonic clock, randomness is the
generator given to the constructor. Of peers that are due, neighbours come first, then who is due
longest, then the smaller key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

__all__ = [
    "FIRST_DELAY_NS",
    "LOSS_DELAY_NS",
    "NEIGHBOUR_DELAY_MAX_NS",
    "OTHER_DELAY_MAX_NS",
    "YOUNG_CONNECTION_NS",
    "DialPlan",
    "Nearness",
    "Uniform",
]

FIRST_DELAY_NS = 250_000_000
"""Nanoseconds after the first failure; doubles with every further one."""

LOSS_DELAY_NS = 50_000_000
"""Nanoseconds at most between the loss of a connection that had stood and the next dial."""

NEIGHBOUR_DELAY_MAX_NS = 2_000_000_000
"""Nanoseconds between dials of a neighbour, at most."""

OTHER_DELAY_MAX_NS = 15_000_000_000
"""Nanoseconds between dials of any other wanted peer, at most."""

YOUNG_CONNECTION_NS = 5_000_000_000
"""Nanoseconds that a connection must have stood for its loss not to count as a failed dial."""

_FAILURES_COUNTED_MAX = 16
"""Failures beyond this many change nothing: every bound was reached long before."""


class Uniform(Protocol):
    """The part of `random.Random` that is used here."""

    def random(self) -> float:
        """Returns a number from 0 (inclusive) to 1 (exclusive)."""
        ...


class Nearness(Enum):
    """How much a peer is missed when it is not connected."""

    NEIGHBOUR = "neighbour"
    """Its events make us react, or it is one of the few links that cross a partition."""
    OTHER = "other"
    """It keeps a topic's graph connected."""


@dataclass(slots=True)
class _Peer:
    nearness: Nearness
    due_ns: int
    failures: int = 0
    is_dialling: bool = False


class DialPlan:
    """Decides which of the wanted peers to dial now.

    Args:
        random: Source of jitter.
        degree_max: Connections and dials under way, at which no peer that is not a neighbour is
            dialled any more. Neighbours are always dialled.
    """

    def __init__(self, random: Uniform, *, degree_max: int) -> None:
        self._random = random
        self._degree_max = degree_max
        self._wanted: dict[bytes, _Peer] = {}
        self._connected: dict[bytes, int] = {}

    def want(self, peers: Mapping[bytes, Nearness], now_ns: int) -> None:
        """Replaces the set of wanted peers; who stays wanted keeps the history it has.

        Args:
            peers: Public keys and how much each is missed.
            now_ns: Monotonic time.
        """
        previous, self._wanted = self._wanted, {}
        for key in sorted(peers):
            nearness = peers[key]
            peer = previous.get(key) or _Peer(nearness, now_ns)
            peer.nearness = nearness
            peer.due_ns = min(peer.due_ns, now_ns + _delay_max_ns(nearness))
            self._wanted[key] = peer

    def due(self, now_ns: int, *, room: int) -> list[bytes]:
        """Returns whom to dial now, most urgent first.

        Args:
            now_ns: Monotonic time.
            room: How many dials may be started.
        """
        ready = [
            (peer.nearness is Nearness.OTHER, peer.due_ns, key)
            for key, peer in self._wanted.items()
            if self._is_idle(key, peer) and peer.due_ns <= now_ns
        ]
        degree = self._degree()
        chosen: list[bytes] = []
        for is_other, _, key in sorted(ready):
            if len(chosen) >= room:
                break
            if is_other and degree + len(chosen) >= self._degree_max:
                break
            chosen.append(key)
        return chosen

    def next_due_ns(self) -> int | None:
        """Returns when `due` can have something new at the earliest; None if nobody is missing."""
        full = self._degree() >= self._degree_max
        times = (
            peer.due_ns
            for key, peer in self._wanted.items()
            if self._is_idle(key, peer) and not (full and peer.nearness is Nearness.OTHER)
        )
        return min(times, default=None)

    def started(self, key: bytes) -> None:
        """A dial to the peer is under way; `failed` or `connected` follows."""
        if peer := self._wanted.get(key):
            peer.is_dialling = True

    def failed(self, key: bytes, now_ns: int) -> None:
        """The dial led nowhere."""
        if peer := self._wanted.get(key):
            peer.is_dialling = False
            self._back_off(peer, now_ns)

    def connected(self, key: bytes, now_ns: int) -> None:
        """There is a connection to the peer, whoever dialled."""
        self._connected.setdefault(key, now_ns)
        if peer := self._wanted.get(key):
            peer.is_dialling = False

    def disconnected(self, key: bytes, now_ns: int) -> None:
        """The last connection to the peer is gone."""
        since_ns = self._connected.pop(key, now_ns)
        peer = self._wanted.get(key)
        if peer is None:
            return
        if now_ns - since_ns < YOUNG_CONNECTION_NS:
            self._back_off(peer, now_ns)
        else:
            peer.failures = 0
            peer.due_ns = now_ns + int(self._random.random() * LOSS_DELAY_NS)

    def _back_off(self, peer: _Peer, now_ns: int) -> None:
        delay_ns = min(FIRST_DELAY_NS << peer.failures, _delay_max_ns(peer.nearness))
        peer.failures = min(peer.failures + 1, _FAILURES_COUNTED_MAX)
        peer.due_ns = now_ns + delay_ns - int(self._random.random() * delay_ns / 2)

    def _is_idle(self, key: bytes, peer: _Peer) -> bool:
        return key not in self._connected and not peer.is_dialling

    def _degree(self) -> int:
        return len(self._connected) + sum(
            peer.is_dialling for key, peer in self._wanted.items() if key not in self._connected
        )

    def __repr__(self) -> str:
        return f"<DialPlan wanted={len(self._wanted)} connected={len(self._connected)}>"


def _delay_max_ns(nearness: Nearness) -> int:
    return NEIGHBOUR_DELAY_MAX_NS if nearness is Nearness.NEIGHBOUR else OTHER_DELAY_MAX_NS
