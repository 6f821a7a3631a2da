"""The mind of a node: the cores composed into one state machine.

    effects = mind.receive(peer, protocol, body, now)
    for effect in effects: shell.perform(effect)

Everything that decides is below this file; here is only who is told what, in which order. A mind
asks no clock, opens no socket and writes no file; the same one runs under the simulator and under
libp2p. After every input it *settles*: new facts go to the store, changed views re-sort the peers,
and one timer stands for everything that waits. See docs/architecture.md, "The one idea".
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from crdt.entry import Entry, Lane
from crdt.errors import SyncError
from crdt.own import OwnFeed
from crdt.replica import Replica
from identity.genesis import RootStatement, RootVerdict
from identity.keys import SecretKey
from mesh.choreography.event import InvalidEventError, SealedEvent, Verify, verify_event
from mesh.coordination.clock import ClockConsensus
from mesh.coordination.hello import HELLO_PROTOCOL
from mesh.coordination.trust import PeerClass, Trust
from mesh.framing import frame
from mesh.gossip.effects import Judgement, Priority
from mesh.gossip.router import Router
from mesh.mind.conducting import Conducting
from mesh.mind.config import MindConfig
from mesh.mind.cores import GOSSIP_PROTOCOL, Cores, tag_of
from mesh.mind.duties import Duties
from mesh.mind.effects import (
    Changed,
    Deliver,
    Disconnect,
    Effect,
    Penalise,
    Persist,
    Send,
    SetTimer,
    Wrote,
)
from mesh.mind.hearing import Hearing
from mesh.mind.heeding import Heeding
from mesh.mind.keeping import Keeping
from mesh.mind.links import Links
from mesh.mind.meeting import Meeting
from mesh.mind.neighbours import Neighbours
from mesh.mind.readable import Readable
from mesh.mind.speaking import Draft, Speaking
from mesh.mind.spreading import Spreading, is_event_topic, priority_of
from mesh.mind.syncing import SYNC_PROTOCOL, Syncing
from mesh.mind.views import Views
from mesh.mind.writing import Writing
from mesh.orchestration.candidates import Candidates
from mesh.units import Instant

if TYPE_CHECKING:
    from random import Random

__all__ = ["Mind"]

_LEFT = "another entry of ours was found in its place: write it again"
"""Why a fact of ours was dropped that the disk holds."""


class Mind(Readable):
    """The state machine of one node.

    Args:
        config: what it is told about itself.
        secret: its key, for entries, events and its host alike.
        replica: what its store held.
        feeds: its own feeds, by lane.
        memory: what its conductor wrote down before; None at the first start.
        boot: this start: u32 counter ‖ 32 random bits, 8 bytes.
        rng: source of every random choice.
        now: when it starts.
        verify: checks the signature of an event.
    """

    def __init__(
        self,
        config: MindConfig,
        *,
        secret: SecretKey,
        replica: Replica,
        feeds: Mapping[Lane, OwnFeed],
        memory: bytes | None,
        boot: bytes,
        rng: "Random",
        now: Instant,
        verify: Verify = verify_event,
    ) -> None:
        genesis = replica.chain.genesis
        trust, views = Trust(replica, Candidates), Views(replica)
        self._cores = Cores(
            config=config,
            public=secret.public,
            replica=replica,
            views=views,
            trust=trust,
            links=Links(replica, trust),
            clock=ClockConsensus(genesis.clock_skew_ms_max),
            neighbours=Neighbours(genesis, secret.public, config.bootstraps, replica.folds),
            hearing=Hearing(replica, self._gap),
            writing=Writing(feeds, self._persist_own, lambda: rng.getrandbits(16)),
            syncing=Syncing(replica, self._send_sync, rng.random, self._compared),
            router=Router(
                rng=rng,
                validate=self._judge,
                priority_of=priority_of,
                tag=tag_of(secret.public),
            ),
            speaking=Speaking(
                genesis=genesis,
                trust=trust,
                secret=secret,
                name=config.name,
                boot=boot,
                mode=config.mode,
                places=lambda: views.places,
                started=now,
                verify=verify,
            ),
            now=now,
        )
        self._meeting = Meeting(self._cores)
        self._spreading = Spreading(self._cores)
        self._keeping = Keeping(self._cores)
        self._conducting = Conducting(self._cores, secret, memory)
        self._heeding = Heeding(self._cores)
        self._duties = Duties(self._cores, self._meeting, self._keeping, self._conducting)
        self._timer_ns: int | None = None
        self._has_judged = False

    def __repr__(self) -> str:
        return f"<Mind {self.config.name or '(not enrolled)'} {self.public.hex()[:8]}>"

    # ----------------------------------------------------------------- what the world tells us

    def start(self, addresses: tuple[str, ...], now: Instant) -> list[Effect]:
        """Begin: join the topics, and say where we can be reached. Call it once, first."""
        self._at(now)
        self._duties.begin(addresses)
        return self._settle(changed=True)

    def connected(self, peer: bytes, now: Instant, *, outbound: bool) -> list[Effect]:
        """A link stands: say hello."""
        self._at(now)
        if not self._cores.links.connected(peer, outbound=outbound):
            self._cores.out.append(Disconnect(peer, "too many links"))
        else:
            self._meeting.hello(peer)
            self._duties.met()
        return self._settle()

    def disconnected(self, peer: bytes, now: Instant) -> list[Effect]:
        """A link is gone."""
        self._at(now)
        link = self._cores.links.disconnected(peer)
        if link is not None:
            self._meeting.leave(link)
            self._cores.speaking.link_removed(peer)
            if not self._cores.replica.is_known_author(peer):
                self._cores.heard_ns.pop(peer, None)
        return self._settle()

    def stream_opened(self, peer: bytes, protocol: str, now: Instant) -> list[Effect]:
        """A stream was opened, by us or by the peer: what goes first on ours.

        Others forget our subscriptions with their own stream, so the list is sent again on each. A
        hello stream is only told of when it was opened again: what the first one held may be lost.
        """
        self._at(now)
        link = self._cores.links.get(peer)
        if protocol == GOSSIP_PROTOCOL and link and link.peer_class is PeerClass.MEMBER:
            first = self._cores.router.hello(peer)
            self._cores.out += [Send(peer, protocol, data, Priority.CONTROL) for data in first]
        elif protocol == HELLO_PROTOCOL and link:
            self._meeting.hello_again(link)
        return self._settle()

    def dropped(self, peer: bytes, protocol: str) -> None:
        """Frames to a peer found no room and are gone; nothing is to be done at once."""
        if protocol == GOSSIP_PROTOCOL:
            self._cores.router.lost(peer)

    def receive(self, peer: bytes, protocol: str, body: bytes, now: Instant) -> list[Effect]:
        """Take one frame, its length cut off. Never raises for what a peer sends."""
        self._at(now)
        cores = self._cores
        link = cores.links.get(peer)
        if link is None:
            return []
        cores.heard_ns[peer] = now.mono_ns
        if protocol == GOSSIP_PROTOCOL:
            if not self._gossip(peer, body, now.mono_ns):
                return []
        elif protocol == SYNC_PROTOCOL:
            try:
                cores.syncing.receive(peer, body, now.mono_ns)
            except SyncError as error:
                cores.out.append(Penalise(peer, f"sync: {error}"))
        else:
            self._meeting.hear(link, body)
        return self._settle()

    def _gossip(self, peer: bytes, body: bytes, now_ns: int) -> bool:
        """Let the router take a frame; says whether there is anything to settle.

        Most frames are copies of what is known: they touch the router alone, and want nothing.
        """
        router = self._cores.router
        self._has_judged = False
        effects = router.receive(body, peer, now_ns)
        if effects or self._has_judged:
            self._cores.route(effects)
            return True
        beat_ns = router.next_heartbeat_ns(now_ns)
        return beat_ns is not None and (self._timer_ns is None or beat_ns < self._timer_ns)

    def tick(self, now: Instant) -> list[Effect]:
        """Do what is due."""
        self._at(now)
        self._timer_ns = None
        cores, now_ns = self._cores, now.mono_ns
        beat = cores.router.next_heartbeat_ns(now_ns)
        if beat is not None and beat <= now_ns:
            cores.route(cores.router.heartbeat(now_ns))
        cores.syncing.tick(now_ns)
        self._duties.tick()
        return self._settle()

    def persisted(self, ticket: int, now: Instant) -> list[Effect]:
        """The store holds a ticket: an own fact is now shown and spread."""
        self._at(now)
        self._keeping.answered(ticket)
        self._conducting.persisted(ticket)
        released = self._cores.writing.persisted(ticket)
        if released is not None:
            handle, entry = released
            if entry is not None:
                self._keeping.kept(entry)
                self._cores.replica.offer(entry)
                self._spreading.entry(entry)
            self._wrote(handle, entry, "" if entry else _LEFT)
        return self._settle()

    def persist_failed(self, ticket: int, reason: str, now: Instant) -> list[Effect]:
        """The store could not take a ticket: own facts behind it never were, others' come again."""
        self._at(now)
        self._keeping.answered(ticket, failed=True)
        self._conducting.persist_failed(ticket)
        gone = self._cores.writing.persist_failed(ticket)
        for handle in gone:
            self._wrote(handle, None, reason)
        if gone:
            self._duties.state_again()
        return self._settle()

    # ---------------------------------------------------------------------- what the app asks

    def publish(self, draft: Draft, now: Instant) -> tuple[SealedEvent, list[Effect]]:
        """Seal an event and send it to everyone who listens.

        Raises:
            InvalidEventError: a field is out of range, or the whole or the scope impossible.
        """
        self._at(now)
        cores = self._cores
        topic = cores.speaking.topic(draft)
        if topic is None:
            raise InvalidEventError(
                f"scope {draft.scope!r}: expected a scope that {self.config.name!r} has; its name "
                "is too short to be in a district"
            )
        event = cores.speaking.seal(draft, cores.now)
        cores.route(cores.router.publish(topic, event.wire, now.mono_ns, flood=True))
        self._heeding.published(event)
        return event, self._settle()

    def write(self, lane: Lane, kind: str, body: object, now: Instant) -> tuple[int, list[Effect]]:
        """Write a fact; `Wrote` with the same handle says when it is durable and spread.

        Raises:
            WriteError: too many wait already.
            InvalidEntryError: the body cannot be encoded or is too large.
        """
        self._at(now)
        write = self._cores.writing.write
        return write(lane, kind, body, t=now.wall_ms, now_ns=now.mono_ns), self._settle()

    def state(
        self, lane: Lane, topic: str, kind: str, body: Mapping[str, object], now: Instant
    ) -> tuple[int, list[Effect]]:
        """Say something of ourselves under a topic; as `write`, and it replaces what was said."""
        self._at(now)
        writing = self._cores.writing
        handle = writing.state(lane, topic, kind, body, t=now.wall_ms, now_ns=now.mono_ns)
        return handle, self._settle()

    def offer_root(
        self, statement: RootStatement, now: Instant
    ) -> tuple[RootVerdict, list[Effect]]:
        """Take a root statement that a person brought, and spread an accepted one."""
        self._at(now)
        verdict = self._cores.replica.offer_root(statement)
        if verdict is RootVerdict.ACCEPTED:
            self._spreading.root(statement)
        return verdict, self._settle()

    def conduct(self, tell: Callable[[Conducting], None], now: Instant) -> list[Effect]:
        """Tell the conductor something: what a slot runs, what became of a goal or of a fetch."""
        self._at(now)
        tell(self._conducting)
        return self._settle()

    def listen(self, now: Instant) -> list[Effect]:
        """The interests changed: join and leave topics."""
        self._at(now)
        return self._settle(changed=True)

    # --------------------------------------------------------------- what the cores call back

    def _judge(self, topic: str, data: bytes, peer: bytes) -> Judgement:
        cores = self._cores
        self._has_judged = True
        hears = cores.speaking.judge if is_event_topic(topic) else cores.hearing.judge
        judgement = hears(topic, data, peer, cores.now)
        if judgement.author is not None:
            cores.heard_ns[judgement.author] = cores.now.mono_ns
        return judgement

    def _gap(self, peer: bytes) -> None:
        self._cores.syncing.want(peer, self._cores.now.mono_ns)

    def _compared(self) -> None:
        self._conducting.compared()

    def _wrote(self, handle: int, entry: Entry | None, reason: str) -> None:
        self._conducting.wrote(handle, failed=entry is None)
        self._cores.out.append(Wrote(handle, entry, reason))

    def _persist_own(self, ticket: int, entry: Entry) -> None:
        self._cores.out.append(Persist(ticket, (entry,), own=True))

    def _send_sync(self, peer: bytes, body: bytes) -> None:
        self._cores.out.append(Send(peer, SYNC_PROTOCOL, frame(body), Priority.FACT))

    # ------------------------------------------------------------------------------- settle

    def _at(self, now: Instant) -> None:
        trusted = now.wall_trusted and self._cores.clock.trusted
        same = trusted == now.wall_trusted
        self._cores.now = now if same else replace(now, wall_trusted=trusted)

    def _settle(self, *, changed: bool = False) -> list[Effect]:
        """Store what is new, follow changed views, set the timer, and hand over the effects."""
        cores = self._cores
        while self._keeping.take_in() and cores.views.refresh():
            changed = True
            cores.writing.leave_forked(cores.replica.evidence)
            if cores.hearing.try_parked():
                cores.syncing.spread(None, cores.now.mono_ns)
        failed = cores.writing.tick(t=cores.now.wall_ms, now_ns=cores.now.mono_ns)
        for handle, reason in failed:
            self._wrote(handle, None, reason)
        if changed:
            self._meeting.sort()
            self._spreading.join()
            self._duties.views_changed()
            self._heeding.views_changed()
            cores.out.append(Changed())
        if woken := cores.speaking.drain_woken():
            cores.out.append(Deliver(woken))
        self._set_timer()
        out, cores.out = cores.out, []
        return out

    def _set_timer(self) -> None:
        cores, now_ns = self._cores, self._cores.now.mono_ns
        deadlines = [
            cores.router.next_heartbeat_ns(now_ns),
            cores.syncing.deadline_ns(),
            cores.writing.deadline_ns(),
            *cores.due.values(),
        ]
        earliest = min((at for at in deadlines if at is not None), default=None)
        if earliest is not None and earliest != self._timer_ns:
            self._timer_ns = earliest
            cores.out.append(SetTimer(earliest))
