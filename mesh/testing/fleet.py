"""A simulated fleet, ready to be cut in two: what a partition test is written against.

    north, south = fleet.split("river")
    with fleet.partition(north, south):
        fleet.centre.revoke("north/box-3", reason="stolen")
        fleet.run(minutes=10)
    fleet.settle()
    assert fleet.views_agree() and not fleet.anyone_trusts("north/box-3")

A small town stands in for the city: two rows of streets with a river between them, a box at each
corner, a steward for each bank and one centre. Every box is a real mind with a real replica.
"""

import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, cast

from crdt.entry import Lane
from crdt.store_records import Batch
from identity.genesis import (
    Genesis,
    RootItem,
    RootStatement,
    make_genesis,
    make_root_statement,
    sign_root,
)
from identity.keys import SecretKey
from mesh.choreography.cells import cell_at
from mesh.choreography.event_type import EventType
from mesh.choreography.reactions import Delivery, Disc, Interest
from mesh.coordination.enrolment import (
    authority_role,
    box_role,
    grant_body,
    holders,
    revocation_body,
    steward_role,
)
from mesh.coordination.trust import PeerClass
from mesh.mind import Draft, Mind, MindConfig
from mesh.testing.sim import Simulation
from mesh.testing.simulated_node import SimulatedNode

__all__ = ["Fleet", "FleetBox", "FleetError"]

BLOCK_M = 150.0
"""Distance of two corners, metres."""
LATITUDE, LONGITUDE = 48.0, 11.0
_METRES_PER_DEGREE = 111_320.0
EVENTS = ("traffic.*",)
"""What boxes may publish."""
MODEL = bytes(range(32))
"""Digest of the approved model."""
WRITTEN_S = 0.1
"""Virtual seconds after which what was just written is on its way; until then views agree."""
STANDING_S = 60
"""Virtual seconds a fleet gets to stand, at most."""


class FleetError(Exception):
    """A scenario asks for something that the fleet cannot do."""


class FleetBox:
    """One node of the fleet and what a person at its console can do."""

    def __init__(self, fleet: "Fleet", node: SimulatedNode) -> None:
        self._fleet = fleet
        self.node = node

    @property
    def name(self) -> str:
        """The name it holds."""
        return self.node.name

    @property
    def mind(self) -> Mind:
        """The running mind.

        Raises:
            FleetError: the box is down.
        """
        if self.node.mind is None:
            raise FleetError(f"{self.name} is down: restart it first")
        return self.node.mind

    def __repr__(self) -> str:
        return f"<FleetBox {self.name}>"

    def write(self, kind: str, body: object, lane: Lane = Lane.AUTH) -> int:
        """Write a fact; returns its handle."""
        now = self._fleet.simulation.instant(self.node)
        handle, effects = self.mind.write(lane, kind, body, now)
        self._fleet.simulation.perform(self.node, effects)
        return handle

    def grant(self, key: bytes, name: str, *, stratum: int = 3, place: str | None = None) -> int:
        """Enrol a key under a name; where the name is held, replace its holder."""
        capabilities = box_role(name, EVENTS, self._fleet.area)
        replica = self.mind.replica
        body = grant_body(
            replica, key=key, name=name, stratum=stratum, capabilities=capabilities, place=place
        )
        return self.write("grant", body)

    def revoke(self, name: str, *, reason: str = "") -> int:
        """Revoke every current holder of a name; the reason is for the story."""
        del reason
        replica = self.mind.replica
        handle = 0
        for standing in holders(replica, name):
            if standing.winning:
                body = revocation_body(replica, standing.pair)
                handle = self.write("revoke", body)
        if not handle:
            raise FleetError(f"{name} is held by nobody: expected one of {self._fleet.names()}")
        return handle

    def publish(self, draft: Draft) -> bytes:
        """Publish an event; returns its id."""
        simulation = self._fleet.simulation
        event, effects = self.mind.publish(draft, simulation.instant(self.node))
        simulation.perform(self.node, effects)
        return event.id

    def listen(self, event_type: EventType[Any], within_m: float) -> list[Delivery]:
        """Listen around our place; returns the list to which deliveries are appended."""
        deliveries: list[Delivery] = []
        latitude, longitude = self._fleet.position(self.name)
        interest = Interest(event_type, within=Disc(latitude, longitude, within_m))
        number = self.mind.speaking.subscribe(interest)
        simulation = self._fleet.simulation
        simulation.perform(self.node, self.mind.listen(simulation.instant(self.node)))

        def heard(node: SimulatedNode) -> None:
            mind = node.mind
            while mind is not None:
                delivery = mind.speaking.take(number, simulation.instant(node))
                if delivery is None:
                    return
                deliveries.append(delivery)

        self.node.heard = heard
        return deliveries

    def trusts(self, name: str) -> bool:
        """Whether some key of a name is a current member in its view."""
        return any(standing.current for standing in holders(self.mind.replica, name))


