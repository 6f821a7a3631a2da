"""A rollout as a person writes it, applied as `mesh apply` applies it.

The text is read by what reads such files, and who is asked plans it: lists the cohort, fills in
what it takes the place of, records the candidate, signs, or refuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mesh.demo.releases.release import delivered_digest
from mesh.demo.stage.cast import Cast
from mesh.node.control import ControlError
from mesh.orchestration.rollout_file import parse_rollout_file
from mesh.orchestration.wish import wish_in

__all__ = ["Proposal", "apply_rollout"]

LISTED_S = 10.0
"""Seconds within which whoever signs must know the labels of every box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is written down.

    Attributes:
        title: its name for people.
        artefact: file of what shall run.
        label: what a box must have, as its configuration says.
        stages: the share of each in percent, and its soak in whole milliseconds.
        gate: what it asks, such as `map50: ">= 0.45"`; besides every box's good report.
    """

    title: str
    artefact: Path
    label: str
    stages: Sequence[tuple[int, int]]
    gate: str = ""

    def text(self, digest: bytes) -> str:
        """Return the file about an artefact of this digest."""
        stages = "".join(
            f"    - {{percent: {percent}, soak: {soak_ms}ms}}\n" for percent, soak_ms in self.stages
        )
        gate = ", ".join(part for part in ("min_reports: 1", 'success: ">= 1"', self.gate) if part)
        return (
            "apiVersion: mesh/v1\n"
            "kind: Rollout\n"
            f"metadata: {{name: {self.title}}}\n"
            "spec:\n"
            f"  artifact: sha256:{digest.hex()}\n"
            f'  cohort: {{within: "", labels: {{{self.label}: "true"}}}}\n'
            f"  stages:\n{stages}"
            f"  gate: {{{gate}}}\n"
            "  on_partition: hold\n"
            "  on_failure: rollback\n"
        )


async def apply_rollout(
    cast: Cast, who: str, proposal: Proposal, boxes: int
) -> tuple[bytes, bytes]:
    """Let somebody sign a rollout; returns the artefact's digest and the intent's id.

    Args:
        cast: who plays.
        who: signs it.
        proposal: what is written down.
        boxes: how many it is for; a box is not listed before its labels are known.

    Raises:
        RolloutFileError: the text is none.
        ControlError: it is refused; the message says what to do.
    """
    digest = delivered_digest(proposal.artefact)
    file = parse_rollout_file(proposal.text(digest).encode(), f"{proposal.title}.yaml")
    request = {
        "do": "apply",
        "wish": wish_in(file).to_value(),
        "artifact": str(proposal.artefact),
    }

    async def all_listed() -> bool:
        try:
            return (await cast.ask(who, {**request, "dry": True}))["names"] == boxes
        except ControlError:  # nobody's label is known; if that stays so, it is said below
            return False

    await cast.until(all_listed, LISTED_S)
    intent = (await cast.ask(who, request))["intent"]
    assert isinstance(intent, bytes)
    return digest, intent
