"""The node: what an application embeds.

    async with mesh.open_node("box-247.toml") as node:
        async with node.nearby(NearMiss, within=km(0.6)) as incidents:
            async for seen in incidents: ...

One context manager owns everything: identity, store, network, tasks. Leaving it leaves nothing
behind. Subscriptions are context managers over bounded queues: a slow reader loses the oldest
event, and the loss is counted.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio

from crdt.projection import MembershipProjection
from identity.did import did_from_public
from mesh.choreography.event import SealedEvent
from mesh.choreography.event_type import event_type
from mesh.choreography.reactions import Delivery, Disc, Interest, RequestDecision
from mesh.choreography.scope import Reach, Scope
from mesh.choreography.trace import Stage
from mesh.coordination.membership import Member, Membership
from mesh.mind import Draft, Mind
from mesh.mind.writing import WriteError
from mesh.node.applying import Applying
from mesh.node.facts import FactFailedError, Facts
from mesh.node.seen import NodePlace, Seen
from mesh.node.shell import Shell
from mesh.node.slot import MakeHost, Slot
from mesh.node.statistics import NodeStatistics

__all__ = ["Node", "NodeError", "NodeStatistics", "Subscription"]

T = TypeVar("T")


class NodeError(Exception):
    """A node cannot do what it is asked; the message says why and what to do."""


class Subscription:
    """An open subscription: iterate over it, or `receive` one event at a time."""

    def __init__(self, node: "Node", number: int, shell: Shell) -> None:
        self._node = node
        self._number = number
        self._shell = shell
        self._event = shell.woken(number)

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Seen[Any]:
        return await self.receive()

    async def receive(self) -> Seen[Any]:
        """Wait for the next event that is still in time, and return it."""
        while True:
            delivery = self._shell.mind.speaking.take(self._number, self._shell.now())
            if delivery is not None:
                return self._node.seen(delivery)
            self._event = self._shell.woken(self._number)
            await self._event.wait()


class Node:
    """A running node. Made by `open_node`.

    Attributes:
        name: the name under which it speaks.
        facts: what it writes down for others.
        place: where it stands.
    """

    def __init__(self, name: str, shell: Shell) -> None:
        self.name = name
        self.facts = Facts(shell)
        self._shell = shell
        mind = shell.mind
        self.place = NodePlace(self._place_name(), lambda: mind.views.places)

    def __repr__(self) -> str:
        return f"<Node {self.name or '(not enrolled)'} {self.did}>"

    @property
    def shell(self) -> Shell:
        """What performs its effects; for the harness, not for applications."""
        return self._shell

    @property
    def mind(self) -> Mind:
        """The state machine behind it; to look at, not to feed."""
        return self._shell.mind

    @property
    def public(self) -> bytes:
        """Its public key, 32 bytes."""
        return self.mind.public

    @property
    def did(self) -> str:
        """Its public key as people write it."""
        return did_from_public(self.public)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it can be reached."""
        return self._shell.network.addresses

    @property
    def membership(self) -> Membership:
        """Who is in the fleet, in this node's view."""
        return self.mind.views.membership

    async def membership_changed(self) -> Membership:
        """Wait for the next change of any view and return the membership after it."""
        await self._shell.changed()
        return self.membership

    @asynccontextmanager
    async def projected(self) -> AsyncGenerator[MembershipProjection]:
        """Keep a Yjs document with the membership view, for any Yjs client to observe.

        It is written by this node alone and changes with the view; what others do to a copy of it
        never comes back. See `crdt.projection`.
        """
        projection = MembershipProjection(self.public)
        projection.update(self.mind.replica.authority)

        async def follow() -> None:
            while True:
                await self._shell.changed()
                projection.update(self.mind.replica.authority)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            yield projection
            nursery.cancel_scope.cancel()

    async def publish(
        self,
        value: object,
        *,
        scope: Scope = Reach.CELL,
        cell: bytes | None = None,
        model: bytes | None = None,
        because: tuple[bytes, ...] = (),
        ttl_ms: int | None = None,
        stamps: Mapping[Stage, int] | None = None,
    ) -> SealedEvent:
        """Seal an event and send it to everybody who listens; promises no delivery.

        Args:
            value: an instance of a class made with `mesh.event`.
            scope: the cell where it happened, the own district, everyone, or a named topic.
            cell: H3 cell where it happened, 8 bytes; the own place's unless given.
            model: digest of the model it was made with, 32 bytes.
            because: ids of the events that caused it, at most 4; an update names the first.
            ttl_ms: how long after now somebody may still react; one second unless given.
            stamps: stages before the sealing, monotonic nanoseconds, for the latency trace.

        Raises:
            NodeError: no cell was given and the own place is not known.
            EventError: the value is no event, or it cannot be sealed.
        """
        kind = event_type(type(value))
        where = cell or self.place.cell
        if where is None:
            raise NodeError(f"{self.name or 'this node'} has no place yet: give `cell`")
        draft = Draft(
            type=kind.name, data=kind.encode(value), cell=where, scope=scope, model=model,
            because=because, **({} if ttl_ms is None else {"ttl_ms": ttl_ms}),
        )  # fmt: skip
        event, effects = self.mind.publish(draft, self._shell.now())
        self._shell.perform(effects)
        traces = self.mind.speaking.traces
        traces.mark(event.id, Stage.SENT, self._shell.now().mono_ns)
        for stage, mono_ns in (stamps or {}).items():
            traces.mark(event.id, stage, mono_ns)
        return event

    @asynccontextmanager
    async def nearby(self, kind: type[T], *, within: float) -> AsyncGenerator["Subscription"]:
        """Listen for events of a type within so many metres of the own place.

        Raises:
            NodeError: the own place is not known yet.
        """
        point = self.place.degrees
        if point is None:
            raise NodeError(f"{self.name or 'this node'} has no place yet: join the fleet first")
        interest = Interest(event_type(kind), within=Disc(*point, within))
        async with self._subscribed(interest) as subscription:
            yield subscription

    @asynccontextmanager
    async def listen(
        self, kind: type[T], *, scope: Scope | None = None
    ) -> AsyncGenerator["Subscription"]:
        """Listen for events of a type for the own district, everyone, or a named topic."""
        async with self._subscribed(Interest(event_type(kind), scope=scope)) as subscription:
            yield subscription

    @asynccontextmanager
    async def slot(
        self, name: str, make_host: MakeHost, *, factory: bytes | None = None
    ) -> AsyncGenerator[Slot]:
        """Have a slot that rollouts may fill, for the time of the block.

        What runs in it is loaded before the block is entered: what a rollout brought, or the
        factory's own. What every slot runs is stated to the fleet whenever it changes.

        Args:
            name: such as "model/detector".
            make_host: makes what the slot is for, such as `inference.ModelHost`.
            factory: digest of what it runs when nothing was rolled out; None for nothing.

        Raises:
            NodeError: this node is a bootstrap peer.
            InferenceError: not even the factory's own can be loaded.
        """
        applying = self._shell.applying
        if applying is None:
            raise NodeError(f"{self.name or 'this node'} is a bootstrap peer: it has no slots")
        async with (
            applying.slot(name, make_host, factory) as slot,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._state_runs, applying)
            yield slot
            nursery.cancel_scope.cancel()

    async def _state_runs(self, applying: Applying) -> None:
        """State what the slots run, and again whenever that changes."""
        stated: Mapping[str, bytes] = {}
        while True:
            running = applying.running()
            if running != stated:
                stated = running
                since = self._shell.now().wall_ms
                models, agents, config = (
                    [(running[slot], since) for slot in sorted(running) if slot.startswith(root)]
                    for root in ("model/", "agent/", "config/")
                )
                try:
                    await self.facts.runs(models=models, agents=agents, config=config)
                except (FactFailedError, WriteError):
                    stated = {}
            await applying.answered()

    @asynccontextmanager
    async def _subscribed(self, interest: Interest) -> AsyncGenerator["Subscription"]:
        speaking = self.mind.speaking
        number = speaking.subscribe(interest)
        try:
            self._shell.perform(self.mind.listen(self._shell.now()))
            yield Subscription(self, number, self._shell)
        finally:
            speaking.unsubscribe(number)
            self._shell.forget(number)
            self._shell.perform(self.mind.listen(self._shell.now()))

    def seen(self, delivery: Delivery) -> Seen[Any]:
        """Return a delivery as the application sees it."""
        event = delivery.event
        members = [m for m in self.membership.get(event.name) if m.key == event.author]
        place = next((member.place for member in members if member.place), event.name)
        return Seen(
            delivery.value,
            event.name,
            event.author,
            place,
            event.time_ms,
            event.id,
            event.because[0] if event.because else event.id,
            event.model,
            delivery,
            self._claim,
        )

    def _claim(self, delivery: Delivery) -> RequestDecision:
        return self.mind.speaking.request(delivery, self._shell.now())

    def members(self) -> tuple[Member, ...]:
        """Every member in this node's view, sorted by name."""
        return self.membership.all()

    def statistics(self) -> NodeStatistics:
        """Return what was counted since the start: `.counters()` by name, or print it."""
        shell = self._shell
        return NodeStatistics(
            mind=self.mind.statistics(),
            network=shell.network.statistics(),
            frames_dropped=shell.dropped,
            store_failures=shell.store_failures,
            penalties=shell.penalties,
        )

    def _place_name(self) -> str:
        members = self.membership.of_key(self.public)
        return next((member.place for member in members if member.place), self.name)
