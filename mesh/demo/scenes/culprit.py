"""The vehicle that veers: it drives in its lane, swings into the bike lane, stands, and leaves.

The script is a closed form of time, so the truth of every frame is known before one is drawn:
braking at a constant rate towards the place where it will stand, moving sideways over the last
metres, standing, then pulling out again. How long it stands follows from how many frames it shall
be in the lane.
"""

import math
from dataclasses import dataclass

import numpy as np

from mesh.demo.scenes.traffic import IN_LANE, NEAR_LANE_X, NORTH, zone_state
from mesh.demo.scenes.users import Kind, RoadUser, extent

FRAMES_IN_LANE_MIN = 10
"""An incident stays in view at least so many frames."""

BRAKING_M = 14.0
APPROACH_SPEED = 9.0
"""Metres before the standing place at which it enters, and its speed there, metres per second."""

VEER_FROM_M, VEER_TO_M = 8.0, 1.5
"""Sideways movement begins and ends so many metres before the standing place."""

LEAVING_ACCELERATION = 3.5
"""Metres per second squared."""

LEAVE_FROM_M, LEAVE_TO_M = 0.5, 9.0
"""It moves back into its lane between these distances after the standing place."""

GONE_Y = 75.0
"""Where a culprit ends, metres."""

SIGNALLING_FRAMES = 5
"""It shows that it will leave so many frames before: those behind let it out."""

VAN_SHARE = 0.75
STANDING_X, STANDING_Y = (4.1, 4.9), (4.0, 10.0)
"""Where it stands, metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSpec:
    """An incident to be staged.

    Attributes:
        first_frame: frame in which the vehicle enters, out of sight still; negative to begin a
            clip when it is on its way already.
        frames_in_lane: it is in the bike lane for at least so many frames, not fewer than
            `FRAMES_IN_LANE_MIN`.
        kind: `Kind.VAN` or `Kind.CAR`; None draws one.
    """

    first_frame: int = 0
    frames_in_lane: int = FRAMES_IN_LANE_MIN
    kind: Kind | None = None

    def __post_init__(self) -> None:
        if self.frames_in_lane < FRAMES_IN_LANE_MIN:
            raise ValueError(
                f"frames_in_lane={self.frames_in_lane}: an incident shows for at least "
                f"{FRAMES_IN_LANE_MIN} frames; ask for more"
            )
        if self.kind is not None and not self.kind.is_vehicle:
            raise ValueError(f"kind={self.kind.name}: only a CAR or a VAN can block the bike lane")


class Culprit:
    """One vehicle and its script.

    Attributes:
        first_frame: frame in which it enters.
        last_frame: frame in which it is back in its own lane for good.
        length: metres.
    """

    def __init__(self, spec: IncidentSpec, rng: np.random.Generator, frame_s: float) -> None:
        kind = Kind.VAN if rng.random() < VAN_SHARE else Kind.CAR
        self._kind = spec.kind if spec.kind is not None else kind
        self._seed = int(rng.integers(1 << 30))
        self._lights = bool(rng.random() < 0.9)
        self._stand_x, self._stand_y = rng.uniform(*STANDING_X), rng.uniform(*STANDING_Y)
        self._frame_s = frame_s
        self._arrival_s = 2 * BRAKING_M / APPROACH_SPEED
        self.first_frame = spec.first_frame
        self._stand_s = 0.0
        self.length = extent(self._place(0.0))[0]
        missing = spec.frames_in_lane - self._count_in_lane()
        self._stand_s = max(0, missing) * frame_s
        back_s = self._leave_s + math.sqrt(2 * LEAVE_TO_M / LEAVING_ACCELERATION)
        self.last_frame = self.first_frame + math.ceil(back_s / frame_s)

    @property
    def _leave_s(self) -> float:
        return self._arrival_s + self._stand_s

    def at(self, frame: int) -> RoadUser | None:
        """The vehicle in this frame; None before it enters and after it has gone."""
        if frame < self.first_frame:
            return None
        user = self._place((frame - self.first_frame) * self._frame_s)
        return user if user.y < GONE_Y else None

    def is_about_to_leave(self, frame: int) -> bool:
        """Whether it signals that it will pull out, or does so."""
        leaving = self.first_frame + self._leave_s / self._frame_s
        return frame >= leaving - SIGNALLING_FRAMES

    def _place(self, elapsed_s: float) -> RoadUser:
        """The vehicle so many seconds after it entered."""
        ahead, speed = self._along(elapsed_s)
        x, slope = self._across(ahead)
        return RoadUser(
            kind=self._kind,
            x=x,
            y=self._stand_y + ahead,
            heading=NORTH - math.atan(slope),
            seed=self._seed,
            lights=self._lights,
            speed=speed,
        )

    def _along(self, elapsed_s: float) -> tuple[float, float]:
        """Metres past the standing place (negative before it), and speed."""
        if elapsed_s < self._arrival_s:
            left = 1 - elapsed_s / self._arrival_s
            return -BRAKING_M * left**2, APPROACH_SPEED * left
        since = elapsed_s - self._leave_s
        if since <= 0:
            return 0.0, 0.0
        limit_s = APPROACH_SPEED / LEAVING_ACCELERATION
        pushed = min(since, limit_s)
        distance = LEAVING_ACCELERATION * pushed**2 / 2 + APPROACH_SPEED * (since - pushed)
        return distance, LEAVING_ACCELERATION * pushed

    def _across(self, ahead: float) -> tuple[float, float]:
        """x, and how fast it grows with y."""
        if ahead <= 0:
            share, change = _smooth((ahead + VEER_FROM_M) / (VEER_FROM_M - VEER_TO_M))
            change /= VEER_FROM_M - VEER_TO_M
        else:
            share, change = _smooth((ahead - LEAVE_FROM_M) / (LEAVE_TO_M - LEAVE_FROM_M))
            share, change = 1 - share, -change / (LEAVE_TO_M - LEAVE_FROM_M)
        width = self._stand_x - NEAR_LANE_X
        return NEAR_LANE_X + width * share, width * change

    def _count_in_lane(self) -> int:
        """Frames in the lane if it did not stand at all."""
        frames = math.ceil((self._arrival_s + 10.0) / self._frame_s)
        places = (self._place(frame * self._frame_s) for frame in range(frames))
        return sum(zone_state([user]) == IN_LANE for user in places)


def _smooth(share: float) -> tuple[float, float]:
    """A step from 0 to 1 with soft ends, and its slope."""
    if share <= 0:
        return 0.0, 0.0
    if share >= 1:
        return 1.0, 0.0
    return share * share * (3 - 2 * share), 6 * share * (1 - share)
