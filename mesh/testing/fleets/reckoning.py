"""What a world counts from look to look, whichever world it is."""

from collections import Counter
from collections.abc import Mapping

from mesh.mind.statistics import MindStatistics
from mesh.testing.fleets.sight import Sight

__all__ = ["Reckoning"]


class Reckoning:
    """Adds up what was seen; boxes tell their counts anew after each start.

    Args:
        deeds: what was counted of the deeds; it grows by what is seen.
    """

    def __init__(self, deeds: Counter[str]) -> None:
        self._deeds = deeds
        self._lives: dict[tuple[bytes, int], Counter[str]] = {}
        self._looked_s = 0.0

    def take(self, key: bytes, life: int, statistics: MindStatistics) -> None:
        """Take what a box counted in one of its lives so far."""
        self._lives[key, life] = _counted_in(statistics)

    def look(self, sight: Sight) -> None:
        """Count what was heard, and for how long something was cut, unseen or views differed."""
        passed_ms = round((sight.now_s - self._looked_s) * 1000)
        self._looked_s = sight.now_s
        members = sight.members
        views = {box.authority.digest for box in members}
        keys = {box.key for box in members}
        is_seen = all(keys - {box.key} <= set(box.seen) for box in members)
        self._deeds["cut_ms"] += 0 if sight.is_whole else passed_ms
        self._deeds["differed_ms"] += passed_ms if len(views) > 1 else 0
        self._deeds["unseen_ms"] += 0 if is_seen else passed_ms
        self._deeds["deliveries"] += len(sight.deliveries)

    def told(self, **more: int) -> Mapping[str, int]:
        """Return all counts by name, ascending, and what else there is to tell."""
        total = Counter(self._deeds)
        total["seconds_cut"] = total.pop("cut_ms", 0) // 1000
        total["views_differed_s"] = total.pop("differed_ms", 0) // 1000
        total["unseen_s"] = total.pop("unseen_ms", 0) // 1000
        total["restarts"] = len(self._lives) - len({key for key, _ in self._lives})
        total.update(more)
        for counted in self._lives.values():
            total.update(counted)
        return {name: total[name] for name in sorted(total)}


def _counted_in(told: MindStatistics) -> Counter[str]:
    """Return what a scenario may expect of what one life of a box counted."""
    counted = Counter({f"refused.{why}": n for why, n in told.admission.refused.items()})
    counted["entries_exchanged"] = told.facts.accepted + told.sync.entries_added
    counted["requests"] = told.reactions.requests["make"]
    return counted