class Fleet:
    """The fleet and its world.

    Args:
        boxes: how many boxes, half on each bank.
        seed: decides everything.
        latency_ms: one way.
        loss: share of gossip frames that vanish.
    """

    def __init__(
        self, *, boxes: int = 8, seed: int = 0, latency_ms: float = 5.0, loss: float = 0.0
    ) -> None:
        self._seed = seed
        self._roots = [self._key("root")]
        self.genesis: Genesis = make_genesis([key.public for key in self._roots], 1)
        self.simulation = Simulation(self.genesis, seed=seed, latency_ms=latency_ms, loss=loss)
        self.boxes: dict[str, FleetBox] = {}
        self._places: dict[str, tuple[float, float]] = {}
        self._lay_out(boxes)
        self.area = self._area()
        self.statement = self._root_statement()
        for name in ("centre", "north/steward", "south/steward", *self._places):
            self._add(name, self._key(name))
        self._write_down()
        for box in self.boxes.values():
            self.simulation.boot(box.node)

    # -------------------------------------------------------------------------------- people

    @property
    def centre(self) -> FleetBox:
        """The authority of the fleet."""
        return self.boxes["centre"]

    def steward(self, district: str) -> FleetBox:
        """The steward of a bank."""
        return self.box(f"{district}/steward")

    def box(self, name: str) -> FleetBox:
        """The node that holds a name.

        Raises:
            FleetError: nobody of the fleet is called so.
        """
        if name not in self.boxes:
            raise FleetError(f"nobody is called {name!r}: expected one of {self.names()}")
        return self.boxes[name]

    def names(self) -> list[str]:
        """Every name of the fleet."""
        return list(self.boxes)

    def position(self, name: str) -> tuple[float, float]:
        """Where a box stands: latitude and longitude in degrees."""
        return self._places[name]

    def key(self, label: str) -> SecretKey:
        """Return the key that a label stands for; the same label gives the same key."""
        return self._key(label)

    # ---------------------------------------------------------------------------------- time

    def run(self, *, minutes: float = 0.0, seconds: float = 0.0) -> None:
        """Let virtual time pass."""
        self.simulation.run(minutes * 60 + seconds)

    def stand(self) -> None:
        """Run until every box that is up sees every member and their views agree.

        Raises:
            FleetError: that did not happen within a minute.
        """
        if not self.simulation.run(STANDING_S, self._stands):
            raise FleetError(f"the fleet does not stand after {STANDING_S} virtual seconds")

    def settle(self, *, seconds: float = 120.0) -> float:
        """Run until all views agree; returns how many virtual seconds that took.

        Raises:
            FleetError: they do not agree in time.
        """
        start = self.simulation.now_ns
        self.simulation.run(WRITTEN_S)
        if not self.simulation.run(seconds, self.views_agree):
            raise FleetError(f"views differ after {seconds} virtual seconds: {self._differences()}")
        return (self.simulation.now_ns - start) / 1e9

    # -------------------------------------------------------------------------------- faults

    def split(self, line: str = "river") -> tuple[list[FleetBox], list[FleetBox]]:
        """Return the two sides of the river; the centre stands on the south bank."""
        if line != "river":
            raise FleetError(f"the town is split by its river only, not by {line!r}")
        north = [box for box in self.boxes.values() if box.name.startswith("north/")]
        south = [box for box in self.boxes.values() if box not in north]
        return north, south

    @contextmanager
    def partition(self, side: Sequence[FleetBox], _other: Sequence[FleetBox]) -> Generator[None]:
        """Cut two sides off from each other for the time of the block."""
        self.simulation.partition([box.node for box in side])
        try:
            yield
        finally:
            self.simulation.heal()

    def crash(self, name: str) -> None:
        """Cut the power of a box."""
        self.simulation.crash(self.box(name).node)

    def restart(self, name: str) -> None:
        """Boot a box from its own disk."""
        self.simulation.boot(self.box(name).node)

    def swap_hardware(self, name: str, *, by: str) -> FleetBox:
        """Replace a box: the old one stays in the world, the new key is enrolled by `by`."""
        secret = self._key(f"{name}/second")
        issuer = self.box(by)
        place = name if name in self._places else None
        issuer.grant(secret.public, name, place=place)
        self.simulation.run(1.0)
        old = self.boxes.pop(name)
        self.boxes[f"{name} (old)"] = old
        new = self._add(name, secret)
        replica = issuer.mind.replica
        new.node.disk.append(
            Batch(entries=tuple(replica.entries()), roots=replica.chain.statements)
        )
        self.simulation.boot(new.node)
        return new

    # ----------------------------------------------------------------------------- questions

    def up(self) -> list[FleetBox]:
        """The boxes that are running."""
        return [box for box in self.boxes.values() if box.node.mind is not None]

    def views_agree(self) -> bool:
        """Whether every current member that is up holds the same authority view."""
        digests = {box.mind.replica.authority.digest for box in self.up() if self._is_member(box)}
        return len(digests) == 1

    def anyone_trusts(self, name: str) -> bool:
        """Whether a box that is up takes some key of a name for a member."""
        return any(box.trusts(name) for box in self.up() if self._is_member(box))

    def _is_member(self, box: FleetBox) -> bool:
        mind = box.mind
        return mind.trust.peer_class(mind.public).peer_class is PeerClass.MEMBER

    def _stands(self) -> bool:
        up = self.up()
        return self.views_agree() and all(
            len(box.mind.statistics().presence.seen) == len(up) - 1 for box in up
        )

    def _differences(self) -> str:
        return ", ".join(
            f"{box.name}={box.mind.replica.authority.digest.hex()[:8]}" for box in self.up()
        )

    # ---------------------------------------------------------------------------- the making

    def _key(self, label: str) -> SecretKey:
        return SecretKey.from_seed(sha256(f"{self._seed}/{label}".encode()).digest())

    def _lay_out(self, boxes: int) -> None:
        columns = math.ceil(boxes / 2)
        step = BLOCK_M / _METRES_PER_DEGREE
        for number in range(boxes):
            row, column = divmod(number, columns)
            bank = "south" if row else "north"
            latitude = LATITUDE - row * step
            longitude = LONGITUDE + column * step / math.cos(math.radians(LATITUDE))
            self._places[f"{bank}/box-{number}"] = (latitude, longitude)

    def _area(self) -> tuple[bytes, ...]:
        resolution = self.genesis.h3_resolution
        return tuple(sorted({cell_at(*point, resolution) for point in self._places.values()}))

    def _root_statement(self) -> RootStatement:
        body = {
            "pk": self._key("centre").public,
            "name": "centre",
            "stratum": 1,
            "epoch": 1,
            "caps": [capability.to_value() for capability in authority_role()],
            "replaces": [],
        }
        return sign_root(
            make_root_statement(self.genesis, [RootItem("grant", body)]), self._roots[0]
        )

    def _add(self, name: str, secret: SecretKey) -> FleetBox:
        nodes = tuple(self.simulation.nodes.values())
        bootstraps = {node.public: (node.address,) for node in nodes[:3]}
        node = self.simulation.add(name, secret, MindConfig(name=name, bootstraps=bootstraps))
        self.boxes[name] = FleetBox(self, node)
        return self.boxes[name]

    def _write_down(self) -> None:
        """Found the fleet: the centre writes all grants and records before anybody is connected."""
        self.centre.node.disk.append(Batch(roots=(self.statement,)))
        simulation = self.simulation
        simulation.boot(self.centre.node)
        simulation.run(6.0)  # nobody is there to tell more of its AUTH feed: it waits its 5 s
        for district in ("north", "south"):
            name = f"{district}/steward"
            capabilities = steward_role(district)
            replica = self.centre.mind.replica
            key = self._key(name).public
            body = grant_body(replica, key=key, name=name, stratum=2, capabilities=capabilities)
            self.centre.write("grant", body)
        for name in self._places:
            self.centre.write("put", self._place_record(name))
            self.centre.grant(self._key(name).public, name, place=name)
        model = {"digest": MODEL, "state": "approved", "events": ["traffic.*"], "area": "*"}
        self.centre.write("put", {"key": "model/detector", "value": model, "supersedes": []})
        simulation.run(1.0)
        replica = self.centre.mind.replica
        simulation.crash(self.centre.node)
        known = [entry for entry in replica.entries() if entry.lane == Lane.AUTH]
        for box in self.boxes.values():
            if box is not self.centre:
                box.node.disk.append(Batch(entries=tuple(known), roots=(self.statement,)))

    def _place_record(self, name: str) -> dict[str, object]:
        latitude, longitude = self._places[name]
        near = 1.5 * BLOCK_M / _METRES_PER_DEGREE
        edges = [
            {"to": other}
            for other, (lat, lon) in self._places.items()
            if other != name
            and math.hypot(lat - latitude, (lon - longitude) * math.cos(math.radians(LATITUDE)))
            < near
        ]
        value = {
            "cell": cell_at(latitude, longitude, self.genesis.h3_resolution),
            "position": [round(latitude * 1e6), round(longitude * 1e6)],
            "edges": cast("object", edges),
        }
        return {"key": f"place/{name}", "value": value, "supersedes": []}
