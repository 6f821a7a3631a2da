"""What a running node answers at its console: who is in the fleet, and what an authority signs."""

from collections.abc import Mapping

from crdt.entry import Entry, Lane
from crdt.replica import Replica
from identity.encoding import Value
from mesh.node.control import Verb
from mesh.node.issuing import issuing_verbs
from mesh.node.listing import Sight, list_nodes
from mesh.node.node import Node
from mesh.node.shell import read_clocks

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
    """Return the verbs of a node's console: nodes, grant, revoke and approve.

    `nodes` answers {nodes: [row…], me: name}; a row is described in `mesh.node.listing`.
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
        return {"me": node.name, "nodes": list_nodes(mind.replica, read_clocks(), sight)}

    return {"nodes": nodes, **issuing_verbs(_NodeSigner(node))}
