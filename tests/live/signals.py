"""A configuration that is rolled out: the host of its slot, and how the centre applies it."""

from collections.abc import Callable, Sequence

from crdt.entry import Lane
from crdt.standing import Pair
from inference.artifact import parse_artifact
from inference.slot_events import Outcome
from mesh.node import Node
from mesh.orchestration.blob_tree import reference_of
from mesh.orchestration.cohort import encode_names
from mesh.orchestration.intent import Gate, Intent, Stage, intent_key

SLOT = "config/signals"
FACTORY = bytes(32)
"""Stands for the configuration that a box is delivered with."""


class Signals:
    """The host of a slot: what runs is the payload of a configuration."""

    def __init__(
        self, *, fetch: Callable[[bytes], bytes | None], report: Callable[[Outcome], None]
    ) -> None:
        self.fetch = fetch
        self.report = report
        self.runs = [b"as delivered"]

    def test(self, data: bytes) -> tuple[str | None, dict[str, int]]:
        parse_artifact(data)
        return None, {"errors": 0}

    def live_figures(self) -> dict[str, int]:
        return {}

    def forget(self) -> None:
        pass

    def activate(self, data: bytes | None) -> None:
        self.runs.append(b"as delivered" if data is None else parse_artifact(data).payload)


def intent_for(data: bytes, names: Sequence[str]) -> tuple[Intent, bytes]:
    listed = encode_names(names)
    artefact, cohort = reference_of(data), reference_of(listed)
    return Intent(
        title="signals",
        scope="",
        slot=SLOT,
        artefact=artefact.digest,
        size=artefact.size,
        tree=artefact.tree,
        cohort=cohort.digest,
        cohort_size=cohort.size,
        cohort_tree=cohort.tree,
        count=len(names),
        within="",
        stages=(Stage(500_000, 1000), Stage(1_000_000)),
        gate=Gate(min_reports_ppm=900_000, success_ppm=990_000),
    ), listed


async def apply(centre: Node, data: bytes, names: Sequence[str]) -> Intent:
    """Roll a configuration out to boxes, half of them first."""
    applying = centre.shell.applying
    assert applying is not None
    intent, listed = intent_for(data, names)
    await applying.put(data)
    await applying.put(listed)
    await centre.facts.put(intent_key(intent.scope, intent.id), intent.to_value())
    return intent


def stated(node: Node) -> list[bytes]:
    """What a node told the fleet that it runs, as its own view shows it."""
    me = Pair(node.public, node.name)
    runs = node.mind.replica.status(Lane.FLEET).get(me, {}).get("runs")
    return [each["digest"] for each in runs["config"]] if isinstance(runs, dict) else []
