"""A member that sends rubbish inside its authenticated streams, and strangers who send it outside.

The box under attack is a process of its own. After a thousand spoilt frames of each protocol, each
genuine but for one thing or a few, and each counted where the box begins to read it, an event of an
honest member still arrives within a second, and the memory has not grown.
"""

import secrets
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
import trio

from crdt.replica import Replica
from crdt.sync import Reach, SyncSession
from mesh.coordination.hello import HELLO_PROTOCOL
from mesh.framing import FrameReader, frame, uvarint
from mesh.gossip.decoding import decode_rpc
from mesh.gossip.messages import Message, encode_message, message_frame
from mesh.mind import GOSSIP_PROTOCOL, SYNC_PROTOCOL
from mesh.net.errors import NetworkError
from mesh.node import Node
from mesh.node.processes import Child, Processes
from mesh.node.shell import STREAMS_MAX
from mesh.testing.fleets.rogue import Rogue
from tests.live.founded import MODEL, Founded, NearMiss
from tests.live.hostile_box import run_box
from tests.live.waiting import eventually
from tests.unit.mind.mutating import deep, mutate

VICTIM, FRIEND = "north/box-0", "north/box-1"
ROGUES = tuple(f"north/rogue-{number}" for number in range(5))
SPOILT_MIN = 1000
"""Frames of each protocol that are genuine but for one thing or a few, and that have to be read.

Neither the genuine ones that sessions begin with are among them, nor nesting, noise and emptiness,
nor those that spoiling left as they were.
"""
BATCH = 40
"""Frames in one write: all of one chunk are parsed before a connection is given up."""
GROWTH_KIB_MAX = 10 * 1024
LIMIT_S = 90


class Sent(NamedTuple):
    """The body of a frame, and whether it differs from all that honest boxes say."""

    body: bytes
    spoilt: bool


