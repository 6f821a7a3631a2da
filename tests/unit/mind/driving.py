"""One mind, driven by hand: what the world tells it goes in, what it asks for is looked at.

`Driven` is a mind with a clock and a disk that answers when it is told to; the other ends of its
links are keys, whose frames are written with the encoders of the product.
"""

import random
from collections.abc import Iterable, Sequence

from crdt.entry import Entry, Lane
from crdt.store_records import Batch
from identity.genesis import RootStatement
from mesh.choreography.cells import cell_at
from mesh.choreography.topics import auth_topic
from mesh.coordination.enrolment import authority_role
from mesh.coordination.facts import encode_entry, parse_fact
from mesh.coordination.hello import HELLO_PROTOCOL, Answer, Clock, Head, Hello, parse_hello_frame
from mesh.framing import FrameReader
from mesh.gossip.decoding import decode_rpc
from mesh.gossip.messages import Message, encode_message, message_frame, subscription_frames
from mesh.mind import GOSSIP_PROTOCOL, PROTOCOLS, SYNC_PROTOCOL, Mind, MindConfig
from mesh.mind import effects as fx
from mesh.mind.assembly import assemble
from mesh.testing.simulator.disk import SimulatedDisk
from mesh.units import MS, SECOND, Instant
from tests.laws.writing import Fleet, box_of, grant, key_of, public, put

WALL_MS = 1_800_000_000_000
CELL = cell_at(48.0, 11.0, 9)
FRAME_MAX = 1 << 20
DIGEST = bytes(range(32))
PLACE = {"cell": CELL, "position": [48_000_000, 11_000_000], "edges": []}


class Town:
    """A centre, a steward of `city`, and boxes city/0, city/1 … that the centre enrolled.

    Their keys stand for the labels "centre", "steward", "box-0", "box-1" …
    """

    def __init__(self, boxes: int = 3) -> None:
        self.fleet = Fleet()
        caps = [capability.to_value() for capability in authority_role()]
        self.fleet.declare(grant("centre", "centre", 1, 1, caps))
        self.last: Entry | None = None
        self.enrol("steward", "city/steward", stratum=2, caps=caps)
        for number in range(boxes):
            name = f"city/{number}"
            self.write(put(f"place/{name}", PLACE))
            self.enrol(f"box-{number}", name, place=name)
        model = {"digest": DIGEST, "state": "approved", "events": ["traffic.*"], "area": "*"}
        self.write(put("model/detector", model))

    @property
    def statements(self) -> Sequence[RootStatement]:
        return self.fleet.statements

    @property
    def known(self) -> tuple[Entry, ...]:
        """Everything that was written so far."""
        return tuple(self.fleet.entries)

    def write(self, said: tuple[str, object]) -> Entry:
        """The centre writes."""
        self.last = self.fleet.write("centre", said, after=self.last, inc=1 << 16)
        return self.last

    def enrol(
        self,
        label: str,
        name: str,
        *,
        stratum: int = 3,
        epoch: int = 1,
        caps: list[dict[str, object]] | None = None,
        place: str | None = None,
    ) -> Entry:
        caps = box_of(name) if caps is None else caps
        return self.write(grant(label, name, stratum, epoch, caps, place=place))


