"""The checkers that a scenario file can name."""

from collections.abc import Callable, Mapping

from mesh.testing.checkers import Checker
from mesh.testing.checkers.bounded_memory import BoundedMemory
from mesh.testing.checkers.convergence import Convergence
from mesh.testing.checkers.liveness_after_heal import LivenessAfterHeal
from mesh.testing.checkers.no_action_after_revocation import NoActionAfterRevocation
from mesh.testing.checkers.no_forgery import NoForgery
from mesh.testing.checkers.no_split_brain_names import NoSplitBrainNames
from mesh.testing.checkers.nothing_lost import NothingLost
from mesh.testing.checkers.reaction_safety import ReactionSafety
from mesh.testing.checkers.rollout_safety import RolloutSafety

__all__ = ["CHECKERS"]

CHECKERS: Mapping[str, Callable[[], Checker]] = {
    "BoundedMemory": BoundedMemory,
    "Convergence": Convergence,
    "LivenessAfterHeal": LivenessAfterHeal,
    "NoActionAfterRevocation": NoActionAfterRevocation,
    "NoForgery": NoForgery,
    "NoSplitBrainNames": NoSplitBrainNames,
    "NothingLost": NothingLost,
    "ReactionSafety": ReactionSafety,
    "RolloutSafety": RolloutSafety,
}
