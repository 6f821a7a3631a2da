"""Fields of a request at a console that several verbs read, checked; and their words for people."""

from typing import cast

from identity.capability import EVERYWHERE, Capability, is_cell, is_event_pattern
from identity.encoding import Value
from mesh.node.control import ControlError

__all__ = ["EVENTS_DEFAULT", "area_in", "capability_text", "patterns_in"]

EVENTS_DEFAULT = ("traffic.*",)
"""What a box may publish, and a model stands behind, where nothing else was asked for."""


def patterns_in(value: Value) -> tuple[str, ...] | None:
    """Return event patterns, None where none were given.

    Raises:
        ControlError: one is none.
    """
    if value is None:
        return None
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, str) or not is_event_pattern(item):
            raise ControlError(f"events {item!r:.60}: expected patterns such as traffic.* or *")
    return tuple(cast("list[str]", items))


def area_in(value: Value) -> str | tuple[bytes, ...] | None:
    """Return `*` or cells, ascending; None where none were given.

    Raises:
        ControlError: it is neither.
    """
    if value is None or value == EVERYWHERE:
        return cast("str | None", value)
    if not isinstance(value, list) or not all(isinstance(c, bytes) and is_cell(c) for c in value):
        raise ControlError("area: expected * or a list of H3 cells")
    return tuple(sorted(set(cast("list[bytes]", value))))


def capability_text(capability: Capability) -> str:
    """Return a capability in words."""
    words = [capability.verb, capability.names]
    if capability.events:
        words.append(",".join(capability.events))
    if capability.area is not None:
        words.append(
            "everywhere" if capability.area == EVERYWHERE else f"{len(capability.area)} cells"
        )
    return " ".join(words)
