"""What the claims say of planted evidence: flawless, or with one flaw.

A module that plants evidence has `FLAWS`, by flaw the claims that fail, and `judged_with`; from
these `test_every_claim` sees that no claim holds whatever happens.
"""

from mesh.demo.claims import Claims

__all__ = ["holding", "silent_claims"]


def silent_claims() -> Claims:
    """Claims that tell nobody, and go on after one that failed."""
    return Claims(keep_going=True, say=lambda name, held, sentence: None)


def holding(claims: Claims) -> dict[str, bool]:
    """Return by claim whether it held each time that it was judged."""
    names = {one.name for one in claims.judged}
    return {name: name not in claims.failed for name in names}
