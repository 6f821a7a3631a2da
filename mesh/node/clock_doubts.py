"""Whether the clock that people sign by can be believed, and who shows that it cannot.

A store tells when each author says that it signed last, and no more: an author whose facts are
later than now may be the one whose clock is wrong. So one author is a note that names it, several
are a refusal, and so are own facts of later than now, for a machine knows which of its own clocks
it reads. A fleet that is quiet and a clock that is ahead look alike. A running node hears its
neighbours' clocks as they are now, which is the better witness, for it and against it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ALONE", "CLOCK_BEHIND_MS_MAX", "QUIET_MS_MAX", "ClockDoubt", "HeardClock", "doubt_of"]

CLOCK_BEHIND_MS_MAX = 3_600_000
"""How far facts may be signed ahead of this machine's clock before one of two is wrong, ms."""
QUIET_MS_MAX = 12 * 3_600_000
"""How long nobody may have signed before a person is asked to look at the clock, ms."""
_HOUR_MS = 3_600_000
NAMED_MAX = 3
"""How many of those whose facts are later are named."""
_COMPARE = "compare `date -u` here and there"
_WAY_OUT = "If it is right, start the node: it signs where its clock agrees with its neighbours'"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardClock:
    """What a running node hears of its neighbours' clocks.

    Attributes:
        offset_ms: how far their median is ahead of the own wall clock.
        is_trusted: whether the own one agrees with it.
        neighbours: how many said what time it is.
    """

    offset_ms: int
    is_trusted: bool
    neighbours: int


ALONE = HeardClock(offset_ms=0, is_trusted=True, neighbours=0)
"""Nobody says what time it is."""


@dataclass(frozen=True, slots=True)
class ClockDoubt:
    """Why a clock may be wrong.

    Attributes:
        text: a sentence that names who shows it, and says how to find out.
        refuses: whether nothing may be signed by it.
    """

    text: str
    refuses: bool


def doubt_of(
    own_ms: int | None, others_ms: Mapping[str, int], now_ms: int, heard: HeardClock = ALONE
) -> ClockDoubt | None:
    """Return why this machine's clock may be wrong, or None.

    Args:
        own_ms: when this machine says that it signed last, wall clock; None where it never did.
        others_ms: when each other author says so, by name.
        now_ms: what this machine's clock says.
        heard: what its neighbours' clocks say.
    """
    later = {name: at - now_ms for name, at in others_ms.items()}
    later = {name: by for name, by in later.items() if by > CLOCK_BEHIND_MS_MAX}
    if heard.is_trusted and heard.neighbours:
        return _of_others(later)
    if heard.neighbours > 1:
        return ClockDoubt(
            f"this machine's clock is {_apart(heard)} its {heard.neighbours} neighbours': set it "
            "(`date -u` shows it), then try again",
            refuses=True,
        )
    stored = _of_store(own_ms, later, now_ms)
    if stored is not None:
        return stored
    if heard.neighbours:
        return ClockDoubt(
            f"this machine's clock is {_apart(heard)} its only neighbour's: one of the two is "
            f"wrong; {_COMPARE}",
            refuses=False,
        )
    signed_ms = [*others_ms.values(), *([] if own_ms is None else [own_ms])]
    quiet_ms = now_ms - max(signed_ms, default=now_ms)
    if quiet_ms <= QUIET_MS_MAX:
        return None
    return ClockDoubt(
        f"nobody here signed anything for {_hours(quiet_ms)}, or this machine's clock is ahead: "
        "unless the fleet was that quiet, compare `date -u` with another clock",
        refuses=False,
    )


def _of_others(later: Mapping[str, int]) -> ClockDoubt | None:
    """Return what is to be said of later facts by a clock that agrees with its neighbours'."""
    if not later:
        return None
    return ClockDoubt(
        f"{_named(later)} signed facts dated {_hours(max(later.values()))} from now, and this "
        "machine's clock agrees with its neighbours': the clock there is wrong, or was; run "
        "`date -u` there",
        refuses=False,
    )


def _of_store(own_ms: int | None, later: Mapping[str, int], now_ms: int) -> ClockDoubt | None:
    """Return the doubt that later facts cast on a clock that nobody vouches for."""
    if own_ms is not None and own_ms - now_ms > CLOCK_BEHIND_MS_MAX:
        return ClockDoubt(
            f"this machine's clock is {_hours(own_ms - now_ms)} behind what this key signed last: "
            "it is wrong now, or was then; compare `date -u` with another clock and set it. "
            + _WAY_OUT,
            refuses=True,
        )
    if not later:
        return None
    *_, witness = sorted(later.values(), reverse=True)[:2]
    if len(later) > 1:
        return ClockDoubt(
            f"this machine's clock is at least {_hours(witness)} behind: {_named(later)} signed "
            f"facts that are newer; {_COMPARE}, and set it. {_WAY_OUT}",
            refuses=True,
        )
    return ClockDoubt(
        f"{_named(later)} signed a fact dated {_hours(witness)} from now: one of the two clocks is "
        f"wrong; {_COMPARE}",
        refuses=False,
    )


def _named(later: Mapping[str, int]) -> str:
    names = sorted(later, key=lambda name: (-later[name], name))
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more


def _hours(span_ms: int) -> str:
    return f"{span_ms // _HOUR_MS} h"


def _apart(heard: HeardClock) -> str:
    span_ms = abs(heard.offset_ms)
    told = f"{span_ms / 1000:.1f} s" if span_ms < _HOUR_MS else _hours(span_ms)
    return f"{told} {'behind' if heard.offset_ms > 0 else 'ahead of'}"
