"""Traffic of one moment, as the detector was trained on it, and what counts as an incident.

The order of the random draws is part of the recipe. Moving traffic is in `flow`.
"""

import math
from collections.abc import Sequence

import numpy as np

from mesh.demo.scenes.site import ZONE
from mesh.demo.scenes.users import Kind, RoadUser, extent, footprint

NORTH, SOUTH, EAST, WEST = math.pi / 2, -math.pi / 2, 0.0, math.pi
"""Headings: away from the camera, towards it, right, left."""

NEAR_LANE_X, FAR_LANE_X = 1.75, -1.75
EAST_LANE_Y, WEST_LANE_Y = 20.0, 24.0
"""Middle of the lanes, metres."""

VAN_SHARE = 0.4
VEHICLE_SPEED = 8.0
"""Metres per second."""

IN_LANE, CLEAR, BETWEEN = 1, 0, -1
"""States of the zone: a vehicle stands in it, none touches it, neither."""

OVERLAP_IN_LANE, OVERLAP_CLEAR = 0.6, 0.15
"""Share of a vehicle's width inside the zone from which it stands in it, and up to which not."""


def vehicle_kind(rng: np.random.Generator) -> Kind:
    """Draw car or van."""
    return Kind.VAN if rng.random() < VAN_SHARE else Kind.CAR


def zone_state(users: Sequence[RoadUser]) -> int:
    """Whether a vehicle stands in the bike lane.

    Returns:
        `IN_LANE` if a vehicle is mostly inside, `CLEAR` if none touches it, `BETWEEN` otherwise.
    """
    x0, x1, y0, y1 = ZONE
    most = 0.0
    for user in users:
        if not user.kind.is_vehicle:
            continue
        length, width = extent(user)
        across = min(user.x + width / 2, x1) - max(user.x - width / 2, x0)
        along = min(user.y + length / 2, y1) - max(user.y - length / 2, y0)
        if max(0.0, along) / length > 0.5:
            most = max(most, max(0.0, across) / width)
    if most >= OVERLAP_IN_LANE:
        return IN_LANE
    return CLEAR if most <= OVERLAP_CLEAR else BETWEEN


def zone_truth(users: Sequence[RoadUser]) -> int:
    """`zone_state` for moving traffic, where a vehicle may just be rolling in or out.

    Returns:
        `IN_LANE` as `zone_state` does; `CLEAR` only if no part of a vehicle is inside; `BETWEEN`
        otherwise.
    """
    state = zone_state(users)
    if state != CLEAR:
        return state
    x0, x1, y0, y1 = ZONE
    for user in users:
        if user.kind.is_vehicle:
            corners = footprint(user)
            left, right = min(x for x, _ in corners), max(x for x, _ in corners)
            near, far = min(y for _, y in corners), max(y for _, y in corners)
            if left < x1 and right > x0 and near < y1 and far > y0:
                return BETWEEN
    return CLEAR


