"""Pedestrians and cyclists, drawn as thick sticks and balls in three dimensions."""

import math
from collections.abc import Sequence

import numpy as np

from mesh.demo.scenes.canvas import Canvas
from mesh.demo.scenes.light import Look, light_at
from mesh.demo.scenes.palette import Colour, filtered, scaled
from mesh.demo.scenes.site import Point3
from mesh.demo.scenes.users import Kind, RoadUser
from mesh.demo.scenes.vehicles import Glow

SKINS: tuple[Colour, ...] = ((224, 180, 150), (186, 134, 100), (120, 82, 60))
HAIRS: tuple[Colour, ...] = ((40, 30, 24), (110, 80, 50), (150, 150, 150), (24, 22, 22))
SHOE: Colour = (30, 28, 28)
TYRE: Colour = (24, 24, 26)
HANDLEBAR: Colour = (30, 30, 30)


class _Person:
    """One person being drawn: clothes, size, and a frame of reference that walks along."""

    def __init__(self, canvas: Canvas, look: Look, user: RoadUser) -> None:
        self.canvas, self.user = canvas, user
        self.rng = np.random.default_rng([user.seed, 9])
        self.scale = self.rng.uniform(0.9, 1.06)
        self.top = self.cloth()
        self.legs = scaled(self.cloth(), 0.8)
        self.skin = SKINS[self.rng.integers(len(SKINS))]
        self.hair = HAIRS[self.rng.integers(len(HAIRS))]
        self.ahead = (math.cos(user.heading), math.sin(user.heading))
        facing = None if look.night else 0.45
        light = light_at(look, user.x, user.y, up=0.35, facing=facing)
        self.light: Colour = scaled(look.tint, light)

    def cloth(self) -> Colour:
        clothes = self.canvas.site.palette.clothes
        return clothes[self.rng.integers(len(clothes))]

    def place(
        self, along: float, height: float, side: float = 0.0, *, rigid: bool = False
    ) -> Point3:
        """Metres ahead, up and to the left of the person's foot, to the world.

        A rigid thing (a bicycle) does not scale with the person.
        """
        scale = 1.0 if rigid else self.scale
        cosine, sine = self.ahead
        forward, left = along * scale, side * scale
        return (
            self.user.x + cosine * forward - sine * left,
            self.user.y + sine * forward + cosine * left,
            height * scale,
        )

    def limb(
        self, points: Sequence[Point3], width: float, colour: Colour, shade: float = 1.0
    ) -> None:
        lit = filtered(colour, self.light)
        self.canvas.line(points, width, scaled(lit, shade) if shade != 1.0 else lit)

    def ball(self, centre: Point3, radius: float, colour: Colour) -> None:
        self.canvas.disc(centre, radius, filtered(colour, self.light))


def draw_person(canvas: Canvas, look: Look, user: RoadUser, glows: list[Glow]) -> None:
    """Draw a pedestrian or a cyclist; a bicycle's lamp that is on is added to `glows`."""
    person = _Person(canvas, look, user)
    if user.kind is Kind.PEDESTRIAN:
        _draw_pedestrian(person)
        return
    _draw_bicycle(person)
    _draw_rider(person)
    if look.night and user.lights:
        glows.append(_bicycle_lamp(person))