class Scene:
    """The victim's process, an honest member, and members that went bad."""

    def __init__(self, child: Child, friend: Node, rogues: list[Rogue], victim: bytes) -> None:
        self.child = child
        self.friend = friend
        self.rogues = rogues
        self.victim = victim
        self.rng = Random(5)
        self.genuine: dict[str, list[bytes]] = {HELLO_PROTOCOL: [], GOSSIP_PROTOCOL: []}
        self.events = 0
        self.seen_send, self.seen = trio.open_memory_channel[str](100)
        self.state_send, self.states = trio.open_memory_channel[dict[str, Any]](100)

    async def listen(self) -> None:
        """Sort what the victim tells."""
        while True:
            what, value = await self.child.receive()
            await (self.seen_send if what == "seen" else self.state_send).send(value)

    async def state(self, spoilt: Iterable[bytes] = ()) -> dict[str, Any]:
        """Ask how the victim is, and say which spoilt frames it will be sent next."""
        self.child.tell([sha256(body).digest() for body in spoilt])
        return await self.states.receive()

    async def is_served(self) -> None:
        """An event of the honest member arrives within a second."""
        self.events += 1
        with trio.fail_after(1):
            await self.friend.publish(NearMiss(f"van {self.events}", 0.5), model=MODEL)
            while await self.seen.receive() != f"van {self.events}":
                pass

    async def link(self, rogue: Rogue) -> None:
        """Make the victim take a rogue for a member, once more if need be."""
        await rogue.link({self.victim: self.addresses})
        with trio.move_on_after(5):
            await rogue.linked([self.victim])

    async def pour(self, protocol: str, frames: Iterator[Sent]) -> None:
        """Send spoilt frames until enough were read, each batch by another rogue."""
        before = after = await self.state()
        turn = 0
        while after["spoilt"].get(protocol, 0) < SPOILT_MIN:
            rogue = self.rogues[turn % len(self.rogues)]
            turn += 1
            await self.link(rogue)
            batch = [next(frames) for _ in range(BATCH)]
            await self.state(each.body for each in batch if each.spoilt)
            with suppress(NetworkError):
                stream = await rogue.node.shell.network.open_stream(self.victim, protocol)
                await stream.send_all(b"".join(frame(each.body) for each in batch))
                await stream.aclose()
            await self.state()  # it has had its turn
            after = await self.state()
        assert after["digest"] == before["digest"], "nothing unsigned was believed"
        assert after["handler_failures"] == before["handler_failures"], "nothing was raised"

    @property
    def addresses(self) -> tuple[str, ...]:
        return self._addresses

    async def stand(self) -> None:
        """Wait until everybody is linked and an event arrives; write down what is said."""
        what, self._addresses = await self.child.receive()
        assert what == "ready"
        for rogue in self.rogues:
            self._tap(rogue)
        await Rogue(self.friend).link({self.victim: self._addresses})
        await Rogue(self.friend).linked([self.victim])
        for rogue in self.rogues:
            await rogue.link(
                {self.victim: self._addresses, self.friend.public: self.friend.addresses}
            )
            await rogue.linked([self.victim, self.friend.public])

    def _tap(self, rogue: Rogue) -> None:
        mind = rogue.node.mind
        receive = mind.receive

        def tapped(peer: bytes, protocol: str, body: bytes, now: Any) -> Any:
            if protocol in self.genuine:
                self.genuine[protocol].append(body)
            return receive(peer, protocol, body, now)

        mind.receive = tapped

    def spoilt(self, protocol: str) -> Iterator[Sent]:
        genuine = self.genuine[protocol]
        assert len(genuine) >= 10
        while True:
            for _ in range(7):
                body = mutate(self.rng, self.rng.choice(genuine))
                yield Sent(body, spoilt=body not in genuine)
            noise = self.rng.choice((deep(9), deep(5000), b"", self.rng.randbytes(60)))
            yield Sent(noise, spoilt=False)

    def messages(self) -> list[Message]:
        """The messages in the recorded gossip: facts and events."""
        return [m for body in self.genuine[GOSSIP_PROTOCOL] for m in decode_rpc(body)[0]]

    def spoilt_gossip(self) -> Iterator[Sent]:
        """Spoilt RPCs, and sound ones with spoilt messages in them."""
        spoilt = self.spoilt(GOSSIP_PROTOCOL)
        said = self.messages()
        while True:
            yield next(spoilt)
            message = self.rng.choice(said)
            data = mutate(self.rng, message.data)
            (body,) = FrameReader(1 << 20).feed(
                message_frame(encode_message(Message(message.topic, data)))
            )
            yield Sent(body, spoilt=all(data != each.data for each in said))

    def spoilt_sync(self) -> Iterator[Sent]:
        """Sessions that begin as they should and go wrong after a few frames."""
        replica = self.friend.mind.replica
        sessions = [converse(replica, asks=asks) for asks in (True, False)]
        number = 0
        while True:
            number = (number + 1) % 256
            said = self.rng.choice(sessions)
            yield Sent(bytes((0, number)) + said[0], spoilt=False)
            for body in said[1 : self.rng.randrange(1, len(said))]:
                yield Sent(bytes((0, number)) + body, spoilt=False)
            for _ in range(3):
                side = self.rng.choice((0, 0, 0, 1, 2))
                body = mutate(self.rng, self.rng.choice(said))
                spoilt = all(body not in session for session in sessions)
                yield Sent(bytes((side, number)) + body, spoilt)


def converse(replica: Replica, *, asks: bool) -> list[bytes]:
    """What the side says that begins a session: one that holds nothing, or one that holds all."""
    empty = Replica(replica.chain.genesis)
    for statement in replica.chain.statements:
        empty.offer_root(statement)
    begins, answers = (empty, _copy(replica)) if asks else (_copy(replica), empty)
    reach = Reach.member(["north"])
    one = SyncSession(begins, reach=reach, initiator=True)
    two = SyncSession(answers, reach=reach, initiator=False)
    said = one.start()
    there, back = list(said), list[bytes]()
    while there or back:
        back += [reply for body in there for reply in two.receive(body)]
        there = [reply for body in back for reply in one.receive(body)]
        said += there
        back = []
    return said


def _copy(replica: Replica) -> Replica:
    copy = Replica(replica.chain.genesis)
    for statement in replica.chain.statements:
        copy.offer_root(statement)
    for entry in replica.entries():
        copy.offer(entry)
    return copy


