"""BoundedMemory: what a box remembers has a bound that does not grow with the time it runs.

Of events: no more ids than were spoken within the longest time that one can be fresh; a box that
did not trust its clock took in stale ones too, and has the documented limit alone. Of what boxes
state about themselves: no more entries an author than are shown. Of what waits: the documented
limits. Its subject is a moment in which a bound was needed: more was said than may be remembered.
"""

from collections import deque
from collections.abc import Iterator
from itertools import islice

from crdt.entry import Lane
from crdt.quota import STATUS_ENTRIES_MAX
from mesh.choreography.admission import AdmissionLimits
from mesh.choreography.verdict import Reason
from mesh.mind.hearing import PARKED_MAX
from mesh.testing.checkers import Breach
from mesh.testing.fleets.sight import BoxSight, Sight

__all__ = ["BoundedMemory"]

FRESH_S = 3.0
"""For how long an event can be fresh in a simulated fleet: its age and twice the skew of clocks."""
SLACK_S = 2.0
"""Events are forgotten when the next one is taken in, and looked at every second."""


class BoundedMemory:
    """Nothing that a box remembers grows for ever."""

    def __init__(self) -> None:
        self.subject = 0
        self._window: deque[float] = deque()
        self._spoken = 0
        self._peak = 0
        self._stated = 0

    def look(self, sight: Sight) -> Iterator[Breach]:
        """Compare what is remembered with its bound."""
        members = [box for box in sight.boxes if box.is_up and box.is_honest]
        self._hear(sight)
        is_counted = all(box.is_honest for box in sight.boxes)
        for box in members:
            statistics = box.statistics
            is_timed = not statistics.admission.refused.get(Reason.CLOCK_UNTRUSTED)
            seen_max = self._peak if is_counted and is_timed else AdmissionLimits().seen_max
            for what, held, most in (
                ("ids of events", statistics.admission.seen, seen_max),
                ("facts of unknown authors", statistics.facts.parked, PARKED_MAX),
            ):
                if held > most:
                    yield Breach(box.name, f"remembers {held} {what}; at most {most} can matter")
        if sight.step or sight.is_last:
            for box in members:
                yield from self._stating(box)

    def _hear(self, sight: Sight) -> None:
        """Count the most events within the time for which one can be fresh."""
        for said in islice(sight.spoken.values(), self._spoken, None):
            self._window.append(said.at_s)
            while self._window[0] < said.at_s - FRESH_S - SLACK_S:
                self._window.popleft()
            self._peak = max(self._peak, len(self._window))
        self._spoken = len(sight.spoken)
        self.subject += self._spoken > self._peak

    def _stating(self, box: BoxSight) -> Iterator[Breach]:
        kept: dict[tuple[bytes, int], int] = {}
        for entry in box.entries():
            if entry.lane != Lane.AUTH:
                place = (entry.author, entry.lane)
                kept[place] = kept.get(place, 0) + 1
                self.subject += entry.seq > STATUS_ENTRIES_MAX
        most = max(kept.values(), default=0)
        if most > STATUS_ENTRIES_MAX + 1:
            told = f"keeps {most} statements of one author; {STATUS_ENTRIES_MAX} are shown"
            yield Breach(box.name, told)
