"""Seeded bugs of what peers exchange: replicas, sync, own feeds, admission and gossip."""

from tools.mutants_mutant import Change, Mutant

__all__ = ["MUTANTS"]

AUTHORITY = "tests/laws/test_authority.py"
REPLICA = "tests/unit/crdt/test_replica.py"
REPLICA_LIMITS = "tests/unit/crdt/test_replica_limits.py"
REPLICA_LAWS = "tests/unit/crdt/test_replica_laws.py"
SYNC = "tests/unit/crdt/test_sync.py"
SYNC_PEERS = "tests/unit/crdt/test_sync_peers.py"
SYNC_LAWS = "tests/laws/test_sync.py"
OWN = "tests/unit/crdt/test_own.py"
RESTORE = "tests/unit/crdt/test_restore.py"
ADMISSION = "tests/unit/choreography/test_admission.py"
ADMISSION_LAWS = "tests/laws/test_admission.py"
REPLAY = "tests/unit/choreography/test_replay.py"
TRUST = "tests/unit/coordination/test_trust.py"
ROUTER = "tests/unit/gossip/test_router.py"
CONTROL = "tests/unit/gossip/test_control.py"
DELIVERY = "tests/laws/test_gossip_delivery.py"
MIND_EVENTS = "tests/unit/mind/test_events.py"
OUTLETS = "tests/unit/node/test_outlets.py"
HEEDING = "tests/unit/mind/test_heeding.py"
FACTS = "tests/unit/mind/test_facts.py"
SYNCING, SESSIONS_CASES = "mesh/mind/syncing.py", "tests/unit/mind/test_syncing.py"

KNOWN = "crdt/known.py"
OWN_FEED = "crdt/own.py"
ADMIT = "mesh/choreography/admission.py"
WINDOW = "mesh/choreography/replay.py"
RELAY = "mesh/gossip/relay.py"
LAZY = "mesh/gossip/control.py"
GOSSIP_ROUTER = "mesh/gossip/router.py"

AUTHORS = (
    Mutant(
        "anyone makes authors known",
        "a grant makes its key known though no verb of its author covers the name",
        (
            Change(
                KNOWN,
                'and any(permits(each, verb="grant", name=grant.name) for each in held)',
                "and held",
            ),
        ),
        (REPLICA, REPLICA_LIMITS, AUTHORITY),
    ),
    Mutant(
        "a junior makes seniors known",
        "a chain of grants need not descend",
        (Change(KNOWN, "if stratum < grant.stratum", "if stratum <= 7"),),
        (REPLICA, REPLICA_LIMITS, AUTHORITY),
    ),
    Mutant(
        "a puppet inherits capabilities",
        "a known author passes on what it does not hold",
        (
            Change(
                KNOWN,
                "if any(covers(each, wanted) for held in issuers for each in held)",
                "if wanted",
            ),
        ),
        (REPLICA, REPLICA_LIMITS, AUTHORITY),
    ),
    Mutant(
        "a junk copy convicts",
        "an entry taken on the word of a later one is evidence before its signature is checked",
        (
            Change(
                "crdt/retention.py",
                "        for rival in rivals:\n            self.has_signature(rival.id)\n",
                "",
            ),
        ),
        (REPLICA, REPLICA_LAWS),
    ),
    Mutant(
        "a stale view",
        "the view of registers outlives the authority that it was folded beside",
        (
            Change(
                "crdt/replica.py",
                "        self._authority = None\n        self._registers = None\n",
                "        self._authority = None\n",
            ),
        ),
        (REPLICA, REPLICA_LAWS),
    ),
    Mutant(
        "a status outlives its pair",
        "what a key states shows on when authority says something else of its pair",
        (
            Change(
                "crdt/statuses.py",
                "keys = {**self._stale, **before.changed_in(authority)}.keys()",
                "keys = self._stale.keys()",
            ),
        ),
        (REPLICA, REPLICA_LAWS),
    ),
    Mutant(
        "the branch that was pinned first shows on",
        "a senior who pins another branch of a fork does not change what shows",
        (
            Change(
                "crdt/standing.py",
                "return self.rulings.get(pair) == other.rulings.get(pair)",
                "return True",
            ),
        ),
        (REPLICA, REPLICA_LAWS),
    ),
    Mutant(
        "a junk copy goes on counting",
        "views still show an entry that was forgotten because a rival exposed its signature",
        (Change("crdt/replica.py", "forked or index.discards != discards or", "forked or"),),
        (REPLICA, REPLICA_LAWS),
    ),
    Mutant(
        "proof leaves the status alone",
        "what is proven of an author changes nothing that shows of it until it writes again",
        (
            Change(
                "crdt/replica.py",
                "            self._forget_authority(author)\n        if linked",
                "            self._forget_authority()\n        if linked",
            ),
        ),
        (REPLICA,),
    ),
)

