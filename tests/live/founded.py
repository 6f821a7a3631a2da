"""A small fleet founded in a directory: keys, invites and stores, ready to be opened as nodes."""

import os
import socket
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import mesh
from identity.genesis import (
    Genesis,
    RootItem,
    make_genesis,
    make_root_statement,
    sign_root,
)
from identity.invite import Invite
from identity.keys import SecretKey, peer_id
from mesh.choreography.cells import cell_at, cells_covering
from mesh.config import NodeConfig
from mesh.coordination.enrolment import authority_role, box_role
from mesh.node import Node, open_prepared_node
from mesh.node.offline import Desk

MODEL = bytes(range(32))
"""Digest of the approved model."""
POSITION = (48.0, 11.0)
LOOPBACK = "/ip4/127.0.0.1/tcp/0"


@mesh.event("traffic.near_miss")
class NearMiss:
    kind: str
    confidence: float


def free_address() -> str:
    """Return a loopback address whose port was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"/ip4/127.0.0.1/tcp/{probe.getsockname()[1]}"


class Founded:
    """A centre, and boxes within a few metres of each other.

    Attributes:
        directory: where stores and configurations are.
        keys: secret keys by name.
        invites: invites by name; each was written when its name was granted.
    """

    def __init__(self, directory: Path, names: Iterable[str]) -> None:
        self.directory = directory
        root = SecretKey.generate(os.urandom)
        self.keys = {"centre": SecretKey.generate(os.urandom)}
        self.listen: dict[str, str] = {}
        self.genesis: Genesis = make_genesis([root.public], 1)
        caps = [capability.to_value() for capability in authority_role()]
        body = {
            "pk": self.keys["centre"].public,
            "name": "centre",
            "stratum": 1,
            "epoch": 1,
            "caps": caps,
            "replaces": [],
        }
        statement = sign_root(make_root_statement(self.genesis, [RootItem("grant", body)]), root)
        bare = Invite(self.genesis, (1, statement.id), (statement,), (), ())
        self.invites = {"centre": bare}
        with self.desk() as desk:
            value = {"digest": MODEL, "state": "approved", "events": ["traffic.*"], "area": "*"}
            desk.put("model/detector", value)
        for name in names:
            self.enrol(name)

    def desk(self) -> Desk:
        """Open the centre's desk; its node must not run."""
        return Desk(self.config("centre"), self.keys["centre"], self.invites["centre"])

    def enrol(self, name: str) -> None:
        """Let the centre enrol a box, with a place, and write its invite."""
        key = self.keys[name] = SecretKey.generate(os.urandom)
        self.listen[name] = free_address()
        metres = 10 * len(self.keys)
        position = [int(POSITION[0] * 1e6) + 9 * metres, int(POSITION[1] * 1e6)]
        cell = cell_at(position[0] / 1e6, position[1] / 1e6, self.genesis.h3_resolution)
        area = cells_covering(*POSITION, 500.0, self.genesis.h3_resolution)
        with self.desk() as desk:
            desk.put(f"place/{name}", {"cell": cell, "position": position, "edges": []})
            role = box_role(name, ["traffic.*"], area)
            desk.grant(key.public, name, stratum=3, capabilities=role, place=name)
            addresses = [self.address(other) for other in self.listen]
            self.invites[name] = desk.invite(key.public, name, addresses)

    def address(self, name: str) -> str:
        """Where a box listens."""
        return f"{self.listen[name]}/p2p/{peer_id(self.keys[name].public)}"

    def config(self, name: str, **more: Any) -> NodeConfig:
        given = {
            "key": "",
            "unlock": "",
            "store": f"{name.replace('/', '-')}.db",
            "name": name,
            "listen": (self.listen.get(name, LOOPBACK),),
            "directory": str(self.directory),
        }
        return NodeConfig(**{**given, **more})

    def open(self, name: str, **more: Any) -> AbstractAsyncContextManager[Node]:
        """Open a box as a node of this process, over libp2p."""
        return open_prepared_node(self.config(name, **more), self.keys[name], self.invites[name])
