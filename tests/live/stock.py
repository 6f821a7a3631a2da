"""A libp2p host as the library makes it, as somebody else would run it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
from libp2p import new_host
from libp2p.abc import IHost
from libp2p.crypto.keys import KeyPair
from multiaddr import Multiaddr


@asynccontextmanager
async def stock_host(key_pair: KeyPair) -> AsyncGenerator[IHost]:
    host = new_host(key_pair=key_pair)
    async with host.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        yield host
        with trio.move_on_after(5):
            await host.close()
