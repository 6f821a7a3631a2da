"""What every implementation of the network seam promises, checked on each of them.

A test that needs to know which one it runs on does not belong here.
"""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from identity.keys import SecretKey, peer_id
from mesh.framing import FrameReader, frame
from mesh.net.errors import (
    AddressError,
    DialError,
    ListenError,
    NotConnectedError,
    ProtocolRefusedError,
    StreamClosedError,
    StreamError,
    StreamResetError,
)
from mesh.net.memory import MemoryFabric
from mesh.net.streams import (
    Network,
    OpenNetwork,
    PeerConnected,
    PeerDisconnected,
    Stream,
    StreamHandler,
)

PROTOCOL = "/threerooms/contract/1"
LISTEN = ("/ip4/127.0.0.1/tcp/0",)
LIMIT_S = 20


@pytest.fixture(params=["memory", "libp2p", "libp2p over any connection"])
def open_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> OpenNetwork:
    if request.param == "memory":
        return MemoryFabric().open_network
    from mesh.net import host, muxer

    if request.param != "libp2p":
        # What the multiplexer does over websockets or a relay: no writing past the scheduler.
        monkeypatch.setattr(muxer, "_tcp_below", lambda _: None)
    return host.open_network


def key() -> SecretKey:
    return SecretKey.generate(secrets.token_bytes)


@asynccontextmanager
async def pair(
    open_network: OpenNetwork, handlers: Mapping[str, StreamHandler]
) -> AsyncGenerator[tuple[Network, Network]]:
    """Two connected networks; the second serves `handlers`, the first dialled."""
    with trio.fail_after(LIMIT_S):
        async with (
            open_network(key(), LISTEN, {}) as near,
            open_network(key(), LISTEN, handlers) as far,
        ):
            await near.connect(far.addresses, far.public)
            yield near, far


