"""Artefacts between boxes, over memory and over real sockets alike."""

import secrets
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import trio
import trio.testing

from identity.keys import SecretKey
from mesh.framing import frame
from mesh.net.memory import MemoryFabric
from mesh.net.streams import Network, OpenNetwork, Stream
from mesh.node.blobs import BlobShell, Outcome
from mesh.node.blobstore import BlobStore
from mesh.orchestration.blob_effects import Complete, Failed, Lost
from mesh.orchestration.blob_frames import BLOB_PROTOCOL
from mesh.orchestration.blob_limits import BLOBS_MAX, ExchangeLimits
from mesh.orchestration.blob_transfer import State
from mesh.orchestration.blob_tree import CHUNK_SIZE, Reference, leaves_of, reference_of
from mesh.orchestration.blobs import Exchange
from tests.live.waiting import eventually

LISTEN = ("/ip4/127.0.0.1/tcp/0",)
LIMIT_S = 60
DATA = Random(3).randbytes(40 * CHUNK_SIZE - 5)
REFERENCE = reference_of(DATA)
LEAVES = leaves_of(DATA)


@pytest.fixture(params=["memory", "libp2p"])
def open_network(request: pytest.FixtureRequest) -> OpenNetwork:
    if request.param == "memory":
        return MemoryFabric().open_network
    from mesh.net import host

    return host.open_network


class Box:
    """One box with a network, a store and an exchange."""

    network: Network

    def __init__(self, folder: Path, limits: ExchangeLimits | None = None) -> None:
        self.store = BlobStore(folder)
        self.outcomes: list[Outcome] = []
        self.blamed: dict[bytes, str] = {}
        self.exchange = Exchange(limits or ExchangeLimits(), Random(secrets.randbits(32)))
        self.shell = BlobShell(
            self.exchange,
            self.store,
            outcome=self.outcomes.append,
            penalise=self.blamed.__setitem__,
        )

    @property
    def is_complete(self) -> bool:
        return Complete(REFERENCE) in self.outcomes

    async def link(self, other: "Box") -> None:
        await self.network.connect(other.network.addresses, other.network.public)
        self.shell.admit(other.network.public)
        other.shell.admit(self.network.public)

    async def unlink(self, other: "Box") -> None:
        self.shell.suspend(other.network.public)
        other.shell.suspend(self.network.public)
        await self.network.disconnect(other.network.public)


class Opener:
    """Opens boxes, each with a folder of its own."""

    def __init__(self, open_network: OpenNetwork, folder: Path) -> None:
        self._open_network = open_network
        self._folder = folder

    @asynccontextmanager
    async def box(self, name: str, limits: ExchangeLimits | None = None) -> AsyncGenerator[Box]:
        box = Box(self._folder / name, limits)
        key = SecretKey.generate(secrets.token_bytes)
        async with (
            self._open_network(key, LISTEN, box.shell.handlers()) as box.network,
            trio.open_nursery() as nursery,
        ):
            await nursery.start(box.shell.run, box.network)
            yield box
            nursery.cancel_scope.cancel()


@pytest.fixture
def opener(open_network: OpenNetwork, tmp_path: Path) -> Opener:
    return Opener(open_network, tmp_path)


async def test_three_boxes_in_a_row_pass_it_on(opener: Opener) -> None:
    with trio.fail_after(LIMIT_S):
        async with AsyncExitStack() as stack:
            boxes = [await stack.enter_async_context(opener.box(name)) for name in "abc"]
            first, middle, last = boxes
            await middle.link(last)
            await middle.link(first)
            middle.shell.want(REFERENCE)
            last.shell.want(REFERENCE)
            first.store.put(DATA)
            first.shell.have(REFERENCE, LEAVES)
            await eventually(lambda: middle.is_complete and last.is_complete, LIMIT_S)
            assert last.store.load(REFERENCE.digest) == DATA
            assert not any(box.blamed for box in boxes)
            assert not any(box.exchange.statistics().bytes_wasted for box in boxes)
            assert first.exchange.statistics().bytes_served == len(DATA)


async def test_two_sources_share_the_work_and_a_lost_one_is_replaced(opener: Opener) -> None:
    slow = ExchangeLimits(serve_rate_max=4_000_000)
    with trio.fail_after(LIMIT_S):
        async with opener.box("a", slow) as a, opener.box("b", slow) as b, opener.box("c") as c:
            for box in (a, b):
                box.store.put(DATA)
                box.shell.have(REFERENCE, LEAVES)
            await c.link(a)
            await c.link(b)
            c.shell.want(REFERENCE)
            await eventually(
                lambda: all(box.exchange.statistics().bytes_served for box in (a, b)), LIMIT_S
            )
            await c.unlink(a)
            await eventually(lambda: c.is_complete, LIMIT_S)
            assert c.store.load(REFERENCE.digest) == DATA
            assert not c.blamed


