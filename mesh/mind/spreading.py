"""Spreading: which topics we are in, and on which our own facts go out."""

from crdt.entry import Entry, Lane
from identity.genesis import RootStatement
from mesh.choreography.topics import auth_topic, fleet_topic, state_topic
from mesh.coordination.facts import FACT_SIZE_MAX, encode_entry, encode_root
from mesh.gossip.effects import Priority
from mesh.mind.cores import Cores

__all__ = ["Spreading", "is_event_topic", "priority_of"]


def is_event_topic(topic: str) -> bool:
    """Whether a topic of ours carries events: /<32 hex>/e/… or /<32 hex>/n/… and not facts."""
    return topic[34:36] in ("e/", "n/")


def priority_of(topic: str) -> Priority:
    """Return the queue in which messages of a topic wait."""
    return Priority.EVENT if is_event_topic(topic) else Priority.FACT


class Spreading:
    """The topics of one node."""

    __slots__ = ("_cores", "_joined")

    def __init__(self, cores: Cores) -> None:
        self._cores = cores
        self._joined: tuple[str, ...] = ()

    def join(self) -> None:
        """Be in the topics that our names, our role and our interests ask for, and no others."""
        cores = self._cores
        topics, now_ns = self._topics(), cores.now.mono_ns
        if topics == self._joined:
            return
        for topic in self._joined:
            if topic not in topics:
                cores.route(cores.router.leave(topic, now_ns))
        for topic in topics:
            if topic not in self._joined:
                cores.route(cores.router.join(topic, now_ns))
        self._joined = topics

    def entry(self, entry: Entry) -> None:
        """Spread an own entry that is durable."""
        ns, payload = self._cores.ns, encode_entry(entry)
        if entry.lane == Lane.AUTH:
            self._publish(auth_topic(ns), payload)
        elif entry.lane == Lane.FLEET:
            self._publish(fleet_topic(ns), payload)
        elif entry.lane == Lane.STATE:
            for district in sorted(self._cores.districts(entry.author)):
                self._publish(state_topic(ns, district), payload)

    def root(self, statement: RootStatement) -> None:
        """Spread a root statement."""
        self._publish(auth_topic(self._cores.ns), encode_root(statement))

    def _publish(self, topic: str, payload: bytes) -> None:
        cores = self._cores
        if len(payload) <= FACT_SIZE_MAX:
            cores.route(cores.router.publish(topic, payload, cores.now.mono_ns))
        else:
            cores.syncing.spread(None, cores.now.mono_ns)

    def _topics(self) -> tuple[str, ...]:
        cores = self._cores
        if cores.config.caches_only:
            return (auth_topic(cores.ns),)
        districts = sorted(cores.districts(cores.public))
        states = [state_topic(cores.ns, district) for district in districts]
        return (
            auth_topic(cores.ns),
            fleet_topic(cores.ns),
            *states,
            *cores.speaking.topics(),
        )
