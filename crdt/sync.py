"""Anti-entropy between two replicas: frames in, frames out.

Gossip spreads entries as they are written; a session repairs what gossip lost. Both sides run the
same machine; the initiator only speaks first. A session is a sequence of rounds:

    both    SUMMARY        a digest for each lane that I would share with you
            equal in every common lane: finished, 61 bytes each way
    both    PAGE           of the first lane that differs: AUTH (with root, evidence), STATE, FLEET
    each    requests, answered one by one (`crdt.sync_pull`, `crdt.sync_serve`)
    both    DONE           and the next round, with new digests: a view may have changed

A lane to which a whole round added nothing on either side is settled: what still differs there is
what the two do not both keep. Equal digests, settled lanes, a spent budget or `ROUNDS_MAX` rounds
end the session. It holds no truth of its own: cut off anywhere, the next session goes on from what
the replica holds, and `refused` tells it what not to ask again until a view changed.

Whoever runs sessions: one per peer at a time, started on connect and every 1 to 5 minutes; end one
that is silent for some seconds; and when one ends with `statistics().entries_added`, start one with
every *other* linked peer at once (at most one a peer and 250 ms): that is how a healed cut spreads
inwards. See docs/records.md, "Sync".
"""

from crdt.entry import Entry
from crdt.errors import SyncError
from crdt.replica import Replica
from crdt.sync_codec import decode_message, encode_message
from crdt.sync_limits import ROUNDS_MAX, SyncLimits, SyncStatistics
from crdt.sync_messages import (
    Busy,
    Done,
    Message,
    Next,
    Page,
    RootPart,
    RootWant,
    Segment,
    Summary,
    Want,
)
from crdt.sync_pull import Puller, Refused
from crdt.sync_serve import Server
from crdt.sync_vector import Reach, summarise

__all__ = ["Reach", "Refused", "SyncLimits", "SyncSession", "SyncStatistics"]


