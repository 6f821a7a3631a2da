"""Moving traffic: lanes, a signal, and drivers who keep their distance.

A sans-IO simulation in steps of one camera frame. Vehicles follow a path (straight on, or right at
the crossing), never faster than the gap ahead allows, and stop at a red signal; cyclists likewise
in the bike lanes; pedestrians walk, and cross the near zebra while its leg has red. The culprit of
an incident is a road user with a script (`culprit`): others see it in the lanes it covers.

Nobody but a culprit enters the bike lane, so the truth of a quiet frame is `CLEAR` by construction.
"""

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mesh.demo.scenes.culprit import Culprit
from mesh.demo.scenes.light import Point2
from mesh.demo.scenes.traffic import (
    EAST,
    EAST_LANE_Y,
    FAR_LANE_X,
    NEAR_LANE_X,
    NORTH,
    SOUTH,
    WEST,
    WEST_LANE_Y,
    vehicle_kind,
)
from mesh.demo.scenes.users import Kind, RoadUser, extent

FRAMES_PER_SECOND = 4
FRAME_S = 1 / FRAMES_PER_SECOND
"""Every camera runs at this rate, whatever it sees."""

WARM_UP_FRAMES = 72
"""Steps before the first frame, so that lanes are populated and queues have formed."""

CYCLE_S, GREEN_S, CLEARANCE_S = 24.0, 12.0, 2.0
"""The signal's cycle, the near leg's green in it, and the pause before the cross street's."""

GREEN_BEFORE_INCIDENT_S = 8.0
"""The near leg has green this long before a culprit enters and until it has left.

The queue has gone by then, so nobody stands between the camera and the culprit for long.
"""

STANDSTILL_GAP_M, TIME_GAP_S = 2.0, 1.2
"""Room that drivers keep: so much when standing, and more the faster they go."""

ACCELERATION = 2.0
"""Metres per second squared."""

OFFSET_MAX_M = 0.6
"""Nobody drives farther than this from the middle of a lane."""

COVERS_BIKE_LANE_X, COVERS_LANE_X = 2.4, 3.6
"""Right of the first x a culprit is in the cyclists' way, left of the second in the drivers'."""

WALKING_SPEED, GAIT_RATE, PEDAL_RATE = 1.4, 6.5, 7.0
"""Metres per second, radians per second."""

WALK_X_MAX, WALK_Y = 18.0, (-5.0, 45.0)
"""Walkers are out of sight beyond these, metres."""

OUT_OF_SIGHT_Y = -4.0
"""Nobody is in view before this y, metres: here a culprit may take another vehicle's place."""


class Path:
    """A line that road users follow; positions on it are metres from its start."""

    def __init__(self, *points: Point2) -> None:
        self.points = points
        lengths = [math.dist(a, b) for a, b in itertools.pairwise(points)]
        self.starts = list(itertools.accumulate(lengths, initial=0.0))
        self.length = self.starts[-1]

    def at(self, position: float, offset: float) -> tuple[float, float, float]:
        """x, y and heading; the offset is metres to the right of the path."""
        index = min(max(bisect.bisect(self.starts, position) - 1, 0), len(self.points) - 2)
        (x0, y0), (x1, y1) = self.points[index], self.points[index + 1]
        heading = math.atan2(y1 - y0, x1 - x0)
        along = position - self.starts[index]
        cosine, sine = math.cos(heading), math.sin(heading)
        return (x0 + cosine * along + sine * offset, y0 + sine * along - cosine * offset, heading)


def _right_turn() -> list[Point2]:
    angles = np.linspace(0, math.pi / 2, 9).tolist()
    arc = [(5.25 - 3.5 * math.cos(angle), 16.5 + 3.5 * math.sin(angle)) for angle in angles]
    return [(NEAR_LANE_X, -30.0), *arc, (45.0, EAST_LANE_Y)]


@dataclass(frozen=True, slots=True)
class Lane:
    """Where road users of one direction come from and go to.

    Attributes:
        path: the usual way.
        turn: another way with the same beginning, or None.
        stop: position of the stop line, metres; None where no signal stops anybody.
        cross: whether the signal of the cross street counts.
        speed: metres per second.
        cyclists: cyclists instead of vehicles.
    """

    path: Path
    turn: Path | None
    stop: float | None
    cross: bool
    speed: float
    cyclists: bool


