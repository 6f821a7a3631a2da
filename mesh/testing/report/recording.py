"""What a run looked like, kept for its report: views over time, what was heard, what spread.

A recording watches the sights that checkers look at, so it is the same for a simulated fleet and
for real processes. It is bounded: of events only so many a second keep their way, all are counted.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crdt.entry import Lane
from mesh.testing.fleets.sight import BoxSight, Fact, Sight
from mesh.testing.report.recording_rollouts import RolloutRecording
from mesh.testing.scenarios.steps import Step

__all__ = ["LATENCY_MS", "Band", "Deed", "Heard", "Recording", "Span", "Spread", "Timed"]

LATENCY_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0)
"""Upper bounds of the classes of latency; a last one has none."""
HEARD_A_SECOND_MAX = 16
"""Events that are kept a virtual second, with who said and who heard them."""
HEARD_MAX = 20_000
"""Events that are kept in all."""
FACTS_MAX = 40
"""Facts whose way is followed."""
BOXES_FOLLOWED_MAX = 64
"""Members that are looked through for facts."""


@dataclass(slots=True)
class Span:
    """For how long a member held one view; `view` is None while it was down."""

    from_s: float
    to_s: float
    view: int | None


@dataclass(frozen=True, slots=True)
class Heard:
    """An event on its way from who said to who heard it."""

    said_s: float
    speaker: str
    heard_s: float
    listener: str


@dataclass(slots=True)
class Spread:
    """A fact, and when each member was first seen to hold it."""

    fact: Fact
    held_s: dict[str, float] = field(default_factory=dict[str, float])
    all_s: float | None = None


@dataclass(frozen=True, slots=True)
class Timed:
    """A step, its number from 1, and when it was done."""

    number: int
    at_s: float
    step: Step


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was done, its number from 1, when, and in words."""

    number: int
    at_s: float
    words: str


@dataclass(frozen=True, slots=True)
class Band:
    """Who was cut off from when to when; `label` is what the cut is called."""

    label: str
    from_s: float
    to_s: float
    names: frozenset[str]


