"""A simulated box: what of it lasts, and what of it is up."""

from collections.abc import Callable
from dataclasses import dataclass, field

from identity.keys import SecretKey
from mesh.mind import Mind, MindConfig
from mesh.mind import effects as fx
from mesh.testing.disk import SimulatedDisk
from mesh.testing.workshop import Workshop

__all__ = ["SimulatedNode", "Wire"]


@dataclass(slots=True)
class Wire:
    """One direction of one link."""

    ready_ns: int = 0
    held: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    admitted: bool = False


class SimulatedNode:
    """One box: a disk that stays, and a mind while it is up.

    Attributes:
        name: as the test calls it.
        secret: its key.
        mind: the running mind; None while the box is down.
        address: where it can be dialled.
        clock_offset_ms: how wrong its wall clock is.
        heard: called with the node when a subscription has something.
        workshop: what it runs, and may fetch.
    """

    def __init__(self, name: str, secret: SecretKey, config: MindConfig, address: str) -> None:
        self.name = name
        self.secret = secret
        self.config = config
        self.address = address
        self.disk = SimulatedDisk()
        self.mind: Mind | None = None
        self.clock_offset_ms = 0
        self.heard: Callable[[SimulatedNode], None] | None = None
        self.wants: dict[bytes, fx.Want] = {}
        self.wires: dict[bytes, Wire] = {}
        self.life = 0
        self.timer_ns: int | None = None
        self.wrote: dict[int, fx.Wrote] = {}
        self.workshop = Workshop()

    @property
    def public(self) -> bytes:
        """Its public key, 32 bytes."""
        return self.secret.public

    def __repr__(self) -> str:
        return f"<SimulatedNode {self.name} {'up' if self.mind else 'down'}>"
