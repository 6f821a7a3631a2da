"""What all current pairs state in one lane: a view that follows single statements."""

from collections.abc import Iterable, Mapping

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

    def forget(self, *authors: bytes) -> None:
        """Feeds of these authors changed."""
        self._stale.update(dict.fromkeys(authors))

    def topics(self, authority: Authority, index: EntryIndex) -> Mapping[Pair, Topics]:
        """Return what each current pair states, by (name, key).

        Another object whenever a feed changed, even if it states the same. Only of those keys is it
        folded anew whose feeds changed or of whose pairs authority says something else: a fact
        about one box is no reason to read the feeds of five hundred.
        """
        before = self._authority
        if before is None:
            keys = authority.keys()
        elif before is not authority:
            keys = {**self._stale, **before.changed_in(authority)}.keys()
        elif self._stale:
            keys = self._stale.keys()
        else:
            return self._topics
        self._topics = self._folded(before, authority, index, keys)
        self._authority, self._stale = authority, {}
        return self._topics

    def _folded(
        self,
        before: Authority | None,
        authority: Authority,
        index: EntryIndex,
        keys: Iterable[bytes],
    ) -> dict[Pair, Topics]:
        """Return the topics with those of some keys folded anew."""
        old: dict[Pair, Topics] = {}
        new: dict[Pair, Topics] = {}
        for key in keys:
            for pair in before.pairs_of(key) if before is not None else ():
                if pair in self._topics:
                    old[pair] = self._topics[pair]
            for pair in authority.pairs_of(key):
                if shows_status(authority, authority.standings[pair], self._lane):
                    topics = pair_status(authority, index, pair, self._lane)
                    if topics:
                        new[pair] = topics
        if old == new and not self._stale:
            return self._topics
        if old.keys() == new.keys():
            return {**self._topics, **new}
        said = {pair: topics for pair, topics in self._topics.items() if pair not in old}
        said.update(new)
        return {pair: said[pair] for pair in authority.standings if pair in said}
