"""What a mind is told about itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mesh.choreography.reactions import Mode

__all__ = ["MindConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MindConfig:
    """What a node is told about itself.

    Attributes:
        name: the name under which it speaks; "" before it is enrolled.
        mode: whether its reactions make requests, or are only observed.
        bootstraps: where others may be found before any member is known.
        caches_only: whether it is a bootstrap peer: AUTH and introductions, nothing else.
        labels: what it carries; decides whether a rollout is for it where it was enrolled later.
    """

    name: str
    mode: Mode = "act"
    bootstraps: Mapping[bytes, tuple[str, ...]] = field(
        default_factory=dict[bytes, tuple[str, ...]]
    )
    caches_only: bool = False
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
