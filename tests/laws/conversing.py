"""Two replicas in conversation, and what it means that they agree."""

from collections import deque
from collections.abc import Callable, Iterable

from crdt.entry import Entry, FeedId, Lane
from crdt.errors import SyncError
from crdt.kinds import KEY_RULES
from crdt.replica import Replica
from crdt.sync import Reach, Refused, SyncLimits, SyncSession
from crdt.sync_messages import FRAME_SIZE_MAX
from crdt.sync_vector import leaf_of, summarise
from identity.genesis import RootStatement

from .writing import Fleet

MEMBER = Reach.member(("a", "b", "city"))


def replica_of(
    fleet: Fleet, entries: Iterable[Entry], statements: Iterable[RootStatement] | None = None
) -> Replica:
    replica = Replica(fleet.genesis, KEY_RULES)
    for statement in fleet.statements if statements is None else statements:
        replica.offer_root(statement)
    for entry in entries:
        replica.offer(entry)
    return replica


def converse(
    a: Replica,
    b: Replica,
    *,
    reach: Reach = MEMBER,
    limits: SyncLimits | None = None,
    mangle: Callable[[deque[bytes]], None] | None = None,
    refused: tuple[Refused | None, Refused | None] = (None, None),
) -> tuple[SyncSession, SyncSession]:
    """Run one session to its end, or to where the wire leaves nothing to go on with."""
    left = SyncSession(a, reach=reach, initiator=True, limits=limits, refused=refused[0])
    right = SyncSession(b, reach=reach, initiator=False, limits=limits, refused=refused[1])
    to_right, to_left = deque(left.start()), deque(right.start())
    frames = 0
    while to_right or to_left:
        for queue, session, back in ((to_right, right, to_left), (to_left, left, to_right)):
            if mangle is not None:
                mangle(queue)
            while queue:
                frames += 1
                assert frames < 20_000, "a session that never ends"
                frame = queue.popleft()
                assert len(frame) <= FRAME_SIZE_MAX
                try:
                    back.extend(session.receive(frame))
                except SyncError:
                    assert mangle is not None, "two honest sides never fall out"
                    return left, right
    if mangle is None:
        assert left.finished
        assert right.finished
        assert left.equal == right.equal
    return left, right


def kept(replica: Replica, reach: Reach = MEMBER) -> dict[FeedId, object]:
    """Return what is compared: every shared feed's branches and evidence."""
    return {feed: leaf_of(replica, feed) for feed in replica.feeds() if reach.shares(replica, feed)}


def assert_agree(*replicas: Replica) -> None:
    first = replicas[0]
    for other in replicas[1:]:
        assert kept(other) == kept(first)
        assert other.authority.digest == first.authority.digest
        assert other.registers == first.registers
        for lane in (Lane.STATE, Lane.FLEET):
            assert other.status(lane) == first.status(lane)
    for replica in replicas:
        assert summarise(replica, MEMBER) == summarise(first, MEMBER)