def _draw_pedestrian(person: _Person) -> None:
    place, top, legs = person.place, person.top, person.legs
    stride = math.sin(person.user.phase) * 0.28 if person.user.speed > 0 else 0.0
    for leg, hip in ((1, 0.09), (-1, -0.09)):
        foot = leg * stride
        joints = [place(0, 0.88, hip), place(foot * 0.5, 0.45, hip), place(foot, 0.03, hip)]
        person.limb(joints, 0.16, legs, 0.85 if leg > 0 else 1.0)
        person.limb([place(foot, 0.04, hip), place(foot + 0.16, 0.04, hip)], 0.1, SHOE)

    def draw_arm(side: int, shade: float) -> None:
        shoulder, hand = place(0, 1.40, side * 0.22), place(-side * stride * 0.7, 0.95, side * 0.27)
        person.limb([shoulder, hand], 0.11, top, shade)

    draw_arm(1, 0.85)
    person.limb([place(0, 0.84), place(0, 1.40)], 0.38, top)
    draw_arm(-1, 0.92)
    if person.rng.random() < 0.3:
        person.limb([place(-0.18, 1.0), place(-0.18, 1.35)], 0.26, person.cloth())
    person.ball(place(0.02, 1.63), 0.125, person.skin)
    person.ball(place(-0.02, 1.69), 0.115, person.hair)


def _draw_bicycle(person: _Person) -> None:
    def at(along: float, height: float, side: float = 0.0) -> Point3:
        return person.place(along, height, side, rigid=True)

    turn = np.linspace(0, 2 * math.pi, 13).tolist()
    for hub in (-0.52, 0.52):
        rim = [at(hub + 0.33 * math.cos(a), 0.34 + 0.33 * math.sin(a)) for a in turn]
        person.limb(rim, 0.06, TYRE)
    paints = person.canvas.site.palette.car_paints
    paint = paints[person.rng.integers(len(paints))]
    frame = [at(-0.52, 0.34), at(-0.05, 0.32), at(0.4, 0.85), at(-0.18, 0.82), at(-0.52, 0.34)]
    person.limb(frame, 0.06, paint)
    person.limb([at(0.52, 0.34), at(0.4, 1.02)], 0.06, paint)
    person.limb([at(0.42, 1.02, -0.25), at(0.42, 1.02, 0.25)], 0.05, HANDLEBAR)


def _draw_rider(person: _Person) -> None:
    def at(along: float, height: float, side: float = 0.0) -> Point3:
        return person.place(along, height, side, rigid=True)

    for side in (1, -1):
        angle = person.user.phase + (math.pi if side < 0 else 0.0)
        pedal_x, pedal_z = -0.03 + 0.16 * math.cos(angle), 0.32 + 0.16 * math.sin(angle)
        knee = at(0.18, 0.72 + 0.3 * (pedal_z - 0.32), side * 0.12)
        hip, foot = at(-0.2, 0.95, side * 0.1), at(pedal_x, pedal_z, side * 0.12)
        person.limb([hip, knee, foot], 0.14, person.legs)
    for side in (1, -1):
        person.limb(
            [at(0.12, 1.42, side * 0.18), at(0.42, 1.05, side * 0.24)], 0.1, person.top, 0.9
        )
    person.limb([at(-0.2, 0.92), at(0.1, 1.45)], 0.36, person.top)
    if person.rng.random() < 0.35:
        person.limb([at(-0.2, 1.1), at(-0.05, 1.4)], 0.3, person.cloth())
    person.ball(at(0.2, 1.63), 0.125, person.skin)
    person.ball(at(0.17, 1.68), 0.135, _helmet(person))


def _helmet(person: _Person) -> Colour:
    paints = person.canvas.site.palette.car_paints
    if person.rng.random() < 0.6:
        return paints[person.rng.integers(len(paints))]
    return person.hair


def _bicycle_lamp(person: _Person) -> Glow:
    site = person.canvas.site
    east, north, height = site.position
    dx, dy = east - person.user.x, north - person.user.y
    cosine, sine = person.ahead
    facing = (cosine * dx + sine * dy) / math.sqrt(dx * dx + dy * dy + height * height)
    front = facing > 0
    lamp = person.place(0.5, 0.95, rigid=True) if front else person.place(-0.6, 0.7, rigid=True)
    u, v, depth = site.project_point(lamp)
    colour: Colour = (255, 250, 230) if front else (255, 40, 30)
    return Glow(u, v, 0.22 * site.focal / depth, scaled(colour, 0.7))