class Catcher:
    """A handler that hands its stream to the test and waits to be let go."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[Stream](64)
        self.let_go = trio.Event()

    async def __call__(self, stream: Stream) -> None:
        await self._send.send(stream)
        await self.let_go.wait()

    async def stream(self) -> Stream:
        return await self._receive.receive()


@asynccontextmanager
async def stream_pair(open_network: OpenNetwork) -> AsyncGenerator[tuple[Stream, Stream]]:
    catcher = Catcher()
    async with pair(open_network, {PROTOCOL: catcher}) as (near, far):
        here = await near.open_stream(far.public, PROTOCOL)
        there = await catcher.stream()
        yield here, there
        catcher.let_go.set()


async def read_exactly(stream: Stream, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = await stream.receive_some()
        assert chunk, f"ended after {len(data)} of {size} bytes"
        data += chunk
    assert len(data) == size
    return bytes(data)


async def read_to_end(stream: Stream) -> bytes:
    data = bytearray()
    while chunk := await stream.receive_some():
        data += chunk
    return bytes(data)


async def echo(stream: Stream) -> None:
    while chunk := await stream.receive_some():
        await stream.send_all(chunk)


async def drained(action: Callable[[], Awaitable[object]]) -> None:
    """Repeats an action that has to fail with `StreamError` once the news has arrived."""
    while True:
        try:
            await action()
        except StreamError:
            return
        await trio.lowlevel.checkpoint()


# Bytes.


async def test_both_ends_know_the_peer_and_the_protocol(open_network: OpenNetwork) -> None:
    catcher = Catcher()
    async with pair(open_network, {PROTOCOL: catcher}) as (near, far):
        here = await near.open_stream(far.public, PROTOCOL)
        there = await catcher.stream()
        assert (here.peer, here.protocol) == (far.public, PROTOCOL)
        assert (there.peer, there.protocol) == (near.public, PROTOCOL)
        catcher.let_go.set()


async def test_bytes_arrive_in_order_whatever_their_sizes(open_network: OpenNetwork) -> None:
    sizes = [
        0,
        1,
        11,
        12,
        13,
        255,
        65_506,
        65_507,
        65_508,
        65_519,
        65_520,
        65_536,
        262_144,
        700_001,
    ]
    sent = [secrets.token_bytes(size) for size in sizes]
    async with stream_pair(open_network) as (here, there), trio.open_nursery() as nursery:

        async def write() -> None:
            for data in sent:
                await here.send_all(data)
            await here.aclose()

        nursery.start_soon(write)
        assert await read_to_end(there) == b"".join(sent)


async def test_a_frame_that_is_not_all_there_yet_is_not_overtaken(
    open_network: OpenNetwork,
) -> None:
    # Bursts of large frames, each followed at once by small ones that would fit in between.
    async with stream_pair(open_network) as (here, there), trio.open_nursery() as nursery:
        bursts = 40
        bodies = [
            number.to_bytes(4, "big") * (16_384 if number % 5 == 0 else 3)
            for number in range(bursts * 5)
        ]

        async def write() -> None:
            for start in range(0, len(bodies), 5):
                for body in bodies[start : start + 5]:
                    data = frame(body)
                    if not here.send_nowait(data):
                        await here.send_all(data)
                await trio.lowlevel.checkpoint()
            await here.aclose()

        nursery.start_soon(write)
        reader = FrameReader(1 << 20)
        seen: list[bytes] = []
        while chunk := await there.receive_some():
            seen += reader.feed(chunk)
        assert seen == bodies


async def test_frames_survive_being_sent_byte_by_byte(open_network: OpenNetwork) -> None:
    bodies = [b"", b"a", secrets.token_bytes(127), secrets.token_bytes(128)]
    async with stream_pair(open_network) as (here, there):
        for value in b"".join(frame(body) for body in bodies):
            await here.send_all(bytes([value]))
        await here.aclose()
        reader = FrameReader(1 << 16)
        seen: list[bytes] = []
        while chunk := await there.receive_some():
            seen += reader.feed(chunk)
        assert seen == bodies


async def test_large_writes_both_ways_at_once_do_not_wait_in_a_circle(
    open_network: OpenNetwork,
) -> None:
    data = secrets.token_bytes(3_000_000)
    async with stream_pair(open_network) as (here, there), trio.open_nursery() as nursery:
        nursery.start_soon(here.send_all, data)
        nursery.start_soon(there.send_all, data)
        received: list[bytes] = []

        async def read(stream: Stream) -> None:
            received.append(await read_exactly(stream, len(data)))

        nursery.start_soon(read, here)
        nursery.start_soon(read, there)
    assert received == [data, data]


async def test_many_streams_in_parallel_keep_their_bytes_apart(open_network: OpenNetwork) -> None:
    async with pair(open_network, {PROTOCOL: echo}) as (near, far), trio.open_nursery() as nursery:

        async def converse(number: int) -> None:
            stream = await near.open_stream(far.public, PROTOCOL)
            for round_number in range(10):
                data = b"%d:%d;" % (number, round_number) * 100
                await stream.send_all(data)
                assert await read_exactly(stream, len(data)) == data
            await stream.aclose()
            assert await stream.receive_some() == b""

        for number in range(50):
            nursery.start_soon(converse, number)


# Back-pressure.


async def test_a_reader_that_does_not_read_stops_the_sender_and_loses_nothing(
    open_network: OpenNetwork,
) -> None:
    data = secrets.token_bytes(4_000_000)
    async with stream_pair(open_network) as (here, there), trio.open_nursery() as nursery:
        sent = trio.Event()

        async def write() -> None:
            await here.send_all(data)
            sent.set()

        nursery.start_soon(write)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert not sent.is_set()
        assert await read_exactly(there, len(data)) == data
        await sent.wait()


async def test_a_stalled_stream_does_not_delay_another(open_network: OpenNetwork) -> None:
    catcher = Catcher()
    handlers: dict[str, StreamHandler] = {PROTOCOL: catcher, "/echo": echo}
    async with pair(open_network, handlers) as (near, far), trio.open_nursery() as nursery:
        stalled = await near.open_stream(far.public, PROTOCOL)
        nursery.start_soon(stalled.send_all, bytes(2_000_000))
        await trio.testing.wait_all_tasks_blocked(0.05)
        quick = await near.open_stream(far.public, "/echo")
        await quick.send_all(b"still here")
        assert await read_exactly(quick, 10) == b"still here"
        nursery.cancel_scope.cancel()
        catcher.let_go.set()


async def test_send_nowait_takes_all_or_nothing(open_network: OpenNetwork) -> None:
    async with stream_pair(open_network) as (here, there):
        taken = 0
        while here.send_nowait(taken.to_bytes(4, "big") * 1024):
            taken += 1
            assert taken < 10_000, "nobody reads, and yet there is always room"
        expected = b"".join(number.to_bytes(4, "big") * 1024 for number in range(taken))
        assert await read_exactly(there, len(expected)) == expected
        await here.send_all(b"and then")
        assert await read_exactly(there, 8) == b"and then"


# Ends.


async def test_each_direction_ends_for_itself(open_network: OpenNetwork) -> None:
    async with stream_pair(open_network) as (here, there):
        await here.send_all(b"question")
        await here.aclose()
        await here.aclose()
        assert await read_to_end(there) == b"question"
        assert await there.receive_some() == b""
        await there.send_all(b"answer")
        await there.aclose()
        assert await read_to_end(here) == b"answer"


async def test_sending_after_the_end_is_our_own_mistake(open_network: OpenNetwork) -> None:
    async with stream_pair(open_network) as (here, _):
        await here.aclose()
        assert not here.send_nowait(b"late")
        with pytest.raises(StreamClosedError):
            await here.send_all(b"late")


async def test_a_reset_is_seen_by_both(open_network: OpenNetwork) -> None:
    async with stream_pair(open_network) as (here, there):
        await here.send_all(b"something")
        await here.reset()
        await here.reset()
        with pytest.raises(StreamResetError):
            await here.receive_some()
        with pytest.raises(StreamResetError):
            await here.send_all(b"more")
        with pytest.raises(StreamResetError):
            await read_to_end(there)
        assert not there.send_nowait(b"more")
        with pytest.raises(StreamResetError):
            await there.send_all(b"more")


async def test_a_reset_wakes_whoever_waits(open_network: OpenNetwork) -> None:
    async with stream_pair(open_network) as (here, there), trio.open_nursery() as nursery:

        async def read() -> None:
            with pytest.raises(StreamResetError):
                await there.receive_some()

        async def write() -> None:
            with pytest.raises(StreamResetError):
                await there.send_all(bytes(4_000_000))

        nursery.start_soon(read)
        nursery.start_soon(write)
        await trio.testing.wait_all_tasks_blocked(0.05)
        await here.reset()


async def test_streams_are_reset_when_the_connection_goes(open_network: OpenNetwork) -> None:
    catcher = Catcher()
    async with pair(open_network, {PROTOCOL: catcher}) as (near, far):
        here = await near.open_stream(far.public, PROTOCOL)
        there = await catcher.stream()
        await near.disconnect(far.public)
        await drained(lambda: here.send_all(b"x"))
        with pytest.raises(StreamResetError):
            await read_to_end(there)
        with pytest.raises(NotConnectedError):
            await near.open_stream(far.public, PROTOCOL)
        await near.disconnect(far.public)
        catcher.let_go.set()


# Handlers.


async def test_what_a_handler_sent_before_it_returned_arrives(open_network: OpenNetwork) -> None:
    async def answer(stream: Stream) -> None:
        await stream.send_all(await read_exactly(stream, 3))

    async with pair(open_network, {PROTOCOL: answer}) as (near, far):
        stream = await near.open_stream(far.public, PROTOCOL)
        await stream.send_all(b"abc")
        assert await read_to_end(stream) == b"abc"
        await drained(lambda: stream.send_all(b"nobody reads this"))


async def test_an_exception_in_a_handler_costs_its_stream_only(open_network: OpenNetwork) -> None:
    async def fail(stream: Stream) -> None:
        await stream.receive_some()
        raise ValueError("a bug in a handler")

    handlers: dict[str, StreamHandler] = {PROTOCOL: fail, "/echo": echo}
    async with pair(open_network, handlers) as (near, far):
        good = await near.open_stream(far.public, "/echo")
        for _ in range(3):
            bad = await near.open_stream(far.public, PROTOCOL)
            await bad.send_all(b"x")
            with pytest.raises(StreamResetError):
                await bad.receive_some()
        await good.send_all(b"unharmed")
        assert await read_exactly(good, 8) == b"unharmed"
        assert far.statistics().handler_failures == 3


async def test_a_protocol_nobody_serves_is_refused(open_network: OpenNetwork) -> None:
    async with pair(open_network, {}) as (near, far):
        with pytest.raises(ProtocolRefusedError):
            await near.open_stream(far.public, PROTOCOL)
        far.serve(PROTOCOL, echo)
        stream = await near.open_stream(far.public, PROTOCOL)
        await stream.send_all(b"now")
        assert await read_exactly(stream, 3) == b"now"


# Connections.


async def test_the_listener_can_open_streams_too(open_network: OpenNetwork) -> None:
    async with pair(open_network, {}) as (near, far):
        near.serve(PROTOCOL, echo)
        assert await far.events.receive()
        stream = await far.open_stream(near.public, PROTOCOL)
        await stream.send_all(b"back")
        assert await read_exactly(stream, 4) == b"back"


async def test_coming_and_going_is_told_once_each(open_network: OpenNetwork) -> None:
    async with pair(open_network, {}) as (near, far):
        for _ in range(3):
            await near.connect(far.addresses, far.public)
            here, there = await near.events.receive(), await far.events.receive()
            assert isinstance(here, PeerConnected)
            assert isinstance(there, PeerConnected)
            assert (here.peer, here.outbound) == (far.public, True)
            assert (there.peer, there.outbound) == (near.public, False)
            assert here.remote_address
            assert far.addresses[0].startswith(here.remote_address)
            await near.connect(far.addresses, far.public)
            await near.disconnect(far.public)
            assert await near.events.receive() == PeerDisconnected(far.public)
            assert await far.events.receive() == PeerDisconnected(near.public)
        with pytest.raises(trio.WouldBlock):
            near.events.receive_nowait()


async def test_a_peer_is_announced_before_its_first_stream(open_network: OpenNetwork) -> None:
    order: list[object] = []
    finished = trio.Event()
    with trio.fail_after(LIMIT_S):
        async with open_network(key(), LISTEN, {}) as far:

            async def handle(stream: Stream) -> None:
                order.append(far.events.receive_nowait())
                finished.set()

            far.serve(PROTOCOL, handle)
            async with open_network(key(), (), {}) as near:
                await near.connect(far.addresses, far.public)
                await near.open_stream(far.public, PROTOCOL)
                await finished.wait()
                assert [type(event) for event in order] == [PeerConnected]


async def test_dials_at_the_same_time_are_one(open_network: OpenNetwork) -> None:
    async with pair(open_network, {}) as (near, far):
        await near.disconnect(far.public)
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(near.connect, far.addresses, far.public)
        assert near.statistics().connections == 1
        assert near.statistics().peers == 1


async def test_two_that_dial_each_other_end_up_connected(open_network: OpenNetwork) -> None:
    async with pair(open_network, {PROTOCOL: echo}) as (near, far):
        near.serve(PROTOCOL, echo)
        await near.disconnect(far.public)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(near.connect, far.addresses, far.public)
            nursery.start_soon(far.connect, near.addresses, near.public)
        for opener, other in ((near, far), (far, near)):
            stream = await opener.open_stream(other.public, PROTOCOL)
            await stream.send_all(b"hello")
            assert await read_exactly(stream, 5) == b"hello"


async def test_somebody_else_at_the_address_is_not_connected(open_network: OpenNetwork) -> None:
    async with pair(open_network, {}) as (near, far):
        await near.disconnect(far.public)
        stranger = key().public
        bare = tuple(address.partition("/p2p/")[0] for address in far.addresses)
        with pytest.raises(DialError, match=peer_id(stranger)):
            await near.connect(bare, stranger)
        assert near.statistics().connections == 0
        assert near.statistics().dials_failed == 1


async def test_the_first_address_that_works_wins(open_network: OpenNetwork) -> None:
    async with pair(open_network, {}) as (near, far):
        await near.disconnect(far.public)
        nobody = "/ip4/127.0.0.1/tcp/1"
        await near.connect((nobody, *far.addresses), far.public)
        assert near.statistics().peers == 1


async def test_dials_that_cannot_work_say_why(open_network: OpenNetwork) -> None:
    async with pair(open_network, {}) as (near, _):
        with pytest.raises(DialError):
            await near.connect((), key().public)
        with pytest.raises(DialError):
            await near.connect(("/ip4/127.0.0.1/tcp/1",), key().public)
        with pytest.raises(AddressError, match="somewhere"):
            await near.connect(("somewhere",), key().public)


async def test_an_address_can_be_listened_at_once(open_network: OpenNetwork) -> None:
    async with pair(open_network, {}) as (near, _):
        taken = near.addresses[0].partition("/p2p/")[0]
        assert near.addresses[0] == f"{taken}/p2p/{peer_id(near.public)}"
        assert not taken.endswith("/0")
        with pytest.raises(ListenError, match="in use"):
            async with open_network(key(), (taken,), {}):
                raise AssertionError("two networks listen at one address")
        with pytest.raises(AddressError, match="somewhere"):
            async with open_network(key(), ("somewhere",), {}):
                raise AssertionError("a network listens nowhere")


async def test_leaving_ends_everything_and_tells_the_others(open_network: OpenNetwork) -> None:
    catcher = Catcher()
    with trio.fail_after(LIMIT_S):
        async with open_network(key(), LISTEN, {}) as near:
            async with open_network(key(), LISTEN, {PROTOCOL: catcher}) as far:
                await near.connect(far.addresses, far.public)
                stream = await near.open_stream(far.public, PROTOCOL)
                await catcher.stream()
                address = far.addresses
            with pytest.raises(StreamResetError):
                await read_to_end(stream)
            assert isinstance(await near.events.receive(), PeerConnected)
            assert await near.events.receive() == PeerDisconnected(far.public)
            with pytest.raises(DialError):
                await near.connect(address, far.public)
        assert [type(event) async for event in far.events] == [PeerConnected, PeerDisconnected]


async def test_an_exception_of_the_caller_comes_out_as_it_is(open_network: OpenNetwork) -> None:
    with pytest.raises(ZeroDivisionError):
        async with pair(open_network, {}):
            raise ZeroDivisionError
