"""How long something is to last, as a test says it: in words that name their unit."""

import math
from numbers import Real

from mesh.testing.fleets.fleet_box import FleetError

__all__ = ["length_s"]


def length_s(called: str, unnamed: tuple[object, ...], **lengths: object) -> float:
    """Return a length in seconds.

    Args:
        called: the method that was called, for people.
        unnamed: what was given without a unit.
        lengths: `minutes` and `seconds`.

    Raises:
        FleetError: it has no unit, or is no length of time.
    """
    for given in unnamed:
        told = f"{called}({given!r:.40}) has no unit: write {called}(seconds={given!r:.40})"
        raise FleetError(f"{told}{' or minutes=…' if 'minutes' in lengths else ''}")
    total_s = 0.0
    for unit, length in lengths.items():
        number = float(length) if isinstance(length, Real) else math.nan
        if not 0 <= number < math.inf:
            raise FleetError(
                f"{called}({unit}={length!r:.40}): expected a number, 0 or more, as {unit}=10"
            )
        total_s += number * (60 if unit == "minutes" else 1)
    return total_s