async def test_a_box_that_comes_back_goes_on_where_it_was(opener: Opener) -> None:
    slow = ExchangeLimits(serve_rate_max=2_000_000)
    with trio.fail_after(LIMIT_S):
        async with opener.box("a", slow) as a:
            a.store.put(DATA)
            a.shell.have(REFERENCE, LEAVES)
            async with opener.box("b") as b:
                await b.link(a)
                b.shell.want(REFERENCE)
                await eventually(lambda: b.exchange.progress()[0].chunks_held >= 3, LIMIT_S)
                assert not b.is_complete
            served = a.exchange.statistics().bytes_served
            a.shell.suspend(b.network.public)
            async with opener.box("b") as b:
                b.shell.want(REFERENCE)
                await eventually(
                    lambda: b.exchange.progress()[0].state is not State.RESUMING, LIMIT_S
                )
                assert b.exchange.progress()[0].chunks_held >= 3
                await b.link(a)
                await eventually(lambda: b.is_complete, LIMIT_S)
                assert b.store.load(REFERENCE.digest) == DATA
            again = a.exchange.statistics().bytes_served - served
            assert again <= (REFERENCE.chunks - 3) * CHUNK_SIZE, "the last one is short"


async def test_a_stream_that_dies_is_opened_again(opener: Opener) -> None:
    slow = ExchangeLimits(serve_rate_max=4_000_000)
    with trio.fail_after(LIMIT_S):
        async with opener.box("a", slow) as a, opener.box("b") as b:
            a.store.put(DATA)
            a.shell.have(REFERENCE, LEAVES)
            await b.link(a)
            b.shell.want(REFERENCE)
            await eventually(lambda: b.exchange.progress()[0].chunks_held >= 2, LIMIT_S)
            for box, other in ((a, b), (b, a)):
                box.shell._links[other.network.public].scope.cancel()
                break
            await eventually(lambda: b.is_complete, LIMIT_S)
            assert not a.blamed
            assert not b.blamed


async def test_a_reference_that_contradicts_itself_blames_no_peer(opener: Opener) -> None:
    false = Reference(bytes(32), REFERENCE.size, REFERENCE.tree)
    with trio.fail_after(LIMIT_S):
        async with opener.box("a") as a, opener.box("b") as b:
            a.store.begin(false, LEAVES)
            for index in range(false.chunks):
                a.store.write(false, index, DATA[index * CHUNK_SIZE : (index + 1) * CHUNK_SIZE])
            a.shell.have(false, LEAVES)
            await b.link(a)
            b.shell.want(false)
            await eventually(lambda: bool(b.outcomes), LIMIT_S)
            (outcome,) = b.outcomes
            assert isinstance(outcome, Failed)
            assert "must sign a true one" in outcome.reason
            assert not b.blamed
            assert b.store.used() == 0


