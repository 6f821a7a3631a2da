"""One box of a scenario on wires: a process that embeds a node as an application does.

It opens the node of a configuration file, listens around its place, and does what its parent asks:
publish, write a fact, say what there is to see of it. Nothing of the product is replaced; where the
process runs, and what reaches it, it does not know.

Orders and answers alternate on the pipe to the parent; each order has one answer. A `Glimpse` holds
what is new since the last one, taken in one go: no event lies between two of its fields.
"""

import logging
import time
from collections.abc import Callable
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import trio

from crdt.chains import invite_of
from crdt.errors import CrdtError
from crdt.standing import Authority, Pair
from identity.capability import Capability
from mesh.choreography.event import SealedEvent
from mesh.choreography.event_type import event_type
from mesh.choreography.reactions import Disc, Interest, RequestDecision
from mesh.config import load_config
from mesh.coordination.enrolment import holders
from mesh.coordination.rights import granting, putting, revoking
from mesh.mind.statistics import MindStatistics
from mesh.mind.writing import WriteError
from mesh.node.facts import FactFailedError
from mesh.node.node import Node
from mesh.node.nursery import Parent
from mesh.node.opening import load_secret, open_prepared_node, read_invite
from mesh.node.shell import read_clocks
from mesh.orchestration.tables import ROLLOUT_KEY_RULES
from mesh.testing.fleets.entitlement import why_not
from mesh.testing.fleets.town import MODEL, STRATA, TTL_MS, NearMiss, Role

__all__ = [
    "Failed",
    "Glimpse",
    "Grant",
    "Heard",
    "Look",
    "Order",
    "Publish",
    "Put",
    "Revoke",
    "Said",
    "Wrote",
    "run_box",
]

HEARD_MAX = 100_000
"""Events kept between two looks; a box that hears more tells of the first ones."""


class Look(NamedTuple):
    """Say what there is to see; answered by a `Glimpse`."""


class Publish(NamedTuple):
    """Say that there was a near miss in a cell; answered by `Said`."""

    cell: bytes


class Put(NamedTuple):
    """Set a register; answered by `Wrote`."""

    key: str
    value: str | int
    in_vain: bool = False


class Grant(NamedTuple):
    """Grant a name to a key; answered by `Wrote`, with an invite if addresses were given."""

    key: bytes
    name: str
    capabilities: tuple[Capability, ...]
    place: str | None
    addresses: tuple[str, ...] = ()
    role: Role = "box"
    in_vain: bool = False


class Revoke(NamedTuple):
    """Revoke every holder of a name; answered by `Wrote`."""

    name: str
    in_vain: bool = False


Order = Look | Publish | Put | Grant | Revoke


class Said(NamedTuple):
    """An event was published."""

    event: bytes
    at_ns: int


class Wrote(NamedTuple):
    """Facts are durable: the entries as they are sent, and the invite that was asked for."""

    wires: tuple[bytes, ...]
    invite: bytes = b""


class Failed(NamedTuple):
    """It could not be done; for people."""

    why: str


class Heard(NamedTuple):
    """An event reached the application, when by the clock that all processes share, and then."""

    at_ns: int
    event: SealedEvent
    decision: RequestDecision


class Glimpse(NamedTuple):
    """What there is to see of a box, as far as it changed.

    Attributes:
        authority: who holds what, in its view; None if that did not change.
        seen: the members that it sees.
        statistics: what it counted since it started.
        wires: entries that it keeps and has not told of.
        gone: ids of entries that it told of and keeps no more.
        heard: what its application heard.
    """

    authority: Authority | None
    seen: tuple[bytes, ...]
    statistics: MindStatistics
    wires: tuple[bytes, ...]
    gone: tuple[bytes, ...]
    heard: tuple[Heard, ...]


