"""Who signs in a test: somebody who may, or somebody who says that it will be in vain.

A fact signed without the right to changes no view, so a test with one would go on as if nothing had
happened, and show nothing. An adversary does sign such facts: who plays one says `in_vain`, which
is refused where it is not so.
"""

from collections.abc import Callable

from mesh.coordination.rights import UnentitledError

__all__ = ["why_not"]


def why_not(check: Callable[[], object], who: str, *, in_vain: bool) -> str:
    """Return why this must not be signed, for people; empty if it may.

    Args:
        check: raises UnentitledError where it would not count.
        who: signs.
        in_vain: whether it is signed to be unheeded.
    """
    try:
        check()
    except UnentitledError as error:
        return "" if in_vain else f"{error}; to see that nobody heeds it, say in_vain"
    return f"{who} may sign that, so it is not in vain: leave in_vain out" if in_vain else ""
