"""Sync sessions: at most one a direction and peer, started when there is reason to.

The frames of a session travel under two bytes: which side began it, and its number. So two
sessions, one begun by each side, never mix, and a late frame of an ended one is dropped. Reasons to
begin: a peer was sorted member or known, the timer fell due, a fact arrived that does not link, or
a session with somebody else brought entries, which is how a healed cut spreads inwards. See
docs/records.md, "Sync".

Who dialled begins the first session with a peer. Where two dialled each other at once, each may
take the other for the one who did: so a side that was left to wait begins as well, if by then
nothing came to its end.

A peer that begins sessions faster than we would is not heard out: each session has its budget, so
a limit on sessions is what bounds the work.

News reach a box from several neighbours at once. While it is pulling from one, it lets others wait
for a moment that begin: mostly they have nothing more by then, which costs two summaries.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from crdt.errors import SyncError
from crdt.replica import Replica
from crdt.sync import Reach, Refused, SyncLimits, SyncSession
from crdt.sync_codec import decode_message
from crdt.sync_messages import Summary
from mesh.choreography.rates import Rate, TokenBuckets
from mesh.units import MS, SECOND

__all__ = ["SYNC_FRAME_SIZE_MAX", "SYNC_PROTOCOL", "SyncStatistics", "Syncing"]

SYNC_PROTOCOL = "/threerooms/sync/1"
SYNC_FRAME_SIZE_MAX = 320 << 10
"""Largest frame on this protocol, bytes: a segment of 256 KiB and its head."""
PERIOD_S_MIN, PERIOD_S_MAX = 60, 300
"""A link is compared again after a random time in this range, seconds, whoever began before."""
SPREAD_NS = 250 * MS
"""Least time between two sessions that we begin with one peer."""
FIRST_NS = 2 * SECOND
"""A peer with which no session came to its end yet is tried so long after the last attempt."""
SILENCE_NS = 15 * SECOND
"""A session that heard nothing for so long is given up."""
HELD_NS = SECOND // 2
"""Longest that a peer which begins a session waits for our answer while we pull from another."""
KNOWN_SPREAD_NS = 2 * SECOND
"""The same for a peer that is no member: its sync is rate-limited."""
MEMBER_SESSIONS = Rate(per_s=4, burst=16)
"""Sessions that a member may begin with us: one in `SPREAD_NS`, some in advance."""
KNOWN_SESSIONS = Rate(per_s=1, burst=4)
"""The same for a peer that is no member."""
LINKS_MAX = 512
"""Peers at one time, and so token buckets."""
NUMBERS = 256
"""Sessions are numbered modulo this."""

_BEGAN_BY_SENDER = 0
_BEGAN_BY_RECEIVER = 1


@dataclass(slots=True)
class _Running:
    """One session, the two bytes under which its frames travel, and its number of all."""

    session: SyncSession
    prefix: bytes
    heard_ns: int
    serial: int


@dataclass(slots=True)
class _Peer:
    """What is known of one peer's sessions."""

    member: bool
    reach: Reach
    next_ns: int
    periodic_ns: int
    first_ns: int | None
    mine: _Running | None = None
    theirs: _Running | None = None
    held: bytes = b""
    held_ns: int | None = None
    refused: Refused = field(default_factory=dict[bytes, int | None])
    compared: int = 0


class SyncStatistics(NamedTuple):
    """Counts since the start."""

    begun: int
    finished: int
    failed: int
    entries_added: int


