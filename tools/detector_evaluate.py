"""Does a detector find the incidents that the demo stages, and nothing else?

Runs the very code that a box runs (runtime, detector, confirmation) on clips of the demo's own
generator: held-out palette, seeds that no training picture had, the whole movement of a vehicle
that veers, stands and leaves. For every demo seed a number of cameras, half of them at night; at
each camera several incidents and one clip of ordinary traffic.

An incident counts as missed if no incident begins between the first frame in which the vehicle is
no longer clear of the lane and the last frame in which it stands there. An event is false if it
begins on frames in which nothing touches the lane. Results are kept one line a demo seed, so a run
that was stopped goes on where it was.
"""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from inference.detector import Change, Confirmation, Detector
from inference.onnx import load_model
from inference.runtime import Runtime
from mesh.demo.scenes.clip import Camera, Clip, incident_clip, quiet_clip
from mesh.demo.scenes.culprit import IncidentSpec
from mesh.demo.scenes.traffic import BETWEEN, CLEAR, IN_LANE

CAMERAS_PER_SEED, INCIDENTS_PER_CAMERA, QUIET_FRAMES = 13, 4, 8
"""Of one demo seed: 52 incidents and 104 frames of quiet clips."""

STAGED = IncidentSpec(first_frame=-2)
"""The vehicle is two frames on its way, out of sight still, when a clip begins."""

CAMERA_STRIDE = 1000
"""Camera number n of demo seed s has the seed s * CAMERA_STRIDE + n."""


@dataclass(frozen=True, slots=True)
class ClipResult:
    """What a detector made of one clip.

    Attributes:
        camera: seed of the camera.
        clip: seed of the clip.
        night: whether the clip is at night.
        incident: whether the clip has an incident.
        found: whether the incident was found.
        delay_frames: from the first frame in the lane to the beginning of the incident; may be
            negative, for the vehicle is half in the lane before.
        begun: how many incidents began where one was to be found (1 is right).
        false_events: incidents that began on clear frames.
        in_lane: frames in which the vehicle stood in the lane.
        in_lane_seen: those in which the detector saw it there.
        clear: frames in which nothing touched the lane.
        clear_seen: those in which the detector saw something there.
        visible_min: least share of the culprit that was to be seen while it stood in the lane.
    """

    camera: int
    clip: int
    night: bool
    incident: bool
    found: bool
    delay_frames: int
    begun: int
    false_events: int
    in_lane: int
    in_lane_seen: int
    clear: int
    clear_seen: int
    visible_min: float


def judge(clip: Clip, detector: Detector, *, camera: Camera, seed: int) -> ClipResult:
    """Run a detector over a clip and compare it with the truth."""
    confirmation = Confirmation()
    truth = clip.truth
    confidences = [detector.look(frame).confidence for frame in clip.frames]
    seen = np.array(confidences) > 0
    begins = [
        index
        for index, confidence in enumerate(confidences)
        if confirmation.feed(confidence).change is Change.BEGIN
    ]
    recent = [[truth[i] for i in range(max(0, b - 2), b + 1) if seen[i]] for b in begins]
    true_begins = [
        begin
        for begin, states in zip(begins, recent, strict=True)
        if IN_LANE in states or BETWEEN in states
    ]
    in_lane, clear = truth == IN_LANE, truth == CLEAR
    first = int(np.argmax(in_lane)) if in_lane.any() else -1
    return ClipResult(
        camera=camera.seed,
        clip=seed,
        night=camera.look.night,
        incident=bool(in_lane.any()),
        found=bool(true_begins) and bool(in_lane.any()),
        delay_frames=true_begins[0] - first if true_begins and first >= 0 else 0,
        begun=len(true_begins),
        false_events=len(begins) - len(true_begins),
        in_lane=int(in_lane.sum()),
        in_lane_seen=int((in_lane & seen).sum()),
        clear=int(clear.sum()),
        clear_seen=int((clear & seen).sum()),
        visible_min=round(float(clip.visible[in_lane].min()), 3) if in_lane.any() else 1.0,
    )


