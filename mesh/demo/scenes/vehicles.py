"""Cars and vans: a side profile pulled across the vehicle's width, then windows, wheels and lamps.

Faces turned away from the camera are dropped and the rest is painted far to near, which suffices
for shapes as convex as these.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mesh.demo.scenes.canvas import Canvas
from mesh.demo.scenes.light import Look, light_at
from mesh.demo.scenes.palette import Colour, Palette, brightened, filtered, scaled
from mesh.demo.scenes.site import Point3
from mesh.demo.scenes.users import (
    Kind,
    RoadUser,
    VehicleSize,
    draw_vehicle_size,
)

GLASS: Colour = (26, 30, 36)
BUMPER: Colour = (36, 36, 38)
PLATE: Colour = (210, 210, 190)
TYRE: Colour = (18, 18, 20)
RIM: Colour = (120, 122, 126)
WHEEL_RADIUS_M = 0.34
MINIBUS_SHARE = 0.25
"""Share of vans with windows along the whole side."""

ProfilePoint = tuple[float, float, str]
"""Share of the length (0.5 = front), height in metres, and kind of the face that starts here."""


@dataclass(frozen=True, slots=True)
class Glow:
    """A lamp that shines into the lens: place and radius in frame pixels, colour."""

    u: float
    v: float
    radius: float
    colour: Colour


@dataclass(frozen=True, slots=True)
class _Face:
    """One visible face; `side` is -1 or 1 for the flanks, 0 else."""

    distance: float
    part: str
    side: int
    corners: list[Point3]
    normal: Point3


def _draw_paint(kind: Kind, palette: Palette, rng: np.random.Generator) -> Colour:
    paints = palette.car_paints if kind is Kind.CAR else palette.van_paints
    paint = paints[rng.integers(len(paints))]
    return scaled(paint, rng.uniform(0.85, 1.1 if kind is Kind.CAR else 1.05))


def _profile(kind: Kind, size: VehicleSize) -> list[ProfilePoint]:
    top = size.height
    if kind is Kind.CAR:
        return [
            (0.5, 0.26, "front"),
            (0.5, 0.60, "body"),
            (0.46, 0.76, "body"),
            (0.22, 0.93, "glass"),
            (0.03, top, "roof"),
            (size.back, top, "glass"),
            (size.tail, 0.98, "body"),
            (-0.5, 0.84, "rear"),
            (-0.5, 0.28, "under"),
        ]
    return [
        (0.5, 0.30, "front"),
        (0.5, 0.95, "body"),
        (0.46, 1.12, "body"),
        (0.37, 1.22, "glass"),
        (0.25, top - 0.12, "body"),
        (0.20, top, "roof"),
        (-0.5, top, "rear"),
        (-0.5, 0.30, "under"),
    ]


class _Vehicle:
    """One vehicle being drawn."""

    def __init__(self, canvas: Canvas, look: Look, user: RoadUser, glows: list[Glow]) -> None:
        self.canvas, self.look, self.user, self.glows = canvas, look, user, glows
        self.kind = user.kind
        palette = canvas.site.palette
        self.size, rng = draw_vehicle_size(user.kind, user.seed)
        self.minibus = user.kind is Kind.VAN and rng.random() < MINIBUS_SHARE
        self.paint = _draw_paint(user.kind, palette, rng)
        self.has_rear_windows = rng.random() < 0.7
        striped, cloth = rng.random() < 0.5, rng.integers(len(palette.clothes))
        self.stripe = palette.clothes[cloth] if striped and user.kind is Kind.VAN else None
        self.ahead = (math.cos(user.heading), math.sin(user.heading))

    def draw(self) -> None:
        for face in self._visible_faces():
            if face.side:
                self._draw_flank(face)
            else:
                self._draw_panel(face)

    def place(self, along: float, height: float, side: float) -> Point3:
        """Along (share of the length), height (m) and side (-1 to 1) to the world."""
        if self.kind is Kind.CAR:
            inset = 0.16 * max(0.0, (height - 0.95) / (self.size.height - 0.95))
        else:
            inset = 0.06 * max(0.0, (height - 1.2) / (self.size.height - 1.2))
        forward = along * self.size.length
        left = side * self.size.width / 2 * (1 - inset)
        cosine, sine = self.ahead
        return (
            self.user.x + cosine * forward - sine * left,
            self.user.y + sine * forward + cosine * left,
            height,
        )

    def shade(self, normal: Point3, colour: Colour, gloss: float = 0.0) -> Colour:
        facing = 0.0 if self.look.night else _dot(normal, self.look.sun)
        light = light_at(self.look, self.user.x, self.user.y, up=max(0.0, normal[2]), facing=facing)
        lit = filtered(scaled(colour, light), self.look.tint)
        return brightened(lit, gloss * 60 * self.look.ambient) if gloss else lit

    def _visible_faces(self) -> list[_Face]:
        """The faces turned towards the camera, the farthest first."""
        eye = self.canvas.site.position
        profile = _profile(self.kind, self.size)
        faces: list[_Face] = []
        for index, (along, height, part) in enumerate(profile):
            next_along, next_height, _ = profile[(index + 1) % len(profile)]
            corners = [
                self.place(along, height, -1),
                self.place(along, height, 1),
                self.place(next_along, next_height, 1),
                self.place(next_along, next_height, -1),
            ]
            normal = _unit(_cross(_minus(corners[1], corners[0]), _minus(corners[3], corners[0])))
            to_eye = _minus(eye, _middle((corners[0], corners[2])))
            if part != "under" and _dot(normal, to_eye) > 0:
                faces.append(_Face(_length(to_eye), part, 0, corners, normal))
        cosine, sine = self.ahead
        for side in (-1, 1):
            normal = (-sine * side, cosine * side, 0.0)
            half = self.size.width / 2
            centre = (self.user.x + normal[0] * half, self.user.y + normal[1] * half, 0.0)
            if _dot(normal, _minus(eye, centre)) > 0:
                corners = [self.place(along, height, side) for along, height, _ in profile]
                distance = _length(_minus(eye, _middle(corners)))
                faces.append(_Face(distance - 0.2, "flank", side, corners, normal))
        return sorted(faces, key=lambda face: -face.distance)

    def _patch(self, side: float, outline: Sequence[tuple[float, float]]) -> list[Point3]:
        return [self.place(along, height, side) for along, height in outline]

    def _windows(self) -> list[list[tuple[float, float]]]:
        top = self.size.height
        if self.kind is Kind.CAR:
            back, tail = self.size.back, self.size.tail
            return [
                [(0.17, 0.96), (0.02, top - 0.09), (back + 0.01, top - 0.09), (tail + 0.08, 1.0)]
            ]
        cab = [(0.34, 1.25), (0.245, top - 0.3), (0.13, top - 0.3), (0.13, 1.2)]
        bus = [(0.08, 1.25), (0.08, top - 0.35), (-0.44, top - 0.35), (-0.44, 1.25)]
        return [cab, bus] if self.minibus else [cab]

    def _draw_flank(self, face: _Face) -> None:
        canvas, side, normal = self.canvas, face.side, face.normal
        canvas.polygon(face.corners, self.shade(normal, self.paint))
        sill = [(0.49, 0.28), (0.49, 0.42), (-0.49, 0.42), (-0.49, 0.28)]
        canvas.polygon(self._patch(side, sill), self.shade(normal, scaled(self.paint, 0.45)))
        for window in self._windows():
            canvas.polygon(self._patch(side * 1.01, window), self.shade(normal, GLASS, 0.25))
        if self.kind is Kind.CAR:
            pillar = [(-0.1, 0.95), (-0.1, self.size.height - 0.05)]
            canvas.line(self._patch(side, pillar), 0.07, self.shade(normal, self.paint))
        if self.stripe is not None:
            area = [(0.05, 0.95), (0.05, 1.5), (-0.46, 1.5), (-0.46, 0.95)]
            canvas.polygon(self._patch(side, area), self.shade(normal, self.stripe))
        self._draw_wheels(side, normal)

    def _draw_wheels(self, side: int, normal: Point3) -> None:
        turn = np.linspace(0, 2 * math.pi, 11)[:-1].tolist()
        for axle in (0.31, -0.31):
            for share, colour in ((1.0, TYRE), (0.55, RIM)):
                radius = WHEEL_RADIUS_M * share
                rim = [
                    (
                        axle + radius * math.cos(angle) / self.size.length,
                        WHEEL_RADIUS_M + radius * math.sin(angle),
                    )
                    for angle in turn
                ]
                self.canvas.polygon(self._patch(side * 1.01, rim), self.shade(normal, colour))

    def _draw_panel(self, face: _Face) -> None:
        gloss = {"glass": 0.3, "roof": 0.15}.get(face.part, 0.0)
        colour = GLASS if face.part == "glass" else self.paint
        self.canvas.polygon(face.corners, self.shade(face.normal, colour, gloss))
        if face.part == "rear" and self.kind is Kind.VAN:
            self._draw_rear_doors(face.normal)
        if face.part in ("front", "rear"):
            self._draw_lamps(face.part == "front", face.normal)

    def _draw_rear_doors(self, normal: Point3) -> None:
        top = self.size.height
        gap = [self.place(-0.5, 0.35, 0), self.place(-0.5, top - 0.05, 0)]
        self.canvas.line(gap, 0.05, self.shade(normal, scaled(self.paint, 0.6)))
        if self.has_rear_windows:
            for side in (-0.5, 0.5):
                self._draw_upright(-0.502, 1.35, top - 0.3, side, 0.3, self.shade(normal, GLASS))

    def _draw_upright(
        self, along: float, low: float, high: float, side: float, half: float, fill: Colour
    ) -> list[Point3]:
        """A rectangle across the vehicle at one end of it."""
        corners = [
            self.place(along, low, side - half),
            self.place(along, low, side + half),
            self.place(along, high, side + half),
            self.place(along, high, side - half),
        ]
        self.canvas.polygon(corners, fill)
        return corners

    def _draw_lamps(self, front: bool, normal: Point3) -> None:
        end = 0.502 if front else -0.502
        centre = (0.68 if front else 0.78) + (0.12 if self.kind is Kind.VAN else 0.0)
        self._draw_upright(end, 0.3, 0.46, 0, 1, self.shade(normal, BUMPER))
        self._draw_upright(end, 0.46, 0.6, 0, 0.25, self.shade(normal, PLATE))
        on = self.look.night and self.user.lights
        off_colour: Colour = (215, 218, 215) if front else (150, 26, 24)
        on_colour: Colour = (255, 250, 225) if front else (255, 60, 40)
        fill = on_colour if on else self.shade(normal, off_colour)
        for side in (-0.78, 0.78):
            lamp = self._draw_upright(end, centre - 0.1, centre + 0.1, side, 0.17, fill)
            if on:
                self._add_glow(front, normal, _middle(lamp))

    def _add_glow(self, front: bool, normal: Point3, lamp: Point3) -> None:
        site = self.canvas.site
        u, v, depth = site.project_point(lamp)
        eye = _minus(site.position, (self.user.x, self.user.y, 0.0))
        facing = max(0.15, _dot(normal, eye) / _length(eye))
        colour: Colour = (255, 240, 205) if front else (255, 40, 25)
        strength = (0.75 if front else 0.55) * facing
        radius = (0.5 if front else 0.36) * site.focal / depth
        self.glows.append(Glow(u, v, radius, scaled(colour, strength)))


def draw_vehicle(canvas: Canvas, look: Look, user: RoadUser, glows: list[Glow]) -> None:
    """Draw a car or van; lamps that are on are added to `glows`."""
    _Vehicle(canvas, look, user, glows).draw()


def _minus(a: Point3, b: Point3) -> Point3:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def _dot(a: Point3, b: Point3) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: Point3, b: Point3) -> Point3:
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


def _length(a: Point3) -> float:
    return math.sqrt(_dot(a, a))


def _unit(a: Point3) -> Point3:
    length = _length(a) + 1e-9
    return (a[0] / length, a[1] / length, a[2] / length)


def _middle(points: Sequence[Point3]) -> Point3:
    count = len(points)
    return (
        sum(point[0] for point in points) / count,
        sum(point[1] for point in points) / count,
        sum(point[2] for point in points) / count,
    )
