"""Small worlds for the tests of the fold and the replica, written with the pens of `tests.laws`."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from hypothesis import strategies as st

from crdt import known, quota, retention
from crdt.authority import fold_authority
from crdt.entry import Entry, Lane
from crdt.kinds import KEY_RULES
from crdt.quota import Limit
from crdt.registers import fold_registers
from crdt.replica import Offer, Replica
from crdt.snapshot import fold_status
from identity.genesis import RootVerdict
from tests.laws.writing import (
    Fleet,
    capability,
    grant,
    pin,
    public,
    put,
    revoke,
    steward_of,
)

NOTE = put("city/n/plan", 1)
"""An AUTH entry that a box may write."""
PEN = [capability("put", "city"), capability("state", "city/n/0")]
"""What the box of `one_box` holds."""


TINY = Limit(3, 1 << 20)


@contextmanager
def tiny_limits() -> Iterator[None]:
    """Let three entries of a key count, of two incarnations, and three beyond a snapshot."""
    with (
        patch.object(quota, "SMALL", TINY),
        patch.object(retention, "SMALL", TINY),
        patch.object(known, "SMALL", TINY),
        patch.object(quota, "STATUS_ENTRIES_MAX", 3),
        patch.object(quota, "INCARNATIONS_MAX", 2),
        patch.object(retention, "INCARNATIONS_MAX", 2),
    ):
        yield


def one_box(caps: list[dict[str, object]] | None = None) -> Fleet:
    """Return a fleet of one bank, which has enrolled one box as city/n/0."""
    fleet = Fleet()
    fleet.declare(grant("bank", "a", 1, 1, steward_of("a", "city")))
    fleet.write("bank", grant("box", "city/n/0", 3, 1, PEN if caps is None else caps))
    return fleet


def replica_of(fleet: Fleet) -> Replica:
    """Return a replica that holds the root statements and no entry."""
    replica = Replica(fleet.genesis)
    for statement in fleet.statements:
        assert replica.offer_root(statement) is RootVerdict.ACCEPTED
    return replica


def offer_all(replica: Replica, entries: Iterable[Entry]) -> Replica:
    """Offer entries in order, and those of unknown authors again while that helps."""
    waiting = list(entries)
    while waiting:
        again = [entry for entry in waiting if replica.offer(entry) is Offer.UNKNOWN_AUTHOR]
        if len(again) == len(waiting):
            break
        waiting = again
    return replica


def converge(one: Replica, other: Replica) -> None:
    """Let two replicas offer each other what they keep until neither takes anything."""
    while True:
        views(one), views(other)
        before = one.feeds(), other.feeds(), set(one.entries()), set(other.entries())
        offer_all(one, list(other.entries()))
        offer_all(other, list(one.entries()))
        if before == (one.feeds(), other.feeds(), set(one.entries()), set(other.entries())):
            break


def views(replica: Replica) -> tuple[object, ...]:
    """Return all that a replica shows."""
    return (
        replica.authority,
        dict(replica.registers),
        dict(replica.status(Lane.STATE)),
        dict(replica.status(Lane.FLEET)),
    )


def batch_views(fleet: Fleet, entries: Iterable[Entry]) -> tuple[object, ...]:
    """Return the same views, folded from scratch."""
    held = list(entries)
    authority = fold_authority(fleet.genesis, fleet.statements, held)
    return (
        authority,
        fold_registers(authority, fleet.statements, held, KEY_RULES),
        fold_status(authority, held, Lane.STATE),
        fold_status(authority, held, Lane.FLEET),
    )


@dataclass(frozen=True)
class Line:
    """One thing that the box writes, or that is decided about it.

    Attributes:
        lane: where.
        what: "write", "snap", or what the bank decides: "pin" or "revoke".
        after: which of the lane's entries it follows, or names, counted from the last.
        start: write at seq 0 of this incarnation instead; None to follow.
        value: what it says.
    """

    lane: Lane
    what: str
    after: int
    start: int | None
    value: int


LINES = st.builds(
    Line,
    lane=st.sampled_from((Lane.AUTH, Lane.STATE, Lane.STATE, Lane.FLEET, Lane.LOG)),
    what=st.sampled_from(("write",) * 6 + ("snap",) * 2 + ("pin",) * 2 + ("revoke",)),
    after=st.sampled_from((0,) * 7 + (1, 2, 3, 5)),
    start=st.sampled_from((None,) * 9 + (0, 1, 5)),
    value=st.integers(0, 3),
)


def perform(lines: Sequence[Line]) -> Fleet:
    """Return the fleet of one box after it wrote these lines, forks and junk among them."""
    fleet = one_box()
    bank = fleet.entries[-1]
    written: dict[Lane, list[Entry]] = {}
    for line in lines:
        mine = written.setdefault(line.lane, [])
        near = mine[-1 - line.after % len(mine)] if mine else None
        if line.what in ("pin", "revoke"):
            if near is not None:
                cut = [[near.lane, near.inc, near.seq, near.id]] if near.lane in (0, 3) else []
                said = pin(near) if line.what == "pin" else revoke("box", "city/n/0", cut)
                bank = fleet.write("bank", said, after=bank)
            continue
        start = line.start is not None or near is None
        inc = line.start or 0
        said = _said(line)
        head = None if start else near
        mine.append(fleet.write("box", said, after=head, inc=inc, lane=line.lane))
    return fleet


def _said(line: Line) -> tuple[str, object]:
    pruned = line.lane in (Lane.STATE, Lane.FLEET)
    if line.what == "snap" and pruned:
        said: dict[str, object] = {"health": line.value}
        if line.lane == Lane.FLEET:
            said = {"links": {"peers": [bytes([line.value]) * 32]}, "junk": 1}
        return "snap", {"map": said}
    match line.lane:
        case Lane.STATE:
            return "status", {"topic": f"topic-{line.value}", "value": line.value}
        case Lane.FLEET:
            return "links", {"peers": [public(f"peer-{line.value}")]}
        case Lane.AUTH:
            return put("city/n/plan", line.value)
        case _:
            return "note", line.value
