"""The fetching half of an exchange: what to ask whom for, and who gave what.

Requests are pipelined, up to a window for each peer that begins small and grows by one with every
chunk, so a slow peer never holds back much and a fast one is never idle. Chunks are asked for
rarest first from all sources at once; when every missing chunk has been asked for, the last ones
are asked for a second time of whoever is free (*endgame*), and the slower copy is cancelled. A peer
that owes chunks and sends none is left alone for a while, longer each time; what it owed is asked
for elsewhere. That is no offence: it may be far, busy or restarted. Nor does one buy time with
something else: a list is due by itself, a chunk that is owed for very long is asked for elsewhere
whatever came meanwhile, and whoever kept us waiting is asked last from then on. So one honest
source is enough, however many others hold something back.

An offence is what its sender alone can be blamed for: a list of leaves that does not hash to the
tree, a chunk that does not hash to its leaf, a bitmap of another length, a chunk number that the
artefact does not have, or many more chunks than were asked for. A wrong chunk is found on arrival,
also one that nobody asked for or that is here already. Its sender is not heard about this artefact
again; what it held back is asked for elsewhere.
"""

from typing import TYPE_CHECKING

from mesh.orchestration.blob_effects import Store
from mesh.orchestration.blob_frames import Chunk, Hold, Indices, Kind, Leaves, Note
from mesh.orchestration.blob_limits import (
    ANSWER_NS,
    COOL_NS,
    COOL_NS_MAX,
    OWED_NS_MAX,
    REQUESTS_MAX,
    STALL_NS,
    UNASKED_MAX,
    WINDOW_MAX,
    WINDOW_MIN,
    WINDOW_START,
    WRITES_MAX,
    TokenBucket,
)
from mesh.orchestration.blob_shared import Job, Shared, Work
from mesh.orchestration.blob_transfer import Blob, State
from mesh.orchestration.blob_tree import CHUNK_SIZE, tree_root

if TYPE_CHECKING:
    from random import Random

__all__ = ["Fetcher"]

_STALLS_COUNTED_MAX = 8
"""Stalls in a row after which the wait no longer doubles."""


class _Source:
    """A peer, as one that is fetched from.

    Attributes:
        owed: chunks asked for and not come, by when they were asked for, oldest first.
        leaves: artefacts whose list it was asked for, likewise.
        window: chunks that it may owe.
        heard_ns: when it last gave something that may have taken long.
        cool_until_ns: it is asked for nothing before that.
        stalls: in a row.
        credit: chunks asked for and not seen on this connection.
    """

    __slots__ = ("cool_until_ns", "credit", "heard_ns", "leaves", "owed", "stalls", "window")

    def __init__(self, now_ns: int) -> None:
        self.owed: dict[tuple[bytes, int], int] = {}
        self.leaves: dict[bytes, int] = {}
        self.window = WINDOW_START
        self.heard_ns = now_ns
        self.cool_until_ns = now_ns
        self.stalls = 0
        self.credit = 0

    def stalls_ns(self) -> int | None:
        """Return when it will have kept us waiting for too long; None if it owes nothing."""
        due: list[int] = []
        if self.owed:
            asked_ns = next(iter(self.owed.values()))
            due.append(min(max(asked_ns, self.heard_ns) + STALL_NS, asked_ns + OWED_NS_MAX))
        if self.leaves:
            due.append(next(iter(self.leaves.values())) + STALL_NS)
        return min(due, default=None)


