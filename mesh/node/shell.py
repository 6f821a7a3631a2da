"""The shell of a node: one nursery that feeds a mind and performs its effects.

Nothing is decided here. Bytes, connections, the clock, the disk and the caller's wishes go in; what
comes out is performed in order. The mind is only ever called from this task tree, one call at a
time.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import trio

from mesh.coordination.hello import HELLO_PROTOCOL, HELLO_SIZE_MAX
from mesh.framing import FrameError, FrameReader
from mesh.gossip.effects import Priority
from mesh.mind import GOSSIP_PROTOCOL, SYNC_FRAME_SIZE_MAX, SYNC_PROTOCOL, Mind
from mesh.mind import effects as fx
from mesh.mind.conducting import Conducting
from mesh.net.dial_plan import DialPlan, Nearness
from mesh.net.dialer import Dialer
from mesh.net.streams import Network, PeerConnected, PeerEvent, Stream, StreamHandler
from mesh.node.alarm import Alarm
from mesh.node.applying import Applying
from mesh.node.outlets import Outlets
from mesh.node.sentences import displaced_sentence, unheard_sentence
from mesh.node.storing import IN_THREAD, Durable, Storing, Write
from mesh.units import MS, Instant

__all__ = ["Clocks", "Shell", "read_clocks"]

_logger = logging.getLogger("mesh.node")

_FRAME_SIZES = {
    HELLO_PROTOCOL: HELLO_SIZE_MAX,
    SYNC_PROTOCOL: SYNC_FRAME_SIZE_MAX,
    GOSSIP_PROTOCOL: 1 << 20,
}
"""Largest frame read on each protocol, bytes."""
DEGREE_MAX = 48
"""Links that we keep by dialling."""

STREAMS_MAX = 4
"""Inbound streams of one peer on one protocol, each with a frame in the making: a peer needs one,
and another while the one before it is given up."""


def read_clocks() -> Instant:
    """Return what the clocks of this machine say."""
    return Instant(time.monotonic_ns(), time.time_ns() // MS)


class Clocks(NamedTuple):
    """What tells a node the time; the clocks of this machine unless a harness has others.

    Attributes:
        read: returns both times.
        mono_ns: returns the first of them alone.
    """

    read: Callable[[], Instant] = read_clocks
    mono_ns: Callable[[], int] = time.monotonic_ns


_MACHINE = Clocks()


class _Book:
    """Where wanted peers may be dialled, as the mind said last."""

    def __init__(self) -> None:
        self.known: dict[bytes, tuple[str, ...]] = {}

    def addresses(self, peer: bytes) -> tuple[str, ...]:
        return self.known.get(peer, ())


class Shell:
    """Performs the effects of one mind.

    Args:
        mind: what decides.
        store: keeps the facts.
        plan: decides when to dial.
        applying: does what the mind wants of rollouts; None where this node has no part in them.
        clocks: what tells the time.
        write: how a batch gets to the store; in a thread unless given.
    """

    network: Network
    _nursery: trio.Nursery
    _outlets: Outlets
    _dialer: Dialer

    def __init__(
        self,
        mind: Mind,
        store: Durable,
        plan: DialPlan,
        applying: Applying | None = None,
        *,
        clocks: Clocks = _MACHINE,
        write: Write = IN_THREAD,
    ) -> None:
        self.mind = mind
        self.applying = applying
        self.now = clocks.read
        self._plan = plan
        self._storing = Storing(store, self._persisted, self._persist_failed, write)
        self._book = _Book()
        self._linked: dict[bytes, trio.Event] = {}
        self._admitted: dict[bytes, trio.Event] = {}
        self._alarm = Alarm(now_ns=clocks.mono_ns)
        self._serving: dict[tuple[bytes, str], int] = {}
        self._wrote: dict[int, _Answer] = {}
        self._woken: dict[int, trio.Event] = {}
        self._changed = trio.Event()
        self.penalties = 0

    def handlers(self) -> Mapping[str, StreamHandler]:
        """Return what serves inbound streams, by protocol."""
        protocols = (HELLO_PROTOCOL, SYNC_PROTOCOL, GOSSIP_PROTOCOL)
        own: dict[str, StreamHandler] = dict.fromkeys(protocols, self._serve)
        return own if self.applying is None else {**own, **self.applying.handlers()}

    async def run(
        self,
        network: Network,
        nursery: trio.Nursery,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run on a network whose handlers are ours, in a nursery, until cancelled."""
        self.network = network
        self._nursery = nursery
        self._outlets = Outlets(
            network, nursery, self._outlet_opened, self._outlet_failed, self.mind.dropped
        )
        self._dialer = Dialer(network, self._book, self._plan)
        for task in (self._storing.run, self._dialer.run, self._watch_peers):
            nursery.start_soon(task)
        nursery.start_soon(self._alarm.run, self._tick)
        if self.applying is not None:
            await nursery.start(self.applying.run, network, self.mind.conducting, self.conduct)
        self.perform(self.mind.start(self.network.addresses, self.now()))
        task_status.started()
        await trio.sleep_forever()

    def conduct(self, tell: Callable[[Conducting], None]) -> None:
        """Tell the conductor something."""
        self.perform(self.mind.conduct(tell, self.now()))

    async def flush(self) -> None:
        """Make durable what still waits."""
        await self._storing.flush()

    # ----------------------------------------------------------------------------- effects

    def perform(self, effects: list[fx.Effect]) -> None:
        """Do what the mind asks for, in order."""
        for effect in effects:
            if type(effect) is fx.Send:
                if effect.peer in self._linked:
                    self._outlets.send(*effect)
            elif isinstance(effect, fx.Apply | fx.Fetch):
                if self.applying is not None:
                    self.applying.perform(effect)
            else:
                self._perform(effect)

    def _perform(self, effect: fx.Effect) -> None:
        if isinstance(effect, fx.Deliver):
            for number in effect.subscriptions:
                if number in self._woken:
                    self._woken[number].set()
        elif isinstance(effect, fx.SetTimer):
            self._alarm.set(effect.at_ns)
        elif isinstance(effect, fx.Persist):
            self._storing.put(effect)
        elif isinstance(effect, fx.Wrote):
            if effect.handle in self._wrote:
                self._wrote.pop(effect.handle).give(effect)
        elif isinstance(effect, fx.Changed):
            changed, self._changed = self._changed, trio.Event()
            changed.set()
        elif isinstance(effect, fx.Wanted):
            self._want(effect)
        elif isinstance(effect, fx.OwnStanding | fx.Unheard):
            self._tell(effect)
        else:
            self._perform_on_peer(effect)

    def _perform_on_peer(self, effect: fx.Effect) -> None:
        if isinstance(effect, fx.Admit):
            self._outlets.open(effect.peer, GOSSIP_PROTOCOL)
            self._admitted.setdefault(effect.peer, trio.Event()).set()
            if self.applying is not None:
                self.applying.blobs.admit(effect.peer)
        elif isinstance(effect, fx.Suspend):
            self._outlets.close(effect.peer, GOSSIP_PROTOCOL)
            if self.applying is not None:
                self.applying.blobs.suspend(effect.peer)
            if effect.peer in self._admitted and self._admitted[effect.peer].is_set():
                del self._admitted[effect.peer]  # else its stream waits for just this event
        elif isinstance(effect, fx.Disconnect):
            self._nursery.start_soon(self.network.disconnect, effect.peer)
        elif isinstance(effect, fx.Penalise):
            self.penalties += 1

    def _tell(self, effect: fx.OwnStanding | fx.Unheard) -> None:
        """Say what the people who run this node should know."""
        if isinstance(effect, fx.Unheard):
            _logger.warning("%s", unheard_sentence(effect))
        elif effect.displaced is not None:
            _logger.warning("%s", displaced_sentence(effect.displaced))
        else:
            _logger.warning("%s counts again", self.mind.config.name)

    def _want(self, effect: fx.Wanted) -> None:
        self._book.known = {want.peer: want.addresses for want in effect.peers}
        self._dialer.want(
            {
                want.peer: Nearness.NEIGHBOUR if want.near else Nearness.OTHER
                for want in effect.peers
            }
        )

    def _persisted(self, ticket: int) -> None:
        self.perform(self.mind.persisted(ticket, self.now()))

    def _persist_failed(self, ticket: int, reason: str) -> None:
        self.perform(self.mind.persist_failed(ticket, reason, self.now()))

    # ------------------------------------------------------------------------------- tasks

    def _tick(self) -> None:
        self.perform(self.mind.tick(self.now()))

    async def _watch_peers(self) -> None:
        async for event in self.network.events:
            self._peer_event(event)

    def _peer_event(self, event: PeerEvent) -> None:
        self._dialer.observe(event)
        if isinstance(event, PeerConnected):
            self._linked.setdefault(event.peer, trio.Event()).set()
            effects = self.mind.connected(event.peer, self.now(), outbound=event.outbound)
            self.perform(effects)
            return
        self._linked.pop(event.peer, None)
        self._admitted.pop(event.peer, None)
        self._outlets.close(event.peer)
        if self.applying is not None:
            self.applying.blobs.suspend(event.peer)
        self.perform(self.mind.disconnected(event.peer, self.now()))

    async def _serve(self, stream: Stream) -> None:
        """Read one of the few inbound streams that a peer may have open on each protocol."""
        place = stream.peer, stream.protocol
        if self._serving.get(place, 0) >= STREAMS_MAX:
            self.penalties += 1
            await stream.reset()
            return
        self._serving[place] = self._serving.get(place, 0) + 1
        try:
            await self._read(stream)
        finally:
            self._serving[place] -= 1
            if not self._serving[place]:
                del self._serving[place]

    async def _read(self, stream: Stream) -> None:
        """Read one inbound stream; gossip only while its sender is a member."""
        peer, protocol = stream.peer, stream.protocol
        await self._linked.setdefault(peer, trio.Event()).wait()
        if protocol == GOSSIP_PROTOCOL:
            await self._admitted.setdefault(peer, trio.Event()).wait()
            self.perform(self.mind.stream_opened(peer, protocol, self.now()))
        reader = FrameReader(_FRAME_SIZES[protocol])
        while True:
            chunk = await stream.receive_some()
            if not chunk:
                return
            if protocol == GOSSIP_PROTOCOL:
                await self._admitted.setdefault(peer, trio.Event()).wait()
            try:
                bodies = reader.feed(chunk)
            except FrameError:
                self.penalties += 1
                await stream.reset()
                return
            for body in bodies:
                self.perform(self.mind.receive(peer, protocol, body, self.now()))

    def _outlet_opened(self, peer: bytes, protocol: str, attempt: int) -> None:
        if protocol == GOSSIP_PROTOCOL or attempt:
            self.perform(self.mind.stream_opened(peer, protocol, self.now()))

    def _outlet_failed(self, peer: bytes) -> None:
        self._nursery.start_soon(self.network.disconnect, peer)

    # ------------------------------------------------------------------------- for the node

    def inject(self, peer: bytes, protocol: str, framed: bytes) -> None:
        """Send bytes that the mind did not ask for; for the harness, which plays the attacker."""
        self._outlets.send(peer, protocol, framed, Priority.CONTROL)

    async def wrote(self, handle: int, effects: list[fx.Effect]) -> fx.Wrote:
        """Perform the effects of a write and wait until it is durable or has failed."""
        answer = self._wrote[handle] = _Answer()
        try:
            self.perform(effects)
            return await answer.take()
        finally:
            self._wrote.pop(handle, None)

    def woken(self, subscription: int) -> trio.Event:
        """Return the event that is set when something waits in a subscription."""
        event = self._woken.get(subscription)
        if event is None or event.is_set():
            event = self._woken[subscription] = trio.Event()
        return event

    def forget(self, subscription: int) -> None:
        """A subscription ended."""
        self._woken.pop(subscription, None)

    async def changed(self) -> None:
        """Wait until a view changes."""
        await self._changed.wait()

    @property
    def dropped(self) -> int:
        """Frames dropped because a peer did not keep up."""
        return self._outlets.dropped

    @property
    def store_failures(self) -> int:
        """Commits that the store refused."""
        return self._storing.failures


class _Answer:
    """One answer that one task waits for."""

    __slots__ = ("_event", "_value")

    def __init__(self) -> None:
        self._event = trio.Event()
        self._value: fx.Wrote | None = None

    def give(self, value: fx.Wrote) -> None:
        self._value = value
        self._event.set()

    async def take(self) -> fx.Wrote:
        await self._event.wait()
        assert self._value is not None
        return self._value
