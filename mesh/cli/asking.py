"""Asking for something with a configuration: its running node if there is one, else its store.

A running node has the store to itself and spreads what it signs at once, so it is asked first.
Where none runs, the same request is served from the store at a desk, without any network.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from crdt.entry import Entry
from crdt.replica import Replica
from crdt.standing import Pair
from identity.encoding import Value
from mesh.config import NodeConfig, load_config
from mesh.coordination.displaced import displaced
from mesh.node.approving import approving_verbs
from mesh.node.control import NoConsoleError, Verb, ask
from mesh.node.founding import dialable
from mesh.node.issuing import issuing_verbs
from mesh.node.listing import list_nodes
from mesh.node.offline import Desk
from mesh.node.rolling import rollout_verbs
from mesh.node.sentences import displaced_sentence
from mesh.node.shelf import DiskShelf, shelf_folder
from mesh.node.shell import read_clocks

__all__ = ["Answer", "ask_or_serve"]


class Answer(NamedTuple):
    """An answer, and whether a running node gave it."""

    value: Mapping[str, object]
    is_live: bool


class _DeskSigner:
    """A desk as a signer."""

    def __init__(self, desk: Desk, config: NodeConfig) -> None:
        self._desk = desk
        self.addresses = dialable(config, desk.public)

    @property
    def replica(self) -> Replica:
        return self._desk.replica

    @property
    def public(self) -> bytes:
        return self._desk.public

    async def write(self, kind: str, body: object) -> Entry:
        return self._desk.write(kind, body)


async def ask_or_serve(config: Path, request: Mapping[str, Value]) -> Answer:
    """Ask the node that runs with a configuration; serve the request from its store if none does.

    Raises:
        ControlError: the request is refused.
        ConfigError, KeyFileError, InvalidInviteError, StoreError: a file is wrong.
    """
    loaded = load_config(config)
    try:
        return Answer(await ask(config, request), is_live=True)
    except NoConsoleError:
        with Desk.open(config) as desk:
            verb = _desk_verbs(desk, loaded)[str(request["do"])]
            return Answer(await verb(request), is_live=False)


def _desk_verbs(desk: Desk, config: NodeConfig) -> dict[str, Verb]:
    async def nodes(request: Mapping[str, Value]) -> Mapping[str, object]:
        del request
        found = displaced(desk.replica, Pair(desk.public, config.name))
        return {
            "me": config.name,
            "nodes": list_nodes(desk.replica, read_clocks(), None),
            "warning": displaced_sentence(found) if found else "",
        }

    signer = _DeskSigner(desk, config)
    shelf = DiskShelf(shelf_folder(config))
    issuing = {**issuing_verbs(signer), **approving_verbs(signer, shelf)}
    return {"nodes": nodes, **issuing, **rollout_verbs(signer, shelf)}
