"""The network inside one process: the same promises, with partitions to switch on.

A `MemoryFabric` stands for the wire. Networks opened on it reach each other by the addresses they
listen at, with the fabric's latency in between, and the fabric can keep any of them apart: loudly,
as when a cable's end answers with resets, or silently, as when packets just vanish. In the silent
case bytes wait and flow on after `heal`, until `limits.VANISHED_AFTER_S` have passed and the
keepalive of the real thing would have given the connection up.

It passes the contract suite of the seam, so a node that works over it works over libp2p as far as
the suite goes. There is no byte format below the streams and nothing is encrypted; that a peer is
who it says is given by construction.
"""

import logging
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import trio

from identity.keys import SecretKey, peer_id
from mesh.net.errors import (
    AddressError,
    DialError,
    ListenError,
    NotConnectedError,
    ProtocolRefusedError,
    StreamError,
    StreamResetError,
)
from mesh.net.limits import DIAL_TIMEOUT_S
from mesh.net.memory_streams import Latency, Link, MemoryStream
from mesh.net.peer_events import PeerEvents
from mesh.net.streams import NetworkStatistics, PeerConnected, PeerEvent, StreamHandler

__all__ = ["MemoryFabric", "Ways"]

_logger = logging.getLogger("mesh.net")

_FIRST_FREE_PORT = 40_000


class Ways(Protocol):
    """Who reaches whom, by public keys."""

    def is_whole(self, a: bytes, b: bytes) -> bool:
        """Whether bytes get through both ways."""
        ...

    def may_dial(self, caller: bytes, called: bytes) -> bool:
        """Whether a dial gets to its end."""
        ...


class _Open:
    """Ways without an obstacle."""

    def is_whole(self, a: bytes, b: bytes) -> bool:
        del a, b
        return True

    def may_dial(self, caller: bytes, called: bytes) -> bool:
        del caller, called
        return True


class _Network:
    def __init__(self, fabric: "MemoryFabric", public: bytes, nursery: trio.Nursery) -> None:
        self.public = public
        self.nursery = nursery
        self.links: dict[bytes, Link] = {}
        self.handlers: dict[str, StreamHandler] = {}
        self.listening: list[str] = []
        self.is_open = True
        self._fabric = fabric
        self._peer_events = PeerEvents()
        self._dials = 0
        self._dials_failed = 0
        self._handler_failures = 0
        self._streams_refused = 0

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(f"{address}/p2p/{peer_id(self.public)}" for address in self.listening)

    @property
    def events(self) -> trio.MemoryReceiveChannel[PeerEvent]:
        return self._peer_events.channel

    async def connect(self, addresses: tuple[str, ...], peer: bytes) -> None:
        if peer in self.links:
            return
        self._dials += 1
        try:
            await self._dial(addresses, peer)
        except BaseException:
            self._dials_failed += 1
            raise

    async def _dial(self, addresses: tuple[str, ...], peer: bytes) -> None:
        wanted = [_location(address) for address in addresses]
        fabric = self._fabric
        if fabric.may_dial(self.public, peer):
            await trio.sleep(fabric.latency_s(self.public, peer))
            listener = fabric.find(peer, wanted)
            await trio.sleep(fabric.latency_s(peer, self.public))
        else:
            await trio.sleep(DIAL_TIMEOUT_S)
            listener = fabric.find(peer, wanted) if fabric.may_dial(self.public, peer) else None
        if listener is None or not listener.is_open or fabric.is_blocked(self.public, peer):
            raise DialError(f"cannot connect to {peer_id(peer)}: no answer at {list(addresses)}")
        if not self.is_open:
            raise DialError(f"cannot connect to {peer_id(peer)}: this network was closed meanwhile")
        if peer not in self.links:
            link = Link(self._fabric.latency_s, self, listener)
            self.gained(link, listener, outbound=True)
            listener.gained(link, self, outbound=False)

    def gained(self, link: Link, other: "_Network", *, outbound: bool) -> None:
        self.links[other.public] = link
        where = other.listening[0] if other.listening else "/memory"
        self._peer_events.connected(PeerConnected(other.public, outbound, where))

    def lost(self, peer: bytes) -> None:
        self.links.pop(peer, None)
        self._peer_events.disconnected(peer)

    async def disconnect(self, peer: bytes) -> None:
        if link := self.links.get(peer):
            link.cut()

    async def open_stream(self, peer: bytes, protocol: str) -> MemoryStream:
        link = self.links.get(peer)
        if link is None:
            raise NotConnectedError(f"no connection to {peer_id(peer)}, connect first")
        near, far = link.open(self.public, peer, protocol)
        await trio.sleep(2 * self._fabric.latency_s(self.public, peer))
        if self.links.get(peer) is not link:
            raise StreamResetError(f"the connection to {peer_id(peer)} just ended")
        self._fabric.network_of(peer).accept(far)
        if protocol not in self._fabric.network_of(peer).handlers:
            raise ProtocolRefusedError(f"{peer_id(peer)} does not speak {protocol}")
        return near

    def accept(self, stream: MemoryStream) -> None:
        handler = self.handlers.get(stream.protocol)
        if handler is None:
            self._streams_refused += 1
            stream.cut()
        else:
            self.nursery.start_soon(self._contain, handler, stream)

    async def _contain(self, handler: StreamHandler, stream: MemoryStream) -> None:
        try:
            await handler(stream)
            stream.abandon()
        except StreamError:
            stream.cut()
        except Exception:
            self._handler_failures += 1
            _logger.exception("the handler of %s failed, resetting it", stream)
            stream.cut()

    def serve(self, protocol: str, handler: StreamHandler) -> None:
        self.handlers[protocol] = handler

    def statistics(self) -> NetworkStatistics:
        return NetworkStatistics(
            peers=len(self._peer_events.peers),
            connections=len(self.links),
            dials=self._dials,
            dials_failed=self._dials_failed,
            refused=0,
            handshakes_failed=0,
            handler_failures=self._handler_failures,
            streams_refused=self._streams_refused,
        )

    def close(self) -> None:
        self.is_open = False
        for link in list(self.links.values()):
            link.cut()
        self._peer_events.close()

    def __repr__(self) -> str:
        return f"<memory network {peer_id(self.public)} {self.statistics()}>"


