"""What a box sees of the names of a cohort, and when it counts itself partitioned.

Presence speaks of keys, rollouts of names: a name is seen if a current key of it is, and I see
myself. Dark is gone by the word of everyone who would know; unknown is the rest.

A box counts itself partitioned from a cohort when more than 20 %, and at least two, of the cohort's
current names are unknown, or, of three or more, half or more are not seen: death and a cut look
alike, and only a majority is proof. An unreachable centre alone is no partition.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from crdt.folds import ALONE, Folds
from crdt.standing import Authority
from mesh.coordination.presence import Presence

__all__ = ["Sight", "is_partitioned", "sight_of"]

UNKNOWN_MIN = 2
"""So many unknown names at least make a partition."""
UNKNOWN_SHARE = 5
"""More than one in this many unknown makes a partition."""
MAJORITY_MIN = 3
"""From this many names up, half of them out of sight make a partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a box sees now.

    Attributes:
        seen: names in its component of up links, its own among them.
        dark: names that are gone by the word of everyone who would know.
        linked: whether it has any link.
        whole: whether it had one whole sync with every linked peer since it started or the link
            came up. Presence heals faster than reports.
    """

    seen: frozenset[str]
    dark: frozenset[str] = frozenset()
    linked: bool = True
    whole: bool = True

    def is_unknown(self, name: str) -> bool:
        """Whether a name is neither seen nor dark."""
        return name not in self.seen and name not in self.dark


def sight_of(
    authority: Authority,
    presence: Presence,
    *,
    me: str,
    linked: Collection[bytes],
    synced: Collection[bytes],
    folds: Folds = ALONE,
) -> Sight:
    """Return what a box sees, by name.

    Args:
        authority: whose key holds which name.
        presence: of keys.
        me: my name.
        linked: peers that I am linked to.
        synced: those with which I had a whole sync since the link came up.
        folds: the names of those that are together are the same for all of them.
    """
    together = presence.together
    seen = folds.once("names", (authority, together), lambda: _names(authority, together))
    gone = _names(authority, presence.dark)
    doubted = _names(authority, presence.unknown)
    return Sight(
        seen=seen if me in seen else seen | {me},
        dark=gone - seen - doubted,
        linked=bool(linked),
        whole=all(peer in synced for peer in linked),
    )


def _names(authority: Authority, keys: Iterable[bytes]) -> frozenset[str]:
    """Return the names that keys hold as current pairs."""
    pairs = (pair for key in keys for pair in authority.pairs_of(key))
    return frozenset(pair.name for pair in pairs if authority.current(pair))


def is_partitioned(names: Iterable[str], sight: Sight) -> bool:
    """Whether a box counts itself partitioned from these names.

    Args:
        names: the cohort's current ones.
        sight: what the box sees.
    """
    listed = tuple(names)
    unknown = sum(sight.is_unknown(name) for name in listed)
    away = sum(name not in sight.seen for name in listed)
    many = unknown >= UNKNOWN_MIN and unknown * UNKNOWN_SHARE > len(listed)
    return many or (len(listed) >= MAJORITY_MIN and 2 * away >= len(listed))
