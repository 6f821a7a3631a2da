"""Worlds for hypothesis: a script of deeds, performed on a small city, gives signed entries.

Deleting a deed, or making one of its numbers smaller, leaves a script: hypothesis shrinks to the
few deeds that matter. The weights are such that of 100 worlds about 65 hold a fork, 65 a revocation
that counts, 65 a retired pair, 50 a revoked one, 35 an undecided one, 35 a contested one, and 30 a
feed that is cut in two. Plots make sure that each rule has a subject (tests/laws/plots.py).
"""

from hypothesis import strategies as st

from .deeds import Deed, World
from .plots import PLOTS
from .scripts import Script

OFTEN = (
    *("grant",) * 5,
    *("swap",) * 3,
    *("revoke",) * 3,
    *("put",) * 5,
    *("status",) * 4,
    *("split",) * 2,
    *("pin",) * 2,
    "declare",
    "withhold",
    *PLOTS,
    "pin a fork",
    "pin a fork",
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
def scripts(draw: st.DrawFn, *, deeds_max: int = 24) -> Script:
    """Return a script; some are long, so that worlds of many deeds are not rare."""
    size = draw(st.sampled_from((9, 9, 9, 5, 2, 0)))
    deeds_min = min(draw(st.sampled_from((0, 4, 8, 12))), deeds_max)
    return Script(size, draw(st.lists(DEED, min_size=deeds_min, max_size=deeds_max)))


def worlds(*, deeds_max: int = 24) -> st.SearchStrategy[World]:
    """Return worlds after a script of deeds."""
    return scripts(deeds_max=deeds_max).map(Script.perform)
