"""What the demo asks a box about rollouts: what it runs and ran, and how one stands with it."""

import time
from collections.abc import Mapping

from crdt.entry import Lane
from identity.encoding import Value
from mesh.node import Node
from mesh.node.control import ControlError, Verb
from mesh.node.slot import Slot
from mesh.orchestration.explain import explain
from mesh.orchestration.fields import table
from mesh.orchestration.memory import IntentMemory

__all__ = ["DETECTOR_SLOT", "rollout_verbs"]

DETECTOR_SLOT = "model/detector"
"""The slot of every box's detector."""


def rollout_verbs(node: Node, slot: Slot, ran: Mapping[bytes, int]) -> dict[str, Verb]:
    """Return the verb by which a box says what it runs, and how a rollout stands with it.

    Args:
        node: of the box.
        slot: of its detector.
        ran: when it first looked at a frame with each model, monotonic ns, by digest.
    """
    began_with = slot.running

    async def rollout(request: Mapping[str, Value]) -> Mapping[str, object]:
        applying, conducting = node.shell.applying, node.mind.conducting
        conductor = conducting.conductor
        if applying is None or conductor is None:
            raise ControlError(f"{node.name} takes no part in rollouts")
        intent = request.get("intent")
        answer: dict[str, object] = {
            "began_with": began_with,
            "running": slot.running,
            "proven": not slot.proving,
            "ran": [[digest, ns] for digest, ns in ran.items()],
            "fetched": [
                [one.reference.digest, one.bytes_fetched]
                for one in applying.blobs.exchange.progress()
            ],
            "offences": applying.penalties,
            "state": conducting.rollouts.models.get(slot.running or b"", ""),
        }
        if request.get("stated") is True:
            answer["stated"] = _stated(node)
        held = conductor.memory.intents.get(intent) if isinstance(intent, bytes) else None
        told = conducting.rollouts.by_id.get(intent) if isinstance(intent, bytes) else None
        if held is not None:
            answer["open"] = max((latch.stage for latch in held.latches), default=-1)
        if told is not None and request.get("why") is True:
            memory = held or IntentMemory()
            seen = explain(told, conducting.sight, memory, now_ns=time.monotonic_ns(), soaks={})
            answer["why"] = "; ".join(seen.why)
        if told is not None:
            answer["dead"] = told.dead or ""
            answer["reports"] = [
                [name, str(one.outcome), one.metrics.map50_ppm, one.reason]
                for name, one in told.reports.items()
            ]
        return answer

    return {"rollout": rollout}


def _stated(node: Node) -> list[list[object]]:
    """What each box states that it runs, in this node's view: its key, and the models' digests."""
    found: list[list[object]] = []
    for pair, topics in node.mind.replica.status(Lane.FLEET).items():
        runs = table(topics.get("runs"))
        models = runs.get("models") if runs is not None else None
        if isinstance(models, list):
            digests = [one.get("digest") for one in models if isinstance(one, dict)]
            found.append([pair.key, digests])
    return found