class _Moment:
    """Road users being placed one by one, none on top of another."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.users: list[RoadUser] = []

    def seed(self) -> int:
        return int(self.rng.integers(1 << 30))

    def is_free(self, x: float, y: float, radius: float) -> bool:
        return all(
            math.hypot(user.x - x, user.y - y) > radius + (3.0 if user.kind.is_vehicle else 0.7)
            for user in self.users
        )

    def add_lane(
        self, reach: tuple[float, float], count: int, middle: float, heading: float
    ) -> None:
        """Vehicles of one lane, some of them off its middle."""
        rng = self.rng
        along_y = heading in (NORTH, SOUTH)
        for _ in range(count):
            along = rng.uniform(*reach)
            if rng.random() < 0.85:
                offset = rng.normal(0, 0.25)
            else:
                offset = rng.uniform(0.3, 0.75) * (1 if middle > 0 else -1)
            x, y = (middle + offset, along) if along_y else (along, middle + offset)
            if self.is_free(x, y, 3.2):
                self.users.append(
                    RoadUser(
                        kind=vehicle_kind(rng),
                        x=x,
                        y=y,
                        heading=heading + rng.normal(0, 0.03),
                        seed=self.seed(),
                        lights=rng.random() < 0.93,
                        speed=VEHICLE_SPEED * (rng.random() < 0.6),
                    )
                )

    def add_turning(self, x: float, y: float, heading: float) -> None:
        if self.is_free(x, y, 3.2):
            kind = vehicle_kind(self.rng)
            self.users.append(
                RoadUser(kind=kind, x=x, y=y, heading=heading, seed=self.seed(), speed=4.0)
            )

    def add_small(self, kind: Kind, x: float, y: float, heading: float, speed: float) -> None:
        if self.is_free(x, y, 0.8 if kind is Kind.PEDESTRIAN else 1.0):
            self.users.append(
                RoadUser(
                    kind=kind,
                    x=x,
                    y=y,
                    heading=heading,
                    seed=self.seed(),
                    phase=self.rng.uniform(0, 6.3),
                    lights=self.rng.random() < 0.8,
                    speed=speed,
                )
            )


def random_traffic(rng: np.random.Generator, *, incident: bool) -> list[RoadUser]:
    """Draw the road users of one moment.

    Args:
        rng: the draws.
        incident: whether a vehicle stands in the bike lane; it is the first of the list.
    """
    moment = _Moment(rng)
    if incident:
        y = rng.uniform(2.5, 10.5)
        kind = Kind.VAN if rng.random() < 0.75 else Kind.CAR
        moment.users.append(
            RoadUser(
                kind=kind,
                x=rng.uniform(4.1, 4.9),
                y=y,
                heading=NORTH + rng.normal(0, 0.12),
                seed=moment.seed(),
                lights=rng.random() < 0.85,
            )
        )
    busy = rng.random()
    moment.add_lane((-2, 11.5), rng.poisson(1.3 * busy + 0.4), NEAR_LANE_X, NORTH)
    moment.add_lane((30, 60), rng.poisson(1.2), NEAR_LANE_X, NORTH)
    moment.add_lane((-2, 60), rng.poisson(2.2 * busy + 0.3), FAR_LANE_X, SOUTH)
    moment.add_lane((-16, 18), rng.poisson(1.0 * busy), EAST_LANE_Y, EAST)
    moment.add_lane((-16, 18), rng.poisson(1.0 * busy), WEST_LANE_Y, WEST)
    if rng.random() < 0.25:
        angle = rng.uniform(0.2, 1.3)
        x, y = 5.5 - 3.5 * math.cos(angle), 16.3 + 3.5 * math.sin(angle)
        moment.add_turning(x, y, NORTH - angle)
    if rng.random() < 0.2:
        angle = rng.uniform(0.2, 1.3)
        x, y = NEAR_LANE_X - 6.5 * (1 - math.cos(angle)), 17.5 + 6.5 * math.sin(angle)
        moment.add_turning(x, y, NORTH + angle)
    _add_cyclists(moment, rng)
    _add_pedestrians(moment, rng)
    return moment.users


def _add_cyclists(moment: _Moment, rng: np.random.Generator) -> None:
    for _ in range(rng.poisson(2.2)):
        side = 1 if rng.random() < 0.65 else -1
        x, y = side * rng.uniform(3.9, 5.3), rng.uniform(-1, 45)
        moment.add_small(Kind.CYCLIST, x, y, side * NORTH + rng.normal(0, 0.08), 4.0)
    if rng.random() < 0.2:
        x, y = rng.uniform(-15, 15), rng.uniform(18.6, 25.4)
        moment.add_small(Kind.CYCLIST, x, y, EAST if rng.random() < 0.5 else WEST, 4.0)


def _add_pedestrians(moment: _Moment, rng: np.random.Generator) -> None:
    for _ in range(rng.poisson(3.0)):
        where, heading = rng.random(), EAST if rng.random() < 0.5 else WEST
        speed = 1.4 * (rng.random() < 0.75)
        if where < 0.5:
            side = 1 if rng.random() < 0.5 else -1
            x, y = side * rng.uniform(6, 9.5), rng.uniform(0, 40)
            heading = (NORTH if heading == WEST else SOUTH) + rng.normal(0, 0.2)
        elif where < 0.8:
            x = rng.uniform(-6.5, 6.5)
            y = rng.uniform(14.3, 17) if rng.random() < 0.6 else rng.uniform(27, 29.7)
        elif where < 0.93:
            x = (1 if heading == WEST else -1) * rng.uniform(9.3, 11.8)
            y, heading = rng.uniform(17, 27), NORTH
        else:
            x, y, heading = rng.uniform(3.4, 5.8), rng.uniform(1, 12), rng.uniform(0, 6.3)
        moment.add_small(Kind.PEDESTRIAN, x, y, heading, speed)