class Recording:
    """One run; `watch` is to be called with every sight.

    Args:
        name: of the run.
        planned: the steps of its scenario; none if it is driven by hand.
        keeps_last: whether of very many events the last are kept, not the first.

    Attributes:
        lines: of each member, by its name, its spans in order.
        agreement: how many views there were among members, by when that changed.
        heard: events on their way, as many as are kept.
        heard_count: how many were heard in all.
        latencies: how many fell into each class of latency; the last has no bound.
        spreads: facts on their way.
        steps: what was done, as far as the run came.
        deeds: what was done where no steps say it.
        cut_off: who was cut off where no steps say it.
        rollouts: what became of those.
        begin_s: when it began.
        end_s: when it ended.
    """

    def __init__(
        self, name: str, planned: Sequence[Step] = (), *, keeps_last: bool = False
    ) -> None:
        self.name = name
        self._planned = planned
        self._keeps_last = keeps_last
        self.lines: dict[str, list[Span]] = {}
        self.agreement: list[tuple[float, int]] = []
        self.heard: list[Heard] = []
        self.heard_count = 0
        self.latencies = [0] * (len(LATENCY_MS) + 1)
        self.slowest_ms = 0.0
        self.spreads: list[Spread] = []
        self.steps: list[Timed] = []
        self.deeds: list[Deed] = []
        self.cut_off: list[Band] = []
        self.rollouts = RolloutRecording()
        self.begin_s = self.end_s = 0.0
        self._views: dict[bytes, int] = {}
        self._a_second: Counter[int] = Counter()

    @property
    def views(self) -> int:
        """How many views there were."""
        return len(self._views)

    def watch(self, sight: Sight) -> None:
        """Take down what there is to see."""
        self.end_s = sight.now_s
        if sight.step and len(self.steps) < len(self._planned):
            number = len(self.steps)
            self.steps.append(Timed(number + 1, sight.now_s, self._planned[number]))
        views = {box.authority.digest for box in sight.members}
        if not self.agreement or self.agreement[-1][1] != len(views):
            self.agreement.append((sight.now_s, len(views)))
        for box in sight.boxes:
            self._line(box, sight.now_s)
        self._hear(sight)
        self._follow(sight)
        self.rollouts.watch(sight)

    def _line(self, box: BoxSight, now_s: float) -> None:
        view = None
        if box.is_up:
            view = self._views.setdefault(box.authority.digest, len(self._views) + 1)
        spans = self.lines.setdefault(box.name, [])
        if spans:
            spans[-1].to_s = now_s
        if not spans or spans[-1].view != view:
            spans.append(Span(now_s, now_s, view))

    def _hear(self, sight: Sight) -> None:
        for delivered in sight.deliveries:
            said = sight.spoken.get(delivered.event.id)
            speaker, said_s = delivered.event.name, None
            if said is not None:
                speaker, said_s = said.name, said.at_s
            self.hear(speaker, said_s, delivered.at_s, delivered.receiver)

    def hear(self, speaker: str, said_s: float | None, heard_s: float, listener: str) -> None:
        """Take down that an event was heard; `said_s` is None where nobody knows when it was."""
        self.heard_count += 1
        if said_s is not None:
            late_ms = (heard_s - said_s) * 1000
            self.latencies[bisect_right(LATENCY_MS, late_ms)] += 1
            self.slowest_ms = max(self.slowest_ms, late_ms)
        second = int(heard_s)
        self._a_second[second] += 1
        if self._keeps_last and len(self.heard) == HEARD_MAX:
            del self.heard[: HEARD_MAX // 2]
        if len(self.heard) < HEARD_MAX and self._a_second[second] <= HEARD_A_SECOND_MAX:
            began_s = heard_s if said_s is None else said_s
            self.heard.append(Heard(began_s, speaker, heard_s, listener))

    def _follow(self, sight: Sight) -> None:
        """Note who holds what people wrote."""
        fresh: Sequence[Fact] = sight.facts[len(self.spreads) : FACTS_MAX]
        self.spreads += [Spread(fact) for fact in fresh]
        waiting = [spread for spread in self.spreads if spread.all_s is None]
        if not waiting:
            return
        boxes = [box for box in sight.boxes if box.is_up][:BOXES_FOLLOWED_MAX]
        for box in boxes:
            lacked = {each.fact.entry.id: each for each in waiting if box.name not in each.held_s}
            for entry in box.entries() if lacked else ():
                if entry.lane == Lane.AUTH and entry.id in lacked:
                    lacked[entry.id].held_s[box.name] = sight.now_s
        names = {box.name for box in sight.members} & {box.name for box in boxes}
        for spread in waiting:
            if names <= spread.held_s.keys():
                spread.all_s = sight.now_s

    def share_of_latencies(self, share: float) -> float | None:
        """Return the bound below which a share of all latencies lies, ms; None where none does."""
        passed, total = 0, sum(self.latencies)
        for bound, count in zip(LATENCY_MS, self.latencies, strict=False):
            passed += count
            if total and passed >= share * total:
                return bound
        return None

    def bins(self) -> list[tuple[str, int]]:
        """Return the classes of latency with their counts, from the first that has any."""
        labels = [*(f"{bound:g}" for bound in LATENCY_MS), "more"]
        counted = list(zip(labels, self.latencies, strict=True))
        used = [number for number, (_, count) in enumerate(counted) if count]
        return counted[used[0] : used[-1] + 1] if used else []

    def members(self) -> Mapping[str, list[Span]]:
        """Return the lines, bank by bank, and in a bank in the order of names."""
        return dict(sorted(self.lines.items(), key=lambda item: _order(item[0])))


def _order(name: str) -> tuple[int, bool, int, str]:
    """North, then the centre, then south; stewards first; boxes by their number."""
    bank, _, rest = name.partition("/")
    place = {"north": 0, "south": 2}.get(bank, 1)
    digits = "".join(filter(str.isdigit, rest))
    return place, bool(digits), int(digits or 0), name
