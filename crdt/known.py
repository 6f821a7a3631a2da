"""Known authors: whose entries are stored at all, and how many of them.

A key is known when some chain of grants reaches it from the root by signatures, strata and
capabilities alone. Cuts, pins, epochs, evidence and who else holds a name are left aside, so the
test only ever grows with what is held: a side that was enrolled by a steward whom the other side
revoked can still be heard, and learn it. What counts is for the fold to say.
See docs/records.md, "Bounds without clocks".
"""

from dataclasses import dataclass, field

from crdt.bodies import Grant
from crdt.quota import LARGE, SENIOR_VERBS, SMALL, Limit
from identity.capability import Capability, covers, permits

__all__ = ["KnownAuthors"]

_Rank = tuple[str, int]
"""A name and a stratum: under what a chain reaches a key."""


@dataclass(slots=True)
class _Author:
    """What chains give one key, and the grants it wrote, whether or not they reach anybody."""

    ranks: dict[_Rank, dict[Capability, None]] = field(
        default_factory=dict[_Rank, dict[Capability, None]]
    )
    grants: list[Grant] = field(default_factory=list[Grant])


class KnownAuthors:
    """The closure of all grant chains, grown grant by grant in any order."""

    def __init__(self) -> None:
        self._authors: dict[bytes, _Author] = {}

    def __contains__(self, key: bytes) -> bool:
        author = self._authors.get(key)
        return author is not None and bool(author.ranks)

    def __len__(self) -> int:
        return sum(bool(author.ranks) for author in self._authors.values())

    def copy(self) -> "KnownAuthors":
        """Return a closure of its own that holds the same."""
        made = KnownAuthors()
        made._authors = {
            key: _Author(
                {rank: dict(held) for rank, held in author.ranks.items()}, list(author.grants)
            )
            for key, author in self._authors.items()
        }
        return made

    def limit(self, key: bytes) -> Limit:
        """Return how much of a key's AUTH lane is stored: the most that any chain gives it."""
        author = self._authors.get(key)
        ranks = author.ranks.values() if author is not None else ()
        return LARGE if any(c.verb in SENIOR_VERBS for rank in ranks for c in rank) else SMALL

    def hear_root(self, grant: Grant) -> bool:
        """Take in a grant of the root; return whether anybody gained anything."""
        return self._give(grant, list(grant.capabilities))

    def hear(self, key: bytes, grant: Grant) -> bool:
        """Take in a grant written by a key, once; return whether anybody gained anything."""
        author = self._authors.setdefault(key, _Author())
        author.grants.append(grant)
        return self._judge(author, grant)

    def _judge(self, author: _Author, grant: Grant) -> bool:
        """Pass on what some rank of the author can pass on by a grant."""
        issuers = [
            held
            for (_, stratum), held in author.ranks.items()
            if stratum < grant.stratum
            and any(permits(each, verb="grant", name=grant.name) for each in held)
        ]
        if not issuers:
            return False
        passed = [
            wanted
            for wanted in grant.capabilities
            if any(covers(each, wanted) for held in issuers for each in held)
        ]
        return self._give(grant, passed)

    def _give(self, grant: Grant, capabilities: list[Capability]) -> bool:
        """Give a rank; whoever gains by it may have written grants that now reach further.

        A chain descends at least one stratum a step, so this ends after seven.
        """
        author = self._authors.setdefault(grant.key, _Author())
        rank = (grant.name, grant.stratum)
        held = author.ranks.get(rank)
        if held is not None and all(capability in held for capability in capabilities):
            return False
        author.ranks.setdefault(rank, {}).update(dict.fromkeys(capabilities))
        for written in author.grants:
            if written.stratum > grant.stratum:
                self._judge(author, written)
        return True
