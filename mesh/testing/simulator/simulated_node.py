"""A simulated box: what of it lasts, and what of it is up."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Protocol

from identity.keys import SecretKey
from mesh.mind import Mind, MindConfig
from mesh.mind import effects as fx
from mesh.net.dial_plan import DialPlan
from mesh.testing.simulator.clocks import SimulatedClock
from mesh.testing.simulator.disk import SimulatedDisk
from mesh.testing.simulator.workshop import Workshop
from mesh.units import Instant

__all__ = ["SLOWNESS_MAX", "Carried", "Misbehaviour", "SimulatedNode", "Unread", "Wire"]

SLOWNESS_MAX = 10_000
"""How many times slower a box may be: two seconds for a frame."""
DEGREE_MAX = 48
"""Links at which nobody but a neighbour is dialled any more."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Framed bytes on their way through one direction of a link."""

    due_ns: int
    protocol: str
    data: bytes


@dataclass(slots=True)
class Wire:
    """One end of one link, and what its box sends into it.

    Attributes:
        link: number of the link; both ends have the same.
        queue: what is on its way to the other end, in order.
        sent_ns: when the last byte so far is on the wire.
        ready_ns: when the last frame so far arrives.
        is_stalled: whether something could not get through; what follows waits behind it.
        silent_ns: since when nothing gets through; None while it does.
        is_lost: whether a frame was lost for good; the link will be noticed dead.
        held: gossip of the other end, unread until the mind admits it.
        is_admitted: whether it did.
        unread: bytes of the other end that arrived here and wait to be handled.
    """

    link: int
    queue: deque[Carried] = field(default_factory=deque[Carried])
    sent_ns: int = 0
    ready_ns: int = 0
    is_stalled: bool = False
    silent_ns: int | None = None
    is_lost: bool = False
    held: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    is_admitted: bool = False
    unread: int = 0


class Unread(NamedTuple):
    """A frame that waits until its box has time for it."""

    peer: bytes
    wire: Wire
    protocol: str
    body: bytes


class Misbehaviour(Protocol):
    """What a malicious box does instead of what its mind asks for."""

    def incoming(self, protocol: str, body: bytes, now: Instant) -> None:
        """Read a frame before the mind does."""
        ...

    def outgoing(self, effect: fx.Send, now: Instant) -> list[fx.Send]:
        """Return what is sent in the place of a frame."""
        ...

    def wanted(self, effect: fx.Wanted) -> fx.Wanted:
        """Return whom to keep links with."""
        ...

    def act(self, now: Instant) -> list[fx.Send]:
        """Return what is sent of its own accord; asked once a second."""
        ...


class SimulatedNode:
    """One box: a disk and a clock that stay, and a mind while it is up.

    Attributes:
        name: as the test calls it.
        secret: its key.
        mind: the running mind; None while the box is down.
        address: where it can be dialled.
        clock: its wall clock.
        has_power: whether somebody answers for it while its mind is down: a process that died is
            told of by its machine, a machine without power says nothing.
        slowness: how many times longer than usual it takes for a frame; 1 takes no time at all.
        misbehaviour: what it does instead of what its mind asks for, if it is malicious.
        booted: called with the node when it has started.
        heard: called with the node when a subscription has something.
        refused: refusals of its past lives, by reason.
        workshop: what it runs, and may fetch.
    """

    def __init__(
        self, name: str, secret: SecretKey, config: MindConfig, address: str, rng: Random
    ) -> None:
        self.name = name
        self.secret = secret
        self.config = config
        self.address = address
        self.disk = SimulatedDisk()
        self.clock = SimulatedClock()
        self.mind: Mind | None = None
        self.has_power = True
        self.slowness = 1.0
        self.misbehaviour: Misbehaviour | None = None
        self.booted: Callable[[SimulatedNode], None] | None = None
        self.heard: Callable[[SimulatedNode], None] | None = None
        self.refused = Counter[str]()
        self.wires: dict[bytes, Wire] = {}
        self.life = 0
        self.timer_ns: int | None = None
        self.wrote: dict[int, fx.Wrote] = {}
        self.workshop = Workshop()
        self._rng = rng
        self.forget_dials()

    def forget_dials(self) -> None:
        """Begin a life: nobody is wanted, nothing is to be handled."""
        self.plan = DialPlan(self._rng, degree_max=DEGREE_MAX)
        self.dial_ns: int | None = None
        self.wanted = fx.Wanted(())
        self.inbox: deque[Unread] = deque()
        self.is_busy = False

    @property
    def public(self) -> bytes:
        """Its public key, 32 bytes."""
        return self.secret.public

    def __repr__(self) -> str:
        return f"<SimulatedNode {self.name} {'up' if self.mind else 'down'}>"
