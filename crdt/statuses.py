"""What all current pairs state in one lane: a view that follows single statements."""

from collections.abc import Mapping

from crdt.index import EntryIndex
from crdt.snapshot import Topics, pair_status, shows_status
from crdt.standing import Authority, Pair

__all__ = ["LaneStatus"]


class LaneStatus:
    """The status of one lane, and whose part of it changed since it was folded.

    Args:
        lane: STATE or FLEET.
    """

    __slots__ = ("_authority", "_lane", "_stale", "_topics")

    def __init__(self, lane: int) -> None:
        self._lane = lane
        self._authority: Authority | None = None
        self._topics: dict[Pair, Topics] = {}
        self._stale: dict[bytes, None] = {}

    def copy(self, authority: Authority, index: EntryIndex) -> "LaneStatus":
        """Return one of its own that shows what this one shows now."""
        self.topics(authority, index)
        made = LaneStatus(self._lane)
        made._authority, made._topics = self._authority, self._topics
        return made

    def forget(self, author: bytes) -> None:
        """An author's feed changed."""
        self._stale[author] = None

    def topics(self, authority: Authority, index: EntryIndex) -> Mapping[Pair, Topics]:
        """Return what each current pair states, by (name, key). Another object at each change."""
        if self._authority is not authority:
            self._authority, self._topics = authority, {}
            changed = list(authority.standings)
        elif self._stale:
            changed = [pair for key in self._stale for pair in authority.pairs_of(key)]
        else:
            return self._topics
        said = dict(self._topics)
        for pair in changed:
            if shows_status(authority, authority.standings[pair], self._lane):
                said[pair] = pair_status(authority, index, pair, self._lane)
        is_grown = len(said) > len(self._topics)
        if is_grown or not all(said[pair] for pair in changed if pair in said):
            said = {pair: said[pair] for pair in authority.standings if said.get(pair)}
        self._topics = said
        self._stale.clear()
        return said