EXCHANGE = (
    Mutant(
        "heads compared by number",
        "a head of a seq that I have is not asked for, so two branches never meet",
        (
            Change(
                "crdt/sync_pull.py",
                "            if self._is_linked(feed, tip.id) or is_stale(",
                "            mine = self._replica.head(feed)\n"
                "            if mine is not None and mine.seq >= tip.seq:\n"
                "                continue\n"
                "            if self._is_linked(feed, tip.id) or is_stale(",
            ),
        ),
        (SYNC, SYNC_LAWS),
    ),
    Mutant(
        "state leaves its district",
        "a box's STATE goes to every member",
        (
            Change(
                "crdt/sync_vector.py",
                "if feed.lane != Lane.STATE:",
                "if feed.lane <= Lane.FLEET:",
            ),
        ),
        (SYNC, SYNC_LAWS),
    ),
    Mutant(
        "served by id whatever the reach",
        "a peer that names an entry gets it though its feed is not shared",
        (
            Change(
                "crdt/sync_serve.py",
                " or not self._reach.shares(self._replica, item.feed):",
                ":",
            ),
        ),
        (SYNC, SYNC_PEERS, SYNC_LAWS),
    ),
    Mutant(
        "a segment is believed",
        "entries of a segment are stored without their signatures",
        (Change("crdt/sync_pull.py", "if not verify_entry(entry):", "if not entry.sig:"),),
        (SYNC, SYNC_PEERS, SYNC_LAWS),
    ),
    Mutant(
        "a long gap is read from its start",
        "where branches part in a gap larger than a budget, each session brings what both hold",
        (
            Change(
                "crdt/sync_pull.py",
                "have = locator_above(self._replica, feed, cursor)",
                "have = locator(self._replica, feed)",
            ),
        ),
        (SYNC_LAWS,),
    ),
    Mutant(
        "a wanted entry is not asked for",
        "what a cut names and nobody shows is never wanted",
        (
            Change(
                "crdt/sync_pull.py",
                "in self._replica.wanted() if page.last else ():",
                "in ():",
            ),
        ),
        (SYNC, SYNC_LAWS),
    ),
)

OWN_FEEDS = (
    Mutant(
        "incarnation reused after a restore",
        "an old head is written on though nobody said that it is the last",
        (
            Change(
                OWN_FEED,
                "        if self._ahead or (self._lane != Lane.AUTH and not self._answered):\n"
                "            self._leave()\n",
                "        return\n",
            ),
        ),
        (OWN, RESTORE),
    ),
    Mutant(
        "a forked feed is written on",
        "a start goes on in an incarnation against which evidence is held",
        (
            Change(
                OWN_FEED,
                "self._durable: Entry | None = None if is_forked else head",
                "self._durable: Entry | None = head",
            ),
        ),
        (OWN, RESTORE),
    ),
    Mutant(
        "a failed write is forgotten alone",
        "entries after one that the disk refused are published",
        (
            Change(
                OWN_FEED,
                "failed = tuple(later.entry for later in self._pending[place:])\n"
                "                del self._pending[place:]",
                "failed = (written.entry,)\n                del self._pending[place]",
            ),
        ),
        (OWN, RESTORE),
    ),
    Mutant(
        "an incarnation below another",
        "a new incarnation is counted from zero, not from the highest known",
        (
            Change(
                OWN_FEED,
                "inc = ((self._highest >> RANDOM_BITS) + 1) << RANDOM_BITS",
                "inc = 1 << RANDOM_BITS",
            ),
        ),
        (OWN, RESTORE),
    ),
)

