"""Which provider runs a model: measured, right before fast, and never elsewhere."""

import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import inference.onnx
from inference import DeadlineError, ModelInfo, RunError, load_model, packaged_model_path
from inference.onnx import OnnxRuntime, load_model_bytes, measure_providers, offered_providers
from inference.providers import (
    CPU_PROVIDER,
    GAIN_MIN_PERCENT,
    REMOTE_PROVIDERS,
    ProviderTiming,
    choose_provider,
)
from inference.runtime import IMAGE_SHAPE

MODEL = ModelInfo(name="test", version="0", digest=bytes(32), size=0)
IMAGES = np.random.default_rng(3).integers(0, 255, (4, *IMAGE_SHAPE), np.uint8)

timings = st.builds(
    ProviderTiming,
    provider=st.sampled_from(["A", "B", "C"]),
    p50_us=st.just(1),
    p95_us=st.integers(1, 5000),
    problem=st.sampled_from([None, None, "other answers"]),
)


def cpu(p95_us: int) -> ProviderTiming:
    return ProviderTiming(provider=CPU_PROVIDER, p50_us=1, p95_us=p95_us)


@given(st.lists(timings, max_size=4, unique_by=lambda one: one.provider), st.integers(1, 5000))
def test_the_fastest_that_is_right_is_chosen_if_it_is_worth_it(
    others: list[ProviderTiming], p95_us: int
):
    chosen = choose_provider([cpu(p95_us), *others])
    worth = [
        one
        for one in others
        if one.problem is None and one.p95_us * 100 <= p95_us * (100 - GAIN_MIN_PERCENT)
    ]
    if worth:
        assert chosen in [
            one.provider for one in worth if one.p95_us == min(w.p95_us for w in worth)
        ]
    else:
        assert chosen == CPU_PROVIDER


def test_without_the_processor_nothing_is_chosen():
    with pytest.raises(ValueError, match="measure it first"):
        choose_provider([ProviderTiming(provider="A", p50_us=1, p95_us=1)])


def test_what_this_machine_offers_is_measured():
    offered = offered_providers()
    assert offered[0] == CPU_PROVIDER
    assert not set(offered) & set(REMOTE_PROVIDERS)
    rows = measure_providers(packaged_model_path().read_bytes(), [*IMAGES])
    assert [row.provider for row in rows] == [*offered]
    assert rows[0].problem is None
    assert 0 < rows[0].p50_us <= rows[0].p95_us


def test_one_that_cannot_be_used_or_answers_otherwise_is_out(monkeypatch: pytest.MonkeyPatch):
    names = (CPU_PROVIDER, "Missing", "Wrong", "Broken")
    monkeypatch.setattr(inference.onnx, "offered_providers", lambda: names)

    class Other(OnnxRuntime):
        provider = "Wrong"

        def run(self, image):
            return super().run(255 - image)

    class Broken(Other):
        provider = "Broken"

        def run(self, image):
            raise RunError("no memory")

    def load(raw, *, label, provider):
        runtime = load_model_bytes(packaged_model_path().read_bytes(), label=label)
        if provider in ("Wrong", "Broken"):
            made = Other if provider == "Wrong" else Broken
            runtime = made(runtime._session, runtime.model)
        loaded.append(runtime)
        return runtime

    loaded: list[OnnxRuntime] = []
    monkeypatch.setattr(inference.onnx, "load_model_bytes", load)
    rows = measure_providers(b"", [*IMAGES])
    assert [runtime._session for runtime in loaded] == [None] * 4
    assert rows[1].problem == "cannot be used here"
    assert rows[2].problem is not None
    assert rows[3].problem == "no memory"
    assert choose_provider(rows) == CPU_PROVIDER


def test_a_model_from_an_artefact_is_known_by_its_digest():
    raw = packaged_model_path().read_bytes()
    runtime = load_model_bytes(raw, label="artefact", digest=b"\7" * 32, deadline_s=30.0)
    assert runtime.model.digest == b"\7" * 32
    assert (runtime.run(IMAGES[0]) == load_model().run(IMAGES[0])).all()
    assert runtime.provider == CPU_PROVIDER
    runtime.close()
    assert runtime.provider == ""


def test_a_run_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch):
    stopped = threading.Event()

    class Options:
        def __init__(self) -> None:
            self.stop = False

        @property
        def terminate(self) -> bool:
            return self.stop

        @terminate.setter
        def terminate(self, value: bool) -> None:
            self.stop = value
            stopped.set()

    class Hanging:
        def run(self, names, feed, options):
            assert stopped.wait(10)
            raise RuntimeError("Exiting due to terminate flag being set to true.")

        def get_providers(self):
            return [CPU_PROVIDER]

    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(RunOptions=Options))
    runtime = OnnxRuntime(Hanging(), MODEL, deadline_s=0.01)
    with pytest.raises(DeadlineError, match=r"longer than 0\.01 s"):
        runtime.run(IMAGES[0])
