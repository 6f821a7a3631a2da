"""Admission: may this event be heard, and may it travel on? The first failure decides.

    too_large R · malformed R (unknown version: I) · wrong_topic R · rate_limited_link I ·
    duplicate I · stale I · future I · unknown_author I · bad_signature R · replayed I · revoked I ·
    superseded_key I · quarantined I · not_granted I · out_of_area I · model_not_approved I ·
    expired I · rate_limited_author I · late F · clock_untrusted F

R = reject and penalise the sender: only what is wrong in every view. I = ignore: whatever depends
on our view or our clock, because a peer that learned a grant earlier is no attacker. F = forward
without delivering: good for others, too late (or of unknown age) for us.

The questions are asked in the order of their cost, and the signature comes as late as it can.
Before it nothing is known to be true, so nothing is remembered: up to there admission only reads,
the token bucket of the link apart, which charges the one party that is certain. What is remembered
of an author (ids seen, numbers consumed, gaps, its token bucket) changes only after its signature.
An event is *consumed* when it is accepted or forwarded.

While our own clock is untrusted we cannot judge age: `stale`, `future`, `expired` and `late` are
not asked, and whatever passes the rest is `clock_untrusted`. An event sealed before we started is
`stale`. All state is bounded. See docs/architecture.md, "An event".
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from mesh.choreography.event import (
    EVENT_SIZE_MAX,
    InvalidEventError,
    SealedEvent,
    Verify,
    parse_event,
    verify_event,
)
from mesh.choreography.rates import Rate, TokenBuckets
from mesh.choreography.replay import ReplayWindow
from mesh.choreography.scope import Reach
from mesh.choreography.topics import district_of, event_topic
from mesh.choreography.verdict import (
    OUTCOMES,
    AdmissionStatistics,
    Admitted,
    Ledger,
    Outcome,
    Reason,
)
from mesh.units import MS, Instant

__all__ = [
    "Admission",
    "AdmissionLimits",
    "AdmissionStatistics",
    "EventConstants",
    "PublishAnswer",
    "TrustQuestions",
]

_topic_of = lru_cache(maxsize=1024)(event_topic)
"""The topics of the neighbourhood, written once each."""


class EventConstants(Protocol):
    """What genesis fixes about events."""

    @property
    def district_depth(self) -> int:
        """Segments of a name that are its district."""
        ...

    @property
    def h3_resolution(self) -> int:
        """Resolution of the cells that are topics."""
        ...

    @property
    def event_age_ms_max(self) -> int:
        """Maximum age of an event, milliseconds."""
        ...

    @property
    def clock_skew_ms_max(self) -> int:
        """Assumed disagreement of two trusted clocks, milliseconds."""
        ...


class PublishAnswer(Protocol):
    """Whether a pair may publish, and if not why, in the words of `Reason`."""

    @property
    def reason(self) -> str | None:
        """None for yes."""
        ...

    @property
    def detail(self) -> str:
        """For people: what is held and what was wanted."""
        ...

    def at(self, now: Instant) -> "PublishAnswer":
        """The answer as it is by a clock: a grant may have expired."""
        ...


class TrustQuestions(Protocol):
    """What admission asks of trust."""

    def known_author(self, key: bytes) -> bool:
        """Whether the key's chain of grants ever led to genesis."""
        ...

    def may_publish(
        self, key: bytes, name: str, event_type: str, cell: bytes, model: bytes | None
    ) -> PublishAnswer:
        """Whether (key, name) may publish this type, there, with that model."""
        ...


