"""What admission can say of a message, and the counting of what it said.

The reasons are exhaustive and every refusal is counted under exactly these words. The outcome of a
reason is one table. Counts are kept per reason, and per reason and author: until the signature is
verified the author is a claim, so only known authors are counted apart (there are boundedly many of
them, and nobody can fill the table with invented ones), and a count says who was *named*.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from mesh.choreography.event import SealedEvent
from mesh.choreography.replay import Gap

__all__ = [
    "OUTCOMES",
    "AdmissionStatistics",
    "Admitted",
    "Ledger",
    "Outcome",
    "Reason",
    "Refusal",
]

_NOBODY = b""
"""Under this author go the counts of nobody known, and those that found no room of their own."""


class Outcome(Enum):
    """What to do with a message, for the router."""

    ACCEPT = "accept"
    FORWARD = "forward"
    IGNORE = "ignore"
    REJECT = "reject"


class Reason(StrEnum):
    """Why an event was not accepted, in the order in which the questions are asked."""

    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    WRONG_TOPIC = "wrong_topic"
    RATE_LIMITED_LINK = "rate_limited_link"
    DUPLICATE = "duplicate"
    STALE = "stale"
    FUTURE = "future"
    UNKNOWN_AUTHOR = "unknown_author"
    BAD_SIGNATURE = "bad_signature"
    REPLAYED = "replayed"
    REVOKED = "revoked"
    SUPERSEDED_KEY = "superseded_key"
    QUARANTINED = "quarantined"
    NOT_GRANTED = "not_granted"
    OUT_OF_AREA = "out_of_area"
    MODEL_NOT_APPROVED = "model_not_approved"
    EXPIRED = "expired"
    RATE_LIMITED_AUTHOR = "rate_limited_author"
    LATE = "late"
    CLOCK_UNTRUSTED = "clock_untrusted"


OUTCOMES: Mapping[Reason, Outcome] = {
    **dict.fromkeys(Reason, Outcome.IGNORE),
    Reason.TOO_LARGE: Outcome.REJECT,
    Reason.MALFORMED: Outcome.REJECT,
    Reason.WRONG_TOPIC: Outcome.REJECT,
    Reason.BAD_SIGNATURE: Outcome.REJECT,
    Reason.LATE: Outcome.FORWARD,
    Reason.CLOCK_UNTRUSTED: Outcome.FORWARD,
}
"""The outcome of each reason; an event of an unknown version is malformed, and ignored."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The judgement on one message.

    Attributes:
        outcome: what the router does with it.
        reason: why it was not accepted; None if it was.
        event: the event, where the bytes are one.
        author: the speaker, only once its signature was verified.
        detail: for people: what was found and what was wanted.
    """

    outcome: Outcome
    reason: Reason | None
    event: SealedEvent | None
    author: bytes | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One message that was not accepted; the name is a claim if the signature was not reached."""

    reason: Reason
    name: str | None
    event_id: bytes | None
    link: bytes
    wall_ms: int
    detail: str


@dataclass(frozen=True, slots=True)
class AdmissionStatistics:
    """What admission did since the start.

    Attributes:
        accepted: events accepted.
        refused: every reason and how often it decided.
        by_author: (`accepted` or the reason, claimed author) and how often; the author is empty
            where it is none that is known.
        gaps: per author what was heard and what at most was missed.
        seen: ids remembered now.
        recent: the last refusals, oldest first.
    """

    accepted: int
    refused: Mapping[str, int]
    by_author: Mapping[tuple[str, bytes], int]
    gaps: Mapping[bytes, Gap]
    seen: int
    recent: tuple[Refusal, ...]


class Ledger:
    """Counts judgements, and keeps the last refusals in full.

    Args:
        counted_max: pairs of word and author that are counted apart.
        refusals_max: refusals kept.
    """

    __slots__ = ("_accepted", "_by_author", "_counted_max", "_recent", "_refused")

    def __init__(self, *, counted_max: int, refusals_max: int) -> None:
        self._accepted = 0
        self._refused = dict.fromkeys(Reason, 0)
        self._by_author: dict[tuple[str, bytes], int] = {}
        self._counted_max = counted_max
        self._recent: deque[Refusal] = deque(maxlen=refusals_max)

    @property
    def accepted(self) -> int:
        """Events accepted."""
        return self._accepted

    def count(self, admitted: Admitted, *, known: bool, link: bytes, wall_ms: int) -> None:
        """Count one judgement; `known` says whether the claimed author is a known one."""
        event, reason = admitted.event, admitted.reason
        word = "accepted" if reason is None else reason.value
        if reason is None:
            self._accepted += 1
        else:
            self._refused[reason] += 1
            name, event_id = (event.name, event.id) if event else (None, None)
            self._recent.append(Refusal(reason, name, event_id, link, wall_ms, admitted.detail))
        key = (word, event.author if event and known else _NOBODY)
        if key not in self._by_author and len(self._by_author) >= self._counted_max:
            key = (word, _NOBODY)
        self._by_author[key] = self._by_author.get(key, 0) + 1

    def statistics(self, *, gaps: Mapping[bytes, Gap], seen: int) -> AdmissionStatistics:
        """Return the counters as they are now."""
        return AdmissionStatistics(
            accepted=self._accepted,
            refused={reason.value: count for reason, count in self._refused.items()},
            by_author=dict(self._by_author),
            gaps=gaps,
            seen=seen,
            recent=tuple(self._recent),
        )
