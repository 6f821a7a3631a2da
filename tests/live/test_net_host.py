"""What a libp2p network leaves behind, what it costs to import, and how it gets on with others."""

import gc
import secrets
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
import trio
from libp2p.abc import INetStream
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.custom_types import TProtocol
from libp2p.host.ping import PingService
from libp2p.identity.identify.identify import ID as IDENTIFY
from libp2p.identity.identify.identify import parse_identify_response
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import info_from_p2p_addr
from multiaddr import Multiaddr

from identity.keys import SecretKey, peer_id_bytes, public_from_peer_id
from mesh.net.errors import NetworkFailedError
from mesh.net.host import open_network
from mesh.net.streams import Stream
from tests.live.stock import stock_host
from tests.live.waiting import eventually

PROTOCOL = "/threerooms/echo/1"
LISTEN = ("/ip4/127.0.0.1/tcp/0",)


def key() -> SecretKey:
    return SecretKey.generate(secrets.token_bytes)


async def echo(stream: Stream) -> None:
    while chunk := await stream.receive_some():
        await stream.send_all(chunk)


def descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_nothing_is_left_after_closing() -> None:
    async def session() -> None:
        async with (
            open_network(key(), LISTEN, {PROTOCOL: echo}) as near,
            open_network(key(), LISTEN, {PROTOCOL: echo}) as far,
        ):
            await near.connect(far.addresses, far.public)
            for _ in range(3):
                stream = await near.open_stream(far.public, PROTOCOL)
                await stream.send_all(b"left open")
                assert await stream.receive_some()

    await session()
    tasks, files = trio.lowlevel.current_statistics().tasks_living, descriptors()
    for _ in range(3):
        await session()
    await eventually(lambda: trio.lowlevel.current_statistics().tasks_living <= tasks)
    assert descriptors() <= files


async def test_closed_streams_and_connections_are_forgotten_while_it_runs() -> None:
    with trio.fail_after(20):
        async with (
            open_network(key(), LISTEN, {PROTOCOL: echo}) as near,
            open_network(key(), LISTEN, {PROTOCOL: echo}) as far,
        ):
            for _ in range(20):
                await near.connect(far.addresses, far.public)
                for _ in range(5):
                    stream = await near.open_stream(far.public, PROTOCOL)
                    await stream.send_all(b"x")
                    await stream.aclose()
                    assert await stream.receive_some() == b"x"
                    assert await stream.receive_some() == b""
                for network in (near, far):
                    (connection,) = network.swarm.get_connections()
                    muxed = connection.muxed_conn
                    await eventually(lambda muxed=muxed: "streams=0" in repr(muxed))
                    assert not connection.get_streams()
                await near.disconnect(far.public)
                await eventually(lambda: not far.statistics().connections)
            await eventually(lambda: not far.swarm.admission.standing)


async def test_a_crash_below_comes_out_as_one_named_error() -> None:
    async def crash() -> None:
        raise RuntimeError("a bug in the library")

    async def run() -> None:
        async with open_network(key(), LISTEN, {}) as network:
            network.swarm.manager.run_task(crash)
            await trio.sleep_forever()

    with pytest.raises(NetworkFailedError, match="died") as caught:
        await run()
    assert isinstance(caught.value.__cause__, ExceptionGroup)


async def test_every_address_of_the_machine_is_reported_concretely() -> None:
    async with open_network(key(), ("/ip4/0.0.0.0/tcp/0",), {}) as network:
        assert network.addresses
        assert all("/0.0.0.0/" not in address for address in network.addresses)
        async with open_network(key(), (), {}) as near:
            await near.connect(network.addresses, network.public)


def run_python(code: str) -> str:
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_importing_the_host_starts_no_thread_and_opens_no_descriptor() -> None:
    code = (
        "import os, threading; before = len(os.listdir('/proc/self/fd'));"
        "import mesh.net.host;"
        "print(threading.active_count(), len(os.listdir('/proc/self/task')),"
        " len(os.listdir('/proc/self/fd')) - before)"
    )
    assert run_python(code) == "1 1 0"


def test_the_seam_and_all_that_decides_do_not_import_libp2p() -> None:
    modules = (
        *("admission", "dial_plan", "dialer", "errors", "limits"),
        *("memory", "peer_events", "streams", "yamux"),
    )
    imports = ", ".join(f"mesh.net.{module}" for module in modules)
    assert run_python(f"import sys, {imports}; print('libp2p' in sys.modules)") == "False"


def test_a_process_can_be_forked_after_the_import() -> None:
    code = """
import os, mesh.net.host, trio
from identity.keys import SecretKey
async def main():
    key = SecretKey.generate(os.urandom)
    async with mesh.net.host.open_network(key, ("/ip4/127.0.0.1/tcp/0",), {}) as network:
        async with mesh.net.host.open_network(SecretKey.generate(os.urandom), (), {}) as other:
            await other.connect(network.addresses, network.public)
children = []
for _ in range(2):
    child = os.fork()
    if not child:
        trio.run(main)
        os._exit(0)
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""
    assert run_python(code) == "[0, 0]"


# Others' libp2p, with the multiplexer, security options and habits that it comes with.


async def test_a_stock_host_can_dial_ping_identify_and_talk_to_us() -> None:
    data = secrets.token_bytes(1_000_000)
    with trio.fail_after(20):
        async with (
            open_network(key(), LISTEN, {PROTOCOL: echo}) as ours,
            stock_host(create_new_key_pair()) as stock,
        ):
            us = ID(peer_id_bytes(ours.public))
            await stock.connect(info_from_p2p_addr(Multiaddr(ours.addresses[0])))
            assert len(await PingService(stock).ping(us, ping_amt=2)) == 2
            identify = await stock.new_stream(us, [IDENTIFY])
            answer = parse_identify_response(await identify.read())
            assert PROTOCOL in answer.protocols
            stream = await stock.new_stream(us, [TProtocol(PROTOCOL)])
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.write, data)
                received = b""
                while len(received) < len(data):
                    received += await stream.read(65_536)
            assert received == data
            await stream.close()


async def test_we_can_dial_a_stock_host_and_talk_to_it() -> None:
    data = secrets.token_bytes(1_000_000)

    async def stock_echo(stream: INetStream) -> None:
        left = len(data)
        while left:
            chunk = await stream.read(65_536)
            await stream.write(chunk)
            left -= len(chunk)
        await stream.close()

    with trio.fail_after(20):
        async with stock_host(create_new_key_pair()) as stock, open_network(key(), (), {}) as ours:
            stock.set_stream_handler(TProtocol(PROTOCOL), stock_echo)
            them = public_from_peer_id(stock.get_id().to_bytes())
            await ours.connect(tuple(str(address) for address in stock.get_addrs()), them)
            stream = await ours.open_stream(them, PROTOCOL)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.send_all, data)
                received = bytearray()
                while chunk := await stream.receive_some():
                    received += chunk
            assert bytes(received) == data
            await cast("Stream", stream).aclose()
