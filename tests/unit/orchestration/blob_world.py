"""Boxes that exchange artefacts: links that break, disks that outlive their box, liars.

A hostile box runs an ordinary exchange; what it says is bent on the way out, so it takes part as
deeply as an honest one. Everything that happens is chosen by one source of randomness.
"""

from collections import Counter, deque
from collections.abc import Callable
from enum import Enum
from random import Random

from mesh.framing import FrameReader
from mesh.orchestration.blob_effects import (
    Begin,
    BlobEffect,
    Complete,
    Failed,
    Found,
    Load,
    Lost,
    Penalise,
    Resume,
    Seal,
    Sealed,
    Send,
    Store,
)
from mesh.orchestration.blob_frames import (
    BLOB_FRAME_SIZE_MAX,
    Chunk,
    Hold,
    Indices,
    Kind,
    Leaves,
    decode_frame,
    encode_frame,
)
from mesh.orchestration.blob_limits import STALL_NS, ExchangeLimits
from mesh.orchestration.blob_transfer import State
from mesh.orchestration.blob_tree import CHUNK_SIZE, Reference, leaves_of, reference_of, tree_root
from mesh.orchestration.blobs import Exchange
from mesh.units import SECOND

CHUNKS = 5
DATA = b"".join(bytes([17 * index + 1]) * CHUNK_SIZE for index in range(CHUNKS))[:-1000]
REFERENCE = reference_of(DATA)
LEAVES = leaves_of(DATA)
OTHER = reference_of(b"of no interest")
OTHER_LEAVES = leaves_of(b"of no interest")
TRICKLE_NS = STALL_NS - SECOND
"""Just often enough not to be silent for too long."""


def chunk(index: int) -> bytes:
    return DATA[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE]


class Vice(Enum):
    """What a box does wrong, always."""

    NONE = "honest"
    POISON = "sends wrong chunks"
    FORGE = "sends wrong leaves, and no chunk"
    MUTE = "promises everything and sends nothing"
    BABBLE = "sends bytes that are no frames"
    TRICKLE = "keeps the list and one chunk back, and always sends something else in time"


class Disk:
    """What outlives a box."""

    def __init__(self) -> None:
        self.leaves: dict[bytes, bytes] = {}
        self.chunks: dict[tuple[bytes, int], bytes] = {}
        self.complete: dict[bytes, None] = {}
        self.is_full = False

    def found(self, reference: Reference) -> Found:
        leaves = self.leaves.get(reference.id)
        if leaves is None:
            return Found()
        held = sum(1 << i for i in range(reference.chunks) if (reference.id, i) in self.chunks)
        is_whole = held == (1 << reference.chunks) - 1
        if not is_whole:
            self.complete.pop(reference.id, None)
        return Found(leaves, held, reference.id in self.complete)


class Box:
    def __init__(self, name: bytes, vice: Vice) -> None:
        self.name = name
        self.vice = vice
        self.disk = Disk()
        self.wants: dict[bytes, Reference] = {}
        self.blamed: dict[bytes, str] = {}
        self.to_blame: dict[bytes, None] = {}
        self.completed: list[bytes] = []
        self.failed: list[str] = []
        self.lost: list[str] = []
        self.work: deque[BlobEffect] = deque()
        self.exchange: Exchange


