"""What became of the rollouts of a run, kept for its report: who opened, held and ran what when.

Moves are taken as they were made; what held a rollout in somebody's view is looked at as often as
checkers look, so its ends are known to a virtual second. Kept is a bounded number of both.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from mesh.orchestration.intent import Intent
from mesh.testing.fleets.sight import BoxSight, Sight
from mesh.testing.fleets.sight_rollouts import Move

__all__ = ["Held", "Opened", "Ran", "RolloutRecording", "Story"]

STORIES_MAX = 16
"""Rollouts that are kept."""
MOVES_MAX = 20_000
"""Moves and obstacles that are kept, of all rollouts together."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A box saw a stage open, from 0."""

    at_s: float
    who: str
    stage: int


@dataclass(slots=True)
class Held:
    """For how long something held a rollout in the view of a box, and whether it was its end."""

    who: str
    from_s: float
    to_s: float
    obstacle: str
    is_over: bool


@dataclass(slots=True)
class Ran:
    """For how long a box ran an artefact."""

    from_s: float
    to_s: float
    artefact: bytes


@dataclass(slots=True)
class Story:
    """One rollout.

    Attributes:
        intent: what was signed.
        seen_s: when the first box held it.
        names: who held it.
        opened: what opened to whom, in order.
        held: what held it at whom, in order of the beginnings.
    """

    intent: Intent
    seen_s: float
    names: set[str] = field(default_factory=set[str])
    opened: list[Opened] = field(default_factory=list[Opened])
    held: list[Held] = field(default_factory=list[Held])


class RolloutRecording:
    """The rollouts of one run; `watch` is to be called with every sight.

    Attributes:
        stories: by the id of the intent, in the order in which they were seen first.
        titles: what an artefact is called; what nobody rolled out was delivered.
    """

    def __init__(self) -> None:
        self.stories: dict[bytes, Story] = {}
        self.titles: dict[bytes, str] = {}
        self._ran: dict[bytes, list[Ran]] = {}
        self._names: dict[bytes, str] = {}
        self._held: dict[tuple[bytes, str], Held] = {}
        self._kept = 0

    def watch(self, sight: Sight) -> None:
        """Take down what there is to see."""
        for box in sight.boxes:
            if box.is_up:
                self._look_at(box, sight.now_s)
            self._names[box.key] = box.name
        for move in sight.moves:
            self._note(move)
        for spans in filter(None, self._ran.values()):
            spans[-1].to_s = sight.now_s

    def ran(self) -> Iterator[tuple[str, list[Ran]]]:
        """Yield who ran what, if anything was rolled out."""
        for key, spans in self._ran.items():
            if self.stories and spans:
                yield self._names[key], spans

    def _look_at(self, box: BoxSight, now_s: float) -> None:
        for standing in box.rollouts():
            story = self._story(standing.intent, now_s)
            if story is None:
                continue
            story.names.add(box.name)
            which = (standing.intent.id, box.name)
            before = self._held.pop(which, None)
            if before is not None:
                before.to_s = now_s
            if not standing.obstacle:
                continue
            if before is None or before.obstacle != standing.obstacle:
                before = Held(box.name, now_s, now_s, standing.obstacle, standing.is_over)
                if not self._is_full():
                    story.held.append(before)
            self._held[which] = before

    def _note(self, move: Move) -> None:
        if move.situation is not None:
            self.titles.setdefault(move.artefact, move.situation.intent.title)
        if move.deed == "opened" and move.situation is not None:
            if move.who not in move.situation.names:
                return  # an authority looks on
            story = self._story(move.situation.intent, move.at_s)
            if story is not None and not self._is_full():
                story.names.add(move.who)
                story.opened.append(Opened(move.at_s, move.who, move.stage))
        elif move.deed in ("has", "swapped"):
            spans = self._ran.setdefault(move.key, [])
            if spans:
                spans[-1].to_s = move.at_s
            if (not spans or spans[-1].artefact != move.artefact) and not self._is_full():
                spans.append(Ran(move.at_s, move.at_s, move.artefact))

    def _story(self, intent: Intent, now_s: float) -> Story | None:
        if intent.id not in self.stories and len(self.stories) < STORIES_MAX:
            self.stories[intent.id] = Story(intent, now_s)
            self.titles.setdefault(intent.artefact, intent.title)
        return self.stories.get(intent.id)

    def _is_full(self) -> bool:
        """Whether one more is too many; to be asked before each."""
        self._kept += 1
        return self._kept > MOVES_MAX