class SyncSession:
    """One side of one session with one peer.

    Args:
        replica: what to compare and to add to; it may change between frames.
        reach: what travels between the two, as this side sees it.
        initiator: whether this side speaks first.
        limits: the budget; the member's by default.
        refused: what earlier sessions of this replica with this peer learned.
    """

    def __init__(
        self,
        replica: Replica,
        *,
        reach: Reach,
        initiator: bool,
        limits: SyncLimits | None = None,
        refused: Refused | None = None,
    ) -> None:
        budget = limits or SyncLimits.member()
        self._replica = replica
        self._reach = reach
        self._initiator = initiator
        self._server = Server(replica, reach, budget)
        self._puller = Puller(replica, reach, budget, refused or {})
        self._rounds = 0
        self._bytes_in = 0
        self._bytes_out = 0
        self._mine: Summary | None = None
        self._theirs: Summary | None = None
        self._done_mine: Done | None = None
        self._done_theirs: Done | None = None
        self._lane: int | None = None
        self._settled: set[int] = set()
        self._finished = False
        self._equal = False
        self._whole = False
        self._failed = False

    @property
    def finished(self) -> bool:
        """Whether nothing more is to be sent or expected."""
        return self._finished

    @property
    def equal(self) -> bool:
        """Whether the two were seen to hold the same in every common lane."""
        return self._equal

    @property
    def whole(self) -> bool:
        """Whether it came to its end: each has all of the other's that it keeps."""
        return self._whole

    @property
    def exhausted(self) -> bool:
        """Whether a budget was spent before everything was asked for: go on in a later session."""
        return self._puller.exhausted or self._server.exhausted

    @property
    def idle(self) -> bool:
        """Whether no request of this side is unanswered."""
        return not self._puller.is_waiting

    @property
    def pulling(self) -> bool:
        """Whether this side lacks something: of a lane that differs, or perhaps of the next one."""
        if self._finished:
            return False
        if self._lane is None:
            return self._puller.entries_added > 0
        return self._done_mine is None

    @property
    def refused(self) -> Refused:
        """What to hand to the next session with this peer."""
        return self._puller.refused

    def drain_added(self) -> list[Entry]:
        """Return the entries that this session added to the replica since the last call."""
        added, self._puller.added = self._puller.added, []
        return added

    def statistics(self) -> SyncStatistics:
        """Return what the session did so far."""
        puller, server = self._puller, self._server
        return SyncStatistics(
            rounds=self._rounds,
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            requests_made=puller.requests,
            requests_answered=server.requests,
            entries_received=puller.entries_received,
            entries_added=puller.entries_added,
            entries_served=server.entries_served,
            roots_added=puller.roots_added,
            root_twins=puller.root_twins,
            refused=len(puller.refused),
        )

    def __repr__(self) -> str:
        ended = "failed" if self._failed else "equal" if self._equal else "finished"
        state = ended if self._finished else "running"
        return f"<SyncSession {state}, round {self._rounds}, +{self._puller.entries_added} entries>"

    def start(self) -> list[bytes]:
        """Return the first frames: the initiator's summary; the other side waits for it."""
        return self._send(self._begin_round()) if self._initiator else []

    def receive(self, frame: bytes) -> list[bytes]:
        """Take one frame and return the frames that answer it.

        Raises:
            SyncError: no honest peer sends this frame here. The session is over, what it added
                stays; nothing else is ever raised.
        """
        try:
            if self._finished:
                raise SyncError("a frame after the end of the session")
            self._bytes_in += len(frame)
            return self._send(self._take(decode_message(frame)))
        except SyncError:
            self._finished = True
            self._failed = True
            raise

    def _send(self, messages: list[Message]) -> list[bytes]:
        frames = [encode_message(message) for message in messages]
        self._bytes_out += sum(map(len, frames))
        return frames

    def _take(self, message: Message) -> list[Message]:
        if isinstance(message, Summary):
            return self._take_summary(message)
        if self._lane is None:
            raise SyncError(f"{type(message).__name__} before both summaries")
        match message:
            case Page() | Segment() | RootPart() | Busy():
                return self._ask(message)
            case Next() | Want() | RootWant():
                if self._done_theirs is not None:
                    raise SyncError("a request after DONE")
                return [self._server.answer(message)]
            case Done():
                if self._done_theirs is not None:
                    raise SyncError("DONE twice in a round")
                self._done_theirs = message
                return self._end_round()

    def _begin_round(self) -> list[Message]:
        self._rounds += 1
        self._lane = None
        self._theirs = self._done_mine = self._done_theirs = None
        self._mine = summarise(self._replica, self._reach)
        return [self._mine]

    def _take_summary(self, theirs: Summary) -> list[Message]:
        if self._theirs is not None:
            raise SyncError("a second summary in one round")
        out = self._begin_round() if self._mine is None else []
        self._theirs = theirs
        return out + self._choose_lane()

    def _choose_lane(self) -> list[Message]:
        """Compare the two summaries: finish, or open the first lane that differs.

        Both sides see the same two summaries and the same counts of earlier rounds, so both choose
        the same lane.
        """
        mine, theirs = self._mine, self._theirs
        if mine is None or theirs is None:
            return []
        digests = dict(theirs.lanes)
        differing = [
            lane for lane, digest in mine.lanes if lane in digests and digests[lane] != digest
        ]
        unsettled = [lane for lane in differing if lane not in self._settled]
        if not unsettled:
            self._finished = self._whole = True
            self._equal = not differing
            return []
        self._lane = unsettled[0]
        self._puller.begin(self._lane)
        return [self._server.first_page(self._lane)]

    def _ask(self, answer: Page | Segment | RootPart | Busy) -> list[Message]:
        request = self._puller.take(answer)
        if not isinstance(request, Done):
            return [request]
        self._done_mine = request
        return [request, *self._end_round()]

    def _end_round(self) -> list[Message]:
        mine, theirs = self._done_mine, self._done_theirs
        if mine is None or theirs is None or self._lane is None:
            return []
        if mine.added == 0 and theirs.added == 0:
            self._settled.add(self._lane)
        if mine.exhausted or theirs.exhausted or self._rounds >= ROUNDS_MAX:
            self._finished = True
            return []
        return self._begin_round()
