"""NoForgery: what is heard was said by the one whose name it bears, and so was what is held.

Two ledgers that no code of the product writes: the world notes each event where it is published,
and each entry's signature is checked here once more, outside of the paths that a box takes. Its
subject is an attempt: something refused for its signature, its number or its unknown author.
"""

from collections.abc import Iterator

from crdt.entry import verify_entry
from mesh.testing.checkers import Breach
from mesh.testing.fleets.sight import BoxSight, Sight

__all__ = ["NoForgery"]

ATTEMPTS = ("bad_signature", "replayed", "unknown_author")
"""Reasons of refusal that only a liar, or a stranger, gives."""


class NoForgery:
    """Nobody hears an event that its author did not publish, or holds a fact it did not sign."""

    def __init__(self) -> None:
        self.subject = 0
        self._genuine: set[bytes] = set()

    def look(self, sight: Sight) -> Iterator[Breach]:
        """Compare what was heard with what was said, and at each step check what is held."""
        turned = {box.key for box in sight.boxes if not box.is_honest}
        for heard in sight.deliveries:
            event = heard.event
            spoken = sight.spoken.get(event.id)
            if event.author in turned:
                continue
            if spoken is None or (spoken.key, spoken.name) != (event.author, event.name):
                told = f"heard an event of {event.name} that {event.name} never published"
                yield Breach(heard.receiver, told)
        members = [box for box in sight.boxes if box.is_up and box.is_honest]
        self.subject = max(self.subject, sum(_attempts(box) for box in members))
        if sight.step or sight.is_last:
            for box in members:
                yield from self._held(box)

    def _held(self, box: BoxSight) -> Iterator[Breach]:
        for entry in box.entries():
            if entry.id in self._genuine:
                continue
            if not verify_entry(entry):
                told = f"holds {entry!r}, which its author's key did not sign"
                yield Breach(box.name, told)
            self._genuine.add(entry.id)


def _attempts(box: BoxSight) -> int:
    statistics = box.statistics
    refused = statistics.admission.refused
    return sum(refused[reason] for reason in ATTEMPTS) + statistics.facts.rejected
