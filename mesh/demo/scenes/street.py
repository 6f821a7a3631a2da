"""What never moves: road, markings, pavement, standing shadows, houses and trees.

A background is painted once per site and look (about 100 ms) and every frame starts from a copy.
The order of the random draws is part of the recipe that trained the detector.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from mesh.demo.scenes.buildings import draw_houses, draw_trees, plan_houses, plan_trees
from mesh.demo.scenes.canvas import CANVAS_SIZE, Canvas
from mesh.demo.scenes.light import Look, Point2, ground_light
from mesh.demo.scenes.palette import Colour, scaled
from mesh.demo.scenes.site import (
    BIKE_LANE_X,
    CROSS_STREET,
    FRAME_HEIGHT,
    FRAME_WIDTH,
    KERB_X,
    Site,
)

MARKING: Colour = (222, 222, 216)
NEAR_Y, FAR_Y, SIDE_X = -9.0, 95.0, 70.0
"""How far the ground is painted, metres."""

SHADE_INK = (16, 18, 26)
"""What a shadow fades to."""

LIGHT_CELL = 8
"""The light map is computed once per so many frame pixels."""

Image_f32 = NDArray[np.float32]


def paint_background(site: Site, look: Look) -> Image.Image:
    """Paint the empty intersection.

    Args:
        site: the camera.
        look: light and weather.

    Returns:
        A picture of `CANVAS_SIZE`, RGB.
    """
    rng = np.random.default_rng(site.surroundings_seed)
    red, green, blue = (int(channel) for channel in site.verge)
    canvas = Canvas(site, Image.new("RGB", CANVAS_SIZE, (red, green, blue)))
    _paint_surfaces(canvas, look)
    _paint_markings(canvas)
    trees = plan_trees(rng)
    shadows = _standing_shadows(site, look, trees, rng)
    canvas.image.paste(SHADE_INK, mask=shadows)
    canvas = Canvas(site, _lit_ground(site, look, canvas.image, rng))
    houses = plan_houses(rng)
    draw_houses(canvas, look, houses, rng)
    draw_trees(canvas, look, trees, rng)
    return canvas.image


def _rectangle(x0: float, x1: float, y0: float, y1: float) -> list[Point2]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _paint_surfaces(canvas: Canvas, look: Look) -> None:
    """Pavement, asphalt, rounded corners, bike lanes and kerbs."""
    site = canvas.site
    cross_from, cross_to = CROSS_STREET
    wet = 0.75 if look.rain > 0 else 1.0
    asphalt, pavement = scaled(site.asphalt, wet), scaled(site.pavement, wet)
    lane = scaled(site.bike_lane, wet)
    for side in (-1, 1):
        for near, far in ((NEAR_Y, cross_from), (cross_to, FAR_Y)):
            canvas.ground_polygon(_rectangle(side * KERB_X, side * 10, near, far), pavement)
        for near, far in ((cross_from - 4, cross_from), (cross_to, cross_to + 4)):
            canvas.ground_polygon(_rectangle(side * KERB_X, side * SIDE_X, near, far), pavement)
    for joint in np.arange(-8, 60, 1.5).tolist():
        if not cross_from < joint < cross_to:
            for side in (-1, 1):
                strip = _rectangle(side * KERB_X, side * 10, joint, joint + 0.05)
                canvas.ground_polygon(strip, scaled(pavement, 0.9))
    canvas.ground_polygon(_rectangle(-KERB_X, KERB_X, NEAR_Y, FAR_Y), asphalt)
    canvas.ground_polygon(_rectangle(-SIDE_X, SIDE_X, cross_from, cross_to), asphalt)
    for side in (-1, 1):
        for corner_y, towards in ((cross_from, -1), (cross_to, 1)):
            arc = [
                (
                    side * (KERB_X + 3.5 - 3.5 * math.cos(angle)),
                    corner_y + towards * (3.5 - 3.5 * math.sin(angle)),
                )
                for angle in np.linspace(0, math.pi / 2, 8).tolist()
            ]
            canvas.ground_polygon([(side * KERB_X, corner_y), *arc], asphalt)
    for side in (-1, 1):
        for near, far in ((NEAR_Y, cross_from - 4.2), (cross_to + 4.2, FAR_Y)):
            kerb_near, kerb_far = (near, cross_from - 3.5) if near < 0 else (cross_to + 3.5, FAR_Y)
            edge, kerb = side * BIKE_LANE_X, side * KERB_X
            canvas.ground_polygon(_rectangle(edge, kerb, near, far), lane)
            line = _rectangle(side * (BIKE_LANE_X - 0.1), side * (BIKE_LANE_X + 0.1), near, far)
            canvas.ground_polygon(line, MARKING)
            stone = _rectangle(side * (KERB_X - 0.05), side * (KERB_X + 0.15), kerb_near, kerb_far)
            canvas.ground_polygon(stone, scaled(pavement, 1.12))


def _paint_markings(canvas: Canvas) -> None:
    """Bike crossings, centre lines, zebras, the stop line, signs on the ground."""
    cross_from, cross_to = CROSS_STREET
    for side in (-1, 1):
        for y in np.arange(cross_from - 1, cross_to + 3, 1.2).tolist():
            for x in (BIKE_LANE_X, KERB_X - 0.3):
                dash = _rectangle(side * x, side * (x + 0.3), y, y + 0.6)
                canvas.ground_polygon(dash, MARKING)
    near_dashes = np.arange(-9, cross_from - 6, 3.0).tolist()
    far_dashes = np.arange(cross_to + 5, 80, 3.0).tolist()
    for y in near_dashes + far_dashes:
        canvas.ground_polygon(_rectangle(-0.07, 0.07, y, y + 1.8), MARKING)
    middle = (cross_from + cross_to) / 2
    for x in np.arange(-60, 60, 3.0).tolist():
        if abs(x) > 11:
            canvas.ground_polygon(_rectangle(x, x + 1.8, middle - 0.07, middle + 0.07), MARKING)
    for x in np.arange(-5.2, 5.2, 1.0).tolist():
        near, far = cross_from - 3.8, cross_to + 0.9
        canvas.ground_polygon(_rectangle(x, x + 0.5, near, near + 2.9), MARKING)
        canvas.ground_polygon(_rectangle(x, x + 0.5, far, far + 2.9), MARKING)
    for y in np.arange(cross_from + 0.4, cross_to - 0.4, 1.0).tolist():
        for side in (-1, 1):
            canvas.ground_polygon(_rectangle(side * 9.2, side * 12, y, y + 0.5), MARKING)
    stop = _rectangle(0.1, BIKE_LANE_X - 0.1, cross_from - 5, cross_from - 4.6)
    canvas.ground_polygon(stop, MARKING)
    for y in (3.5, 9.5):
        for side in (1, -1):
            _paint_bicycle(canvas, side * (BIKE_LANE_X + KERB_X) / 2, y, side)
    arrow = [(1.55, 7), (1.8, 7), (1.8, 8.6), (2.1, 8.6), (1.67, 9.8), (1.25, 8.6), (1.55, 8.6)]
    canvas.ground_polygon(arrow, MARKING)


def _paint_bicycle(canvas: Canvas, x: float, y: float, direction: int) -> None:
    turn = np.linspace(0, 2 * math.pi, 14).tolist()
    for wheel in (-0.45, 0.45):
        rim = [(x + wheel + 0.3 * math.cos(a), y + 0.6 * math.sin(a)) for a in turn]
        canvas.ground_line(rim, 0.09, MARKING)
    bar = y + 0.8 * direction
    frame = [(x - 0.45, y), (x - 0.1, bar), (x + 0.3, bar), (x + 0.45, y)]
    canvas.ground_line(frame, 0.09, MARKING)
    canvas.ground_line([(x - 0.1, bar), (x + 0.05, y), (x + 0.3, bar)], 0.09, MARKING)


def _standing_shadows(
    site: Site, look: Look, trees: list[tuple[float, float, float]], rng: np.random.Generator
) -> Image.Image:
    mask = Canvas(site, Image.new("L", CANVAS_SIZE))
    if look.sharp and look.building_shadow:
        mask.ground_polygon(look.building_shadow, int(115 * look.sharp))
    if look.sharp:
        sun_x, sun_y, sun_z = look.sun
        circle = np.linspace(0, 2 * math.pi, 10).tolist()
        for x, y, radius in trees:
            for _ in range(5):
                cast_x = x - sun_x / sun_z * 4 + rng.normal(0, 0.8)
                cast_y = y - sun_y / sun_z * 4 + rng.normal(0, 0.8)
                leaf = radius * 0.7
                blot = [(cast_x + leaf * math.cos(a), cast_y + leaf * math.sin(a)) for a in circle]
                mask.ground_polygon(blot, int(110 * look.sharp))
    return mask.image.filter(ImageFilter.GaussianBlur(2))


def _lit_ground(
    site: Site, look: Look, image: Image.Image, rng: np.random.Generator
) -> Image.Image:
    """The ground with stains, grain and light on it."""
    pixels = np.asarray(image, np.float32)
    coarse = rng.normal(128, 22, (FRAME_HEIGHT // 5, FRAME_WIDTH // 5)).clip(0, 255)
    stains = Image.fromarray(coarse.astype(np.uint8)).resize(CANVAS_SIZE, Image.Resampling.BICUBIC)
    shade = np.asarray(stains, np.float32) / 128 * 0.28 + 0.72
    grain = rng.normal(0, 4, pixels.shape[:2])
    lit = pixels * shade[..., None] + grain[..., None]
    lit *= _light_map(site, look)[..., None] * np.array(look.tint)
    return Image.fromarray(lit.clip(0, 255).astype(np.uint8))


def _light_map(site: Site, look: Look) -> Image_f32:
    v, u = np.mgrid[0 : FRAME_HEIGHT // LIGHT_CELL, 0 : FRAME_WIDTH // LIGHT_CELL] * float(
        LIGHT_CELL
    )
    x, y = site.ground(u + LIGHT_CELL / 2, v + LIGHT_CELL / 2)
    beyond = (y < -20) | (y > 300)
    light = np.where(beyond, look.ambient, ground_light(look, x, y)).astype(np.float32)
    return np.asarray(Image.fromarray(light).resize(CANVAS_SIZE, Image.Resampling.BICUBIC))
