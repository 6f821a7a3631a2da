"""One camera at one intersection: where it hangs, what it looks at, and what stands around it.

World: metres, x to the right, y away from the camera, z up. The camera watches the near leg
(y < 13); the bike lane at its right side is the zone that incidents are about. All sites share one
road layout; pose, colours and buildings vary with the seed. The ground is flat, so image and ground
are related by a homography, which is all that a detector needs to know of a site.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mesh.demo.scenes.palette import Colour, Palette

FRAME_WIDTH, FRAME_HEIGHT = 512, 288
"""Camera frame, pixels."""

KERB_X = 5.6
"""Distance of both kerbs from the road's axis, metres."""

BIKE_LANE_X = 3.6
"""Distance of the bike lanes' inner edge from the road's axis, metres."""

CROSS_STREET = (18.0, 26.0)
"""The y at which the cross street begins and ends, metres."""

ZONE = (3.6, 5.9, 0.5, 13.0)
"""The bike lane that is watched: x from, x to, y from, y to, metres on the ground."""

DEPTH_MIN_M = 0.3
"""Points nearer than this (or behind the lens) are drawn at this depth."""

ImagePoint = tuple[float, float]
Point3 = tuple[float, float, float]

VERGES: tuple[Colour, ...] = ((96, 116, 70), (120, 118, 108), (88, 108, 66))
"""Grass, gravel, meadow: what lies beside the pavement."""


class Site:
    """One camera at one intersection; a function of its seed and palette."""

    def __init__(self, seed: int, palette: Palette) -> None:
        self.seed = seed
        self.palette = palette
        rng = np.random.default_rng([seed, 77])
        position = np.array(
            [rng.uniform(-3.2, 0.6), rng.uniform(-10.5, -8.5), rng.uniform(7.8, 9.8)]
        )
        target = np.array([rng.uniform(0.2, 1.8), rng.uniform(10.5, 12.5), 0.0])
        rotation = _look_at(position, target)
        self.focal = FRAME_WIDTH / 2 / math.tan(math.radians(rng.uniform(52, 60)) / 2)
        self.position: Point3 = (float(position[0]), float(position[1]), float(position[2]))
        self._rotation: list[float] = [float(value) for value in rotation.ravel()]
        columns = np.stack([rotation[:, 0], rotation[:, 1], -rotation @ position], 1)
        self._to_ground: NDArray[np.float64] = np.asarray(
            np.linalg.inv(np.diag([self.focal, self.focal, 1.0]) @ columns), np.float64
        )
        self.bike_lane = palette.bike_lanes[rng.integers(len(palette.bike_lanes))]
        grey = rng.uniform(82, 112)
        self.asphalt: Colour = (grey, grey, grey * 1.02)
        grey = rng.uniform(140, 172)
        self.pavement: Colour = (grey, grey * 0.97, grey * 0.92)
        self.verge = VERGES[rng.integers(len(VERGES))]
        self.surroundings_seed = int(rng.integers(1 << 30))

    def __repr__(self) -> str:
        return f"<Site {self.seed} palette={self.palette.name}>"

    def project(self, points: Sequence[Point3]) -> tuple[list[ImagePoint], float]:
        """World points to frame pixels.

        Args:
            points: metres.

        Returns:
            The points in the frame, in pixels, and their mean depth in metres.
        """
        east, north, height = self.position
        ax, ay, az, bx, by, bz, cx, cy, cz = self._rotation
        focal, centre_u, centre_v = self.focal, FRAME_WIDTH / 2, FRAME_HEIGHT / 2
        projected: list[ImagePoint] = []
        total = 0.0
        for x, y, z in points:
            dx, dy, dz = x - east, y - north, z - height
            depth = cx * dx + cy * dy + cz * dz
            depth = max(depth, DEPTH_MIN_M)
            total += depth
            u = (ax * dx + ay * dy + az * dz) / depth * focal + centre_u
            v = (bx * dx + by * dy + bz * dz) / depth * focal + centre_v
            projected.append((u, v))
        return projected, total / len(projected)

    def project_point(self, point: Point3) -> tuple[float, float, float]:
        """One world point to u, v (frame pixels) and depth (metres)."""
        ((u, v),), depth = self.project((point,))
        return u, v, depth

    def ground(
        self, u: NDArray[np.float64], v: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Frame pixels to the ground's x and y, metres. Above the horizon the answer is void."""
        centred = np.stack([u - FRAME_WIDTH / 2, v - FRAME_HEIGHT / 2, np.ones_like(u)], -1)
        point = centred @ self._to_ground.T
        return point[..., 0] / point[..., 2], point[..., 1] / point[..., 2]

    def ground_homography(self) -> NDArray[np.float64]:
        """The matrix from homogeneous frame pixels to homogeneous ground metres, [3, 3]."""
        centre = np.array(
            [[1.0, 0.0, -FRAME_WIDTH / 2], [0.0, 1.0, -FRAME_HEIGHT / 2], [0.0, 0.0, 1.0]]
        )
        return self._to_ground @ centre


def _look_at(position: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows: image x, image y (down), depth."""
    forward = target - position
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, np.array([0.0, 0.0, 1.0]))
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])
