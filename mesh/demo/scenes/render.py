"""One frame: background, shadows, road users back to front, lamps, lens; and what is to be seen.

Beside the picture a render says for each road user where its box is and which share of it is
visible: the shapes are drawn a second time as object numbers, later shapes over earlier ones, and
counted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from mesh.demo.scenes.canvas import ID_SIZE, SUPERSAMPLING, Bounds, Canvas
from mesh.demo.scenes.glow import headlight_beams, lamp_glow
from mesh.demo.scenes.lens import through_the_lens
from mesh.demo.scenes.light import Look, Point2, light_at
from mesh.demo.scenes.palette import Colour, scaled
from mesh.demo.scenes.people import draw_person
from mesh.demo.scenes.site import FRAME_HEIGHT, FRAME_WIDTH, Site
from mesh.demo.scenes.users import Kind, RoadUser, footprint
from mesh.demo.scenes.vehicles import Glow, draw_vehicle

DETECTOR_REDUCTION = 2
"""A detector sees the frame reduced by this factor: 256 x 144 pixels."""

TRAFFIC_LIGHTS: tuple[Point2, ...] = ((-6.4, 13.2), (6.3, 13.4), (6.4, 27.0), (-6.4, 27.0))
"""Feet of the traffic lights' poles, metres."""

POLE_NUMBER = 255
"""Object number of everything that may hide a road user and is none."""

SHADOW_INK = (12, 13, 18)
SHADOW_HEIGHT_M = (1.7, 1.7, 1.35, 2.2)
"""Height that casts the shadow, by kind of road user."""

SHADOW_MARGIN_PX = 12
"""How far a blurred shadow reaches beyond its outline, frame pixels."""

LAMP_COLOURS: tuple[Colour, ...] = ((235, 50, 40), (240, 180, 40), (60, 220, 110))

Area = tuple[int, int, int, int]
"""Left, top, right, bottom, whole frame pixels."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Box:
    """Where a road user is in the frame.

    Attributes:
        kind: what it is.
        bounds: left, top, right, bottom, clipped to the frame, frame pixels.
        visible: share of it that nothing hides and that is inside the frame, 0 to 1.
        index: its place in the list of road users.
    """

    kind: Kind
    bounds: Bounds
    visible: float
    index: int


@dataclass(frozen=True, slots=True)
class Frame:
    """A rendered frame: pixels uint8 [288, 512, 3] and a box for each road user in view."""

    pixels: Pixels
    boxes: tuple[Box, ...]


def detector_input(pixels: Pixels) -> Pixels:
    """A camera frame as the detector wants it: uint8 [144, 256, 3]."""
    return np.asarray(Image.fromarray(pixels).reduce(DETECTOR_REDUCTION))


def render(
    site: Site,
    look: Look,
    users: Sequence[RoadUser],
    background: Image.Image,
    rng: np.random.Generator,
) -> Frame:
    """Render one frame.

    Args:
        site: the camera.
        look: light and weather.
        users: the road users.
        background: `paint_background` of the same site and look; not changed.
        rng: for rain and sensor noise.

    Returns:
        The frame; a function of the arguments and the generator's state.
    """
    image = background.copy()
    _cast_shadows(site, look, users, image)
    ids = Image.new("L", ID_SIZE)
    canvas = Canvas(site, image, ids)
    glows: list[Glow] = []
    drawn = _draw_all(canvas, ids, look, users, glows)
    light = np.asarray(image.reduce(SUPERSAMPLING), np.float32)
    if look.night:
        light = light + headlight_beams(site, users, light)
        light += lamp_glow(glows, rainy=look.rain > 0)
    pixels = through_the_lens(light, look, rng)
    return Frame(pixels, _boxes(users, drawn, ids))


def _cast_shadows(site: Site, look: Look, users: Sequence[RoadUser], image: Image.Image) -> None:
    """Darken the ground beneath the road users and where they stand in the sun's way."""
    mask = Image.new("L", (FRAME_WIDTH, FRAME_HEIGHT))
    draw = ImageDraw.Draw(mask)
    areas: list[Area] = []
    ink = 80 if look.night else int(60 + 75 * look.sharp)
    for user in users:
        outline = footprint(user)
        if look.sharp:
            outline = _convex_hull(_shadow_points(user, outline, look))
        corners, _ = site.project([(x, y, 0.0) for x, y in outline])
        draw.polygon(corners, fill=ink)
        area = _area_around(corners)
        if area is not None:
            areas.append(area)
    for area in _merged(areas):
        soft = mask.crop(area).filter(ImageFilter.GaussianBlur(1.2 if look.sharp else 2.5))
        size = (soft.width * SUPERSAMPLING, soft.height * SUPERSAMPLING)
        large = soft.resize(size, Image.Resampling.BILINEAR)
        corner = (area[0] * SUPERSAMPLING, area[1] * SUPERSAMPLING)
        image.paste(SHADOW_INK, (*corner, corner[0] + size[0], corner[1] + size[1]), mask=large)


