"""Threerooms: fleets of edge AI boxes that act together without a controller.

    @mesh.event("traffic.near_miss")
    class NearMiss:
        kind: str
        confidence: float

    async with mesh.open_node("box-247.toml") as node:
        async with node.nearby(NearMiss, within=mesh.km(0.6)) as incidents:
            async for seen in incidents: ...

Importing this package is cheap: what needs libp2p is imported when a node is opened.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mesh.units import km, metres

if TYPE_CHECKING:
    from mesh.choreography.event import EventError
    from mesh.choreography.event_type import event
    from mesh.choreography.scope import Reach
    from mesh.cli.program import run
    from mesh.config import ConfigError, NodeConfig, load_config
    from mesh.node import Node, NodeError, Seen, open_node

__all__ = [
    "ConfigError",
    "EventError",
    "Node",
    "NodeConfig",
    "NodeError",
    "Reach",
    "Seen",
    "event",
    "km",
    "load_config",
    "metres",
    "open_node",
    "run",
]

_HOMES = {
    "ConfigError": "mesh.config",
    "EventError": "mesh.choreography.event",
    "Node": "mesh.node",
    "NodeConfig": "mesh.config",
    "NodeError": "mesh.node",
    "Reach": "mesh.choreography.scope",
    "Seen": "mesh.node",
    "event": "mesh.choreography.event_type",
    "load_config": "mesh.config",
    "open_node": "mesh.node",
    "run": "mesh.cli.program",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mesh' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
