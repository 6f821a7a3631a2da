"""The dialer over the in-memory network, under virtual time."""

import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
import trio.testing

from identity.keys import SecretKey
from mesh.net.dial_plan import NEIGHBOUR_DELAY_MAX_NS, DialPlan, Nearness
from mesh.net.dialer import Dialer
from mesh.net.limits import DIALS_AT_ONCE_MAX
from mesh.net.memory import MemoryFabric
from mesh.net.streams import Network, PeerDisconnected

KEYS = [SecretKey.from_seed(bytes([number]) * 32) for number in range(1, 24)]
HOME, AWAY = KEYS[:2]
AT = "/ip4/192.0.2.1/tcp/4001"


class Book:
    def __init__(self, entries: dict[bytes, tuple[str, ...]]) -> None:
        self.entries = entries
        self.asked: list[bytes] = []

    def addresses(self, peer: bytes) -> tuple[str, ...]:
        self.asked.append(peer)
        return self.entries.get(peer, ())


@asynccontextmanager
async def dialling(network: Network, book: Book) -> AsyncGenerator[Dialer]:
    dialer = Dialer(network, book, DialPlan(random.Random(1), degree_max=20))

    async def observe() -> None:
        async for event in network.events:
            dialer.observe(event)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dialer.run)
        nursery.start_soon(observe)
        yield dialer
        nursery.cancel_scope.cancel()


async def test_a_peer_that_appears_late_is_found(autojump_clock: trio.testing.MockClock) -> None:
    fabric = MemoryFabric()
    book = Book({AWAY.public: (AT,)})
    async with fabric.open_network(HOME, (), {}) as home, dialling(home, book) as dialer:
        dialer.want({AWAY.public: Nearness.NEIGHBOUR})
        await trio.sleep(60)
        attempts = len(book.asked)
        assert 30 <= attempts <= 70, "about one a second, once backed off"
        async with fabric.open_network(AWAY, (AT,), {}):
            await trio.sleep(NEIGHBOUR_DELAY_MAX_NS / 1e9)
            assert home.statistics().peers == 1
            await trio.sleep(60)
            assert len(book.asked) == attempts + 1, "nobody dials who is connected"


async def test_a_lost_peer_is_found_again_soon_after_the_heal(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fabric = MemoryFabric()
    async with (
        fabric.open_network(HOME, (), {}) as home,
        fabric.open_network(AWAY, (AT,), {}),
        dialling(home, Book({AWAY.public: (AT,)})) as dialer,
    ):
        dialer.want({AWAY.public: Nearness.NEIGHBOUR})
        await trio.sleep(10)
        assert home.statistics().peers == 1
        fabric.partition([HOME.public], [AWAY.public], silent=False)
        await trio.sleep(90)
        assert home.statistics().peers == 0
        fabric.heal()
        await trio.sleep(NEIGHBOUR_DELAY_MAX_NS / 1e9)
        assert home.statistics().peers == 1


async def test_who_is_no_longer_wanted_is_no_longer_dialled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fabric = MemoryFabric()
    book = Book({})
    async with fabric.open_network(HOME, (), {}) as home, dialling(home, book) as dialer:
        dialer.want({AWAY.public: Nearness.OTHER})
        await trio.sleep(5)
        assert book.asked
        dialer.want({})
        await trio.sleep(1)
        book.asked.clear()
        await trio.sleep(100)
        assert not book.asked
        assert "wanted=0" in repr(dialer)


async def test_only_so_many_dials_are_under_way(autojump_clock: trio.testing.MockClock) -> None:
    fabric = MemoryFabric()
    peers = [key.public for key in KEYS[1:]]
    book = Book(dict.fromkeys(peers, (AT,)))
    async with fabric.open_network(HOME, (), {}) as home:
        fabric.partition([HOME.public], peers, silent=True)
        async with dialling(home, book) as dialer:
            dialer.want(dict.fromkeys(peers, Nearness.NEIGHBOUR))
            await trio.sleep(1)
            assert len(book.asked) == DIALS_AT_ONCE_MAX
            await trio.sleep(60)
            assert set(book.asked) == set(peers), "everybody has a turn"


async def test_an_event_for_somebody_unknown_does_no_harm(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fabric = MemoryFabric()
    async with fabric.open_network(HOME, (), {}) as home, dialling(home, Book({})) as dialer:
        dialer.observe(PeerDisconnected(AWAY.public))
        await trio.sleep(1)
