"""Histories that every fold must survive: fixed cases, each of which broke an earlier draft.

A history is written by hand, entry by entry, and ends with what must hold of the view of it. They
stand in the order of the table in docs/records.md, "Histories that every fold must survive". The
one about rotated-out roots is a law of root chains, not of folds, and stands with those. After them
come rules that no row of the table reaches.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from crdt.entry import Entry
from identity.genesis import Genesis, RootStatement

from . import histories_of_feeds as feeds
from . import histories_of_pairs as pairs
from . import histories_of_pins as pins
from . import histories_of_pruning as pruning
from .views import Check, Told


@dataclass(frozen=True)
class History:
    """A history and what must hold of it."""

    name: str
    genesis: Genesis
    statements: Sequence[RootStatement]
    entries: Sequence[Entry]
    check: Check


ROWS: tuple[Callable[[], Told], ...] = (
    pairs.foreign_grant,
    pairs.foreign_revocation,
    pairs.junior_takes_name,
    pairs.mutual_replacement,
    pairs.revoked_successor,
    pairs.contested_steward,
    pairs.swapped_on_both_banks,
    feeds.longer_list,
    feeds.branches_in_lists,
    pairs.highest_epoch,
    pairs.second_pair,
    feeds.retired_laptop,
    feeds.sock_puppets,
    feeds.large_entries,
    feeds.many_incarnations,
    feeds.issuer_limits,
    feeds.doubled_cut,
    feeds.back_dating_thief,
    feeds.pin_beside_a_cut,
    feeds.false_evidence,
    feeds.whole_feeds,
    feeds.wrong_clocks,
    feeds.restored_backup,
    pins.contradicting_pins,
    pins.juniors_choose_above,
    pins.equals_agree_below,
    pins.equals_pin_nothing,
    pins.pins_elsewhere,
    pins.root_alone_writes_all_names,
    pins.narrowing,
    pins.highest_list,
    pruning.snapshots_after_a_pin,
    pruning.forked_under_the_snapshot,
    pruning.pinned_when_it_is_gone,
    pruning.equals_pin_two_branches,
)


def _numbered() -> Iterator[History]:
    for row in ROWS:
        for name, fleet, entries, check in row():
            told = (fleet.genesis, tuple(fleet.statements), tuple(entries))
            yield History(f"{row.__name__}: {name}", *told, check)


HISTORIES: tuple[History, ...] = tuple(_numbered())
"""Every history, in the order of the table."""
