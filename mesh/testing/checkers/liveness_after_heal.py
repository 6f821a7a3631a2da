"""LivenessAfterHeal: once nothing is broken any more, the fleet comes to life by itself.

Within two minutes after the last thing was mended, every member sees every other and their views
agree, without anybody's help. Its subject is a repair: a cut healed, a box started again. Where a
scenario ends earlier than that, what it reached by then counts.
"""

from collections.abc import Iterator

from mesh.testing.checkers import Breach
from mesh.testing.fleets.sight import Sight, agreement

__all__ = ["LivenessAfterHeal"]

ALIVE_S = 120.0
"""Virtual seconds of calm after which all must be well."""
REPAIRS = ("heal", "restart", "reboot_all", "swap_hardware")
"""Steps after which life must come back."""


class LivenessAfterHeal:
    """Everybody sees everybody again, soon after the last repair."""

    def __init__(self) -> None:
        self.subject = 0
        self._is_waiting = False
        self._mended_s = 0.0
        self._longest_s = 0.0

    def figures(self) -> dict[str, float]:
        """The longest time from a repair to a fleet that sees itself whole, seconds."""
        return {"alive_again_s": self._longest_s}

    def look(self, sight: Sight) -> Iterator[Breach]:
        """Wait for life after each repair."""
        if sight.step in REPAIRS:
            self._is_waiting, self._mended_s = True, sight.now_s
        if not self._is_waiting or not sight.is_whole:
            return
        members = sight.members
        keys = {box.key for box in members}
        blind = [box for box in members if not keys - {box.key} <= set(box.seen)]
        if not blind and agreement(members):
            self._is_waiting = False
            self.subject += 1
            self._longest_s = max(self._longest_s, sight.now_s - self._mended_s)
        elif sight.calm_s >= ALIVE_S:
            self.subject += 1
            box = blind[0] if blind else members[0]
            missing = sum(1 for key in keys - {box.key} if key not in box.seen)
            told = f"after {sight.calm_s:.0f} s of calm it does not see {missing} of {len(keys)}"
            yield Breach(box.name, told if blind else "it holds another view than others")
