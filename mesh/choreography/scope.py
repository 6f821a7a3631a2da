"""How far an event goes: one cell, the speaker's district, everyone, or a named topic.

On the wire a scope is the integer 0, 1 or 2, or a name (docs/architecture.md, "An event"). The
parser is total: any decoded value gives a scope or None, and True is not 1.
"""

from enum import IntEnum

from identity.capability import is_name

__all__ = ["Reach", "Scope", "encode_scope", "parse_scope"]


class Reach(IntEnum):
    """The three scopes that have no name of their own; the number is the wire value."""

    CELL = 0
    DISTRICT = 1
    EVERYONE = 2


Scope = int | str
"""A `Reach` or its integer, or the name of an agent's or an organisation's own topic."""


def parse_scope(value: object) -> Scope | None:
    """The scope that a decoded wire value means, or None; total."""
    if isinstance(value, str):
        return value if is_name(value) else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= Reach.EVERYONE:
        return Reach(value)
    return None


def encode_scope(scope: Scope) -> int | str:
    """The wire value of a scope: a plain integer, or the name."""
    return scope if isinstance(scope, str) else int(scope)
