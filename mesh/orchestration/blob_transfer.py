"""One artefact as one box sees it: what is here, who holds the rest, which chunk to ask for next.

Sets of chunks are integers, bit i for chunk i: a few machine words for a model, and every question
below is a handful of operations on them. How many sources hold each chunk is counted for all chunks
at once in bit planes (a vertical counter: plane k holds bit k of every count), so *rarest first* is
a walk from the highest plane down that keeps the chunks whose count is least. Among equally rare
ones chance decides: boxes that start together must not ask for the same chunk, or a swarm would
move in step and the one complete source would send everything several times.

```
RESUMING   the disk is asked what it has of it     → LEAVES, FETCHING, COMPLETE
LEAVES     nobody has given us the list yet        → BEGINNING
BEGINNING  the disk makes room                     → FETCHING
FETCHING   chunks come                             → SEALING
SEALING    the disk proves the whole               → COMPLETE, FETCHING (damaged), FAILED
COMPLETE   it is served only                       → LOST
LOST       our copy is damaged, or gone            (final; wanted again, it begins anew)
FAILED     its reference contradicts itself        (final)
```
"""

from enum import Enum
from typing import TYPE_CHECKING

from mesh.orchestration.blob_limits import BANNED_MAX, ENDGAME_ASKERS_MAX
from mesh.orchestration.blob_tree import HASH_SIZE, Bytes, Reference, leaf_hash

if TYPE_CHECKING:
    from random import Random

__all__ = ["Blob", "State", "bits"]


class State(Enum):
    """How far an artefact is; the word is shown to people."""

    RESUMING = "resuming"
    LEAVES = "seeking"
    BEGINNING = "making room"
    FETCHING = "fetching"
    SEALING = "proving"
    COMPLETE = "complete"
    LOST = "lost"
    FAILED = "failed"


def bits(mask: int) -> list[int]:
    """Return the numbers of the set bits, ascending."""
    found: list[int] = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


class Blob:
    """What is known of one artefact.

    Attributes:
        reference: its name.
        state: see the module.
        leaves: the proven list; None before it is here.
        held: chunks on the disk.
        writing: chunks on the way there.
        asked: by chunk, the peers that owe it.
        banned: peers that sent wrong bytes of it.
        served: by chunk, how often it was sent to anybody.
        gained: chunks that interested peers have not been told of.
        bytes_fetched: bytes of chunks that arrived and were kept, since it is known here.
        reason: why it waits or failed; None while all is well.
        retry_ns: when the disk is tried again; None while it works.
    """

    def __init__(self, reference: Reference, state: State) -> None:
        self.reference = reference
        self.state = state
        self.full = (1 << reference.chunks) - 1
        self.leaves: bytes | None = None
        self.held = 0
        self.writing = 0
        self.asked: dict[int, dict[bytes, None]] = {}
        self.banned: dict[bytes, None] = {}
        self.served: dict[int, int] = {}
        self.gained = 0
        self.bytes_fetched = 0
        self.reason: str | None = None
        self.retry_ns: int | None = None
        self._asked_mask = 0
        self._sources: dict[bytes, int] = {}
        self._planes: list[int] | None = None

    @property
    def id(self) -> bytes:
        """What peers call it."""
        return self.reference.id

    @property
    def width(self) -> int:
        """Bytes of its bitmap on the wire."""
        return -(-self.reference.chunks // 8)

    @property
    def missing(self) -> int:
        """Chunks that have not arrived."""
        return self.full & ~self.held & ~self.writing

    @property
    def is_wanted(self) -> bool:
        """Whether peers are to be asked about it."""
        return self.state not in (State.COMPLETE, State.LOST, State.FAILED)

    @property
    def sources(self) -> dict[bytes, int]:
        """By peer, the chunks that it says it holds; read only."""
        return self._sources

    def set_source(self, peer: bytes, held: int) -> None:
        """Note what a peer holds."""
        if peer in self.banned:
            return
        self._planes = None
        if held:
            self._sources[peer] = held
        else:
            self._sources.pop(peer, None)

    def drop_source(self, peer: bytes) -> None:
        """A peer holds nothing for us any more."""
        if self._sources.pop(peer, 0):
            self._planes = None

    def ban(self, peer: bytes) -> None:
        """Never hear a peer about this artefact again."""
        self.drop_source(peer)
        self.banned[peer] = None
        if len(self.banned) > BANNED_MAX:
            del self.banned[next(iter(self.banned))]

    def is_chunk(self, index: int, data: Bytes) -> bool:
        """Return whether some bytes are chunk `index`; the leaves must be known."""
        assert self.leaves is not None
        at = index * HASH_SIZE
        return leaf_hash(data) == self.leaves[at : at + HASH_SIZE]

    def ask(self, index: int, peer: bytes) -> bool:
        """Note that a peer is asked for a chunk; returns whether it was the last to be had."""
        self.asked.setdefault(index, {})[peer] = None
        self._asked_mask |= 1 << index
        return not self._is_any_left()

    def release(self, index: int, peer: bytes) -> None:
        """Note that a peer no longer owes a chunk."""
        askers = self.asked.get(index, {})
        askers.pop(peer, None)
        if not askers and self.asked.pop(index, None) is not None:
            self._asked_mask &= ~(1 << index)

    def pick(self, peer: bytes, rng: "Random") -> int | None:
        """Return the chunk to ask a peer for: the rarest that nobody was asked for yet."""
        candidates = self.missing & ~self._asked_mask & self._sources.get(peer, 0)
        return self._draw(self._rarest(candidates), rng) if candidates else None

    def pick_again(self, peer: bytes, rng: "Random") -> int | None:
        """Return a chunk that a slower peer owes already, when nothing else is left to ask for."""
        if self._is_any_left():
            return None
        theirs = self._sources.get(peer, 0) & self.missing
        candidates = 0
        for index, askers in self.asked.items():
            if len(askers) < ENDGAME_ASKERS_MAX and peer not in askers:
                candidates |= theirs & 1 << index
        return self._draw(candidates, rng) if candidates else None

    def _is_any_left(self) -> bool:
        """Return whether some source holds a missing chunk that nobody was asked for."""
        left = self.missing & ~self._asked_mask
        return any(left & plane for plane in self._counts())

    def _draw(self, candidates: int, rng: "Random") -> int:
        """Return a set bit: the next one from a random place on, round the end."""
        start = rng.randrange(self.reference.chunks)
        above = candidates >> start
        if above:
            return (above & -above).bit_length() - 1 + start
        return (candidates & -candidates).bit_length() - 1

    def _rarest(self, candidates: int) -> int:
        """Keep those that the fewest sources hold."""
        for plane in reversed(self._counts()):
            candidates = candidates & ~plane or candidates
        return candidates

    def _counts(self) -> list[int]:
        if self._planes is None:
            self._planes = _count(self._sources)
        return self._planes


def _count(sources: dict[bytes, int]) -> list[int]:
    """Return the bit planes of how many masks have each bit: plane k is bit k of every count."""
    planes: list[int] = []
    for mask in sources.values():
        carry = mask
        for level, plane in enumerate(planes):
            planes[level], carry = plane ^ carry, plane & carry
            if not carry:
                break
        if carry:
            planes.append(carry)
    return planes
