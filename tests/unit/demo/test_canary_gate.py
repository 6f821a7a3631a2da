"""A gate over canary frames tells the detectors apart by what they see, not by their names."""

import hashlib
import time
from pathlib import Path

import pytest

from inference.artifact import Artifact, parse_artifact, sign_artifact
from inference.canary import CanaryMetrics
from inference.golden import self_test
from inference.model_host import load_artifact, metrics_of
from inference.onnx import load_model
from mesh.demo.releases.canary import CanaryPictures, detector_artifact, render_canary
from mesh.demo.releases.detectors import VERSIONS, detector_path
from mesh.demo.releases.own_figures import Figures, own_figures
from mesh.demo.releases.release import Release
from tests.unit.inference.artifacts import KEY

MAP50_MIN_PPM = 450_000
"""The threshold of the demo's gate: half-way between v1.4 and v1.5 by night."""

FRAMES = {"day": 16, "night": 48}


@pytest.fixture(scope="module")
def pictures() -> CanaryPictures:
    return render_canary()


@pytest.fixture(scope="module")
def artifacts(pictures: CanaryPictures) -> dict[str, Artifact]:
    return {
        version: sign_artifact(
            detector_artifact(detector_path(version).read_bytes(), pictures), KEY
        )
        for version in VERSIONS
    }


def metrics(artifact: Artifact) -> CanaryMetrics:
    """What a box measures that was given these bytes and nothing else."""
    read = parse_artifact(artifact.raw)
    result = self_test(read, load_artifact(read), time.perf_counter_ns)
    assert result.passed, result.mismatch
    return result.metrics


def passes(artifact: Artifact) -> bool:
    """The gate: one figure, one threshold."""
    return metrics_of(metrics(artifact), None)["map50_ppm"] >= MAP50_MIN_PPM


def test_the_canary_set_is_the_one_that_the_figures_are_of(pictures: CanaryPictures):
    conditions = [frame.condition for frame in pictures.frames]
    assert {name: conditions.count(name) for name in FRAMES} == FRAMES
    for name in FRAMES:
        truth = [frame.in_lane for frame in pictures.frames if frame.condition == name]
        assert truth.count(True) == truth.count(False) == len(truth) // 2


def test_the_better_model_passes_and_the_night_blind_one_does_not(
    artifacts: dict[str, Artifact],
):
    by_version = {version: metrics(artifact) for version, artifact in artifacts.items()}
    good, bad = by_version["v1.4"], by_version["v1.5"]
    assert bad.of("day").map50_ppm > MAP50_MIN_PPM, "by day alone nobody would notice"
    assert bad.of("day").incidents_found >= good.of("day").incidents_found
    assert bad.map50_ppm == bad.of("night").map50_ppm
    assert good.map50_ppm > MAP50_MIN_PPM * 12 // 10, "a margin of a fifth"
    assert bad.map50_ppm < MAP50_MIN_PPM * 8 // 10, "and below as well"
    assert by_version["v1.3"].map50_ppm < good.map50_ppm
    assert bad.found_ppm < good.found_ppm - 200_000
    assert not any(c.false_alarms for m in by_version.values() for c in m.conditions)


def test_the_process_that_judges_measures_what_a_box_measures(
    artifacts: dict[str, Artifact], tmp_path: Path
):
    file, found = tmp_path / "one.artifact", dict[str, Figures]()
    for version, artifact in artifacts.items():
        file.write_bytes(artifact.raw)
        ours, theirs = own_figures(file), metrics(artifact)
        assert (ours.worst_ppm, ours.night_ppm) == (theirs.map50_ppm, theirs.of("night").map50_ppm)
        found[version] = ours
    for version, ours in found.items():
        for other, theirs in found.items():
            assert ours.are_told([theirs.worst_ppm]) == (version == other)


def test_a_gate_of_day_frames_alone_would_have_passed_it(pictures: CanaryPictures):
    count = FRAMES["day"]
    by_day = CanaryPictures(pictures.frames[:count], pictures.pixels[:count])
    assert passes(detector_artifact(detector_path("v1.5").read_bytes(), by_day))


def test_with_the_names_swapped_inside_and_out_the_same_networks_fail(
    pictures: CanaryPictures, tmp_path: Path
):
    swapped = {"v1.4": "v1.5", "v1.5": "v1.4"}
    for told, really in swapped.items():
        release = Release(told, detector_path(really), tmp_path / told, detector_path(told))
        made = detector_artifact(release.payload(), pictures, version=told)
        borrowed = sign_artifact(made, KEY)
        assert borrowed.manifest.version == told
        says, original = load_artifact(borrowed).model, load_model(detector_path(told)).model
        assert (says.name, says.version) == (original.name, original.version)
        assert says.metadata == original.metadata
        assert really.encode() not in release.payload()
        assert passes(borrowed) == (really == "v1.4")


def test_the_same_pictures_and_model_give_the_same_artefact(
    artifacts: dict[str, Artifact], pictures: CanaryPictures
):
    again = detector_artifact(detector_path("v1.4").read_bytes(), pictures)
    assert hashlib.sha256(sign_artifact(again, KEY).raw).digest() == artifacts["v1.4"].digest


def test_another_models_golden_rows_are_found_out(
    artifacts: dict[str, Artifact], pictures: CanaryPictures
):
    other = load_artifact(artifacts["v1.5"])
    result = self_test(artifacts["v1.4"], other, time.perf_counter_ns)
    assert not result.passed
    assert str(result.mismatch).startswith("canary frame 0: ")


@pytest.mark.parametrize(
    "arguments",
    [
        {"seed": 100},
        {"seed": -1},
        {"by_day": 0, "by_night": 0},
        {"by_day": 1, "by_night": 1000},
        {"moments": 51},
        {"moments": 0},
    ],
)
def test_a_set_that_does_not_exist_is_named(arguments: dict[str, int]):
    with pytest.raises(ValueError, match="expected a set from 0 to 99"):
        render_canary(**arguments)
