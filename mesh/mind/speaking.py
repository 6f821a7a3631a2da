"""Events, in and out: sealing our own, judging others', and waking who listens.

This is the choreography of one node put together: admission decides, the router is told the
verdict, and an accepted event goes to the reactions. Which event topics are joined follows from
what is listened for: the cells that cover each disc, our districts, everyone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from identity.genesis import Genesis
from identity.keys import SecretKey
from mesh.choreography.admission import Admission, AdmissionStatistics
from mesh.choreography.cells import CellError, cell_centre, cells_covering
from mesh.choreography.event import InvalidEventError, SealedEvent, Verify, seal_event, verify_event
from mesh.choreography.places import Places
from mesh.choreography.reactions import (
    Delivery,
    Interest,
    Mode,
    Reactions,
    ReactionsStatistics,
    RequestDecision,
)
from mesh.choreography.scope import Reach, Scope
from mesh.choreography.topics import (
    cell_topic,
    district_of,
    district_topic,
    event_topic,
    everyone_topic,
    named_topic,
)
from mesh.choreography.trace import Stage, TraceRecorder
from mesh.choreography.verdict import Outcome
from mesh.coordination.trust import Trust
from mesh.gossip.effects import Judgement, Verdict
from mesh.units import Instant

__all__ = ["Draft", "Speaking"]

TTL_MS = 1000
"""How long after sealing an event may be reacted to, milliseconds, unless the caller says."""

_VERDICTS: Mapping[Outcome, Verdict] = {
    Outcome.ACCEPT: Verdict.ACCEPT,
    Outcome.FORWARD: Verdict.FORWARD,
    Outcome.IGNORE: Verdict.IGNORE,
    Outcome.REJECT: Verdict.REJECT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event before it is sealed.

    Attributes:
        type: the event type.
        data: its fields as they travel.
        cell: the H3 cell where it happened, 8 bytes.
        scope: whom it is for.
        model: digest of the model it was made with, 32 bytes.
        because: ids of the events that caused it; an update names the first of its incident.
        ttl_ms: how long somebody may still react.
    """

    type: str
    data: Mapping[str, object]
    cell: bytes
    scope: Scope = Reach.CELL
    model: bytes | None = None
    because: tuple[bytes, ...] = ()
    ttl_ms: int = field(default=TTL_MS)


