"""The serving half of an exchange: peers ask, the disk is read, chunks go out.

Of everything that peers wait for, the chunk goes out next that went out least often so far; among
those, each peer has its turn. That makes the one complete source of a young swarm send everything
once before it sends anything twice, whatever its neighbours, who do not see each other's requests,
ask for. It works only while the choice is still open, so few chunks are on their way at a time
(`LOADS_AHEAD_MAX`); the rest of the queue is requests. A peer that reads slowly takes nothing from
the others: a chunk that is on its way for long is no longer counted, and none is begun for a peer
to which `LOADS_PER_PEER_MAX` are.

A chunk is hashed again before it leaves: a damaged disk must not make an honest box look like a
poisoner. Whatever a peer asks that we cannot give now is refused, not punished; only what
contradicts the artefact's id is wrong in every view.
"""

from dataclasses import replace

from mesh.orchestration.blob_effects import Load, Lost
from mesh.orchestration.blob_frames import GAINS_MAX, Chunk, Hold, Indices, Kind, Leaves
from mesh.orchestration.blob_limits import (
    GAIN_DELAY_NS,
    INTEREST_MAX,
    LOAD_SLOW_NS,
    LOADS_AHEAD_MAX,
    LOADS_MAX,
    LOADS_PER_PEER_MAX,
    WINDOW_MAX,
    TokenBucket,
)
from mesh.orchestration.blob_shared import Job, Shared, Work
from mesh.orchestration.blob_transfer import Blob, State, bits
from mesh.orchestration.blob_tree import Bytes

__all__ = ["Server"]

_LEAVES = -1
"""Stands for the list of leaves where a chunk's number would."""


class _Client:
    """A peer, as one that is served."""

    __slots__ = ("asks", "interests", "loading")

    def __init__(self) -> None:
        self.interests: dict[bytes, None] = {}
        self.asks: dict[tuple[bytes, int], None] = {}
        self.loading = 0


