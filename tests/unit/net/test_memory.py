"""The in-memory network's wire: latency, loud and silent partitions, under virtual time."""

import pytest
import trio
import trio.testing

from identity.keys import SecretKey
from mesh.net.errors import DialError, StreamResetError
from mesh.net.limits import VANISHED_AFTER_S
from mesh.net.memory import MemoryFabric
from mesh.net.streams import PeerConnected, PeerDisconnected, Stream

PROTOCOL = "/threerooms/test/1"
NEAR, FAR = (SecretKey.from_seed(bytes([number]) * 32) for number in (1, 2))


async def echo(stream: Stream) -> None:
    while chunk := await stream.receive_some():
        await stream.send_all(chunk)


async def test_bytes_take_as_long_as_the_wire_is_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fabric = MemoryFabric(lambda sender, _: 0.02 if sender == NEAR.public else 0.03)
    async with (
        fabric.open_network(NEAR, (), {}) as near,
        fabric.open_network(FAR, ("/ip4/192.0.2.1/tcp/4001",), {PROTOCOL: echo}) as far,
    ):
        await near.connect(far.addresses, far.public)
        assert trio.current_time() == pytest.approx(0.05)
        stream = await near.open_stream(far.public, PROTOCOL)
        started = trio.current_time()
        await stream.send_all(b"ping")
        assert await stream.receive_some() == b"ping"
        assert trio.current_time() - started == pytest.approx(0.05)
        await stream.aclose()
        assert await stream.receive_some() == b""


async def test_a_silence_that_ends_in_time_loses_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fabric = MemoryFabric()
    async with (
        fabric.open_network(NEAR, (), {}) as near,
        fabric.open_network(FAR, ("/ip4/192.0.2.1/tcp/4001",), {PROTOCOL: echo}) as far,
    ):
        await near.connect(far.addresses, far.public)
        stream = await near.open_stream(far.public, PROTOCOL)
        fabric.partition([NEAR.public], [FAR.public], silent=True)
        await stream.send_all(b"patience")
        with trio.move_on_after(VANISHED_AFTER_S - 1):
            await stream.receive_some()
            raise AssertionError("bytes crossed a partition")
        fabric.heal()
        assert await stream.receive_some() == b"patience"


async def test_a_peer_that_vanishes_is_given_up_and_found_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fabric = MemoryFabric()
    async with (
        fabric.open_network(NEAR, (), {}) as near,
        fabric.open_network(FAR, ("/ip4/192.0.2.1/tcp/4001",), {PROTOCOL: echo}) as far,
    ):
        await near.connect(far.addresses, far.public)
        stream = await near.open_stream(far.public, PROTOCOL)
        fabric.partition([FAR.public], [NEAR.public], silent=True)
        with pytest.raises(StreamResetError):
            await stream.receive_some()
        assert trio.current_time() == pytest.approx(VANISHED_AFTER_S)
        with pytest.raises(DialError):
            await near.connect(far.addresses, far.public)
        fabric.heal()
        await near.connect(far.addresses, far.public)
        for network, peer in ((near, FAR.public), (far, NEAR.public)):
            assert isinstance(await network.events.receive(), PeerConnected)
            assert await network.events.receive() == PeerDisconnected(peer)
            assert isinstance(await network.events.receive(), PeerConnected)


async def test_a_loud_partition_cuts_at_once(autojump_clock: trio.testing.MockClock) -> None:
    fabric = MemoryFabric()
    async with (
        fabric.open_network(NEAR, (), {}) as near,
        fabric.open_network(FAR, ("/ip4/192.0.2.1/tcp/4001",), {PROTOCOL: echo}) as far,
    ):
        await near.connect(far.addresses, far.public)
        fabric.partition([FAR.public], [NEAR.public], silent=False)
        assert near.statistics().peers == far.statistics().peers == 0
        with pytest.raises(DialError):
            await near.connect(far.addresses, far.public)
        assert trio.current_time() == 0
        assert "partitions=1" in repr(fabric)
