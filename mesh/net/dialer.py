"""Keeps the connections that are wanted, for as long as they are wanted.

`mesh.net.dial_plan` decides; this task asks it, dials, and tells it what happened. Whoever reads
the network's events passes them to `observe`, and whoever knows which links a box needs calls
`want`. Addresses come from a book that outlives the process: a box that was ever met is found again
after any partition.

A connection that is dead but still on the books is no obstacle: `Network.connect` strikes it off,
and the keepalive ends the ones that nobody has noticed yet.
"""

from collections.abc import Mapping
from typing import Protocol

import trio

from mesh.net.dial_plan import DialPlan, Nearness
from mesh.net.errors import NetworkError
from mesh.net.limits import DIALS_AT_ONCE_MAX
from mesh.net.streams import Network, PeerConnected, PeerEvent

__all__ = ["AddressBook", "Dialer"]

_NS = 1_000_000_000

_SLACK_NS = 1_000_000
"""Nanoseconds by which a timer is late on purpose: trio's clock is a float, and a timer that fires
a rounding error too early would find nothing due, for ever."""


class AddressBook(Protocol):
    """Where peers were last seen."""

    def addresses(self, peer: bytes) -> tuple[str, ...]:
        """Returns multiaddrs of `peer` (public key, 32 bytes), the most promising first.

        Returns () for a peer that was never met; it is asked again at the next attempt.
        """
        ...


class Dialer:
    """Dials what a `DialPlan` says is due.

    Args:
        network: Makes the connections.
        book: Knows the addresses.
        plan: Decides. Its time is trio's clock in nanoseconds.
    """

    def __init__(self, network: Network, book: AddressBook, plan: DialPlan) -> None:
        self._network = network
        self._book = book
        self._plan = plan
        self._under_way = 0
        self._changed = trio.Event()

    def want(self, peers: Mapping[bytes, Nearness]) -> None:
        """Replaces the set of peers to be connected with."""
        self._plan.want(peers, _now_ns())
        self._changed.set()

    def observe(self, event: PeerEvent) -> None:
        """Takes notice of an event of the network."""
        if isinstance(event, PeerConnected):
            self._plan.connected(event.peer, _now_ns())
        else:
            self._plan.disconnected(event.peer, _now_ns())
        self._changed.set()

    async def run(self) -> None:
        """Dials until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._changed = trio.Event()
                for peer in self._plan.due(_now_ns(), room=DIALS_AT_ONCE_MAX - self._under_way):
                    self._plan.started(peer)
                    self._under_way += 1
                    nursery.start_soon(self._dial, peer)
                next_ns = self._plan.next_due_ns()
                if next_ns is None or self._under_way >= DIALS_AT_ONCE_MAX:
                    await self._changed.wait()
                else:
                    with trio.move_on_at((next_ns + _SLACK_NS) / _NS):
                        await self._changed.wait()

    async def _dial(self, peer: bytes) -> None:
        try:
            await self._network.connect(self._book.addresses(peer), peer)
        except NetworkError:
            self._plan.failed(peer, _now_ns())
        else:
            self._plan.connected(peer, _now_ns())
        finally:
            self._under_way -= 1
            self._changed.set()

    def __repr__(self) -> str:
        return f"<Dialer under_way={self._under_way} {self._plan!r}>"


def _now_ns() -> int:
    return int(trio.current_time() * _NS)
