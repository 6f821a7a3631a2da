"""Boxes that were partitioned once, and go on holding when the partition is over."""

from mesh.orchestration import opening
from mesh.orchestration.rollouts import Rollout
from mesh.orchestration.sight import Sight

_is_cut = opening.is_cut
_held: set[bytes] = set()


def is_cut(rollout: Rollout, sight: Sight) -> bool:
    """See a partition that was seen once for ever."""
    if _is_cut(rollout, sight):
        _held.add(rollout.id)
    return rollout.id in _held


opening.is_cut = is_cut
