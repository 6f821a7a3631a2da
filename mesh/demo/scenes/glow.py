"""Light at night: beams that headlights throw on the road, and lamps that shine into the lens."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from mesh.demo.scenes.site import FRAME_HEIGHT, FRAME_WIDTH, Point3, Site
from mesh.demo.scenes.users import RoadUser
from mesh.demo.scenes.vehicles import Glow

BEAM_CELL, GLOW_CELL = 4, 2
"""Beams and glows are computed once per so many frame pixels."""

BEAM_COLOUR = np.array([1, 0.96, 0.82], np.float32)
BEAM_NEAR_M, BEAM_REACH_M = 2.2, 9.0

Light = NDArray[np.float32]
"""Light in the frame, float32 [288, 512, 3], 255 = white."""


def headlight_beams(site: Site, users: Sequence[RoadUser], ground: Light) -> Light:
    """The light that headlights add to what is in the frame already."""
    mask = Image.new("L", (FRAME_WIDTH // BEAM_CELL, FRAME_HEIGHT // BEAM_CELL))
    draw = ImageDraw.Draw(mask)
    for user in users:
        if not (user.kind.is_vehicle and user.lights):
            continue
        far = BEAM_NEAR_M + BEAM_REACH_M
        corners, _ = site.project(
            [
                _on_the_road(user, BEAM_NEAR_M, 0.7),
                _on_the_road(user, BEAM_NEAR_M, -0.7),
                _on_the_road(user, far, -2.4),
                _on_the_road(user, far, 2.4),
            ]
        )
        draw.polygon([(u / BEAM_CELL, v / BEAM_CELL) for u, v in corners], fill=70)
    soft = mask.filter(ImageFilter.GaussianBlur(2.2))
    large = soft.resize((FRAME_WIDTH, FRAME_HEIGHT), Image.Resampling.BICUBIC)
    strength = np.asarray(large, np.float32)[..., None] / 255
    return np.asarray(strength * (ground * 0.9 + 18) * BEAM_COLOUR, np.float32)


def _on_the_road(user: RoadUser, ahead: float, left: float) -> Point3:
    """A point on the ground so many metres ahead and to the left of a road user."""
    cosine, sine = math.cos(user.heading), math.sin(user.heading)
    return (user.x + cosine * ahead - sine * left, user.y + sine * ahead + cosine * left, 0.0)


def lamp_glow(glows: Sequence[Glow], *, rainy: bool) -> Light:
    """The halos of lamps, and on a wet road their reflections."""
    width, height = FRAME_WIDTH // GLOW_CELL, FRAME_HEIGHT // GLOW_CELL
    halo = np.zeros((height, width, 3), np.float32)
    for glow in glows:
        _add_halo(halo, glow, stretch=1, strength=1.0, drop=0)
        if rainy:
            _add_halo(halo, glow, stretch=5, strength=0.35, drop=5)
    channels = [
        Image.fromarray(halo[..., channel]).resize(
            (FRAME_WIDTH, FRAME_HEIGHT), Image.Resampling.BILINEAR
        )
        for channel in range(3)
    ]
    return np.stack([np.asarray(channel) for channel in channels], -1)


def _add_halo(halo: Light, glow: Glow, *, stretch: int, strength: float, drop: int) -> None:
    height, width, _ = halo.shape
    centre_x = glow.u / GLOW_CELL
    centre_y = (glow.v + drop * glow.radius) / GLOW_CELL
    radius = max(glow.radius / GLOW_CELL, 0.6)
    left, right = int(max(0, centre_x - 4 * radius)), int(min(width, centre_x + 4 * radius + 1))
    top = int(max(0, centre_y - 4 * radius * stretch))
    bottom = int(min(height, centre_y + 4 * radius * stretch + 1))
    if left >= right or top >= bottom:
        return
    across = (np.arange(left, right) - centre_x)[None, :]
    down = ((np.arange(top, bottom) - centre_y) / stretch)[:, None]
    squared = (across**2 + down**2) / radius**2
    shape = strength * (np.exp(-squared) + 0.18 * np.exp(-squared / 5))
    halo[top:bottom, left:right] += shape[..., None] * np.asarray(glow.colour, np.float32)
