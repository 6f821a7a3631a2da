"""A slot that holds detectors: how one is tested beside the incumbent, and swapped in.

The self-test runs on the box's own hardware, on the canary frames in the artefact: a model that
answers otherwise than its builder's (`inference.golden`) does not start. Its figures, and how often
it contradicts what runs now on the same frames, go into the report; what is good enough is the
gate's affair. A model that was tested is cast as a shadow of the incumbent until it is swapped in,
or is not to be any more; what it fails at and contradicts on live frames meanwhile counts too.
"""

from collections.abc import Callable, Iterable

from inference.artifact import Artifact, check_signature, parse_artifact
from inference.canary import CANARY_SCORE_MIN, CanaryMetrics, ShadowTally
from inference.detector import decode, suppress, zone_confidence
from inference.errors import ArtifactError, InferenceError
from inference.golden import SelfTest, self_test
from inference.live import LiveDetector
from inference.manifest import ArtifactKind
from inference.onnx import DEADLINE_S, load_model_bytes
from inference.runtime import Runtime
from inference.slot_events import Outcome

__all__ = ["ModelHost", "load_artifact", "metrics_of"]


def load_artifact(artifact: Artifact, *, deadline_s: float | None = DEADLINE_S) -> Runtime:
    """Load the model of an artefact; it is known by the artefact's digest.

    Raises:
        ArtifactError: the artefact is no model's.
        ModelError: its payload cannot be run.
    """
    made = artifact.manifest
    if made.kind is not ArtifactKind.MODEL:
        raise ArtifactError(
            f"{made.name} {made.version} is of kind {made.kind}; this slot takes a model"
        )
    label = f"{made.name} {made.version}"
    return load_model_bytes(
        artifact.payload, label=label, digest=artifact.digest, deadline_s=deadline_s
    )


def metrics_of(metrics: CanaryMetrics, disagreement_ppm: int | None) -> dict[str, int]:
    """Figures of a run over canary frames; a report carries some of them, by the same names."""
    told = {
        "frames": metrics.frames,
        "errors": metrics.errors,
        "p50_us": metrics.p50_us,
        "p95_us": metrics.p95_us,
        "map50_ppm": metrics.map50_ppm,
        "found_ppm": metrics.found_ppm,
    }
    for condition in metrics.conditions:
        told[f"map50_ppm/{condition.condition}"] = condition.map50_ppm
        told[f"found_ppm/{condition.condition}"] = condition.found_ppm
    if disagreement_ppm is not None:
        told["disagreement_ppm"] = disagreement_ppm
    return told


class ModelHost:
    """What `inference.slot_store.SlotKeeper` does to run detectors.

    Args:
        live: the detector that is exchanged.
        factory: loads the model that a box has when nothing was rolled out.
        fetch: bytes of an artefact, None if they are not on the box.
        report: takes what became of what was asked for.
        clock_ns: monotonic clock, nanoseconds.
        release_keys: keys that may release; None leaves that to whoever signed the intent.
    """

    def __init__(
        self,
        live: LiveDetector,
        *,
        factory: Callable[[], Runtime],
        fetch: Callable[[bytes], bytes | None],
        report: Callable[[Outcome], None],
        clock_ns: Callable[[], int],
        release_keys: Iterable[bytes] | None = None,
    ) -> None:
        self._live = live
        self._factory = factory
        self._fetch = fetch
        self._report = report
        self._clock_ns = clock_ns
        self._release_keys = None if release_keys is None else tuple(release_keys)
        self._canary, self._errors = ShadowTally(), 0

    def fetch(self, digest: bytes) -> bytes | None:
        """See `Host.fetch`."""
        return self._fetch(digest)

    def test(self, data: bytes) -> tuple[str | None, dict[str, int]]:
        """See `Host.test`."""
        artifact = parse_artifact(data)
        if self._release_keys is not None:
            check_signature(artifact, self._release_keys)
        runtime = load_artifact(artifact)
        try:
            result = self_test(artifact, runtime, self._clock_ns)
            self._canary, self._errors = self._compared(artifact, result), result.metrics.errors
            figures = metrics_of(result.metrics, self._canary.disagreement_ppm)
        except BaseException:
            runtime.close()
            raise
        if result.passed:
            self._live.cast_shadow(runtime)
        else:
            runtime.close()
        return result.mismatch, figures

    def live_figures(self) -> dict[str, int]:
        """See `Host.live_figures`: it failed so often, and contradicted what runs."""
        live = self._live.tally
        figures = {"errors": self._errors + live.errors}
        if (worst := self._canary.worst_with(live)) is not None:
            figures["disagreement_ppm"] = worst
        return figures

    def activate(self, data: bytes | None) -> None:
        """See `Host.activate`."""
        if data is not None:
            self._live.swap(load_artifact(parse_artifact(data)))
            return
        try:
            runtime = self._factory()
        except BaseException:
            self._live.close()  # what ran before may be withdrawn
            raise
        self._live.swap(runtime)

    def forget(self) -> None:
        """See `Host.forget`."""
        self._live.cast_shadow(None)

    def report(self, outcome: Outcome) -> None:
        """See `Host.report`."""
        self._report(outcome)

    def _compared(self, artifact: Artifact, result: SelfTest) -> ShadowTally:
        """How the candidate compares with what runs on the canary frames."""
        canary, tally = artifact.canary, ShadowTally()
        if canary is None:
            return tally
        for frame, picture, answer in zip(
            canary.frames, canary.pixels, result.answers, strict=True
        ):
            if answer.error is not None:
                tally.failed()
                continue
            try:
                rows = self._live.rows(picture)
                ours = suppress(decode(rows, score_min=CANARY_SCORE_MIN))
            except InferenceError:
                continue
            tally.compare(
                zone_confidence(frame.calibration, ours) > 0,
                zone_confidence(frame.calibration, answer.found()) > 0,
            )
        return tally
