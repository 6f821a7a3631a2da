"""One node of a simulated fleet, and what a person at its console can do."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from crdt.entry import Lane
from mesh.choreography.event_type import EventType
from mesh.choreography.reactions import Delivery, Disc, Interest
from mesh.coordination.enrolment import grant_body, holders, pin_body, revocation_body
from mesh.coordination.rights import granting, pinning, putting, revoking
from mesh.files.form import nearest
from mesh.mind import Draft, Mind
from mesh.orchestration.tables import ROLLOUT_KEY_RULES
from mesh.testing.fleets.entitlement import why_not
from mesh.testing.fleets.fleet_verbs import Delivered
from mesh.testing.fleets.town import STRATA, FleetError, Role, role_in
from mesh.testing.simulator.clocks import SimulatedClock
from mesh.testing.simulator.disk import SimulatedDisk
from mesh.testing.simulator.simulated_node import SimulatedNode

if TYPE_CHECKING:
    from mesh.testing.fleets.fleet import Fleet

__all__ = ["Delivered", "FleetBox", "FleetError"]


class FleetBox:
    """One node of the fleet and what a person at its console can do."""

    def __init__(self, fleet: "Fleet", node: SimulatedNode) -> None:
        self._fleet = fleet
        self.node = node
        self._listening: list[tuple[Interest, list[Delivery]]] = []
        self._numbers: dict[int, list[Delivery]] = {}
        node.heard = self._heard
        node.booted = self._booted

    @property
    def name(self) -> str:
        """The name it holds."""
        return self.node.name

    @property
    def public(self) -> bytes:
        """Its public key."""
        return self.node.public

    @property
    def is_up(self) -> bool:
        """Whether it is running."""
        return self.node.mind is not None

    @property
    def disk(self) -> SimulatedDisk:
        """What it keeps: `is_full` and `sync_ms` may be set."""
        return self.node.disk

    @property
    def clock(self) -> SimulatedClock:
        """Its wall clock."""
        return self.node.clock

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
        self.node.wrote.pop(handle, None)  # of a past life: each counts its facts anew
        self._fleet.simulation.perform(self.node, effects)
        if self._fleet.onlooker is not None:
            self._fleet.onlooker.wrote(self, kind, handle)
        return handle

    def grant(
        self,
        key: bytes,
        name: str,
        *,
        role: Role = "box",
        place: str | None = None,
        in_vain: bool = False,
    ) -> int:
        """Enrol a key under a name; where the name is held, replace its holder.

        Args:
            key: whom.
            name: under which name.
            role: as what.
            place: where a box stands; where who it replaces stood unless given.
            in_vain: we may not, and nobody is to heed it.

        Raises:
            FleetError: it may not, or may though it is to be in vain.
        """
        self.may_grant(name, role=role, in_vain=in_vain)
        fleet = self._fleet
        capabilities = role_in(name, role, fleet.events, fleet.town.area_of(place))
        replica = self.mind.replica
        body = grant_body(
            replica,
            key=key,
            name=name,
            stratum=STRATA[role],
            capabilities=capabilities,
            place=place,
        )
        return self.write("grant", body)

    def may_grant(self, name: str, *, role: Role = "box", in_vain: bool = False) -> None:
        """See that a grant of ours would count; that it would not, if it is to be in vain.

        Raises:
            FleetError: it is not so.
        """
        replica, key = self.mind.replica, self.node.public
        self._allow(lambda: granting(replica, key, name, role, STRATA[role]), in_vain=in_vain)

    def revoke(self, name: str, *, reason: str = "", in_vain: bool = False) -> int:
        """Revoke every current holder of a name; the reason is for the story.

        Raises:
            FleetError: nobody holds it; or we may not, or may though it is to be in vain.
        """
        replica, key = self.mind.replica, self.node.public
        held = [standing for standing in holders(replica, name) if standing.winning]
        if not held:
            told = nearest(name, self._fleet.names())
            raise FleetError(f"{name} is held by nobody: {told}")
        self._allow(lambda: revoking(replica, key, name), in_vain=in_vain)
        handle = 0
        for standing in held:
            handle = self.write("revoke", revocation_body(replica, standing.pair))
        self._fleet.simulation.note(f"{self.name} revokes {name}{reason and f': {reason}'}")
        return handle

    def pin(self, name: str) -> int:
        """Settle the forks of who holds a name: of each the line that we hold counts.

        Raises:
            FleetError: nothing of it is forked, or we may not.
        """
        replica, key = self.mind.replica, self.node.public
        self._allow(lambda: pinning(replica, key, name), in_vain=False)
        handle = 0
        for head in pinning(replica, key, name):
            handle = self.write("pin", pin_body(head))
        self._fleet.simulation.note(f"{self.name} pins what {name} wrote")
        return handle

    def put(self, key: str, value: str | int, *, in_vain: bool = False) -> int:
        """Write a plain register; returns the handle.

        Raises:
            FleetError: we may not, or may though it is to be in vain.
        """
        replica, public = self.mind.replica, self.node.public
        check = partial(putting, replica, public, key, value, ROLLOUT_KEY_RULES)
        self._allow(check, in_vain=in_vain)
        return self.write("put", {"key": key, "value": value, "supersedes": []})

    def publish(self, draft: Draft) -> bytes:
        """Publish an event; returns its id."""
        simulation = self._fleet.simulation
        event, effects = self.mind.publish(draft, simulation.instant(self.node))
        simulation.perform(self.node, effects)
        if self._fleet.onlooker is not None:
            self._fleet.onlooker.published(self, event.id, draft.type)
        return event.id

    def listen(self, event_type: EventType[Any], within_m: float) -> list[Delivery]:
        """Listen around our place, and again after each restart.

        Returns:
            The list to which deliveries are appended.
        """
        latitude, longitude = self._fleet.position(self.name)
        interest = Interest(event_type, within=Disc(latitude, longitude, within_m))
        deliveries: list[Delivery] = []
        self._listening.append((interest, deliveries))
        self._subscribe(interest, deliveries)
        return deliveries

    def listens_to(self, type_name: str) -> bool:
        """Whether it listens to a type of event."""
        return any(interest.event_type.name == type_name for interest, _ in self._listening)

    def trusts(self, name: str) -> bool:
        """Whether some key of a name is a current member in its view."""
        return any(standing.current for standing in holders(self.mind.replica, name))

    def _allow(self, check: Callable[[], object], *, in_vain: bool) -> None:
        why = why_not(check, self.name, in_vain=in_vain)
        if why:
            raise FleetError(why)

    def _booted(self, _node: SimulatedNode) -> None:
        self._numbers.clear()
        for interest, deliveries in self._listening:
            self._subscribe(interest, deliveries)
        self._fleet.started(self)

    def _subscribe(self, interest: Interest, deliveries: list[Delivery]) -> None:
        simulation, mind = self._fleet.simulation, self.mind
        self._numbers[mind.speaking.subscribe(interest)] = deliveries
        simulation.perform(self.node, mind.listen(simulation.instant(self.node)))

    def _heard(self, node: SimulatedNode) -> None:
        simulation = self._fleet.simulation
        for number, deliveries in self._numbers.items():
            mind = node.mind
            while mind is not None:
                delivery = mind.speaking.take(number, simulation.instant(node))
                if delivery is None:
                    break
                deliveries.append(delivery)
                event = delivery.event
                delivered = Delivered(
                    simulation.now_ns, self.name, event.id, event.author, event.name, event.model
                )
                self._fleet.deliveries.append(delivered)
