"""What the demo asks about rollouts: a box of what it runs and ran, the authority to propose."""

import time
from collections.abc import Mapping

import trio

from crdt.entry import Lane
from identity.encoding import Value
from mesh.demo.foundation import EVENTS
from mesh.node import Node
from mesh.node.control import ControlError, Verb
from mesh.node.slot import Slot
from mesh.orchestration.blob_tree import reference_of
from mesh.orchestration.cohort import encode_names
from mesh.orchestration.explain import explain
from mesh.orchestration.fields import table
from mesh.orchestration.intent import Gate, Intent, Stage, intent_key
from mesh.orchestration.intent_checks import check_intent
from mesh.orchestration.memory import IntentMemory

__all__ = ["DETECTOR_SLOT", "authority_verbs", "rollout_verbs"]

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
            "fetched": applying.blobs.exchange.statistics().bytes_fetched,
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


def authority_verbs(node: Node) -> dict[str, Verb]:
    """Return the verbs by which the authority proposes a model, and states what it is.

    `propose` takes the artefact's file, a title, the names of the cohort, shares and soak of the
    stages, the least night figure and, perhaps, the intent that it takes the place of. `model`
    takes a title, a digest and a state.
    """

    async def model(request: Mapping[str, Value]) -> Mapping[str, object]:
        value = {
            "digest": request.get("digest"),
            "state": request.get("state"),
            "events": list(EVENTS),
            "area": "*",
        }
        entry = await node.facts.put(f"model/{request.get('title')}", value)
        return {"entry": entry.id}

    async def propose(request: Mapping[str, Value]) -> Mapping[str, object]:
        applying = node.shell.applying
        if applying is None:
            raise ControlError(f"{node.name} takes no part in rollouts")
        data = await trio.Path(str(request.get("artefact"))).read_bytes()
        intent, listed = _intent(request, data)
        check_intent(intent)
        await applying.put(data)
        await applying.put(listed)
        title, digest = request.get("title"), intent.artefact
        await model({"title": title, "digest": digest, "state": "candidate"})
        await node.facts.put(intent_key(intent.scope, intent.id), intent.to_value())
        return {"intent": intent.id, "digest": digest}

    return {"model": model, "propose": propose}


def _intent(request: Mapping[str, Value], data: bytes) -> tuple[Intent, bytes]:
    """Return what is asked for as an intent, and the list of names that goes with it."""
    match request:
        case {
            "title": str(title),
            "names": list(names),
            "percents": list(percents),
            "soak_ms": int(soak_ms),
            "map50_ppm": int(map50_ppm),
            "supersedes": list(supersedes),
        }:
            pass
        case _:
            raise ControlError("propose: a field is missing, or is none of its kind")
    listed = encode_names(tuple(str(name) for name in names))
    artefact, cohort = reference_of(data), reference_of(listed)
    shares = [percent * 10_000 for percent in percents if isinstance(percent, int)]
    soaks = [soak_ms] * (len(shares) - 1) + [0]
    intent = Intent(
        title=title,
        scope="",
        slot=DETECTOR_SLOT,
        artefact=artefact.digest,
        size=artefact.size,
        tree=artefact.tree,
        cohort=cohort.digest,
        cohort_size=cohort.size,
        cohort_tree=cohort.tree,
        count=len(names),
        within="",
        stages=tuple(Stage(share, soak) for share, soak in zip(shares, soaks, strict=True)),
        gate=Gate(min_reports_ppm=1_000_000, success_ppm=1_000_000, map50_ppm_min=map50_ppm),
        supersedes=tuple(one for one in supersedes if isinstance(one, bytes)),
    )
    return intent, listed