class Driven:
    """One mind and its surroundings.

    Args:
        town: whose fleet it is of.
        label: of its key.
        name: under which it speaks.
        entries: what its disk holds; all that was written so far unless given.
    """

    def __init__(
        self,
        town: Town,
        label: str = "box-0",
        name: str = "city/0",
        *,
        entries: Iterable[Entry] | None = None,
        **config: object,
    ) -> None:
        self.town = town
        self.label = label
        self.config = MindConfig(name=name, **config)
        self.disk = SimulatedDisk()
        self.disk.append(
            Batch(
                entries=town.known if entries is None else tuple(entries),
                roots=tuple(town.statements),
            )
        )
        self.now_ns = 0
        self.wall_ms = WALL_MS
        self.reader = {}
        self.boot()

    def boot(self) -> list[fx.Effect]:
        self.effects: list[fx.Effect] = []
        self.mind: Mind = assemble(
            self.config,
            secret=key_of(self.label),
            genesis=self.town.fleet.genesis,
            loaded=self.disk.load(),
            boot=self.disk.next_boot(),
            rng=random.Random(7),
            now=self.now,
        )
        return self.take(self.mind.start(("/sim/0",), self.now))

    @property
    def now(self) -> Instant:
        return Instant(self.now_ns, self.wall_ms + self.now_ns // MS)

    def take(self, effects: list[fx.Effect]) -> list[fx.Effect]:
        """Note effects, and check what holds for all: one timer, on the earliest deadline."""
        self.effects += effects
        timers = [effect for effect in effects if isinstance(effect, fx.SetTimer)]
        assert len(timers) <= 1
        for timer in timers:
            assert timer.at_ns >= 0
        return effects

    # What the world does

    def connect(self, label: str, *, outbound: bool = True) -> list[fx.Effect]:
        return self.take(self.mind.connected(public(label), self.now, outbound=outbound))

    def disconnect(self, label: str) -> list[fx.Effect]:
        return self.take(self.mind.disconnected(public(label), self.now))

    def hear(self, label: str, protocol: str, body: bytes) -> list[fx.Effect]:
        return self.take(self.mind.receive(public(label), protocol, body, self.now))

    def hello(
        self,
        label: str,
        name: str = "",
        *,
        grants: Iterable[Entry] = (),
        heads: Iterable[Head] = (),
        wall_ms: int | None = None,
        ns: bytes | None = None,
    ) -> list[fx.Effect]:
        """A peer says hello."""
        hello = Hello(
            self.town.fleet.genesis.ns if ns is None else ns,
            (0, bytes(32)),
            self.now.wall_ms if wall_ms is None else wall_ms,
            PROTOCOLS,
            name,
            tuple(entry.wire for entry in grants),
            tuple(heads),
        )
        return self.hear(label, HELLO_PROTOCOL, hello.encode())

    def meet(self, label: str, *, outbound: bool = True, **hello: object) -> list[fx.Effect]:
        """Connect a peer, which says hello; and hears the same topics as we, if it may."""
        effects = self.connect(label, outbound=outbound)
        effects = effects + self.hello(label, **hello)
        if any(isinstance(effect, fx.Admit) for effect in effects):
            effects = effects + self.subscribe(label, auth_topic(self.town.fleet.genesis.ns))
        return effects

    def subscribe(self, label: str, *topics: str) -> list[fx.Effect]:
        """A peer says that it is in these topics."""
        effects: list[fx.Effect] = []
        for framed in subscription_frames(topics, subscribe=True):
            for body in FrameReader(FRAME_MAX).feed(framed):
                effects += self.hear(label, GOSSIP_PROTOCOL, body)
        return effects

    def gossip(self, label: str, topic: str, data: bytes) -> list[fx.Effect]:
        """A peer publishes a payload."""
        framed = message_frame(encode_message(Message(topic, data)))
        (body,) = FrameReader(FRAME_MAX).feed(framed)
        return self.hear(label, GOSSIP_PROTOCOL, body)

    def fact(self, label: str, entry: Entry, topic: str | None = None) -> list[fx.Effect]:
        """A peer publishes an entry."""
        topic = auth_topic(self.town.fleet.genesis.ns) if topic is None else topic
        return self.gossip(label, topic, encode_entry(entry))

    def wait(self, seconds: float) -> list[fx.Effect]:
        """Let time pass, and the timer fire whenever it is due."""
        end = self.now_ns + int(seconds * SECOND)
        effects: list[fx.Effect] = []
        for _ in range(10_000):
            at = self.timer_ns
            if at is None or at > end:
                break
            self.now_ns = max(self.now_ns, at)
            effects += self.take(self.mind.tick(self.now))
            assert self.timer_ns is None or self.timer_ns > at, "a timer that never ends"
        else:
            raise AssertionError("the timer fires without end")
        self.now_ns = end
        return effects

    @property
    def timer_ns(self) -> int | None:
        return next((e.at_ns for e in reversed(self.effects) if isinstance(e, fx.SetTimer)), None)

    def persist(self, effects: Iterable[fx.Effect], *, fail: str = "") -> list[fx.Effect]:
        """The disk answers what these effects asked for, and what follows from the answers."""
        found: list[fx.Effect] = []
        waiting = [effect for effect in effects if isinstance(effect, fx.Persist)]
        while waiting:
            effect = waiting.pop(0)
            if fail:
                answer = self.mind.persist_failed(effect.ticket, fail, self.now)
            else:
                self.disk.append(
                    Batch(
                        own=effect.entries if effect.own else (),
                        entries=() if effect.own else effect.entries,
                        roots=effect.roots,
                        dropped=effect.dropped,
                        memory=effect.memory,
                    )
                )
                answer = self.mind.persisted(effect.ticket, self.now)
            found += self.take(answer)
            waiting += [later for later in answer if isinstance(later, fx.Persist)]
        return found

    def write(self, kind: str, body: object, lane: Lane = Lane.AUTH) -> tuple[int, list[fx.Effect]]:
        handle, effects = self.mind.write(lane, kind, body, self.now)
        return handle, self.take(effects)

    def state(self, lane: Lane, topic: str, value: object) -> tuple[int, list[fx.Effect]]:
        body = {"topic": topic, "value": value}
        handle, effects = self.mind.state(lane, topic, "status", body, self.now)
        return handle, self.take(effects)


# Reading effects


def of(kind: type, effects: Iterable[fx.Effect]) -> list:
    return [effect for effect in effects if isinstance(effect, kind)]


def frames(effects: Iterable[fx.Effect], label: str, protocol: str) -> list[bytes]:
    """The frames sent to a peer on a protocol."""
    return [
        body
        for effect in of(fx.Send, effects)
        if effect.peer == public(label) and effect.protocol == protocol
        for body in FrameReader(FRAME_MAX).feed(effect.data)
    ]


def said(effects: Iterable[fx.Effect], label: str) -> list[Hello | Answer | Clock]:
    """What was said to a peer on the hello protocol."""
    return [parse_hello_frame(body) for body in frames(effects, label, HELLO_PROTOCOL)]


def answers(effects: Iterable[fx.Effect], label: str) -> list[tuple[str, str]]:
    """How a peer was told that it is sorted: (class, reason)."""
    return [
        (what.peer_class.value, what.reason)
        for what in said(effects, label)
        if isinstance(what, Answer)
    ]


def published(effects: Iterable[fx.Effect], label: str) -> list[tuple[str, bytes]]:
    """The messages sent to a peer by gossip: (topic, payload)."""
    return [
        (message.topic, message.data)
        for body in frames(effects, label, GOSSIP_PROTOCOL)
        for message in decode_rpc(body)[0]
    ]


def spread(effects: Iterable[fx.Effect], label: str) -> list[Entry]:
    """The entries among them."""
    return [
        entry
        for topic, data in published(effects, label)
        if "/e/" not in topic
        for entry in parse_fact(data).entries
    ]


def began_sync(effects: Iterable[fx.Effect], label: str) -> bool:
    """Whether a session with a peer was begun."""
    return any(body[0] == 0 for body in frames(effects, label, SYNC_PROTOCOL))


def subscriptions(effects: Iterable[fx.Effect], label: str) -> list[tuple[bool, str]]:
    """What a peer was told of our topics: (subscribed, topic)."""
    return [
        pair for body in frames(effects, label, GOSSIP_PROTOCOL) for pair in decode_rpc(body)[1]
    ]