LANES: tuple[Lane, ...] = (
    Lane(
        Path((NEAR_LANE_X, -30.0), (NEAR_LANE_X, 80.0)),
        Path(*_right_turn()),
        42.4,
        cross=False,
        speed=8.0,
        cyclists=False,
    ),
    Lane(Path((FAR_LANE_X, 80.0), (FAR_LANE_X, -30.0)), None, 48.0, False, 8.0, False),
    Lane(Path((-45.0, EAST_LANE_Y), (45.0, EAST_LANE_Y)), None, 32.0, True, 8.0, False),
    Lane(Path((45.0, WEST_LANE_Y), (-45.0, WEST_LANE_Y)), None, 32.0, True, 8.0, False),
    Lane(Path((4.6, -15.0), (4.6, 70.0)), None, 27.4, False, 4.0, True),
    Lane(Path((-4.6, 70.0), (-4.6, -15.0)), None, 38.0, False, 4.0, True),
)
"""Near leg, far leg, eastward, westward, bike lane away from the camera, bike lane towards it."""

NEAR_LANE, NEAR_BIKE_LANE = 0, 4


@dataclass(slots=True)
class _Mover:
    """A road user on its way along a lane."""

    kind: Kind
    seed: int
    path: Path
    position: float
    speed: float
    desired: float
    offset: float
    lights: bool
    length: float
    phase: float = 0.0

    def user(self) -> RoadUser:
        x, y, heading = self.path.at(self.position, self.offset)
        return RoadUser(
            kind=self.kind,
            x=x,
            y=y,
            heading=heading,
            seed=self.seed,
            phase=self.phase,
            lights=self.lights,
            speed=self.speed,
        )


class Flow:
    """Traffic at one intersection, frame by frame.

    Args:
        rng: all draws; the flow is a function of it and the culprits.
        culprits: the vehicles that will veer, each with its own script.
    """

    def __init__(self, rng: np.random.Generator, culprits: Sequence[Culprit]) -> None:
        self._rng = rng
        self._culprits = tuple(culprits)
        self._offset_s = rng.uniform(0, CYCLE_S)
        busy = rng.random()
        self._rates = [0.04 + 0.2 * busy, 0.06 + 0.2 * busy, 0.1 * busy, 0.1 * busy, 0.12, 0.06]
        self._lanes: list[list[_Mover]] = [[] for _ in LANES]
        self._frame = -WARM_UP_FRAMES
        self._walkers = [_draw_walker(rng) for _ in range(rng.poisson(3.0))]
        for _ in range(WARM_UP_FRAMES):
            self.step()

    def users(self) -> list[RoadUser]:
        """Everybody at this frame; culprits first."""
        scripted = [culprit.at(self._frame) for culprit in self._culprits]
        moving = [mover.user() for lane in self._lanes for mover in lane]
        return [user for user in scripted if user is not None] + moving + self._walkers

    def step(self) -> None:
        """Go on by one frame."""
        for index, lane in enumerate(LANES):
            movers = self._lanes[index]
            red = not self._is_green(cross=lane.cross)
            self._drive(index, lane, movers, red)
            self._lanes[index] = [mover for mover in movers if mover.position < mover.path.length]
            self._maybe_arrive(index, lane)
        crossing = not self._is_green(cross=False)
        self._walkers = [
            self._come_back(_walk(walker, may_cross=crossing)) for walker in self._walkers
        ]
        self._frame += 1
        self._make_room()

    def _is_green(self, *, cross: bool) -> bool:
        """Whether the signal shows green to a leg, or to the cross street."""
        now_s = self._frame * FRAME_S
        for culprit in self._culprits:
            begin_s = culprit.first_frame * FRAME_S - GREEN_BEFORE_INCIDENT_S
            if begin_s <= now_s <= culprit.last_frame * FRAME_S:
                return not cross
        phase = (now_s + self._offset_s) % CYCLE_S
        if cross:
            return GREEN_S + CLEARANCE_S <= phase < CYCLE_S - CLEARANCE_S
        return phase < GREEN_S

    def _drive(self, index: int, lane: Lane, movers: list[_Mover], red: bool) -> None:
        """Move everybody of a lane; the first of the list is the farthest ahead."""
        culprit_rears = self._culprit_rears(index)
        ahead_rear = math.inf
        for mover in movers:
            front = mover.position + mover.length / 2
            limit = min([ahead_rear, *(rear for rear in culprit_rears if rear > mover.position)])
            if red and lane.stop is not None and front <= lane.stop + 0.5:
                limit = min(limit, lane.stop + STANDSTILL_GAP_M)
            room = max(0.0, limit - front - STANDSTILL_GAP_M)
            wish = min(mover.desired, mover.speed + ACCELERATION * FRAME_S)
            mover.speed = min(wish, room / TIME_GAP_S)
            mover.position += mover.speed * FRAME_S
            if mover.kind is Kind.CYCLIST and mover.speed > 0:
                mover.phase += PEDAL_RATE * FRAME_S
            ahead_rear = mover.position - mover.length / 2

    def _culprit_rears(self, index: int) -> list[float]:
        """Where culprits that cover a lane end, metres along the lane."""
        if index not in (NEAR_LANE, NEAR_BIKE_LANE):
            return []
        start_y = LANES[index].path.points[0][1]
        rears: list[float] = []
        for culprit in self._culprits:
            user = culprit.at(self._frame)
            if user is None:
                continue
            covers = user.x > COVERS_BIKE_LANE_X
            if index == NEAR_LANE:
                covers = user.x < COVERS_LANE_X or culprit.is_about_to_leave(self._frame)
            if covers:
                rears.append(user.y - culprit.length / 2 - start_y)
        return rears

    def _maybe_arrive(self, index: int, lane: Lane) -> None:
        rng, movers = self._rng, self._lanes[index]
        if rng.random() >= self._rates[index] * FRAME_S:
            return
        kind = Kind.CYCLIST if lane.cyclists else vehicle_kind(rng)
        path = lane.turn if lane.turn is not None and rng.random() < 0.15 else lane.path
        spread = 0.3 if lane.cyclists else 0.25
        mover = _Mover(
            kind=kind,
            seed=int(rng.integers(1 << 30)),
            path=path,
            position=0.0,
            speed=lane.speed,
            desired=lane.speed * rng.uniform(0.85, 1.1),
            offset=float(np.clip(rng.normal(0, spread), -OFFSET_MAX_M, OFFSET_MAX_M)),
            lights=rng.random() < 0.93,
            length=0.0,
            phase=rng.uniform(0, 6.3),
        )
        mover.length = extent(mover.user())[0]
        if not movers or movers[-1].position - movers[-1].length / 2 > mover.length / 2 + 6.0:
            movers.append(mover)

    def _come_back(self, walker: RoadUser) -> RoadUser:
        """Somebody else enters where a walker has left the scene, at its other end."""
        x, y = walker.x, walker.y
        if abs(x) > WALK_X_MAX and x * math.cos(walker.heading) > 0:
            x = -x
        elif y > WALK_Y[1] and walker.heading == NORTH:
            y = WALK_Y[0]
        elif y < WALK_Y[0] and walker.heading == SOUTH:
            y = WALK_Y[1]
        else:
            return walker
        return replace(walker, x=x, y=y, seed=int(self._rng.integers(1 << 30)))

    def _make_room(self) -> None:
        """Out of sight, a culprit that enters takes the place of whoever is there."""
        start_y = LANES[NEAR_LANE].path.points[0][1]
        for culprit in self._culprits:
            if culprit.first_frame == self._frame:
                edge = OUT_OF_SIGHT_Y - start_y
                near = self._lanes[NEAR_LANE]
                self._lanes[NEAR_LANE] = [mover for mover in near if mover.position > edge]