@asynccontextmanager
async def scene(directory: Path) -> AsyncGenerator[Scene]:
    founded = Founded(directory, (VICTIM, FRIEND, *ROGUES))
    config = msgspec.structs.asdict(founded.config(VICTIM))
    with Processes(preload=("mesh.net.host", "tests.live.hostile_box")) as processes:
        child = processes.start(
            run_box, config, founded.keys[VICTIM].seed, founded.invites[VICTIM].encode()
        )
        async with AsyncExitStack() as stack:
            friend = await stack.enter_async_context(founded.open(FRIEND))
            rogues = [Rogue(await stack.enter_async_context(founded.open(name))) for name in ROGUES]
            found = Scene(child, friend, rogues, founded.keys[VICTIM].public)
            nursery = await stack.enter_async_context(trio.open_nursery())
            await found.stand()
            nursery.start_soon(found.listen)
            await stack.enter_async_context(rogues[0].node.nearby(NearMiss, within=600))
            heard = (found.victim, rogues[0].node.public)
            await eventually(lambda: all(_hears(friend, peer) for peer in heard), 20)
            await friend.facts.runs()
            await found.is_served()
            await eventually(lambda: len(found.messages()) >= 2, 20)
            yield found
            nursery.cancel_scope.cancel()


def _hears(friend: Node, peer: bytes) -> bool:
    """Whether the friend knows that a peer wants its events."""
    assert friend.place.cell is not None
    topic = f"/{friend.mind.replica.chain.genesis.ns.hex()}/e/{friend.place.cell.hex()[1:]}"
    return peer in friend.mind._cores.router._table.subscribers.get(topic, {})


async def test_a_box_goes_on_serving_whatever_it_is_sent(tmp_path: Path) -> None:
    with trio.fail_after(LIMIT_S):
        async with scene(tmp_path) as found:
            await found.is_served()
            before = await found.state()
            for protocol, frames in (
                (GOSSIP_PROTOCOL, found.spoilt_gossip()),
                (SYNC_PROTOCOL, found.spoilt_sync()),
                (HELLO_PROTOCOL, found.spoilt(HELLO_PROTOCOL)),
            ):
                await found.pour(protocol, frames)
                await found.is_served()
                state = await found.state()
                assert state["rss_kib"] - before["rss_kib"] < GROWTH_KIB_MAX, protocol
                assert state["spoilt"][protocol] >= SPOILT_MIN, state["spoilt"]
            assert state["malformed"] > 100
            assert state["penalties"] > before["penalties"] + 100
            await announced_and_never_sent(found)
            await garbage_outside(found)
            await found.is_served()
            state = await found.state()
            assert state["rss_kib"] - before["rss_kib"] < GROWTH_KIB_MAX
            assert FRIEND in state["members"]


async def announced_and_never_sent(found: Scene) -> None:
    """Frames that are larger than allowed, and as many as can be begun and not ended."""
    rogue = found.rogues[0]
    for protocol in (HELLO_PROTOCOL, GOSSIP_PROTOCOL, SYNC_PROTOCOL):
        await found.link(rogue)
        network = rogue.node.shell.network
        with suppress(NetworkError):
            for size in (2**20 + 1, 2**40, 2**69):
                stream = await network.open_stream(found.victim, protocol)
                await stream.send_all(uvarint(size) + bytes(100))
        for _ in range(25 * STREAMS_MAX):
            with suppress(NetworkError):
                stream = await network.open_stream(found.victim, protocol)
                await stream.send_all(uvarint(65_000) + bytes(64_000))
    await found.is_served()


async def garbage_outside(found: Scene) -> None:
    """Rubbish before anybody has proved a key: on TCP, on multistream, and instead of noise."""
    port = int(found.addresses[0].split("/")[4])
    greeting = b"\x13/multistream/1.0.0\n"
    openings = (b"", greeting, greeting + b"\x07/noise\n", b"\x05\xff\xfe\xfd\xfc\n")

    async def say(data: bytes) -> None:
        with suppress(OSError, trio.BrokenResourceError):
            async with await trio.open_tcp_stream("127.0.0.1", port) as wire:
                await wire.send_all(data)
                await wire.send_eof()
                async for _ in wire:
                    pass

    for number in range(20):
        async with trio.open_nursery() as nursery:
            for opening in openings:
                nursery.start_soon(say, opening + secrets.token_bytes(1 + number**2))


@pytest.mark.parametrize("asks", [True, False])
async def test_the_sessions_to_be_spoilt_are_whole_ones(tmp_path: Path, asks: bool) -> None:
    founded = Founded(tmp_path, (VICTIM,))
    with founded.desk() as desk:
        assert len(converse(desk.replica, asks=asks)) >= 3
