"""Token buckets: how much one peer, or one author, may ask of us.

A bucket holds at most `burst` tokens and gains `rate_per_s` of them each second; whoever finds it
empty is refused. All arithmetic is in integers (a token is a thousand million parts, one for each
nanosecond of a second at one token per second), so that the same calls at the same instants give
the same answers on every machine, and no token is ever lost to rounding.

A table of buckets is bounded. The bucket that was used longest ago is forgotten first: it is the
one most likely to be full again, and a forgotten bucket that is full changes nothing.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Rate", "TokenBuckets"]

_TOKEN = 1_000_000_000
"""Parts of one token; with time in nanoseconds a rate of r tokens/s is r parts a nanosecond."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A limit: `per_s` tokens a second on average, at most `burst` at once.

    Raises:
        ValueError: one of them is below 1.
    """

    per_s: int
    burst: int

    def __post_init__(self) -> None:
        if self.per_s < 1 or self.burst < 1:
            raise ValueError(
                f"rate of {self.per_s}/s with a burst of {self.burst}: expected both at least 1"
            )


class TokenBuckets(Generic[Key]):
    """One token bucket a key, all of one rate, at most `keys_max` of them remembered.

    Args:
        rate: what each key may take.
        keys_max: how many buckets are kept; the one used longest ago goes first.
    """

    __slots__ = ("_buckets", "_keys_max", "_rate")

    def __init__(self, rate: Rate, *, keys_max: int) -> None:
        if keys_max < 1:
            raise ValueError(f"room for {keys_max} buckets: expected at least 1")
        self._rate = rate
        self._keys_max = keys_max
        self._buckets: OrderedDict[Key, tuple[int, int]] = OrderedDict()  # parts held, at mono_ns

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Key, now_ns: int) -> bool:
        """Take one token of a key; False when it has none. `now_ns` is monotonic time."""
        parts = self._parts(key, now_ns)
        taken = parts >= _TOKEN
        self._buckets[key] = (parts - _TOKEN if taken else parts, now_ns)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)
        return taken

    def forget(self, key: Key) -> None:
        """Drop the bucket of a key that has gone; unknown keys are fine."""
        self._buckets.pop(key, None)

    def _parts(self, key: Key, now_ns: int) -> int:
        full = self._rate.burst * _TOKEN
        held = self._buckets.get(key)
        if held is None:
            return full
        parts, at_ns = held
        return min(full, parts + max(0, now_ns - at_ns) * self._rate.per_s)