def _draw_walker(rng: np.random.Generator) -> RoadUser:
    """A pedestrian: on a pavement, at the near zebra, or beside the cross street."""
    where, forth = rng.random(), rng.random() < 0.5
    speed = WALKING_SPEED * (rng.random() < 0.75)
    if where < 0.6:
        side = 1 if rng.random() < 0.5 else -1
        x, y = side * rng.uniform(6.2, 9.5), rng.uniform(0, 40)
        heading = NORTH if forth else SOUTH
    elif where < 0.85:
        x, y = (-6.5 if forth else 6.5), rng.uniform(14.4, 16.8)
        heading, speed = (EAST if forth else WEST), WALKING_SPEED
    else:
        x, y = (1 if forth else -1) * rng.uniform(9.3, 11.8), rng.uniform(17, 27)
        heading = NORTH
    return RoadUser(
        kind=Kind.PEDESTRIAN,
        x=x,
        y=y,
        heading=heading,
        seed=int(rng.integers(1 << 30)),
        phase=rng.uniform(0, 6.3),
        speed=speed,
    )


def _walk(walker: RoadUser, *, may_cross: bool) -> RoadUser:
    """One frame on. At the kerb of the near zebra a walker waits for the signal."""
    crosses = walker.heading in (EAST, WEST)
    at_kerb = crosses and 6.0 <= abs(walker.x) <= 7.0 and walker.x * math.cos(walker.heading) < 0
    if at_kerb and not may_cross:
        return replace(walker, speed=0.0)
    speed = WALKING_SPEED if crosses else walker.speed
    if speed == 0:
        return walker
    return replace(
        walker,
        x=walker.x + math.cos(walker.heading) * speed * FRAME_S,
        y=walker.y + math.sin(walker.heading) * speed * FRAME_S,
        phase=walker.phase + GAIT_RATE * FRAME_S,
        speed=speed,
    )
