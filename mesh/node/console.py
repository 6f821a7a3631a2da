"""What a running node answers at its console: who is in the fleet, and what an authority signs."""

from collections.abc import Mapping

from crdt.entry import Entry, Lane
from crdt.replica import Replica
from identity.encoding import Value
from mesh.mind import Mind
from mesh.node.approving import approving_verbs
from mesh.node.clock_doubts import HeardClock
from mesh.node.control import Verb
from mesh.node.issuing import issuing_verbs
from mesh.node.listing import Sight, list_nodes
from mesh.node.node import Node
from mesh.node.rolling import rollout_verbs
from mesh.node.sentences import displaced_sentence
from mesh.node.shelf import NodeShelf
from mesh.node.shell import read_clocks
from mesh.orchestration.describing import Watch

__all__ = ["node_verbs"]


class _NodeSigner:
    """A running node as a signer."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def replica(self) -> Replica:
        return self._node.mind.replica

    @property
    def public(self) -> bytes:
        return self._node.public

    @property
    def addresses(self) -> tuple[str, ...]:
        return self._node.addresses

    async def write(self, kind: str, body: object) -> Entry:
        return await self._node.facts.write(Lane.AUTH, kind, body)


def node_verbs(node: Node) -> dict[str, Verb]:
    """Return the verbs of a node's console: nodes, counters, what authorities sign, and rollouts.

    `nodes` answers {nodes: [row…], me: name, warning: sentence or ""}; a row is described in
    `mesh.node.listing`, and the warning says that the node itself counts no more.
    `counters` answers {counters: name → number, me: name}.
    """

    async def nodes(request: Mapping[str, Value]) -> Mapping[str, object]:
        del request
        mind = node.mind
        presence = mind.statistics().presence
        sight = Sight(
            me=node.public,
            seen=presence.seen,
            dark=presence.dark,
            heard_ns=mind.heard_ns,
        )
        return {
            "me": node.name,
            "nodes": list_nodes(mind.replica, read_clocks(), sight),
            "warning": displaced_sentence(mind.displaced) if mind.displaced else "",
        }

    async def counters(request: Mapping[str, Value]) -> Mapping[str, object]:
        del request
        return {"me": node.name, "counters": node.statistics().counters()}

    signer = _NodeSigner(node)
    shelf = NodeShelf(node.shell.applying)
    rolling = rollout_verbs(
        signer,
        shelf,
        lambda: _watch(node.mind),
        hear_clock=lambda: _heard_clock(node.mind),
    )
    issuing = {**issuing_verbs(signer), **approving_verbs(signer, shelf)}
    return {"nodes": nodes, "counters": counters, **issuing, **rolling}


def _heard_clock(mind: Mind) -> HeardClock:
    """Return what a node's neighbours say of its clock."""
    statistics = mind.statistics()
    return HeardClock(
        offset_ms=statistics.clock_offset_ms,
        is_trusted=statistics.clock_trusted,
        neighbours=statistics.clock_witnesses,
    )


def _watch(mind: Mind) -> Watch:
    """Return what a node sees and remembers of rollouts."""
    conducting = mind.conducting
    conductor, sight, now_ns = conducting.conductor, conducting.sight, read_clocks().mono_ns
    if conductor is None:
        return Watch(sight=sight, now_ns=now_ns)
    soaks = {
        (identifier, stage): began_ns
        for identifier, rollout in conducting.rollouts.by_id.items()
        for stage in range(len(rollout.intent.stages))
        if (began_ns := conductor.soak_began_ns(identifier, stage)) is not None
    }
    return Watch(sight=sight, memories=conductor.memory.intents, soaks=soaks, now_ns=now_ns)
