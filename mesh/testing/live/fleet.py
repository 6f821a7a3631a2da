"""A fleet of real nodes in virtual time: for applications with tasks and handlers of their own.

    async def test_my_app(live_fleet):
        live_fleet.embed(my_app)  # async def my_app(node): …, on every box, again after a restart
        with live_fleet.partition(*live_fleet.split("river")):
            await live_fleet.run(seconds=20)

Every box is a `mesh.Node` as an application gets it: the shell of the product with its tasks,
streams and dials. What is not real is what the shell stands on: the network is `mesh.net.memory`,
which passes the contract suite of the real one, the disk is `simulator.disk`, and trio's clock
jumps to whatever is waited for next (`live.virtual_time`), so an hour of silence costs little. The
fleet is founded by `Fleet`, with the same town, keys and names.

One seed decides keys, draws and the order of tasks: the same run again, as far as everything that
happens is trio's. Threads end when they end, so where several work at once their order is not the
seed's; what an application takes from elsewhere (its own random numbers, `time.time`) neither.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import trio

from crdt.store_records import Batch
from identity.keys import SecretKey
from mesh.choreography.event_type import event_type
from mesh.choreography.scope import Reach, Scope
from mesh.coordination.enrolment import holders
from mesh.coordination.rights import granting, revoking
from mesh.files.form import nearest
from mesh.mind import MindConfig
from mesh.net.memory import MemoryFabric
from mesh.node import Node
from mesh.testing.fleets.entitlement import why_not
from mesh.testing.fleets.fleet import Fleet
from mesh.testing.fleets.fleet_founding import BOOTSTRAPS
from mesh.testing.fleets.fleet_time import length_s
from mesh.testing.fleets.fleet_verbs import LISTEN_M, STANDING_S, Delivered, FleetVerbs
from mesh.testing.fleets.town import (
    MODEL,
    STRATA,
    FleetError,
    NearMiss,
    Role,
    replaced,
    role_in,
)  # fmt: skip
from mesh.testing.live.box import App, LiveBox, LiveWorld
from mesh.testing.simulator.disk import SimulatedDisk
from mesh.testing.simulator.network import Network
from mesh.testing.simulator.trace import Happening, Trace
from mesh.units import SECOND

__all__ = ["LiveBox", "LiveFleet"]

FOUNDED_S = 10
"""Virtual seconds that the founding took, nearly; the clocks of the boxes begin there."""
LOOK_S = 0.02
"""How often a wait looks whether what it waits for is so, virtual seconds."""
WRITTEN_S = 1.0
"""Virtual seconds after which what was just signed has reached whoever is linked."""
BOXES = ("*/box-*",)
"""Who runs an application unless told otherwise: every box that has a place."""


class LiveFleet(FleetVerbs[LiveBox]):
    """The fleet and its world; made by `live.opening`.

    Streams in memory lose and reorder nothing: `links` changes `latency_ms` alone.

    Args:
        founded: a fleet that was just made: the same boxes, keys and disks are run here.
        seed: decides draws.
        nursery: owns the boxes.
        folder: for artefacts and slots.
    """

    _link_fields = ("latency_ms",)

    def __init__(self, founded: Fleet, seed: int, nursery: trio.Nursery, folder: Path) -> None:
        super().__init__()
        self.town = founded.town
        self.events = founded.events
        self._key = founded.key
        self._seed = seed
        self._nursery = nursery
        self._clock = trio.lowlevel.current_clock()
        self._record = Trace()
        rng = random.Random(seed)  # noqa: S311  (a seed decides)
        self._ways = Network(rng, founded.ways.model)
        fabric = MemoryFabric(self._sent, self._ways)
        self._world = LiveWorld(founded.genesis, fabric, folder, lambda: self.now_ns)
        self._swaps: Counter[str] = Counter()
        self._apps: list[tuple[App, tuple[str, ...]]] = []
        self._heard_types: set[str] = set()
        for name, box in founded.boxes.items():
            box.disk.forget_unsynced()  # what the founding left behind runs nowhere
            self._add(name, box.node.secret, box.disk)

    # -------------------------------------------------------------------------------- people

    @property
    def centre(self) -> Node:
        """The authority of the fleet."""
        return self.node("centre")

    def node(self, name: str) -> Node:
        """The node of a box, as its application has it; another one after each restart.

        Raises:
            FleetError: nobody is called so, or the box is down.
        """
        return self.box(name).node

    def embed(self, app: App, *who: str) -> None:
        """Run an application on boxes, now and again whenever one of them starts.

        Args:
            app: is called with the node; ends when its box does. If it raises, the test fails.
            who: names, and patterns such as north/*; every box that has a place unless given.

        Raises:
            FleetError: nobody is called so.
        """
        chosen = [box for box in self.boxes.values() if _is_one_of(box.name, who or BOXES)]
        if not chosen:
            raise FleetError(f"nobody is called {' or '.join(who)}: expected {self.names()}")
        self._apps.append((app, who or BOXES))
        for box in chosen:
            if box.is_up:
                box.start_app(app)

    # ---------------------------------------------------------------------------------- time

    @property
    def now_ns(self) -> int:
        """Virtual time, nanoseconds, the founding included; also when all is over."""
        return round((FOUNDED_S + self._clock.current_time()) * SECOND)

    async def run(self, *unnamed: object, minutes: float = 0.0, seconds: float = 0.0) -> None:
        """Let virtual time pass; a length without a unit is refused."""
        await trio.sleep(length_s("run", unnamed, minutes=minutes, seconds=seconds))

    async def stand(self) -> None:
        """Wait until every box that is up sees every other and their views agree.

        Raises:
            FleetError: that did not happen within a minute.
        """
        if not await self._until(self.stands, STANDING_S):
            raise FleetError(f"the fleet does not stand after {STANDING_S} virtual seconds")

    async def settle(self, *unnamed: object, seconds: float = 120.0) -> float:
        """Wait until all views agree; returns how many virtual seconds that took.

        Raises:
            FleetError: they do not agree in time.
        """
        start_ns, most_s = self.now_ns, length_s("settle", unnamed, seconds=seconds)
        await trio.sleep(WRITTEN_S)
        if not await self._until(self.views_agree, most_s):
            raise FleetError(self.differ(seconds))
        return (self.now_ns - start_ns) / SECOND

    async def _until(self, holds: Callable[[], bool], seconds: float) -> bool:
        with trio.move_on_after(seconds):
            while not holds():  # noqa: ASYNC110  (no event says what a whole fleet thinks)
                await trio.sleep(LOOK_S)
        return holds()

    # --------------------------------------------------------------------------------- boxes

    async def crash(self, name: str) -> None:
        """Kill the process of a box, and its applications; peers see the links end.

        What its disk had not synced is lost, and whoever waits for it gets `FactFailedError`.

        Raises:
            FleetError: it is down already.
        """
        box = self.box(name)
        _ = box.node
        self.note(f"{name} dies")
        await box.die()

    async def restart(self, name: str) -> None:
        """Boot a box from its own disk, and its applications with it.

        Raises:
            FleetError: it is running.
        """
        self._down(name, "restart it after a crash")
        await self._nursery.start(self._live, self.box(name))

    async def boot_all(self) -> None:
        """Start every box that is down."""
        for name in [name for name, box in self.boxes.items() if not box.is_up]:
            await self.restart(name)

    async def spawn(self, name: str, *, by: str = "centre", beside: str | None = None) -> LiveBox:
        """Enrol a new box and switch it on; see `Fleet.spawn`."""
        issuer = self.node(by)
        self._may_be_new(name)
        self._may_grant(issuer, name, "box")
        neighbour = self._place(name, beside)
        record = self.town.record(name)
        await issuer.facts.put(str(record["key"]), record["value"])
        return await self._enrol(name, self._key(name), issuer, beside=neighbour)

    async def swap_hardware(self, name: str, *, by: str) -> LiveBox:
        """Replace a box: the old one stays in the world, the new key is enrolled by `by`."""
        old, issuer = self.box(name), self.node(by)
        self._may_grant(issuer, name, _role_of(name))
        self._swaps[name] += 1
        secret = self._key(f"{name}/hardware {1 + self._swaps[name]}")
        return await self._enrol(name, secret, issuer, beside=old)

    async def revoke(
        self, name: str, *, by: str = "centre", reason: str = "", in_vain: bool = False
    ) -> None:
        """Revoke every current holder of a name; the reason is for the story.

        Raises:
            FleetError: nobody holds it; who signs is down, or may not, or may though it is to be in
                vain.
            FactFailedError: that could not be written down.
        """
        node = self.node(by)
        replica = node.mind.replica
        if not any(standing.winning for standing in holders(replica, name)):
            raise FleetError(f"{name} is held by nobody: {nearest(name, self.names())}")
        why = why_not(lambda: revoking(replica, node.public, name), by, in_vain=in_vain)
        if why:
            raise FleetError(why)
        self.note(f"{by} revokes {name}{reason and f': {reason}'}")
        await node.facts.revoke(name)

    # -------------------------------------------------------------------------------- events

    async def publish(
        self,
        name: str,
        value: object | None = None,
        *,
        scope: Scope = Reach.CELL,
        ttl_ms: int = 1_000,
        model: bytes | None = MODEL,
        because: Sequence[bytes] = (),
    ) -> bytes:
        """Have a box say something where it stands; returns the id of the event.

        As an application of that box would; see `Fleet.publish` for the rest.
        """
        said = NearMiss("van", 0.9) if value is None else value
        node = self.node(name)
        event = await node.publish(
            said, scope=scope, ttl_ms=ttl_ms, model=model, because=tuple(because)
        )
        self._said[event.id] = event.type
        return event.id

    def listen_everywhere(self, event: type[object] = NearMiss, within_m: float = LISTEN_M) -> None:
        """Have every box that has a place listen around it; see `deliveries`."""

        async def listen(node: Node) -> None:
            async with node.nearby(event, within=within_m) as events:
                async for seen in events:
                    told = Delivered(
                        self.now_ns, node.name, seen.event_id, seen.key, seen.author, seen.model
                    )
                    self.deliveries.append(told)

        self._heard_types.add(event_type(event).name)
        self.embed(listen)

    # ----------------------------------------------------------------------------- questions

    @property
    def trace(self) -> str:
        """Digest of who sent when to whom, and of what was done: equal runs have equal traces."""
        return self._record.hexdigest()

    @property
    def journal(self) -> deque[Happening]:
        """What was done to the fleet, in words; the last lines."""
        return self._record.journal

    def note(self, words: str) -> None:
        """Write a line into the journal, and into the trace."""
        self._record.note(self.now_ns, words)

    def _listens_to(self, type_name: str) -> bool:
        return type_name in self._heard_types

    # ---------------------------------------------------------------------------- the making

    @property
    def ways(self) -> Network:
        """Who reaches whom, and how."""
        return self._ways

    def ways_changed(self, words: str) -> None:
        """Note what was done, and have every link looked at."""
        self.note(words)
        self._world.fabric.ways_changed()

    def _sent(self, sender: bytes, to: bytes) -> float:
        """Something is on its way; return for how long, seconds."""
        self._record.sent(self.now_ns, to, sender)
        return self._ways.latency_ns(sender, to) / SECOND

    def _may_grant(self, issuer: Node, name: str, role: Role) -> None:
        """See that a grant would count.

        Raises:
            FleetError: it would not.
        """
        replica, key = issuer.mind.replica, issuer.public
        why = why_not(lambda: granting(replica, key, name, role, STRATA[role]), "", in_vain=False)
        if why:
            raise FleetError(why)

    def _add(self, name: str, secret: SecretKey, disk: SimulatedDisk) -> LiveBox:
        number = len(self.boxes)
        address = f"/ip4/10.0.{number >> 8}.{number & 0xFF}/tcp/4001"
        box = self.boxes[name] = LiveBox(name, secret, disk, address, self._world)
        return box

    async def _enrol(
        self, name: str, secret: SecretKey, issuer: Node, *, beside: LiveBox
    ) -> LiveBox:
        """Grant a name to a key, and start its box with what its issuer knows."""
        place, role = name if name in self.town.places else None, _role_of(name)
        await issuer.facts.grant(
            key=secret.public,
            name=name,
            stratum=STRATA[role],
            capabilities=role_in(name, role, self.events, self.town.area_of(place)),
            place=place,
        )
        await trio.sleep(WRITTEN_S)
        if name in self.boxes:
            self.boxes[replaced(name, self._swaps[name])] = self.boxes.pop(name)
        disk, replica = SimulatedDisk(), issuer.mind.replica
        disk.append(Batch(entries=tuple(replica.entries()), roots=replica.chain.statements))
        box = self._add(name, secret, disk)
        self._ways.stands_with(secret.public, beside.public)
        await self.restart(name)
        return box

    async def _live(
        self, box: LiveBox, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run a box until it crashes."""
        self.note(f"{box.name} starts")
        others = [other for other in self.boxes.values() if other is not box][:BOOTSTRAPS]
        bootstraps = {each.public: (each.address,) for each in others}
        config = MindConfig(name=box.name, bootstraps=bootstraps)
        rng = random.Random(f"{self._seed}/{box.name}/{box.life}")  # noqa: S311  (a seed decides)
        apps = [app for app, who in self._apps if _is_one_of(box.name, who)]
        await box.live(config, rng, apps, task_status=task_status)


def _role_of(name: str) -> Role:
    return "steward" if name.endswith("/steward") else "box"


def _is_one_of(name: str, who: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in who)