EVENTS = (
    Mutant(
        "signature after trust",
        "trust is asked, and tokens are spent, before the signature is checked",
        (
            Change(
                ADMIT,
                "        if not self._verify(event):\n"
                "            return _refused(Reason.BAD_SIGNATURE, event)\n"
                "        reason, detail = self._after_signature(event, now)\n"
                "        if reason is not None:\n"
                "            return _refused(reason, event, event.author, detail)\n",
                "        reason, detail = self._after_signature(event, now)\n"
                "        if reason is not None:\n"
                "            return _refused(reason, event, event.author, detail)\n"
                "        if not self._verify(event):\n"
                "            return _refused(Reason.BAD_SIGNATURE, event)\n",
            ),
        ),
        (ADMISSION, ADMISSION_LAWS),
    ),
    Mutant(
        "a forger uses up numbers",
        "an event with a wrong signature is remembered as consumed",
        (
            Change(
                ADMIT,
                "        if not self._verify(event):\n",
                "        if not self._verify(event):\n            self._consume(event, now)\n",
            ),
        ),
        (ADMISSION, ADMISSION_LAWS),
    ),
    Mutant(
        "no signature",
        "an event is accepted without its signature",
        (Change(ADMIT, "if not self._verify(event):", "if not event.signature:"),),
        (ADMISSION, ADMISSION_LAWS),
    ),
    Mutant(
        "replay window by number alone",
        "a restarted author's numbers are taken for replays of its last start",
        (
            Change(WINDOW, "known.numbers.get((boot, n))", 'known.numbers.get((b"", n))'),
            Change(WINDOW, "known.numbers[boot, n] = event_id", 'known.numbers[b"", n] = event_id'),
        ),
        (ADMISSION, REPLAY, ADMISSION_LAWS),
    ),
    Mutant(
        "a number may come twice",
        "a second event with a consumed number is accepted",
        (
            Change(
                ADMIT,
                "        if self._consumed(event) is not None:\n"
                '            return Reason.REPLAYED, f"number={event.boot.hex()}-{event.n}"\n',
                "",
            ),
        ),
        (ADMISSION, ADMISSION_LAWS),
    ),
    Mutant(
        "heard before the start",
        "an event sealed before this process started is not stale",
        (Change(ADMIT, " or event.time_ms < self._started_wall_ms(now):", ":"),),
        (ADMISSION, ADMISSION_LAWS),
    ),
    Mutant(
        "a late event is handled",
        "an event past its time to live is accepted, not only forwarded",
        (Change(ADMIT, "if late_ms > 0:", "if late_ms > self._stale_ms:"),),
        (ADMISSION, ADMISSION_LAWS),
    ),
    Mutant(
        "an unknown author is punished",
        "what depends on our view of trust is rejected, and whoever passed it on pays",
        (
            Change(
                "mesh/choreography/verdict.py",
                "    Reason.BAD_SIGNATURE: Outcome.REJECT,\n",
                "    Reason.BAD_SIGNATURE: Outcome.REJECT,\n"
                "    Reason.UNKNOWN_AUTHOR: Outcome.REJECT,\n",
            ),
        ),
        (ADMISSION, ADMISSION_LAWS),
    ),
    Mutant(
        "model check skipped",
        "an event may name any model",
        (
            Change(
                "mesh/coordination/trust.py",
                "            return self._model(event_type, cell, model) or yes\n",
                "            return yes\n",
            ),
        ),
        (TRUST,),
    ),
    Mutant(
        "an expired grant speaks on",
        "admission takes trust's yes for one that never ends",
        (Change(ADMIT, "        ).at(now)\n", "        )\n"),),
        (ADMISSION, ADMISSION_LAWS),
    ),
    Mutant(
        "a wrong clock ends grants",
        "a box whose clock is not trusted takes grants for expired",
        (
            Change(
                "mesh/units.py",
                "return self.wall_trusted and wall_ms <= self.wall_ms",
                "return wall_ms <= self.wall_ms",
            ),
        ),
        (TRUST,),
    ),
    Mutant(
        "a speaker is told again and again",
        "every event that nobody accepts is a warning of its own",
        (
            Change(
                "mesh/mind/heeding.py",
                "        if key not in self._unheard:\n",
                "        if self._unheard is not None:\n",
            ),
        ),
        (HEEDING,),
    ),
    Mutant(
        "area ignored",
        "an event may come from outside the area of the grant",
        (
            Change(
                "mesh/coordination/trust.py",
                "name=name, event=event_type, cell=cell)",
                "name=name, event=event_type)",
            ),
        ),
        (TRUST,),
    ),
    Mutant(
        "a key speaks for all its names",
        "a pair that is not current publishes by another pair of its key",
        (
            Change(
                "mesh/coordination/trust.py",
                "        reason = refusal_of(standing)\n        if standing is None",
                "        others = [self._authority.standings[p] for p in"
                " self._authority.pairs_of(key)]\n"
                "        reason = refusal_of(standing)\n"
                "        if standing is not None and any(one.current for one in others):\n"
                "            reason = None\n"
                "        if standing is None",
            ),
        ),
        (TRUST,),
    ),
)

