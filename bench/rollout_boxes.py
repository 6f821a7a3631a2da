"""One box of `bench/rollout.py` on real sockets: a network, a store and an exchange, nothing else.

Says where it is, is told whom to connect to, waits for the word, and says when it had everything,
on CLOCK_MONOTONIC, which all processes of one machine share.
"""

import time
from pathlib import Path
from random import Random

import trio

from identity.keys import SecretKey
from mesh.net.host import open_network
from mesh.net.streams import Network, PeerConnected
from mesh.node.blobs import BlobShell
from mesh.node.blobstore import BlobStore
from mesh.node.processes import Parent
from mesh.orchestration.blob_limits import ExchangeLimits
from mesh.orchestration.blob_tree import reference_of
from mesh.orchestration.blobs import Exchange

__all__ = ["run_box"]

LISTEN = ("/ip4/127.0.0.1/tcp/0",)


def run_box(parent: Parent, folder: str, number: int, size: int) -> None:
    trio.run(_run, parent, Path(folder) / str(number), number, size)


async def _run(parent: Parent, folder: Path, number: int, size: int) -> None:
    data = Random(size).randbytes(size)
    complete = trio.Event()
    store = BlobStore(folder)
    shell = BlobShell(
        Exchange(ExchangeLimits(), Random(number)),
        store,
        outcome=lambda _: complete.set(),
        penalise=lambda _, reason: parent.tell(RuntimeError(reason)),
    )
    async with (
        open_network(SecretKey.generate(Random(number).randbytes), LISTEN, shell.handlers()) as net,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(shell.run, net)
        nursery.start_soon(_admit, net, shell)
        parent.tell((net.public, net.addresses))
        stage = 0
        async for message in parent:
            stage += 1
            if stage == 1:
                for public, addresses in message:
                    if public != net.public:
                        await net.connect(addresses, public)
                parent.tell("ready")
                continue
            if number:
                shell.want(reference_of(data))
                await complete.wait()
            else:
                shell.have(*store.put(data))
            parent.tell(time.monotonic_ns())
        nursery.cancel_scope.cancel()


async def _admit(network: Network, shell: BlobShell) -> None:
    """Everybody is a member here."""
    async for event in network.events:
        if isinstance(event, PeerConnected):
            shell.admit(event.peer)
