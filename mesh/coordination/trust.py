"""Trust questions: may this key say that, and what kind of peer is it?

The answers are read from the folded views and from nothing else. "May box 247 publish this?" is:
the pair (key, name) is current, and it holds a capability `publish` over its own name that covers
the event type and the cell, and, where that capability asks for a model, the digest is an accepted
one for this type and place. A refusal names the first of these that fails, in this order: revoked,
superseded_key, quarantined, not_granted, out_of_area, model_not_approved.

Whether a grant has expired is the one thing that depends on the time, and so it is no part of the
answer: a yes says until when it holds, and whoever acts on it asks its own clock.

A peer is a *member* if one of its pairs is current, *known* if its key's chain of grants ever led
to genesis, whatever was cut since, and a *stranger* otherwise.

Answers are remembered while the views are the same objects: a view is never changed, it is replaced
(docs/records.md). So asking again costs one look into a table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from crdt.registers import Register
from crdt.standing import Authority, Pair, Standing
from identity.capability import permits
from mesh.coordination.models import Models
from mesh.units import Instant

__all__ = [
    "Acceptance",
    "Answer",
    "PeerClass",
    "PeerSort",
    "Refused",
    "Trust",
    "TrustView",
    "refusal_of",
]

ANSWERS_MAX = 4096
"""Answers remembered; when they are more, all are forgotten (a fleet asks the same few)."""


class Refused(StrEnum):
    """Why trust says no, the first that applies."""

    UNKNOWN_AUTHOR = "unknown_author"
    REVOKED = "revoked"
    SUPERSEDED_KEY = "superseded_key"
    QUARANTINED = "quarantined"
    NOT_GRANTED = "not_granted"
    OUT_OF_AREA = "out_of_area"
    MODEL_NOT_APPROVED = "model_not_approved"
    EXPIRED = "expired"


class PeerClass(StrEnum):
    """What a linked peer may do: everything, synchronise authority, or introduce itself."""

    MEMBER = "member"
    KNOWN = "known"
    STRANGER = "stranger"


@dataclass(frozen=True, slots=True)
class Answer:
    """Yes, or no with a reason and, for people, what is held and what was wanted.

    Attributes:
        reason: None for yes.
        detail: what is held and what was wanted.
        expires_ms: when a yes ends, wall clock; None for never.
    """

    reason: Refused | None = None
    detail: str = ""
    expires_ms: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the answer is yes, until it expires."""
        return self.reason is None

    def at(self, now: Instant) -> "Answer":
        """Return the answer as it is by a clock; a clock that is not trusted ends nothing."""
        if (
            self.reason is not None
            or self.expires_ms is None
            or not now.has_passed(self.expires_ms)
        ):
            return self
        return Answer(Refused.EXPIRED, f"have={now.wall_ms} ms want<{self.expires_ms} ms")


@dataclass(frozen=True, slots=True)
class PeerSort:
    """The class of a peer, and why it is no member."""

    peer_class: PeerClass
    reason: Refused | None = None


class TrustView(Protocol):
    """The views that trust reads; a replica is one."""

    @property
    def authority(self) -> Authority:
        """Who holds what; another object whenever it changed."""
        ...

    @property
    def registers(self) -> Mapping[str, Register]:
        """The multi-writer registers; another object whenever they changed."""
        ...

    def is_known_author(self, key: bytes) -> bool:
        """Whether the key's chain of grants ever led to genesis."""
        ...


class Acceptance(Protocol):
    """Which models events may name."""

    def accepts(self, digest: bytes, event_type: str, cell: bytes) -> bool:
        """Whether events of this type in this cell may name this digest."""
        ...


def _approved(registers: Mapping[str, Register], models: Models) -> Acceptance:
    del registers
    return models


_Question = tuple[bytes, str, str, bytes, bytes | None]


