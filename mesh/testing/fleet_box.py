"""One node of a simulated fleet, and what a person at its console can do."""

from typing import TYPE_CHECKING, Any, NamedTuple

from crdt.entry import Lane
from mesh.choreography.event_type import EventType
from mesh.choreography.reactions import Delivery, Disc, Interest
from mesh.coordination.enrolment import box_role, grant_body, holders, revocation_body
from mesh.mind import Draft, Mind
from mesh.testing.simulated_node import SimulatedNode

if TYPE_CHECKING:
    from mesh.testing.fleet import Fleet

__all__ = ["Delivered", "FleetBox", "FleetError"]


class FleetError(Exception):
    """A scenario asks for something that the fleet cannot do."""


class Delivered(NamedTuple):
    """One event that reached one box's application.

    Attributes:
        at_ns: virtual time.
        receiver: name of the box.
        event: id of the event, 32 bytes.
        author: public key of the speaker.
        name: the name under which it spoke.
        model: digest of the model that it was made with, if any.
    """

    at_ns: int
    receiver: str
    event: bytes
    author: bytes
    name: str
    model: bytes | None


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
        capabilities = box_role(name, self._fleet.events, self._fleet.town.area_of(place))
        replica = self.mind.replica
        body = grant_body(
            replica, key=key, name=name, stratum=stratum, capabilities=capabilities, place=place
        )
        return self.write("grant", body)

    def revoke(self, name: str, *, reason: str = "") -> int:
        """Revoke every current holder of a name; the reason is for the story."""
        replica = self.mind.replica
        handle = 0
        for standing in holders(replica, name):
            if standing.winning:
                body = revocation_body(replica, standing.pair)
                handle = self.write("revoke", body)
        if not handle:
            raise FleetError(f"{name} is held by nobody: expected one of {self._fleet.names()}")
        self._fleet.simulation.note(f"{self.name} revokes {name}{reason and f': {reason}'}")
        return handle

    def publish(self, draft: Draft) -> bytes:
        """Publish an event; returns its id."""
        simulation = self._fleet.simulation
        event, effects = self.mind.publish(draft, simulation.instant(self.node))
        simulation.perform(self.node, effects)
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
