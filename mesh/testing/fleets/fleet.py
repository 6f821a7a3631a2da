"""A simulated fleet, ready to be cut in two: what a partition test is written against.

    north, south = fleet.split("river")
    with fleet.partition(north, south):
        fleet.centre.revoke("north/box-3", reason="stolen")
        fleet.run(minutes=10)
    fleet.settle()
    assert fleet.views_agree() and not fleet.anyone_trusts("north/box-3")

A town stands in for the city (`fleets.town`): two banks of a river, a box at each corner, a
steward for each bank and one centre. Every box is a real mind with a real replica. What may happen
to it is in `fleets.fleet_faults`, and what people roll out in `fleets.fleet_rollouts`.
"""

from collections import Counter, deque
from collections.abc import Sequence
from hashlib import sha256

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
from mesh.choreography.event_type import event_type
from mesh.choreography.scope import Reach, Scope
from mesh.coordination.enrolment import authority_role
from mesh.mind import Draft, MindConfig
from mesh.testing.fleets.fleet_box import Delivered, FleetBox, FleetError
from mesh.testing.fleets.fleet_founding import (
    BOOTSTRAPS,
    acquaint,
    founding_facts,
    written_at_once,
)
from mesh.testing.fleets.fleet_rollouts import FleetRollouts
from mesh.testing.fleets.fleet_time import length_s
from mesh.testing.fleets.fleet_verbs import LISTEN_M, STANDING_S
from mesh.testing.fleets.onlooker import Onlooker
from mesh.testing.fleets.town import EVENTS, MODEL, NearMiss, Town, held_by, replaced
from mesh.testing.simulator.disk import SimulatedDisk
from mesh.testing.simulator.network import LinkModel
from mesh.testing.simulator.sim import Simulation
from mesh.testing.simulator.trace import Happening
from mesh.units import SECOND

__all__ = ["MODEL", "Delivered", "Fleet", "FleetBox", "FleetError", "NearMiss"]

WRITTEN_S = 0.1
"""Virtual seconds after which what was just written is on its way; until then views agree."""


