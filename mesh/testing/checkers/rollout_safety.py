"""RolloutSafety: an unproven model runs nowhere but where a stage was opened for it.

The invariant of docs/rollouts.md, at every move of every box. Until a person approves a model, it
runs only on boxes of the widest stage that any view ever opened (and, once the last one is open, on
boxes that were enrolled later). Under `hold` nobody opens a stage, and nobody starts one that was
not open to it before, while it counts itself partitioned. What runs is what was signed: no other
bytes under its digest, and nothing that the box's own view says is withdrawn.

Stages, ranks and what counts as a partition are worked out here once more, from what the box saw.
Its subject is a swap to something that no person had approved.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256

from mesh.orchestration.intent import Intent
from mesh.testing.checkers import Breach
from mesh.testing.fleets.sight import Sight
from mesh.testing.fleets.sight_rollouts import Move, Situation

__all__ = ["RolloutSafety"]


class RolloutSafety:
    """Nobody runs what nothing permits."""

    def __init__(self) -> None:
        self.subject = 0
        self._permitted: dict[bytes, set[str]] = {}
        self._listed: dict[bytes, set[str]] = {}
        self._is_wide_open: set[bytes] = set()
        self._has: dict[bytes, set[bytes]] = {}
        self._runs: dict[bytes, bytes] = {}
        self._most = 0

    def figures(self) -> Mapping[str, float]:
        """The most boxes that ran one unapproved model at one moment."""
        return {"unapproved_boxes": float(self._most)}

    def look(self, sight: Sight) -> Iterator[Breach]:
        """Judge every move since the last look, in its order."""
        for move in sight.moves:
            judge = {
                "has": self._delivered,
                "opened": self._opened,
                "started": self._started,
                "swapped": self._swapped,
            }[move.deed]
            for evidence in judge(move):
                yield Breach(move.who, f"at {move.at_s:.1f} s it {evidence}")

    def _delivered(self, move: Move) -> Iterator[str]:
        self._has.setdefault(move.key, set()).add(move.artefact)
        yield from ()

    def _opened(self, move: Move) -> Iterator[str]:
        found = move.situation
        assert found is not None, "a stage is opened of an intent"
        ranked = ranked_names(found.intent, found.names)
        size = stage_size(found.intent, move.stage, len(ranked))
        self._permitted.setdefault(move.artefact, set()).update(ranked[:size])
        self._listed.setdefault(move.artefact, set()).update(ranked)
        if move.stage == len(found.intent.stages) - 1:
            self._is_wide_open.add(move.artefact)
        if _is_held(move, found) and move.stage > found.promoted:
            yield f"opened stage {move.stage} of {found.intent.title} though {_away(found)}"

    def _started(self, move: Move) -> Iterator[str]:
        found = move.situation
        assert found is not None, "an attempt is at an intent"
        stage = stage_of(found.intent, found.names, move.who)
        if _is_held(move, found) and stage > max(found.opened, found.promoted):
            yield (
                f"started {found.intent.title}, whose stage {stage} was not open to it before, "
                f"though {_away(found)}"
            )

    def _swapped(self, move: Move) -> Iterator[str]:
        artefact, found = move.artefact, move.situation
        title = artefact.hex()[:12] if found is None else found.intent.title
        self._runs[move.key] = artefact
        if move.is_withdrawn:
            yield f"swapped to {title}, which it knew to be withdrawn"
        if not move.is_genuine:
            yield f"swapped to {title}, and its bytes are not those that were signed"
        if move.is_approved or artefact in self._has.get(move.key, ()):
            return
        self.subject += 1
        self._most = max(self._most, sum(each == artefact for each in self._runs.values()))
        is_late = artefact in self._is_wide_open and move.who not in self._listed.get(artefact, ())
        if not is_late and move.who not in self._permitted.get(artefact, ()):
            yield f"swapped to {title}, and no view had opened a stage of it that holds this box"


def ranked_names(intent: Intent, names: frozenset[str]) -> list[str]:
    """Return the cohort in the order in which its names start."""
    return sorted(names, key=lambda name: (sha256(intent.artefact + name.encode()).digest(), name))


def stage_of(intent: Intent, names: frozenset[str], who: str) -> int:
    """Return the first stage that holds a name; the last for who was enrolled later."""
    stages = len(intent.stages)
    if who not in names:
        return stages - 1
    place = ranked_names(intent, names).index(who)
    holding = (n for n in range(stages) if place < stage_size(intent, n, len(names)))
    return next(holding, stages)


def stage_size(intent: Intent, stage: int, count: int) -> int:
    """Return how many names a stage holds: its share rounded up, and two at least."""
    return max(-(-intent.stages[stage].share_ppm * count // 1_000_000), min(2, count))


def _is_held(move: Move, found: Situation) -> bool:
    """Whether nothing may open to a box here: it is on one side of a partition, under `hold`."""
    if found.intent.on_partition != "hold" or move.is_approved:
        return False
    unknown, away, count = _gone(found)
    return (unknown >= 2 and unknown * 5 > count) or (count >= 3 and away * 2 >= count)


def _gone(found: Situation) -> tuple[int, int, int]:
    """Return how many names are unknown, how many are not seen, and how many there are."""
    away = found.current - found.seen
    return len(away - found.dark), len(away), len(found.current)


def _away(found: Situation) -> str:
    unknown, away, count = _gone(found)
    return f"it saw {count - away} of {count} names, {unknown} unknown, and its rollout holds"