class Trust:
    """Answers trust questions from views.

    Args:
        view: the views, read anew at every question.
        candidates: tells which models are heard besides those on record as accepted.
    """

    __slots__ = (
        "_answers", "_authority", "_candidates", "_candidates_in", "_models", "_registers",
        "_sorts", "_view",
    )  # fmt: skip

    def __init__(
        self,
        view: TrustView,
        candidates: Callable[[Mapping[str, Register], Models], Acceptance] = _approved,
    ) -> None:
        self._view = view
        self._authority = view.authority
        self._registers = view.registers
        self._models = Models(self._registers)
        self._candidates_in = candidates
        self._candidates = candidates(self._registers, self._models)
        self._answers: dict[_Question, Answer] = {}
        self._sorts: dict[bytes, PeerSort] = {}

    def __repr__(self) -> str:
        return f"<Trust {len(self._authority.standings)} pairs, {len(self._answers)} answers>"

    @property
    def models(self) -> Models:
        """The model records of the current view."""
        self._refresh()
        return self._models

    def known_author(self, key: bytes) -> bool:
        """Whether the key's chain of grants ever led to genesis; revoked keys stay known."""
        return self._view.is_known_author(key)

    def may_publish(
        self, key: bytes, name: str, event_type: str, cell: bytes, model: bytes | None
    ) -> Answer:
        """Whether the pair (key, name) may publish an event.

        Args:
            key: the author, 32 bytes.
            name: the name it speaks under.
            event_type: such as `traffic.near_miss`.
            cell: H3 cell where it happened, 8 bytes.
            model: digest it was made with, 32 bytes, or None.
        """
        self._refresh()
        question = (key, name, event_type, cell, model)
        answer = self._answers.get(question)
        if answer is None:
            if len(self._answers) >= ANSWERS_MAX:
                self._answers.clear()
            answer = self._answers[question] = self._publish(*question)
        return answer

    def peer_class(self, key: bytes) -> PeerSort:
        """Sort a peer; for one that is no member the reason is that of its first pair by name."""
        self._refresh()
        sort = self._sorts.get(key)
        if sort is None:
            if len(self._sorts) >= ANSWERS_MAX:
                self._sorts.clear()
            sort = self._sorts[key] = self._sort(key)
        return sort

    def _refresh(self) -> None:
        authority, registers = self._view.authority, self._view.registers
        if registers is not self._registers:
            self._registers = registers
            self._models = Models(registers)
            self._candidates = self._candidates_in(registers, self._models)
        elif authority is self._authority:
            return
        self._authority = authority
        self._answers.clear()
        self._sorts.clear()

    def _publish(
        self, key: bytes, name: str, event_type: str, cell: bytes, model: bytes | None
    ) -> Answer:
        standing = self._authority.standings.get(Pair(key, name))
        reason = refusal_of(standing)
        if standing is None or reason is not None:
            return Answer(reason, f"pair={key.hex()[:12]} {name}")
        typed = [
            capability
            for capability in standing.capabilities
            if permits(capability, verb="publish", name=name, event=event_type)
        ]
        if not typed:
            return Answer(Refused.NOT_GRANTED, f"have=none want=publish {event_type} as {name}")
        placed = [
            capability
            for capability in typed
            if permits(capability, verb="publish", name=name, event=event_type, cell=cell)
        ]
        if not placed:
            return Answer(Refused.OUT_OF_AREA, f"have={cell.hex()} want=a cell of the grant")
        yes = Answer(expires_ms=standing.expires_ms)
        if all(capability.model for capability in placed):
            return self._model(event_type, cell, model) or yes
        return yes

    def _model(self, event_type: str, cell: bytes, model: bytes | None) -> Answer | None:
        """Return the refusal of a model, None if it is accepted."""
        if model is not None and any(
            heard.accepts(model, event_type, cell) for heard in (self._models, self._candidates)
        ):
            return None
        accepted = ",".join(digest.hex()[:12] for digest in self._models.accepted(event_type, cell))
        held = "none" if model is None else model.hex()[:12]
        return Answer(Refused.MODEL_NOT_APPROVED, f"have={held} want={accepted or 'none'}")

    def _sort(self, key: bytes) -> PeerSort:
        standings = [self._authority.standings[pair] for pair in self._authority.pairs_of(key)]
        if any(standing.current for standing in standings):
            return PeerSort(PeerClass.MEMBER)
        if standings:
            return PeerSort(PeerClass.KNOWN, refusal_of(standings[0]))
        if self._view.is_known_author(key):
            return PeerSort(PeerClass.KNOWN, Refused.NOT_GRANTED)
        return PeerSort(PeerClass.STRANGER, Refused.UNKNOWN_AUTHOR)


def refusal_of(standing: Standing | None) -> Refused | None:
    """The first reason why a pair is not current, or None if it is."""
    if standing is None:
        return Refused.NOT_GRANTED
    if standing.revoked:
        return Refused.REVOKED
    if not standing.winning:
        return Refused.SUPERSEDED_KEY
    return Refused.QUARANTINED if standing.undecided else None