class Fleet(FleetRollouts):
    """The fleet and its world.

    Args:
        boxes: how many boxes, half on each bank.
        seed: decides everything.
        latency_ms: one way.
        loss: share of packets that are lost; `links` changes this and more.
        events: the types that boxes may publish and that the approved model may see; name yours
            here, with or without a final `*`, unless it begins with "traffic.".
        is_acquainted: disks hold who was linked to whom and where; else boxes meet first.

    Raises:
        FleetError: that is no number of boxes, or these are no patterns of events.

    Attributes:
        boxes: every node by name; replaced hardware is called "… (old)", what replaced it and is
            replaced too "… (old 2)".
        town: where they stand.
        events: what boxes may publish.
        deliveries: what reached the applications of all boxes, in order.
        onlooker: who is told what boxes say and write, if anybody.
    """

    def __init__(
        self,
        *,
        boxes: int = 8,
        seed: int = 0,
        latency_ms: float = 5.0,
        loss: float = 0.0,
        events: Sequence[str] = EVENTS,
        is_acquainted: bool = False,
    ) -> None:
        super().__init__()
        _check_wishes(boxes, events)
        self._swaps: Counter[str] = Counter()
        self._seed = seed
        self.events = tuple(events)
        self.onlooker: Onlooker | None = None
        self._roots = [self._key("root")]
        self.genesis: Genesis = make_genesis([key.public for key in self._roots], 1)
        model = LinkModel(latency_ms=latency_ms, loss=loss)
        self.simulation = Simulation(self.genesis, seed=seed, model=model)
        self.town = Town(boxes, self.genesis.h3_resolution)
        self.statement = self._root_statement()
        for name in ("centre", "north/steward", "south/steward", *self.town.places):
            self._add(name, self._key(name))
        self._write_down(is_acquainted=is_acquainted)
        for box in self.boxes.values():
            self.simulation.boot(box.node)
        self.journal.clear()  # how it was made is no news

    # -------------------------------------------------------------------------------- people

    @property
    def centre(self) -> FleetBox:
        """The authority of the fleet."""
        return self.boxes["centre"]

    def steward(self, district: str) -> FleetBox:
        """The steward of a bank."""
        return self.box(f"{district}/steward")

    def key(self, label: str) -> SecretKey:
        """Return the key that a label stands for; the same label gives the same key."""
        return self._key(label)

    # ---------------------------------------------------------------------------------- time

    def run(self, *unnamed: object, minutes: float = 0.0, seconds: float = 0.0) -> None:
        """Let virtual time pass; a length without a unit is refused."""
        self.simulation.run(length_s("run", unnamed, minutes=minutes, seconds=seconds))

    def stand(self) -> None:
        """Run until every box that is up sees every member and their views agree.

        Raises:
            FleetError: that did not happen within a minute.
        """
        if not self.simulation.run(STANDING_S, self.stands):
            raise FleetError(f"the fleet does not stand after {STANDING_S} virtual seconds")

    def settle(self, *unnamed: object, seconds: float = 120.0) -> float:
        """Run until all views agree; returns how many virtual seconds that took.

        Raises:
            FleetError: they do not agree in time.
        """
        start, most_s = self.simulation.now_ns, length_s("settle", unnamed, seconds=seconds)
        self.simulation.run(WRITTEN_S)
        if not self.simulation.run(most_s, self.views_agree):
            raise FleetError(self.differ(seconds))
        return (self.simulation.now_ns - start) / SECOND

    # ------------------------------------------------------------------------- what is done

    def publish(
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

        Args:
            name: the box.
            value: an instance of an event type; a near miss if none is given.
            scope: whom it is for.
            ttl_ms: how long somebody may still react.
            model: digest of the model that saw it.
            because: ids of the events that caused it.
        """
        said = NearMiss("van", 0.9) if value is None else value
        speaker, kind = self.box(name), event_type(type(said))
        draft = Draft(
            type=kind.name,
            data=kind.encode(said),
            cell=self.town.cell(held_by(name)),
            scope=scope,
            model=model,
            because=tuple(because),
            ttl_ms=ttl_ms,
        )
        event = speaker.publish(draft)
        self._said[event] = kind.name
        return event

    def listen_everywhere(self, event: type[object] = NearMiss, within_m: float = LISTEN_M) -> None:
        """Have every box that has a place listen around it; see `deliveries`."""
        kind = event_type(event)
        for name in self.town.places:
            self.boxes[name].listen(kind, within_m)

    def revoke(
        self, name: str, *, by: str = "centre", reason: str = "", in_vain: bool = False
    ) -> None:
        """Revoke every current holder of a name; see `FleetBox.revoke`."""
        self.box(by).revoke(name, reason=reason, in_vain=in_vain)

    def swap_hardware(self, name: str, *, by: str) -> FleetBox:
        """Replace a box: the old one stays in the world, the new key is enrolled by `by`."""
        old, issuer = self.box(name), self.box(by)
        secret = self._key(f"{name}/hardware {2 + self._swaps[name]}")
        place = name if name in self.town.places else None
        role = "steward" if name.endswith("/steward") else "box"
        issuer.grant(secret.public, name, role=role, place=place)
        self._swaps[name] += 1
        self.simulation.run(1.0)
        self.boxes[replaced(name, self._swaps[name])] = self.boxes.pop(name)
        return self._install(name, secret, issuer, beside=old)

    def spawn(self, name: str, *, by: str = "centre", beside: str | None = None) -> FleetBox:
        """Enrol a new box and switch it on.

        Args:
            name: such as "north/box-20"; its first part says on which bank it stands.
            by: who signs its grant and puts it onto the map.
            beside: the box next to which it stands; one of its bank unless given.

        Raises:
            FleetError: somebody is called so, or there is nobody to stand beside.
        """
        issuer = self.box(by)
        self._may_be_new(name)
        issuer.may_grant(name)
        neighbour = self._place(name, beside)
        secret = self._key(name)
        issuer.write("put", self.town.record(name))
        issuer.grant(secret.public, name, place=name)
        self.simulation.run(1.0)
        return self._install(name, secret, issuer, beside=neighbour)

    # ----------------------------------------------------------------------------- questions

    def refusals(self) -> Counter[str]:
        """How many events were refused by all boxes together, by reason; past lives included."""
        total = Counter[str]()
        for node in self.simulation.nodes.values():
            total.update(node.refused)
            if node.mind is not None:
                total.update(node.mind.speaking.admission_statistics().refused)
        return +total

    @property
    def trace(self) -> str:
        """Digest of all that happened: equal runs have equal traces."""
        return self.simulation.trace

    @property
    def journal(self) -> deque[Happening]:
        """What was done to the fleet, in words; the last lines."""
        return self.simulation.record.journal

    # ---------------------------------------------------------------------------- the making

    def _listens_to(self, type_name: str) -> bool:
        return any(box.listens_to(type_name) for box in self.boxes.values())

    def _key(self, label: str) -> SecretKey:
        return SecretKey.from_seed(sha256(f"{self._seed}/{label}".encode()).digest())

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
        bootstraps = {node.public: (node.address,) for node in nodes[:BOOTSTRAPS]}
        node = self.simulation.add(name, secret, MindConfig(name=name, bootstraps=bootstraps))
        self.boxes[name] = FleetBox(self, node)
        return self.boxes[name]

    def _install(
        self, name: str, secret: SecretKey, issuer: FleetBox, *, beside: FleetBox
    ) -> FleetBox:
        """Switch a box on that holds what its issuer knew; cuts treat it as those around it."""
        new = self._add(name, secret)
        self.simulation.network.stands_with(new.node.public, beside.node.public)
        known = issuer.mind.replica
        new.node.disk.append(Batch(entries=tuple(known.entries()), roots=known.chain.statements))
        self.simulation.boot(new.node)
        return new

    def _write_down(self, *, is_acquainted: bool) -> None:
        """Found the fleet: the centre writes all grants and records before anybody is connected."""
        simulation, centre = self.simulation, self.centre.node
        centre.disk.append(Batch(roots=(self.statement,)))
        simulation.boot(centre)
        simulation.run(6.0)  # nobody is there to tell more of its AUTH feed: it waits its 5 s
        keys = {name: box.node.public for name, box in self.boxes.items()}
        facts = founding_facts(self.centre.mind.replica, self.town, keys, self.events)
        now = simulation.instant(centre)
        entries = written_at_once(self.centre.mind, centre.secret, facts, now)
        simulation.run(1.0)
        simulation.crash(centre)
        centre.disk.append(Batch(entries=entries[:-1], own=entries[-1:]))
        delivered = SimulatedDisk()
        delivered.append(Batch(entries=entries, roots=(self.statement,)))
        if is_acquainted:
            acquaint(self.genesis, simulation.nodes, delivered, now)
            centre.disk.own(entries[-1:])
            return
        for box in self.boxes.values():
            if box is not self.centre:
                box.node.disk = delivered.copy()


def _check_wishes(boxes: object, events: object) -> None:
    if isinstance(boxes, bool) or not isinstance(boxes, int) or boxes < 1:
        raise FleetError(f"boxes={boxes!r:.40}: expected a whole number, 1 or more")
    if isinstance(events, str):
        raise FleetError(f"events={events!r:.40}: expected a list of patterns, as [{events!r:.40}]")
