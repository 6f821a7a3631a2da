"""NoSplitBrainNames: in no view do two keys hold one name, unless they contest it at one epoch.

Who replaces hardware names an epoch above the one that held, and the lower one is retired. Where
both banks replaced the same box during a partition, two keys stand at one epoch: the view must say
*contested*, for people to decide. Its subject is a name that had more than one key.
"""

from collections.abc import Iterator

from crdt.standing import Authority, Standing
from mesh.testing.checkers import Breach
from mesh.testing.fleets.sight import Sight

__all__ = ["NoSplitBrainNames"]


class NoSplitBrainNames:
    """A name is held by one key, or by several that are marked as contesting it."""

    def __init__(self) -> None:
        self.subject = 0
        self._judged: dict[str, Authority] = {}

    def look(self, sight: Sight) -> Iterator[Breach]:
        """Judge every view that is new."""
        for box in sight.members:
            authority = box.authority
            if self._judged.get(box.name) is authority:
                continue
            self._judged[box.name] = authority
            for name in dict.fromkeys(pair.name for pair in authority.standings):
                standings = [authority.standings[pair] for pair in authority.by_name(name)]
                self.subject += len(standings) > 1
                current = [each for each in standings if each.current]
                if len(current) > 1 and not _is_contest(current):
                    keys = " and ".join(
                        f"{each.pair.key.hex()[:8]} (epoch {each.epoch})" for each in current
                    )
                    yield Breach(box.name, f"{name} is held by {keys}, which is no contest")


def _is_contest(current: list[Standing]) -> bool:
    return len({each.epoch for each in current}) == 1 and all(each.contested for each in current)
