"""What a stranger, or an authenticated peer that went bad, can do to a running network: nothing.

Every case first does its worst and then asks a fresh peer to have something echoed.
"""

import gc
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.lowlevel
import trio.testing
from libp2p.abc import IHost
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.rsa import create_new_key_pair as create_rsa_key_pair
from libp2p.crypto.secp256k1 import create_new_key_pair as create_secp256k1_key_pair
from libp2p.io.exceptions import ConnectionClosedError
from libp2p.network.exceptions import SwarmException
from libp2p.peer.id import ID
from multiaddr import Multiaddr

from identity.keys import SecretKey, peer_id_bytes
from mesh.net.host import open_network
from mesh.net.limits import INBOUND_STREAMS_MAX, NEGOTIATION_LINES_MAX
from mesh.net.muxer import LeanYamux
from mesh.net.streams import Network, PeerConnected, PeerDisconnected, Stream
from mesh.net.tcp import TcpTransport
from mesh.net.upgrade import NoiseYamuxUpgrader
from tests.live.stock import stock_host
from tests.live.waiting import eventually

PROTOCOL = "/threerooms/echo/1"
LISTEN = ("/ip4/127.0.0.1/tcp/0",)
NOISE_LINE = b"\x13/multistream/1.0.0\n\x07/noise\n"


def key() -> SecretKey:
    return SecretKey.generate(secrets.token_bytes)


async def echo(stream: Stream) -> None:
    while chunk := await stream.receive_some():
        await stream.send_all(chunk)


@asynccontextmanager
async def victim() -> AsyncGenerator[Network]:
    """A network under attack; on the way out it has to be alive and to have let everything go."""
    with trio.fail_after(30):
        async with open_network(key(), LISTEN, {PROTOCOL: echo}) as network:
            yield network
            await assert_alive(network)
            with trio.fail_after(2):
                await eventually(lambda: not network.statistics().peers)
                await eventually(lambda: not network.swarm.admission.handshakes)


async def assert_alive(network: Network) -> None:
    with trio.fail_after(1):
        async with open_network(key(), (), {}) as friend:
            await friend.connect(network.addresses, network.public)
            stream = await friend.open_stream(network.public, PROTOCOL)
            await stream.send_all(b"are you there?")
            assert await stream.receive_some() == b"are you there?"


def port_of(network: Network) -> int:
    return int(network.addresses[0].split("/")[4])


async def call(network: Network) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", port_of(network))


async def say(network: Network, *messages: bytes) -> bytes:
    """Sends bytes over bare TCP and returns all that comes back until the other side hangs up."""
    answer = bytearray()
    async with await call(network) as wire:
        try:
            for message in messages:
                await wire.send_all(message)
                await trio.lowlevel.checkpoint()
            await wire.send_eof()
            async for chunk in wire:
                answer += chunk
        except trio.BrokenResourceError:
            pass
    return bytes(answer)


@asynccontextmanager
async def traitor(network: Network, *, reads: bool = True) -> AsyncGenerator[LeanYamux]:
    """An authenticated connection to the victim, bare of everything above yamux."""
    target = ID(peer_id_bytes(network.public))
    upgrader = NoiseYamuxUpgrader(create_new_key_pair(secrets.token_bytes(32)))
    raw = await TcpTransport().dial(Multiaddr(network.addresses[0]))
    secured = await upgrader.upgrade_security(raw, True, target)
    muxed = cast("LeanYamux", await upgrader.upgrade_connection(secured, target))
    async with trio.open_nursery() as nursery:
        if reads:
            nursery.start_soon(muxed.start)
        yield muxed
        await muxed.close()


async def write_frames(muxed: LeanYamux, wire: bytes) -> None:
    """Sends plaintext frames as they are, and waits until the kernel has taken them."""
    await cast("Any", muxed)._secured.write(wire)
    await cast("Any", muxed)._link.flush()


# Strangers on bare TCP.


async def test_garbage_on_tcp() -> None:
    async with victim() as network, trio.open_nursery() as nursery:
        for number in range(60):
            nursery.start_soon(say, network, secrets.token_bytes(1 + number**2))


@pytest.mark.parametrize(
    "line",
    [
        b"\x05\xff\xfe\xfd\xfc\n",
        b"\x14/multistream/1.0.0\xff\n",
        b"\x00",
        b"\x03abc",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x80\x80\x80\x80",
        b"\xff\x07" + b"a" * 1023,
        b"\x81\x08" + b"a" * 1024 + b"\n",
        b"\x05abc",
    ],
)
async def test_bad_multistream_lines(line: bytes) -> None:
    async with victim() as network:
        await say(network, line)
        await say(network, b"\x13/multistream/1.0.0\n" + line)
        assert network.statistics().handshakes_failed == 2


async def test_only_noise_is_offered() -> None:
    async with victim() as network:
        for protocol in (b"/plaintext/2.0.0", b"/tls/1.0.0", b"/secio/1.0.0"):
            proposal = bytes([len(protocol) + 1]) + protocol + b"\n"
            answer = await say(network, b"\x13/multistream/1.0.0\n", proposal)
            assert answer == b"\x13/multistream/1.0.0\n\x03na\n"
        answer = await say(network, b"\x13/multistream/1.0.0\n", b"\x03ls\n")
        assert b"noise" in answer
        assert b"plaintext" not in answer


async def test_endless_proposals_are_cut_short() -> None:
    async with victim() as network:
        answer = await say(network, b"\x13/multistream/1.0.0\n" + b"\x03no\n" * 10_000)
        assert answer.count(b"\x03na\n") < NEGOTIATION_LINES_MAX


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 48, 100, 5_000, 65_535])
async def test_garbage_instead_of_a_noise_handshake(size: int) -> None:
    async with victim() as network:
        message = size.to_bytes(2, "big") + secrets.token_bytes(size)
        await say(network, NOISE_LINE, message)
        await say(network, NOISE_LINE, message, message)
        # A first message that is right, and garbage for the one with the identity.
        await say(network, NOISE_LINE, (32).to_bytes(2, "big") + secrets.token_bytes(32), message)
        assert network.statistics().handshakes_failed == 3


