"""Worlds for hypothesis: a script of deeds, performed on a small city, gives signed entries.

Deleting a deed, or making one of its numbers smaller, leaves a script: hypothesis shrinks to the
few deeds that matter. The weights are such that of 100 worlds about half hold a fork, half a
revocation that counts, 45 a retired pair, 40 an undecided one, 30 a revoked one, and 20 a contested
one or a feed that is cut in two.
"""

from hypothesis import strategies as st

from .deeds import Deed, Script, World

OFTEN = (
    *("grant",) * 7,
    *("swap",) * 4,
    *("revoke",) * 4,
    *("put",) * 6,
    *("status",) * 4,
    *("split",) * 2,
    *("pin",) * 4,
    "declare",
    "declare",
    "withhold",
)
ELSEWHERE = (*(0,) * 24, 1, 2, 3, 4, 5, 6)
"""Where to write: at the head, mostly; else a new or lower incarnation, seq 0, or a fork."""

DEED = st.builds(
    Deed,
    what=st.sampled_from(OFTEN),
    who=st.integers(0, 11),
    where=st.sampled_from(ELSEWHERE),
    a=st.integers(0, 11),
    b=st.integers(0, 11),
    c=st.integers(0, 11),
    d=st.integers(0, 11),
)


@st.composite
def scripts(draw: st.DrawFn, *, deeds_max: int = 30) -> Script:
    """Return a script; some are long, so that worlds of many deeds are not rare."""
    size = draw(st.sampled_from((9, 9, 9, 5, 2, 0)))
    deeds_min = min(draw(st.sampled_from((0, 4, 8, 12, 16))), deeds_max)
    return Script(size, draw(st.lists(DEED, min_size=deeds_min, max_size=deeds_max)))


def worlds(*, deeds_max: int = 30) -> st.SearchStrategy[World]:
    """Return worlds after a script of deeds."""
    return scripts(deeds_max=deeds_max).map(Script.perform)
