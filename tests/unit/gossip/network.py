"""A few routers, a wire of bytes between them, and one virtual clock. Deterministic for a seed."""

import hashlib
from heapq import heappop, heappush
from random import Random

from mesh.framing import FrameReader
from mesh.gossip import Deliver, Effect, Judgement, Params, Penalise, Router, Send, Verdict
from mesh.gossip.decoding import decode_rpc
from mesh.gossip.messages import Rpc
from mesh.units import MS, SECOND

FRAME_SIZE_MAX = 1 << 20
KEY_BYTES = 32


def key_of(number: int) -> bytes:
    """Return the public key that stands for a number."""
    return number.to_bytes(KEY_BYTES, "big")


def tag_of(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:4]


def unframed(frame: bytes) -> bytes:
    """Return the one RPC in a frame."""
    (rpc,) = FrameReader(FRAME_SIZE_MAX).feed(frame)
    return rpc


def rpcs_to(effects: list[Effect], peer: bytes) -> list[Rpc]:
    """Return what was sent to a peer, decoded."""
    return [
        decode_rpc(unframed(e.frame)) for e in effects if isinstance(e, Send) and e.peer == peer
    ]


def sends(effects: list[Effect]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


def accept(_topic: str, data: bytes, _peer: bytes) -> Judgement:
    """Accept everything; the first 32 bytes are the author."""
    return Judgement(Verdict.ACCEPT, data[:KEY_BYTES])


class Network:
    """Routers 0…n-1, each with peers named `key_of(n)`."""

    def __init__(self, size: int, *, seed: int = 1, params: Params | None = None) -> None:
        self.rng = Random(seed)
        self.now_ns = 0
        self.latency_ns = 5 * MS
        self.loss = 0.0
        """Share of frames that find no room in the queue of their sender."""
        self.cut: set[tuple[int, int]] = set()
        self.routers = [
            Router(
                rng=Random(seed * 1_000_003 + n),
                validate=accept,
                params=params,
                tag=tag_of(key_of(n)),
            )
            for n in range(size)
        ]
        self.delivered: list[tuple[int, int, bytes]] = []
        self.penalties: list[tuple[int, Penalise]] = []
        self.trace = hashlib.sha256()
        self.rpcs = 0
        self._queue: list[tuple[int, int, int, int, bytes]] = []
        self._count = 0
        self._timers: list[int | None] = [None] * size

    def link(self, a: int, b: int) -> None:
        """Connect two routers; a dialled."""
        for me, other, outbound in ((a, b, True), (b, a, False)):
            key = key_of(other)
            self.perform(
                me,
                self.routers[me].peer_added(
                    key, outbound=outbound, tag=tag_of(key), now_ns=self.now_ns
                ),
            )
        for me, other in ((a, b), (b, a)):
            for frame in self.routers[me].hello(key_of(other)):
                self._post(me, other, frame)

    def unlink(self, a: int, b: int) -> None:
        for me, other in ((a, b), (b, a)):
            self.perform(me, self.routers[me].peer_removed(key_of(other), self.now_ns))

    def join(self, number: int, topic: str) -> None:
        self.perform(number, self.routers[number].join(topic, self.now_ns))

    def publish(self, number: int, topic: str, text: bytes, *, flood: bool) -> bytes:
        data = key_of(number) + text
        self.perform(number, self.routers[number].publish(topic, data, self.now_ns, flood=flood))
        return data

    def perform(self, me: int, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                if self.rng.random() >= self.loss:
                    self._post(me, int.from_bytes(effect.peer, "big"), effect.frame)
                else:
                    self.routers[me].lost(effect.peer)
            elif isinstance(effect, Deliver):
                self.delivered.append((self.now_ns, me, effect.data))
            else:
                self.penalties.append((me, effect))
        due_ns = self.routers[me].next_heartbeat_ns(self.now_ns)
        known_ns = self._timers[me]
        if due_ns is not None and (known_ns is None or due_ns < known_ns):
            self._timers[me] = due_ns
            self._push(due_ns, me, -1, b"")

    def run(self, seconds: float) -> int:
        """Let time pass and return how many events it took."""
        until_ns = self.now_ns + int(seconds * SECOND)
        steps = 0
        while self._queue and self._queue[0][0] <= until_ns:
            at_ns, _, me, sender, frame = heappop(self._queue)
            self.now_ns = max(self.now_ns, at_ns)
            if sender < 0:
                if self._timers[me] != at_ns:
                    continue
                self._timers[me] = None
                self.perform(me, self.routers[me].heartbeat(self.now_ns))
                due_ns = self._timers[me]
                assert due_ns is None or due_ns > self.now_ns, "a heartbeat that never ends"
            else:
                self.rpcs += 1
                self.trace.update(b"%d %d %d " % (at_ns, me, sender) + frame)
                effects = self.routers[me].receive(unframed(frame), key_of(sender), self.now_ns)
                self.perform(me, effects)
            steps += 1
        self.now_ns = until_ns
        return steps

    def _post(self, me: int, other: int, frame: bytes) -> None:
        if (min(me, other), max(me, other)) not in self.cut:
            self._push(self.now_ns + self.latency_ns, other, me, frame)

    def _push(self, at_ns: int, me: int, sender: int, frame: bytes) -> None:
        self._count += 1
        heappush(self._queue, (at_ns, self._count, me, sender, frame))


def random_graph(size: int, degree: float, seed: int) -> list[tuple[int, int]]:
    """Return the sorted links of a random graph in which nobody has fewer than four neighbours."""
    rng = Random(seed)
    order = list(range(size))
    rng.shuffle(order)
    links = {
        (min(a, b), max(a, b))
        for step in (1, 2)
        for a, b in zip(order, order[step:] + order[:step], strict=True)
    }
    while len(links) < size * degree / 2:
        a, b = rng.sample(range(size), 2)
        links.add((min(a, b), max(a, b)))
    return sorted(links)
