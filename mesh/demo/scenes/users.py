"""Road users: what kinds there are, where one is, and how much ground it covers.

A road user is a value. Its `seed` fixes size, colour and model, so the same user looks the same in
every frame; only position, heading, speed and phase (gait, pedals) change.
"""

import functools
import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

Point2 = tuple[float, float]


class Kind(IntEnum):
    """Kinds of road users; the numbers are the detector's classes."""

    PEDESTRIAN = 0
    CYCLIST = 1
    CAR = 2
    VAN = 3

    @property
    def is_vehicle(self) -> bool:
        """Whether it is a motor vehicle."""
        return self >= Kind.CAR


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadUser:
    """One road user at one moment.

    Attributes:
        kind: what it is.
        x: metres, to the right.
        y: metres, away from the camera.
        heading: direction of travel, radians; 0 = +x, pi / 2 = away from the camera.
        seed: fixes size, colour and model.
        phase: of gait or pedals, radians.
        lights: whether its lights are on at night.
        speed: metres per second.
    """

    kind: Kind
    x: float
    y: float
    heading: float
    seed: int
    phase: float = 0.0
    lights: bool = True
    speed: float = 0.0


@dataclass(frozen=True, slots=True)
class VehicleSize:
    """Length, width and height of a vehicle, metres, and the slope of a car's back."""

    length: float
    width: float
    height: float
    back: float = 0.0
    tail: float = 0.0


CAR_BACKS = ((-0.28, -0.44), (-0.42, -0.49), (-0.36, -0.47))
"""Where roof and rear window end, as a share of the length: saloon, estate, hatchback."""


def draw_vehicle_size(kind: Kind, seed: int) -> tuple[VehicleSize, np.random.Generator]:
    """A vehicle's size, and the generator from which its paint is drawn next."""
    rng = np.random.default_rng([seed, 5])
    if kind is Kind.CAR:
        length, width = rng.uniform(3.9, 4.8), rng.uniform(1.72, 1.9)
        height = rng.uniform(1.42, 1.66)
        back, tail = CAR_BACKS[rng.integers(len(CAR_BACKS))]
        return VehicleSize(length, width, height, back, tail), rng
    length, width = rng.uniform(4.9, 6.2), rng.uniform(1.95, 2.1)
    return VehicleSize(length, width, rng.uniform(2.1, 2.75)), rng


@functools.lru_cache(maxsize=4096)
def vehicle_size(kind: Kind, seed: int) -> VehicleSize:
    """A vehicle's size; a function of its kind and seed."""
    return draw_vehicle_size(kind, seed)[0]


def extent(user: RoadUser) -> tuple[float, float]:
    """Length and width on the ground, metres."""
    if user.kind is Kind.PEDESTRIAN:
        return 0.5, 0.5
    if user.kind is Kind.CYCLIST:
        return 1.75, 0.55
    size = vehicle_size(user.kind, user.seed)
    return size.length, size.width


def footprint(user: RoadUser) -> list[Point2]:
    """The four corners of the ground that it covers, metres."""
    length, width = extent(user)
    ahead_x, ahead_y = (
        math.cos(user.heading) * length / 2,
        math.sin(user.heading) * length / 2,
    )
    left_x, left_y = -math.sin(user.heading) * width / 2, math.cos(user.heading) * width / 2
    return [
        (user.x + ahead_x + left_x, user.y + ahead_y + left_y),
        (user.x + ahead_x - left_x, user.y + ahead_y - left_y),
        (user.x - ahead_x - left_x, user.y - ahead_y - left_y),
        (user.x - ahead_x + left_x, user.y - ahead_y + left_y),
    ]
