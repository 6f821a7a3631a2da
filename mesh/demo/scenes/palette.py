"""Colours of everything that is painted, sewn or sprayed.

A detector that knows the colours of its training pictures by heart would look better than it is.
So there are two palettes that share no colour: one for training, one for the demo, and a test
that keeps them apart. Light and weather are drawn elsewhere (`light`), alike for both.

A colour is a triple of floats, red, green and blue, 0 to 255 before light falls on it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colours that a scene may choose from.

    Attributes:
        name: what the palette is for.
        bike_lanes: surface of the bike lane; a site has one.
        car_paints: paint of cars, bicycle frames and helmets.
        van_paints: paint of vans.
        clothes: tops, trousers, backpacks and the stripe on some vans.
    """

    name: str
    bike_lanes: tuple[Colour, ...]
    car_paints: tuple[Colour, ...]
    van_paints: tuple[Colour, ...]
    clothes: tuple[Colour, ...]


TRAINING_PALETTE = Palette(
    name="training",
    bike_lanes=((86, 122, 92), (140, 88, 76), (92, 96, 100), (78, 108, 128)),
    car_paints=(
        (225, 225, 222),
        (190, 192, 196),
        (60, 62, 66),
        (30, 31, 34),
        (150, 28, 30),
        (40, 66, 120),
        (120, 124, 130),
        (70, 92, 80),
        (196, 168, 96),
        (96, 40, 44),
        (104, 140, 176),
    ),
    van_paints=(
        (236, 236, 232),
        (230, 230, 230),
        (222, 222, 218),
        (186, 190, 194),
        (214, 172, 40),
        (44, 74, 130),
        (72, 76, 82),
        (168, 40, 36),
    ),
    clothes=(
        (40, 44, 60),
        (120, 30, 36),
        (200, 196, 188),
        (36, 80, 66),
        (190, 150, 60),
        (90, 90, 96),
        (50, 70, 130),
        (220, 110, 50),
        (28, 28, 30),
        (150, 110, 140),
    ),
)

DEMO_PALETTE = Palette(
    name="demo",
    bike_lanes=((104, 116, 74), (132, 104, 68), (112, 86, 100), (72, 112, 112)),
    car_paints=(
        (214, 208, 196),
        (170, 176, 172),
        (84, 78, 74),
        (44, 40, 46),
        (178, 62, 30),
        (26, 92, 104),
        (142, 134, 120),
        (54, 112, 60),
        (208, 140, 62),
        (110, 58, 96),
        (132, 164, 150),
    ),
    van_paints=(
        (228, 222, 208),
        (216, 220, 226),
        (204, 200, 190),
        (168, 172, 164),
        (222, 128, 38),
        (34, 104, 98),
        (92, 84, 78),
        (134, 48, 92),
    ),
    clothes=(
        (58, 40, 66),
        (142, 58, 24),
        (184, 204, 206),
        (70, 96, 40),
        (208, 176, 96),
        (110, 100, 84),
        (34, 100, 136),
        (232, 90, 96),
        (44, 36, 32),
        (120, 136, 164),
    ),
)


def scaled(colour: Iterable[float], factor: float) -> Colour:
    """The colour under light of this strength, white light."""
    red, green, blue = colour
    return (red * factor, green * factor, blue * factor)


def filtered(colour: Iterable[float], light: Colour) -> Colour:
    """The colour under light of this colour (1, 1, 1 changes nothing)."""
    red, green, blue = colour
    return (red * light[0], green * light[1], blue * light[2])


def brightened(colour: Colour, by: float) -> Colour:
    """The colour with the same amount added to each channel (gloss)."""
    return (colour[0] + by, colour[1] + by, colour[2] + by)
