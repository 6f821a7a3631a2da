"""Frames: the same for a seed everywhere, with boxes and a geometry that fit them."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.demo.scenes import (
    CLEAR,
    DEMO_PALETTE,
    IN_LANE,
    TRAINING_PALETTE,
    Camera,
    IncidentSpec,
    Kind,
    incident_clip,
    render_clip,
    shots,
)
from mesh.demo.scenes.clip import DEMO_SEED_FIRST
from mesh.demo.scenes.light import random_look
from mesh.demo.scenes.render import detector_input, render
from mesh.demo.scenes.site import FRAME_HEIGHT, FRAME_WIDTH, ZONE, Site
from mesh.demo.scenes.street import paint_background
from mesh.demo.scenes.traffic import random_traffic
from mesh.demo.scenes.users import RoadUser

HASH_FRAMES = """
import hashlib
from mesh.demo.scenes import Camera, IncidentSpec, render_clip
clip = render_clip(Camera(3, night=True), 5, 4, (IncidentSpec(first_frame=-6),))
print(hashlib.sha256(clip.frames.tobytes() + clip.truth.tobytes()).hexdigest())
"""


def hash_elsewhere() -> str:
    run = subprocess.run(
        [sys.executable, "-c", HASH_FRAMES], capture_output=True, text=True, check=True
    )
    return run.stdout


def test_two_processes_render_the_same_frames():
    assert hash_elsewhere() == hash_elsewhere()


@pytest.fixture(scope="module", params=[False, True], ids=["day", "night"])
def camera(request: pytest.FixtureRequest) -> Camera:
    return Camera(11, night=request.param)


def test_a_clip_has_the_frames_that_a_detector_takes(camera: Camera):
    clip = render_clip(camera, 1, 2)
    assert clip.frames.shape == (2, 144, 256, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.truth.tolist() == [0, 0]
    assert clip.visible.tolist() == [0, 0]
    assert (clip.frames[0] != clip.frames[1]).any()


def test_seeds_make_a_difference(camera: Camera):
    one, other = (render_clip(camera, seed, 1).frames for seed in (1, 2))
    assert hashlib.sha256(one).digest() != hashlib.sha256(other).digest()


def test_a_frame_is_a_picture_and_not_flat(camera: Camera):
    (shot,) = shots(camera, 4, 1)
    assert shot.frame.pixels.shape == (FRAME_HEIGHT, FRAME_WIDTH, 3)
    assert shot.frame.pixels.std() > 8
    brightness = shot.frame.pixels.mean()
    assert 15 < brightness < 110 if camera.look.night else 70 < brightness < 200
    assert str(camera.seed) in repr(camera)


def test_boxes_lie_in_the_frame_and_shares_are_shares(camera: Camera):
    (shot,) = shots(camera, 4, 1)
    assert shot.frame.boxes
    for box in shot.frame.boxes:
        left, top, right, bottom = box.bounds
        assert 0 <= left < right <= FRAME_WIDTH
        assert 0 <= top < bottom <= FRAME_HEIGHT
        assert 0 <= box.visible <= 1


def test_a_vehicle_in_front_hides_the_one_behind(camera: Camera):
    hidden = RoadUser(kind=Kind.CAR, x=1.75, y=14.0, heading=1.57, seed=1)
    hiding = RoadUser(kind=Kind.VAN, x=1.5, y=8.0, heading=1.57, seed=2)
    rng = np.random.default_rng(1)
    frame = render(camera.site, camera.look, [hidden, hiding], camera.background, rng)
    seen = {box.index: box.visible for box in frame.boxes}
    assert seen[1] > 0.95
    assert seen[0] < 0.8


@pytest.mark.parametrize("seed", range(12))
def test_every_kind_of_weather_can_be_rendered(seed: int):
    rng = np.random.default_rng([seed, 3])
    site, look = Site(seed, TRAINING_PALETTE), random_look(rng, night=seed % 2 == 1)
    users = random_traffic(rng, incident=seed % 3 == 0)
    frame = render(site, look, users, paint_background(site, look), rng)
    assert detector_input(frame.pixels).shape == (144, 256, 3)


sites = st.integers(0, 500).map(lambda seed: Site(DEMO_SEED_FIRST + seed, DEMO_PALETTE))


@settings(max_examples=50)
@given(sites, st.floats(-8, 8), st.floats(0, 60))
def test_the_ground_is_where_the_projection_put_it(site: Site, x: float, y: float):
    u, v, depth = site.project_point((x, y, 0.0))
    assert depth > 5
    found_x, found_y = site.ground(np.array([u]), np.array([v]))
    assert (float(found_x[0]), float(found_y[0])) == pytest.approx((x, y), abs=1e-6)


def test_a_calibration_maps_the_detectors_pixels_to_the_same_ground(camera: Camera):
    for x, y in [(4.6, 2.0), (4.6, 12.0), (1.75, 5.0), (3.0, 8.0), (4.6, 14.0)]:
        u, v, _ = camera.site.project_point((x, y, 0.0))
        assert camera.calibration.ground(u / 2, v / 2) == pytest.approx((x, y), abs=1e-6)
        inside = ZONE[0] < x < ZONE[1] and ZONE[2] < y < ZONE[3]
        assert camera.calibration.is_in_zone(u / 2, v / 2) == inside


@pytest.mark.parametrize("part", ["bike_lanes", "car_paints", "van_paints", "clothes"])
def test_the_demo_shares_no_colour_with_training(part: str):
    held_out, trained = getattr(DEMO_PALETTE, part), getattr(TRAINING_PALETTE, part)
    assert not set(held_out) & set(trained)
    assert len(set(held_out)) == len(held_out)


def test_the_demo_shares_no_seed_with_training():
    assert Camera(0, night=False).site.seed >= DEMO_SEED_FIRST > 1_000_000


def test_an_incident_clip_ends_with_the_lane_clear(camera: Camera):
    clip = incident_clip(camera, 6, IncidentSpec(first_frame=-14))
    assert clip.truth[0] == IN_LANE
    assert clip.truth[-1] == CLEAR
    assert len(clip.frames) == len(clip.truth) == len(clip.visible) < 12