LINK_RATE = Rate(per_s=1000, burst=2000)
"""A link carries what a whole neighbourhood says; 60 ms of signatures a second."""
AUTHOR_RATE = Rate(per_s=50, burst=200)
"""A camera confirms at frame rate, and a queue holds a burst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """The bounds of admission.

    Attributes:
        link: messages of one link.
        author: events of one author.
        links_max: buckets of links kept; above the number of links a box can have.
        authors_max: buckets and replay windows of authors kept.
        seen_max: ids kept beside their time, about 100 bytes each; a burst of one second.
        counted_max: pairs of reason and author that are counted apart.
        refusals_max: last refusals kept in full, to be shown to people.
    """

    link: Rate = LINK_RATE
    author: Rate = AUTHOR_RATE
    links_max: int = 256
    authors_max: int = 1024
    seen_max: int = 16384
    counted_max: int = 1024
    refusals_max: int = 64


class Admission:
    """Judges events one by one.

    Args:
        ns: our fleet, 16 bytes.
        constants: what genesis fixes.
        trust: who may say what.
        started: when this process started.
        limits: the bounds.
        verify: checks a signature.
    """

    def __init__(
        self,
        ns: bytes,
        constants: EventConstants,
        trust: TrustQuestions,
        *,
        started: Instant,
        limits: AdmissionLimits | None = None,
        verify: Verify = verify_event,
    ) -> None:
        limits = limits or AdmissionLimits()
        self._ns = ns
        self._trust = trust
        self._verify = verify
        self._started = started
        self._limits = limits
        self._district_depth = constants.district_depth
        self._resolution = constants.h3_resolution
        self._future_ms = constants.clock_skew_ms_max
        self._stale_ms = constants.event_age_ms_max + constants.clock_skew_ms_max
        self._links = TokenBuckets[bytes](limits.link, keys_max=limits.links_max)
        self._authors = TokenBuckets[bytes](limits.author, keys_max=limits.authors_max)
        self._replay = ReplayWindow(authors_max=limits.authors_max)
        self._seen: OrderedDict[bytes, int] = OrderedDict()  # id → forget at mono_ns
        self._ledger = Ledger(counted_max=limits.counted_max, refusals_max=limits.refusals_max)

    def __repr__(self) -> str:
        return f"<Admission accepted={self._ledger.accepted} seen={len(self._seen)}>"

    def admit(self, topic: str, wire: bytes, link_peer: bytes, now: Instant) -> Admitted:
        """Judge one message, count it, and remember it if it is consumed. Total over bytes.

        Args:
            topic: the topic that it came on.
            wire: the message's data.
            link_peer: public key of the peer whose link brought it.
            now: both clocks.
        """
        admitted = self._judge(topic, wire, link_peer, now)
        known = admitted.event is not None and self._trust.known_author(admitted.event.author)
        self._ledger.count(admitted, known=known, link=link_peer, wall_ms=now.wall_ms)
        return admitted

    def link_removed(self, link_peer: bytes) -> None:
        """Forget the token bucket of a link that is gone for good."""
        self._links.forget(link_peer)

    def statistics(self) -> AdmissionStatistics:
        """Return the counters as they are now."""
        return self._ledger.statistics(gaps=self._replay.gaps(), seen=len(self._seen))

    def _judge(self, topic: str, wire: bytes, link_peer: bytes, now: Instant) -> Admitted:
        if len(wire) > EVENT_SIZE_MAX:
            return _refused(Reason.TOO_LARGE, detail=f"have={len(wire)} want<={EVENT_SIZE_MAX}")
        try:
            event = parse_event(wire)
        except InvalidEventError as error:
            unknown = error.reason == "unknown_version"
            outcome = Outcome.IGNORE if unknown else Outcome.REJECT
            return Admitted(outcome, Reason.MALFORMED, None, None, str(error))
        reason, detail = self._before_signature(event, topic, link_peer, now)
        if reason is not None:
            return _refused(reason, event, detail=detail)
        if not self._verify(event):
            return _refused(Reason.BAD_SIGNATURE, event)
        reason, detail = self._after_signature(event, now)
        if reason is not None:
            return _refused(reason, event, event.author, detail)
        self._consume(event, now)
        late_ms = now.wall_ms - event.time_ms - event.ttl_ms
        if not now.wall_trusted:
            return _refused(Reason.CLOCK_UNTRUSTED, event, event.author)
        if late_ms > 0:
            return _refused(Reason.LATE, event, event.author, f"by={late_ms} ms")
        return Admitted(Outcome.ACCEPT, None, event, event.author)

    def _before_signature(
        self, event: SealedEvent, topic: str, link_peer: bytes, now: Instant
    ) -> tuple[Reason | None, str]:
        """The cheap questions; only the link's bucket changes."""
        wanted = self._topic(event)
        if topic != wanted:
            return Reason.WRONG_TOPIC, f"have={topic} want={wanted}"
        if not self._links.take(link_peer, now.mono_ns):
            return Reason.RATE_LIMITED_LINK, ""
        if event.id in self._seen or self._consumed(event) == event.id:
            return Reason.DUPLICATE, ""
        if now.wall_trusted:
            age_ms = now.wall_ms - event.time_ms
            if age_ms > self._stale_ms or event.time_ms < self._started_wall_ms(now):
                return Reason.STALE, f"have={age_ms} ms want<={self._stale_ms} ms and our start"
            if -age_ms > self._future_ms:
                return Reason.FUTURE, f"have={-age_ms} ms want<={self._future_ms} ms"
        if not self._trust.known_author(event.author):
            return Reason.UNKNOWN_AUTHOR, event.author.hex()
        return None, ""

    def _after_signature(self, event: SealedEvent, now: Instant) -> tuple[Reason | None, str]:
        """The questions about the speaker; its token bucket is charged last."""
        if self._consumed(event) is not None:
            return Reason.REPLAYED, f"number={event.boot.hex()}-{event.n}"
        answer = self._trust.may_publish(
            event.author, event.name, event.type, event.cell, event.model
        ).at(now)
        if answer.reason is not None:
            return Reason(answer.reason), answer.detail
        if not self._authors.take(event.author, now.mono_ns):
            return Reason.RATE_LIMITED_AUTHOR, ""
        return None, ""

    def _topic(self, event: SealedEvent) -> str | None:
        """The one topic that the event may come on; None if there is none."""
        if event.ns != self._ns:
            return None
        if event.scope is Reach.CELL and event.cell[1] >> 4 != self._resolution:
            return None
        district = district_of(event.name, self._district_depth)
        return _topic_of(self._ns, event.scope, event.cell, district)

    def _started_wall_ms(self, now: Instant) -> int:
        """When we started, on the wall clock as it is set now."""
        return now.wall_ms - (now.mono_ns - self._started.mono_ns) // MS

    def _consumed(self, event: SealedEvent) -> bytes | None:
        return self._replay.consumed(event.author, event.boot, event.n)

    def _consume(self, event: SealedEvent, now: Instant) -> None:
        """Remember the id for as long as the event can be fresh, and the number."""
        while self._seen:
            oldest, forget_ns = next(iter(self._seen.items()))
            if forget_ns > now.mono_ns and len(self._seen) < self._limits.seen_max:
                break
            del self._seen[oldest]
        fresh_ms = self._stale_ms + self._future_ms
        self._seen[event.id] = now.mono_ns + (fresh_ms + 1) * MS
        self._replay.consume(event.author, event.boot, event.n, event.id)


def _refused(
    reason: Reason,
    event: SealedEvent | None = None,
    author: bytes | None = None,
    detail: str = "",
) -> Admitted:
    return Admitted(OUTCOMES[reason], reason, event, author, detail)
