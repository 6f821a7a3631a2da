"""Swapping the live detector drops no frame, and a shadow harms nobody."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inference.model_host
from inference import FixedRuntime, ModelInfo, RunError, load_model, packaged_model_path
from inference.artifact import Artifact, Canary, build_model, sign_artifact
from inference.canary import CANARY_SCORE_MIN, PPM, CanaryFrame, ShadowTally
from inference.detector import Calibration, decode, zone_confidence
from inference.errors import ArtifactError, ModelFileError
from inference.golden import golden_rows
from inference.latest import LatestFrame
from inference.live import LiveDetector
from inference.model_host import ModelHost, load_artifact
from inference.runtime import IMAGE_SHAPE, Image, Rows
from inference.slot_events import Go, Outcome, OutcomeKind, Seen, Want, Withdraw
from inference.slot_record import Key
from inference.slot_store import FileDisk, SlotKeeper, SlotStore
from tests.unit.inference.artifacts import KEY, OTHER, a_configuration
from tests.unit.inference.strategies import rows_of, van_rows

IMAGE = np.random.default_rng(4).integers(0, 255, IMAGE_SHAPE, np.uint8)
scores = st.sampled_from([0.1, 0.3, 0.4, 0.44, 0.45, 0.5]) | st.floats(0.0625, 1, width=32)
EVERYWHERE = Calibration(((1, 0, 0), (0, 1, 0), (0, 0, 1)), (-1e9, 1e9, -1e9, 1e9))


class Strict(FixedRuntime):
    """Refuses when closed, and counts how often it was."""

    def __init__(self, number: int, rows: Rows | None = None) -> None:
        model = ModelInfo(name="test", version=str(number), digest=bytes([number]) * 32, size=0)
        super().__init__(van_rows() if rows is None else rows, model)
        self.closed = 0

    def close(self) -> None:
        self.closed += 1
        super().close()


class Failing(Strict):
    def run(self, image: Image) -> Rows:
        raise RunError("no")


def test_every_frame_is_answered_once_while_models_are_swapped():
    runtimes = [Strict(number) for number in range(100)]
    live = LiveDetector(runtimes[0], EVERYWHERE)
    with ThreadPoolExecutor(4) as pool:
        looks = [pool.submit(live.look, IMAGE) for _ in range(50)]
        for runtime in runtimes[1:]:
            live.swap(runtime)
            looks += [pool.submit(live.look, IMAGE) for _ in range(5)]
        answers = [look.result() for look in looks]
    assert len(answers) == 50 + 99 * 5
    assert all(answer.sighting.in_zone for answer in answers)
    assert live.look(IMAGE).model == runtimes[-1].model
    assert [runtime.closed for runtime in runtimes] == [1] * 99 + [0]
    live.close()
    assert runtimes[-1].closed == 1
    with pytest.raises(RunError, match="closed"):
        live.look(IMAGE)


def test_a_shadow_is_compared_and_never_answers():
    live = LiveDetector(Strict(1), EVERYWHERE)
    live.look_in_shadow(IMAGE, live.look(IMAGE))
    assert live.tally.frames == 0
    blind = Strict(2, rows_of([]))
    live.cast_shadow(blind)
    for _ in range(3):
        look = live.look(IMAGE)
        assert look.model.version == "1"
        live.look_in_shadow(IMAGE, look)
    assert (live.tally.frames, live.tally.disagreement_ppm) == (3, 1_000_000)
    live.cast_shadow(Failing(3))
    assert (blind.closed, live.tally.frames) == (1, 0)
    live.look_in_shadow(IMAGE, live.look(IMAGE))
    assert (live.tally.errors, live.tally.frames) == (1, 1)


def test_a_swap_closes_what_ran_and_what_was_in_shadow():
    before, candidate = Strict(1), Strict(2)
    live = LiveDetector(before, EVERYWHERE)
    live.cast_shadow(candidate)
    live.swap(Strict(3))
    assert live.look(IMAGE).model.version == "3"
    assert (before.closed, candidate.closed) == (1, 1)
    assert "test 3" in repr(live)


def test_a_camera_that_was_measured_is_looked_through_from_the_next_frame_on():
    nowhere = Calibration(((1, 0, 0), (0, 1, 0), (0, 0, 1)), (-2, -1, -2, -1))
    live = LiveDetector(Strict(0), nowhere)
    live.cast_shadow(Strict(1))
    assert live.look(IMAGE).sighting.confidence == 0
    live.calibrate(EVERYWHERE)
    look = live.look(IMAGE)
    assert look.sighting.confidence > 0
    live.look_in_shadow(IMAGE, look)
    assert live.tally.disagreement_ppm == 0, "the shadow looks through the same camera"
    live.swap(Strict(2))
    assert live.look(IMAGE).sighting.confidence > 0


@given(scores, scores)
def test_live_frames_and_canary_frames_are_compared_alike(ours: float, theirs: float):
    live = LiveDetector(Strict(1, van_rows(ours)), EVERYWHERE)
    live.cast_shadow(Strict(2, van_rows(theirs)))
    live.look_in_shadow(IMAGE, live.look(IMAGE))
    first, second = (
        zone_confidence(EVERYWHERE, decode(van_rows(score), score_min=CANARY_SCORE_MIN)) > 0
        for score in (ours, theirs)
    )
    assert live.tally.disagreement_ppm == (first != second) * PPM


def test_a_tally_changes_only_under_its_lock(monkeypatch: pytest.MonkeyPatch):
    live = LiveDetector(Strict(1), EVERYWHERE)
    held: list[bool] = []

    def noting(change):
        return lambda tally, *said: (held.append(live._lock.locked()), change(tally, *said))

    monkeypatch.setattr(ShadowTally, "compare", noting(ShadowTally.compare))
    monkeypatch.setattr(ShadowTally, "failed", noting(ShadowTally.failed))
    for candidate in (Strict(2), Failing(3)):
        live.cast_shadow(candidate)
        live.look_in_shadow(IMAGE, live.look(IMAGE))
        assert live.tally.frames == 1
    assert held == [True, True]


def test_a_newer_frame_takes_the_place_of_one_that_waits():
    frames: LatestFrame[int] = LatestFrame()
    assert frames.take() is None
    assert [frames.put(number) for number in range(5)] == [False, True, True, True, True]
    assert (len(frames), frames.take(), frames.take()) == (1, 4, None)
    assert (frames.offered, frames.dropped) == (5, 4)
    frames.put(5)
    assert (frames.take(), frames.dropped) == (5, 4)


@pytest.fixture(scope="module")
def artifact():
    runtime = load_model()
    frame = CanaryFrame(condition="day", calibration=EVERYWHERE, in_lane=False, labels=())
    canary = Canary((frame,), IMAGE[None], (golden_rows(runtime.run(IMAGE)),))
    payload = packaged_model_path().read_bytes()
    made = build_model(payload, canary, name="detector", version="v1.4", licence="Apache-2.0")
    return sign_artifact(made, KEY)


@pytest.mark.parametrize("incumbent", [rows_of([]), van_rows()], ids=["blind", "sees a van"])
def test_a_model_goes_all_the_way_on_real_files(tmp_path: Path, artifact, incumbent: Rows):
    live = LiveDetector(Strict(1, incumbent), EVERYWHERE)
    said: list[Outcome] = []
    host = ModelHost(
        live,
        factory=lambda: Strict(1, incumbent),
        fetch={artifact.digest: artifact.raw}.get,
        report=said.append,
        clock_ns=lambda: 0,
        release_keys=[KEY.public],
    )
    keeper = SlotKeeper(SlotStore(FileDisk(tmp_path / "slots")), host, lambda: 0)
    keeper.start()
    keeper.handle(Want(Key(artifact.digest)))
    assert [outcome.kind for outcome in said] == [OutcomeKind.STARTED], said
    assert said[0].metrics is not None
    assert said[0].metrics["frames"] == 1
    seen = [
        zone_confidence(EVERYWHERE, decode(rows, score_min=CANARY_SCORE_MIN)) > 0
        for rows in (incumbent, load_model().run(IMAGE))
    ]
    assert said[0].metrics["disagreement_ppm"] == (seen[0] != seen[1]) * PPM
    keeper.handle(Go(artifact.digest))
    look = live.look(IMAGE)
    assert look.model.digest == artifact.digest, "events name the artefact"
    keeper.handle(Seen(look.model.digest))
    assert said[-1].kind is OutcomeKind.GOOD
    assert said[-1].metrics == said[0].metrics, "it reports how it contradicted what ran beside it"
    assert "runs" in repr(keeper)
    again = SlotKeeper(SlotStore(FileDisk(tmp_path / "slots")), host, lambda: 0)
    again.start()
    assert again.slots.record.digest == artifact.digest


class Models:
    """Loads test runtimes in place of models, and keeps them to be looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loaded: list[Strict] = []
        monkeypatch.setattr(inference.model_host, "load_artifact", self.load)

    def load(self, artifact: Artifact) -> Strict:
        runtime = Strict(int(artifact.manifest.version), rows_of([]))
        self.loaded.append(runtime)
        return runtime


