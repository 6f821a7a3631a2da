"""How long something lasts, as people write it: 500ms, 10s, 30m, 2h, 1d."""

__all__ = ["DURATION", "milliseconds"]

DURATION = r"^\d{1,6}(ms|s|m|h|d)$"
"""What a duration looks like, as a pattern of a schema."""

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def milliseconds(text: str) -> int:
    """Return a duration that looks like one, milliseconds."""
    digits = text.rstrip("mshd")
    return int(digits) * _UNITS_MS[text.removeprefix(digits)]
