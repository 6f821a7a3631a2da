"""Others' facts: judged before they are forwarded, parked while their author is unknown.

A fact is verified before it travels on. Wrong in every view (no entry, another fleet, a wrong
signature, a lane that does not belong to the topic): reject. An author nobody has granted yet may
be granted by the next fact: park, not remembered as seen, and try again whenever the view grows.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from crdt.entry import Entry, Lane, verify_entry
from crdt.replica import Offer, Replica
from identity.genesis import RootStatement, RootVerdict
from mesh.choreography.topics import TopicKind, district_of, parse_topic
from mesh.coordination.facts import FactError, parse_fact
from mesh.gossip.effects import Judgement, Verdict
from mesh.units import Instant

__all__ = ["Hearing", "HearingStatistics"]

PARKED_MAX = 512
"""Facts of unknown authors kept for another try."""
PARKED_PER_PEER_MAX = 64
"""Of these, those that one peer brought."""

_LANES = {TopicKind.AUTH: Lane.AUTH, TopicKind.STATE: Lane.STATE, TopicKind.FLEET: Lane.FLEET}
_OFFERS = {
    Offer.STORED: Verdict.ACCEPT,
    Offer.KNOWN: Verdict.IGNORE,
    Offer.ORPHAN: Verdict.FORWARD,
    Offer.UNKNOWN_AUTHOR: Verdict.PARK,
    Offer.OVER_LIMIT: Verdict.IGNORE,
    Offer.INVALID: Verdict.REJECT,
}


class HearingStatistics(NamedTuple):
    """Counts since the start; parked is now."""

    accepted: int
    rejected: int
    parked: int
    twins: int


class Hearing:
    """What one node does with facts that arrive by gossip.

    Args:
        replica: what they are offered to.
        gap: called with the peer whose fact does not link to what we hold.
    """

    def __init__(self, replica: Replica, gap: Callable[[bytes], None]) -> None:
        self._replica = replica
        self._gap = gap
        self._parked: OrderedDict[bytes, tuple[bytes, Entry]] = OrderedDict()
        self._accepted = self._rejected = 0

    def judge(self, topic: str, data: bytes, peer: bytes, _now: Instant) -> Judgement:
        """Judge one payload of a fact topic for the router; no fact depends on the time."""
        judgement = self._judge(topic, data, peer)
        self._accepted += judgement.verdict is Verdict.ACCEPT
        self._rejected += judgement.verdict is Verdict.REJECT
        return judgement

    def _judge(self, topic: str, data: bytes, peer: bytes) -> Judgement:
        try:
            fact = parse_fact(data)
        except FactError:
            return Judgement(Verdict.REJECT, None)
        parsed = parse_topic(topic)
        if parsed is None or parsed.kind not in _LANES:
            return Judgement(Verdict.REJECT, None)
        lane = _LANES[parsed.kind]
        if fact.root is not None:
            return Judgement(self._root(lane, fact.root, peer), None)
        verdicts = [
            self._entry(lane, parsed.subject, entry, peer, len(fact.entries))
            for entry in fact.entries
        ]
        author = fact.entries[0].author if verdicts[0] is Verdict.ACCEPT else None
        return Judgement(_worst(verdicts), author)

    def offer(self, entry: Entry, peer: bytes) -> Offer:
        """Offer one verified entry to the replica; park it while its author is unknown."""
        offer = self._replica.offer(entry)
        if offer is Offer.UNKNOWN_AUTHOR:
            self._park(entry, peer)
        elif offer is Offer.ORPHAN:
            self._gap(peer)
        return offer

    def try_parked(self) -> bool:
        """The view grew: offer again what was parked; says whether any of it was news.

        Nobody was sent it while it was parked, so the caller has to see that it spreads.
        """
        is_news = False
        for entry_id, (peer, entry) in tuple(self._parked.items()):
            if self._replica.is_known_author(entry.author):
                del self._parked[entry_id]
                is_news |= self.offer(entry, peer) is Offer.STORED
        return is_news

    def statistics(self) -> HearingStatistics:
        """Return the counts so far."""
        twins = self._replica.chain.twins
        return HearingStatistics(self._accepted, self._rejected, len(self._parked), twins)

    def _root(self, lane: Lane, statement: RootStatement, peer: bytes) -> Verdict:
        if lane is not Lane.AUTH:
            return Verdict.REJECT
        match self._replica.offer_root(statement):
            case RootVerdict.ACCEPTED:
                return Verdict.ACCEPT
            case RootVerdict.TWIN:
                return Verdict.FORWARD
            case RootVerdict.GAP:
                self._gap(peer)
                return Verdict.PARK
            case RootVerdict.KNOWN:
                return Verdict.IGNORE
            case RootVerdict.INVALID:
                return Verdict.REJECT

    def _entry(
        self, lane: Lane, value: str | bytes | None, entry: Entry, peer: bytes, count: int
    ) -> Verdict:
        """Judge one entry; evidence of any lane (two entries) rides on the topic of AUTH."""
        is_evidence = lane is Lane.AUTH and count > 1
        if entry.ns != self._replica.chain.genesis.ns or (entry.lane != lane and not is_evidence):
            return Verdict.REJECT
        if self._replica.entry(entry.id) is not None:
            return Verdict.IGNORE
        if not verify_entry(entry):
            return Verdict.REJECT
        if lane is Lane.STATE and not self._belongs(entry.author, value):
            return Verdict.IGNORE
        return _OFFERS[self.offer(entry, peer)]

    def _belongs(self, author: bytes, district: str | bytes | None) -> bool:
        """Whether one of the author's pairs is of the district whose topic this is."""
        depth = self._replica.chain.genesis.district_depth
        pairs = self._replica.authority.pairs_of(author)
        return any(district_of(pair.name, depth) == district for pair in pairs)

    def _park(self, entry: Entry, peer: bytes) -> None:
        mine = [key for key, (other, _) in self._parked.items() if other == peer]
        if len(mine) >= PARKED_PER_PEER_MAX:
            del self._parked[mine[0]]
        self._parked[entry.id] = (peer, entry)
        if len(self._parked) > PARKED_MAX:
            self._parked.popitem(last=False)


def _worst(verdicts: list[Verdict]) -> Verdict:
    """Of the two verdicts of an evidence: reject if either is wrong, accept if either is news."""
    for verdict in (Verdict.REJECT, Verdict.ACCEPT, Verdict.FORWARD, Verdict.PARK):
        if verdict in verdicts:
            return verdict
    return Verdict.IGNORE