async def test_silent_strangers_take_only_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.net.admission.HANDSHAKES_PER_ADDRESS_MAX", 5)
    async with victim() as network:
        wires = [await call(network) for _ in range(8)]
        with trio.fail_after(2):
            await eventually(lambda: network.statistics().refused == 3)
        assert network.swarm.admission.handshakes == 5
        for wire in wires:
            await wire.aclose()
        with trio.fail_after(2):
            await eventually(lambda: not network.swarm.admission.handshakes)


async def test_a_stranger_who_stays_silent_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_network(key(), LISTEN, {PROTOCOL: echo}) as network:
        network.swarm.connection_config.inbound_upgrade_timeout = 0.2
        async with await call(network) as wire:
            with trio.fail_after(5):
                greeting = await wire.receive_some()
                assert greeting == b"\x13/multistream/1.0.0\n"
                assert await wire.receive_some() == b""


@pytest.mark.parametrize("create", [create_rsa_key_pair, create_secp256k1_key_pair])
async def test_only_ed25519_identities_get_in(create: Any) -> None:
    async with victim() as network, stock_host(create()) as stock:
        with pytest.raises(SwarmException):
            await dial(stock, network)
        assert network.statistics().peers == 0
        assert network.statistics().handshakes_failed >= 1


async def dial(stock: IHost, network: Network) -> None:
    address = Multiaddr(network.addresses[0].partition("/p2p/")[0])
    with trio.fail_after(5):
        await stock.get_network().dial_addr(address, ID(peer_id_bytes(network.public)))


async def test_a_thousand_failed_handshakes_leave_no_memory_behind() -> None:
    async with victim() as network:

        async def attack(rounds: int) -> None:
            for number in range(rounds):
                await say(network, NOISE_LINE, secrets.token_bytes(2 + number % 200))

        await attack(100)
        before_kib = resident_kib()
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(attack, 100)
        assert resident_kib() - before_kib < 10 * 1024


def resident_kib() -> int:
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


# Authenticated peers.


async def test_garbage_instead_of_yamux_frames() -> None:
    async with victim() as network:
        for size in (1, 11, 12, 13, 500, 60_000):
            async with traitor(network) as muxed:
                await write_frames(muxed, secrets.token_bytes(size))


async def test_frames_that_no_key_has_sealed() -> None:
    async with victim() as network, traitor(network) as muxed:
        await cast("Any", muxed)._link.write(b"\x00\x20" + secrets.token_bytes(32))
        with trio.fail_after(2):
            await muxed.event_closed.wait()


async def test_a_flood_of_streams() -> None:
    async with victim() as network, traitor(network) as muxed:
        streams = [await muxed.open_stream() for _ in range(2 * INBOUND_STREAMS_MAX)]
        await trio.testing.wait_all_tasks_blocked(0.05)
        refused = sum(stream.state.was_reset for stream in streams)
        assert refused >= INBOUND_STREAMS_MAX
        await assert_alive(network)


async def test_a_flood_of_pings_that_reads_no_answer() -> None:
    ping = bytes.fromhex("000200010000000000000001")
    async with victim() as network, traitor(network, reads=False) as muxed:

        async def flood() -> None:
            while True:
                await write_frames(muxed, ping * 5000)

        with pytest.raises(ConnectionClosedError):
            await flood()


@pytest.mark.parametrize(
    "line",
    [
        b"\x05\xff\xfe\xfd\xfc\n",
        b"\x80\x80\x80",
        b"\x00",
        b"\x13/multistream/1.0.0\n\x04\xff\xff\xff\n",
    ],
)
async def test_bad_multistream_lines_inside_a_stream(line: bytes) -> None:
    async with victim() as network, traitor(network) as muxed:
        for _ in range(20):
            stream = await muxed.open_stream()
            await stream.write(line)
            await stream.close()
        with trio.fail_after(5):
            await eventually(lambda: network.statistics().streams_refused == 20)
        assert not muxed.is_closed, "a bad stream costs the stream only"


async def test_garbage_to_the_protocols_that_libp2p_serves() -> None:
    async with victim() as network, traitor(network) as muxed:
        for protocol in (b"/ipfs/id/1.0.0", b"/ipfs/ping/1.0.0"):
            for size in (0, 1, 31, 32, 33, 100_000):
                stream = await muxed.open_stream()
                line = bytes([len(protocol) + 1]) + protocol + b"\n"
                await stream.write(b"\x13/multistream/1.0.0\n" + line + secrets.token_bytes(size))
                await stream.reset()
        push = await muxed.open_stream()
        await push.write(b"\x13/multistream/1.0.0\n\x14/ipfs/id/push/1.0.0\n")
        answer = b""
        while not answer.endswith(b"\x03na\n"):
            answer += await push.receive_some()


async def test_coming_and_going_with_ever_new_keys_leaves_nothing_behind() -> None:
    async with victim() as network:
        for _ in range(20):
            async with traitor(network) as muxed:
                stream = await muxed.open_stream()
                await stream.write(b"\x13/multi")
                assert isinstance(await network.events.receive(), PeerConnected)
            assert isinstance(await network.events.receive(), PeerDisconnected)
        known = network.host.get_peerstore().peer_ids()
        assert [peer.to_bytes() for peer in known] == [peer_id_bytes(network.public)]
        await eventually(lambda: not network.swarm.admission.standing)