async def test_a_box_with_many_artefacts_starts_and_has_room_for_more(opener: Opener) -> None:
    with trio.fail_after(LIMIT_S):
        async with opener.box("a") as a:
            for number in range(BLOBS_MAX + 1):
                a.store.put(number.to_bytes(2, "big"))
            last = a.store.put(DATA)[0]
        async with opener.box("a") as a, opener.box("b") as b:
            assert last in [progress.reference for progress in a.exchange.progress()]
            for number in range(BLOBS_MAX // 2):
                a.shell.want(reference_of(number.to_bytes(2, "big")))
            await b.link(a)
            b.shell.want(REFERENCE)
            await eventually(lambda: b.is_complete, LIMIT_S)
            await eventually(lambda: len(a.outcomes) >= BLOBS_MAX // 2 - 1, LIMIT_S)
            assert all(isinstance(outcome, Complete) for outcome in a.outcomes)


async def test_what_rotted_is_fetched_again_and_passed_on(opener: Opener) -> None:
    with trio.fail_after(LIMIT_S):
        async with AsyncExitStack() as stack:
            first, middle, last = [await stack.enter_async_context(opener.box(n)) for n in "abc"]
            for box in (first, middle):
                box.shell.have(*box.store.put(DATA))
            path = middle.store._path(REFERENCE, "blob")
            content = bytearray(path.read_bytes())
            content[7 * CHUNK_SIZE] ^= 1
            path.write_bytes(content)
            await last.link(middle)
            last.shell.want(REFERENCE)
            await eventually(
                lambda: any(isinstance(outcome, Lost) for outcome in middle.outcomes), LIMIT_S
            )
            middle.shell.want(REFERENCE)
            await middle.link(first)
            await eventually(lambda: middle.is_complete and last.is_complete, LIMIT_S)
            assert first.exchange.statistics().bytes_served == CHUNK_SIZE
            assert middle.store.load(REFERENCE.digest) == DATA
            assert sum(isinstance(outcome, Lost) for outcome in middle.outcomes) == 1
            assert not any(box.blamed for box in (first, middle, last))


async def test_what_gave_way_to_another_gives_its_place_at_once(opener: Opener) -> None:
    with trio.fail_after(LIMIT_S):
        async with opener.box("a") as a, opener.box("b") as b:
            kept, leaves = a.store.put(b"something else")
            a.shell.have(kept, leaves)
            a.store._quota = len(DATA) + kept.size
            a.store.pin([])
            b.shell.have(*b.store.put(DATA))
            other = DATA[::-1]
            wanted = reference_of(other)
            await a.link(b)
            a.shell.want(REFERENCE)
            await eventually(lambda: a.is_complete, LIMIT_S)
            b.shell.have(*b.store.put(other))
            a.shell.want(wanted)
            await eventually(lambda: Complete(wanted) in a.outcomes, LIMIT_S)
            lost = [each for each in a.outcomes if isinstance(each, Lost)]
            assert {each.reference for each in lost} == {kept, REFERENCE}
            assert all("make room" in each.reason for each in lost)
            states = {each.reference: each.state for each in a.exchange.progress()}
            assert [each for each in states if states[each] is State.COMPLETE] == [wanted]


async def test_what_vanished_from_the_disk_is_announced_no_more(opener: Opener) -> None:
    with trio.fail_after(LIMIT_S):
        async with opener.box("a") as a, opener.box("b") as b:
            a.shell.have(*a.store.put(DATA))
            kept, leaves = a.store.put(b"something else")
            a.shell.have(kept, leaves)
            (a.store._folder / f"{REFERENCE.digest.hex()}.{REFERENCE.tree.hex()}.blob").unlink()
            await b.link(a)
            b.shell.want(REFERENCE)
            await eventually(lambda: bool(a.outcomes), LIMIT_S)
            (outcome,) = a.outcomes
            assert isinstance(outcome, Lost)
            assert "not on the disk any more" in outcome.reason
            await eventually(lambda: not b.exchange.progress()[0].sources, LIMIT_S)
            b.shell.want(kept)
            await eventually(lambda: Complete(kept) in b.outcomes, LIMIT_S)
            assert not a.exchange.statistics().disk_failures


async def test_a_babbler_is_blamed_and_costs_nobody_else(opener: Opener) -> None:
    async def babble(stream: Stream) -> None:
        await stream.send_all(frame(b"\xff" * 50))
        while await stream.receive_some():
            pass

    with trio.fail_after(LIMIT_S):
        async with AsyncExitStack() as stack:
            a, b, liar = [await stack.enter_async_context(opener.box(name)) for name in "abc"]
            a.store.put(DATA)
            a.shell.have(REFERENCE, LEAVES)
            await b.link(a)
            liar.network.serve(BLOB_PROTOCOL, babble)
            await b.network.connect(liar.network.addresses, liar.network.public)
            b.shell.admit(liar.network.public)
            if liar.network.public < b.network.public:
                stream = await liar.network.open_stream(b.network.public, BLOB_PROTOCOL)
                await stream.send_all(frame(b"\xff" * 50))
            b.shell.want(REFERENCE)
            await eventually(lambda: b.is_complete and bool(b.blamed), LIMIT_S)
            assert list(b.blamed) == [liar.network.public]


async def test_a_peer_that_is_no_member_gets_nothing(opener: Opener) -> None:
    with trio.fail_after(LIMIT_S):
        async with opener.box("a") as a, opener.box("b") as b:
            a.store.put(DATA)
            a.shell.have(REFERENCE, LEAVES)
            await b.network.connect(a.network.addresses, a.network.public)
            b.shell.admit(a.network.public)
            b.shell.want(REFERENCE)
            await trio.testing.wait_all_tasks_blocked(0.2)
            assert not a.exchange.statistics().bytes_served
            a.shell.admit(b.network.public)
            await eventually(lambda: b.is_complete, LIMIT_S)
