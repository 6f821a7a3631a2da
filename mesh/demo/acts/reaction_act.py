"""Act three: 17:47. A van veers into the bike lane before box 247, and sixty more incidents follow.

This file plays the scene and asks every box what it did; `mesh.demo.acts.reaction_verdict` judges.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import trio

from mesh.demo.acts.reaction_flows import Flows, reaction_flows
from mesh.demo.acts.reaction_verdict import Outcome, judge_models, judge_reaction
from mesh.demo.claims import Claims
from mesh.demo.releases.release import delivered_digest
from mesh.demo.scenes.flow import FRAME_S
from mesh.demo.scenes.plan import QUIET_FRAMES_FIRST, ScenePlan
from mesh.demo.scenes.scenery import load_truth
from mesh.demo.stage.cast import Cast
from mesh.demo.stage.pace import PaceWitness, Slowed
from mesh.demo.stage.processor import processor_ns, stolen_ns, used_ns
from mesh.units import SECOND

__all__ = ["ReactionAct"]

LEAD_S = 1.5
"""Seconds between the order to play and the first frame."""
AFTER_S = 0.5
"""Seconds after the last frame before boxes are asked what they did; no incident goes on in the two
seconds before it."""
QUIET_CPU_SHARE_MAX = 0.60
"""Share of the machine that the whole demo may use while nothing happens."""


class ReactionAct:
    """The act; `play` it.

    Args:
        cast: who plays.
        claims: where the claims are judged.
        plan: the scene.
        truth: directory of what really happened, which no box is told.
        tell: narrates.
    """

    def __init__(
        self,
        cast: Cast,
        claims: Claims,
        plan: ScenePlan,
        truth: Path,
        tell: Callable[[str], None],
    ) -> None:
        self.cast = cast
        self.claims = claims
        self.plan = plan
        self.truth = truth
        self.tell = tell
        self.outcome = Outcome()
        self.flows = Flows()

    async def play(self, progress: Callable[[float], None]) -> None:
        """Play the scene, then judge it."""
        cast = self.cast
        at_ns = time.monotonic_ns() + round(LEAD_S * SECOND)
        await cast.ask_all(cast.boxes, {"do": "play", "at_ns": at_ns})
        end = LEAD_S + self.plan.seconds + FRAME_S + AFTER_S
        start, stolen = time.monotonic(), stolen_ns()
        with PaceWitness() as witness:
            await self._measure_quiet()
            while (passed := time.monotonic() - start) < end:
                progress(passed / end)
                await trio.sleep(min(0.5, end - passed))
        slowed, passed_ns = Slowed(witness.looks()), (time.monotonic() - start) * SECOND
        stolen = (stolen_ns() - stolen) / (os.cpu_count() or 1)
        self.outcome.stolen_share = round(stolen / passed_ns, 3)
        self.outcome.slowed_share = round(slowed.total_ns / passed_ns, 3)
        swapped = cast.old_hero in cast.running
        asked = (*cast.boxes, cast.old_hero) if swapped else cast.boxes
        reports = await cast.ask_all(asked, {"do": "report"})
        self.flows = reaction_flows(reports)
        approved = await trio.to_thread.run_sync(delivered_digest, cast.model)
        judge_models(approved, reports, self.claims)
        truths = {box: load_truth(self.truth, box).truth for box in self.plan.cameras}
        judge_reaction(
            cast.city, self.plan, truths, asked, reports, slowed, self.outcome, self.claims
        )

    async def _measure_quiet(self) -> None:
        """Measure what all processes of the run use while cameras play and nothing happens."""
        await trio.sleep(LEAD_S)
        before, before_ns = processor_ns(os.getpid()), time.monotonic_ns()
        await trio.sleep(QUIET_FRAMES_FIRST * FRAME_S - 0.5)
        after, after_ns = processor_ns(os.getpid()), time.monotonic_ns()
        cores = os.cpu_count() or 1
        share = used_ns(before, after) / (after_ns - before_ns) / cores
        self.outcome.quiet_cpu_share = round(share, 3)
        self.claims.check(
            "cpu_budget",
            share <= QUIET_CPU_SHARE_MAX,
            f"{share:.0%} of {cores} cores used by {len(after)} processes with nothing on; "
            f"at most {QUIET_CPU_SHARE_MAX:.0%}",
        )