def _frozen(held: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(held)


def _thawed(proxy: MappingProxyType[Any, Any]) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    return _frozen, (dict(proxy),)


ForkingPickler.register(MappingProxyType, _thawed)  # statistics hold some, and travel by the pipe


def run_box(parent: Parent, config: str, listen_m: float) -> None:
    """Run the node of a configuration until the parent asks to stop.

    Args:
        parent: whose orders it takes; told "ready" first.
        config: path of its configuration.
        listen_m: how far it listens around its place, metres; 0 for a node that has none.
    """
    logging.basicConfig(level=logging.ERROR, format="%(name)s: %(message)s")
    logging.getLogger("libp2p").setLevel(logging.CRITICAL)
    trio.run(_serve, parent, Path(config), listen_m)


async def _serve(parent: Parent, path: Path, listen_m: float) -> None:
    config = load_config(path)
    secret, invite = load_secret(config), read_invite(config.path(config.invite))
    async with (
        open_prepared_node(config, secret, invite) as node,
        trio.open_nursery() as nursery,
    ):
        box = _Box(node)
        if listen_m:
            nursery.start_soon(box.listen, listen_m)
        parent.tell("ready")
        async for order in parent:
            parent.tell(await box.obey(order))
        nursery.cancel_scope.cancel()


class _Box:
    """The application, and what it told of itself so far."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._heard: list[Heard] = []
        self._told: set[bytes] = set()
        self._authority: Authority | None = None

    async def listen(self, within_m: float) -> None:
        """Listen around the own place, and wish to react to everything."""
        node, speaking = self.node, self.node.mind.speaking
        while (here := node.place.degrees) is None:
            await node.membership_changed()
        number = speaking.subscribe(Interest(event_type(NearMiss), within=Disc(*here, within_m)))
        node.shell.perform(node.mind.listen(read_clocks()))
        while True:
            woken = node.shell.woken(number)
            while (delivery := speaking.take(number, read_clocks())) is not None:
                decision = speaking.request(delivery, read_clocks())
                if len(self._heard) < HEARD_MAX:
                    self._heard.append(Heard(time.monotonic_ns(), delivery.event, decision))
            await woken.wait()

    async def obey(self, order: Order) -> Glimpse | Said | Wrote | Failed:
        """Do what is asked."""
        facts = self.node.facts
        why = self._why_not(order) if isinstance(order, Put | Grant | Revoke) else ""
        if why:
            return Failed(why)
        try:
            match order:
                case Look():
                    return self.look()
                case Publish(cell):
                    event = await self.node.publish(
                        NearMiss("van", 0.9), cell=cell, model=MODEL, ttl_ms=TTL_MS
                    )
                    return Said(event.id, time.monotonic_ns())
                case Put(key, value, _):
                    return Wrote(((await facts.put(key, value)).wire,))
                case Revoke(name, _):
                    entries = await facts.revoke(name)
                    return Wrote(tuple(entry.wire for entry in entries))
                case Grant():
                    return await self._grant(order)
        except (CrdtError, FactFailedError, WriteError) as error:
            return Failed(str(error))

    def _why_not(self, order: Put | Grant | Revoke) -> str:
        """Return why we must not sign that, as a simulated box says it; empty if we may."""
        replica, public = self.node.mind.replica, self.node.public

        def check() -> None:
            match order:
                case Put(key, value, _):
                    putting(replica, public, key, value, ROLLOUT_KEY_RULES)
                case Grant(name=name, role=role):
                    granting(replica, public, name, role, STRATA[role])
                case Revoke(name, _):
                    revoking(replica, public, name)

        if isinstance(order, Revoke) and not holders(replica, order.name):
            return ""  # nothing will be written, and our parent says so
        return why_not(check, self.node.name, in_vain=order.in_vain)

    async def _grant(self, order: Grant) -> Wrote:
        entry = await self.node.facts.grant(
            key=order.key, name=order.name, stratum=STRATA[order.role],
            capabilities=order.capabilities,
            place=order.place,
        )  # fmt: skip
        if not order.addresses:
            return Wrote((entry.wire,))
        pair = Pair(order.key, order.name)
        invite = invite_of(self.node.mind.replica, pair, order.addresses)
        return Wrote((entry.wire,), invite.encode())

    def look(self) -> Glimpse:
        """Say what changed since the last look."""
        mind = self.node.mind
        replica, statistics = mind.replica, mind.statistics()
        authority = None if replica.authority is self._authority else replica.authority
        self._authority = replica.authority
        kept = {entry.id: entry.wire for entry in replica.entries()}
        gone, fresh = self._told - kept.keys(), kept.keys() - self._told
        self._told = set(kept)
        heard, self._heard = self._heard, []
        return Glimpse(
            authority=authority,
            seen=statistics.presence.seen,
            statistics=statistics,
            wires=tuple(kept[entry_id] for entry_id in fresh),
            gone=tuple(gone),
            heard=tuple(heard),
        )