class World:
    """Every box, every link, and what is on its way."""

    def __init__(self, seed: int, vices: list[Vice], limits: ExchangeLimits | None = None) -> None:
        self.rng = Random(seed)
        self.now_ns = 0
        self.limits = limits or ExchangeLimits()
        self.boxes = [Box(bytes([number]) * 32, vice) for number, vice in enumerate(vices)]
        self.by_name = {box.name: box for box in self.boxes}
        self.wires: dict[tuple[bytes, bytes], deque[bytes]] = {}
        self.asks: dict[tuple[bytes, bytes], Counter[tuple[bytes, int]]] = {}
        """By server and client, what was asked for since they were linked and was not sent."""
        self.kept: dict[tuple[bytes, bytes], list[Chunk]] = {}
        """Likewise, what one that trickles has not sent yet; the first never."""
        self.trickle_ns = TRICKLE_NS
        for box in self.boxes:
            self._start(box)

    @property
    def honest(self) -> list[Box]:
        return [box for box in self.boxes if box.vice is Vice.NONE]

    def _start(self, box: Box) -> None:
        box.exchange = Exchange(self.limits, self.rng)
        if any(other.vice is Vice.TRICKLE for other in self.boxes):
            box.exchange.have(OTHER, OTHER_LEAVES, self.now_ns)

    # ------------------------------------------------------------------------------- commands

    def want(self, box: Box, reference: Reference = REFERENCE) -> None:
        box.wants[reference.id] = reference
        self._perform(box, box.exchange.want(reference, self.now_ns))

    def give(self, box: Box, indices: list[int], reference: Reference = REFERENCE) -> None:
        """Put chunks on a disk, and let the box know of them."""
        box.disk.leaves[reference.id] = LEAVES
        for index in indices:
            box.disk.chunks[reference.id, index] = chunk(index)
        self.want(box, reference)

    def link(self, a: Box, b: Box) -> None:
        if a is b or (a.name, b.name) in self.wires:
            return
        self.wires[a.name, b.name] = deque()
        self.wires[b.name, a.name] = deque()
        for ends in ((a.name, b.name), (b.name, a.name)):
            self.asks[ends], self.kept[ends] = Counter(), []
        self._perform(a, a.exchange.peer_added(b.name, self.now_ns))
        self._perform(b, b.exchange.peer_added(a.name, self.now_ns))

    def unlink(self, a: Box, b: Box) -> None:
        if (a.name, b.name) in self.wires:
            del self.wires[a.name, b.name], self.wires[b.name, a.name]
            self._perform(a, a.exchange.peer_removed(b.name, self.now_ns))
            self._perform(b, b.exchange.peer_removed(a.name, self.now_ns))

    def restart(self, box: Box) -> None:
        """Kill a box: its disk stays, what was not written is gone, and it wants what it wanted."""
        near = [other for other in self.boxes if (box.name, other.name) in self.wires]
        for other in near:
            self.unlink(box, other)
        box.work.clear()
        self._start(box)
        for reference in box.wants.values():
            self._perform(box, box.exchange.want(reference, self.now_ns))
        for other in near:
            self.link(box, other)

    def lose(self, box: Box, index: int, reference: Reference = REFERENCE) -> None:
        """Take a chunk from the disk of a box that does not know, if another honest one has it."""
        others = [other for other in self.honest if other is not box]
        if any((reference.id, index) in other.disk.chunks for other in others):
            box.disk.chunks.pop((reference.id, index), None)

    def tick(self) -> None:
        if self.now_ns >= self.trickle_ns:
            self._trickle()
        for box in self.boxes:
            self._perform(box, box.exchange.tick(self.now_ns))

    # ------------------------------------------------------------------------- what happens

    def step(self) -> bool:
        """Let one thing happen, any of those that can; returns whether one could."""
        work: list[Callable[[], None]] = [
            lambda box=box: self._work(box) for box in self.boxes if box.work
        ]
        work += [
            lambda ends=ends, wire=wire: self._deliver(*ends, wire.popleft())
            for ends, wire in self.wires.items()
            if wire
        ]
        if not work:
            return False
        self.rng.choice(work)()
        return True

    def settle(self, seconds: int = 3600, steps_max: int = 200_000) -> None:
        """Run until nothing can happen any more, or the time is over."""
        end_ns = self.now_ns + seconds * 10**9
        for _ in range(steps_max):
            if self.step():
                continue
            due = [box.exchange.deadline_ns() for box in self.boxes]
            due += [self.trickle_ns] if self._is_trickling() else []
            at_ns = min((at for at in due if at is not None), default=None)
            if at_ns is None or at_ns > end_ns:
                return
            assert at_ns >= self.now_ns or self.now_ns == 0, "a deadline in the past after a tick"
            self.now_ns = max(self.now_ns, at_ns)
            self.tick()
        raise AssertionError(f"not at rest after {steps_max} steps")

    def _is_trickling(self) -> bool:
        """Whether somebody waits for one that trickles."""
        return any(
            self.by_name[liar].vice is Vice.TRICKLE
            and any(b.is_wanted for b in self.by_name[peer].exchange._shared.blobs.values())
            for liar, peer in self.wires
        )

    def _trickle(self) -> None:
        """Let those that keep something back send something else."""
        self.trickle_ns = self.now_ns + TRICKLE_NS
        for (liar, peer), wire in self.wires.items():
            if self.by_name[liar].vice is Vice.TRICKLE:
                frame = encode_frame(Leaves(OTHER.id, OTHER_LEAVES))
                if len(self.kept[liar, peer]) > 1:
                    frame += encode_frame(self.kept[liar, peer].pop())
                wire.extend(FrameReader(BLOB_FRAME_SIZE_MAX).feed(frame))

    def _deliver(self, sender: bytes, receiver: bytes, frame: bytes) -> None:
        box = self.by_name[receiver]
        if box.vice is Vice.NONE and self._must_blame(box, sender, frame):
            box.to_blame[sender] = None
        if self.by_name[sender].vice is not Vice.BABBLE:
            message = decode_frame(frame)
            if isinstance(message, Indices) and message.kind is Kind.ASK:
                self.asks[receiver, sender].update((message.id, i) for i in message.indices)
        self._perform(box, box.exchange.receive(sender, frame, self.now_ns))

    def _must_blame(self, box: Box, sender: bytes, frame: bytes) -> bool:
        """Whether this frame is provably wrong for a box that still listens to its sender."""
        vice = self.by_name[sender].vice
        if vice is Vice.BABBLE:
            return True
        blob = box.exchange._shared.blobs.get(frame[1:33])
        if blob is None or sender in blob.banned:
            return False
        knows = blob.leaves is not None
        if vice is Vice.POISON:
            return frame[0] == 8 and knows
        return vice is Vice.FORGE and frame[0] == 5 and (knows or blob.state is State.LEAVES)

    def _perform(self, box: Box, effects: list[BlobEffect]) -> None:
        for effect in effects:
            match effect:
                case Send():
                    self._send(box, effect)
                case Complete(reference):
                    box.completed.append(reference.id)
                case Failed(_, reason):
                    box.failed.append(reason)
                case Lost(reference, reason):
                    box.lost.append(reason)
                    self.want(box, reference)
                case Penalise(peer, reason):
                    box.blamed[peer] = reason
                case _:
                    box.work.append(effect)

    def _send(self, box: Box, send: Send) -> None:
        wire = self.wires.get((box.name, send.peer))
        if wire is not None:
            for frame in FrameReader(BLOB_FRAME_SIZE_MAX).feed(send.data):
                if box.vice is Vice.NONE:
                    self._check_asked(box, send.peer, frame)
                wire.extend(self._bend(box, send.peer, frame))
        if send.ticket:
            box.work.append(send)

    def _check_asked(self, box: Box, peer: bytes, frame: bytes) -> None:
        """Nothing honest goes out for which nobody asked on this very connection."""
        message = decode_frame(frame)
        if isinstance(message, Chunk):
            asks = self.asks[box.name, peer]
            assert asks[message.id, message.index], f"chunk {message.index} that nobody asked for"
            asks[message.id, message.index] -= 1

    def _bend(self, box: Box, peer: bytes, frame: bytes) -> list[bytes]:
        """What a box says instead of a frame."""
        if box.vice is Vice.BABBLE:
            return [b"\xff" + frame[1:]]
        message = decode_frame(frame)
        if box.vice is Vice.TRICKLE and isinstance(message, Leaves):
            return []
        if box.vice is Vice.TRICKLE and isinstance(message, Chunk):
            kept = self.kept[box.name, peer]
            if not kept or kept[0].index != message.index:
                kept.append(message)
            return []
        if box.vice is Vice.MUTE and isinstance(message, Chunk | Leaves):
            return []
        if box.vice is Vice.FORGE and isinstance(message, Chunk):
            return []
        if box.vice is Vice.POISON and isinstance(message, Chunk):
            data = bytearray(message.data)
            data[self.rng.randrange(len(data))] ^= 1
            frame = encode_frame(Chunk(message.id, message.index, bytes(data)))
            return FrameReader(BLOB_FRAME_SIZE_MAX).feed(frame)
        if box.vice is Vice.FORGE and isinstance(message, Leaves):
            forged = bytes([message.leaves[0] ^ 1]) + message.leaves[1:]
            return FrameReader(BLOB_FRAME_SIZE_MAX).feed(encode_frame(Leaves(message.id, forged)))
        if box.vice is not Vice.NONE and isinstance(message, Hold):
            full = (1 << CHUNKS) - 1
            hold = encode_frame(Hold(message.id, full, message.width))
            return FrameReader(BLOB_FRAME_SIZE_MAX).feed(hold)
        return [frame]

    def _work(self, box: Box) -> None:
        """Do the next thing that a box's disk was asked to do."""
        effect, exchange, disk = box.work.popleft(), box.exchange, box.disk
        match effect:
            case Send(_, _, ticket):
                effects = exchange.sent(ticket, self.now_ns)
            case Resume(ticket, reference):
                effects = exchange.resumed(ticket, disk.found(reference), self.now_ns)
            case Begin(ticket, _, _) | Store(ticket, _, _, _) if disk.is_full:
                effects = exchange.failed(ticket, "the disk is full: empty it", self.now_ns)
            case Begin(ticket, reference, leaves):
                assert tree_root(leaves) == reference.tree
                disk.leaves[reference.id] = leaves
                effects = exchange.stored(ticket, self.now_ns)
            case Store(ticket, reference, index, data):
                disk.chunks[reference.id, index] = bytes(data)
                effects = exchange.stored(ticket, self.now_ns)
            case Load(ticket, reference, index):
                data = disk.chunks.get((reference.id, index))
                effects = exchange.loaded(ticket, data or b"", self.now_ns)
            case Seal(ticket, reference):
                effects = exchange.sealed(ticket, self._seal(disk, reference), self.now_ns)
            case _:
                raise AssertionError(effect)
        self._perform(box, effects)

    def _seal(self, disk: Disk, reference: Reference) -> Sealed:
        chunks = [disk.chunks.get((reference.id, i), b"") for i in range(reference.chunks)]
        whole = b"".join(chunks)
        damaged = 0
        for index in range(reference.chunks):
            if chunks[index] != chunk(index):
                damaged |= 1 << index
                disk.chunks.pop((reference.id, index), None)
        if reference_of(whole).digest != reference.digest:
            return Sealed(is_complete=False, damaged=damaged)
        disk.complete[reference.id] = None
        return Sealed(is_complete=True)
