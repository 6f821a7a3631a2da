"""Reading the fields of records that others wrote: every check total, every bound inclusive."""

from typing import cast

from identity.encoding import Value

__all__ = ["MILLION", "integer", "of_size", "share", "table"]

MILLION = 1_000_000
"""Shares are whole parts per million: entries hold no floats."""


def integer(value: object, low: int, high: int) -> int | None:
    """Return a decoded integer from low to high, or None; CBOR `true` is no integer."""
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    return None


def share(value: object) -> int | None:
    """Return a share in parts per million, or None."""
    return integer(value, 0, MILLION)


def of_size(value: object, size: int) -> bytes | None:
    """Return a byte string of one size, or None."""
    return value if isinstance(value, bytes) and len(value) == size else None


def table(value: object) -> dict[str, Value] | None:
    """Return a decoded map, whose keys are text, or None."""
    return cast("dict[str, Value]", value) if isinstance(value, dict) else None