GOSSIP = (
    Mutant(
        "told honoured from anybody",
        "a relay that is not the author keeps others from being forwarded to",
        (Change(RELAY, 'told if author == state.key else b""', "told"),),
        (ROUTER, DELIVERY),
    ),
    Mutant(
        "forwarded before validation",
        "a message goes to the mesh before the verdict on it",
        (
            Change(
                RELAY,
                "        verdict, author = self._validate(",
                "        whole = message_frame(encode_message(message))\n"
                "        effects.extend(\n"
                "            Send(key, whole, mesh.priority)"
                " for key in mesh.peers if key != state.key\n"
                "        )\n"
                "        verdict, author = self._validate(",
            ),
        ),
        (ROUTER, DELIVERY),
    ),
    Mutant(
        "rejected id marked seen",
        "a copy that is rejected censors the one that would be accepted",
        (
            Change(
                RELAY,
                "        counters.rejected += 1\n",
                "        exchange.seen.add(message_id, now_ns)\n        counters.rejected += 1\n",
            ),
        ),
        (ROUTER, DELIVERY),
    ),
    Mutant(
        "parked id marked seen",
        "a fact that came before its author's grant is never heard again",
        (
            Change(
                RELAY,
                "            counters.parked += 1\n",
                "            counters.parked += 1\n"
                "            exchange.seen.add(message_id, now_ns)\n",
            ),
        ),
        (ROUTER, DELIVERY),
    ),
    Mutant(
        "late is delivered",
        "what is only good for others is delivered here as well",
        (
            Change(
                RELAY, "            if verdict is Verdict.ACCEPT:\n", "            if verdict:\n"
            ),
        ),
        (ROUTER, DELIVERY),
    ),
    Mutant(
        "back to the author",
        "a message is sent back to whoever wrote it",
        (
            Change(
                RELAY,
                "        if writer is not None:\n            holders |= writer.bit\n",
                "",
            ),
        ),
        (ROUTER, DELIVERY),
    ),
    Mutant(
        "no price for a rejected message",
        "a peer may send bad messages for ever",
        (Change(RELAY, "        state.score.invalid(topic, now_ns)\n", ""),),
        (ROUTER, CONTROL),
    ),
    Mutant(
        "everything is said again",
        "an id is advertised at every heartbeat to whoever was sent it or told of it",
        (Change(LAZY, "(message.holders | message.sent) & bit", "message.holders & bit"),),
        (CONTROL, DELIVERY),
    ),
    Mutant(
        "a full queue is never doubted",
        "what a queue dropped counts as sent for ever",
        (Change(GOSSIP_ROUTER, "self._exchange.cache.doubt(state.bit)\n", "pass\n"),),
        (CONTROL, DELIVERY),
    ),
    Mutant(
        "a new peer inherits what was sent",
        "who announces a topic counts as having what was sent before, to it or on its bit",
        (Change(GOSSIP_ROUTER, "self._exchange.cache.doubt(state.bit, topic)", "pass"),),
        (CONTROL,),
    ),
    Mutant(
        "nobody watches those who were told",
        "an author that dies in the middle of its flood takes the event with it",
        (Change(RELAY, "for state in behind[1:]:", "for state in behind:"),),
        (CONTROL, DELIVERY),
    ),
    Mutant(
        "a silent router sets no timer",
        "a frame that the router has nothing to say to never wakes it",
        (
            Change(
                "mesh/mind/mind.py",
                "        return beat_ns is not None and (self._timer_ns is None"
                " or beat_ns < self._timer_ns)\n",
                "        return False\n",
            ),
        ),
        (MIND_EVENTS,),
    ),
    Mutant(
        "a full queue keeps quiet",
        "the mind is not told that a frame to a peer found no room",
        (
            Change(
                "mesh/node/outlets.py",
                "            self._lost(peer, protocol)\n",
                "            pass\n",
            ),
        ),
        (OUTLETS,),
    ),
)

