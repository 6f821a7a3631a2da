"""What a run says at its end, and where it keeps what no box may read."""

from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from mesh.demo.acts.hold_deed import HoldDeed
from mesh.demo.acts.hold_verdict import Held
from mesh.demo.acts.partition_act import PartitionAct
from mesh.demo.acts.rollout_act import RolloutAct
from mesh.demo.acts.rollout_verdict import StageSeen
from mesh.demo.city.generator import generate_city, neighbourhood
from mesh.demo.claims import ClaimFailedError, Claims
from mesh.demo.report.narration import Narrator
from mesh.demo.run import DemoOptions, Run
from mesh.demo.scenes.plan import CameraPlan, ScenePlan
from mesh.demo.scenes.scenery import load_camera, load_truth, render_cameras
from mesh.demo.stage.cast import Cast
from mesh.node.processes import Processes


def run_of(options: DemoOptions, *, finished: bool = True) -> Run:
    narrator = Narrator(Console(file=StringIO()))
    run = Run(options, Path("nowhere"), Claims(options.keep_going, narrator.claim), narrator)
    run.finished = finished
    return run


def test_a_run_of_the_default_size_must_end_in_time() -> None:
    run = run_of(DemoOptions(keep_going=True))
    run.judge_duration(240.0, cores=2)
    assert run.result(240.0)["ok"]
    run.judge_duration(240.1, cores=2)
    assert run.result(240.1)["failed"] == ["duration"]
    with pytest.raises(ClaimFailedError, match="duration"):
        run_of(DemoOptions()).judge_duration(241.0, cores=8)


@pytest.mark.parametrize(
    ("options", "cores", "finished"),
    [
        (DemoOptions(boxes=20), 2, True),
        (DemoOptions(incidents=100), 2, True),
        (DemoOptions(act="reaction"), 2, True),
        (DemoOptions(act="partition"), 2, True),
        (DemoOptions(), 1, True),
        (DemoOptions(), 2, False),
    ],
)
def test_any_other_run_takes_what_it_takes(
    options: DemoOptions, cores: int, finished: bool
) -> None:
    run = run_of(options, finished=finished)
    run.judge_duration(500.0, cores)
    assert run.result(500.0)["ok"]


def test_the_truth_lies_where_no_box_reads(tmp_path: Path) -> None:
    scene, truth = tmp_path / "scene", tmp_path / "truth"
    scene.mkdir()
    truth.mkdir()
    box = neighbourhood(generate_city(1), 6).names[0]
    plan = ScenePlan(2, {box: CameraPlan(box, 1, False, ())})
    render_cameras(plan, [box], scene, truth)
    assert sorted(path.suffixes[0] for path in scene.iterdir()) == [".camera", ".frames"]
    assert len(load_camera(scene, box)[0]) == 2
    assert load_truth(truth, box).truth.tolist() == [0, 0]


@pytest.mark.parametrize("skipped", [False, True])
def test_the_rollout_of_the_partition_is_told_where_it_was_played(skipped: bool) -> None:
    output = StringIO()
    run = run_of(DemoOptions())
    run.narrator = Narrator(Console(file=output, width=100))
    run.held = HoldDeed(Path("nowhere"), run.claims, run.narrator.tell)
    run.held.outcome = Held(boxes=6, went_on=4, held=2, heal_to_complete_s=5.5)
    run.partition = PartitionAct(
        Processes(), generate_city(1), seed=1, model=Path("none.onnx"), folder=Path,
        claims=run.claims, tell=run.narrator.tell, deeds=(run.held,),
    )  # fmt: skip
    run.partition.outcome.cut_s = 0.0 if skipped else 18.9
    run.partition.outcome.skipped = skipped
    result = run.result(40.0)
    run.narrator.summary(result)
    told = result["partition"]
    assert isinstance(told, dict)
    assert ("rollout" in told) is not skipped
    said = "4 boxes went on, 2 held; on all 5.5 s after the heal"
    assert (said in output.getvalue()) is not skipped


def test_a_rollout_that_ended_early_is_summed_up_as_far_as_it_came() -> None:
    output = StringIO()
    narrator = Narrator(Console(file=output, width=100))
    act = RolloutAct(cast("Cast", None), Claims(False, print), cast("Any", ()), (), print)
    act.outcome.stages.append(StageSeen(10, 0, None))
    act.outcome.stages.append(StageSeen(50, 2, 3.5))
    told = act.result()
    for row, asked in zip(cast("list[dict[str, object]]", told["stages"]), (1, 6), strict=True):
        row["boxes_asked"] = asked
    narrator.summary(
        {"ok": False, "failed": ["stages"], "seed": 1, "boxes": 12, "processes": 9,
         "duration_s": 5.0, "rollout": told}
    )  # fmt: skip
    assert "No bad release was tried." in output.getvalue()
    assert "boxes asked" in output.getvalue()
    assert "never" in output.getvalue()
    assert "None" not in output.getvalue()
