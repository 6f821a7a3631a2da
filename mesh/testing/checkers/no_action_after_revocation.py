"""NoActionAfterRevocation: who holds a revocation acts on no event of the revoked any more.

A box that was cut off cannot know; for how long that lasts is the *exposure*, and it is measured:
from the moment the first box held the revocation to the moment the last one that is up did. Beyond
it, at each box, nothing of the revoked is heard. A replaced key is treated alike. Its subject is a
revoked box that went on speaking.
"""

from collections.abc import Iterator, Mapping

from crdt.standing import Authority, Pair
from mesh.testing.checkers import Breach
from mesh.testing.fleets.sight import Sight

__all__ = ["NoActionAfterRevocation"]


class NoActionAfterRevocation:
    """Nobody hears a pair that its own view has revoked or replaced."""

    def __init__(self) -> None:
        self.subject = 0
        self._views: dict[str, Authority] = {}
        self._banned: dict[str, frozenset[Pair]] = {}
        self._since: dict[Pair, float] = {}
        self._exposure_s = 0.0
        self._spoken = 0

    def figures(self) -> Mapping[str, float]:
        """The longest exposure to anybody revoked, seconds."""
        return {"exposure_s": self._exposure_s}

    def look(self, sight: Sight) -> Iterator[Breach]:
        """Judge what was heard by what its receiver knew at the last look."""
        for heard in sight.deliveries:
            pair = Pair(heard.event.author, heard.event.name)
            if pair in self._banned.get(heard.receiver, ()):
                told = f"heard {pair.name} although it held that this key is revoked or replaced"
                yield Breach(heard.receiver, told)
        self._learn(sight)
        fresh = list(sight.spoken.values())[self._spoken :]
        self._spoken = len(sight.spoken)
        for said in fresh:
            since = self._since.get(Pair(said.key, said.name))
            self.subject += since is not None and said.at_s > since

    def _learn(self, sight: Sight) -> None:
        """Note who is banned in whose view, and how long that took to reach everybody."""
        members = sight.members
        for box in members:
            authority = box.authority
            if self._views.get(box.name) is authority:
                continue
            self._views[box.name] = authority
            self._banned[box.name] = frozenset(
                pair
                for pair, standing in authority.standings.items()
                if standing.revoked or not standing.winning
            )
            for pair in self._banned[box.name]:
                self._since.setdefault(pair, sight.now_s)
        for pair, since in self._since.items():
            if any(pair not in self._banned[box.name] for box in members):
                self._exposure_s = max(self._exposure_s, sight.now_s - since)
