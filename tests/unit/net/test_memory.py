"""The in-memory network's wire: latency, loud and silent partitions, under virtual time."""

import pytest
import trio
import trio.testing

from identity.keys import SecretKey
from mesh.net.errors import DialError, StreamResetError
from mesh.net.limits import DIAL_TIMEOUT_S, VANISHED_AFTER_S
from mesh.net.memory import MemoryFabric
from mesh.net.streams import Network, PeerConnected, PeerDisconnected, Stream

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


AT = "/ip4/192.0.2.1/tcp/4001"


async def test_who_closes_while_a_dial_is_on_its_way_is_not_connected(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Before the dial arrives there is nobody; after that, an answer comes from nobody."""
    for closes_s in (0.01, 0.03):
        fabric = MemoryFabric(lambda _from, _to: 0.02)
        async with (
            fabric.open_network(NEAR, (), {}) as near,
            trio.open_nursery() as nursery,
            fabric.open_network(FAR, (AT,), {}),
        ):

            async def dial(network: Network) -> None:
                with pytest.raises(DialError, match="no answer"):
                    await network.connect((AT,), FAR.public)

            nursery.start_soon(dial, near)
            await trio.sleep(closes_s)
        assert near.statistics().connections == 0
        assert near.statistics().dials_failed == 1


async def test_who_listens_when_a_dial_arrives_is_connected(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fabric = MemoryFabric(lambda _from, _to: 0.02)
    async with fabric.open_network(NEAR, (), {}) as near, trio.open_nursery() as nursery:
        nursery.start_soon(near.connect, (AT,), FAR.public)
        await trio.sleep(0.01)
        async with fabric.open_network(FAR, (AT,), {}) as far:
            await trio.sleep(0.04)
            assert near.statistics().connections == far.statistics().connections == 1


async def test_a_network_that_was_closed_does_not_connect(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fabric = MemoryFabric(lambda _from, _to: 0.02)
    async with fabric.open_network(FAR, (AT,), {}) as far, trio.open_nursery() as nursery:

        async def dial() -> None:
            with pytest.raises(DialError, match="this network was closed meanwhile"):
                await near.connect((AT,), FAR.public)

        async with fabric.open_network(NEAR, (), {}) as near:
            nursery.start_soon(dial)
            await trio.sleep(0.03)
        await trio.sleep(1)
        assert far.statistics().connections == 0


async def test_a_network_that_is_unplugged_is_gone_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fabric = MemoryFabric()
    async with (
        fabric.open_network(NEAR, (), {}) as near,
        fabric.open_network(FAR, (AT,), {PROTOCOL: echo}) as far,
    ):
        await near.connect((AT,), FAR.public)
        stream = await near.open_stream(FAR.public, PROTOCOL)
        fabric.unplug(FAR.public)
        with pytest.raises(StreamResetError):
            await stream.receive_some()
        with pytest.raises(DialError):
            await near.connect((AT,), FAR.public)
        async with fabric.open_network(FAR, (AT,), {}) as again:
            await near.connect((AT,), FAR.public)
            assert (far.statistics().connections, again.statistics().connections) == (0, 1)
            fabric.unplug(NEAR.public)
        fabric.unplug(FAR.public)
    assert "networks=0" in repr(fabric)


async def test_two_short_silences_are_no_long_one(autojump_clock: trio.testing.MockClock) -> None:
    fabric = MemoryFabric()
    async with (
        fabric.open_network(NEAR, (), {}) as near,
        fabric.open_network(FAR, (AT,), {PROTOCOL: echo}) as far,
    ):
        await near.connect((AT,), FAR.public)
        stream = await near.open_stream(FAR.public, PROTOCOL)
        for _ in range(2):
            fabric.partition([NEAR.public], [FAR.public], silent=True)
            await trio.sleep(VANISHED_AFTER_S * 0.6)
            fabric.heal()
            await trio.sleep(VANISHED_AFTER_S * 0.1)
        fabric.partition([NEAR.public], [FAR.public], silent=True)
        await trio.sleep(VANISHED_AFTER_S * 0.3)
        fabric.heal()
        await stream.send_all(b"still here")
        assert await stream.receive_some() == b"still here"
        assert far.statistics().connections == 1


class Guarded:
    """Ways on which nobody dials FAR."""

    def __init__(self) -> None:
        self.is_cut = False

    def is_whole(self, _one: bytes, _other: bytes) -> bool:
        return not self.is_cut

    def may_dial(self, _caller: bytes, called: bytes) -> bool:
        return called != FAR.public


async def test_ways_say_who_may_dial_and_what_is_silent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ways = Guarded()
    fabric = MemoryFabric(ways=ways)
    async with (
        fabric.open_network(NEAR, ("/ip4/192.0.2.2/tcp/4001",), {PROTOCOL: echo}) as near,
        fabric.open_network(FAR, (AT,), {}) as far,
    ):
        with pytest.raises(DialError):
            await near.connect((AT,), FAR.public)
        assert trio.current_time() == DIAL_TIMEOUT_S, "an answer never came"
        await far.connect(near.addresses, NEAR.public)
        stream = await far.open_stream(NEAR.public, PROTOCOL)
        ways.is_cut = True
        fabric.ways_changed()
        await stream.send_all(b"patience")
        with trio.move_on_after(1):
            await stream.receive_some()
            raise AssertionError("bytes crossed a cut")
        ways.is_cut = False
        fabric.ways_changed()
        assert await stream.receive_some() == b"patience"