HEARD = (
    Mutant(
        "a forged fact travels on",
        "an entry that comes by gossip is stored and forwarded without its signature",
        (Change("mesh/mind/hearing.py", "if not verify_entry(entry):", "if not entry.sig:"),),
        (FACTS,),
    ),
    Mutant(
        "state on any district's topic",
        "STATE is taken on the topic of a district that its author is not of",
        (
            Change(
                "mesh/mind/hearing.py",
                "if lane is Lane.STATE and not self._belongs(",
                "if lane is Lane.DOC and not self._belongs(",
            ),
        ),
        (FACTS,),
    ),
    Mutant(
        "an early fact is refused",
        "a fact of an author whose grant is not here yet is rejected instead of parked",
        (
            Change(
                "mesh/mind/hearing.py",
                "Offer.UNKNOWN_AUTHOR: Verdict.PARK",
                "Offer.UNKNOWN_AUTHOR: Verdict.REJECT",
            ),
        ),
        (FACTS,),
    ),
)

SESSIONS = (
    Mutant(
        "all neighbours bring the same",
        "a box pulls from everybody at once who has the news",
        (Change(SYNCING, "            and self._is_pulling()\n", "            and not body\n"),),
        (SESSIONS_CASES,),
    ),
    Mutant(
        "one peer stalls the others",
        "who waits while we pull waits for as long as that takes",
        (
            Change(
                SYNCING,
                "            due = min(due, state.held_ns)\n",
                "            due = min(due, state.held_ns + SILENCE_NS)\n",
            ),
        ),
        (SESSIONS_CASES,),
    ),
    Mutant(
        "who asks again waits anew",
        "a peer that is held off and begins anew is held off for longer",
        (Change(SYNCING, "state.held_ns or now_ns + HELD_NS", "now_ns + HELD_NS"),),
        (SESSIONS_CASES,),
    ),
    Mutant(
        "both sides compare",
        "a box compares with a peer by its own timer although the peer just did",
        (
            Change(
                SYNCING,
                "if state.periodic_ns > now_ns + KNOWN_SPREAD_NS:",
                "if state.periodic_ns < now_ns:",
            ),
        ),
        (SESSIONS_CASES,),
    ),
)

MUTANTS: tuple[Mutant, ...] = (
    *AUTHORS,
    *EXCHANGE,
    *OWN_FEEDS,
    *EVENTS,
    *GOSSIP,
    *HEARD,
    *SESSIONS,
)
"""In the order in which they run."""