class MemoryFabric:
    """The wire between memory networks.

    Args:
        latency_s: Seconds from the first public key to the second.
        ways: Who reaches whom; everybody everybody unless given. What it blocks, it blocks
            silently.
    """

    def __init__(
        self, latency_s: Latency = lambda _from, _to: 0.0, ways: Ways | None = None
    ) -> None:
        self.latency_s = latency_s
        self._ways = ways or _Open()
        self._networks: dict[bytes, _Network] = {}
        self._listeners: dict[tuple[str, int], _Network] = {}
        self._blocks: list[tuple[frozenset[bytes], frozenset[bytes], bool]] = []
        self._free_port = _FIRST_FREE_PORT

    @asynccontextmanager
    async def open_network(
        self, secret_key: SecretKey, listen: tuple[str, ...], handlers: Mapping[str, StreamHandler]
    ) -> AsyncGenerator[_Network, None]:
        """Opens a network on this fabric; see `mesh.net.streams.OpenNetwork`."""
        raised: Exception | None = None
        async with trio.open_nursery() as nursery:
            network = _Network(self, secret_key.public, nursery)
            try:
                network.handlers.update(handlers)
                self._networks[network.public] = network
                for address in listen:
                    self._listen(network, address)
                yield network
            except Exception as error:  # noqa: BLE001 - raised again below, out of the nursery
                raised = error
            finally:
                self._remove(network)
                nursery.cancel_scope.cancel()
        if raised is not None:
            raise raised

    def partition(self, left: Collection[bytes], right: Collection[bytes], *, silent: bool) -> None:
        """Keeps two groups of networks apart until `heal`.

        Args:
            left: Public keys.
            right: Public keys.
            silent: Whether bytes just vanish; otherwise connections are reset at once.
        """
        self._blocks.append((frozenset(left), frozenset(right), silent))
        self.ways_changed()

    def heal(self) -> None:
        """Lets everybody reach everybody again."""
        self._blocks.clear()
        self.ways_changed()

    def unplug(self, public: bytes) -> None:
        """Ends a network under whoever runs on it, as the end of a process does."""
        if public in self._networks:
            self._remove(self._networks[public])

    def ways_changed(self) -> None:
        """Has each link be as the partitions and the ways are now; call it when ways change."""
        for near in list(self._networks.values()):
            for far, link in list(near.links.items()):
                silent = self.is_blocked(near.public, far, silently=True)
                if silent and not link.is_silent:
                    link.set_silent(silent=True)
                    near.nursery.start_soon(link.give_up_if_silent)
                elif link.is_silent and not silent:
                    link.set_silent(silent=False)
                if not silent and self.is_blocked(near.public, far):
                    link.cut()

    def is_blocked(self, near: bytes, far: bytes, *, silently: bool = False) -> bool:
        """Whether two networks are kept apart; with `silently`, only if without a word."""
        return not self._ways.is_whole(near, far) or any(
            ((near in left and far in right) or (far in left and near in right))
            and (silent or not silently)
            for left, right, silent in self._blocks
        )

    def may_dial(self, caller: bytes, called: bytes) -> bool:
        """Whether a dial is not just swallowed on its way."""
        swallowed = self.is_blocked(caller, called, silently=True)
        return not swallowed and self._ways.may_dial(caller, called)

    def find(self, peer: bytes, locations: list[tuple[str, int]]) -> _Network | None:
        """Returns the network of `peer` if it listens at one of the locations."""
        found = (self._listeners.get(location) for location in locations)
        return next((network for network in found if network and network.public == peer), None)

    def network_of(self, public: bytes) -> _Network:
        """Returns an open network by its key."""
        return self._networks[public]

    def _listen(self, network: _Network, address: str) -> None:
        host, port = _location(address)
        if not port:
            port = self._free_port
            self._free_port += 1
        if (host, port) in self._listeners:
            raise ListenError(f"cannot listen on {address}: address in use; choose another address")
        self._listeners[host, port] = network
        network.listening.append(f"/{'ip6' if ':' in host else 'ip4'}/{host}/tcp/{port}")

    def _remove(self, network: _Network) -> None:
        network.close()
        if self._networks.get(network.public) is network:
            del self._networks[network.public]
        self._listeners = {
            location: other for location, other in self._listeners.items() if other is not network
        }

    def __repr__(self) -> str:
        return f"<MemoryFabric networks={len(self._networks)} partitions={len(self._blocks)}>"


def _location(address: str) -> tuple[str, int]:
    match address.split("/"):
        case ["", "ip4" | "ip6", host, "tcp", port] if port.isdecimal():
            return host, int(port)
        case ["", "ip4" | "ip6", host, "tcp", port, "p2p", _] if port.isdecimal():
            return host, int(port)
        case _:
            raise AddressError(f"cannot use {address!r}: expected /ip4/…/tcp/…")
