"""The demo can fail: break one thing at a time, and see that the run says which.

Each case runs the demo with six boxes and one thing broken; it must end with a non-zero exit code
and name every claim that the broken thing belongs to. The control, with nothing broken, must end
with exit code 0, or only busy claims failed: what only says how busy the machine is is excused, and
shown. These runs share it with whatever else a builder does, nothing here breaks those claims,
and `make demo` judges them where they mean something. Run it with `make sabotage`, or one case
with `make sabotage ARGS='--only swap_not_done'`. A claim that no case is after fails by planted
evidence instead: `tests/unit/demo/test_every_claim.py` names the claim that lacks both.
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from crdt.entry import Entry
from inference.onnx import packaged_model_path
from mesh.demo import run as demo_run
from mesh.demo.acts.partition_act import PartitionAct
from mesh.demo.acts.trust_act import ATTACKS, RECORD_IGNORED, TrustAct
from mesh.demo.run import DemoOptions, run_demo
from mesh.demo.stage.foundation import Foundation, found
from mesh.node.offline import Desk
from tools.detector_shuffle import shuffle_weights

SECONDS_MAX = 40
"""A case that takes longer than this is a failure of the suite."""
LONGER_S = {"rollout": 80, "partition": 80, "": 120}
"""Unless its act is long, or it plays all."""
BUSY = frozenset({"latency", "frame_to_request", "cpu_budget"})
"""Claims that fail on a busy machine with nothing broken."""
EVENT_ATTACKS = tuple(
    f"attack:{attacker}" for attacker, reason in ATTACKS if reason != RECORD_IGNORED
)
"""The lies that admission alone stands against."""


@dataclass(frozen=True)
class Case:
    """One thing broken.

    Attributes:
        name: how it is called.
        act: which act shows it.
        claims: the claims that must all fail; none for the control, where none may.
        preload: modules that break the boxes, imported before they are forked.
        broken: breaks something in the demo's own process.
        model: whether to run a model with shuffled weights.
        swap_names: whether the two releases bear each other's names: that breaks nothing.
    """

    name: str
    act: str
    claims: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    broken: Callable[[ExitStack], None] | None = None
    model: bool = False
    swap_names: bool = False


async def _nothing(self: TrustAct | PartitionAct) -> None:
    del self


def _centre_left_alive(stack: ExitStack) -> None:
    stack.enter_context(patch.object(TrustAct, "kill_centre", _nothing))


def _swap_not_done(stack: ExitStack) -> None:
    stack.enter_context(patch.object(TrustAct, "swap_hardware", _nothing))


def _cut_that_cuts_nothing(stack: ExitStack) -> None:
    stack.enter_context(patch.object(PartitionAct, "cut", _nothing))


def _steward_file_missing(stack: ExitStack) -> None:
    def found_without(directory: Path, *arguments: object) -> Foundation:
        foundation = found(directory, *arguments)
        foundation.principals[foundation.steward].config.with_suffix(".key").unlink()
        return foundation

    stack.enter_context(patch.object(demo_run, "found", found_without))


def _deputy_not_revoked(stack: ExitStack) -> None:
    def keep(desk: Desk, name: str) -> tuple[Entry, ...]:
        del desk, name
        return ()

    stack.enter_context(patch.object(Desk, "revoke", keep))


CASES = (
    Case("control", ""),
    Case("control_with_names_swapped", "rollout", swap_names=True),
    Case("gate_always_passes", "rollout", ("stages",), preload=("tools.sabotages.gate_passes",)),
    Case("figures_ignored", "rollout", ("bad_release_held",),
         preload=("tools.sabotages.figures_ignored",)),
    Case("figures_made_up_from_names", "rollout", ("reported",),
         preload=("tools.sabotages.figures_by_name",)),
    Case("weights_kept", "rollout", ("runs_what_it_says",),
         preload=("tools.sabotages.weights_kept",)),
    Case("halt_ignored", "rollout", ("rolled_back",), preload=("tools.sabotages.halt_ignored",)),
    Case("box_restarts_into_halted_model", "rollout", ("stays_back",),
         preload=("tools.sabotages.restarts_into_halted",)),
    Case("poisoned_chunk_accepted", "rollout", ("poison_refused",),
         preload=("tools.sabotages.any_chunk",)),
    Case("constant_detector", "reaction", ("missed_detections",),
         preload=("tools.sabotages.constant_detector",)),
    Case("shuffled_weights", "reaction", ("missed_detections",), model=True),
    Case("admission_accepts_all", "trust", EVENT_ATTACKS,
         preload=("tools.sabotages.accept_everything",)),
    Case("deputy_not_revoked", "trust", ("attack:back_dated_record",), broken=_deputy_not_revoked),
    Case("swap_not_done", "trust", ("swap",), broken=_swap_not_done),
    Case("centre_left_alive", "trust", ("centre_killed",), broken=_centre_left_alive),
    Case("one_box_reacts_to_everything", "reaction", ("unexpected_reactions",),
         preload=("tools.sabotages.eager_box",)),
    Case("cut_that_cuts_nothing", "partition",
         ("cut", "wire_cut", "nothing_crossed", "events_counted"), broken=_cut_that_cuts_nothing),
    Case("wire_that_only_delays", "partition", ("wire_cut",),
         preload=("tools.sabotages.wire_delays",)),
    Case("namespaces_not_taken", "partition", ("partition_played",),
         preload=("tools.sabotages.no_namespaces",)),
    Case("hold_ignored", "partition", ("rollout_holds",),
         preload=("tools.sabotages.hold_ignored",)),
    Case("hold_never_ends", "partition", ("rollout_completes",),
         preload=("tools.sabotages.holds_for_good",)),
    Case("old_word_kept", "partition", ("facts_lost",),
         preload=("tools.sabotages.old_word_kept",)),
    Case("revoked_believed_on", "partition", ("exposure_ends",),
         preload=("tools.sabotages.yes_for_good",)),
    Case("steward_file_missing", "trust", ("swap",), broken=_steward_file_missing),
)  # fmt: skip


def play(case: Case, seed: int) -> tuple[bool, str, float, str]:
    """Run one case; returns whether it came out as it must, what failed, seconds, the output."""
    output = io.StringIO()
    start = time.monotonic()
    with ExitStack() as stack:
        if case.broken is not None:
            case.broken(stack)
        model = None
        if case.model:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            model = Path(folder) / "shuffled.onnx"
            shuffle_weights(packaged_model_path(), model)
        result = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "result.json"
        options = DemoOptions(
            boxes=6, seed=seed, act=case.act, incidents=5, json=result, model=model,
            swap_names=case.swap_names, preload=case.preload,
            keep_going=len(case.claims) != 1,  # else the first ends it
        )  # fmt: skip
        code = run_demo(options, Console(file=output, width=100))
        failed = demo_run.json.loads(result.read_text())["failed"]
    seconds = time.monotonic() - start
    in_time = seconds <= LONGER_S.get(case.act, SECONDS_MAX)
    right = in_time and came_out(case, code, failed)
    return right, ", ".join(failed) or "none", seconds, output.getvalue()


def came_out(case: Case, code: int, failed: Sequence[str]) -> bool:
    """Whether a run's exit code and failed claims are what the case must lead to."""
    if case.claims:
        return code != 0 and set(case.claims) <= set(failed)
    return code == 0 if not failed else BUSY.issuperset(failed)


def main() -> int:
    """Run the cases; returns 1 if one did not come out as it must."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[case.name for case in CASES])
    parser.add_argument("--seed", type=int, default=247)
    arguments = parser.parse_args()
    console = Console()
    table = Table("broken", "must fail", "failed", "seconds", "")
    wrong = 0
    for case in CASES:
        if arguments.only not in (None, case.name):
            continue
        console.print(f"{case.name} …", highlight=False)
        right, failed, seconds, output = play(case, arguments.seed)
        wrong += not right
        if not right:
            console.print(output, highlight=False, markup=False)
        verdict = "as it must" if right else "[red]WRONG[/]"
        table.add_row(
            case.name, ", ".join(case.claims) or "none", failed, f"{seconds:.0f}", verdict
        )
    console.print(table)
    ran = table.row_count
    console.print(f"{ran - wrong} passed, {wrong} failed", highlight=False)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
