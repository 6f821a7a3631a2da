"""A rollout with `hold` that is under way when the bridges go down; a deed of the fourth act.

A steward applies a file, as `mesh apply` does, to every box that has a panel: the near bank's and
two of the far bank's. Then her machine is switched off. What follows, the boxes do by themselves;
this asks them, and `mesh.demo.acts.hold_verdict` judges.
"""

import time
from collections.abc import Callable
from pathlib import Path

from identity.encoding import Value
from identity.keys import SecretKey
from inference.artifact import Artifact, build_configuration, sign_artifact
from mesh.demo.acts.hold_verdict import (
    STAGES,
    Held,
    Trial,
    cohort_of,
    is_complete,
    is_soaked,
    is_under_way,
    judge_completed,
    judge_gone_on,
    judge_held,
    judge_once,
    judge_under_way,
    went_on,
)
from mesh.demo.acts.proposal import Proposal, apply_rollout
from mesh.demo.acts.riverside import Riverside
from mesh.demo.acts.riverside_fleet import RiversideCast
from mesh.demo.boxes.panel import PANEL_LABEL
from mesh.demo.claims import Claims
from mesh.demo.stage.foundation import CENTRE
from mesh.orchestration.blob_tree import reference_of

__all__ = ["HoldDeed", "panel_text"]

UNDER_WAY_S = 15.0
"""Seconds within which the first stage must run and everybody must know."""
GO_ON_S = 25.0
"""Seconds after everyone noticed the cut within which the near bank must have gone on."""
COMPLETE_S = 20.0
"""Seconds after everyone holds one view again within which the rollout must be complete."""
PERIOD_S = 0.25
TEXTS_MAX = 1000
"""Texts tried; of any, one in five ranks the boxes as wanted."""
TITLE = "detour"


class HoldDeed:
    """What the near bank goes on with, and the far bank does not.

    Args:
        folder: for the artefact.
        claims: where the claims are judged.
        tell: narrates.
    """

    def __init__(self, folder: Path, claims: Claims, tell: Callable[[str], None]) -> None:
        self.folder = folder
        self.claims = claims
        self.tell = tell
        self.outcome = Held()
        self._trial: Trial
        self._cut_ns = self._healed_ns = 0
        self._answers: dict[str, dict[str, Value]] = {}

    async def before(self, cast: RiversideCast) -> None:
        """Let the steward roll it out; wait until its first stage runs."""
        steward, side = cast.foundation.steward, cast.side
        path = self.folder / f"{TITLE}.artifact"
        authority = SecretKey.from_seed(cast.foundation.principals[CENTRE].seed)
        path.write_bytes(panel_text(side, authority).raw)
        child = cast.start_node(steward)
        await cast.ready([steward])
        proposal = Proposal(title=TITLE, artefact=path, label=PANEL_LABEL, stages=STAGES)
        digest, intent = await apply_rollout(cast, steward, proposal, len(side.panels))
        self._trial = trial = Trial(side, digest, intent)
        self.tell(
            f"{steward} rolls {TITLE} out to the panels of {len(side.panels)} boxes, "
            f"{len(trial.far)} of them on the far bank, with on_partition: hold"
        )
        await self._until(cast, lambda: is_under_way(trial, self._answers), UNDER_WAY_S)
        child.stop()
        await child.wait()
        judge_under_way(trial, self._answers, self.outcome, self.claims)
        self._cut_ns = time.monotonic_ns()

    async def during(self, cast: RiversideCast) -> None:
        """Watch the near bank go on, and the far bank hold."""
        trial, asked_ns = self._trial, 0

        def settled() -> bool:
            everyone = len(went_on(trial, self._answers)) == len(trial.near)
            return everyone and is_soaked(trial, self._answers, asked_ns)

        async def look() -> bool:
            nonlocal asked_ns
            asked_ns = time.monotonic_ns()
            await self._look(cast)
            return settled()

        await cast.until(look, GO_ON_S, PERIOD_S)
        judge_held(trial, self._answers, asked_ns, self._cut_ns, self.outcome, self.claims)
        judge_gone_on(trial, self._answers, self.outcome, self.claims)
        self._healed_ns = time.monotonic_ns()

    async def after(self, cast: RiversideCast) -> None:
        """See it complete, by the same rule."""
        trial = self._trial
        took = await self._until(cast, lambda: is_complete(trial, self._answers), COMPLETE_S)
        seconds = None if took is None else (time.monotonic_ns() - self._healed_ns) / 1e9
        judge_completed(trial, self._answers, seconds, self.outcome, self.claims)
        judge_once(trial, self._answers, self.outcome, self.claims)

    async def _until(
        self, cast: RiversideCast, holds: Callable[[], bool], seconds: float
    ) -> float | None:
        async def look() -> bool:
            await self._look(cast)
            return holds()

        return await cast.until(look, seconds, PERIOD_S)

    async def _look(self, cast: RiversideCast) -> None:
        request = {"do": "panel", "intent": self._trial.intent}
        self._answers = await cast.ask_all(cast.side.panels, request)


def panel_text(side: Riverside, key: SecretKey) -> Artifact:
    """Return a signed text whose ranks suit the banks, as exact hashed ranks allow.

    The first stage is on the near bank; the far box that stays is of the last one, or the near
    bank would wait for its report; the revoked one is of neither the first.
    """
    for number in range(TEXTS_MAX):
        made = build_configuration(
            f'text = "detour {number}: the bridge is closed"\n'.encode(),
            name="panel",
            version=f"{number}",
            licence="Apache-2.0",
        )
        signed = sign_artifact(made, key)
        cohort = cohort_of(side, reference_of(signed.raw).digest)
        (stays,) = (box for box in side.panels if box in side.far and box != side.revoked)
        if set(cohort.stage(0)) <= set(side.near) and stays not in cohort.stage(1):
            return signed
    raise AssertionError(f"none of {TEXTS_MAX} texts ranks {side.panels} as wanted")
