"""Light and weather of one camera for the length of a clip, and how bright a place is under it.

By day a sun (a direction), hard or overcast; by night street lamps on an ambient floor. Rain, haze,
exposure, blur, noise and compression belong here too, for they are drawn together: a look is one
draw, and every frame of a clip shares it.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mesh.demo.scenes.palette import Colour

Point2 = tuple[float, float]

LAMPS: tuple[Point2, ...] = (
    (-7.2, 4.0),
    (7.4, 11.0),
    (-7.4, 16.5),
    (7.4, 28.0),
    (-7.4, 40.0),
    (20.0, 27.0),
    (-20.0, 17.0),
)
"""Feet of the street lamps, metres."""

LAMP_REACH = 0.75
"""A lamp's arm: its light falls at this share of its distance from the road's axis."""

LAMP_SPREAD_M2 = 45.0
"""Square metres over which a lamp's light falls off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Light and weather of one clip.

    Attributes:
        night: street lamps and headlights instead of the sun.
        sun: unit vector towards the sun.
        sharp: 0 overcast to 1 hard shadows.
        ambient: light that is everywhere, 1 = full.
        tint: colour of the light.
        rain: 0 dry to 1 heavy.
        haze: 0 clear to 1 white.
        gain: exposure.
        gamma: tone curve.
        blur: radius of the lens blur, frame pixels.
        noise: sensor noise, standard deviation in grey levels.
        jpeg: quality of the camera's own compression, 0 to 95.
        building_shadow: corners of a large shadow on the ground, metres; empty for none.
    """

    night: bool
    sun: tuple[float, float, float]
    sharp: float
    ambient: float
    tint: Colour
    rain: float
    haze: float
    gain: float
    gamma: float
    blur: float
    noise: float
    jpeg: int
    building_shadow: tuple[Point2, ...]


def random_look(rng: np.random.Generator, *, night: bool) -> Look:
    """Draw a look. The order of the draws is part of the recipe that trained the detector."""
    azimuth, elevation = rng.uniform(0, 2 * math.pi), math.radians(rng.uniform(22, 65))
    overcast = rng.random() < 0.35
    sun = (
        math.cos(azimuth) * math.cos(elevation),
        math.sin(azimuth) * math.cos(elevation),
        math.sin(elevation),
    )
    rain = float(rng.uniform(0.3, 1)) if rng.random() < 0.2 else 0.0
    shadow = _building_shadow(rng) if rng.random() < 0.4 else ()
    warm = rng.uniform(-0.06, 0.06)
    dull = overcast or rain > 0 or night
    sharp = 0.0 if dull else float(rng.uniform(0.6, 1))
    ambient = float(rng.uniform(0.14, 0.30) if night else rng.uniform(0.66, 0.86))
    tint = (
        (1.0, float(rng.uniform(0.84, 0.97)), float(rng.uniform(0.62, 0.95)))
        if night
        else (1 + warm, 1.0, 1 - warm)
    )
    return Look(
        night=night,
        sun=sun,
        sharp=sharp,
        ambient=ambient,
        tint=tint,
        rain=rain,
        haze=float(rng.uniform(0, 0.18)) if rng.random() < 0.3 else 0.0,
        gain=float(rng.uniform(0.8, 1.2)),
        gamma=float(rng.uniform(0.85, 1.2)),
        blur=float(rng.uniform(0.2, 0.9)),
        noise=float(rng.uniform(5, 12) if night else rng.uniform(1.5, 5)),
        jpeg=int(rng.integers(55, 92)),
        building_shadow=shadow,
    )


def _building_shadow(rng: np.random.Generator) -> tuple[Point2, ...]:
    left, width = rng.uniform(-14, 6), rng.uniform(4, 18)
    slant = rng.uniform(-0.5, 0.5)
    near, far = (-9.0, rng.uniform(4, 40)) if rng.random() < 0.5 else (rng.uniform(0, 20), 70.0)
    return (
        (left + slant * near, near),
        (left + width + slant * near, near),
        (left + width + slant * far, far),
        (left + slant * far, far),
    )


def light_at(look: Look, x: float, y: float, *, up: float, facing: float | None) -> float:
    """How bright a surface is.

    Args:
        look: the light.
        x: metres, to the right.
        y: metres, away from the camera.
        up: how far the surface faces upwards, 0 to 1.
        facing: cosine between the surface's normal and the sun; None for the ground.

    Returns:
        Brightness, 1 = full.
    """
    if not look.night:
        return _daylight(look, up, facing)
    lamps = 0.0
    for lamp_x, lamp_y in LAMPS:
        squared = (x - lamp_x * LAMP_REACH) ** 2 + (y - lamp_y) ** 2
        lamps += 0.55 * (1 + squared / LAMP_SPREAD_M2) ** -1.5
    return (look.ambient + lamps) * (0.72 + 0.28 * up)


def ground_light(look: Look, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """`light_at` for many points of the ground at once."""
    if not look.night:
        return np.full(x.shape, _daylight(look, 1.0, None))
    total = np.full(x.shape, look.ambient)
    for lamp_x, lamp_y in LAMPS:
        squared = (x - lamp_x * LAMP_REACH) ** 2 + (y - lamp_y) ** 2
        total += 0.55 * (1 + squared / LAMP_SPREAD_M2) ** -1.5
    return total


def _daylight(look: Look, up: float, facing: float | None) -> float:
    direct = look.sun[2] if facing is None else max(0.0, facing)
    diffuse = (1 - look.sharp) * (0.35 + 0.25 * up)
    return look.ambient + 0.5 * (look.sharp * direct + diffuse)
