"""Peers that go without a word: noticed by their silence, and no obstacle to coming back."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio

from identity.keys import SecretKey
from mesh.net.errors import StreamResetError
from mesh.net.host import open_network
from mesh.net.limits import KEEPALIVE_S, PONG_TIMEOUT_S, VANISHED_AFTER_S
from mesh.net.streams import Network, PeerConnected, PeerDisconnected, Stream
from tests.live.waiting import eventually

PROTOCOL = "/threerooms/echo/1"
LISTEN = ("/ip4/127.0.0.1/tcp/0",)


def key() -> SecretKey:
    return SecretKey.generate(secrets.token_bytes)


async def echo(stream: Stream) -> None:
    while chunk := await stream.receive_some():
        await stream.send_all(chunk)


async def converse(network: Network, peer: bytes) -> Stream:
    stream = await network.open_stream(peer, PROTOCOL)
    await stream.send_all(b"hello")
    assert await stream.receive_some() == b"hello"
    return stream


class Cable:
    """A TCP proxy that can stop carrying bytes without closing anything."""

    def __init__(self, target: Network, port: int) -> None:
        self._target = int(target.addresses[0].split("/")[4])
        self._cut = trio.CancelScope()
        self.address = f"/ip4/127.0.0.1/tcp/{port}"

    def cut(self) -> None:
        self._cut.cancel()

    async def carry(self, wire: trio.SocketStream) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", self._target) as other:
            with self._cut:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._copy, wire, other)
                    nursery.start_soon(self._copy, other, wire)
            await trio.sleep_forever()

    async def _copy(self, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        async for chunk in source:
            await sink.send_all(chunk)


@asynccontextmanager
async def cable_to(target: Network) -> AsyncGenerator[Cable]:
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        cable = Cable(target, listener.socket.getsockname()[1])
        nursery.start_soon(trio.serve_listeners, cable.carry, [listener])
        yield cable
        nursery.cancel_scope.cancel()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keepalive, twenty times as fast."""
    monkeypatch.setattr("mesh.net.muxer.KEEPALIVE_S", KEEPALIVE_S / 20)
    monkeypatch.setattr("mesh.net.muxer.PONG_TIMEOUT_S", PONG_TIMEOUT_S / 20)


@pytest.mark.usefixtures("impatient")
async def test_a_peer_that_vanishes_is_noticed_by_both_and_found_again_at_once() -> None:
    with trio.fail_after(10):
        async with (
            open_network(key(), LISTEN, {}) as near,
            open_network(key(), LISTEN, {PROTOCOL: echo}) as far,
            cable_to(far) as cable,
        ):
            await near.connect((cable.address,), far.public)
            stream = await converse(near, far.public)
            assert isinstance(await near.events.receive(), PeerConnected)
            assert isinstance(await far.events.receive(), PeerConnected)
            cable.cut()
            with trio.fail_after(VANISHED_AFTER_S / 20 + 1):
                with pytest.raises(StreamResetError):
                    await stream.receive_some()
                assert await near.events.receive() == PeerDisconnected(far.public)
                assert await far.events.receive() == PeerDisconnected(near.public)
            with trio.fail_after(1):
                await near.connect(far.addresses, far.public)
                await converse(near, far.public)


@pytest.mark.usefixtures("impatient")
async def test_a_quiet_connection_lives_on() -> None:
    with trio.fail_after(10):
        async with (
            open_network(key(), LISTEN, {}) as near,
            open_network(key(), LISTEN, {PROTOCOL: echo}) as far,
        ):
            await near.connect(far.addresses, far.public)
            stream = await converse(near, far.public)
            with trio.move_on_after(3 * VANISHED_AFTER_S / 20):
                await stream.receive_some()
            await stream.send_all(b"still there?")
            assert await stream.receive_some() == b"still there?"


async def test_a_peer_that_rebooted_replaces_its_dead_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mesh.net.swarm.DUPLICATE_GRACE_S", 0.0)
    box = key()
    with trio.fail_after(10):
        async with (
            open_network(key(), LISTEN, {}) as near,
            open_network(box, LISTEN, {PROTOCOL: echo}) as before,
            cable_to(before) as cable,
        ):
            await near.connect((cable.address,), box.public)
            stream = await converse(near, box.public)
            cable.cut()
            async with open_network(box, (), {PROTOCOL: echo}) as after:
                await after.connect(near.addresses, near.public)
                await converse(near, box.public)
                with pytest.raises(StreamResetError):
                    await stream.receive_some()
                await eventually(lambda: near.statistics().connections == 1)
                assert near.statistics().peers == 1
