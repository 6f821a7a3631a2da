"""The script of the third act: which camera sees an incident when, drawn from the seed.

A camera that has shown an incident gets a rest, so that two at one place never overlap and the end
of one is never mistaken for the beginning of the next. The first is box 247's van at 17:47; the
others fall on random boxes. The plan is the scene's secret: the boxes see only pixels.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from mesh.demo.city.model import City
from mesh.demo.scenes.clip import incident_frames
from mesh.demo.scenes.culprit import IncidentSpec
from mesh.demo.scenes.flow import FRAME_S
from mesh.demo.scenes.users import Kind

__all__ = ["QUIET_FRAMES_FIRST", "CameraPlan", "ScenePlan", "plan_scene"]

QUIET_FRAMES_FIRST = 10
"""Frames at the beginning in which nobody sees an incident."""
REST_FRAMES = 1
"""Frames between one vehicle's leaving and the next one's entering. A vehicle is some ten frames on
its way before it veers, which is longer than a confirmed incident takes to end."""
QUIET_FRAMES_LAST = 8
"""Frames at the end in which no incident begins or goes on."""
FRAMES_MIN = 48
"""Shortest scene, frames of one camera: 12 s."""
INCIDENTS_WHOLE = 60
"""From so many incidents on, a scene has all the quiet frames; a shorter one has its share."""
QUIET_FRAMES_MIN = 1040
"""Quiet frames of twelve cameras together: a few more than the claim about false events needs."""
SHOWN_FRAMES = 19
"""Frames of one incident that are not quiet: some seventeen in which the vehicle touches the lane,
and two more in which an event may still speak of them."""
NIGHT_SHARE = 0.4
"""Share of cameras that look at a night."""


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """One camera of the scene.

    Attributes:
        box: whose it is.
        seed: of its site and traffic.
        night: whether it is night there.
        incidents: what is staged, in the order of time.
    """

    box: str
    seed: int
    night: bool
    incidents: tuple[IncidentSpec, ...]


@dataclass(frozen=True, slots=True)
class ScenePlan:
    """The whole scene.

    Attributes:
        frames: length of each camera's clip, frames of `FRAME_S` seconds.
        cameras: by box.
    """

    frames: int
    cameras: Mapping[str, CameraPlan]

    @property
    def seconds(self) -> float:
        """How long the scene plays."""
        return self.frames * FRAME_S


def plan_scene(city: City, seed: int, incidents: int) -> ScenePlan:
    """Return the scene of a seed.

    Args:
        city: whose places have a watched approach, and so a camera.
        seed: decides everything.
        incidents: how many beside box 247's.
    """
    rng = Random(f"{seed}/scene")
    boxes = [place.name for place in city.places if place.watched is not None]
    hero = city.hero.name
    counts = dict.fromkeys(boxes, 0)
    counts[hero] += 1
    for _ in range(incidents):
        fewest = min(counts.values())
        counts[rng.choice([box for box in boxes if counts[box] == fewest])] += 1
    seeds = {box: rng.randrange(1_000_000) for box in boxes}
    lengths = {box: incident_frames(seeds[box], IncidentSpec()) + 3 for box in boxes}
    busiest = max(counts[box] * (lengths[box] + REST_FRAMES) for box in boxes)
    shown = sum(counts.values()) * SHOWN_FRAMES
    share = min(1.0, incidents / INCIDENTS_WHOLE)
    quiet = math.ceil((QUIET_FRAMES_MIN * share * len(boxes) / 12 + shown) / len(boxes))
    frames = max(FRAMES_MIN, quiet, busiest + QUIET_FRAMES_FIRST + QUIET_FRAMES_LAST)
    cameras = {
        box: CameraPlan(
            box,
            seeds[box],
            rng.random() < NIGHT_SHARE,
            _stage(rng, counts[box], lengths[box], frames, first=box == hero),
        )
        for box in boxes
    }
    return ScenePlan(frames, cameras)


def _stage(
    rng: Random, count: int, length: int, frames: int, *, first: bool
) -> tuple[IncidentSpec, ...]:
    """Spread incidents over a clip; the spare frames are shared out at random between them."""
    room = frames - QUIET_FRAMES_FIRST - QUIET_FRAMES_LAST - count * (length + REST_FRAMES)
    cuts = sorted(rng.randint(0, room) for _ in range(count))
    if first and cuts:
        cuts[0] = 0
    starts = [
        QUIET_FRAMES_FIRST + cut + place * (length + REST_FRAMES) for place, cut in enumerate(cuts)
    ]
    kinds = [Kind.VAN if first and place == 0 else None for place in range(count)]
    return tuple(
        IncidentSpec(first_frame=start, kind=kind)
        for start, kind in zip(starts, kinds, strict=True)
    )