class Server:
    """Answers what peers ask for.

    Args:
        shared: the artefacts and the effects.
        rate_max: bytes of chunks a second; None for no limit.
    """

    def __init__(self, shared: Shared, rate_max: int | None) -> None:
        self._shared = shared
        self._bucket = TokenBucket(rate_max)
        self._clients: dict[bytes, _Client] = {}
        self._waiting: dict[bytes, None] = {}
        """Peers with requests, in the order of their turns."""
        self._loads: dict[int, int] = {}
        """When each chunk that is on its way was begun, oldest first."""
        self._begun = 0
        self._wake_ns: int | None = None
        """When the next chunk may be begun; None if that takes an input."""
        self._gains_ns: int | None = None

    def peer_added(self, peer: bytes) -> None:
        """A peer may ask from now on."""
        self._clients[peer] = _Client()

    def peer_removed(self, peer: bytes) -> None:
        """A peer is gone; what is on its way to it is answered by the shell all the same."""
        self._clients.pop(peer, None)
        self._waiting.pop(peer, None)

    # ------------------------------------------------------------------------- what peers say

    def want(self, peer: bytes, identifier: bytes) -> None:
        """A peer wants to be told what we hold."""
        client = self._clients[peer]
        if identifier not in client.interests and len(client.interests) >= INTEREST_MAX:
            self._shared.counters.refused += 1
            return
        client.interests[identifier] = None
        blob = self._shared.blobs.get(identifier)
        if blob is not None and blob.held:
            self._shared.send(peer, Hold(blob.id, blob.held, blob.width))

    def unwant(self, peer: bytes, identifier: bytes) -> None:
        """A peer wants no more of it."""
        client = self._clients[peer]
        client.interests.pop(identifier, None)
        self._drop(peer, [key for key in client.asks if key[0] == identifier])

    def ask_leaves(self, peer: bytes, identifier: bytes) -> None:
        """A peer asks for the list of leaves."""
        blob = self._shared.blobs.get(identifier)
        if blob is None or not blob.held:
            self._shared.counters.refused += 1
            return
        self._queue(peer, identifier, _LEAVES)

    def ask(self, peer: bytes, identifier: bytes, indices: tuple[int, ...]) -> str | None:
        """A peer asks for chunks; returns what is wrong with that in every view, or None."""
        blob = self._shared.blobs.get(identifier)
        if blob is not None and max(indices) >= blob.reference.chunks:
            return f"asked for chunk {max(indices)} of {blob.reference.chunks}"
        for index in indices:
            is_held = blob is not None and blob.held >> index & 1
            if not is_held or not self._queue(peer, identifier, index):
                self._refuse(peer, identifier, index)
        return None

    def cancel(self, peer: bytes, identifier: bytes, indices: tuple[int, ...]) -> None:
        """A peer no longer needs chunks."""
        self._drop(peer, [(identifier, index) for index in indices])

    def _queue(self, peer: bytes, identifier: bytes, index: int) -> bool:
        client = self._clients[peer]
        if len(client.asks) >= WINDOW_MAX + 1:  # the chunks, and the leaves of another artefact
            return False
        client.asks[identifier, index] = None
        self._waiting[peer] = None
        return True

    def _drop(self, peer: bytes, keys: list[tuple[bytes, int]]) -> None:
        client = self._clients[peer]
        for key in keys:
            client.asks.pop(key, None)
        if not client.asks:
            self._waiting.pop(peer, None)

    def _refuse(self, peer: bytes, identifier: bytes, index: int) -> None:
        self._shared.counters.refused += 1
        self._shared.send(peer, Indices(Kind.REFUSE, identifier, (index,)))

    # --------------------------------------------------------------------------- what goes out

    def pump(self, now_ns: int) -> None:
        """Start as many answers as the limits let through, each peer in turn."""
        self._wake_ns = None
        while self._has_room(now_ns):
            peer = min(filter(self._may_load, self._waiting), key=self._times, default=None)
            if peer is None:
                return
            client = self._clients[peer]
            identifier, index = self._next_ask(client)
            blob = self._shared.blobs.get(identifier)
            size = self._size(blob, index)
            if size and not self._bucket.take(size, now_ns):
                self._wake_ns = self._bucket.ready_ns()
                return
            del client.asks[identifier, index]
            del self._waiting[peer]
            if client.asks:
                self._waiting[peer] = None
            if blob is None or not size:
                self._shared.counters.refused += 1
                if index != _LEAVES:
                    self._shared.send(peer, Indices(Kind.REFUSE, identifier, (index,)))
                continue
            self._start(peer, client, blob, index, now_ns)

    def _has_room(self, now_ns: int) -> bool:
        """Return whether another chunk may be begun now."""
        if not self._waiting or len(self._loads) >= LOADS_MAX:
            return False
        if len(self._loads) < LOADS_AHEAD_MAX:
            return True
        counted = tuple(self._loads.values())[-LOADS_AHEAD_MAX]
        if now_ns >= counted + LOAD_SLOW_NS:
            return True
        self._wake_ns = counted + LOAD_SLOW_NS
        return False

    def _may_load(self, peer: bytes) -> bool:
        return self._clients[peer].loading < LOADS_PER_PEER_MAX

    def _times(self, peer: bytes) -> int:
        """Return how often the next answer to a peer went out already."""
        return self._sent(self._next_ask(self._clients[peer]))

    def _next_ask(self, client: _Client) -> tuple[bytes, int]:
        """Return the request for what went out least often; the list of leaves before any chunk."""
        return min(client.asks, key=self._sent)

    def _sent(self, ask: tuple[bytes, int]) -> int:
        blob = self._shared.blobs.get(ask[0])
        return -1 if blob is None or ask[1] == _LEAVES else blob.served.get(ask[1], 0)

    def _size(self, blob: Blob | None, index: int) -> int:
        """Return the bytes that an answer takes; 0 where there is none any more."""
        if blob is None or blob.leaves is None:
            return 0
        if index == _LEAVES:
            return len(blob.leaves)
        return blob.reference.chunk_size(index) if blob.held >> index & 1 else 0

    def _start(self, peer: bytes, client: _Client, blob: Blob, index: int, now_ns: int) -> None:
        shared = self._shared
        client.loading += 1
        self._begun += 1
        self._loads[self._begun] = now_ns
        if index == _LEAVES:
            assert blob.leaves is not None
            ticket = shared.ticket(Job(Work.SEND, blob, index, peer, self._begun))
            shared.send(peer, Leaves(blob.id, blob.leaves), ticket)
            return
        blob.served[index] = blob.served.get(index, 0) + 1
        ticket = shared.ticket(Job(Work.LOAD, blob, index, peer, self._begun))
        shared.effects.append(Load(ticket, blob.reference, index))

    def loaded(self, job: Job, data: Bytes) -> None:
        """The disk gave a chunk: send it if it is still right, and still wanted."""
        blob = job.blob
        if not self._shared.knows(job) or job.peer not in self._clients:
            self.sent(job)
        elif blob.is_chunk(job.index, data):
            self._shared.counters.bytes_served += len(data)
            ticket = self._shared.ticket(replace(job, work=Work.SEND))
            self._shared.send(job.peer, Chunk(blob.id, job.index, data), ticket)
        else:
            self.sent(job)
            self._refuse(job.peer, blob.id, job.index)
            rotten = "no longer has the hash that it was stored with"
            self._damaged(blob, job.index, rotten if data else "is not on the disk any more")

    def load_failed(self, job: Job) -> None:
        """The disk gave nothing."""
        self.sent(job)
        if job.peer in self._clients:
            self._refuse(job.peer, job.blob.id, job.index)

    def sent(self, job: Job) -> None:
        """An answer is on the wire, or will never be."""
        self._loads.pop(job.number, None)
        client = self._clients.get(job.peer)
        if client is not None and client.loading:
            client.loading -= 1

    def _damaged(self, blob: Blob, index: int, what: str) -> None:
        """A chunk of ours rotted: a part is fetched again, a whole is given up and said to be."""
        if blob.state is State.COMPLETE:
            self.lost(blob, f"chunk {index} {what}")
            return
        blob.held &= ~(1 << index)
        self.announce(blob)

    def lost(self, blob: Blob, reason: str) -> None:
        """A whole of ours is given up: nobody is told any more that we hold it."""
        blob.state, blob.held, blob.reason = State.LOST, 0, reason
        self._shared.effects.append(Lost(blob.reference, reason))
        self.announce(blob)

    # ----------------------------------------------------------------------- what we hold

    def announce(self, blob: Blob) -> None:
        """Tell everybody who asked what we hold now."""
        blob.gained = 0
        for peer, client in self._clients.items():
            if blob.id in client.interests:
                self._shared.send(peer, Hold(blob.id, blob.held, blob.width))

    def gained(self, blob: Blob, index: int, now_ns: int) -> None:
        """Tell everybody who asked, soon, that we hold one more chunk."""
        blob.gained |= 1 << index
        if self._gains_ns is None:
            self._gains_ns = now_ns + GAIN_DELAY_NS

    def tick(self, now_ns: int) -> None:
        """Tell what was gained, when it is time."""
        if self._gains_ns is None or now_ns < self._gains_ns:
            return
        self._gains_ns = None
        for blob in self._shared.blobs.values():
            gained, blob.gained = bits(blob.gained & blob.held), 0
            for at in range(0, len(gained), GAINS_MAX):
                frame = Indices(Kind.GAIN, blob.id, tuple(gained[at : at + GAINS_MAX]))
                for peer, client in self._clients.items():
                    if blob.id in client.interests:
                        self._shared.send(peer, frame)

    def deadline_ns(self) -> int | None:
        """Return when there is something to do without any input."""
        due = [self._gains_ns, self._wake_ns]
        return min((at for at in due if at is not None), default=None)