class Syncing:
    """The sessions of one node.

    Args:
        replica: what is compared.
        send: called with (peer, frame body) for every frame to send.
        random: a source of numbers in [0, 1) for the jitter.
        compared: called after each session that came to its end.
    """

    def __init__(
        self,
        replica: Replica,
        send: Callable[[bytes, bytes], None],
        random: Callable[[], float],
        compared: Callable[[], None],
    ) -> None:
        self._replica = replica
        self._send = send
        self._random = random
        self._compared = compared
        self._serial = 0
        self._peers: dict[bytes, _Peer] = {}
        self._is_moved = True
        self._deadline_ns: int | None = None
        self._number = 0
        self._may_begin = {
            member: TokenBuckets[bytes](rate, keys_max=LINKS_MAX)
            for member, rate in ((True, MEMBER_SESSIONS), (False, KNOWN_SESSIONS))
        }
        self._begun = self._finished = self._failed = self._added = 0

    def peer_added(
        self, peer: bytes, reach: Reach, *, member: bool, begin: bool, now_ns: int
    ) -> None:
        """A peer may sync from now on, within `reach`; `begin` a session with it at once."""
        self._is_moved = True
        first_ns = now_ns + FIRST_NS
        state = _Peer(member, reach, now_ns, now_ns + self._period_ns(), first_ns)
        self._peers[peer] = state
        if begin:
            self._begin(peer, state, now_ns)

    def peer_removed(self, peer: bytes, now_ns: int) -> None:
        """A peer left, or may not sync any more."""
        self._is_moved = True
        state = self._peers.pop(peer, None)
        if state is None:
            return
        for running in (state.mine, state.theirs):
            if running is not None:
                self._spread_added(peer, running, now_ns)
        self._answer_others(now_ns)

    def want(self, peer: bytes, now_ns: int) -> None:
        """Begin a session with a peer as soon as the rate allows."""
        self._is_moved = True
        state = self._peers.get(peer)
        if state is not None:
            state.periodic_ns = min(state.periodic_ns, max(now_ns, state.next_ns))

    @property
    def mark(self) -> int:
        """Every session so far began before this mark; 0 is before the first."""
        return self._serial

    def compared_since(self, mark: int) -> tuple[bytes, ...]:
        """Return the peers with whom a session that began after a mark came to its end."""
        return tuple(peer for peer, state in self._peers.items() if state.compared > mark)

    def deadline_ns(self) -> int | None:
        """When `tick` has something to do; None if never. Kept until something here changes."""
        if self._is_moved:
            self._deadline_ns = min(map(self._due_ns, self._peers.values()), default=None)
            self._is_moved = False
        return self._deadline_ns

    def tick(self, now_ns: int) -> None:
        """Give up silent sessions and begin those that are due."""
        self._is_moved = True
        for peer, state in tuple(self._peers.items()):
            if state.held_ns is not None and now_ns >= state.held_ns:
                self._answer(peer, state, now_ns)
            for running in (state.mine, state.theirs):
                if running is not None and now_ns - running.heard_ns >= SILENCE_NS:
                    self._fail(peer, state, running, now_ns)
            if state.mine is None and _next_ns(state) <= now_ns:
                self._begin(peer, state, now_ns)
        self._answer_others(now_ns)

    def receive(self, peer: bytes, body: bytes, now_ns: int) -> None:
        """Take one frame of a peer.

        Raises:
            SyncError: no honest peer sends it; what it added stays.
        """
        self._is_moved = True
        state = self._peers.get(peer)
        if state is None:
            return
        if len(body) < 2 or body[0] > _BEGAN_BY_RECEIVER:
            raise SyncError(f"a frame that begins {body[:2].hex()!r}: expected a side and a number")
        if self._waits(state, body):
            state.held, state.held_ns = body, state.held_ns or now_ns + HELD_NS
            return
        try:
            self._take(peer, state, body, now_ns)
        finally:
            self._answer_others(now_ns)

    def _take(self, peer: bytes, state: _Peer, body: bytes, now_ns: int) -> None:
        """Have a session take a frame."""
        running = self._running(peer, state, body, now_ns)
        if running is None:
            return
        running.heard_ns = now_ns
        try:
            self._send_all(peer, running, running.session.receive(body[2:]))
        except SyncError:
            self._fail(peer, state, running, now_ns)
            raise
        finally:
            added = running.session.drain_added()
            self._added += len(added)
        if running.session.finished:
            self._end(peer, state, running, now_ns)

    def _waits(self, state: _Peer, body: bytes) -> bool:
        """Whether a frame begins a session while we pull in one with somebody else."""
        return (
            body[0] == _BEGAN_BY_SENDER
            and state.theirs is None
            and self._is_pulling()
            and isinstance(decode_message(body[2:]), Summary)
        )

    def _is_pulling(self) -> bool:
        running = (each for state in self._peers.values() for each in (state.mine, state.theirs))
        return any(each is not None and each.session.pulling for each in running)

    def _answer_others(self, now_ns: int) -> None:
        """Answer who waits, the longest first, until we pull again."""
        waiting = [peer for peer, state in self._peers.items() if state.held_ns is not None]
        for peer in sorted(waiting, key=lambda peer: self._peers[peer].held_ns or 0):
            if self._is_pulling():
                return
            self._answer(peer, self._peers[peer], now_ns)

    def _answer(self, peer: bytes, state: _Peer, now_ns: int) -> None:
        """Take the summary of a peer that had to wait: a new session never refuses one."""
        body, state.held, state.held_ns = state.held, b"", None
        self._take(peer, state, body, now_ns)

    def statistics(self) -> SyncStatistics:
        """Return the counts so far."""
        return SyncStatistics(self._begun, self._finished, self._failed, self._added)

    def _due_ns(self, state: _Peer) -> int:
        """When the peer needs a look: it is to be compared, answered, or given up as silent."""
        mine = state.mine
        due = _next_ns(state) if mine is None else mine.heard_ns + SILENCE_NS
        if state.held_ns is not None:
            due = min(due, state.held_ns)
        return due if state.theirs is None else min(due, state.theirs.heard_ns + SILENCE_NS)

    def _running(self, peer: bytes, state: _Peer, body: bytes, now_ns: int) -> _Running | None:
        """Return the session that a frame belongs to; a summary with a new number begins one.

        Raises:
            SyncError: the frame belongs to none that runs, and is none of any other either.
        """
        side, number = body[0], body[1]
        if side == _BEGAN_BY_RECEIVER:
            mine = state.mine
            return mine if mine is not None and mine.prefix[1] == number else None
        theirs = state.theirs
        if theirs is not None and theirs.prefix[1] == number:
            return theirs
        if not isinstance(decode_message(body[2:]), Summary):
            return None  # of a session that we have ended
        if not self._may_begin[state.member].take(peer, now_ns):
            return None
        if theirs is not None:
            self._fail(peer, state, theirs, now_ns)
        session = self._session(state, initiator=False)
        prefix = bytes((_BEGAN_BY_RECEIVER, number))
        state.theirs = _Running(session, prefix, now_ns, self._next())
        return state.theirs

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    def _session(self, state: _Peer, *, initiator: bool) -> SyncSession:
        limits = SyncLimits.member() if state.member else SyncLimits.known()
        return SyncSession(
            self._replica,
            reach=state.reach,
            initiator=initiator,
            limits=limits,
            refused=state.refused,
        )

    def _begin(self, peer: bytes, state: _Peer, now_ns: int) -> None:
        self._number = (self._number + 1) % NUMBERS
        session = self._session(state, initiator=True)
        prefix = bytes((_BEGAN_BY_SENDER, self._number))
        state.mine = _Running(session, prefix, now_ns, self._next())
        state.next_ns = now_ns + (SPREAD_NS if state.member else KNOWN_SPREAD_NS)
        state.periodic_ns = now_ns + self._period_ns()
        state.first_ns = None
        self._begun += 1
        self._send_all(peer, state.mine, session.start())

    def _end(self, peer: bytes, state: _Peer, running: _Running, now_ns: int) -> None:
        """Keep what the session learned of the peer, and spread what it brought."""
        state.refused = running.session.refused
        self._finished += 1
        self._forget(state, running)
        if not running.session.whole:
            self.want(peer, now_ns)
        self._spread_added(peer, running, now_ns)
        if running.session.whole:
            state.compared = max(state.compared, running.serial)
            state.first_ns = None
            if state.periodic_ns > now_ns + KNOWN_SPREAD_NS:  # none is wanted soon
                state.periodic_ns = now_ns + self._period_ns()
            self._compared()

    def _fail(self, peer: bytes, state: _Peer, running: _Running, now_ns: int) -> None:
        """Give a session up; what it brought so far is spread all the same."""
        self._failed += 1
        self._forget(state, running)
        if not state.compared:
            state.first_ns = now_ns + FIRST_NS
        self._spread_added(peer, running, now_ns)

    def _spread_added(self, peer: bytes, running: _Running, now_ns: int) -> None:
        statistics = running.session.statistics()
        if statistics.entries_added or statistics.roots_added:
            self.spread(peer, now_ns)

    def spread(self, source: bytes | None, now_ns: int) -> None:
        """Compare with every linked peer but the one that the news came from."""
        for other in self._peers:
            if other != source:
                self.want(other, now_ns)

    def _forget(self, state: _Peer, running: _Running) -> None:
        if state.mine is running:
            state.mine = None
        else:
            state.theirs = None

    def _send_all(self, peer: bytes, running: _Running, frames: list[bytes]) -> None:
        for body in frames:
            self._send(peer, running.prefix + body)

    def _period_ns(self) -> int:
        spread = PERIOD_S_MAX - PERIOD_S_MIN
        return int((PERIOD_S_MIN + spread * self._random()) * SECOND)


def _next_ns(state: _Peer) -> int:
    """When the next session is to be begun."""
    return state.periodic_ns if state.first_ns is None else min(state.first_ns, state.periodic_ns)