class Fetcher:
    """Asks for what is wanted.

    Args:
        shared: the artefacts and the effects.
        rng: source of every random choice.
        rate_max: bytes of chunks a second; None for no limit.
    """

    def __init__(self, shared: Shared, rng: "Random", rate_max: int | None) -> None:
        self._shared = shared
        self._rng = rng
        self._bucket = TokenBucket(rate_max)
        self._sources: dict[bytes, _Source] = {}
        self._is_starved = False
        self._due: dict[bytes, None] = {}
        """Peers of whom there may be something new to ask."""
        self._all_due = False
        self._is_full = False
        """Whether somebody was not asked because all peers together owe enough."""
        self._wake_ns: int | None = None
        """No peer has been silent for too long, or may be asked again, before that."""
        self.writes = 0
        """Chunks that wait for the disk."""

    @property
    def requests(self) -> int:
        """Chunks that peers owe."""
        return sum(len(source.owed) for source in self._sources.values())

    def look_again(self) -> None:
        """Something changed that may let any peer be asked: room, or what there is to ask for."""
        self._all_due = True

    def written(self) -> None:
        """The disk is done with a chunk."""
        if self.writes == WRITES_MAX:
            self.look_again()
        self.writes -= 1

    def _wake_by(self, at_ns: int) -> None:
        self._wake_ns = at_ns if self._wake_ns is None else min(self._wake_ns, at_ns)

    def peer_added(self, peer: bytes, now_ns: int) -> None:
        """A peer may be asked from now on."""
        self._sources[peer] = _Source(now_ns)
        for blob in self._shared.blobs.values():
            if blob.is_wanted:
                self._shared.send(peer, Note(Kind.WANT, blob.id))

    def peer_removed(self, peer: bytes) -> None:
        """A peer is gone, and with it what it owed."""
        source = self._sources.pop(peer, None)
        if source is None:
            return
        self._due.pop(peer, None)
        self._release(peer, source)
        for blob in self._shared.blobs.values():
            blob.drop_source(peer)

    def wanted(self, blob: Blob) -> None:
        """Ask everybody what they hold of an artefact."""
        for peer in self._sources:
            self._shared.send(peer, Note(Kind.WANT, blob.id))

    def unwanted(self, blob: Blob) -> None:
        """Ask nobody about an artefact any more."""
        for index in tuple(blob.asked):
            self._cancel(blob, index)
        for peer, source in self._sources.items():
            source.leaves.pop(blob.id, None)
            blob.drop_source(peer)
            self._shared.send(peer, Note(Kind.UNWANT, blob.id))

    # ------------------------------------------------------------------------- what peers say

    def hold(self, peer: bytes, blob: Blob, frame: Hold) -> str | None:
        """A peer says what it holds; returns what is wrong with that in every view, or None."""
        if frame.width != blob.width or frame.held > blob.full:
            return f"holds chunk {frame.held.bit_length() - 1} of {blob.reference.chunks}"
        if blob.is_wanted:
            blob.set_source(peer, frame.held)
            self._due[peer] = None
        return None

    def gain(self, peer: bytes, blob: Blob, indices: tuple[int, ...]) -> str | None:
        """A peer holds more; returns what is wrong with that in every view, or None."""
        if indices[-1] >= blob.reference.chunks:
            return f"gained chunk {indices[-1]} of {blob.reference.chunks}"
        if blob.is_wanted:
            held = blob.sources.get(peer, 0)
            for index in indices:
                held |= 1 << index
            blob.set_source(peer, held)
            self._due[peer] = None
        return None

    def refused(self, peer: bytes, blob: Blob, index: int, now_ns: int) -> None:
        """A peer will not send a chunk now: leave it alone for a moment."""
        source = self._sources[peer]
        if source.owed.pop((blob.id, index), None) is not None:
            source.credit -= 1
            blob.release(index, peer)
            source.cool_until_ns = max(source.cool_until_ns, now_ns + COOL_NS)
            self._wake_by(source.cool_until_ns)
            self.look_again()

    def leaves(self, peer: bytes, blob: Blob, frame: Leaves, now_ns: int) -> str | bool:
        """A peer sent a list of leaves.

        Returns:
            What is wrong with it in every view; or whether it is the list we were looking for.
        """
        source = self._sources[peer]
        if source.leaves.pop(blob.id, None) is not None:
            source.heard_ns = now_ns
        if blob.leaves is None and blob.state is not State.LEAVES:
            return False
        if blob.leaves is not None:
            is_right = frame.leaves == blob.leaves
        else:
            size = blob.reference.chunks * 32
            is_right = len(frame.leaves) == size and tree_root(frame.leaves) == blob.reference.tree
        if not is_right:
            return "the leaves do not hash to the tree"
        return blob.state is State.LEAVES

    def chunk(self, peer: bytes, blob: Blob, frame: Chunk, now_ns: int) -> str | None:
        """A peer sent a chunk; returns what is wrong with it in every view, or None."""
        index, source, counters = frame.index, self._sources[peer], self._shared.counters
        if index >= blob.reference.chunks:
            return f"sent chunk {index} of {blob.reference.chunks}"
        source.credit -= 1
        asked_ns = source.owed.pop((blob.id, index), None)
        if asked_ns is not None:
            blob.release(index, peer)
        if blob.leaves is not None and not blob.is_chunk(index, frame.data):
            return f"chunk {index} does not hash to its leaf"
        if source.credit < -UNASKED_MAX:
            return f"sent more than {UNASKED_MAX} chunks that nobody asked for"
        counters.unasked += asked_ns is None
        source.heard_ns = now_ns
        source.stalls = 0
        self._due[peer] = None
        self._all_due = self._all_due or self._is_full
        if asked_ns is not None:
            is_quick = now_ns - asked_ns < ANSWER_NS
            source.window = max(
                WINDOW_MIN, min(WINDOW_MAX, source.window + (1 if is_quick else -1))
            )
        is_missing = blob.state is State.FETCHING and blob.missing >> index & 1
        if not is_missing or self.writes >= WRITES_MAX:
            counters.bytes_wasted += len(frame.data)
            return None
        counters.bytes_fetched += len(frame.data)
        blob.bytes_fetched += len(frame.data)
        self._cancel(blob, index)
        blob.writing |= 1 << index
        self.writes += 1
        ticket = self._shared.ticket(Job(Work.STORE, blob, index))
        self._shared.effects.append(Store(ticket, blob.reference, index, frame.data))
        return None

    def ban(self, peer: bytes, blob: Blob) -> None:
        """A peer sent wrong bytes of an artefact."""
        source = self._sources[peer]
        for key in [key for key in source.owed if key[0] == blob.id]:
            del source.owed[key]
            blob.release(key[1], peer)
        source.leaves.pop(blob.id, None)
        blob.ban(peer)
        self.look_again()

    def _cancel(self, blob: Blob, index: int) -> None:
        """Nobody needs to send a chunk any more."""
        for peer in tuple(blob.asked.get(index, ())):
            self._sources[peer].owed.pop((blob.id, index), None)
            self._due[peer] = None
            blob.release(index, peer)
            self._shared.send(peer, Indices(Kind.CANCEL, blob.id, (index,)))

    def _release(self, peer: bytes, source: _Source) -> None:
        """Take back everything that a peer owes."""
        for identifier, index in source.owed:
            if blob := self._shared.blobs.get(identifier):
                blob.release(index, peer)
        source.owed.clear()
        source.leaves.clear()
        self.look_again()

    # ------------------------------------------------------------------------------- asking

    def tick(self, now_ns: int) -> None:
        """Leave peers alone that kept us waiting for too long, and ask again those that did."""
        self._all_due = self._all_due or self._is_starved
        if self._wake_ns is None or now_ns < self._wake_ns:
            return
        self._wake_ns = None
        self.look_again()
        for peer, source in tuple(self._sources.items()):
            at_ns = source.stalls_ns()
            if at_ns is not None and now_ns >= at_ns:
                self._stalled(peer, source, now_ns)
            elif at_ns is not None:
                self._wake_by(at_ns)
            if source.cool_until_ns > now_ns:
                self._wake_by(source.cool_until_ns)

    def _stalled(self, peer: bytes, source: _Source, now_ns: int) -> None:
        """A peer kept us waiting: take back what it owes, leave it alone, and ask it last."""
        self._sources[peer] = self._sources.pop(peer)
        self._shared.counters.stalls += 1
        for identifier, index in source.owed:
            self._shared.send(peer, Indices(Kind.CANCEL, identifier, (index,)))
        self._release(peer, source)
        source.window = WINDOW_MIN
        cool_ns = min(COOL_NS_MAX, COOL_NS << min(source.stalls, _STALLS_COUNTED_MAX))
        source.stalls += 1
        source.cool_until_ns = now_ns + cool_ns

    def fill(self, now_ns: int) -> None:
        """Ask for as much as the limits let through, of those of whom there is something to ask."""
        if not self._due and not self._all_due:
            return
        blobs = [blob for blob in self._shared.blobs.values() if blob.retry_ns is None]
        for blob in blobs:
            if blob.state is State.LEAVES:
                self._ask_leaves(blob, now_ns)
        fetching = [blob for blob in blobs if blob.state is State.FETCHING and blob.missing]
        self._is_starved = False
        while self._all_due or self._due:
            due = tuple(self._sources if self._all_due else self._due)
            self._all_due = False
            self._due.clear()
            if fetching:
                self._fill(due, fetching, now_ns)

    def _fill(self, due: tuple[bytes, ...], fetching: list[Blob], now_ns: int) -> None:
        room = min(REQUESTS_MAX - self.requests, WRITES_MAX - self.writes)
        for peer in due:
            source = self._sources[peer]
            if source.cool_until_ns > now_ns:
                continue
            for blob in fetching:
                if peer in blob.sources:
                    room = self._ask(peer, source, blob, room, now_ns)
        self._is_full = room <= 0

    def _ask_leaves(self, blob: Blob, now_ns: int) -> None:
        """Ask one source, any of those that are not silent, for the list."""
        if any(blob.id in source.leaves for source in self._sources.values()):
            return
        free = [peer for peer in blob.sources if self._sources[peer].cool_until_ns <= now_ns]
        if free:
            peer = self._rng.choice(free)
            self._sources[peer].leaves[blob.id] = now_ns
            self._wake_by(now_ns + STALL_NS)
            self._shared.send(peer, Note(Kind.ASK_LEAVES, blob.id))

    def _ask(self, peer: bytes, source: _Source, blob: Blob, room: int, now_ns: int) -> int:
        """Ask a source for as many chunks as it may owe; returns the room that is left."""
        indices: list[int] = []
        while room > 0 and len(source.owed) < source.window:
            index = blob.pick(peer, self._rng)
            is_again = index is None
            if is_again:
                index = blob.pick_again(peer, self._rng)
            if index is None:
                break
            if not self._bucket.take(CHUNK_SIZE, now_ns):
                self._is_starved = True
                break
            if blob.ask(index, peer) and not is_again:
                self.look_again()  # nothing is left that nobody was asked for: the endgame begins
            source.owed[blob.id, index] = now_ns
            source.credit += 1
            indices.append(index)
            room -= 1
        if indices:
            self._wake_by(now_ns + STALL_NS)
            self._shared.send(peer, Indices(Kind.ASK, blob.id, tuple(indices)))
        return room

    def deadline_ns(self) -> int | None:
        """Return when there may be something to do without any input."""
        due = [self._wake_ns, self._bucket.ready_ns() if self._is_starved else None]
        return min((at for at in due if at is not None), default=None)
