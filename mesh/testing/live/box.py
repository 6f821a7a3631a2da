"""One box of a live fleet: a disk and a clock that stay, and a real node while it is up.

The shell runs as on a real box, with artefacts and slots in a folder of its own. What tells it the
time is trio's virtual clock and a wall clock that can be set; what it writes down takes as long as
its disk takes, and is lost if the box dies before.
"""

import random
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import trio

from crdt.store_records import Batch, StoreFault, StoreFaultError
from identity.genesis import Genesis
from identity.keys import SecretKey
from mesh.coordination.enrolment import holders
from mesh.mind import Mind, MindConfig
from mesh.mind.assembly import assemble
from mesh.net.dial_plan import DialPlan
from mesh.net.memory import MemoryFabric
from mesh.node import Node
from mesh.node.applying import Applying
from mesh.node.opening import running_node
from mesh.node.shell import DEGREE_MAX, Clocks, Shell
from mesh.testing.fleets.town import FleetError
from mesh.testing.simulator.clocks import SimulatedClock
from mesh.testing.simulator.disk import SimulatedDisk
from mesh.units import MS, SECOND, Instant

__all__ = ["App", "LiveBox", "LiveWorld"]

App = Callable[[Node], Awaitable[object]]
"""What runs on a box: an async function of its node. If it raises, the test fails."""


class LiveWorld(NamedTuple):
    """What the boxes of one fleet have in common.

    Attributes:
        genesis: of their fleet.
        fabric: what carries their bytes.
        folder: below which each has one for artefacts and slots.
        now_ns: virtual time; may be read in any thread.
    """

    genesis: Genesis
    fabric: MemoryFabric
    folder: Path
    now_ns: Callable[[], int]


class LiveBox:
    """One box: a disk and a clock that stay, and a node while it is up.

    Args:
        name: the name it holds.
        secret: its key.
        disk: what it keeps; may be full or slow.
        address: where it listens.
        world: what it shares with the others.

    Attributes:
        life: how often it died.
    """

    def __init__(
        self, name: str, secret: SecretKey, disk: SimulatedDisk, address: str, world: LiveWorld
    ) -> None:
        self.name = name
        self.secret = secret
        self.disk = disk
        self.address = address
        self.clock = SimulatedClock()
        self.life = 0
        self._world = world
        self._node: Node | None = None
        self._apps: trio.Nursery | None = None
        self._scope = trio.CancelScope()
        self._died, self._ended = trio.Event(), trio.Event()

    def __repr__(self) -> str:
        return f"<LiveBox {self.name} {'up' if self.is_up else 'down'}>"

    @property
    def public(self) -> bytes:
        """Its public key."""
        return self.secret.public

    @property
    def is_up(self) -> bool:
        """Whether it is running."""
        return self._node is not None

    @property
    def node(self) -> Node:
        """The running node, as an application has it.

        Raises:
            FleetError: the box is down.
        """
        if self._node is None:
            raise FleetError(f"{self.name} is down: restart it first")
        return self._node

    @property
    def mind(self) -> Mind:
        """The running mind; to look at, not to feed."""
        return self.node.mind

    def trusts(self, name: str) -> bool:
        """Whether some key of a name is a current member in its view."""
        return any(standing.current for standing in holders(self.mind.replica, name))

    def start_app(self, app: App) -> None:
        """Run an application for as long as the box runs."""
        assert self._apps is not None
        self._apps.start_soon(app, self.node)

    async def die(self) -> None:
        """End at once: nothing more is sent or written down."""
        self.life += 1
        self._died.set()
        self._world.fabric.unplug(self.public)
        self._scope.cancel()
        await self._ended.wait()

    async def live(
        self,
        config: MindConfig,
        rng: random.Random,
        apps: Iterable[App],
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        """Run from the disk, and applications with it, until it dies."""
        self._scope, self._died, self._ended = trio.CancelScope(), trio.Event(), trio.Event()
        shell = self._shell(config, rng)
        opened = self._world.fabric.open_network(self.secret, (self.address,), shell.handlers())
        try:
            with self._scope:
                async with (
                    running_node(self.name, shell, opened) as self._node,
                    trio.open_nursery() as self._apps,
                ):
                    for app in apps:
                        self.start_app(app)
                    task_status.started()
                    await trio.sleep_forever()
        finally:
            self._node = self._apps = None
            self._ended.set()

    def _shell(self, config: MindConfig, rng: random.Random) -> Shell:
        world = self._world
        mind = assemble(
            config,
            secret=self.secret,
            genesis=world.genesis,
            loaded=self.disk.load(),
            boot=self.disk.next_boot(),
            rng=rng,
            now=self._now(),
        )
        applying = Applying(world.folder / self.public.hex(), rng, now_ns=world.now_ns)
        plan, clocks = DialPlan(rng, degree_max=DEGREE_MAX), Clocks(self._now, world.now_ns)
        return Shell(mind, self.disk, plan, applying, clocks=clocks, write=self._write)

    def _now(self) -> Instant:
        now_ns = self._world.now_ns()
        return Instant(now_ns, self.clock.wall_ms(now_ns))

    async def _write(self, append: Callable[[Batch], None], batch: Batch) -> None:
        """Make a batch durable, unless the box dies first."""
        with trio.move_on_after(self.disk.sync_ms * MS / SECOND):
            await self._died.wait()
        if self._died.is_set():
            raise StoreFaultError(StoreFault.CLOSED, f"{self.name} died before it was durable")
        append(batch)
