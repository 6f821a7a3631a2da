"""A panel beside the road: what it shows is a configuration, in a slot that rollouts fill.

A box has one if its configuration says so by a label. A panel shows a text, and that it does is
its first good use.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256

import trio

from identity.encoding import Value
from inference.artifact import parse_artifact
from inference.configuration import parse_configuration
from inference.slot_events import Outcome
from mesh.node import Node
from mesh.node.control import ControlError, Verb
from mesh.node.slot import Slot
from mesh.orchestration.opening import is_cut
from mesh.orchestration.report import Report

__all__ = ["PANEL_LABEL", "PANEL_SLOT", "panel_beside"]

PANEL_LABEL = "panel"
"""What the configuration of a box with a panel says: `labels = {panel = "true"}`."""
PANEL_SLOT = "config/panel"
SHOW_S = 0.1
"""How often a panel says that what it was just given is shown, seconds."""
DELIVERED = sha256(b"a panel that shows nothing").digest()
"""Stands for what a panel is delivered with."""


class Panel:
    """What a slot does with configurations of a panel; see `inference.slot_store.Host`."""

    def __init__(
        self, *, fetch: Callable[[bytes], bytes | None], report: Callable[[Outcome], None]
    ) -> None:
        self.fetch = fetch
        self.report = report
        self.shown: list[bytes] = []
        """Digest of each artefact whenever it was put up, in order."""

    def test(self, data: bytes) -> tuple[str | None, dict[str, int]]:
        """Whether it is a text that can be shown."""
        artefact = parse_artifact(data)
        text_format = artefact.manifest.format
        text = parse_configuration(artefact.payload, text_format).get("text")
        return (None if isinstance(text, str) else f"text is {text!r:.40}: expected words"), {}

    def live_figures(self) -> dict[str, int]:
        """Nothing is compared while it waits."""
        return {}

    def forget(self) -> None:
        """Nothing is kept of what was tested."""

    def activate(self, data: bytes | None) -> None:
        """Show it from now on; None is the empty panel."""
        if data is not None:
            self.shown.append(sha256(data).digest())


@asynccontextmanager
async def panel_beside(node: Node, labels: Mapping[str, str]) -> AsyncGenerator[Mapping[str, Verb]]:
    """Have the panel that the labels of a box speak of; yields what may be asked of it."""
    if labels.get(PANEL_LABEL) != "true":
        yield {}
        return
    panels: list[Panel] = []

    def make(*, fetch: Callable[[bytes], bytes | None], report: Callable[[Outcome], None]) -> Panel:
        panels.append(Panel(fetch=fetch, report=report))
        return panels[-1]

    async with (
        node.slot(PANEL_SLOT, make, factory=DELIVERED) as slot,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(_show, slot)
        yield {"panel": _verb(node, slot, panels[-1])}
        nursery.cancel_scope.cancel()


async def _show(slot: Slot) -> None:
    while True:
        slot.seen(slot.running)
        await trio.sleep(SHOW_S)


def _verb(node: Node, slot: Slot, panel: Panel) -> Verb:
    async def answer(request: Mapping[str, Value]) -> Mapping[str, object]:
        """What is shown, and how an intent stands here.

        {open: [stage…], soak_began_ns?, partitioned, attempt, reports: {name: [outcome, attempt]}}
        """
        conducting = node.mind.conducting
        conductor, intent = conducting.conductor, request.get("intent")
        if conductor is None or not isinstance(intent, bytes):
            raise ControlError("panel: expected the id of an intent, of a box that conducts")
        told: dict[str, object] = {
            "running": slot.running,
            "proven": not slot.proving,
            "shown": list(panel.shown),
        }
        held, rollout = conductor.memory.intents.get(intent), conducting.rollouts.by_id.get(intent)
        if held is not None:
            told |= {"open": [latch.stage for latch in held.latches], "attempt": held.attempt}
        if rollout is not None:
            told["partitioned"] = is_cut(rollout, conducting.sight)
            told["reports"] = {name: _said(one) for name, one in rollout.reports.items()}
        if (began_ns := conductor.soak_began_ns(intent, 0)) is not None:
            told["soak_began_ns"] = began_ns
        return told

    return answer


def _said(report: Report) -> list[object]:
    return [str(report.outcome), report.attempt]
