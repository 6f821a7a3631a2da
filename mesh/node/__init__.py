"""A running node: the mind in a trio shell, and the API that applications use."""

from mesh.node.facts import FactFailedError, Facts
from mesh.node.node import Node, NodeError, NodeStatistics, Subscription
from mesh.node.opening import load_secret, open_node, open_prepared_node, read_invite
from mesh.node.seen import NodePlace, Seen

__all__ = [
    "FactFailedError",
    "Facts",
    "Node",
    "NodeError",
    "NodePlace",
    "NodeStatistics",
    "Seen",
    "Subscription",
    "load_secret",
    "open_node",
    "open_prepared_node",
    "read_invite",
]
