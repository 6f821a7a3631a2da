"""The detector that runs, exchanged between two frames, and a candidate in its shadow.

A frame is looked at by the detector that ran when it came: a swap takes effect with the next one,
and the runtime before is closed only when the last frame that uses it was answered. So a swap drops
no frame and answers none twice.

A candidate in shadow looks at frames that the incumbent has answered already. It comes after the
answer, so it never delays one, and whatever goes wrong in it is counted (`ShadowTally`) and touches
nothing else. It takes the same time again, so the caller chooses on which frames it is asked.

Methods may be called from any thread.
"""

import threading
from copy import copy
from dataclasses import dataclass

from inference.canary import ShadowTally
from inference.detector import BEGIN_SCORE_MIN, Calibration, Detector, Sighting
from inference.errors import InferenceError
from inference.runtime import Image, ModelInfo, Rows, Runtime

__all__ = ["LiveDetector", "Look"]


@dataclass(frozen=True, slots=True)
class Look:
    """What came of one frame.

    Attributes:
        sighting: what the detector saw.
        model: which looked; an event made from it carries this model's digest.
    """

    sighting: Sighting
    model: ModelInfo


class _Loaded:
    """A detector, and how many frames it is looking at."""

    def __init__(self, runtime: Runtime, calibration: Calibration) -> None:
        self.runtime = runtime
        self.detector = Detector(runtime, calibration)
        self.busy = 0
        self.is_retired = False


class LiveDetector:
    """The detector of one camera.

    Args:
        runtime: what runs first; closed by this object when it is replaced.
        calibration: of the camera.
    """

    def __init__(self, runtime: Runtime, calibration: Calibration) -> None:
        self._lock = threading.Lock()
        self._calibration = calibration
        self._active = _Loaded(runtime, calibration)
        self._shadow: _Loaded | None = None
        self._tally = ShadowTally()

    def __repr__(self) -> str:
        return f"<LiveDetector {self.model}>"

    @property
    def model(self) -> ModelInfo:
        """The model that looks at the next frame."""
        return self._active.runtime.model

    @property
    def tally(self) -> ShadowTally:
        """How the candidate in shadow compares; begins anew with each candidate."""
        with self._lock:
            return copy(self._tally)

    def look(self, image: Image) -> Look:
        """Detect on one frame; see `Detector.look`."""
        with self._lock:
            loaded = self._active
            loaded.busy += 1
        try:
            return Look(loaded.detector.look(image), loaded.runtime.model)
        finally:
            self._leave(loaded)

    def rows(self, image: Image) -> Rows:
        """What the network makes of a picture that is no live frame; see `Runtime.run`."""
        with self._lock:
            loaded = self._active
            loaded.busy += 1
        try:
            return loaded.runtime.run(image)
        finally:
            self._leave(loaded)

    def swap(self, runtime: Runtime) -> None:
        """Run another model from the next frame on; a candidate in shadow is closed."""
        with self._lock:
            before, self._active = self._active, _Loaded(runtime, self._calibration)
        self._retire(before)
        self.cast_shadow(None)

    def calibrate(self, calibration: Calibration) -> None:
        """Look with another calibration from the next frame on: the camera was measured, or moved.

        What is being looked at keeps the one before.
        """
        with self._lock:
            self._calibration = calibration
            for loaded in (self._active, self._shadow):
                if loaded is not None:
                    loaded.detector = Detector(loaded.runtime, calibration)

    def cast_shadow(self, runtime: Runtime | None) -> None:
        """Run a candidate beside the incumbent, or none; the candidate before is closed."""
        with self._lock:
            before = self._shadow
            self._shadow = None if runtime is None else _Loaded(runtime, self._calibration)
            self._tally = ShadowTally() if runtime is not None else self._tally
        if before is not None:
            self._retire(before)

    def look_in_shadow(self, image: Image, look: Look) -> None:
        """Let the candidate look at a frame that was answered; nothing without one."""
        with self._lock:
            loaded, tally = self._shadow, self._tally
            if loaded is None:
                return
            loaded.busy += 1
        try:
            seen = loaded.detector.look(image)
        except InferenceError:
            with self._lock:
                tally.failed()
        else:
            with self._lock:
                tally.compare(_would_begin(look.sighting), _would_begin(seen))
        finally:
            self._leave(loaded)

    def close(self) -> None:
        """Free everything; looking raises `RunError` until another model is swapped in."""
        self.cast_shadow(None)
        self._retire(self._active)

    def _leave(self, loaded: _Loaded) -> None:
        with self._lock:
            loaded.busy -= 1
            is_over = loaded.is_retired and loaded.busy == 0
        if is_over:
            loaded.runtime.close()

    def _retire(self, loaded: _Loaded) -> None:
        with self._lock:
            is_idle = loaded.busy == 0 and not loaded.is_retired
            loaded.is_retired = True
        if is_idle:
            loaded.runtime.close()


def _would_begin(sighting: Sighting) -> bool:
    """Whether it counts towards an incident: what canary frames are compared by, too."""
    return sighting.confidence >= BEGIN_SCORE_MIN