def a_model(number: int) -> Artifact:
    frame = CanaryFrame(condition="day", calibration=EVERYWHERE, in_lane=False, labels=())
    canary = Canary((frame,), IMAGE[None], (rows_of([]),))
    return build_model(b"onnx", canary, name="m", version=str(number), licence="MIT")


def a_host(live: LiveDetector, *models: Artifact, **given_: Any) -> ModelHost:
    defaults: dict[str, Any] = {
        "factory": lambda: Strict(0),
        "fetch": {model.digest: model.raw for model in models}.get,
        "report": lambda outcome: None,
        "clock_ns": lambda: 0,
    }
    return ModelHost(live, **defaults | given_)


def test_a_candidate_that_is_not_swapped_in_leaves_its_shadow(tmp_path: Path, monkeypatch):
    models, live = Models(monkeypatch), LiveDetector(Strict(9), EVERYWHERE)
    first, second = a_model(1), a_model(2)
    keeper = SlotKeeper(SlotStore(FileDisk(tmp_path)), a_host(live, first, second), lambda: 0)
    keeper.start()
    keeper.handle(Want(Key(first.digest)))
    assert [runtime.closed for runtime in models.loaded] == [0]
    keeper.handle(Want(Key(second.digest)))
    assert [runtime.closed for runtime in models.loaded] == [1, 0]
    keeper.handle(Want(Key(first.digest, b"it lies there, tested")))
    assert keeper.slots.ready == first.digest
    assert [runtime.closed for runtime in models.loaded] == [1, 1]
    keeper.handle(Want(Key(second.digest, b"again")))
    keeper.handle(Withdraw((first.digest, second.digest)))
    assert all(runtime.closed == 1 for runtime in models.loaded)


