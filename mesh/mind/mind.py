"""The mind of a node: the cores composed into one state machine.

    effects = mind.receive(peer, protocol, body, now)
    for effect in effects: shell.perform(effect)

Everything that decides is below this file; here is only who is told what, in which order. A mind asks
no clock, opens no socket and writes no file; the same one runs under the simulator and under libp2p.
After every input it *settles*: new facts go to the store, changed views re-sort the peers, and one
timer stands for everything that waits. See docs/architecture.md, "The one idea".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from crdt.chains import grant_chain
from crdt.entry import Entry, Lane
from crdt.errors import SyncError
from crdt.own import Head as OwnHead
from crdt.own import OwnFeed
from crdt.replica import Replica
from crdt.standing import Pair
from crdt.sync import Reach
from identity.genesis import RootStatement
from identity.keys import SecretKey, peer_id_bytes
from mesh.choreography.event import SealedEvent
from mesh.choreography.reactions import Mode
from mesh.choreography.topics import auth_topic, district_of, fleet_topic, state_topic
from mesh.choreography.trace import Stage
from mesh.coordination.clock import ClockConsensus
from mesh.coordination.facts import FACT_SIZE_MAX, encode_entry, encode_root
from mesh.coordination.hello import (
    CLOCK_PERIOD_S,
    HELLO_PROTOCOL,
    Answer,
    Clock,
    Head,
    Hello,
    HelloError,
)
from mesh.coordination.trust import PeerClass, Trust
from mesh.framing import frame
from mesh.gossip import effects as gossip
from mesh.gossip.effects import Judgement, Priority
from mesh.gossip.router import Router
from mesh.mind.effects import (
    Admit,
    Changed,
    Deliver,
    Disconnect,
    Effect,
    Penalise,
    Persist,
    Send,
    SetTimer,
    Suspend,
    Wanted,
    Wrote,
)
from mesh.mind.hearing import Hearing
from mesh.mind.links import Link, Links
from mesh.mind.neighbours import Neighbours
from mesh.mind.speaking import Draft, Speaking
from mesh.mind.statistics import MindStatistics
from mesh.mind.syncing import SYNC_PROTOCOL, Syncing
from mesh.mind.views import Views
from mesh.mind.writing import Writing
from mesh.units import SECOND, Instant

if TYPE_CHECKING:
    from random import Random

__all__ = ["GOSSIP_PROTOCOL", "PROTOCOLS", "Mind", "MindConfig"]

GOSSIP_PROTOCOL = "/meshsub/1.1.0"
PROTOCOLS = (HELLO_PROTOCOL, SYNC_PROTOCOL, GOSSIP_PROTOCOL)
"""What a mind speaks; hello first."""
CLOCK_SOON_NS = SECOND
"""A new link hears our clock again after this time, then after twice as long, and so on."""
STATEMENT_DELAY_NS = 2 * SECOND
"""Link changes are stated this much later, so that a flapping link is one statement."""
TOPOLOGY_DELAY_NS = SECOND // 2
"""Changes of the membership are answered by dialling this much later, in one go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MindConfig:
    """What a node is told about itself.

    Attributes:
        name: the name under which it speaks; "" before it is enrolled.
        mode: whether its reactions make requests, or are only observed.
        bootstraps: where others may be found before any member is known.
        caches_only: whether it is a bootstrap peer: AUTH and introductions, nothing else.
    """

    name: str
    mode: Mode = "act"
    bootstraps: Mapping[bytes, tuple[str, ...]] = field(default_factory=dict[bytes, tuple[str, ...]])
    caches_only: bool = False


