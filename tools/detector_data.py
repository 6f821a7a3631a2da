"""Training pictures for the detector, with their labels.

Groups of eight moments share a site and a look. A label row is [class, left, top, right, bottom,
ground u, ground v, weight], all but class and weight in pixels of the detector's image; weight 1 =
learn it, 0 = too hidden or too small to judge (neither learn nor punish), -1 = empty row.

Training seeds stay far below the demo's (`mesh.demo.scenes.clip.DEMO_SEED_FIRST`).
"""

from multiprocessing import Pool
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mesh.demo.scenes.clip import DEMO_SEED_FIRST
from mesh.demo.scenes.labels import is_judged
from mesh.demo.scenes.light import random_look
from mesh.demo.scenes.palette import TRAINING_PALETTE
from mesh.demo.scenes.render import DETECTOR_REDUCTION, Box, detector_input, render
from mesh.demo.scenes.site import Site
from mesh.demo.scenes.street import paint_background
from mesh.demo.scenes.traffic import random_traffic, zone_state
from mesh.demo.scenes.users import RoadUser

FRAMES_PER_GROUP = 8
LABEL_ROWS = 24
"""Objects per picture that are learnt; the rest is dropped."""

INCIDENT_SHARE, NIGHT_SHARE = 0.25, 0.45


def labels(site: Site, boxes: tuple[Box, ...], users: list[RoadUser]) -> NDArray[np.float32]:
    """Label rows of one frame, [LABEL_ROWS, 8]."""
    rows: list[tuple[float, ...]] = []
    for box in boxes:
        left, top, right, bottom = (value / DETECTOR_REDUCTION for value in box.bounds)
        user = users[box.index]
        u, v, _ = site.project_point((user.x, user.y, 0.0))
        weight = 1.0 if is_judged(box) else 0.0
        ground = (u / DETECTOR_REDUCTION, v / DETECTOR_REDUCTION)
        rows.append((float(box.kind), left, top, right, bottom, *ground, weight))
    rows.sort(key=lambda row: -row[7])
    table = np.full((LABEL_ROWS, 8), -1, np.float32)
    kept = rows[:LABEL_ROWS]
    table[: len(kept)] = np.array(kept, np.float32).reshape(-1, 8)
    return table


def render_group(job: tuple[int, str]) -> dict[str, NDArray[np.generic]]:
    """Render one group.

    Args:
        job: seed, and `day`, `night` or `both`.
    """
    seed, when = job
    rng = np.random.default_rng([seed, 3])
    drawn = bool(rng.random() < NIGHT_SHARE)
    night = {"day": False, "night": True, "both": drawn}[when]
    site, look = Site(seed, TRAINING_PALETTE), random_look(rng, night=night)
    background = paint_background(site, look)
    pictures, tables, states = [], [], []
    for _ in range(FRAMES_PER_GROUP):
        users = random_traffic(rng, incident=bool(rng.random() < INCIDENT_SHARE))
        frame = render(site, look, users, background, rng)
        pictures.append(detector_input(frame.pixels))
        tables.append(labels(site, frame.boxes, users))
        states.append(zone_state(users))
    return {
        "images": np.stack(pictures),
        "labels": np.stack(tables),
        "zone": np.array(states),
        "night": np.full(FRAMES_PER_GROUP, night),
        "seed": np.full(FRAMES_PER_GROUP, seed),
    }


def render_data_set(
    path: Path, first_seed: int, groups: int, when: str, *, processes: int = 2
) -> None:
    """Render a data set into a .npz file."""
    if first_seed + groups > DEMO_SEED_FIRST:
        raise SystemExit(
            f"seeds {first_seed} to {first_seed + groups}: training stays below the demo's seeds, "
            f"which begin at {DEMO_SEED_FIRST}"
        )
    jobs = [(first_seed + index, when) for index in range(groups)]
    with Pool(processes) as pool:
        parts = pool.map(render_group, jobs, chunksize=4)
    np.savez(path, **{key: np.concatenate([part[key] for part in parts]) for key in parts[0]})
    print(f"{path}: {groups * FRAMES_PER_GROUP} pictures")
