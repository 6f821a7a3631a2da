"""A member that offers an artefact with wrong bytes in it.

It has the true bytes, says so, and answers what it is asked; but one bit of every chunk that it
sends is not as it should be. Whoever takes one has a model that nobody made.
"""

from collections.abc import Mapping
from pathlib import Path

import trio

from identity.encoding import Value
from mesh.node import Node
from mesh.node.control import ControlError, Verb
from mesh.orchestration.blob_effects import BlobEffect, Send
from mesh.orchestration.blob_tree import Bytes
from mesh.orchestration.blobs import Exchange

__all__ = ["poison", "poisoner_verbs"]


def poison(exchange: Exchange) -> dict[bytes, int]:
    """Make an exchange send wrong chunks; returns how many it sent to whom, as it goes on."""
    honest = exchange.loaded
    sent: dict[bytes, int] = {}

    def loaded(ticket: int, data: Bytes, now_ns: int) -> list[BlobEffect]:
        return [_spoilt(effect, sent) for effect in honest(ticket, data, now_ns)]

    exchange.loaded = loaded
    return sent


def _spoilt(effect: BlobEffect, sent: dict[bytes, int]) -> BlobEffect:
    if not isinstance(effect, Send) or not effect.ticket:
        return effect  # no chunk: only of those it is asked when they are on the wire
    sent[effect.peer] = sent.get(effect.peer, 0) + 1
    return effect._replace(data=effect.data[:-1] + bytes((effect.data[-1] ^ 1,)))


def poisoner_verbs(node: Node) -> dict[str, Verb]:
    """Return the verbs that make a node offer an artefact's file so, and say whom it served."""
    sent: dict[bytes, int] = {}

    async def poison_artefact(request: Mapping[str, Value]) -> Mapping[str, object]:
        nonlocal sent
        if node.shell.applying is None:
            raise ControlError(f"{node.name} exchanges no artefacts")
        sent = poison(node.shell.applying.blobs.exchange)
        data = await trio.to_thread.run_sync(Path(str(request.get("artefact"))).read_bytes)
        await node.shell.applying.put(data)
        return {}

    async def poisoned(request: Mapping[str, Value]) -> Mapping[str, object]:
        del request
        return {"sent": [[peer, count] for peer, count in sent.items()]}

    return {"poison": poison_artefact, "poisoned": poisoned}
