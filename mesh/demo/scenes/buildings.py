"""Houses along the far leg, and trees: the background's third dimension."""

from dataclasses import dataclass

import numpy as np

from mesh.demo.scenes.canvas import Canvas
from mesh.demo.scenes.light import Look
from mesh.demo.scenes.palette import Colour, filtered, scaled
from mesh.demo.scenes.site import CROSS_STREET, Point3

PLASTER: tuple[Colour, ...] = ((190, 170, 150), (165, 110, 90), (200, 195, 185), (150, 150, 155))
FAR_END_Y = 85.0
"""Houses stand up to here, metres."""

STOREY_M, WINDOW_SPACING_M = 2.8, 2.3
WINDOW_WIDTH_M, WINDOW_HEIGHT_M = 1.2, 1.6
LIT_SHARE = 0.35
"""Share of windows that are lit at night."""

Tree = tuple[float, float, float]
"""x, y and radius of the crown, metres."""


@dataclass(frozen=True, slots=True)
class House:
    """A box beside the far leg.

    Attributes:
        side: -1 left of the road, 1 right of it.
        face_x: x of the wall towards the road, metres.
        back_x: x of the wall away from the road, metres.
        near_y: where it begins, metres.
        far_y: where it ends, metres.
        height: metres.
        plaster: colour of its walls.
    """

    side: int
    face_x: float
    back_x: float
    near_y: float
    far_y: float
    height: float
    plaster: Colour


def plan_trees(rng: np.random.Generator) -> list[Tree]:
    """Draw where the trees stand: four on each side."""
    return [
        (side * rng.uniform(11, 16), rng.uniform(2, 60), rng.uniform(1.6, 2.8))
        for side in (-1, 1)
        for _ in range(4)
    ]


def plan_houses(rng: np.random.Generator) -> list[House]:
    """Draw the rows of houses on both sides of the far leg."""
    houses: list[House] = []
    for side in (-1, 1):
        y = CROSS_STREET[1] + 5.0
        while y < FAR_END_Y:
            depth = rng.uniform(8, 15)
            face_x = side * rng.uniform(10.5, 12)
            height, shade = rng.uniform(8, 16), rng.uniform(0.55, 1)
            plaster = scaled(PLASTER[rng.integers(len(PLASTER))], shade)
            houses.append(House(side, face_x, side * 30.0, y, y + depth, height, plaster))
            y += depth + (rng.uniform(2, 5) if rng.random() < 0.3 else 0)
    return houses


def draw_houses(canvas: Canvas, look: Look, houses: list[House], rng: np.random.Generator) -> None:
    """Draw the houses, the far ones first."""
    lit = rng.random((2, 4000)) < LIT_SHARE
    front_lit: list[bool] = lit[0].tolist()
    side_lit: list[bool] = lit[1].tolist()
    for house in sorted(houses, key=lambda h: -h.near_y):
        light = look.ambient * (0.8 if look.night else 1.15)
        wall = filtered(scaled(house.plaster, light), look.tint)
        x0, x1, y0, y1, top = house.face_x, house.back_x, house.near_y, house.far_y, house.height
        side = [(x0, y0, 0.0), (x0, y1, 0.0), (x0, y1, top), (x0, y0, top)]
        front = [(x0, y0, 0.0), (x1, y0, 0.0), (x1, y0, top), (x0, y0, top)]
        canvas.polygon(side, scaled(wall, 0.82))
        canvas.polygon(front, wall)
        _draw_windows(canvas, look, house, light + 0.1, front_lit, side_lit)


def _draw_windows(
    canvas: Canvas,
    look: Look,
    house: House,
    light: float,
    front_lit: list[bool],
    side_lit: list[bool],
) -> None:
    number = 0
    x0, y0 = house.face_x, house.near_y
    width, length = abs(house.back_x - x0), house.far_y - y0
    first = int(abs(y0) * 37)
    for sill in np.arange(1.0, house.height - 2, STOREY_M).tolist():
        for along in np.arange(1.0, width - 1.5, WINDOW_SPACING_M).tolist():
            number += 1
            on = look.night and front_lit[(first + number) % len(front_lit)]
            glass: Colour = (240, 205, 130) if on else scaled((70, 82, 95), light)
            x = x0 + house.side * along
            canvas.polygon(_pane((x, y0, sill), (house.side * WINDOW_WIDTH_M, 0.0)), glass)
        for along in np.arange(1.0, length - 1.5, WINDOW_SPACING_M).tolist():
            number += 1
            on = look.night and side_lit[(first + number) % len(side_lit)]
            glass = (225, 190, 120) if on else scaled((60, 72, 85), light)
            canvas.polygon(_pane((x0, y0 + along, sill), (0.0, WINDOW_WIDTH_M)), glass)


def _pane(corner: Point3, width: tuple[float, float]) -> list[Point3]:
    x, y, sill = corner
    far_x, far_y, head = x + width[0], y + width[1], sill + WINDOW_HEIGHT_M
    return [(x, y, sill), (far_x, far_y, sill), (far_x, far_y, head), (x, y, head)]


def draw_trees(canvas: Canvas, look: Look, trees: list[Tree], rng: np.random.Generator) -> None:
    """Draw the trees, the far ones first: a trunk and twenty-six balls of leaves."""
    light = look.ambient + (0.0 if look.night else 0.25)
    for x, y, radius in sorted(trees, key=lambda tree: -tree[1]):
        canvas.line([(x, y, 0.0), (x, y, 3.0)], 0.3, scaled((80, 62, 48), light))
        for _ in range(26):
            dx, dy, dz = rng.normal(0, radius * 0.42, 3).tolist()
            shade = 0.75 + 0.18 * dz / radius + rng.uniform(0, 0.35)
            centre = (x + dx, y + dy, 4.2 + dz * 0.8)
            canvas.disc(centre, radius * 0.42, scaled((66, 98, 48), light * shade))
