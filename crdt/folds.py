"""Folding views: each replica alone, or many of one process from a common memory.

A view is a pure function of what is held, so replicas that hold the same may hold one object of it.
A box has nobody to share with and folds alone (`Folds`). A simulator runs hundreds of replicas that
mostly hold the same, and hands all of them one `SharedFolds`: what was folded from equal inputs is
not folded again. Nothing else changes: views are never changed, only replaced.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar, cast

from crdt.authority import settle
from crdt.bodies import Grant, Put
from crdt.entry import Lane
from crdt.index import EntryIndex
from crdt.kinds import Body, KeyRule
from crdt.standing import Authority
from identity.genesis import Genesis, RootStatement

__all__ = ["ALONE", "Folds", "SharedFolds"]

_T = TypeVar("_T")

FOLDED_MAX = 16
"""Views of one sort that are remembered: a fleet at rest has one of each, a side of a cut too."""


class Folds:
    """Every replica folds its own views."""

    def authority(
        self,
        index: EntryIndex,
        genesis: Genesis,
        statements: Sequence[RootStatement],
        rules: Sequence[KeyRule],
    ) -> Authority:
        """Return who holds what by an indexed set."""
        return settle(index, genesis, statements, rules)

    def once(self, what: str, of: tuple[object, ...], fold: Callable[[], _T]) -> _T:
        """Return what `fold` makes of views, which are told apart by identity.

        Args:
            what: names the fold.
            of: the views, and whatever else it depends on.
            fold: computes it.
        """
        del what, of
        return fold()


ALONE = Folds()
"""For a replica that shares nothing."""


class SharedFolds(Folds):
    """Replicas that hold the same share what is folded from it."""

    def __init__(self) -> None:
        self._folded: dict[str, OrderedDict[Hashable, tuple[object, object]]] = {}

    def authority(
        self,
        index: EntryIndex,
        genesis: Genesis,
        statements: Sequence[RootStatement],
        rules: Sequence[KeyRule],
    ) -> Authority:
        """Return who holds what; by content, since sets grow one by one."""
        said = tuple(statement.id for statement in statements)
        held = _deciding(index, statements)
        key = (genesis.ns, tuple(map(id, rules)), id(index.kinds), said, held)
        kept = (rules, index.kinds)
        return self._find("authority", key, kept, lambda: settle(index, genesis, statements, rules))

    def once(self, what: str, of: tuple[object, ...], fold: Callable[[], _T]) -> _T:
        """Return what `fold` made of the same views before, or makes of them now."""
        return self._find(what, tuple(map(id, of)), of, fold)

    def _find(self, what: str, key: Hashable, kept: object, fold: Callable[[], _T]) -> _T:
        """Look up a view; what its key names by identity is kept alive beside it."""
        folded = self._folded.setdefault(what, OrderedDict())
        found = folded.get(key)
        if found is None:
            found = folded[key] = (kept, fold())
            if len(folded) > FOLDED_MAX:
                folded.popitem(last=False)
        folded.move_to_end(key)
        return cast("_T", found[1])


def _deciding(index: EntryIndex, statements: Sequence[RootStatement]) -> frozenset[bytes]:
    """Return the ids of the entries on which an authority depends.

    As long as nobody revoked, replaced, pinned or forked anything that is the AUTH lane, and else
    all of them: cuts, pins and evidence speak of every lane.
    """
    auth = [entry for entry in index if entry.lane == Lane.AUTH]
    items = [
        index.root_item(statement, number, item)
        for statement in statements
        for number, item in enumerate(statement.items)
    ]
    plain = not index.named and not index.has_twins
    if plain and all(map(_only_adds, [*items, *map(index.body, auth)])):
        return frozenset(entry.id for entry in auth)
    return frozenset(entry.id for entry in index)


def _only_adds(said: Body | None) -> bool:
    return isinstance(said, Put) or (isinstance(said, Grant) and not said.replaces)
