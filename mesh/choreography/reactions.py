"""Reactions: which subscriptions hear an event, until when, and whether a request is made.

A subscription has an interest: one event type, and everything that reaches this box or a disc
around a point. An admitted event that matches is decoded and put into the subscription's queue
with a deadline, the instant at which its time to live ends. Queues are bounded: a slow handler
loses the *oldest* event, because in this work the newest is the one that still matters, and the
loss is counted. An event whose deadline passed while it waited is counted and not handed out.

Handling and requesting are two things. A handler is entered for every event, also for the updates
of an incident that lasts; the request to an actuator is made **once per incident**. An incident is
known by (author, type, id of the event that began it): an update names that id first in `because`.
The author is part of it, so that nobody can claim another's incident and so suppress the reaction.
With `reactions = "observe"` everything runs and nothing is requested.

Pure bookkeeping: the channel that hands deliveries to a task, and the actuator, are the shell's.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from mesh.choreography.cells import distance_m
from mesh.choreography.event import EventError, SealedEvent
from mesh.choreography.event_type import EventType
from mesh.choreography.scope import Scope
from mesh.units import MS, Instant

__all__ = [
    "Delivery",
    "Disc",
    "Incident",
    "Interest",
    "Mode",
    "Once",
    "Reactions",
    "ReactionsStatistics",
    "RequestDecision",
    "SubscriptionStatistics",
    "incident_of",
]

QUEUE_MAX = 64
"""Deliveries that wait in one subscription; the oldest is dropped."""
INCIDENTS_MAX = 1024
"""Incidents remembered as answered; the oldest is forgotten, long after its events are stale."""

Mode = Literal["act", "observe"]
Incident = tuple[bytes, str, bytes]
"""(author, event type, id of the event that began it)."""


@dataclass(frozen=True, slots=True)
class Disc:
    """Everything within `radius_m` metres of a point in degrees."""

    latitude: float
    longitude: float
    radius_m: float


@dataclass(frozen=True, slots=True)
class Interest:
    """What a subscription wants to hear.

    Attributes:
        event_type: the type, with the class that its data becomes.
        within: a disc, or None for everything that reaches this box.
        scope: only events of this scope; None for any.
    """

    event_type: EventType[Any]
    within: Disc | None = None
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one subscription.

    Attributes:
        subscription: whose it is.
        event: the admitted event.
        value: its data as an instance of the type's class.
        deadline_ns: monotonic time after which nobody may react to it.
        may_act: False in the mode `observe`.
    """

    subscription: int
    event: SealedEvent
    value: object
    deadline_ns: int
    may_act: bool


class RequestDecision(Enum):
    """What becomes of a handler's wish to make a request."""

    MAKE = "make"
    ALREADY_MADE = "already_made"
    OBSERVED = "observed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class SubscriptionStatistics:
    """Counters of one subscription; waiting is now, the rest since it was made."""

    matched: int
    taken: int
    dropped: int
    expired: int
    undecodable: int
    waiting: int


@dataclass(frozen=True, slots=True)
class ReactionsStatistics:
    """Counters of all subscriptions, by number, and of the request decisions, by word."""

    subscriptions: dict[int, SubscriptionStatistics]
    requests: dict[str, int]


def incident_of(event: SealedEvent) -> Incident:
    """The incident that an event belongs to: the first of its causes, or itself if it began it."""
    return event.author, event.type, event.because[0] if event.because else event.id


class Once:
    """Remembers which incidents were answered; bounded, the oldest forgotten first."""

    __slots__ = ("_incidents", "_incidents_max")

    def __init__(self, *, incidents_max: int = INCIDENTS_MAX) -> None:
        self._incidents: OrderedDict[Incident, None] = OrderedDict()
        self._incidents_max = incidents_max

    def __contains__(self, incident: object) -> bool:
        return incident in self._incidents

    def __len__(self) -> int:
        return len(self._incidents)

    def claim(self, incident: Incident) -> bool:
        """Whether this is the first claim of an incident; an answered one stays remembered."""
        if incident in self._incidents:
            self._incidents.move_to_end(incident)
            return False
        self._incidents[incident] = None
        if len(self._incidents) > self._incidents_max:
            self._incidents.popitem(last=False)
        return True


class _Subscription:
    """The queue and the counters of one interest."""

    __slots__ = (
        "dropped",
        "expired",
        "interest",
        "matched",
        "number",
        "queue",
        "queue_max",
        "taken",
        "undecodable",
    )

    def __init__(self, number: int, interest: Interest, queue_max: int) -> None:
        self.number = number
        self.interest = interest
        self.queue_max = queue_max
        self.queue: deque[Delivery] = deque()
        self.matched = self.taken = self.dropped = self.expired = self.undecodable = 0

    def put(self, delivery: Delivery) -> None:
        self.queue.append(delivery)
        if len(self.queue) > self.queue_max:
            self.queue.popleft()
            self.dropped += 1

    def statistics(self) -> SubscriptionStatistics:
        return SubscriptionStatistics(
            matched=self.matched,
            taken=self.taken,
            dropped=self.dropped,
            expired=self.expired,
            undecodable=self.undecodable,
            waiting=len(self.queue),
        )


