"""Rendered intersections: seeded cameras, traffic, and a van that veers into the bike lane.

    camera = Camera(7, night=True)
    clip = incident_clip(camera, seed=1)        # clip.frames for the detector, clip.truth beside it

Nothing is scripted past the frame: what a box knows of the street, its detector saw. Everything is
a function of seeds. The files, from the ground up: `palette`, `light` and `site` say what a place
looks like; `canvas`, `street`, `buildings`, `users`, `vehicles`, `people`, `glow` and `lens` draw
it; `render` makes a frame; `traffic` places road users for one moment (training), `flow` and
`culprit` move them (clips); `clip` puts it together.
"""

from mesh.demo.scenes.clip import (
    Camera,
    Clip,
    Shot,
    incident_clip,
    incident_frames,
    moment,
    quiet_clip,
    render_clip,
    shots,
    truth_of,
)
from mesh.demo.scenes.culprit import FRAMES_IN_LANE_MIN, IncidentSpec
from mesh.demo.scenes.flow import FRAMES_PER_SECOND
from mesh.demo.scenes.palette import DEMO_PALETTE, TRAINING_PALETTE, Palette
from mesh.demo.scenes.render import Box, Frame, detector_input
from mesh.demo.scenes.traffic import BETWEEN, CLEAR, IN_LANE
from mesh.demo.scenes.users import Kind, RoadUser

__all__ = [
    "BETWEEN",
    "CLEAR",
    "DEMO_PALETTE",
    "FRAMES_IN_LANE_MIN",
    "FRAMES_PER_SECOND",
    "IN_LANE",
    "TRAINING_PALETTE",
    "Box",
    "Camera",
    "Clip",
    "Frame",
    "IncidentSpec",
    "Kind",
    "Palette",
    "RoadUser",
    "Shot",
    "detector_input",
    "incident_clip",
    "incident_frames",
    "moment",
    "quiet_clip",
    "render_clip",
    "shots",
    "truth_of",
]
