"""What a node must learn about itself: that its name was taken, and that nobody accepts its events.

Whoever refuses an event tells the sender nothing, for it may be an attacker. But the speaker can
judge its own event as the others do, by its own view. What that view refuses is sent all the same,
since others may know better; it is counted, and told once for each reason and model. A pair that
stopped being current is told at once, and so is one that is current again.
"""

from collections.abc import Mapping
from types import MappingProxyType

from crdt.standing import Pair
from mesh.choreography.event import SealedEvent
from mesh.coordination.displaced import Displaced, displaced
from mesh.coordination.trust import Refused
from mesh.mind.cores import Cores
from mesh.mind.effects import OwnStanding, Unheard

__all__ = ["Heeding"]

COUNTED_MAX = 64
"""Reasons and models that are counted apart; a box runs a few models."""


class Heeding:
    """How one node stands in its own view."""

    __slots__ = ("_cores", "_displaced", "_unheard")

    def __init__(self, cores: Cores) -> None:
        self._cores = cores
        self._displaced: Displaced | None = None
        self._unheard: dict[tuple[Refused, bytes | None], int] = {}

    @property
    def displaced(self) -> Displaced | None:
        """Why our pair is not current; None while it is."""
        return self._displaced

    @property
    def unheard(self) -> Mapping[tuple[Refused, bytes | None], int]:
        """(Reason, model) → our own events that our own view refuses, since the start."""
        return MappingProxyType(self._unheard)

    def views_changed(self) -> None:
        """Look how we stand now, and tell it if that is news."""
        cores = self._cores
        now = displaced(cores.replica, Pair(cores.public, cores.config.name))
        if now != self._displaced:
            self._displaced = now
            cores.out.append(OwnStanding(now))

    def published(self, event: SealedEvent) -> None:
        """Judge an event of ours as others will, and tell once what they will say."""
        answer = self._cores.trust.may_publish(
            event.author, event.name, event.type, event.cell, event.model
        ).at(self._cores.now)
        if answer.reason is None:
            return
        model = event.model if answer.reason is Refused.MODEL_NOT_APPROVED else None
        key = (answer.reason, model)
        if key not in self._unheard and len(self._unheard) >= COUNTED_MAX:
            key = (answer.reason, None)
        if key not in self._unheard:
            unheard = Unheard(answer.reason, event.name, event.type, model, answer.detail)
            self._cores.out.append(unheard)
        self._unheard[key] = self._unheard.get(key, 0) + 1