class Reactions:
    """The subscriptions of one node.

    Args:
        locate: latitude and longitude of an event in degrees, from the place of its speaker or,
            failing that, from its cell; None if neither is known.
        mode: `act`, or `observe`: run everything, request nothing.
        incidents_max: incidents remembered as answered.
    """

    def __init__(
        self,
        locate: Callable[[SealedEvent], tuple[float, float] | None],
        *,
        mode: Mode = "act",
        incidents_max: int = INCIDENTS_MAX,
    ) -> None:
        self._locate = locate
        self._mode: Mode = mode
        self._once = Once(incidents_max=incidents_max)
        self._subscriptions: dict[int, _Subscription] = {}
        self._next = 1
        self._requests = {decision.value: 0 for decision in RequestDecision}

    def __repr__(self) -> str:
        return f"<Reactions {len(self._subscriptions)} subscriptions, mode {self._mode}>"

    @property
    def mode(self) -> Mode:
        """Whether requests are made or only observed."""
        return self._mode

    def subscribe(self, interest: Interest, *, queue_max: int = QUEUE_MAX) -> int:
        """Register an interest; returns the number of the subscription.

        Raises:
            ValueError: the queue has no room for one delivery.
        """
        if queue_max < 1:
            raise ValueError(f"a queue of {queue_max} deliveries: expected at least 1")
        number = self._next
        self._next += 1
        self._subscriptions[number] = _Subscription(number, interest, queue_max)
        return number

    def unsubscribe(self, subscription: int) -> None:
        """Drop a subscription and what waits in it; an unknown number is fine."""
        self._subscriptions.pop(subscription, None)

    def interests(self) -> tuple[Interest, ...]:
        """Every registered interest, oldest first: what topics must be joined for."""
        return tuple(subscription.interest for subscription in self._subscriptions.values())

    def match(self, event: SealedEvent, now: Instant) -> tuple[Delivery, ...]:
        """Queue an admitted event wherever it is wanted, and return the deliveries made.

        Its deadline is fixed here, on the monotonic clock: a later step of the wall clock neither
        extends nor cuts it.
        """
        left_ms = event.time_ms + event.ttl_ms - now.wall_ms
        deadline_ns = now.mono_ns + left_ms * MS
        return tuple(self._deliveries(event, deadline_ns))

    def _deliveries(self, event: SealedEvent, deadline_ns: int) -> Iterator[Delivery]:
        for subscription in self._subscriptions.values():
            if not self._wants(subscription.interest, event):
                continue
            subscription.matched += 1
            try:
                value = subscription.interest.event_type.decode(event.data)
            except EventError:
                subscription.undecodable += 1
                continue
            acting = self._mode == "act"
            delivery = Delivery(subscription.number, event, value, deadline_ns, acting)
            subscription.put(delivery)
            yield delivery

    def take(self, subscription: int, now: Instant) -> Delivery | None:
        """Take the oldest delivery that is still in time; None if nothing waits.

        Raises:
            KeyError: there is no such subscription.
        """
        waiting = self._subscriptions[subscription]
        while waiting.queue:
            delivery = waiting.queue.popleft()
            if now.mono_ns <= delivery.deadline_ns:
                waiting.taken += 1
                return delivery
            waiting.expired += 1
        return None

    def request(self, delivery: Delivery, now: Instant) -> RequestDecision:
        """Decide whether the request for a delivery is made now; at most once per incident."""
        decision = self._decide(delivery, now)
        self._requests[decision.value] += 1
        return decision

    def _decide(self, delivery: Delivery, now: Instant) -> RequestDecision:
        if now.mono_ns > delivery.deadline_ns:
            return RequestDecision.EXPIRED
        if not delivery.may_act:
            return RequestDecision.OBSERVED
        first = self._once.claim(incident_of(delivery.event))
        return RequestDecision.MAKE if first else RequestDecision.ALREADY_MADE

    def statistics(self) -> ReactionsStatistics:
        """Return the counters as they are now."""
        return ReactionsStatistics(
            subscriptions={
                number: subscription.statistics()
                for number, subscription in self._subscriptions.items()
            },
            requests=dict(self._requests),
        )

    def _wants(self, interest: Interest, event: SealedEvent) -> bool:
        if interest.event_type.name != event.type:
            return False
        if interest.scope is not None and interest.scope != event.scope:
            return False
        if interest.within is None:
            return True
        point = self._locate(event)
        if point is None:
            return False
        centre = (interest.within.latitude, interest.within.longitude)
        return distance_m(centre, point) <= interest.within.radius_m