def evaluate_seed(runtime: Runtime, seed: int) -> list[ClipResult]:
    """Judge all clips of one demo seed."""
    results: list[ClipResult] = []
    for number in range(CAMERAS_PER_SEED):
        camera = Camera(seed * CAMERA_STRIDE + number, night=bool((seed + number) % 2))
        detector = Detector(runtime, camera.calibration)
        for incident in range(INCIDENTS_PER_CAMERA):
            clip_seed = camera.seed * INCIDENTS_PER_CAMERA + incident
            clip = incident_clip(camera, clip_seed, STAGED)
            results.append(judge(clip, detector, camera=camera, seed=clip_seed))
        clip = quiet_clip(camera, camera.seed, QUIET_FRAMES)
        results.append(judge(clip, detector, camera=camera, seed=camera.seed))
    return results


def evaluate(model: Path | None, seeds: range, results_file: Path, seconds_max: float) -> None:
    """Judge demo seeds that are not in the file yet, until the time is up; then print a table."""
    runtime = load_model(model)
    held = _held(results_file, runtime.model.digest)
    started = time.monotonic()
    for seed in seeds:
        if seed in held or time.monotonic() - started > seconds_max:
            continue
        results = evaluate_seed(runtime, seed)
        held[seed] = results
        line = {
            "model": runtime.model.digest.hex(),
            "seed": seed,
            "clips": [asdict(result) for result in results],
        }
        with results_file.open("a") as file:
            file.write(json.dumps(line) + "\n")
        missed = sum(clip.incident and not clip.found for clip in results)
        print(
            f"seed {seed}: {missed} missed, {sum(clip.false_events for clip in results)} false, "
            f"{time.monotonic() - started:.0f} s",
            flush=True,
        )
    done = sorted(set(held) & set(seeds))
    print(f"{runtime.model}: {len(done)} of {len(seeds)} demo seeds")
    print(summary([clip for seed in done for clip in held[seed]]))


def _held(results_file: Path, digest: bytes) -> dict[int, list[ClipResult]]:
    if not results_file.exists():
        return {}
    lines = [json.loads(line) for line in results_file.read_text().splitlines()]
    return {
        line["seed"]: [ClipResult(**clip) for clip in line["clips"]]
        for line in lines
        if line["model"] == digest.hex()
    }


def summary(clips: list[ClipResult]) -> str:
    """A table of the figures that the evaluation sheet shows."""
    lines = [f"{'':28}{'day':>12}{'night':>12}{'all':>12}"]
    parts = [[c for c in clips if not c.night], [c for c in clips if c.night], clips]

    def row(name: str, figures: list[str]) -> None:
        lines.append(f"{name:28}" + "".join(f"{figure:>12}" for figure in figures))

    staged = [[clip for clip in part if clip.incident] for part in parts]
    row("incidents", [str(len(part)) for part in staged])
    row("  missed", [str(sum(not c.found for c in part)) for part in staged])
    row("  begun more than once", [str(sum(c.begun > 1 for c in part)) for part in staged])
    delays = [[c.delay_frames for c in part if c.found] or [0] for part in staged]
    row("  delay p50 / max (frames)", [f"{np.median(d):.0f} / {max(d)}" for d in delays])
    row("frames in the lane", [str(sum(c.in_lane for c in part)) for part in staged])
    row("  not seen", [str(sum(c.in_lane - c.in_lane_seen for c in part)) for part in staged])
    row("clear frames", [str(sum(c.clear for c in part)) for part in parts])
    row("  seen", [str(sum(c.clear_seen for c in part)) for part in parts])
    row("  false events", [str(sum(c.false_events for c in part)) for part in parts])
    quiet = [[clip for clip in part if not clip.incident] for part in parts]
    row("  of them in quiet clips", [str(sum(c.clear for c in part)) for part in quiet])
    return "\n".join(lines)