class Speaking:
    """The events of one node.

    Args:
        genesis: the fleet.
        trust: who may say what.
        secret: our key.
        name: the name under which we speak.
        boot: our start: u32 counter ‖ 32 random bits, 8 bytes.
        mode: whether requests are made or only observed.
        places: returns the places graph of the current view.
        started: when we started.
        verify: checks the signature of an event.
    """

    def __init__(
        self,
        *,
        genesis: Genesis,
        trust: Trust,
        secret: SecretKey,
        name: str,
        boot: bytes,
        mode: Mode,
        places: Callable[[], Places],
        started: Instant,
        verify: Verify = verify_event,
    ) -> None:
        self._genesis = genesis
        self._secret = secret
        self._name = name
        self._boot = boot
        self._number = 0
        self._places = places
        self._admission = Admission(genesis.ns, genesis, trust, started=started, verify=verify)
        self._reactions = Reactions(self._locate, mode=mode)
        self._woken: dict[int, None] = {}
        self._asked: tuple[tuple[Interest, ...], tuple[str, ...]] = ((), ())
        self.traces = TraceRecorder()

    def topic(self, draft: Draft) -> str | None:
        """Return the topic a draft would travel on; None for a district we do not have.

        Raises:
            InvalidEventError: the cell is none.
        """
        district = district_of(self._name, self._genesis.district_depth)
        try:
            return event_topic(self._genesis.ns, draft.scope, draft.cell, district)
        except CellError as error:
            raise InvalidEventError(str(error)) from None

    def seal(self, draft: Draft, now: Instant) -> SealedEvent:
        """Return the signed event of a draft.

        Raises:
            InvalidEventError: a field is out of range, or the whole is too large.
        """
        event = seal_event(
            self._secret,
            ns=self._genesis.ns,
            name=self._name,
            boot=self._boot,
            n=self._number,
            time_ms=now.wall_ms,
            ttl_ms=draft.ttl_ms,
            scope=draft.scope,
            cell=draft.cell,
            event_type=draft.type,
            model=draft.model,
            because=draft.because,
            data=draft.data,
        )
        self._number += 1
        self.traces.mark(event.id, Stage.SEALED, now.mono_ns)
        return event

    def judge(self, topic: str, data: bytes, peer: bytes, now: Instant) -> Judgement:
        """Judge one event for the router, and wake the subscriptions of an accepted one."""
        admitted = self._admission.admit(topic, data, peer, now)
        if admitted.outcome is Outcome.ACCEPT and admitted.event is not None:
            self.traces.mark(admitted.event.id, Stage.RECEIVED, now.mono_ns)
            for delivery in self._reactions.match(admitted.event, now):
                self._woken[delivery.subscription] = None
        return Judgement(_VERDICTS[admitted.outcome], admitted.author)

    def drain_woken(self) -> tuple[int, ...]:
        """Return the subscriptions in which something waits since the last call."""
        woken = tuple(self._woken)
        self._woken.clear()
        return woken

    def subscribe(self, interest: Interest) -> int:
        """Listen for something; returns the number of the subscription."""
        return self._reactions.subscribe(interest)

    def unsubscribe(self, subscription: int) -> None:
        """Stop listening; an unknown number is fine."""
        self._reactions.unsubscribe(subscription)

    def take(self, subscription: int, now: Instant) -> Delivery | None:
        """Take the oldest event of a subscription that is still in time."""
        delivery = self._reactions.take(subscription, now)
        if delivery is not None:
            self.traces.mark(delivery.event.id, Stage.HANDLER_ENTERED, now.mono_ns)
        return delivery

    def request(self, delivery: Delivery, now: Instant) -> RequestDecision:
        """Decide whether the request for a delivery is made now; once an incident."""
        decision = self._reactions.request(delivery, now)
        if decision is RequestDecision.MAKE:
            self.traces.mark(delivery.event.id, Stage.REQUESTED, now.mono_ns)
        return decision

    def link_removed(self, peer: bytes) -> None:
        """Forget what was kept for a link."""
        self._admission.link_removed(peer)

    def topics(self) -> tuple[str, ...]:
        """Return every event topic that the current interests ask for, each once, sorted."""
        interests = self._reactions.interests()
        if interests != self._asked[0]:
            wanted: set[str] = set()
            for interest in interests:
                wanted.update(self._topics_of(interest))
            self._asked = (interests, tuple(sorted(wanted)))
        return self._asked[1]

    def admission_statistics(self) -> AdmissionStatistics:
        """Return what admission counted."""
        return self._admission.statistics()

    def reaction_statistics(self) -> ReactionsStatistics:
        """Return what the subscriptions counted."""
        return self._reactions.statistics()

    def _topics_of(self, interest: Interest) -> set[str]:
        ns = self._genesis.ns
        if isinstance(interest.scope, str):
            return {named_topic(ns, interest.scope)}
        topics = {everyone_topic(ns)}
        district = district_of(self._name, self._genesis.district_depth)
        if district is not None:
            topics.add(district_topic(ns, district))
        if interest.within is not None:
            cells = cells_covering(
                interest.within.latitude,
                interest.within.longitude,
                interest.within.radius_m,
                self._genesis.h3_resolution,
            )
            topics.update(cell_topic(ns, cell) for cell in cells)
        return topics

    def _locate(self, event: SealedEvent) -> tuple[float, float] | None:
        """Where an event happened: at the centre of its cell, or at its speaker's place in it."""
        place = self._places().get(event.name)
        if place is not None and place.cell == event.cell:
            return place.degrees
        return cell_centre(event.cell)
