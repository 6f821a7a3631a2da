"""One router whose peers are played by the test."""

from hashlib import sha256
from random import Random

from mesh.gossip import (
    Deliver,
    Effect,
    Judgement,
    Params,
    Penalise,
    Priority,
    Router,
    Send,
    StrictSign,
    Verdict,
)
from mesh.gossip.messages import (
    Control,
    Message,
    control_frames,
    encode_message,
    graft_item,
    id_piece,
    idontwant_item,
    ihave_items,
    iwant_items,
    message_frame,
    prune_item,
    subscription_frames,
)
from mesh.units import SECOND
from tests.unit.gossip.network import key_of, rpcs_to, tag_of, unframed

T = "/fleet/e/all"
START_NS = 1_000 * SECOND


def id_of(data: bytes) -> bytes:
    return sha256(data).digest()


class Lone:
    """A router in topic T with some subscribed peers, after its first heartbeat."""

    def __init__(
        self,
        peers: int = 0,
        *,
        params: Params | None = None,
        strict_sign: StrictSign | None = None,
        outbound: bool = True,
        joined: bool = True,
        seed: int = 1,
        number: int = 0,
    ) -> None:
        self.now_ns = START_NS
        self.verdicts: dict[bytes, Judgement] = {}
        self.judged: list[bytes] = []
        self.router = Router(
            rng=Random(seed),
            validate=self._validate,
            params=params,
            strict_sign=strict_sign,
            priority_of=lambda topic: Priority.EVENT if "/e/" in topic else Priority.FACT,
            tag=tag_of(key_of(number)),
        )
        if joined:
            self.router.join(T, self.now_ns)
        for number in range(1, peers + 1):
            self.add(number, outbound=outbound)
            self.hears(number, *subscription_frames([T], subscribe=True))
        if peers:
            self.beat()

    def _validate(self, topic: str, data: bytes, peer: bytes) -> Judgement:
        self.judged.append(data)
        return self.verdicts.get(data, Judgement(Verdict.ACCEPT, None))

    def judge(self, data: bytes, verdict: Verdict, author: int | None = None) -> None:
        self.verdicts[data] = Judgement(verdict, None if author is None else key_of(author))

    def add(self, number: int, *, outbound: bool = True, group: str = "") -> None:
        key = key_of(number)
        effects = self.router.peer_added(
            key, outbound=outbound, tag=tag_of(key), now_ns=self.now_ns, address_group=group
        )
        assert effects == []

    def remove(self, number: int) -> list[Effect]:
        return self.router.peer_removed(key_of(number), self.now_ns)

    def lose(self, *numbers: int) -> None:
        """Frames to these peers found no room."""
        for number in numbers:
            self.router.lost(key_of(number))

    def hears(self, number: int, *frames: bytes) -> list[Effect]:
        """The router receives frames from a peer."""
        effects: list[Effect] = []
        for frame in frames:
            effects += self.router.receive(unframed(frame), key_of(number), self.now_ns)
        return effects

    def message(
        self, number: int, data: bytes, *, topic: str = T, told: list[int] | None = None
    ) -> list[Effect]:
        tags = b"".join(tag_of(key_of(other)) for other in told or [])
        return self.hears(number, message_frame(encode_message(Message(topic, data)), tags))

    def graft(self, number: int, topic: str = T) -> list[Effect]:
        return self.hears(number, *control_frames([graft_item(topic)]))

    def prune(self, number: int, seconds: int = 60, topic: str = T) -> list[Effect]:
        return self.hears(number, *control_frames([prune_item(topic, seconds)]))

    def ihave(self, number: int, *ids: bytes, topic: str = T) -> list[Effect]:
        items = ihave_items(topic, [id_piece(message_id) for message_id in ids])
        return self.hears(number, *control_frames(items))

    def iwant(self, number: int, *ids: bytes) -> list[Effect]:
        return self.hears(number, *control_frames(iwant_items(ids)))

    def idontwant(self, number: int, *ids: bytes) -> list[Effect]:
        return self.hears(number, *control_frames([idontwant_item(i) for i in ids]))

    def unsubscribe(self, number: int, topic: str = T) -> list[Effect]:
        return self.hears(number, *subscription_frames([topic], subscribe=False))

    def wait(self, seconds: float) -> list[Effect]:
        """Let time pass, and do what falls due in it."""
        until_ns = self.now_ns + round(seconds * SECOND)
        effects: list[Effect] = []
        for _ in range(20 + 2 * round(seconds)):
            due_ns = self.router.next_heartbeat_ns(self.now_ns)
            if due_ns is None or due_ns > until_ns:
                break
            self.now_ns = max(self.now_ns, due_ns)
            effects += self.router.heartbeat(self.now_ns)
        else:
            raise AssertionError("an idle router beats")
        self.now_ns = until_ns
        return effects

    def beat(self) -> list[Effect]:
        """Let pass what passes until the next due time, at least one heartbeat."""
        return self.wait(1)

    def mesh(self) -> list[int]:
        """Return who gets a fact at once, which is the mesh, sorted."""
        effects = self.router.publish(T, b"probe %d" % self.now_ns, self.now_ns)
        self.now_ns += 1
        return sorted(int.from_bytes(e.peer, "big") for e in effects if isinstance(e, Send))


def recipients(effects: list[Effect]) -> list[int]:
    return [int.from_bytes(e.peer, "big") for e in effects if isinstance(e, Send)]


def delivered(effects: list[Effect]) -> list[bytes]:
    return [e.data for e in effects if isinstance(e, Deliver)]


def penalties(effects: list[Effect]) -> list[str]:
    return [e.reason.value for e in effects if isinstance(e, Penalise)]


def controls_to(effects: list[Effect], number: int) -> Control:
    """Return everything that control RPCs to a peer said, merged."""
    merged = Control([], [], [], [], [])
    for rpc in rpcs_to(effects, key_of(number)):
        if rpc.control is not None:
            for into, part in zip(merged, rpc.control, strict=True):
                into += part
    return merged
