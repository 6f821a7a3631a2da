"""Clips: what one camera sees, frame by frame, with the truth beside it.

A camera is a site, a light and a painted background; a clip is a number of frames of its traffic,
with or without incidents. Both are functions of their seeds, the same on every machine with the
same versions. Demo cameras draw from seeds and a palette that no training picture used.

Rendering costs about 20 ms a frame, so clips are rendered ahead and played at
`FRAMES_PER_SECOND`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.detector import Calibration
from mesh.demo.scenes.culprit import Culprit, IncidentSpec
from mesh.demo.scenes.flow import FRAME_S, Flow
from mesh.demo.scenes.light import random_look
from mesh.demo.scenes.palette import DEMO_PALETTE, Palette
from mesh.demo.scenes.render import DETECTOR_REDUCTION, Frame, detector_input, render
from mesh.demo.scenes.site import ZONE, Site
from mesh.demo.scenes.street import paint_background
from mesh.demo.scenes.traffic import CLEAR, zone_truth
from mesh.demo.scenes.users import RoadUser

DEMO_SEED_FIRST = 10_000_000
"""Demo seeds are added to this; training and evaluation seeds stay below it."""

CLIP_STREAM, NOISE_STREAM, LOOK_STREAM = 21, 22, 23
"""Separate streams of draws, so that one does not shift another."""


class Camera:
    """A camera at an intersection: everything that stays the same during a clip.

    Args:
        seed: which site; counted from 0.
        night: street lamps instead of the sun.
        palette: colours.
    """

    def __init__(self, seed: int, *, night: bool, palette: Palette = DEMO_PALETTE) -> None:
        self.seed = seed
        self.site = Site(DEMO_SEED_FIRST + seed, palette)
        draws = np.random.default_rng([DEMO_SEED_FIRST + seed, LOOK_STREAM, int(night)])
        self.look = random_look(draws, night=night)
        self.background = paint_background(self.site, self.look)

    def __repr__(self) -> str:
        return f"<Camera {self.seed} {'night' if self.look.night else 'day'}>"

    @property
    def calibration(self) -> Calibration:
        """What a detector must know of this camera: image to ground, and the zone."""
        reduced = np.diag([DETECTOR_REDUCTION, DETECTOR_REDUCTION, 1.0])
        matrix = self.site.ground_homography() @ reduced
        rows = tuple((float(a), float(b), float(c)) for a, b, c in matrix.tolist())
        return Calibration(to_ground=(rows[0], rows[1], rows[2]), zone=ZONE)


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame of a clip: the picture and the truth.

    Attributes:
        frame: the camera's frame, with a box for each road user in view.
        truth: 1 a vehicle stands in the bike lane, 0 none touches it, -1 neither.
        visible: which share of the vehicle in the lane is to be seen; 0 without one.
    """

    frame: Frame
    truth: int
    visible: float


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames as a detector wants them, and the truth.

    Attributes:
        frames: uint8 [n, 144, 256, 3].
        truth: int8 [n]: 1 a vehicle stands in the bike lane, 0 none touches it, -1 neither.
        visible: float32 [n]: which share of the vehicle in the lane is to be seen.
    """

    frames: NDArray[np.uint8]
    truth: NDArray[np.int8]
    visible: NDArray[np.float32]


def shots(
    camera: Camera, seed: int, frames: int, incidents: Sequence[IncidentSpec] = ()
) -> Iterator[Shot]:
    """Render a clip one frame at a time.

    Args:
        camera: the camera.
        seed: of traffic and noise.
        frames: how many.
        incidents: the incidents in it, in the order of their frames.

    Yields:
        The frames, with the truth.
    """
    noise = np.random.default_rng([DEMO_SEED_FIRST + seed, NOISE_STREAM])
    for users in _moments(seed, frames, incidents):
        frame = render(camera.site, camera.look, users, camera.background, noise)
        shown = [box.visible for box in frame.boxes if zone_truth([users[box.index]]) != CLEAR]
        yield Shot(frame, zone_truth(users), max(shown, default=0.0))


def moment(camera: Camera, seed: int, at: int, incidents: Sequence[IncidentSpec] = ()) -> Frame:
    """Render one frame of a clip's traffic, with noise of its own, and none of those before it."""
    noise = np.random.default_rng([DEMO_SEED_FIRST + seed, NOISE_STREAM, at])
    for number, users in enumerate(_moments(seed, at + 1, incidents)):
        if number == at:
            return render(camera.site, camera.look, users, camera.background, noise)
    raise ValueError(f"at={at}: frames of a clip are counted from 0")


def truth_of(seed: int, frames: int, incidents: Sequence[IncidentSpec] = ()) -> list[int]:
    """The truth of a clip without rendering it."""
    return [zone_truth(users) for users in _moments(seed, frames, incidents)]


def _moments(seed: int, frames: int, incidents: Sequence[IncidentSpec]) -> Iterator[list[RoadUser]]:
    """Who is where in each frame; culprits come first."""
    rng = np.random.default_rng([DEMO_SEED_FIRST + seed, CLIP_STREAM])
    flow = Flow(rng, [Culprit(incident, rng, FRAME_S) for incident in incidents])
    for _ in range(frames):
        yield flow.users()
        flow.step()


def render_clip(
    camera: Camera, seed: int, frames: int, incidents: Sequence[IncidentSpec] = ()
) -> Clip:
    """Render a clip for the detector; the arguments are those of `shots`."""
    pictures: list[NDArray[np.uint8]] = []
    truth: list[int] = []
    visible: list[float] = []
    for shot in shots(camera, seed, frames, incidents):
        pictures.append(detector_input(shot.frame.pixels))
        truth.append(shot.truth)
        visible.append(shot.visible)
    return Clip(np.stack(pictures), np.array(truth, np.int8), np.array(visible, np.float32))


def quiet_clip(camera: Camera, seed: int, frames: int) -> Clip:
    """Ordinary traffic without an incident."""
    return render_clip(camera, seed, frames)


def incident_clip(camera: Camera, seed: int, spec: IncidentSpec | None = None) -> Clip:
    """One incident, from the vehicle's entry until it is back in its own lane.

    Args:
        camera: the camera.
        seed: of traffic and noise.
        spec: the incident; None stages one at once.
    """
    incident = spec if spec is not None else IncidentSpec()
    return render_clip(camera, seed, incident_frames(seed, incident), (incident,))


def incident_frames(seed: int, incident: IncidentSpec) -> int:
    """How many frames an incident takes, from frame 0 until the lane is clear again."""
    traffic = np.random.default_rng([DEMO_SEED_FIRST + seed, CLIP_STREAM])
    return Culprit(incident, traffic, FRAME_S).last_frame + 1