def _area_around(corners: Sequence[Point2]) -> Area | None:
    """The part of the frame that a blurred shadow may reach; None if it is out of view."""
    left = max(0, math.floor(min(u for u, _ in corners)) - SHADOW_MARGIN_PX)
    top = max(0, math.floor(min(v for _, v in corners)) - SHADOW_MARGIN_PX)
    right = min(FRAME_WIDTH, math.ceil(max(u for u, _ in corners)) + SHADOW_MARGIN_PX)
    bottom = min(FRAME_HEIGHT, math.ceil(max(v for _, v in corners)) + SHADOW_MARGIN_PX)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _merged(areas: Sequence[Area]) -> list[Area]:
    """Areas that overlap become one, so that no shadow is laid on twice."""
    merged: list[Area] = []
    waiting = list(areas)
    while waiting:
        area = waiting.pop()
        touching = [other for other in merged if _overlap(area, other)]
        if not touching:
            merged.append(area)
            continue
        merged = [other for other in merged if other not in touching]
        group = [area, *touching]
        lefts, tops, rights, bottoms = zip(*group, strict=True)
        waiting.append((min(lefts), min(tops), max(rights), max(bottoms)))
    return merged


def _overlap(a: Area, b: Area) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _shadow_points(user: RoadUser, outline: list[Point2], look: Look) -> list[Point2]:
    """The footprint, and the footprint of the roof moved away from the sun."""
    sun_x, sun_y, sun_z = look.sun
    height = SHADOW_HEIGHT_M[user.kind]
    away_x, away_y = -sun_x / sun_z * height, -sun_y / sun_z * height
    base, roof = (1.0, 0.8) if user.kind.is_vehicle else (0.5, 0.6)
    foot = _shrunk(outline, base)
    return foot + [(x + away_x, y + away_y) for x, y in _shrunk(outline, roof)]


def _shrunk(outline: list[Point2], share: float) -> list[Point2]:
    middle_x = sum(x for x, _ in outline) / len(outline)
    middle_y = sum(y for _, y in outline) / len(outline)
    return [
        (x * share + middle_x * (1 - share), y * share + middle_y * (1 - share)) for x, y in outline
    ]


def _convex_hull(points: list[Point2]) -> list[Point2]:
    """Andrew's monotone chain."""
    ordered = sorted(points)

    def half(sequence: list[Point2]) -> list[Point2]:
        chain: list[Point2] = []
        for point in sequence:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        return chain[:-1]

    return half(ordered) + half(ordered[::-1])


def _turn(a: Point2, b: Point2, c: Point2) -> float:
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])


def _draw_all(
    canvas: Canvas, ids: Image.Image, look: Look, users: Sequence[RoadUser], glows: list[Glow]
) -> dict[int, tuple[Bounds, int]]:
    """Draw road users and poles, the far ones first.

    Returns:
        For each road user its bounds and how many cells of `ids` it covered when it was drawn.
    """
    site = canvas.site
    items = [(site.project_point((user.x, user.y, 0.0))[2], 0, i) for i, user in enumerate(users)]
    items.sort(key=lambda item: -item[0])
    items += [(site.project_point((*foot, 0.0))[2], 1, i) for i, foot in enumerate(TRAFFIC_LIGHTS)]
    drawn: dict[int, tuple[Bounds, int]] = {}
    for _, is_pole, index in sorted(items, key=lambda item: -item[0]):
        if is_pole:
            _draw_traffic_light(canvas, look, index, glows)
            continue
        user = users[index]
        canvas.begin(index + 1)
        draw = draw_vehicle if user.kind.is_vehicle else draw_person
        draw(canvas, look, user, glows)
        drawn[index] = (canvas.bounds, ids.histogram()[index + 1])
    return drawn


def _draw_traffic_light(canvas: Canvas, look: Look, index: int, glows: list[Glow]) -> None:
    site = canvas.site
    x, y = TRAFFIC_LIGHTS[index]
    canvas.begin(POLE_NUMBER)
    light = light_at(look, x, y, up=0.3, facing=0.4)
    canvas.line([(x, y, 0.0), (x, y, 3.4)], 0.14, scaled((70, 74, 76), light))
    case = [(x - 0.18, y, 2.5), (x + 0.18, y, 2.5), (x + 0.18, y, 3.5), (x - 0.18, y, 3.5)]
    canvas.polygon(case, scaled((26, 28, 28), light + 0.2))
    shining = (site.seed + index) % 2 * 2
    for lamp, colour in enumerate(LAMP_COLOURS):
        on = lamp == shining
        height = 3.3 - 0.3 * lamp
        canvas.disc((x, y - 0.02, height), 0.1, colour if on else scaled(colour, 0.2))
        if on and look.night:
            u, v, depth = site.project_point((x, y, height))
            glows.append(Glow(u, v, 0.35 * site.focal / depth, scaled(colour, 0.5)))


def _boxes(
    users: Sequence[RoadUser], drawn: dict[int, tuple[Bounds, int]], ids: Image.Image
) -> tuple[Box, ...]:
    counts = ids.histogram()
    boxes: list[Box] = []
    for index, (bounds, cells) in drawn.items():
        left, top, right, bottom = bounds
        inside = (
            min(max(left, 0.0), FRAME_WIDTH),
            min(max(top, 0.0), FRAME_HEIGHT),
            min(max(right, 0.0), FRAME_WIDTH),
            min(max(bottom, 0.0), FRAME_HEIGHT),
        )
        area = max(0.0, inside[2] - inside[0]) * max(0.0, inside[3] - inside[1])
        if area > 0 and cells > 0:
            share = area / max((right - left) * (bottom - top), 1e-6)
            visible = counts[index + 1] / cells * share
            boxes.append(Box(users[index].kind, inside, visible, index))
    return tuple(boxes)