@given(st.lists(st.sampled_from(["same", "other", "failed"]), max_size=6))
def test_its_report_counts_what_it_fails_at_and_contradicts_on_live_frames(said: list[str]):
    blind, seeing = (
        LiveDetector(Strict(9, rows), EVERYWHERE) for rows in (rows_of([]), van_rows())
    )
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        models, told = Models(patch), list[Outcome]()
        made = a_model(1)
        host = a_host(blind, made, report=told.append, factory=lambda: Strict(9, rows_of([])))
        keeper = SlotKeeper(SlotStore(FileDisk(Path(folder))), host, lambda: 0)
        keeper.start()
        keeper.handle(Want(Key(made.digest)))
        (candidate,) = models.loaded
        runs = {"same": candidate.run, "other": candidate.run, "failed": Failing(1).run}
        for one in said:
            look = (seeing if one == "other" else blind).look(IMAGE)
            patch.setattr(candidate, "run", runs[one])
            blind.look_in_shadow(IMAGE, look)
        for event in (Go(made.digest), Seen(made.digest)):
            keeper.handle(event)
    odd = len(said) - said.count("same")
    started, good = (outcome.metrics or {} for outcome in told)
    assert started["disagreement_ppm"] == started["errors"] == 0
    changed = {"disagreement_ppm": PPM * odd // (1 + len(said)), "errors": said.count("failed")}
    assert good == started | changed


def test_a_self_test_that_breaks_off_leaves_nothing_open(monkeypatch):
    def broken() -> int:
        raise OSError("no clock")

    models, live = Models(monkeypatch), LiveDetector(Strict(9), EVERYWHERE)
    made = a_model(1)
    with pytest.raises(OSError, match="no clock"):
        a_host(live, made, clock_ns=broken).test(made.raw)
    assert [runtime.closed for runtime in models.loaded] == [1]


def test_without_the_factorys_own_nothing_goes_on_that_was_withdrawn(tmp_path: Path, monkeypatch):
    models, live = Models(monkeypatch), LiveDetector(Strict(9), EVERYWHERE)
    said: list[Outcome] = []
    made, other = a_model(1), a_model(2)
    factory: list[Strict] = [Strict(0)]
    host = a_host(live, made, other, factory=lambda: load_from(factory), report=said.append)
    keeper = SlotKeeper(SlotStore(FileDisk(tmp_path)), host, lambda: 0)
    keeper.start()
    for event in (Want(Key(made.digest)), Go(made.digest), Seen(made.digest)):
        keeper.handle(event)
    assert live.look(IMAGE).model.version == "1"
    keeper.handle(Withdraw((made.digest,)))
    with pytest.raises(RunError, match="closed"):
        live.look(IMAGE)
    assert all(runtime.closed for runtime in models.loaded)
    assert (said[-1].kind, said[-1].key) == (OutcomeKind.FAILED, Key(None))
    assert said[-1].reason == "the model that came with the box is gone"
    for event in (Want(Key(other.digest)), Go(other.digest), Seen(other.digest)):
        keeper.handle(event)
    assert live.look(IMAGE).model.version == "2"
    assert said[-1].kind is OutcomeKind.GOOD


def load_from(shelf: list[Strict]) -> Strict:
    if not shelf:
        raise ModelFileError("the model that came with the box is gone")
    return shelf.pop()


@pytest.mark.parametrize(
    ("keys", "change", "said"),
    [
        ([OTHER.public], False, "may not release here"),
        ([KEY.public], True, "slot takes a model"),
    ],
)
def test_what_may_not_run_fails_before_it_is_loaded(tmp_path: Path, artifact, keys, change, said):
    given = sign_artifact(a_configuration(), KEY) if change else artifact
    outcomes: list[Outcome] = []
    host = ModelHost(
        LiveDetector(Strict(1), EVERYWHERE),
        factory=lambda: Strict(1),
        fetch={given.digest: given.raw}.get,
        report=outcomes.append,
        clock_ns=lambda: 0,
        release_keys=keys,
    )
    keeper = SlotKeeper(SlotStore(FileDisk(tmp_path)), host, lambda: 0)
    keeper.start()
    keeper.handle(Want(Key(given.digest)))
    assert outcomes[0].kind is OutcomeKind.FAILED
    assert said in outcomes[0].reason


def test_only_a_model_is_loaded_as_one():
    with pytest.raises(ArtifactError, match="of kind config"):
        load_artifact(a_configuration())