class Mind:
    """The state machine of one node.

    Args:
        config: what it is told about itself.
        secret: its key, for entries, events and its host alike.
        replica: what its store held.
        feeds: its own feeds, by lane.
        boot: this start: u32 counter ‖ 32 random bits, 8 bytes.
        rng: source of every random choice.
        now: when it starts.
    """

    def __init__(
        self,
        config: MindConfig,
        *,
        secret: SecretKey,
        replica: Replica,
        feeds: Mapping[Lane, OwnFeed],
        boot: bytes,
        rng: "Random",
        now: Instant,
    ) -> None:
        genesis = replica.chain.genesis
        self.config = config
        self.replica = replica
        self.public = secret.public
        self.views = Views(replica)
        self.trust = Trust(replica)
        self.links = Links(genesis.ns, self.trust)
        self.clock = ClockConsensus(genesis.clock_skew_ms_max)
        self.neighbours = Neighbours(genesis, secret.public, config.bootstraps)
        self.hearing = Hearing(replica, self._gap, self._root_accepted)
        self.writing = Writing(feeds, self._persist_own, lambda: rng.getrandbits(16))
        self.syncing = Syncing(replica, self._send_sync, rng.random)
        self.router = Router(rng=rng, validate=self._judge, priority_of=self._priority)
        self.speaking = Speaking(
            genesis=genesis,
            trust=self.trust,
            secret=secret,
            name=config.name,
            boot=boot,
            mode=config.mode,
            places=lambda: self.views.places,
            started=now,
        )
        self.heard_ns: dict[bytes, int] = {}
        """When something that a known author signed, or said on its link, came in last."""
        self._out: list[Effect] = []
        self._now = now
        self._tickets = 1 << 32
        self._addresses: tuple[str, ...] = ()
        self._released: set[bytes] = set()
        self._stated: object = None
        self._joined: tuple[str, ...] = ()
        self._wanted: object = None
        self._due: dict[str, int] = {}
        self._timer_ns: int | None = None
        self._clocks_told = 0

    def __repr__(self) -> str:
        return f"<Mind {self.config.name or '(not enrolled)'} {self.public.hex()[:8]}>"

    # ------------------------------------------------------------------ what the world tells us

    def start(self, addresses: tuple[str, ...], now: Instant) -> list[Effect]:
        """Begin: join the topics, and say where we can be reached. Call it once, first."""
        self._at(now)
        self._addresses = addresses
        self._due["clock"] = now.mono_ns + CLOCK_PERIOD_S * SECOND
        self._due["topology"] = now.mono_ns
        self._due["statement"] = now.mono_ns + STATEMENT_DELAY_NS
        return self._settle(changed=True)

    def connected(self, peer: bytes, now: Instant, *, outbound: bool) -> list[Effect]:
        """A link stands: say hello."""
        self._at(now)
        if not self.links.connected(peer, outbound=outbound):
            self._out.append(Disconnect(peer, "too many links"))
        else:
            self._hello(peer)
            self._clocks_told = 0
            self._due["clock"] = now.mono_ns + CLOCK_SOON_NS
        return self._settle()

    def disconnected(self, peer: bytes, now: Instant) -> list[Effect]:
        """A link is gone."""
        self._at(now)
        link = self.links.disconnected(peer)
        if link is not None:
            self._leave(link)
            self.clock.forget(peer)
            self.speaking.link_removed(peer)
        return self._settle()

    def stream_opened(self, peer: bytes, protocol: str, now: Instant) -> list[Effect]:
        """A stream of a protocol was opened, by us or by the peer: what goes first on ours.

        Other implementations forget our subscriptions with their own stream, so the list is sent
        again on every new one, in either direction.
        """
        self._at(now)
        link = self.links.get(peer)
        if protocol == GOSSIP_PROTOCOL and link and link.peer_class is PeerClass.MEMBER:
            for data in self.router.hello(peer):
                self._out.append(Send(peer, protocol, data, Priority.CONTROL))
        return self._settle()

    def receive(self, peer: bytes, protocol: str, body: bytes, now: Instant) -> list[Effect]:
        """Take one frame, its length cut off. Never raises for what a peer sends."""
        self._at(now)
        link = self.links.get(peer)
        if link is None:
            return []
        if protocol == GOSSIP_PROTOCOL:
            self._route(self.router.receive(body, peer, now.mono_ns))
        elif protocol == SYNC_PROTOCOL:
            try:
                self.syncing.receive(peer, body, now.mono_ns)
            except SyncError as error:
                self._out.append(Penalise(peer, f"sync: {error}"))
        else:
            self._hear_hello(link, body)
        return self._settle()

    def tick(self, now: Instant) -> list[Effect]:
        """Do what is due."""
        self._at(now)
        self._timer_ns = None
        beat = self.router.next_heartbeat_ns(now.mono_ns)
        if beat is not None and beat <= now.mono_ns:
            self._route(self.router.heartbeat(now.mono_ns))
        self.syncing.tick(now.mono_ns)
        for handle, reason in self.writing.tick(t=now.wall_ms, now_ns=now.mono_ns):
            self._out.append(Wrote(handle, None, reason))
        for what, due in tuple(self._due.items()):
            if due <= now.mono_ns:
                del self._due[what]
                getattr(self, f"_{what}_due")()
        return self._settle()

    def persisted(self, ticket: int, now: Instant) -> list[Effect]:
        """The store holds a ticket: an own fact is now shown and spread."""
        self._at(now)
        released = self.writing.persisted(ticket)
        if released is not None:
            self._released.add(released.entry.id)
            self.replica.offer(released.entry)
            self._spread(released.entry)
            self._out.append(Wrote(released.handle, released.entry))
        return self._settle()

    def persist_failed(self, ticket: int, reason: str, now: Instant) -> list[Effect]:
        """The store could not take a ticket: own facts behind it never were."""
        self._at(now)
        for handle in self.writing.persist_failed(ticket):
            self._out.append(Wrote(handle, None, reason))
        return self._settle()

    # ----------------------------------------------------------------------- what the app asks

    def publish(self, draft: Draft, now: Instant) -> tuple[SealedEvent, list[Effect]]:
        """Seal an event and send it to everyone who listens.

        Raises:
            InvalidEventError: a field is out of range, the whole too large, or we are in no
                district and the scope is one.
        """
        self._at(now)
        event = self.speaking.seal(draft, self._now)
        topic = self.speaking.topic(draft)
        self._route(self.router.publish(topic, event.wire, now.mono_ns, flood=True))
        return event, self._settle()

    def write(self, lane: Lane, kind: str, body: object, now: Instant) -> tuple[int, list[Effect]]:
        """Write a fact; `Wrote` with the same handle says when it is durable and spread.

        Raises:
            WriteError: too many wait already.
            InvalidEntryError: the body cannot be encoded or is too large.
        """
        self._at(now)
        handle = self.writing.write(lane, kind, body, t=now.wall_ms, now_ns=now.mono_ns)
        return handle, self._settle()

    def state(
        self, lane: Lane, topic: str, kind: str, body: object, now: Instant
    ) -> tuple[int, list[Effect]]:
        """Say something of ourselves under a topic; as `write`, and it replaces what was said."""
        self._at(now)
        handle = self.writing.state(lane, topic, kind, body, t=now.wall_ms, now_ns=now.mono_ns)
        return handle, self._settle()

    def offer_root(self, statement: RootStatement, now: Instant) -> list[Effect]:
        """Take a root statement that a person brought, and spread it."""
        self._at(now)
        self.replica.offer_root(statement)
        self._root_accepted(statement)
        self._publish_fact(auth_topic(self.replica.chain.genesis.ns), encode_root(statement))
        return self._settle()

    def listen(self, now: Instant) -> list[Effect]:
        """The interests changed: join and leave topics."""
        self._at(now)
        return self._settle(changed=True)

    def statistics(self) -> MindStatistics:
        """Return what happened so far, for people and for tests."""
        return MindStatistics(
            links=self.links.statistics(),
            admission=self.speaking.admission_statistics(),
            reactions=self.speaking.reaction_statistics(),
            gossip=self.router.statistics(),
            sync=self.syncing.statistics(),
            facts=self.hearing.statistics(),
            presence=self.neighbours.presence,
            clock_offset_ms=self.clock.offset_ms,
            clock_trusted=self.clock.trusted,
        )

    # ------------------------------------------------------------------------------- hello

    def _hello(self, peer: bytes) -> None:
        chain = grant_chain(self.replica, Pair(self.public, self.config.name))
        heads = [
            Head(feed.lane, feed.inc, head.seq, head.id)
            for feed in self.replica.feeds()
            if feed.author == peer and (head := self.replica.head(feed)) is not None
        ]
        hello = Hello(
            self.replica.chain.genesis.ns,
            (self.replica.chain.number, self.replica.chain.head),
            self._now.wall_ms,
            PROTOCOLS,
            self.config.name,
            tuple(entry.wire for entry in chain),
            tuple(heads),
        )
        self._say(peer, hello)

    def _say(self, peer: bytes, what: Hello | Answer | Clock) -> None:
        self._out.append(Send(peer, HELLO_PROTOCOL, frame(what.encode()), Priority.CONTROL))

    def _hear_hello(self, link: Link, body: bytes) -> None:
        try:
            heard = self.links.receive(link, body)
        except HelloError as error:
            self._out.append(Disconnect(link.peer, f"hello: {error}"))
            return
        if heard.clock_ms is not None:
            self.clock.heard(link.peer, heard.clock_ms, self._now.wall_ms)
            if self.trust.known_author(link.peer):
                self.heard_ns[link.peer] = self._now.mono_ns
        for entry in heard.grants:
            self.hearing.offer(entry, link.peer)
        if heard.hello is not None:
            heads = tuple(OwnHead(h.lane, h.inc, h.seq, h.id) for h in heard.heads)
            self.writing.heard(heads, holds=lambda key: self.replica.entry(key) is not None)
            self._sort()

    def _sort(self) -> None:
        """Sort every peer by today's views, and act where that changed."""
        for link, before in self.links.sort_again():
            sort = link.sort
            assert sort is not None
            self._say(link.peer, Answer(sort.peer_class, sort.reason or ""))
            if sort.peer_class is before:
                continue
            if before is not None:
                self._leave(link)
            if sort.peer_class is PeerClass.MEMBER:
                self._admit(link)
            if sort.peer_class is not PeerClass.STRANGER:
                self.syncing.peer_added(
                    link.peer,
                    self._reach(link),
                    member=sort.peer_class is PeerClass.MEMBER,
                    begin=link.outbound or before is not None,
                    now_ns=self._now.mono_ns,
                )

    def _admit(self, link: Link) -> None:
        tag = sha256(peer_id_bytes(link.peer)).digest()[:4]
        self._route(
            self.router.peer_added(
                link.peer, outbound=link.outbound, tag=tag, now_ns=self._now.mono_ns
            )
        )
        self._out.append(Admit(link.peer))
        self._due.setdefault("statement", self._now.mono_ns + STATEMENT_DELAY_NS)

    def _leave(self, link: Link) -> None:
        self.syncing.peer_removed(link.peer)
        self._route(self.router.peer_removed(link.peer, self._now.mono_ns))
        if self.links.get(link.peer) is not None:
            self._out.append(Suspend(link.peer))
        self._due.setdefault("statement", self._now.mono_ns + STATEMENT_DELAY_NS)

    def _reach(self, link: Link) -> Reach:
        if self.config.caches_only:
            return Reach.bootstrap()
        if link.peer_class is not PeerClass.MEMBER:
            return Reach.known()
        mine, theirs = self._districts(self.public), self._districts(link.peer)
        return Reach.member(mine & theirs)

    def _districts(self, key: bytes) -> set[str]:
        depth = self.replica.chain.genesis.district_depth
        pairs = self.replica.authority.pairs_of(key)
        found = {district_of(pair.name, depth) for pair in pairs}
        return {district for district in found if district is not None}

    # ------------------------------------------------------------------------------- gossip

    def _judge(self, topic: str, data: bytes, peer: bytes) -> Judgement:
        if _is_event(topic):
            judgement = self.speaking.judge(topic, data, peer, self._now)
        else:
            judgement = self.hearing.judge(topic, data, peer)
        if judgement.author is not None:
            self.heard_ns[judgement.author] = self._now.mono_ns
        return judgement

    def _priority(self, topic: str) -> Priority:
        return Priority.EVENT if _is_event(topic) else Priority.FACT

    def _route(self, effects: list[gossip.Effect]) -> None:
        """Turn the router's effects into ours; what it delivers was taken in when it was judged."""
        for effect in effects:
            if isinstance(effect, gossip.Send):
                self._out.append(Send(effect.peer, GOSSIP_PROTOCOL, effect.frame, effect.priority))
            elif isinstance(effect, gossip.Penalise):
                self._out.append(Penalise(effect.peer, f"gossip: {effect.reason}"))

    def _spread(self, entry: Entry) -> None:
        ns = self.replica.chain.genesis.ns
        if entry.lane == Lane.AUTH:
            self._publish_fact(auth_topic(ns), encode_entry(entry))
        elif entry.lane == Lane.FLEET:
            self._publish_fact(fleet_topic(ns), encode_entry(entry))
        elif entry.lane == Lane.STATE:
            for district in sorted(self._districts(self.public)):
                self._publish_fact(state_topic(ns, district), encode_entry(entry))

    def _publish_fact(self, topic: str, payload: bytes) -> None:
        if len(payload) <= FACT_SIZE_MAX:
            self._route(self.router.publish(topic, payload, self._now.mono_ns))
        else:
            self.syncing.spread(None, self._now.mono_ns)

    def _topics(self) -> tuple[str, ...]:
        ns = self.replica.chain.genesis.ns
        if self.config.caches_only:
            return (auth_topic(ns),)
        states = [state_topic(ns, district) for district in sorted(self._districts(self.public))]
        return (auth_topic(ns), fleet_topic(ns), *states, *self.speaking.topics())

    def _join(self) -> None:
        topics = self._topics()
        for topic in self._joined:
            if topic not in topics:
                self._route(self.router.leave(topic, self._now.mono_ns))
        for topic in topics:
            if topic not in self._joined:
                self._route(self.router.join(topic, self._now.mono_ns))
        self._joined = topics

    # -------------------------------------------------------------------------------- facts

    def _gap(self, peer: bytes) -> None:
        self.syncing.want(peer, self._now.mono_ns)

    def _root_accepted(self, statement: RootStatement) -> None:
        self._out.append(Persist(self._ticket(), roots=(statement,)))

    def _persist_own(self, ticket: int, entry: Entry) -> None:
        self._out.append(Persist(ticket, (entry,), own=True))

    def _send_sync(self, peer: bytes, body: bytes) -> None:
        self._out.append(Send(peer, SYNC_PROTOCOL, frame(body), Priority.FACT))

    def _ticket(self) -> int:
        self._tickets += 1
        return self._tickets

    # ------------------------------------------------------------------------------- timers

    def _clock_due(self) -> None:
        """Tell our clock: every minute, and a few times soon after somebody new came."""
        for link in self.links:
            self._say(link.peer, Clock(self._now.wall_ms))
        self._clocks_told += 1
        soon = CLOCK_SOON_NS << self._clocks_told
        self._due["clock"] = self._now.mono_ns + min(soon, CLOCK_PERIOD_S * SECOND)

    def _statement_due(self) -> None:
        """State whom we are linked to and where we can be reached, if that is news."""
        peers = sorted(link.peer for link in self.links.members())
        body = {"peers": peers, "addresses": list(self._addresses)}
        mine = self.trust.peer_class(self.public).peer_class
        if body == self._stated or self.config.caches_only or mine is not PeerClass.MEMBER:
            return
        self._stated = body
        now = self._now
        self.writing.state(Lane.FLEET, "links", "links", body, t=now.wall_ms, now_ns=now.mono_ns)
        self._due.setdefault("topology", now.mono_ns + TOPOLOGY_DELAY_NS)

    def _topology_due(self) -> None:
        """Look who is there, and tell the shell whom to keep links with."""
        members = self.views.membership.current()
        fleet = self.replica.status(Lane.FLEET)
        mine = tuple(link.peer for link in self.links.members())
        self.neighbours.look(members, fleet, mine)
        wanted = self.neighbours.wanted(members, self.views.places, fleet)
        if wanted != self._wanted:
            self._wanted = wanted
            self._out.append(Wanted(wanted))

    # ------------------------------------------------------------------------------- settle

    def _at(self, now: Instant) -> None:
        trusted = now.wall_trusted and self.clock.trusted
        self._now = now if trusted == now.wall_trusted else replace(now, wall_trusted=trusted)

    def _settle(self, *, changed: bool = False) -> list[Effect]:
        """Store what is new, follow changed views, set the timer, and hand over the effects."""
        new, dropped = self.replica.drain_new(), self.replica.drain_dropped()
        dropped += self.writing.drain_discarded()
        if new or dropped:
            self._store(new, tuple(dropped))
        if changed or (new and self.views.refresh()):
            self.hearing.try_parked()
            self.writing.leave_forked(self.replica.evidence)
            self._sort()
            self._join()
            self._due.setdefault("topology", self._now.mono_ns + TOPOLOGY_DELAY_NS)
            self._due.setdefault("statement", self._now.mono_ns + STATEMENT_DELAY_NS)
            self._out.append(Changed())
        woken = self.speaking.drain_woken()
        if woken:
            self._out.append(Deliver(woken))
        self._set_timer()
        out, self._out = self._out, []
        return out

    def _store(self, new: list[Entry], dropped: tuple[Entry, ...]) -> None:
        foreign = tuple(entry for entry in new if entry.id not in self._released)
        self._released.clear()
        if foreign or dropped:
            self._out.append(Persist(self._ticket(), foreign, dropped=dropped))
        for entry in foreign:
            if entry.author == self.public:
                self.writing.adopt(entry)

    def _set_timer(self) -> None:
        now_ns = self._now.mono_ns
        deadlines = [
            self.router.next_heartbeat_ns(now_ns),
            self.syncing.deadline_ns(),
            self.writing.deadline_ns(),
            *self._due.values(),
        ]
        earliest = min((at for at in deadlines if at is not None), default=None)
        if earliest is not None and earliest != self._timer_ns:
            self._timer_ns = earliest
            self._out.append(SetTimer(earliest))

    def mark(self, event_id: bytes, stage: Stage, mono_ns: int) -> None:
        """Stamp a stage of an event that only the shell can see."""
        self.speaking.traces.mark(event_id, stage, mono_ns)


def _is_event(topic: str) -> bool:
    """Whether a topic carries events: /<32 hex>/e/… or /<32 hex>/n/…"""
    return topic[34:36] in ("e/", "n/")
